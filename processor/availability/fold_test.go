package availability

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

func seal(t fataler, f *Fold, ts tables, batch uint64) rollup.Sealed {
	v := rollup.Version{Epoch: 1, Batch: batch}
	s := f.Seal(v)
	ts.apply(t, s, v)
	return s
}

func hourKey(t *testing.T, s string) string {
	return "s1|t1|" + padded(at(t, s)/1000)
}

func padded(n int64) string {
	s := []byte("00000000000000000000")
	for i := len(s) - 1; n > 0; i-- {
		s[i] = byte('0' + n%10)
		n /= 10
	}
	return string(s)
}

// Two hours by hand: 9:50 up for 20 min, silent, 10:30 down for 6 min, 10:36 up.
func TestHoursByHand(t *testing.T) {
	f, got := New(Config{HeartbeatTimeout: 20 * time.Minute}, nil, noStale(t)), tables{}
	for _, r := range []struct {
		at, status string
		ms         uint32
	}{{"09:50", "up", 100}, {"10:30", "down", 900}, {"10:36", "up", 200}, {"10:40", "up", 100}, {"10:45", "degraded", 100}} {
		e := report(at(t, "2026-03-01 "+r.at), r.status)
		e.Health.ResponseMS = event.Some(r.ms)
		f.Fold(e, rollup.Input{})
	}
	seal(t, f, got, 1)
	row := func(up, degraded, down, silent, evidence uint32, mean, p95 float32, hour string) map[string]any {
		return map[string]any{
			"store_id": "s1", "terminal_id": "t1", "hour": rollup.Seconds(at(t, hour) / 1000), "up_ms": up, "degraded_ms": degraded, "down_ms": down,
			"silent_ms": silent, "maintenance_ms": uint32(0), "unknown_ms": uint32(0), "service_ms": up + degraded + down + silent,
			"service_down_ms": down, "excluded_ms": uint32(0), "disabled_ms": uint32(0), "service_unknown_ms": silent, "response_ms_avg": mean, "response_ms_p95": p95, "evidence": evidence,
		}
	}
	const minute = 60_000
	told := func(row map[string]any, responses, until []uint32, unheard []uint64) map[string]any {
		row["responses"], row["unheard_until"], row["unheard_ms"] = responses, until, unheard
		return row
	}
	want := map[string]map[string]any{
		hourKey(t, "2026-03-01 09:00"): told(row(10*minute, 0, 0, 0, 1, 100, 100, "2026-03-01 09:00"), []uint32{100}, nil, nil),
		// up until 10:10, silent until 10:30, down until 10:36, up until the newest evidence
		hourKey(t, "2026-03-01 10:00"): told(row(19*minute, 0, 6*minute, 20*minute, 4, 325, 900, "2026-03-01 10:00"), []uint32{100, 100, 200, 900},
			[]uint32{30 * minute, 36 * minute, 40 * minute, 45 * minute}, []uint64{40 * minute, 6 * minute, 4 * minute, 5 * minute}),
	}
	if d := cmp.Diff(want, got["availability_hourly"]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	wantOutage := map[string]any{
		"store_id": "s1", "terminal_id": "t1", "started_at": rollup.Millis(at(t, "2026-03-01 10:30")), "outage_id": "t1/2026-03-01T10:30:00.000Z",
		"resolved_at": rollup.NullMillis(at(t, "2026-03-01 10:36")), "repair_ms": uint64(6 * minute), "service_ms": uint64(6 * minute),
		"cause": "reported", "party": "undetermined",
	}
	for _, r := range got["outages"] {
		if d := cmp.Diff(wantOutage, r); d != "" {
			t.Errorf("outage (-want +got):\n%s", d)
		}
	}
	if n := len(got["outages"]); n != 1 {
		t.Errorf("%d outages", n)
	}
}

// The hours of a till that was taken away and came back: the rest of its last hour, and the beginning of the first, are unknown.
func TestRetiredHours(t *testing.T) {
	f, got := New(Config{}, nil, noStale(t)), tables{}
	f.Fold(report(at(t, "2026-01-01 10:30"), "up"), rollup.Input{})
	seal(t, f, got, 1)
	f.Fold(report(at(t, "2026-03-01 12:45"), "up"), rollup.Input{})
	seal(t, f, got, 2)
	hours := got["availability_hourly"]
	if n, want := len(hours), 31*24+1+1; n != want {
		t.Errorf("%d hours, want %d", n, want)
	}
	for hour, want := range map[string][3]uint32{ // up, silent, unknown
		"2026-01-01 10:00": {180_000, 27 * 60_000, 0},
		"2026-01-20 10:00": {0, 3_600_000, 0},
		"2026-02-01 10:00": {0, 1_800_000, 1_800_000},
		"2026-03-01 12:00": {0, 0, 45 * 60_000},
	} {
		r := hours[hourKey(t, hour)]
		if got := [3]any{r["up_ms"], r["silent_ms"], r["unknown_ms"]}; got != [3]any{want[0], want[1], want[2]} {
			t.Errorf("%s: %v, want %v", hour, got, want)
		}
	}
}

func TestTerminalStatus(t *testing.T) {
	f, got := New(Config{}, nil, noStale(t)), tables{}
	long := report(at(t, "2026-03-01 10:00"), "down")
	long.Health.SoftwareVersion = "7.1.2"
	long.Health.Resources.BatteryPct = event.Some(uint32(81))
	long.Health.Backlog = event.Backlog{Transactions: 3, Payments: 2, OldestAt: event.Time{Milli: at(t, "2026-03-01 09:00"), OK: true}}
	long.Health.Components = []event.Component{
		{Type: "scale", State: "error", Detail: "out_of_order"},
		{Type: "printer", State: "warning", Detail: "paper_low"},
		{Type: "printer", State: "ok"},
		{Type: "scanner", State: "absent"},
	}
	f.Fold(long, rollup.Input{})
	short := report(at(t, "2026-03-01 10:30"), "down") // says less, and that nothing waits any more
	f.Fold(short, rollup.Input{})
	f.Fold(sale(at(t, "2026-03-01 10:31"), at(t, "2026-03-01 10:32")), rollup.Input{})
	seal(t, f, got, 1)
	want := map[string]any{
		"store_id": "s1", "terminal_id": "t1", "status": "down", "since": rollup.Millis(at(t, "2026-03-01 10:00")),
		"first_seen": rollup.Millis(at(t, "2026-03-01 10:00")), "last_seen": rollup.Millis(at(t, "2026-03-01 10:32")),
		"holds_until": rollup.Millis(at(t, "2299-12-31 00:00")), "hours": uint64(1), "intervals": uint64(1), "outages": uint64(1),
		"software_version": "7.1.2", "service_next": []uint32{0}, "offline_backlog": uint32(0), "oldest_unsent_at": rollup.Null,
		"battery_pct": rollup.NullUint8(81), "printer": "warning", "card_reader": "none", "scanner": "absent",
		"retires_at": rollup.Millis(at(t, "2026-03-01 10:32") + 366*24*hourMilli), "registered": uint8(0),
		"clock_skew_ms": int64(0), "clock_shift_ms": int64(0), "disabled": uint8(0),
	}
	if d := cmp.Diff(want, got["terminal_status"]["s1|t1|"]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, r := range got["outages"] {
		if r["cause"] != "scale:out_of_order" {
			t.Errorf("cause %q", r["cause"])
		}
	}
}

// Evidence is too old only by what was known before the batch, and 48 h are counted from a full hour.
func TestStale(t *testing.T) {
	type call struct {
		topic, terminal string
		day             int32
	}
	var calls []call
	f, got := New(Config{BusinessDayCutoff: 4 * time.Hour}, nil, func(topic, terminal string, day int32) {
		calls = append(calls, call{topic, terminal, day})
	}), tables{}
	in := rollup.Input{Topic: "pos.health"}
	f.Fold(report(at(t, "2026-03-10 12:30"), "up"), in)
	f.Fold(report(at(t, "2026-01-10 12:30"), "down"), in) // far back, but in the first batch
	seal(t, f, got, 1)
	f.Fold(report(at(t, "2026-03-20 12:30"), "up"), in)
	f.Fold(report(at(t, "2026-03-08 12:00"), "down"), in) // judged by 10 March
	f.Fold(report(at(t, "2026-03-08 11:59:59.999"), "up"), in)
	f.Fold(report(at(t, "2026-03-08 03:00"), "up"), in) // of the day before, as trade goes
	seal(t, f, got, 2)
	day := int32(at(t, "2026-03-08 00:00") / 86_400_000)
	if d := cmp.Diff([]call{{"pos.health", "t1", day}, {"pos.health", "t1", day - 1}}, calls, cmp.AllowUnexported(call{})); d != "" {
		t.Errorf("stale (-want +got):\n%s", d)
	}
	want := []string{
		"2026-01-10 12:30:00 down (reported)", "2026-03-10 12:30:00 up", "2026-03-10 12:33:00 silent",
		"2026-03-20 12:30:00 up > 2026-03-20 12:33:00",
	}
	if d := cmp.Diff(want, intervalsOf(got)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestNotEvidence(t *testing.T) {
	f := New(Config{}, nil, noStale(t))
	training := sale(someHour, someHour)
	training.Test = true
	nowhere := report(someHour, "up")
	nowhere.TerminalID = ""
	other := report(someHour, "up")
	other.Type = "pos.order.v1"
	for _, e := range []*event.Event{training, nowhere, other} {
		f.Fold(e, rollup.Input{})
	}
	if s := f.Seal(rollup.Version{Epoch: 1, Batch: 1}); len(s.Blocks)+len(s.State) > 0 {
		t.Errorf("sealed %+v", s)
	}
}

// Every kind of transaction takes a working till.
func TestAnyTransactionIsEvidence(t *testing.T) {
	for _, kind := range []string{"sale", "return", "exchange", "void", "no_sale", "order_pickup", "sign_on", "something_new"} {
		f, got := New(Config{}, nil, noStale(t)), tables{}
		e := sale(someHour, someHour)
		e.Transaction.Kind = kind
		f.Fold(e, rollup.Input{})
		seal(t, f, got, 1)
		if r := got["terminal_status"]["s1|t1|"]; r["status"] != "up" {
			t.Errorf("%s: status %v", kind, r["status"])
		}
	}
}

// A batch that only repeats gives nothing out.
func TestRepetitionIsSilent(t *testing.T) {
	f, got := New(Config{}, nil, noStale(t)), tables{}
	for range 2 {
		f.Fold(report(someHour, "up"), rollup.Input{})
		f.Fold(sale(someHour+5, someHour+10), rollup.Input{})
	}
	seal(t, f, got, 1)
	f.Fold(sale(someHour+5, someHour+10), rollup.Input{})
	f.Fold(report(someHour, "up"), rollup.Input{})
	if s := seal(t, f, got, 2); len(s.Blocks)+len(s.State) > 0 {
		t.Errorf("a repetition gave %+v", s)
	}
	if r := got["availability_hourly"]["s1|t1|"+padded(someHour/1000)]; r["evidence"] != uint32(2) {
		t.Errorf("evidence %v, want 2", r["evidence"])
	}
}

// A terminal in two stores is two entities.
func TestMovedTerminal(t *testing.T) {
	f, got := New(Config{}, nil, noStale(t)), tables{}
	moved := report(someHour+hourMilli, "up")
	moved.StoreID = "s2"
	f.Fold(moved, rollup.Input{})
	f.Fold(report(someHour, "down"), rollup.Input{})
	seal(t, f, got, 1)
	status := got["terminal_status"]
	if len(status) != 2 || status["s1|t1|"]["status"] != "down" || status["s2|t1|"]["status"] != "up" {
		t.Errorf("status %v", status)
	}
	if n := len(got["outages"]); n != 1 {
		t.Errorf("%d outages", n)
	}
}

func TestLoad(t *testing.T) {
	older, newer := New(Config{}, nil, noStale(t)), New(Config{}, nil, noStale(t))
	older.Fold(report(someHour, "up"), rollup.Input{Partition: 3})
	newer.Fold(report(someHour, "up"), rollup.Input{Partition: 9})
	newer.Fold(report(someHour+1, "down"), rollup.Input{Partition: 9})
	v := rollup.Version{Epoch: 1, Batch: 1}
	rows := append(newer.Seal(v).State, older.Seal(v).State...)

	for name, order := range map[string]func(i int) int{"older last": func(i int) int { return i }, "newer last": func(i int) int { return len(rows) - 1 - i }} {
		f, got := New(Config{}, nil, noStale(t)), tables{}
		for i := range rows {
			if err := f.Load(rows[order(i)]); err != nil {
				t.Fatal(err)
			}
		}
		f.Fold(report(someHour+hourMilli, "up"), rollup.Input{Partition: 9})
		v := rollup.Version{Epoch: 1, Batch: 2}
		s := f.Seal(v)
		got.apply(t, s, v)
		if r := got["terminal_status"]["s1|t1|"]; r["outages"] != uint64(1) || r["intervals"] != uint64(3) {
			t.Errorf("%s: status %v: the state with the outage was not used", name, r)
		}
		for _, row := range s.State {
			if row.Partition != 9 {
				t.Errorf("%s: state goes to partition %d", name, row.Partition)
			}
		}
		if err := f.Load(rows[0]); !errors.Is(err, errLate) {
			t.Errorf("%s: loading after folding: %v", name, err)
		}
	}

	f := New(Config{}, nil, noStale(t))
	if err := f.Load(rollup.StateRow{Kind: "sequence", Key: "x", Value: []byte{255}}); err != nil {
		t.Errorf("a row of another fold: %v", err)
	}
	for _, row := range []rollup.StateRow{
		{Kind: KindTerminal, Key: "s1", Value: rows[0].Value},
		{Kind: KindTerminal, Key: "s1\x00t1", Value: []byte{0, 1}},
		{Kind: KindEvidence, Key: "s1\x00t1", Value: rows[1].Value},
		{Kind: KindEvidence, Key: "s1\x00t1\x00x", Value: rows[1].Value},
		{Kind: KindEvidence, Key: "s1\x00t1\x007", Value: nil},
	} {
		if err := f.Load(row); err == nil || !strings.Contains(err.Error(), "of partition 0") {
			t.Errorf("row %q: %v", row.Key, err)
		}
	}
}

// What was sealed stays as it is while the next batch is folded and sealed.
func TestSealedIsNotTouched(t *testing.T) {
	f := New(Config{}, nil, noStale(t))
	f.Fold(report(someHour, "up"), rollup.Input{})
	first := f.Seal(rollup.Version{Epoch: 1, Batch: 1})
	was, st := tables{}, state{}
	was.apply(t, first, rollup.Version{Epoch: 1, Batch: 1})
	st.apply(first.State)
	for i := range int64(200) {
		f.Fold(report(someHour+i*1_800_000, "down"), rollup.Input{})
		f.Seal(rollup.Version{Epoch: 1, Batch: uint64(2 + i)})
	}
	again, stAgain := tables{}, state{}
	again.apply(t, first, rollup.Version{Epoch: 1, Batch: 1})
	stAgain.apply(first.State)
	if d := cmp.Diff(was, again); d != "" {
		t.Errorf("rows (-then +now):\n%s", d)
	}
	if d := cmp.Diff(st, stAgain); d != "" {
		t.Errorf("state (-then +now):\n%s", d)
	}
}

func TestTextsAreCutBetweenCharacters(t *testing.T) {
	keep := texts{}
	if got, want := keep.keep(strings.Repeat("é", 100)), strings.Repeat("é", 64); got != want {
		t.Errorf("%q", got)
	}
	if got, want := keep.keep("x"+strings.Repeat("é", 100)), "x"+strings.Repeat("é", 63); got != want {
		t.Errorf("%q", got)
	}
}

// Nearest rank: the smallest value that at least 95 % of the values do not exceed.
func TestResponses(t *testing.T) {
	for n, want := range map[int][2]float32{0: {0, 0}, 1: {1, 1}, 10: {5.5, 10}, 19: {10, 19}, 20: {10.5, 19}, 21: {11, 20}, 100: {50.5, 95}} {
		ev := []Evidence{{Sale: true}}
		for i := n; i > 0; i-- {
			ev = append(ev, Evidence{Response: event.Some(uint32(i))})
		}
		if mean, p95, _ := responses(ev, nil); mean != want[0] || p95 != want[1] {
			t.Errorf("1 to %d: mean %v, p95 %v, want %v", n, mean, p95, want)
		}
	}
}

func TestResponsesInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		least := rapid.Uint32().Draw(t, "least")
		got := rapid.SliceOfN(rapid.Uint32Range(least, least+min(1_000, math.MaxUint32-least)), 0, 120).Draw(t, "values")
		want := slices.Clone(got)
		slices.Sort(want)
		if sortResponses(got); !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

// The partition that keeps a new terminal does not depend on which partition was read first.
func TestPartitionOfNewTerminal(t *testing.T) {
	for _, order := range [][]int32{{9, 3, 7}, {3, 7, 9}, {7, 9, 3}} {
		f := New(Config{}, nil, noStale(t))
		for _, p := range order {
			f.Fold(report(someHour, "up"), rollup.Input{Partition: p})
		}
		for _, row := range f.Seal(rollup.Version{Epoch: 1, Batch: 1}).State {
			if row.Partition != 3 {
				t.Errorf("order %v: state goes to partition %d", order, row.Partition)
			}
		}
	}
}
