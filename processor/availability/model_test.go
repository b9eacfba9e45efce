package availability

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// model computes the rows of one terminal from the set of its events, instant by instant, without state, batches or sweeps. It is the
// table in the package comment, read naively.
type model struct {
	retire, timeout int64 // ms
	events          []*event.Event
}

func when(e *event.Event) int64 { return e.When().Milli }

func started(e *event.Event) int64 {
	if s := e.Transaction.StartedAt; e.Type == event.TypeTransaction && s.OK && s.Milli < when(e) {
		return max(s.Milli, when(e)-3_600_000)
	}
	return when(e)
}

func (m *model) hold(e *event.Event) int64 {
	switch {
	case m.timeout > 0:
		return m.timeout
	case e != nil && e.Health.HeartbeatInterval.Value > 0:
		return min(3000*int64(e.Health.HeartbeatInterval.Value), m.retire)
	}
	return 180_000
}

func modelCause(e *event.Event) string {
	switch {
	case e.Health.Status == "up":
		return ""
	case e.Health.Status == "closing":
		return "closing"
	case len(e.Health.Errors) > 0:
		return e.Health.Errors[0].Code
	}
	for _, c := range e.Health.Components {
		if c.State == "error" {
			return c.Type + ":" + c.Detail
		}
	}
	return "reported"
}

// later orders reports of one terminal.
func (m *model) later(a, b *event.Event) int {
	rank := map[string]int{"up": 1, "degraded": 2, "down": 3, "maintenance": 5, "closing": 7}
	status := func(e *event.Event) int {
		if r, ok := rank[e.Health.Status]; ok {
			return r
		}
		return 6
	}
	return cmp.Or(cmp.Compare(when(a), when(b)), cmp.Compare(a.Sequence.Value, b.Sequence.Value), cmp.Compare(status(a), status(b)),
		cmp.Compare(m.hold(a), m.hold(b)), cmp.Compare(a.Health.ResponseMS.Value, b.Health.ResponseMS.Value), cmp.Compare(modelCause(a), modelCause(b)))
}

// status at an instant; lapse: when up or degraded end unless more is heard.
func (m *model) status(x int64) (status, cause string, lapse int64) {
	var r, s *event.Event
	proved := false
	for _, e := range m.events {
		if e.Type == event.TypeHealth && when(e) <= x && (r == nil || m.later(e, r) > 0) {
			r = e
		}
		proved = proved || e.Type == event.TypeTransaction && started(e) <= x && x < when(e)
	}
	for _, e := range m.events {
		if e.Type == event.TypeTransaction && when(e) <= x && (r == nil || when(e) > when(r)) && (s == nil || when(e) > when(s)) {
			s = e
		}
	}
	last := int64(math.MinInt64)
	if r != nil {
		last, lapse = when(r), when(r)+m.hold(r)
	}
	if s != nil {
		last, lapse = when(s), when(s)+m.hold(r)
	}
	weak := func(status, cause string) (string, string, int64) {
		if proved {
			return "up", "", lapse
		}
		return status, cause, lapse
	}
	if r == nil && s == nil {
		return weak("", "")
	}
	if r != nil && (r.Health.Status == "down" || r.Health.Status == "maintenance") {
		if x-last < 366*86_400_000 {
			return r.Health.Status, modelCause(r), lapse
		}
		return weak("", "")
	}
	if x-last >= m.retire {
		return weak("", "")
	}
	if r != nil && (r.Health.Status == "up" || r.Health.Status == "degraded") && x < when(r)+m.hold(r) {
		return r.Health.Status, modelCause(r), lapse
	}
	if s != nil && x < when(s)+m.hold(r) {
		return "up", "", lapse
	}
	if r != nil && s == nil && r.Health.Status == "closing" {
		return weak("silent", "closing")
	}
	if r != nil && s == nil && r.Health.Status == "rebooting" {
		return weak("unknown", modelCause(r))
	}
	return weak("silent", "")
}

// rows adds the terminal's rows to the tables.
func (m *model) rows(ts tables, store, terminal string) {
	if len(m.events) == 0 {
		return
	}
	var instants []int64
	newest, first := when(m.events[0]), started(m.events[0])
	for _, e := range m.events {
		newest, first = max(newest, when(e)), min(first, started(e))
		instants = append(instants, started(e), when(e), when(e)+m.retire, when(e)+366*86_400_000, when(e)+m.hold(nil))
		for _, o := range m.events {
			if o.Type == event.TypeHealth {
				instants = append(instants, when(e)+m.hold(o))
			}
		}
	}
	for x := floorHour(first); x <= newest; x += 3_600_000 {
		instants = append(instants, x)
	}
	slices.Sort(instants)
	instants = slices.Compact(instants)

	put := func(table, key string, row map[string]any) {
		if ts[table] == nil {
			ts[table] = map[string]map[string]any{}
		}
		row["store_id"], row["terminal_id"] = store, terminal
		ts[table][store+"|"+terminal+"|"+key] = row
	}
	type stretch struct {
		start         int64
		status, cause string
	}
	var runs []stretch
	type spent struct {
		known int64
		ms    map[string]int64
	}
	spend := map[int64]*spent{}
	for i, x := range instants {
		if x > newest {
			break
		}
		s, cause, _ := m.status(x)
		if len(runs) == 0 || runs[len(runs)-1].status != s {
			runs = append(runs, stretch{x, s, cause})
		}
		h := spend[floorHour(x)]
		if h == nil {
			h = &spent{ms: map[string]int64{}}
			spend[floorHour(x)] = h
		}
		if x < first || x == newest {
			continue
		}
		if s != "" {
			h.known += instants[i+1] - x
		} else {
			s = "unknown"
		}
		h.ms[s] += instants[i+1] - x
	}

	var totals [3]uint64
	for start, h := range spend {
		var responses []int
		evidence := 0
		for _, e := range m.events {
			if floorHour(when(e)) == start {
				evidence++
				if e.Health.ResponseMS.OK {
					responses = append(responses, int(e.Health.ResponseMS.Value))
				}
			}
		}
		if h.known == 0 && evidence == 0 {
			continue
		}
		totals[0]++
		var sum, p95 float64
		for _, r := range responses {
			sum += float64(r)
			notMore := 0
			for _, o := range responses {
				if o <= r {
					notMore++
				}
			}
			if float64(notMore) >= 0.95*float64(len(responses)) && (p95 == 0 || float64(r) < p95) {
				p95 = float64(r)
			}
		}
		row := map[string]any{"hour": rollup.Seconds(start / 1000), "evidence": uint32(evidence), "excluded_ms": uint32(0)}
		var known int64
		for _, s := range []string{"up", "degraded", "down", "silent", "maintenance", "unknown"} {
			row[s+"_ms"] = uint32(h.ms[s])
			known += h.ms[s]
		}
		row["service_ms"], row["service_down_ms"] = uint32(known), uint32(h.ms["down"])
		row["response_ms_avg"], row["response_ms_p95"] = float32(0), float32(p95)
		if n := len(responses); n > 0 {
			row["response_ms_avg"] = float32(sum / float64(n))
		}
		put("availability_hourly", fmt.Sprintf("%020d", start/1000), row)
	}

	var holds rollup.NullMillis
	for i, r := range runs {
		end := rollup.Null
		if i+1 < len(runs) {
			end = rollup.NullMillis(runs[i+1].start)
		}
		holds = rollup.Null
		if _, _, lapse := m.status(newest); end == rollup.Null && (r.status == "up" || r.status == "degraded") {
			holds = rollup.NullMillis(lapse)
		}
		if r.status == "" {
			continue
		}
		totals[1]++
		put("status_intervals", fmt.Sprintf("%020d", r.start), map[string]any{
			"started_at": rollup.Millis(r.start), "status": r.status, "ended_at": end, "holds_until": holds, "cause": r.cause,
		})
		if r.status != "down" {
			continue
		}
		totals[2]++
		var repair uint64
		if end != rollup.Null {
			repair = uint64(int64(end) - r.start)
		}
		put("outages", fmt.Sprintf("%020d", r.start), map[string]any{
			"started_at": rollup.Millis(r.start), "outage_id": terminal + "/" + time.UnixMilli(r.start).UTC().Format("2006-01-02T15:04:05.000Z07:00"),
			"resolved_at": end, "repair_ms": repair, "service_ms": repair, "cause": r.cause, "party": "undetermined",
		})
	}

	now := runs[len(runs)-1]
	until := newest
	switch {
	case holds != rollup.Null:
		until = int64(holds)
	case now.status != "silent":
		until = time.Date(2299, 12, 31, 0, 0, 0, 0, time.UTC).UnixMilli()
	}
	row := map[string]any{
		"status": now.status, "since": rollup.Millis(now.start), "first_seen": rollup.Millis(first), "last_seen": rollup.Millis(newest),
		"holds_until": rollup.Millis(until), "hours": totals[0], "intervals": totals[1], "outages": totals[2], "service_next": []uint32{0},
		"software_version": "", "offline_backlog": uint32(0), "oldest_unsent_at": rollup.Null, "battery_pct": rollup.NullUint8(-1),
		"printer": "none", "card_reader": "none", "scanner": "none",
	}
	reports := slices.DeleteFunc(slices.Clone(m.events), func(e *event.Event) bool { return e.Type != event.TypeHealth })
	// Of two reports in one millisecond with one sequence number the greater value wins, each field on its own.
	slices.SortStableFunc(reports, func(a, b *event.Event) int {
		return cmp.Or(cmp.Compare(when(a), when(b)), cmp.Compare(a.Sequence.Value, b.Sequence.Value))
	})
	tie := func(a, b *event.Event) bool { return when(a) == when(b) && a.Sequence.Value == b.Sequence.Value }
	var versionBy, batteryBy, printerBy, backlogBy *event.Event
	for _, e := range reports {
		h := &e.Health
		if v := h.SoftwareVersion; v != "" && !(versionBy != nil && tie(versionBy, e) && row["software_version"].(string) > v) {
			row["software_version"], versionBy = v, e
		}
		if b := h.Resources.BatteryPct; b.OK {
			if v := rollup.NullUint8(b.Value); !(batteryBy != nil && tie(batteryBy, e) && row["battery_pct"].(rollup.NullUint8) > v) {
				row["battery_pct"], batteryBy = v, e
			}
		}
		for _, c := range h.Components {
			if c.Type == "printer" {
				if !(printerBy != nil && tie(printerBy, e) && row["printer"].(string) > c.State) {
					row["printer"], printerBy = c.State, e
				}
				break
			}
		}
		if v := h.Backlog.Transactions + h.Backlog.Payments; !(backlogBy != nil && tie(backlogBy, e) && row["offline_backlog"].(uint32) > v) {
			row["offline_backlog"], backlogBy = v, e
		}
	}
	put("terminal_status", "", row)
}

// drawEvents makes a life of two tills, by and large in order: beats, gaps, sales, repetitions, events of one millisecond.
func drawEvents(t *rapid.T) []*event.Event {
	now := time.Date(2026, 2, 28, 20, 0, 0, 0, time.UTC).UnixMilli()
	steps := []int64{0, 1, 30_000, 30_000, 60_000, 60_000, 180_000, 600_000, 1_800_000, 3_600_000, 7_200_000, 5 * 3_600_000, 20 * 3_600_000}
	year := 0 // the event before which more than a year passes
	if rapid.Uint64().Draw(t, "long")%16 == 0 {
		year = rapid.IntRange(1, 20).Draw(t, "year")
	}
	var out []*event.Event
	for i := range rapid.IntRange(1, 40).Draw(t, "events") {
		now += rapid.SampledFrom(steps).Draw(t, "step")
		if i == year && i > 0 {
			now += 400 * 86_400_000
		}
		if rapid.IntRange(0, 9).Draw(t, "align") == 0 {
			now = floorHour(now + 3_600_000)
		}
		e := &event.Event{}
		e.StoreID, e.TerminalID = "s1", rapid.SampledFrom([]string{"t1", "t1", "t1", "t2"}).Draw(t, "terminal")
		e.Time = event.Time{Milli: now, OK: true}
		if n := rapid.IntRange(0, 3).Draw(t, "late"); n == 0 {
			e.Time.Milli -= rapid.SampledFrom([]int64{1, 60_000, 3_600_000, 3 * 3_600_000, 6 * 3_600_000}).Draw(t, "by")
		}
		if s := rapid.IntRange(0, 3).Draw(t, "sequence"); s > 0 {
			e.Sequence = event.Some(uint64(s))
		}
		if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			e.Type = event.TypeTransaction
			if d := rapid.SampledFrom([]int64{0, 0, 60_000, 240_000, 1_800_000, 3_600_000, 90 * 60_000}).Draw(t, "takes"); d > 0 {
				e.Transaction.StartedAt = event.Time{Milli: e.Time.Milli - d, OK: true}
			}
			if rapid.Bool().Draw(t, "ended") {
				e.Transaction.EndedAt = e.Time
				e.Time.Milli -= 1000
			}
		} else {
			e.Type = event.TypeHealth
			h := &e.Health
			h.Status = rapid.SampledFrom([]string{"up", "up", "up", "degraded", "down", "maintenance", "closing", "rebooting"}).Draw(t, "status")
			if i := rapid.SampledFrom([]uint32{0, 30, 60, 1200, 100_000}).Draw(t, "interval"); i > 0 {
				h.HeartbeatInterval = event.Some(i)
			}
			if ms := rapid.Uint32Range(0, 400).Draw(t, "response"); ms > 0 {
				h.ResponseMS = event.Some(ms)
			}
			if rapid.IntRange(0, 2).Draw(t, "error") == 0 {
				h.Errors = []event.HealthError{{Code: rapid.SampledFrom([]string{"403", "UnreachableHost"}).Draw(t, "code")}}
			}
			if rapid.IntRange(0, 2).Draw(t, "component") == 0 {
				h.Components = []event.Component{{Type: "printer", State: rapid.SampledFrom([]string{"ok", "error"}).Draw(t, "state"), Detail: "no_paper"}}
			}
			if rapid.IntRange(0, 3).Draw(t, "version") == 0 {
				h.SoftwareVersion = rapid.SampledFrom([]string{"7.1", "7.2"}).Draw(t, "v")
			}
			if rapid.IntRange(0, 3).Draw(t, "battery") == 0 {
				h.Resources.BatteryPct = event.Some(rapid.Uint32Range(0, 100).Draw(t, "pct"))
			}
			h.Backlog.Transactions = rapid.Uint32Range(0, 2).Draw(t, "unsent")
		}
		out = append(out, e)
		if rapid.IntRange(0, 9).Draw(t, "again") == 0 {
			out = append(out, e)
		}
	}
	return out
}

// The rows that batches leave behind are those of the model, however events are cut into batches, shuffled within them, sent again,
// and whether the state was kept or loaded.
func TestBatchesAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{Window: 2 * time.Hour, RetireAfter: 6 * time.Hour}
		if rapid.IntRange(0, 3).Draw(t, "timeout") == 0 {
			cfg.HeartbeatTimeout = 20 * time.Minute
		}
		events := drawEvents(t)
		seed := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed")))

		var stale, staleShuffled, staleWant int
		fold := New(cfg, func(string, string, int32) { stale++ })
		shuffled := New(cfg, func(string, string, int32) { staleShuffled++ })
		got, gotShuffled, st := tables{}, tables{}, state{}
		models := map[string]*model{}
		newest := map[string]int64{}

		for batch := uint64(1); len(events) > 0; batch++ {
			n := rapid.IntRange(1, len(events)).Draw(t, "batch")
			part := slices.Clone(events[:n])
			events = events[n:]
			v := rollup.Version{Epoch: 1, Batch: batch}

			before := map[string]int64{}
			for k, x := range newest {
				before[k] = x
			}
			for _, e := range part {
				fold.Fold(e, rollup.Input{})
				m := models[e.TerminalID]
				if m == nil {
					m = &model{retire: cfg.RetireAfter.Milliseconds(), timeout: cfg.HeartbeatTimeout.Milliseconds()}
					models[e.TerminalID] = m
				}
				if b, ok := before[e.TerminalID]; ok && when(e) < floorHour(b-cfg.Window.Milliseconds()) {
					staleWant++
					continue
				}
				if x, ok := newest[e.TerminalID]; !ok || when(e) > x {
					newest[e.TerminalID] = when(e)
				}
				if !slices.Contains(m.events, e) { // the draw repeats pointers
					m.events = append(m.events, e)
				}
			}
			got.apply(t, fold.Seal(v), v)

			if rapid.Bool().Draw(t, "restart") {
				shuffled = New(cfg, func(string, string, int32) { staleShuffled++ })
				for _, row := range st.rows(rapid.Bool().Draw(t, "backwards")) {
					if err := shuffled.Load(row); err != nil {
						t.Fatalf("loading: %v", err)
					}
				}
			}
			seed.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
			for _, e := range part {
				shuffled.Fold(e, rollup.Input{})
			}
			s := shuffled.Seal(v)
			gotShuffled.apply(t, s, v)
			st.apply(s.State)

			want := tables{}
			for id, m := range models {
				m.events = distinctEvents(m)
				m.rows(want, "s1", id)
			}
			for _, table := range []string{"availability_hourly", "status_intervals", "outages", "terminal_status"} {
				if !reflect.DeepEqual(rowsOf(want, table), rowsOf(got, table)) {
					t.Fatalf("batch %d: %s (-model +fold):\n%s", batch, table, gocmp.Diff(rowsOf(want, table), rowsOf(got, table)))
				}
				if !reflect.DeepEqual(rowsOf(want, table), rowsOf(gotShuffled, table)) {
					t.Fatalf("batch %d: %s (-model +shuffled, restarted fold):\n%s", batch, table, gocmp.Diff(rowsOf(want, table), rowsOf(gotShuffled, table)))
				}
			}
			if stale != staleWant || staleShuffled != staleWant {
				t.Fatalf("batch %d: stale %d, shuffled %d; want %d", batch, stale, staleShuffled, staleWant)
			}
		}
	})
}

func rowsOf(ts tables, table string) map[string]map[string]any {
	if ts[table] == nil {
		return map[string]map[string]any{}
	}
	return ts[table]
}

// distinctEvents leaves out events that are equal as evidence, which count once.
func distinctEvents(m *model) []*event.Event {
	var out []*event.Event
	for _, e := range m.events {
		if !slices.ContainsFunc(out, func(o *event.Event) bool {
			return o.Type == e.Type && m.later(o, e) == 0 && o.Health.ResponseMS == e.Health.ResponseMS && started(o) == started(e)
		}) {
			out = append(out, e)
		}
	}
	return out
}
