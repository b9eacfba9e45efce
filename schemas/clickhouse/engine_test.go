package clickhouse

import (
	"io"
	"os"
	"strings"
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

// fresh gives empty databases with the schema of this binary.
func fresh(t *testing.T) driver.Conn {
	t.Helper()
	conn := connect(t, "default", nil)
	for _, db := range []string{"pos", "tillstream"} {
		exec(t, conn, "DROP DATABASE IF EXISTS "+db+" SYNC")
		exec(t, conn, "CREATE DATABASE "+db)
	}
	ms, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range ms {
		for _, s := range m.Statements() {
			exec(t, conn, s)
		}
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
