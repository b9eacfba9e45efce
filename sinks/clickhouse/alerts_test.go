package clickhouse

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/alert"
)

// What was put is read back; a receiver is told of what it has not taken, in order, another of all.
func TestAlertsAreKept(t *testing.T) {
	s := fresh(t)
	at := time.Now().UnixMilli()
	a := alert.Transition{Kind: alert.Fired, Alert: alert.Alert{
		ID: "a", Key: alert.Key{Rule: alert.StoreOutage, Scope: "s"}, Severity: alert.Page, Status: alert.Firing, Store: "s", Started: at - 10, Since: at - 10,
		Value: 1.5, Threshold: 2, Summary: "out", Sequence: 1, At: at,
	}}
	over := a
	over.Kind, over.Status, over.Ended, over.Sequence, over.At, over.Reason = alert.Cleared, alert.Resolved, at+5, 2, at+5, "over"
	b := a
	b.ID, b.Scope, b.Started, b.Since, b.Contract, b.Objective, b.Terminal, b.Target = "b", "t", at, 0, "c", "o", "x", "field"
	for range 2 { // a zombie writes the same
		if err := s.Put(t.Context(), []alert.Transition{a, b, over}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Took(t.Context(), "one", []alert.Transition{a}); err != nil {
		t.Fatal(err)
	}
	last, untold, err := s.Load(t.Context(), []string{"one", "two"}, 100)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]alert.Alert{over.Alert, b.Alert}, byID(last)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string][]alert.Transition{"one": {b, over}, "two": {a, b, over}}, untold); d != "" {
		t.Error(d)
	}
	// Two days ago: an alert that is over, and one that is not. A receiver that was told before is told of both, one that is new of what is open alone.
	old, open := over, b
	old.ID, old.Scope, old.Sequence, old.Kind, old.Status = "c", "u", 1, alert.Cleared, alert.Resolved
	open.ID, open.Scope = "d", "v"
	old.At, open.At = at-2*86_400_000, at-2*86_400_000
	if err := s.Put(t.Context(), []alert.Transition{old, open}); err != nil {
		t.Fatal(err)
	}
	do(t, s, "INSERT INTO tillstream.alerts_sent (receiver, alert_id, sequence, at) VALUES ('away', 'x', 1, now64(3) - toIntervalDay(3))")
	_, untold, err = s.Load(t.Context(), []string{"away", "two"}, 100)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string][]alert.Transition{"away": {old, open, a, b, over}, "two": {open, a, b, over}}, untold); d != "" {
		t.Error(d)
	}
	do(t, s, "DELETE FROM tillstream.alerts WHERE alert_id IN ('c', 'd')")
	if d := cmp.Diff([]string{"a resolved 2", "b firing 1"}, ask(t, s, "alert_id, state, sequence", "FROM pos.alerts ORDER BY alert_id")); d != "" {
		t.Error(d)
	}
	active, err := s.Alerts(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range active.Rows {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d alerts are active", n)
	}
}

func byID(all []alert.Alert) []alert.Alert {
	if len(all) == 2 && all[0].ID > all[1].ID {
		all[0], all[1] = all[1], all[0]
	}
	return all
}

// What the rules ask is answered by the engine: of what is up no row comes; views that are not there are not asked.
func TestLooks(t *testing.T) {
	s := fresh(t)
	do(t, s, `INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, since, last_seen, holds_until, offline_backlog, oldest_unsent_at, disabled) VALUES
		('', 's', '1', 1, 'up', now64(3) - 60, now64(3), now64(3) + 600, 0, NULL, 0), ('', 's', '2', 1, 'down', '2026-11-03 09:00:00', now64(3), now64(3), 0, NULL, 0),
		('', 's', '3', 1, 'degraded', now64(3) - 60, now64(3), now64(3) + 600, 0, NULL, 1),
		('', 'r', '1', 1, 'up', now64(3) - 900, now64(3) - 600, now64(3) - 300, 3, now64(3) - 7200, 0), ('', 'q', '1', 1, 'up', now64(3), now64(3), now64(3) + 600, 1, now64(3) - 5, 0)`)
	do(t, s, `INSERT INTO tillstream.store_status (lane, store_id, version, status, since, last_seen, holds_until, tills, tills_able, sell_quorum) VALUES
		('', 's', 1, 'down', '2026-11-03 09:00:01', now64(3), now64(3) + 600, 3, 1, 2), ('', 'q', 1, 'up', now64(3), now64(3), now64(3) + 600, 1, 1, 1)`)
	now := time.Now().UnixMilli()
	do(t, s, `INSERT INTO tillstream.maintenance (lane, store_id, maintenance_id, version, terminals, excluded_from, excluded_to)
		SELECT '', 's', 'now', 1, ['2'], [x - 60000], [x + 600000] FROM (SELECT toUnixTimestamp64Milli(now64(3)) AS x) UNION ALL
		SELECT '', 's', 'past', 1, [], [x - 60000], [x - 30000] FROM (SELECT toUnixTimestamp64Milli(now64(3)) AS x) UNION ALL
		SELECT '', 's', 'to come', 1, [], [x + 86400000], [x + 90000000] FROM (SELECT toUnixTimestamp64Milli(now64(3)) AS x)`)
	do(t, s, `INSERT INTO tillstream.data_quality (lane, topic, terminal_id, business_date, accepted, missing) VALUES
		('', 'pos.transactions', 'lost a day', today() - 4, 100, 0), ('', 'pos.transactions', 'lost a day', today() - 3, 1, 99), ('', 'pos.transactions', 'one day', today() - 2, 1, 7),
		('', 'pos.transactions', 't', today() - 3, 0, 4), ('', 'pos.transactions', 't', today(), 9, 9), ('', 'pos.transactions', 'whole', today() - 3, 9, 0),
		('', 'pos.transactions', 'of two', today() - 3, 100, 25), ('', 'pos.transactions', 'of two', today() - 2, 30, 60)`)
	do(t, s, `INSERT INTO tillstream.dead_letters (lane, topic, partition, offset, at, reason) VALUES ('', 'a', 0, 1, now64(3), 'json'), ('', 'a', 0, 2, now64(3), 'json'), ('', 'a', 0, 3, now64(3) - 7200, 'json')`)
	var got alert.Snapshot
	troubled, was, err := s.LookTrouble(t.Context())
	slices.Sort(troubled)
	if err != nil || !slices.Equal(troubled, []string{"r", "s"}) {
		t.Fatalf("trouble in %q, %v", troubled, err)
	}
	if err := s.LookStores(t.Context(), troubled, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Stores) != 2 || len(got.Stores[0].Bad) != 1 || got.Stores[0].ID != "r" || got.Stores[0].Bad[0].Status != "silent" || got.Stores[0].Bad[0].Since > now-290_000 {
		t.Fatalf("%+v", got.Stores)
	}
	want := alert.Store{ID: "s", Tills: 3, Able: 1, Bad: []alert.Till{{ID: "2", Status: "down", Since: 1793696400000}}, Down: true, Since: 1793696401000, SellNeed: 2}
	if d := cmp.Diff(want, got.Stores[1]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]alert.Maintenance{{ID: "now", Store: "s", Terminals: []string{"2"}}}, got.Maintenance); d != "" {
		t.Error(d)
	}
	if _, same, err := s.LookTrouble(t.Context()); err != nil || same != was {
		t.Errorf("nothing happened, and the fingerprint goes from %d to %d: %v", was, same, err)
	}
	do(t, s, "INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, since, last_seen, holds_until) VALUES ('', 's', '1', 2, 'down', now64(3), now64(3), now64(3))")
	if _, other, err := s.LookTrouble(t.Context()); err != nil || other == was {
		t.Errorf("a till went down, and the fingerprint is still %d: %v", other, err)
	}
	backlogs, err := s.LookBacklogs(t.Context(), time.Hour)
	if err != nil || len(backlogs) != 1 || backlogs[0].Store != "r" || backlogs[0].Count != 3 {
		t.Errorf("%+v, %v", backlogs, err)
	}
	holes, err := s.LookHoles(t.Context())
	for i := range holes {
		holes[i].Since = (now - holes[i].Since) / 86_400_000
	}
	if d := cmp.Diff([]alert.Hole{
		{Terminal: "lost a day", Since: 3, Missing: 99},
		{Terminal: "of two", Since: 3, Missing: 85, Shared: true},
		{Terminal: "one day", Since: 2, Missing: 7},
		{Terminal: "t", Since: 3, Missing: 4},
	}, holes); err != nil || d != "" {
		t.Error(d, err)
	}
	letters, err := s.LookLetters(t.Context())
	if err != nil || len(letters) != 1 || letters[0] != (alert.Letters{Topic: "a", Reason: "json", Count: 2}) {
		t.Errorf("%+v, %v", letters, err)
	}
	none, err := s.LookSilences(t.Context(), AlertViews{})
	if err != nil || none != nil || s.LookAgreements(t.Context(), AlertViews{}, 0.9, time.Hour, &got) != nil {
		t.Errorf("%v, %v", none, err)
	}
	views, err := s.AlertViews(t.Context()) // those of this version must understand the questions
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.LookSilences(t.Context(), views); err != nil {
		t.Error(err)
	}
	if err := s.LookAgreements(t.Context(), views, 0.9, time.Hour, &got); err != nil {
		t.Error(err)
	}
}
