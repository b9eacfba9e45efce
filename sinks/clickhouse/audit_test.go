package clickhouse

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/rollup"
)

// books is a small consistent world: group g with two lanes and three partitions; s1 and s3 live in partitions 0 and 2 (lane g/0), s2 in
// 1 (lane g/1). Every tenth offset is a duplicate, one of each range was rejected.
func books() []written {
	state := func(p int32, store, id string) []rollup.StateRow {
		return []rollup.StateRow{{Partition: p, Kind: "terminal", Key: store + "\x00" + id}, {Partition: p, Kind: "sequence", Key: "pos.transactions\x00" + id}}
	}
	mark := func(ranges commit.Ranges) string {
		return commit.Mark{Epoch: 1, Batch: 1, Fingerprint: "f", Blocks: 1, Ranges: ranges}.String()
	}
	incidents, remembered := incidentBlocks()
	orders, taken := orderBlocks()
	return []written{
		{"g/0", mark(commit.Ranges{between(0, 0, 100), between(2, 50, 150)}), append(append(incidents, orders...),
			salesBlock(sale{"s1", 2, 250, nil, 300, 1}, sale{"s3", 3, 50, nil, 60, 0}), productBlock("s1", "s3"), customerBlock("s1", "s3"), agreedBlock(1, 2), paymentBlock("s1", "s3"), tillBlock("s1", "s3"),
			qualityBlock("t1", "t3"), hoursBlock(v1, till{"s1", "t1"}, till{"s3", "t3"}), intervalsBlock(v1, till{"s1", "t1"}, till{"s3", "t3"}),
			outagesBlock(v1, till{"s1", "t1"}, till{"s3", "t3"}), statusBlock(v1, till{"s1", "t1"}, till{"s3", "t3"}), lettersBlock([2]int64{0, 7}, [2]int64{2, 57}),
			ledgerBlock("g/0", 1, [3]int64{0, 0, 100}, [3]int64{2, 50, 150}), stateBlock("g", v1, slices.Concat(state(0, "s1", "t1"), state(2, "s3", "t3"), remembered, taken)...),
		)},
		{"g/1", mark(commit.Ranges{between(1, 0, 80)}), []*rollup.Block{
			salesBlock(sale{"s2", 2, 250, nil, 300, 1}), productBlock("s2"), customerBlock("s2"), paymentBlock("s2"), tillBlock("s2"), qualityBlock("t2"), hoursBlock(v1, till{"s2", "t2"}),
			intervalsBlock(v1, till{"s2", "t2"}), outagesBlock(v1, till{"s2", "t2"}), statusBlock(v1, till{"s2", "t2"}), lettersBlock([2]int64{1, 3}),
			ledgerBlock("g/1", 1, [3]int64{1, 0, 80}), stateBlock("g", v1, state(1, "s2", "t2")...),
		}},
	}
}

// written is what one batch of one lane wrote.
type written struct {
	lane, mark string
	blocks     []*rollup.Block
}

func between(partition int32, from, to int64) commit.Range {
	return commit.Range{TopicPartition: commit.TopicPartition{Topic: "pos.transactions", Partition: partition}, From: from, To: to}
}

// write inserts the books, or what they say of one table.
func write(t *testing.T, s *Sink, only string) {
	t.Helper()
	for _, w := range books() {
		for _, b := range w.blocks {
			if only == "" || b.Table == only {
				insert(t, s, b, w.lane, w.mark, w.lane+b.Name())
			}
		}
	}
}

// balanced gives a sink with the books in it.
func balanced(t *testing.T) *Sink {
	t.Helper()
	s := fresh(t)
	if err := s.PutStream(t.Context(), Stream{Group: "g", Epoch: 1, Lanes: 2, Partitions: 3, Topics: []string{"pos.transactions"}}); err != nil {
		t.Fatal(err)
	}
	write(t, s, "")
	return s
}

// restore writes tables anew.
func restore(t *testing.T, s *Sink, tables ...string) {
	t.Helper()
	for _, table := range tables {
		do(t, s, "TRUNCATE TABLE tillstream."+table)
		write(t, s, table)
	}
}

func TestAuditBalances(t *testing.T) {
	s := balanced(t)
	for range 2 {
		report, err := s.Audit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// sums: 11 of sales, 6, 4, 8 of payments, 10 of quality, 4 of the ledger, 1 of consent, one month each. Five tables of marketing have nothing.
		if diff := cmp.Diff(Report{Partitions: 3, Offsets: 280, Tables: 17, Sums: 58, Terminals: 3}, report); diff != "" {
			t.Error(diff)
		}
		for _, table := range []string{"sales_hourly", "availability_hourly", "state", "ledger", "terminal_status", "dead_letters"} {
			do(t, s, "OPTIMIZE TABLE tillstream."+table+" FINAL")
		}
	}
}

// A terminal that two partitions remember is named once, as what it is: its rows cannot add up, and none of them was lost.
func TestAuditNamesWhoIsInSeveralPartitions(t *testing.T) {
	s := balanced(t)
	v2 := rollup.Version{Epoch: 1, Batch: 2}
	insert(t, s, stateBlock("g", v2, rollup.StateRow{Partition: 0, Kind: "terminal", Key: "s2\x00t2"}), "g/0", "", "moved")
	do(t, s, "ALTER TABLE tillstream.availability_hourly DELETE WHERE lane = '' AND terminal_id = 't2' AND hour = '2026-11-03 10:00:00' SETTINGS mutations_sync = 2")
	report, err := s.Audit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Findings) != 1 || !strings.Contains(report.Findings[0].String(), "tillstream.state: terminal t2 of store s2: its events came through several partitions (g#0, g#1)") {
		t.Error(report.Findings)
	}
	strangers, err := s.Strangers(t.Context())
	if err != nil || strangers.Scattered != 1 || !slices.Equal(strangers.ScatteredNames, []string{"s2"}) {
		t.Errorf("%+v %v", strangers, err)
	}
}

// A row that is lost from any table is found: the table, the lane, and the offsets it was made from.
func TestAuditNamesWhatWasLost(t *testing.T) {
	s := balanced(t)
	const lane0, lane1 = "pos.transactions:0=0-100 pos.transactions:2=50-150", "pos.transactions:1=0-80"
	for _, c := range []struct {
		delete string
		want   []string // table, lane, offsets, part of the problem
	}{
		{"sales_hourly WHERE lane = '' AND store_id = 's3'", []string{"sales_hourly|202611|g/0|" + lane0 + "|the sum of transactions is -1 off"}},
		{"sales_hourly WHERE lane = '' AND store_id = 's2'", []string{"sales_hourly|202611|g/1|" + lane1 + "|the sum of transactions is -1 off"}},
		{"sales_hourly WHERE lane = 'g/1'", []string{"sales_hourly|202611|g/1|" + lane1 + "|the sum of transactions is +1 off"}},
		{"product_sales WHERE lane = '' AND store_id = 's1'", []string{"product_sales|202611|g/0|" + lane0 + "|the sum of units is -1000 off"}},
		{"customer_days WHERE lane = '' AND store_id = 's2'", []string{"customer_days|202611|g/1|" + lane1 + "|the sum of transactions is -1 off"}},
		{"customer_consent WHERE lane = '' AND customer = 2", []string{"customer_consent|0|||the sum of lists is -1 off"}},
		{"terminal_sales WHERE lane = '' AND store_id = 's2'", []string{"terminal_sales|202611|g/1|" + lane1 + "|the sum of transactions_00 is -1 off"}},
		{"payments_hourly WHERE lane = '' AND store_id = 's2'", []string{"payments_hourly|202611|g/1|" + lane1 + "|the sum of attempts is -1 off"}},
		{"data_quality WHERE lane = '' AND terminal_id = 't3'", []string{"data_quality|202611|g/0|" + lane0 + "|the sum of accepted is -5 off"}},
		{"availability_hourly WHERE lane = '' AND terminal_id = 't2' AND hour = '2026-11-03 10:00:00'", []string{
			"availability_hourly|0|g/1|" + lane1 + "|terminal t2 of store s2: it has 3 rows, terminal_status counts 4",
		}},
		{"status_intervals WHERE lane = '' AND terminal_id = 't3' AND status = 'up'", []string{"status_intervals|0|g/0|pos.transactions:2=50-150|terminal t3 of store s3: it has 1 rows, terminal_status counts 2"}},
		{"outages WHERE lane = '' AND terminal_id = 't1'", []string{"outages|0|g/0|pos.transactions:0=0-100|terminal t1 of store s1: it has 0 rows, terminal_status counts 1"}},
		{"terminal_status WHERE lane = '' AND terminal_id = 't2'", []string{"terminal_status|0|g/1|" + lane1 + "|terminal t2 of store s2: the state knows it"}},
		{"dead_letters WHERE lane = '' AND offset = 57", []string{"dead_letters|0|g/0|pos.transactions:2=50-150|1 records of pos.transactions:2 were rejected, dead_letters has 0"}},
		{"ledger WHERE topic != '' AND partition = 1", []string{
			"ledger|0|g/1|" + lane1 + "|the lane's newest batch passed 80 offsets of pos.transactions:1, of which the ledger knows nothing",
			"ledger|0||pos.transactions:1=3-4|0 records of pos.transactions:1 were rejected, dead_letters has 1",
			"ledger|202611|g/1|" + lane1 + "|the sum of records is -71 off",
		}},
		{"ledger WHERE topic != '' AND partition = 2", []string{
			"ledger|0|g/0|pos.transactions:2=50-150|the lane's newest batch passed 100 offsets of pos.transactions:2",
			"ledger|0||pos.transactions:2=57-58|0 records of pos.transactions:2 were rejected, dead_letters has 1",
			"ledger|202611|g/0|pos.transactions:0=0-100|the sum of records is -89 off",
		}},
		{"availability_hourly WHERE lane = '' AND up_ms = 3600000 AND terminal_id = 't3'", []string{"availability_hourly|0|g/0|pos.transactions:2=50-150|terminal t3 of store s3: it has 2 rows, terminal_status counts 4"}},
		{"incidents WHERE lane = '' AND incident_id = 'i1'", []string{"incidents|0|g/0|pos.transactions:0=0-100|i1 of store s1: the state knows it"}},
		{"incident_steps WHERE lane = '' AND incident_id = 'i1'", []string{"incident_steps|0|g/0|pos.transactions:0=0-100|i1 of store s1: it has 0 steps, incidents counts 1"}},
		{"maintenance WHERE lane = '' AND maintenance_id = 'm1'", []string{"maintenance|0|g/0|pos.transactions:0=0-100|m1 of store s1: the state knows it"}},
		{"order_journeys WHERE lane = '' AND order_id = 'o1'", []string{"order_journeys|0|g/0|pos.transactions:0=0-100|o1 of store s1: the state knows it"}},
		{"state WHERE kind = 'incident'", []string{"state|0|g/0|pos.transactions:0=0-100|i1 of store s1: it has a row in incidents"}},
		{"state WHERE kind = 'terminal' AND key LIKE 's3%'", []string{"state|0|g/0|pos.transactions:2=50-150|terminal t3 of store s3: it has a row in terminal_status"}},
	} {
		t.Run(strings.Fields(c.delete)[0], func(t *testing.T) {
			defer restore(t, s, strings.Fields(c.delete)[0])
			do(t, s, "ALTER TABLE tillstream."+strings.Replace(c.delete, " WHERE", " DELETE WHERE", 1)+" SETTINGS mutations_sync = 1")
			report, err := s.Audit(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Findings) != len(c.want) {
				t.Errorf("%d findings, want %d", len(report.Findings), len(c.want))
			}
			for _, want := range c.want {
				found := false
				for _, f := range report.Findings {
					var offsets []string
					for _, r := range f.Offsets {
						offsets = append(offsets, fmt.Sprintf("%s=%d-%d", r.TopicPartition, r.From, r.To))
					}
					head := strings.Join([]string{f.Table, fmt.Sprint(f.Month), f.Lane, strings.Join(offsets, " ")}, "|")
					i := strings.LastIndexByte(want, '|')
					found = found || head == want[:i] && strings.Contains(f.Problem, want[i+1:])
				}
				if !found {
					t.Errorf("not found: %s", want)
				}
			}
		})
	}
}

// Rows that were changed, not lost.
func TestAuditNamesWhatDoesNotAddUp(t *testing.T) {
	s := balanced(t)
	for _, c := range []struct{ change, want string }{
		{"UPDATE gaps = gaps + 3 WHERE topic != '' AND partition = 2", "tillstream.ledger lane g/0: 100 offsets of pos.transactions:2 were passed, 103 are accounted for (epoch 1) (offsets pos.transactions:2=50-150)"},
		{"availability_hourly", "tillstream.availability_hourly month 202611 lane g/1: terminal t2 of store s2: its hour 2026-11-03 11:00:00 has 3599999 of 3600000 ms (offsets pos.transactions:1=0-80)"},
		{"ledger", "tillstream.ledger lane g/1: nothing says what became of 20 offsets of pos.transactions:1 (offsets pos.transactions:1=80-100)"},
		{"state", "tillstream.ledger lane g/1: the ledger ends at offset 80 of pos.transactions:1, the state of the lane at 90 (offsets pos.transactions:1=80-90)"},
	} {
		switch c.change {
		case "availability_hourly":
			b := hoursBlock(v2, till{"s2", "t2"})
			b.Columns[4].Data.([]uint32)[3]--
			insert(t, s, b, "g/1", "", "short hour")
		case "ledger": // batch 3 of partition 1, batch 2 never came
			b := ledgerBlock("g/1", 1, [3]int64{1, 100, 110})
			b.Columns[4].Data.([]rollup.Days)[1]++
			insert(t, s, b, "g/1", "", "third")
			insert(t, s, lettersBlock([2]int64{1, 101}), "g/1", "", "third")
			m := commit.Mark{Epoch: 1, Batch: 3, Fingerprint: "f", Ranges: commit.Ranges{between(1, 100, 110)}}
			insert(t, s, stateBlock("g", v2), "g/1", m.String(), "third")
		case "state":
			m := commit.Mark{Epoch: 1, Batch: 2, Fingerprint: "f", Ranges: commit.Ranges{between(1, 80, 90)}}
			insert(t, s, stateBlock("g", v2), "g/1", m.String(), "second")
		default:
			do(t, s, "ALTER TABLE tillstream.ledger "+c.change+" SETTINGS mutations_sync = 1")
		}
		report, err := s.Audit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range report.Findings {
			got = append(got, f.String())
		}
		if !slices.Contains(got, c.want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), c.want)
		}
		if c.change != "UPDATE gaps = gaps + 3 WHERE topic != '' AND partition = 2" && len(got) != 1 {
			t.Errorf("%d findings: %s", len(got), strings.Join(got, "\n"))
		}
		restore(t, s, "availability_hourly", "ledger", "dead_letters", "state")
	}
}

// Between epochs a partition goes on where it ended, or a loss is on record.
func TestAuditFollowsEpochs(t *testing.T) {
	s := balanced(t)
	tp := func(p int32) commit.TopicPartition {
		return commit.TopicPartition{Topic: "pos.transactions", Partition: p}
	}
	second := Stream{
		Group: "g", Epoch: 2, Lanes: 2, Partitions: 3, Topics: []string{"pos.transactions"}, CreatedAt: time.UnixMilli(2),
		Start: map[commit.TopicPartition]int64{tp(0): 100, tp(1): 95, tp(2): 7}, Reason: "retention", By: "ann@till",
	}
	if err := s.BeginStream(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	// Epoch 2 of partition 1, in which the lane has written 5 offsets.
	b := ledgerBlock("g/1", 2, [3]int64{1, 95, 100})
	insert(t, s, b, "g/1", "", "epoch 2")
	insert(t, s, lettersBlock([2]int64{1, 98}), "g/1", "", "epoch 2")
	m := commit.Mark{Epoch: 2, Batch: 1, Fingerprint: "f", Ranges: commit.Ranges{between(1, 95, 100)}}
	insert(t, s, stateBlock("g", rollup.Version{Epoch: 2, Batch: 1}), "g/1", m.String(), "epoch 2")

	found := func() (lines []string, report Report) {
		t.Helper()
		report, err := s.Audit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range report.Findings {
			lines = append(lines, f.String())
		}
		return lines, report
	}
	want := []string{
		"tillstream.ledger: epoch 2 goes back to offset 7 of pos.transactions:2, of which all up to 150 was folded before: it may count twice (offsets pos.transactions:2=7-150)",
		"tillstream.ledger lane g/1: epoch 2 goes on at offset 95 of pos.transactions:1, all before ended at 80, and no loss is on record (offsets pos.transactions:1=80-95)",
	}
	if got, _ := found(); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	at := time.UnixMilli(1_793_000_000_000).UTC()
	losses := []Loss{
		{"g", 2, between(1, 80, 95), "retention", "ann@till", at},
		{"g", 2, between(2, 150, 7), "retention", "ann@till", at},
	}
	cut := Loss{"g", 3, between(0, 100, 200), "cut short", "ann@till", at}
	other := Loss{"g", 2, between(0, 100, 200), "retention", "bob@till", at} // who was not the one to begin epoch 2
	if err := s.PutLosses(t.Context(), append(losses, cut, other)); err != nil {
		t.Fatal(err)
	}
	got, report := found()
	if len(got) != 0 || !slices.Equal(report.Losses, losses) {
		t.Errorf("got %v, losses %+v", got, report.Losses)
	}
	if said, want := losses[0].String(), "15 offsets of pos.transactions:1 were lost, 80 to 94 (group g, epoch 2, decided by ann@till at 2026-10-26T07:33:20Z: retention)"; said != want {
		t.Errorf("got %q, want %q", said, want)
	}
	// A loss that ends elsewhere does not excuse the jump.
	losses[0].To = 90
	losses[0].At = at.Add(time.Second)
	if err := s.PutLosses(t.Context(), losses[:1]); err != nil {
		t.Fatal(err)
	}
	if got, _ := found(); len(got) != 1 || !strings.Contains(got[0], "goes on at offset 95 of pos.transactions:1, all before ended at 90") {
		t.Errorf("got %v", got)
	}
}
