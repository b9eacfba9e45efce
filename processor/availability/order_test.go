package availability

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/rollup"
)

// revision is what the registry says of store s1 with tills t1 and t2, said at an instant.
func revision(t *testing.T, number int, said, lives string) *event.Event {
	t.Helper()
	text, err := registry.ReadState(fmt.Appendf(nil, `{"store_id":"s1","revision":%d,"store":{"versions":[{"timezone":"UTC","sell_quorum":%[1]d,"calendar":{"week":{"sun":["06:00-22:00"],"mon":["06:00-22:00"]}}}],`+
		`"terminals":[{"id":"t1","lives":[%s],"versions":[{}]},{"id":"t2","lives":[{}],"versions":[{}]}]}}`, number, lives))
	if err != nil {
		t.Fatal(err)
	}
	return registration(text, at(t, said))
}

// Inputs that once gave other rows in another order, or when a lane was begun anew in between: every order of them, each event a batch of its own and
// the state loaded between, must give what one batch gives.
func TestOrderThatMattered(t *testing.T) {
	up := func(when string) *event.Event { return report(at(t, when), "up") }
	silentThen := func(when, boot string) *event.Event {
		e := up(when)
		e.Health.BootID = boot
		return e
	}
	downBy := func(when, code string) *event.Event {
		e := report(at(t, when), "down")
		e.Health.Errors = []event.HealthError{{Code: code}}
		return e
	}
	for name, events := range map[string][]*event.Event{
		"applied before an old history is loaded": {
			revision(t, 1, "2026-04-10 12:00", "{}"), up("2026-03-01 09:00"), report(at(t, "2026-03-01 10:00"), "down"), up("2026-03-01 10:10"),
		},
		"the registry comes when the till was heard already": {revision(t, 1, "2026-03-01 08:30", "{}"), up("2026-03-01 09:00"), up("2026-03-01 09:02")},
		"two revisions before a word":                        {revision(t, 1, "2026-03-01 07:00", "{}"), revision(t, 2, "2026-03-01 12:00", "{}")},
		"two revisions and a word between":                   {revision(t, 1, "2026-03-01 07:00", "{}"), up("2026-03-01 09:00"), revision(t, 2, "2026-03-01 12:00", "{}")},
		"a sale in the very millisecond":                     {revision(t, 1, "2026-03-01 09:00", "{}"), sale(at(t, "2026-03-01 09:00"), at(t, "2026-03-01 09:00")), up("2026-03-01 10:00")},
		"a silence through two lives, and a late word of another boot": {
			revision(t, 1, "2026-03-01 08:00", `{"to":"2026-03-01T10:00:00Z"},{"from":"2026-03-01T11:00:00Z"}`),
			silentThen("2026-03-01 09:00", "b1"), silentThen("2026-03-01 12:00", "b2"), silentThen("2026-03-01 11:30", "b1"),
		},
		"a silence that began before the life in which it shows, and a closing since": {
			revision(t, 1, "2026-03-01 08:00", `{"from":"2026-03-01T12:00:00Z"}`),
			up("2026-03-01 09:00"), report(at(t, "2026-03-01 09:30"), "closing"), report(at(t, "2026-03-01 11:30"), "closing"), up("2026-03-01 13:00"),
		},
		"an outage that began before the life in which it shows, and another cause since": {
			revision(t, 1, "2026-03-01 08:00", `{"from":"2026-03-01T12:00:00Z"}`),
			downBy("2026-03-01 09:00", "a"), downBy("2026-03-01 09:30", "b"), downBy("2026-03-01 11:30", "b"), up("2026-03-01 13:00"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := tables{}
			f := New(Config{}, nil, noStale(t))
			for _, e := range events {
				f.Fold(e, rollup.Input{})
			}
			seal(t, f, want, 1)
			permute(events, func(order []*event.Event) {
				got, kept := tables{}, state{}
				for i, e := range order {
					f := New(Config{}, nil, noStale(t))
					for _, row := range kept.rows(i%2 == 1) {
						if err := f.Load(row); err != nil {
							t.Fatal(err)
						}
					}
					f.Fold(e, rollup.Input{})
					kept.apply(seal(t, f, got, uint64(i+1)).State)
				}
				for _, table := range slices.Sorted(maps.Keys(keyColumns)) {
					w, g := maps.Clone(rowsOf(want, table)), maps.Clone(rowsOf(got, table))
					if table == "service_windows" { // how far ahead they are written is as batches come
						maps.DeleteFunc(w, func(k string, _ map[string]any) bool { return g[k] == nil })
						maps.DeleteFunc(g, func(k string, _ map[string]any) bool { return w[k] == nil })
					}
					maps.DeleteFunc(g, func(_ string, r map[string]any) bool { // what a life does not reach any more
						return table == "availability_hourly" && r["evidence"] == uint32(0) && r["unknown_ms"] == uint32(0) && r["silent_ms"] == uint32(0) && r["up_ms"] == uint32(0) && r["service_ms"] == uint32(0)
					})
					if d := cmp.Diff(w, g); d != "" {
						t.Fatalf("%s (-one batch +batches in another order):\n%s", table, d)
					}
				}
			})
		})
	}
}

// A revision by which a store has no till in some hours: what was written of these hours must go, as if it had been known at once.
func TestStoreHoursThatNoLifeReaches(t *testing.T) {
	said := func(number int, when, lives string) *event.Event {
		text, err := registry.ReadState(fmt.Appendf(nil, `{"store_id":"s1","revision":%d,"store":{"versions":[{"timezone":"UTC","calendar":{"week":{"sun":["00:00-24:00"]}}}],"terminals":[{"id":"t1","lives":[%s],"versions":[{}]}]}}`, number, lives))
		if err != nil {
			t.Fatal(err)
		}
		return registration(text, at(t, when))
	}
	for name, lives := range map[string]string{"ends earlier": `{"to":"2026-03-01T10:00:00Z"}`, "begins later": `{"from":"2026-03-01T11:00:00Z"}`} {
		t.Run(name, func(t *testing.T) {
			events := []*event.Event{
				said(1, "2026-03-01 08:00", "{}"), report(at(t, "2026-03-01 09:00"), "up"), report(at(t, "2026-03-01 09:30"), "up"),
				report(at(t, "2026-03-01 12:30"), "up"), said(2, "2026-03-01 12:31", lives), report(at(t, "2026-03-01 12:32"), "up"),
			}
			want, got := tables{}, tables{}
			once, each := New(Config{}, nil, noStale(t)), New(Config{}, nil, noStale(t))
			for i, e := range events {
				once.Fold(e, rollup.Input{})
				each.Fold(e, rollup.Input{})
				seal(t, each, got, uint64(i+1))
			}
			seal(t, once, want, 1)
			for _, table := range []string{"availability_hourly", "store_availability_hourly"} {
				if d := cmp.Diff(rowsOf(want, table), rowsOf(got, table)); d != "" {
					t.Errorf("%s (-one batch +batches):\n%s", table, d)
				}
			}
		})
	}
}

// What began where the kept evidence begins was not a beginning: a sale that comes late says that the till never fell silent. The store is up since before.
func TestStoreRunThatBeginsAtTheEdge(t *testing.T) {
	cfg := Config{Window: 2 * time.Hour, HeartbeatTimeout: 3 * time.Hour}
	edge := at(t, "2026-03-01 12:00")
	other := report(edge+3*hourMilli, "down")
	other.TerminalID = "t2"
	f, got := New(cfg, nil, noStale(t)), tables{}
	for i, e := range []*event.Event{report(edge-3*hourMilli, "up"), other, sale(edge, edge+hourMilli)} {
		f.Fold(e, rollup.Input{})
		seal(t, f, got, uint64(i+1))
	}
	if row := rowsOf(got, "store_status")["s1|"]; row["status"] != "up" || row["since"] != rollup.Millis(edge-3*hourMilli) {
		t.Errorf("the store is %v since %v, want up since 09:00", row["status"], row["since"])
	}
}

// permute calls f with every order.
func permute(all []*event.Event, f func([]*event.Event)) {
	var next func(n int)
	all = slices.Clone(all)
	next = func(n int) {
		if n == len(all) {
			f(all)
			return
		}
		for i := n; i < len(all); i++ {
			all[n], all[i] = all[i], all[n]
			next(n + 1)
			all[n], all[i] = all[i], all[n]
		}
	}
	next(0)
}

// A lane that is begun anew writes the same opening hours as one that went on: its state knows what was written.
func TestOpeningHoursAreWrittenOnce(t *testing.T) {
	f := New(Config{}, nil, noStale(t))
	f.Fold(report(at(t, "2026-03-01 09:00"), "up"), rollup.Input{})
	f.Fold(revision(t, 1, "2026-03-01 08:00", "{}"), rollup.Input{})
	kept, got := state{}, tables{}
	kept.apply(seal(t, f, got, 1).State)
	again := New(Config{}, nil, noStale(t))
	for _, row := range kept.rows(false) {
		if err := again.Load(row); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []*Fold{f, again} {
		x.Fold(report(at(t, "2026-03-01 09:02"), "up"), rollup.Input{})
		for _, b := range x.Seal(rollup.Version{Epoch: 1, Batch: 2}).Blocks {
			if b.Table == "service_windows" {
				t.Errorf("%d rows of opening hours are written again", b.Rows)
			}
		}
	}
}
