package clickhouse

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/commit"
)

// Finding is one place where the books do not balance.
type Finding struct {
	Table   string        // in database tillstream
	Lane    string        // "group/lane"; several, comma separated, where the data cannot tell; "" if unknown
	Month   uint32        // yyyymm of the ClickHouse partition; 0 if the table has none, or all of it is meant
	Column  string        // whose sum differs; "" if rows are missing or too many
	Offsets commit.Ranges // what the rows were made from: read these again to mend them
	Problem string        // one sentence
}

func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tillstream.%s", f.Table)
	if f.Month != 0 {
		fmt.Fprintf(&b, " month %06d", f.Month)
	}
	if f.Lane != "" {
		fmt.Fprintf(&b, " lane %s", f.Lane)
	}
	fmt.Fprintf(&b, ": %s", f.Problem)
	for i, r := range f.Offsets {
		sep := " "
		if i == 0 {
			sep = " (offsets "
		}
		fmt.Fprintf(&b, "%s%s=%d-%d", sep, r.TopicPartition, r.From, r.To)
	}
	if len(f.Offsets) > 0 {
		b.WriteByte(')')
	}
	return b.String()
}

// Report is what an audit compared and what it found.
type Report struct {
	Partitions int    // Kafka partitions whose offsets are accounted for
	Offsets    uint64 // that were passed
	Tables     int    // whose sums were compared with their control totals
	Sums       int    // compared: a table, month and column each
	Expired    int    // months of tables, and tables without months, that were not compared, since rows may have gone: their retention has passed
	Terminals  int    // whose rows were counted
	Losses     []Loss // on record: somebody decided to go without
	Findings   []Finding
}

// Balanced says that nothing is wrong.
func (r *Report) Balanced() bool { return len(r.Findings) == 0 }

// Audit compares everything that was written twice: offsets with what became of them, rollups with the control totals that lie in the
// same parts, availability rows with the counts in terminal_status and the state, incidents with their steps and the state, dead letters
// with the ledger. It reads all rows once.
//
// The sums of rollups balance at any instant. While a batch is being written, offsets, dead letters and availability may look one batch apart:
// audit again, or stop the lanes before.
func (s *Sink) Audit(ctx context.Context) (Report, error) {
	a := audit{sink: s}
	for _, step := range []func(context.Context) error{a.books, a.sums, a.deadLetters, a.whole, a.rowCounts, a.closedHours, a.entities, a.incidents} {
		if err := step(ctx); err != nil {
			return Report{}, fmt.Errorf("auditing: %w", err)
		}
	}
	slices.SortStableFunc(a.report.Findings, func(x, y Finding) int {
		return cmp.Or(cmp.Compare(x.Table, y.Table), cmp.Compare(x.Month, y.Month), cmp.Compare(x.Lane, y.Lane))
	})
	return a.report, nil
}

type audit struct {
	sink   *Sink
	report Report
	geo    *geography // nil until something is wrong

	scattered map[[2]string]bool // terminals, by store and id, that came through more than one partition
}

func (a *audit) found(f Finding) { a.report.Findings = append(a.report.Findings, f) }

// where is read only when there is something to name.
func (a *audit) where(ctx context.Context) (*geography, error) {
	if a.geo == nil {
		g, err := a.sink.geography(ctx)
		if err != nil {
			return nil, err
		}
		a.geo = g
	}
	return a.geo, nil
}
