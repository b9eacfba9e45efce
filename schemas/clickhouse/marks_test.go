package clickhouse

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The newest mark of a lane is what recovery goes by: whatever ClickHouse merges, each table must keep it.
func TestMarksSurviveMerges(t *testing.T) {
	conn := fresh(t)
	tables := query(t, conn, "SELECT table FROM system.columns WHERE database = 'tillstream' AND name = 'mark' AND table IN (SELECT name FROM system.tables WHERE database = 'tillstream' AND engine LIKE '%MergeTree') ORDER BY table")
	if len(tables) < 30 {
		t.Fatalf("only %d tables have marks: %v", len(tables), tables)
	}
	for _, table := range tables {
		for _, n := range []string{"1", "2", "3"} {
			columns, values := "lane, mark", "'g/0', '00000001/"+n+"'"
			for _, c := range query(t, conn, "SELECT name FROM system.columns WHERE database = 'tillstream' AND table = '"+table+"' AND name IN ('version', 'keep_days')") {
				columns, values = columns+", "+c, values+", "+map[string]string{"version": n, "keep_days": "99"}[c] // as a batch writes them
			}
			exec(t, conn, "INSERT INTO tillstream."+table+" ("+columns+") VALUES ("+values+")")
		}
		exec(t, conn, "OPTIMIZE TABLE tillstream."+table+" FINAL")
		if d := cmp.Diff([]string{"00000001/3"}, query(t, conn, "SELECT max(mark) FROM tillstream."+table+" WHERE lane = 'g/0'")); d != "" {
			t.Errorf("%s (-want +got)\n%s", table, d)
		}
	}
}
