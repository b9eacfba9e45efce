package clickhouse

import (
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/deploy/embedded"
	"github.com/tillstream/tillstream/deploy/embedded/embeddedtest"
)

var engine *embedded.Engine // of all tests of the package; they run one after the other

func TestMain(m *testing.M) {
	os.Exit(embeddedtest.Main(m, func(e *embedded.Engine) { engine = e }))
}

// connect opens a connection as a user of the embedded engine, with settings.
func connect(t *testing.T, user string, settings ch.Settings) driver.Conn {
	t.Helper()
	conn, err := ch.Open(&ch.Options{Addr: []string{engine.HTTPAddr()}, Protocol: ch.HTTP, Auth: ch.Auth{Username: user}, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

var schema sync.Once // of all tests: making it takes more than most of them do, and none changes it

// fresh gives empty tables of the schema of this binary.
func fresh(t *testing.T) driver.Conn {
	t.Helper()
	conn := connect(t, "default", nil)
	schema.Do(func() {
		ms, err := Migrations()
		if err != nil {
			t.Fatal(err)
		}
		exec(t, conn, "CREATE DATABASE IF NOT EXISTS pos")
		exec(t, conn, "CREATE DATABASE IF NOT EXISTS tillstream")
		for _, m := range ms {
			for _, s := range m.Statements() {
				exec(t, conn, s)
			}
		}
	})
	// One by one: merges are refused for a moment after TRUNCATE TABLES.
	for _, table := range query(t, conn, "SELECT name FROM system.tables WHERE database = 'tillstream' AND total_rows != 0 AND engine LIKE '%MergeTree'") {
		exec(t, conn, "TRUNCATE TABLE tillstream."+table)
	}
	return conn
}

func exec(t *testing.T, conn driver.Conn, sql string) {
	t.Helper()
	if err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%v\n%.500s", err, sql)
	}
}

// query gives a result as lines of tab-separated values, as ClickHouse itself prints them.
func query(t *testing.T, conn driver.Conn, sql string) []string {
	t.Helper()
	r, err := conn.QueryFormat(t.Context(), "TabSeparated", sql)
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	if len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}
