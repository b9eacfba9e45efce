package clickhouse

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/rollup"
)

// cpu is the processor time of this process, without the engine, in ns.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// One block of 50,000 rows of the widest table, sent and acknowledged, over either protocol. Tokens differ, months do not.
func BenchmarkInsert(b *testing.B) {
	fresh(b)
	rows := make([]sale, 50_000)
	for i := range rows {
		rows[i] = sale{store: fmt.Sprintf("store-%04d", i%2000), day: rollup.Days(i % 28), net: int64(i), customers: []uint64{uint64(i), uint64(i + 1)}}
	}
	block := salesBlock(rows...).Seal()
	for name, f := range map[string]func(*Config){"http": nil, "native": overNative} {
		b.Run(name, func(b *testing.B) {
			s := open(b, f)
			do(b, s, "TRUNCATE TABLE tillstream.sales_hourly")
			b.ReportAllocs()
			n, before := 0, cpu(b)
			for b.Loop() {
				n++
				if err := s.Insert(b.Context(), processor.Insert{Block: block, Lane: "g/0", Mark: "m", Token: fmt.Sprint(name, n)}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*len(rows))/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(cpu(b)-before)/float64(n*len(rows)), "client-ns/row")
		})
	}
}

// What a claim costs a batch of four lanes' 128 partitions: one INSERT and one question; beside it the same INSERT into a table of sales, and the question to all tables.
func BenchmarkClaim(b *testing.B) {
	s := fresh(b)
	for _, block := range everyBlock() {
		insert(b, s, block, "g/0", "m", "t"+block.Name())
	}
	mark := func(batch int) string {
		m := commit.Mark{Epoch: 1, Batch: uint64(batch), Fingerprint: "0badcafe", Blocks: 1}
		for p := range int32(128) {
			m.Ranges = append(m.Ranges, commit.Range{TopicPartition: commit.TopicPartition{Topic: "pos.transactions", Partition: p}, From: int64(batch) * 10_000, To: int64(batch+1) * 10_000})
		}
		return m.String()
	}
	for _, block := range []*rollup.Block{rollup.NewBlock(commit.ClaimTable, 0, 0), salesBlock(sale{"s1", 2, 250, []uint64{7}, 300, 0})} {
		n := 0
		b.Run("insert "+block.Table, func(b *testing.B) {
			for b.Loop() {
				n++
				if err := s.Insert(b.Context(), processor.Insert{Block: block, Lane: "g/0", Mark: mark(n), Token: fmt.Sprint(block.Table, n)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for name, tables := range map[string][]string{"read claims": {commit.ClaimTable}, "read all": nil} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Marks(b.Context(), "g/0", tables...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What a lane reads when it recovers: the marks of all tables, and the state of 100,000 entities of 200 bytes.
func BenchmarkRecovery(b *testing.B) {
	s := fresh(b)
	all := everyBlock()
	for _, block := range all {
		insert(b, s, block, "g/0", "m", "t"+block.Name())
	}
	rows := make([]rollup.StateRow, 100_000)
	for i := range rows {
		rows[i] = rollup.StateRow{Partition: int32(i % 8), Kind: "terminal", Key: fmt.Sprintf("store\x00%06d", i), Value: make([]byte, 200)}
	}
	insert(b, s, stateBlock("g", v2, rows...), "g/0", "m2", "state")
	b.Run("marks", func(b *testing.B) {
		for b.Loop() {
			if marks, err := s.Marks(b.Context(), "g/0"); err != nil || len(marks) != len(all) {
				b.Fatal(len(marks), err)
			}
		}
	})
	owners := make([]string, 8)
	for i := range owners {
		owners[i] = ownerOf("g", int32(i))
	}
	b.Run("state", func(b *testing.B) {
		for b.Loop() {
			n := 0
			if err := s.State(b.Context(), owners, func(rollup.StateRow) error { n++; return nil }); err != nil || n != len(rows)+1 {
				b.Fatal(n, err)
			}
		}
	})
}
