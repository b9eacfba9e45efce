package clickhouse

import (
	"regexp"
	"strings"
	"testing"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// Every statement of every migration, as it is for a cluster, is one to ClickHouse's own parser; and what that prints of it is what it prints of the plain one, but for
// the cluster, the engine and the windows.
func TestOnCluster(t *testing.T) {
	ms, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	plain := []string{"CREATE DATABASE IF NOT EXISTS tillstream", "CREATE TABLE tillstream.canary_1 AS tillstream.dead_letters", "DROP TABLE IF EXISTS tillstream.canary_1"}
	for _, m := range ms {
		plain = append(plain, m.Statements()...)
	}
	clustered := make([]string, len(plain))
	for i, sql := range plain {
		if clustered[i], err = OnCluster(sql, "shops-1"); err != nil {
			t.Fatal(err)
		}
	}
	conn := connect(t, "default", nil)
	printed := func(all []string) (out []string) {
		t.Helper()
		// Escaped as parameters are, which are in ClickHouse's format TabSeparated.
		quoted := make([]string, len(all))
		for i, s := range all {
			quoted[i] = "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`).Replace(s) + "'"
		}
		sql := "SELECT arrayMap(x -> formatQuerySingleLine(x), [" + strings.Join(quoted, ", ") + "]) SETTINGS max_query_size = 16777216"
		if err := conn.QueryRow(ch.Context(t.Context(), ch.WithSettings(ch.Settings{"max_query_size": 16 << 20})), sql).Scan(&out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	a, b := printed(plain), printed(clustered)
	windows := regexp.MustCompile(`\breplicated_deduplication_window = (\d+), replicated_deduplication_window_seconds = 604800`)
	counts := map[string]int{}
	for i := range a {
		back := strings.Replace(b[i], " ON CLUSTER `shops-1`", "", 1)
		if back == b[i] {
			t.Errorf("not on the cluster: %.200s", b[i])
		}
		if strings.HasPrefix(back, "CREATE TABLE IF NOT EXISTS") {
			counts["tables"]++
			counts["replicated"] += strings.Count(back, "ENGINE = Replicated")
			back = strings.Replace(back, "ENGINE = Replicated", "ENGINE = ", 1)
		}
		counts["windows"] += strings.Count(a[i], "non_replicated_deduplication_window")
		counts["new windows"] += len(windows.FindAllString(back, -1))
		if back = windows.ReplaceAllString(back, "non_replicated_deduplication_window = $1"); back != a[i] {
			t.Errorf("it became another statement:\n%.500s\n%.500s", a[i], back)
		}
	}
	if counts["tables"] < 60 || counts["tables"] != counts["replicated"] || counts["windows"] < 40 || counts["windows"] != counts["new windows"] {
		t.Error(counts)
	}
	for _, sql := range []string{"SELECT 1", "INSERT INTO tillstream.x VALUES (1)", "CREATE TABLE IF NOT EXISTS tillstream.x (a UInt8) ENGINE = Log", "TRUNCATE TABLE tillstream.x"} {
		if out, err := OnCluster(sql, "c"); err == nil {
			t.Errorf("%s became %s", sql, out)
		}
	}
	if _, err := OnCluster(plain[0], "c' SYNC"); err == nil {
		t.Error("a name that ends the name is taken")
	}
}
