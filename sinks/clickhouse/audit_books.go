package clickhouse

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor/commit"
)

// books checks that every offset of every partition is accounted for: records + duplicates + rejected + gaps = offsets passed, without a
// hole within an epoch, without one between two that is not on record as a loss, and up to where the lane's state ends.
func (a *audit) books(ctx context.Context) error {
	type page struct {
		commit.Range
		lane             string
		epoch, accounted uint64
	}
	var pages []page
	err := a.sink.rows(ctx, func(r driver.Rows) error {
		var p page
		if err := r.Scan(&p.lane, &p.Topic, &p.Partition, &p.epoch, &p.From, &p.To, &p.accounted); err != nil {
			return err
		}
		pages = append(pages, p)
		return nil
	}, `SELECT lane, topic, partition, epoch, from_offset, to_offset, records + duplicates + rejected + gaps
		FROM tillstream.ledger FINAL WHERE topic != '' ORDER BY topic, partition, epoch, from_offset, to_offset`)
	if err != nil {
		return err
	}
	marks, err := a.sink.stateMarks(ctx)
	if err != nil {
		return err
	}
	wrong := func(p page, from, to int64, problem string, args ...any) {
		a.found(Finding{Table: "ledger", Lane: p.lane, Offsets: commit.Ranges{{TopicPartition: p.TopicPartition, From: from, To: to}}, Problem: fmt.Sprintf(problem, args...)})
	}
	between, err := a.boundaries(ctx, func(lane string, r commit.Range, problem string, args ...any) {
		wrong(page{Range: r, lane: lane}, r.From, r.To, problem, args...)
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(pages, func(x, y page) int { return cmp.Compare(groupOf(x.lane), groupOf(y.lane)) })
	known := map[commit.TopicPartition]bool{}
	// A page is one day of a partition; days may overlap, since a batch is entered under the day of its newest record.
	for len(pages) > 0 {
		first := pages[0]
		n := slices.IndexFunc(pages, func(p page) bool {
			return p.TopicPartition != first.TopicPartition || p.epoch != first.epoch || groupOf(p.lane) != groupOf(first.lane)
		})
		if n < 0 {
			n = len(pages)
		}
		var accounted uint64
		to := first.From
		last := first
		for _, p := range pages[:n] {
			if p.From > to {
				wrong(p, to, p.From, "nothing says what became of %d offsets of %s", p.From-to, p.TopicPartition)
				accounted += uint64(p.From - to) // said once
			}
			accounted += p.accounted
			if p.To > to {
				to, last = p.To, p
			}
		}
		if passed := uint64(to - first.From); accounted != passed {
			wrong(last, first.From, to, "%d offsets of %s were passed, %d are accounted for (epoch %d)", passed, first.TopicPartition, accounted, first.epoch)
		}
		known[first.TopicPartition] = true
		group := groupOf(last.lane)
		between.pages(group, last.lane, first.epoch, commit.Range{TopicPartition: first.TopicPartition, From: first.From, To: to})
		if m := marks[last.lane]; m.Epoch == first.epoch && first.epoch >= between.newest(group) {
			if end, ok := m.Ranges.To(first.TopicPartition); ok && end != to {
				wrong(last, min(to, end), max(to, end), "the ledger ends at offset %d of %s, the state of the lane at %d", to, first.TopicPartition, end)
			}
		}
		a.report.Partitions++
		a.report.Offsets += uint64(to - first.From)
		pages = pages[n:]
	}
	between.finish()
	for lane, m := range marks {
		for _, r := range m.Ranges {
			if r.To > r.From && !known[r.TopicPartition] {
				wrong(page{Range: r, lane: lane}, r.From, r.To, "the lane's newest batch passed %d offsets of %s, of which the ledger knows nothing", r.To-r.From, r.TopicPartition)
			}
		}
	}
	return nil
}

// stateMarks are the newest batches whose state has landed, by lane.
func (s *Sink) stateMarks(ctx context.Context) (map[string]commit.Mark, error) {
	marks := map[string]commit.Mark{}
	err := s.rows(ctx, func(r driver.Rows) error {
		var lane, text string
		if err := r.Scan(&lane, &text); err != nil {
			return err
		}
		mark, err := commit.ParseMark(text)
		marks[lane] = mark
		return err
	}, "SELECT lane, max(mark) FROM tillstream.state WHERE mark != '' GROUP BY lane")
	if err != nil {
		return nil, fmt.Errorf("reading where the state ends: %w", err)
	}
	return marks, nil
}

// deadLetters compares what lies in dead_letters with what the ledger says was rejected.
func (a *audit) deadLetters(ctx context.Context) error {
	var wrong []Finding
	remade := a.report.remade()
	err := a.sink.rows(ctx, func(r driver.Rows) error {
		var f Finding
		var x commit.Range
		var rejected, there uint64
		if err := r.Scan(&x.Topic, &x.Partition, &f.Lane, &x.From, &x.To, &rejected, &there); err != nil {
			return err
		}
		if there < rejected && slices.Contains(remade, x.TopicPartition) {
			return nil // an offset that was rejected in both topics is there once
		}
		f.Table, f.Offsets = "dead_letters", commit.Ranges{x}
		if there > rejected { // their key is the offset, so none is there twice
			f.Table = "ledger"
		}
		f.Problem = fmt.Sprintf("the ledger says that %d records of %s were rejected, dead_letters has %d", rejected, x.TopicPartition, there)
		wrong = append(wrong, f)
		return nil
	}, `SELECT topic, partition, max(l), min(f), max(t), sum(rejected) AS want, sum(there) AS have FROM
		(
			SELECT topic, partition, toString(lane) AS l, from_offset AS f, to_offset AS t, rejected, 0 AS there FROM tillstream.ledger FINAL WHERE topic != ''
			UNION ALL
			SELECT topic, partition, '', offset, offset + 1, 0, 1 FROM tillstream.dead_letters FINAL WHERE lane = ''
		)
		GROUP BY topic, partition HAVING want != have ORDER BY topic, partition`)
	a.report.Findings = append(a.report.Findings, wrong...)
	return err
}
