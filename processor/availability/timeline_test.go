package availability

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// Worked by hand. An event is "time status [every seconds] [#sequence] [!error code]" or "start-time sale"; times are of 1 March 2026
// unless they have a date. Batches are parted by |, in order of arrival. Reports announce nothing, so they hold three minutes, if it
// does not say otherwise. The result lists the intervals; a tail of "> time" is when the open one lapses.
var timelines = []struct{ name, events, want string }{
	{"first report", "10:00 up", "10:00 up > 10:03"},
	{"heartbeats", "10:00 up, 10:02 up, 10:04 up", "10:00 up > 10:07"},
	{"announced interval", "10:00 up every 1200", "10:00 up > 11:00"},
	{"it lapses", "10:00 up, 10:10 up", "10:00 up, 10:03 silent, 10:10 up > 10:13"},
	{"it lapses at the instant of the next", "10:00 up, 10:03 up", "10:00 up > 10:06"},
	{"degraded lapses too", "10:00 degraded !403, 10:10 up", "10:00 degraded (403), 10:03 silent, 10:10 up > 10:13"},
	{"down holds", "10:00 down !403, 15:00 up", "10:00 down (403), 15:00 up > 15:03"},
	{"maintenance holds", "10:00 maintenance, 15:00 up", "10:00 maintenance (reported), 15:00 up > 15:03"},
	{"open down", "10:00 up, 10:01 down", "10:00 up, 10:01 down (reported)"},
	{"down again is one run, its cause the first", "10:00 down !403, 10:30 down !500, 11:00 up", "10:00 down (403), 11:00 up > 11:03"},
	{"late report inside an up run", "10:00 up, 10:02 up, 10:04 up | 10:03 down", "10:00 up, 10:03 down (reported), 10:04 up > 10:07"},
	{"late report that changes nothing", "10:00 up, 10:02 up, 10:04 up | 10:03 up", "10:00 up > 10:07"},
	{"late report before the first", "10:00 up | 09:30 down", "09:30 down (reported), 10:00 up > 10:03"},
	{"late report fills silence", "10:00 up, 10:05 up | 10:02:30 up", "10:00 up > 10:08"},
	{"late up ends an outage", "10:00 down, 11:00 down | 10:30 up", "10:00 down (reported), 10:30 up, 10:33 silent, 11:00 down (reported)"},
	{"sale alone", "10:00-10:04 sale", "10:00 up > 10:07"},
	{"sale without a start", "10:04-10:04 sale", "10:04 up > 10:07"},
	{"sale inside silence", "10:00 up, 10:08-10:10 sale, 10:30 up", "10:00 up, 10:03 silent, 10:08 up, 10:13 silent, 10:30 up > 10:33"},
	{"sale bridges", "10:00 up, 10:02-10:04 sale, 10:07 up", "10:00 up > 10:10"},
	{"sale that began in the last hold", "10:00 up, 10:02-10:10 sale, 10:12 up", "10:00 up > 10:15"},
	{"sale holds as long as the last report", "10:00 up every 600, 11:00-11:00 sale", "10:00 up, 10:30 silent, 11:00 up > 11:30"},
	{"sale during down", "10:00 down, 10:04-10:05 sale, 11:00 up", "10:00 down (reported), 11:00 up > 11:03"},
	{"sale during maintenance", "10:00 maintenance, 10:04-10:05 sale", "10:00 maintenance (reported)"},
	{"sale begun before down", "09:00 up, 10:00 down, 09:55-10:05 sale", "09:00 up, 09:03 silent, 09:55 up, 10:00 down (reported)"},
	{"sale in a degraded till", "10:00 degraded, 10:02-10:02 sale, 10:10 up", "10:00 degraded (reported), 10:03 up, 10:05 silent, 10:10 up > 10:13"},
	{"sale keeps a degraded till from silence", "10:00 degraded, 10:02-10:02 sale", "10:00 degraded (reported) > 10:05"},
	{"sale proves an hour at most", "10:00 up, 10:30-12:00 sale", "10:00 up, 10:03 silent, 11:00 up > 12:03"},
	{"a sale that begins after it ends has no length", "10:00 up, 10:20-10:10 sale", "10:00 up, 10:03 silent, 10:10 up > 10:13"},
	{"overlapping sales", "10:00-10:10 sale, 10:05-10:12 sale, 09:58-10:01 sale", "09:58 up > 10:15"},
	{"sale at the instant of a report", "10:00 down, 09:50-10:00 sale", "09:50 up, 10:00 down (reported)"},
	{"closing", "10:00 up, 10:01 closing, 18:00 up", "10:00 up, 10:01 silent (closing), 18:00 up > 18:03"},
	{"closing, then a sale", "10:00 closing every 60, 11:00-11:01 sale, 12:00 up", "10:00 silent (closing), 11:00 up, 11:04 silent, 12:00 up > 12:03"},
	{"closing is open", "10:00 up, 10:01 closing", "10:00 up, 10:01 silent (closing)"},
	{"closing in silence", "10:00 up, 10:30 closing, 11:00 up", "10:00 up, 10:03 silent, 11:00 up > 11:03"},
	{"unknown value", "10:00 up, 10:01 rebooting, 10:30 up", "10:00 up, 10:01 unknown (reported), 10:30 up > 10:33"},
	{"unknown value, then a sale", "10:00 rebooting, 10:20-10:21 sale, 11:00 up", "10:00 unknown (reported), 10:20 up, 10:24 silent, 11:00 up > 11:03"},
	{"flapping", "10:00 up, 10:00:10 down, 10:00:20 up, 10:00:30 down, 10:00:40 up", "10:00 up, 10:00:10 down (reported), 10:00:20 up, 10:00:30 down (reported), 10:00:40 up > 10:03:40"},
	{"reboot: the counter starts again", "10:00 up #900, 10:01 down #901, 10:05 up #1", "10:00 up, 10:01 down (reported), 10:05 up > 10:08"},
	{"line cut, the backlog comes later", "10:00 up, 12:00 up | 10:30-10:31 sale, 11:00-11:02 sale, 11:59-12:00 sale", "10:00 up, 10:03 silent, 10:30 up, 10:34 silent, 11:00 up, 11:05 silent, 11:59 up > 12:03"},
	{"backlog of reports closes the hole", "10:00 up every 1200, 12:00 up every 1200 | 10:40 up every 1200, 11:20 up every 1200", "10:00 up > 13:00"},
	{"equal times: the sequence decides", "10:00 down #2, 10:00 up #1, 11:00 up #3", "10:00 down (reported), 11:00 up > 11:03"},
	{"equal times, other order of arrival", "10:00 up #1 | 10:00 down #2 | 11:00 up #3", "10:00 down (reported), 11:00 up > 11:03"},
	{"a repetition changes nothing", "10:00 up, 10:10 down | 10:00 up | 10:10 down", "10:00 up, 10:03 silent, 10:10 down (reported)"},
	{"month boundary", "2026-03-31 23:50 down, 2026-04-01 00:10 up", "2026-03-31 23:50 down (reported), 2026-04-01 00:10 up > 2026-04-01 00:13"},
	{"retired and back", "2026-01-01 10:00 up, 2026-03-01 12:00 up", "2026-01-01 10:00 up, 2026-01-01 10:03 silent, 2026-02-01 10:00 none, 12:00 up > 12:03"},
	{"retired, back with a sale", "2026-01-01 10:00 up, 11:50-12:00 sale", "2026-01-01 10:00 up, 2026-01-01 10:03 silent, 2026-02-01 10:00 none, 11:50 up > 12:03"},
	{"a sale long after, of a till still reported down", "2024-01-01 10:00 down !403, 2025-06-01 10:00-10:00 sale | 2027-01-01 10:00-10:00 sale", "2024-01-01 10:00 down (403), 2025-01-01 10:00 none, 2025-06-01 10:00 down (403), 2026-06-02 10:00 none, 2027-01-01 10:00 down (403)"},
	{"a sale across the edge of what is kept", "10:00 up every 1200, 11:40-12:20 sale, 2026-03-03 12:50 up every 1200 | 2026-03-03 13:05 up every 1200 | 13:10 up every 1200", "10:00 up, 11:00 silent, 11:40 up, 14:10 silent, 2026-03-03 12:50 up > 2026-03-03 14:05"},
	{"nobody is down for ever", "2024-01-01 10:00 down, 2026-03-01 12:00 up", "2024-01-01 10:00 down (reported), 2025-01-01 10:00 none, 12:00 up > 12:03"},
}

func parseBatches(t *testing.T, s string) [][]*event.Event {
	t.Helper()
	var out [][]*event.Event
	for batch := range strings.SplitSeq(s, " | ") {
		var events []*event.Event
		for one := range strings.SplitSeq(batch, ", ") {
			words := strings.Fields(one)
			if strings.Count(words[0], "-") == 2 { // a date
				words = append([]string{words[0] + " " + words[1]}, words[2:]...)
			}
			if words[1] == "sale" {
				i := strings.LastIndexByte(words[0], '-')
				start, end := words[0][:i], words[0][i+1:]
				if day, _, dated := strings.Cut(start, " "); dated {
					end = day + " " + end
				}
				events = append(events, sale(clock(t, start), clock(t, end)))
				continue
			}
			e := report(clock(t, words[0]), words[1])
			for i := 2; i < len(words); i++ {
				var n uint32
				switch w := words[i]; {
				case w == "every":
					i++
					fmt.Sscan(words[i], &n)
					e.Health.HeartbeatInterval = event.Some(n)
				case w[0] == '#':
					fmt.Sscan(w[1:], &n)
					e.Sequence = event.Some(uint64(n))
				case w[0] == '!':
					e.Health.Errors = []event.HealthError{{Code: w[1:]}}
				}
			}
			events = append(events, e)
		}
		out = append(out, events)
	}
	return out
}

func clock(t *testing.T, s string) int64 {
	t.Helper()
	if !strings.Contains(s, " ") {
		s = "2026-03-01 " + s
	}
	return at(t, s)
}

func TestTimelines(t *testing.T) {
	for _, c := range timelines {
		t.Run(c.name, func(t *testing.T) {
			var want []string
			for part := range strings.SplitSeq(c.want, ", ") {
				part, holds, lapses := strings.Cut(part, " > ")
				words := strings.Fields(part)
				if strings.Contains(words[0], "-") {
					words = append([]string{words[0] + " " + words[1]}, words[2:]...)
				}
				words[0] = time.UnixMilli(clock(t, words[0])).UTC().Format(time.DateTime)
				if lapses {
					words = append(words, "> "+time.UnixMilli(clock(t, holds)).UTC().Format(time.DateTime))
				}
				want = append(want, strings.Join(words, " "))
			}

			batches := parseBatches(t, c.events)
			var all []*event.Event
			inOrder, got, restarted, gotRestarted, st := New(Config{}, nil, noStale(t)), tables{}, New(Config{}, nil, noStale(t)), tables{}, state{}
			for i, b := range batches {
				for _, row := range st.rows(i%2 == 0) {
					if err := restarted.Load(row); err != nil {
						t.Fatal(err)
					}
				}
				for _, e := range b {
					restarted.Fold(e, rollup.Input{})
				}
				s := restarted.Seal(rollup.Version{Epoch: 1, Batch: uint64(i + 1)})
				gotRestarted.apply(t, s, rollup.Version{Epoch: 1, Batch: uint64(i + 1)})
				st.apply(s.State)
				restarted = New(Config{}, nil, noStale(t))

				for _, e := range b {
					inOrder.Fold(e, rollup.Input{})
					all = append(all, e)
				}
				v := rollup.Version{Epoch: 1, Batch: uint64(i + 1)}
				got.apply(t, inOrder.Seal(v), v)
			}
			if d := cmp.Diff(want, intervalsOf(got)); d != "" {
				t.Errorf("in batches (-want +got):\n%s", d)
			}
			if d := cmp.Diff(got, gotRestarted); d != "" {
				t.Errorf("in batches (-kept state +loaded state):\n%s", d)
			}

			slices.Reverse(all)
			backwards, got := New(Config{}, nil, noStale(t)), tables{}
			for _, e := range all {
				backwards.Fold(e, rollup.Input{})
			}
			got.apply(t, backwards.Seal(rollup.Version{Epoch: 1, Batch: 1}), rollup.Version{Epoch: 1, Batch: 1})
			if d := cmp.Diff(want, intervalsOf(got)); d != "" {
				t.Errorf("all at once, backwards (-want +got):\n%s", d)
			}

			var evidence []Evidence
			for _, e := range all {
				var ev Evidence
				if !backwards.evidenceOf(&ev, e, e.When().Milli, 0) {
					t.Fatalf("no evidence: %+v", e)
				}
				evidence = append(evidence, ev)
			}
			var pure []string
			for _, r := range Timeline(Config{}, evidence) {
				pure = append(pure, line(r.Start, r.Status.String(), r.Cause))
				if r.End != Open && r.Status == Silent && !strings.HasPrefix(nextOf(want, pure), time.UnixMilli(r.End).UTC().Format(time.DateTime)) {
					t.Errorf("%s ends at %d", pure[len(pure)-1], r.End)
				}
			}
			var known []string
			for _, w := range want {
				if w, _, _ = strings.Cut(w, " > "); !strings.HasSuffix(w, " none") {
					known = append(known, w)
				}
			}
			if d := cmp.Diff(known, pure); d != "" {
				t.Errorf("Timeline (-want +got):\n%s", d)
			}
		})
	}
}

// nextOf is the entry of want that follows as many entries as got has, not counting those of nothing.
func nextOf(want, got []string) string {
	n := 0
	for _, w := range want {
		if n == len(got) {
			return w
		}
		if !strings.HasSuffix(w, " none") {
			n++
		}
	}
	return ""
}

func line(start int64, status, cause string) string {
	s := time.UnixMilli(start).UTC().Format(time.DateTime) + " " + status
	if cause != "" {
		s += " (" + cause + ")"
	}
	return s
}

// intervalsOf writes the intervals of the tables as the table above does, and a gap as none.
func intervalsOf(ts tables) []string {
	var out []string
	var end rollup.NullMillis
	rows := ts["status_intervals"]
	var keys []string
	for k := range rows {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for i, k := range keys {
		r := rows[k]
		start := int64(r["started_at"].(rollup.Millis))
		if i > 0 && int64(end) != start {
			out = append(out, line(int64(end), "none", ""))
		}
		end = r["ended_at"].(rollup.NullMillis)
		s := line(start, r["status"].(string), r["cause"].(string))
		if h := r["holds_until"].(rollup.NullMillis); h != rollup.Null {
			s += " > " + time.UnixMilli(int64(h)).UTC().Format(time.DateTime)
		}
		out = append(out, s)
	}
	return out
}
