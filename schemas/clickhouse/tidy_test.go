package clickhouse

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Rows of the state that say that evidence is not kept any more go some time after they were written; nothing else does, however old the hour is that they are of.
func TestEndsOfEvidenceGo(t *testing.T) {
	conn := fresh(t)
	exec(t, conn, "SYSTEM STOP MERGES tillstream.state")
	for _, rows := range []string{
		"('evidence', 's\\0just ended\\0400000', 1, 0, 9), ('evidence', 's\\0ended\\0400000', 1, 0, 12), ('evidence', 's\\0kept\\0400000', 1, 0, 12), ('past', 's\\0just ended\\0400001', 1, 0, 12)",
		"('evidence', 's\\0just ended\\0400000', 2, 1, 7), ('evidence', 's\\0ended\\0400000', 2, 1, 9), ('evidence', 's\\0alone\\0400000', 2, 1, 9)",
		"('past', 's\\0just ended\\0400001', 2, 1, 7), ('past', 's\\0ended\\0400001', 2, 1, 9), ('past', 's\\0kept\\0400001', 2, 0, 9)",
		"('other', 'ended', 2, 1, 9), ('terminal', 's\\0kept', 2, 0, 9)",
	} {
		exec(t, conn, "INSERT INTO tillstream.state (lane, kind, key, version, deleted, written_at) SELECT 'g#1', x.1, x.2, x.3, x.4, now() - INTERVAL x.5 DAY FROM (SELECT arrayJoin(["+rows+"]) AS x)")
	}
	exec(t, conn, "INSERT INTO tillstream.state (lane, kind, key, version, deleted) VALUES ('g#1', 'past', 's\\0now ended\\0400001', 1, 1)") // as lanes do
	// They are merged with what they end long before.
	for _, sql := range []string{"SYSTEM STOP TTL MERGES tillstream.state", "SYSTEM START MERGES tillstream.state", "OPTIMIZE TABLE tillstream.state FINAL", "SYSTEM START TTL MERGES tillstream.state", "OPTIMIZE TABLE tillstream.state FINAL"} {
		exec(t, conn, sql)
	}
	got := query(t, conn, "SELECT kind, replaceAll(splitByChar('\\0', key)[2], ' ', '_'), deleted FROM tillstream.state ORDER BY kind, key")
	want := []string{
		"evidence\tjust_ended\t1", "evidence\tkept\t0", "other\t\t1", "past\tjust_ended\t1", "past\tkept\t0", "past\tnow_ended\t1", "terminal\tkept\t0",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
