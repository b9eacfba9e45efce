package clickhouse

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Rows of the state that say that evidence is not kept any more go after a while; nothing else does.
func TestEndsOfEvidenceGo(t *testing.T) {
	conn := fresh(t)
	exec(t, conn, "SYSTEM STOP MERGES tillstream.state")
	for _, rows := range []string{
		"('g#1', 'evidence', concat('s\\0just ended\\0', toString(h - 60)), 1, 0, 'old'), ('g#1', 'evidence', concat('s\\0kept\\0', toString(h - 240)), 1, 0, 'x')",
		"('g#1', 'evidence', concat('s\\0ended\\0', toString(h - 240)), 2, 1, ''), ('g#1', 'evidence', concat('s\\0just ended\\0', toString(h - 60)), 2, 1, '')",
		"('g#1', 'past', concat('s\\0kept\\0', toString(h - 240)), 2, 0, 'x'), ('g#1', 'past', concat('s\\0ended\\0', toString(h - 240)), 2, 1, '')",
		"('g#1', 'other', 'ended', 2, 1, ''), ('g#1', 'terminal', 's\\0kept', 2, 0, 'x')",
	} {
		exec(t, conn, "INSERT INTO tillstream.state (lane, kind, key, version, deleted, value) SELECT x.1, x.2, x.3, x.4, x.5, x.6 FROM (SELECT intDiv(toUnixTimestamp(now()), 3600) AS h, arrayJoin(["+rows+"]) AS x)")
	}
	exec(t, conn, "SYSTEM START MERGES tillstream.state")
	exec(t, conn, "OPTIMIZE TABLE tillstream.state FINAL")
	got := query(t, conn, "SELECT kind, replaceAll(splitByChar('\\0', key)[2], ' ', '_'), deleted FROM tillstream.state ORDER BY kind, key")
	want := []string{"evidence\tjust_ended\t1", "evidence\tkept\t0", "other\t\t1", "past\tkept\t0", "terminal\tkept\t0"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
