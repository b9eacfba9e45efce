package incident

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table/tabletest"
)

// told is one step in a table of a test: its kind, when it was, and what else it says.
type told struct {
	step, at string
	more     fields
}

func incidentOf(steps []told) []fields {
	out := make([]fields, len(steps))
	for i, s := range steps {
		out[i] = incidentStep(fmt.Sprint(i), s.step, s.at).with(s.more)
	}
	return out
}

func worksOf(steps []told) []fields {
	out := make([]fields, len(steps))
	for i, s := range steps {
		out[i] = workStep(fmt.Sprint(i), s.step, s.at).with(s.more)
	}
	return out
}

const minute = 60_000

func TestIncidentRules(t *testing.T) {
	at := func(s string) rollup.NullMillis { return rollup.NullMillis(milli(t, s)) }
	for _, c := range []struct {
		name  string
		steps []told
		want  map[string]any
	}{
		{"a life in order", []told{
			{"opened", on(2, "10:05"), fields{"started_at": on(2, "10:00"), "detected_by": "system", "severity": "p2", "scope": fields{"terminals": []string{"t2", "t1", "t2"}}}},
			{"acknowledged", on(2, "10:10"), nil},
			{"assigned", on(2, "10:15"), fields{"party": "provider", "supplier": "tills-sa", "cause": "DeviceOut", "by": "ann", "reason": "printer board"}},
			{"paused", on(2, "11:00"), nil},
			{"resumed", on(2, "11:30"), nil},
			{"resolved", on(2, "12:00"), nil},
			{"closed", on(3, "09:00"), nil},
		}, map[string]any{
			"status": "closed", "severity": "p2", "terminals": []string{"t1", "t2"}, "started_at": rollup.Millis(milli(t, on(2, "10:00"))),
			"detected_at": at(on(2, "10:05")), "opened_at": rollup.Millis(milli(t, on(2, "10:05"))), "acknowledged_at": at(on(2, "10:10")),
			"resolved_at": at(on(2, "12:00")), "closed_at": at(on(3, "09:00")), "paused_ms": uint64(30 * minute), "resolve_ms": uint64(90 * minute), "reopened": uint32(0),
			"party": "provider", "supplier": "tills-sa", "cause": "DeviceOut", "rule": "incident:assigned", "decided_by": "ann", "decided_at": at(on(2, "10:15")),
			"reason": "printer board", "disordered": uint8(0), "steps": uint32(7),
		}},
		{"nothing but the end is known", []told{{"resolved", on(2, "12:00"), nil}}, map[string]any{
			"status": "resolved", "started_at": rollup.Millis(milli(t, on(2, "12:00"))), "opened_at": rollup.Millis(milli(t, on(2, "12:00"))), "detected_at": rollup.Null,
			"acknowledged_at": rollup.Null, "resolved_at": at(on(2, "12:00")), "resolve_ms": uint64(0), "party": "undetermined", "rule": "", "decided_at": rollup.Null,
		}},
		{"the earliest of each step", []told{{"opened", on(2, "10:30"), nil}, {"opened", on(2, "10:00"), nil}, {"acknowledged", on(2, "11:00"), nil}, {"acknowledged", on(2, "10:40"), nil}}, map[string]any{
			"status": "open", "opened_at": rollup.Millis(milli(t, on(2, "10:00"))), "acknowledged_at": at(on(2, "10:40")), "resolve_ms": uint64(0),
		}},
		{"detected at, if somebody says so", []told{{"opened", on(2, "10:30"), fields{"detected_by": "customer"}}, {"assigned", on(2, "11:00"), fields{"detected_at": on(2, "10:20")}}}, map[string]any{
			"detected_at": at(on(2, "10:20")), "started_at": rollup.Millis(milli(t, on(2, "10:20"))), "detected_by": "customer",
		}},
		{"a belief is corrected", []told{{"opened", on(2, "10:30"), fields{"started_at": on(2, "10:00")}}, {"assigned", on(2, "15:00"), fields{"started_at": on(2, "09:00")}}, {"resolved", on(2, "11:00"), nil}}, map[string]any{
			"started_at": rollup.Millis(milli(t, on(2, "09:00"))), "resolve_ms": uint64(120 * minute),
		}},
		{"reopened within 24 h", []told{{"opened", on(2, "10:00"), nil}, {"resolved", on(2, "11:00"), nil}, {"reopened", on(3, "11:00"), nil}, {"resolved", on(3, "12:00"), nil}}, map[string]any{
			"reopened": uint32(1), "resolved_at": at(on(3, "12:00")), "resolve_ms": uint64(26 * 60 * minute), "paused_ms": uint64(0),
		}},
		{"reopened after more than 24 h", []told{{"opened", on(2, "10:00"), nil}, {"resolved", on(2, "11:00"), nil}, {"reopened", on(3, "11:01"), nil}, {"resolved", on(3, "12:00"), nil}}, map[string]any{
			"reopened": uint32(1), "resolved_at": at(on(3, "12:00")), "resolve_ms": uint64(119 * minute), "paused_ms": uint64(0),
		}},
		{"reopened and not resolved again", []told{{"opened", on(2, "10:00"), nil}, {"closed", on(2, "11:00"), nil}, {"reopened", on(2, "12:00"), nil}}, map[string]any{
			"status": "open", "reopened": uint32(1), "resolved_at": rollup.Null, "closed_at": rollup.Null, "resolve_ms": uint64(0),
		}},
		{"ends and reopenings in turn", []told{
			{"opened", on(2, "10:00"), nil}, {"reopened", on(2, "10:30"), nil}, {"resolved", on(2, "11:00"), nil}, {"resolved", on(2, "11:30"), nil}, {"closed", on(2, "12:00"), nil}, {"closed", on(2, "12:30"), nil},
		}, map[string]any{
			"reopened": uint32(0), "resolved_at": at(on(2, "11:00")), "closed_at": at(on(2, "12:00")), "resolve_ms": uint64(60 * minute), "status": "closed",
		}},
		{"a pause ends with the incident", []told{{"opened", on(2, "10:00"), nil}, {"paused", on(2, "10:30"), nil}, {"resolved", on(2, "11:00"), nil}, {"resumed", on(2, "12:00"), nil}}, map[string]any{
			"paused_ms": uint64(30 * minute), "resolve_ms": uint64(30 * minute), "paused_since": rollup.Null,
		}},
		{"a pause that lasts", []told{{"opened", on(2, "10:00"), nil}, {"paused", on(2, "10:30"), nil}, {"resumed", on(2, "10:40"), nil}, {"paused", on(2, "11:00"), nil}, {"paused", on(2, "12:00"), nil}}, map[string]any{
			"status": "paused", "paused_ms": uint64(10 * minute), "paused_since": at(on(2, "11:00")),
		}},
		{"a pause before it began", []told{{"paused", on(2, "09:00"), nil}, {"opened", on(2, "10:00"), fields{"started_at": on(2, "10:00")}}, {"resumed", on(2, "10:15"), nil}, {"resolved", on(2, "11:00"), nil}}, map[string]any{
			"paused_ms": uint64(15 * minute), "resolve_ms": uint64(45 * minute),
		}},
		{"disordered: acknowledged before it was opened", []told{{"opened", on(2, "10:00"), nil}, {"acknowledged", on(2, "09:59"), nil}}, map[string]any{"disordered": uint8(1)}},
		{"disordered: resolved before it began", []told{{"resolved", on(2, "10:00"), nil}, {"opened", on(2, "09:00"), fields{"started_at": on(2, "11:00")}}}, map[string]any{
			"disordered": uint8(1), "resolve_ms": uint64(0), "paused_ms": uint64(0), "started_at": rollup.Millis(milli(t, on(2, "11:00"))),
		}},
		{"cancelled", []told{{"opened", on(2, "10:00"), nil}, {"cancelled", on(2, "10:30"), nil}, {"cancelled", on(2, "10:40"), nil}}, map[string]any{
			"status": "cancelled", "cancelled_at": at(on(2, "10:30")), "resolved_at": rollup.Null,
		}},
		{"cancelled and reopened", []told{{"opened", on(2, "10:00"), nil}, {"cancelled", on(2, "10:30"), nil}, {"reopened", on(2, "10:40"), nil}}, map[string]any{
			"status": "open", "cancelled_at": rollup.Null, "reopened": uint32(0),
		}},
		{"the cause tells the party", []told{{"opened", on(2, "10:00"), fields{"cause": "UnreachableHost", "by": "monitor"}}}, map[string]any{
			"party": "third_party", "rule": "cause:UnreachableHost", "decided_by": "monitor", "decided_at": at(on(2, "10:00")),
		}},
		{"a decline is nobody's", []told{{"opened", on(2, "10:00"), fields{"cause": "Refusal"}}}, map[string]any{"party": "undetermined", "rule": "", "cause": "Refusal"}},
		{"the latest that says a party, whatever came last", []told{
			{"assigned", on(9, "10:00"), fields{"party": "customer", "by": "bob", "reason": "they cut the line"}},
			{"opened", on(2, "10:00"), fields{"party": "provider", "by": "ann", "cause": "DeviceOut"}},
			{"closed", on(10, "10:00"), fields{"by": "eve"}},
		}, map[string]any{"party": "customer", "rule": "incident:assigned", "decided_by": "bob", "reason": "they cut the line", "decided_at": at(on(9, "10:00"))}},
		{"at one instant the higher sequence", []told{
			{"assigned", on(2, "10:00"), fields{"party": "customer", "sequence": 9}}, {"assigned", on(2, "10:00"), fields{"party": "provider", "sequence": 8}},
		}, map[string]any{"party": "customer"}},
		{"a scope of the whole store, said later", []told{
			{"opened", on(2, "10:00"), fields{"scope": fields{"terminals": []string{"t1"}}}}, {"assigned", on(2, "11:00"), fields{"scope": fields{"services": []string{"payment"}}}},
		}, map[string]any{"terminals": []string(nil), "services": []string{"payment"}}},
		{"steps that this version does not know", []told{{"escalated", on(2, "10:00"), nil}, {"opened", on(2, "10:30"), nil}}, map[string]any{
			"status": "open", "opened_at": rollup.Millis(milli(t, on(2, "10:30"))), "steps": uint32(2),
		}},
	} {
		row := rowOf(t, "incidents", incidentOf(c.steps)...)
		got := map[string]any{}
		for k := range c.want {
			got[k] = row[k]
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

func TestMaintenanceRules(t *testing.T) {
	window := func(from, to string) fields { return fields{"window": fields{"start": from, "end": to}} }
	night := fields{"window": fields{"rrule": "FREQ=WEEKLY;BYDAY=SU;BYHOUR=2", "duration": "4h", "timezone": "Europe/Paris"}}
	for _, c := range []struct {
		name  string
		steps []told
		want  string // excluded, as day hour:minute-day hour:minute in UTC
	}{
		{"announced, approved, done", []told{{"announced", on(1, "10:00"), window(on(5, "01:00"), on(5, "03:00"))}, {"approved", on(2, "10:00"), nil}, {"started", on(5, "01:30"), nil}, {"ended", on(5, "02:30"), nil}}, "05 01:30-05 02:30"},
		{"it took too long", []told{{"announced", on(1, "10:00"), window(on(5, "01:00"), on(5, "03:00"))}, {"approved", on(2, "10:00"), nil}, {"started", on(5, "00:30"), nil}, {"ended", on(5, "04:30"), nil}}, "05 01:00-05 03:00"},
		{"it goes on", []told{{"announced", on(1, "10:00"), window(on(5, "01:00"), on(5, "03:00"))}, {"approved", on(2, "10:00"), nil}, {"started", on(5, "01:30"), nil}}, "05 01:30-05 03:00"},
		{"it never began", []told{{"announced", on(1, "10:00"), window(on(5, "01:00"), on(5, "03:00"))}, {"approved", on(2, "10:00"), nil}, {"ended", on(5, "02:30"), nil}}, ""},
		{"nobody approved", []told{{"announced", on(1, "10:00"), window(on(5, "01:00"), on(5, "03:00"))}, {"started", on(5, "01:30"), nil}, {"ended", on(5, "02:30"), nil}}, ""},
		{"nobody announced", []told{{"approved", on(1, "10:00"), window(on(5, "01:00"), on(5, "03:00"))}, {"started", on(5, "01:30"), nil}, {"ended", on(5, "02:30"), nil}}, ""},
		{"approved afterwards", []told{{"announced", on(1, "10:00"), window(on(5, "01:00"), on(5, "03:00"))}, {"started", on(5, "01:30"), nil}, {"ended", on(5, "02:30"), nil}, {"approved", on(9, "10:00"), nil}}, "05 01:30-05 02:30"},
		{"announced otherwise after approval: what both say", []told{
			{"announced", on(1, "10:00"), window(on(5, "01:00"), on(5, "03:00"))}, {"approved", on(2, "10:00"), nil}, {"announced", on(3, "10:00"), window(on(5, "02:00"), on(5, "06:00"))}, {"started", on(5, "00:00"), nil}, {"ended", on(5, "08:00"), nil},
		}, "05 02:00-05 03:00"},
		{"and approved again", []told{
			{"announced", on(1, "10:00"), window(on(5, "01:00"), on(5, "03:00"))},
			{"approved", on(2, "10:00"), nil},
			{"announced", on(3, "10:00"), window(on(5, "02:00"), on(5, "06:00"))},
			{"approved", on(4, "10:00"), nil},
			{"started", on(5, "00:00"), nil},
			{"ended", on(5, "08:00"), nil},
		}, "05 02:00-05 06:00"},
		{"approved for less", []told{{"announced", on(1, "10:00"), window(on(5, "01:00"), on(5, "03:00"))}, {"approved", on(2, "10:00"), window(on(5, "01:00"), on(5, "02:00"))}, {"started", on(5, "00:30"), nil}, {"ended", on(5, "04:30"), nil}}, "05 01:00-05 02:00"},
		{"called off before", []told{{"announced", on(1, "10:00"), window(on(5, "01:00"), on(5, "03:00"))}, {"approved", on(2, "10:00"), nil}, {"cancelled", on(4, "10:00"), nil}, {"started", on(5, "01:30"), nil}, {"ended", on(5, "02:30"), nil}}, ""},
		{"called off while it went on", []told{{"announced", on(1, "10:00"), window(on(5, "01:00"), on(5, "03:00"))}, {"approved", on(2, "10:00"), nil}, {"started", on(5, "01:30"), nil}, {"cancelled", on(5, "02:00"), nil}}, "05 01:30-05 02:00"},
		{"called off and announced again", []told{
			{"announced", on(1, "10:00"), window(on(5, "01:00"), on(5, "03:00"))}, {"cancelled", on(2, "10:00"), nil}, {"announced", on(3, "10:00"), window(on(5, "01:00"), on(5, "03:00"))}, {"approved", on(3, "11:00"), nil}, {"started", on(5, "01:30"), nil},
		}, "05 01:30-05 03:00"},
		{"begun twice", []told{
			{"announced", on(1, "10:00"), window(on(5, "01:00"), on(5, "09:00"))},
			{"approved", on(2, "10:00"), nil},
			{"started", on(5, "01:30"), nil},
			{"started", on(5, "01:40"), nil},
			{"ended", on(5, "02:00"), nil},
			{"ended", on(5, "02:10"), nil},
			{"started", on(5, "03:00"), nil},
			{"ended", on(5, "03:30"), nil},
		}, "05 01:30-05 02:00, 05 03:00-05 03:30"},
		// Sundays at two in Paris: 1 UTC in winter. On the 29th clocks go from 2 to 3, and it begins at 1 UTC too.
		{"on Sunday nights", []told{
			{"announced", on(2, "10:00"), night},
			{"approved", on(2, "11:00"), nil},
			{"started", on(8, "00:30"), nil},
			{"ended", on(8, "04:00"), nil},
			{"started", on(15, "02:00"), nil},
			{"ended", on(15, "07:00"), nil},
			{"started", on(29, "00:00"), nil},
			{"ended", on(29, "12:00"), nil},
		}, "08 01:00-08 04:00, 15 02:00-15 05:00, 29 01:00-29 05:00"},
		{"on a Sunday night, never ended", []told{{"announced", on(2, "10:00"), night}, {"approved", on(2, "11:00"), nil}, {"started", on(8, "02:00"), nil}}, "08 02:00-08 05:00"},
		{"begun early, never ended", []told{{"announced", on(2, "10:00"), night}, {"approved", on(2, "11:00"), nil}, {"started", on(7, "20:00"), nil}}, "08 01:00-08 05:00"},
	} {
		f := New()
		for _, s := range worksOf(c.steps) {
			f.Fold(decode(t, s), rollup.Input{})
		}
		var got []string
		clock := func(ms int64) string { return time.UnixMilli(ms).UTC().Format("02 15:04") }
		for _, x := range f.Excluded("s1", "any", interval.Span{From: begin.UnixMilli(), To: begin.AddDate(1, 0, 0).UnixMilli()}) {
			got = append(got, clock(x.From)+"-"+clock(x.To))
		}
		if d := cmp.Diff(c.want, strings.Join(got, ", ")); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

// What is excluded is excluded of the terminals of the scope, in the store of the envelope.
func TestScopeOfMaintenance(t *testing.T) {
	f := New()
	at := interval.Span{From: milli(t, on(5, "00:00")), To: milli(t, on(6, "00:00"))}
	for _, s := range worksOf([]told{
		{"announced", on(1, "10:00"), fields{"window": fields{"start": on(5, "01:00"), "end": on(5, "03:00")}, "scope": fields{"terminals": []string{"t2", "t1"}}}},
		{"approved", on(2, "10:00"), nil},
		{"started", on(5, "01:30"), nil},
	}) {
		f.Fold(decode(t, s), rollup.Input{})
	}
	for store, terminals := range map[string]map[string]int64{"s1": {"t1": 90 * minute, "t2": 90 * minute, "t3": 0, "": 0}, "s2": {"t1": 0}} {
		for terminal, want := range terminals {
			if got := f.Excluded(store, terminal, at).Length(); got != want {
				t.Errorf("%s %s: %d ms, want %d", store, terminal, got, want)
			}
		}
	}
	f.Seal(rollup.Version{})
	want := map[string]interval.Set{"s1": {{From: milli(t, on(5, "01:30")), To: milli(t, on(5, "03:00"))}}}
	if d := cmp.Diff(want, f.Changed()); d != "" {
		t.Errorf("changed (-want +got):\n%s", d)
	}
	f.Fold(decode(t, workStep("end", "ended", on(5, "02:00"))), rollup.Input{})
	f.Seal(rollup.Version{})
	want["s1"][0].From = milli(t, on(5, "02:00"))
	if d := cmp.Diff(want, f.Changed()); d != "" {
		t.Errorf("changed by an end (-want +got):\n%s", d)
	}
	f.Seal(rollup.Version{})
	if n := len(f.Changed()); n != 0 {
		t.Errorf("%d stores changed by nothing", n)
	}
}

// Of more than 1,024 steps the first and the last 512 are kept, in whatever order they came.
func TestManySteps(t *testing.T) {
	const n = 1500
	rnd := rand.New(rand.NewPCG(1, 2))
	schema := tabletest.Load(t)
	var want tables
	for round := range 3 {
		f, got := New(), tables{}
		order := rnd.Perm(n)
		for i, at := range order {
			f.Fold(decode(t, incidentStep(fmt.Sprint(at), "assigned", minuteOf(at)).with(fields{"by": fmt.Sprint(at)})), rollup.Input{})
			if i%400 == 399*round%400 || i == n-1 {
				got.apply(t, schema, f.Seal(rollup.Version{Epoch: 1, Batch: uint64(i + 1)}))
			}
		}
		if want == nil {
			want = got
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("another order (-first +this):\n%s", d)
		}
		if k := len(got["incident_steps"]); k != 1024 {
			t.Fatalf("%d steps", k)
		}
	}
}

// Test events, other events and state of others are left alone; state that cannot be read is named.
func TestWhatIsNotItsOwn(t *testing.T) {
	f := New()
	f.Fold(decode(t, incidentStep("1", "opened", on(1, "10:00")).with(fields{"test": true})), rollup.Input{})
	f.Fold(&event.Event{Envelope: event.Envelope{Type: event.TypeHealth}}, rollup.Input{})
	if s := f.Seal(rollup.Version{}); len(s.Blocks) != 0 || len(s.State) != 0 {
		t.Errorf("%+v", s)
	}
	for _, row := range []rollup.StateRow{{Kind: "terminal", Key: "x", Value: []byte("?")}, {Kind: KindIncident, Key: "s1\x00i1", Deleted: true}} {
		if err := f.Load(row); err != nil {
			t.Error(err)
		}
	}
	for _, row := range []rollup.StateRow{{Kind: KindIncident, Key: "s1"}, {Kind: KindMaintenance, Key: "s1\x00m1", Value: []byte("[]")}, {Kind: KindMaintenance, Key: "s1\x00m1", Value: []byte("\x01")}} {
		if err := f.Load(row); err == nil || !strings.Contains(err.Error(), "restore the table") || !strings.Contains(err.Error(), fmt.Sprintf("%q", row.Key)) {
			t.Errorf("%+v: %v", row, err)
		}
	}
}

// Of an incident whose store has moved from one partition to another both states count.
func TestStateInTwoPartitionsIsUnited(t *testing.T) {
	steps := incidentOf([]told{{"opened", on(2, "10:00"), nil}, {"acknowledged", on(2, "10:30"), nil}, {"resolved", on(2, "12:00"), nil}})
	want := rowOf(t, "incidents", steps...)
	for _, swap := range []bool{false, true} {
		st := state{}
		for partition, some := range [][]fields{steps[:2], steps[1:2]} {
			f := New()
			for _, s := range some {
				f.Fold(decode(t, s), rollup.Input{Partition: int32(7 - 3*partition)})
			}
			st.apply(f.Seal(rollup.Version{}).State)
		}
		f, got := New(), tables{}
		rows := []string{"7 incident s1\x00i1", "4 incident s1\x00i1"}
		if swap {
			rows[0], rows[1] = rows[1], rows[0]
		}
		for _, key := range rows {
			if err := f.Load(st[key]); err != nil {
				t.Fatal(err)
			}
		}
		f.Fold(decode(t, steps[2]), rollup.Input{Partition: 4})
		s := f.Seal(rollup.Version{})
		got.apply(t, tabletest.Load(t), s)
		if d := cmp.Diff(want, got["incidents"]["s1|i1"]); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		if len(s.State) != 1 || s.State[0].Partition != 4 {
			t.Errorf("state %+v", s.State)
		}
	}
}
