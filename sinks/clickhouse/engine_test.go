package clickhouse

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/deploy/embedded"
	"github.com/tillstream/tillstream/deploy/embedded/embeddedtest"
	"github.com/tillstream/tillstream/internal/broken"
	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/rollup"
)

var engine *embedded.Engine // of all tests of the package; they run one after the other

func TestMain(m *testing.M) {
	os.Exit(embeddedtest.Main(m, func(e *embedded.Engine) { engine = e }))
}

// open connects to the engine with the config as f leaves it.
func open(t testing.TB, f func(*Config)) *Sink {
	t.Helper()
	cfg := Config{Addr: []string{engine.HTTPAddr()}, Protocol: "http"}
	if f != nil {
		f(&cfg)
	}
	s, err := Open(cfg, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func overNative(c *Config) { c.Addr, c.Protocol = []string{engine.NativeAddr()}, "native" }

// empty drops the databases.
func empty(t testing.TB, s *Sink) {
	t.Helper()
	do(t, s, "DROP DATABASE IF EXISTS pos SYNC")
	do(t, s, "DROP DATABASE IF EXISTS tillstream SYNC")
}

// fresh gives a sink with empty tables. A test that changes the schema calls empty when it is done.
func fresh(t testing.TB) *Sink {
	t.Helper()
	s := open(t, nil)
	if _, err := s.Migrate(t.Context(), MigrateOptions{Binary: "test"}); err != nil {
		t.Fatal(err)
	}
	// One by one: TRUNCATE TABLES takes as long for those that are empty, and merges are refused for a moment after it.
	for _, table := range ask(t, s, "name", "FROM system.tables WHERE database = 'tillstream' AND total_rows != 0 AND name != 'schema_migrations'") {
		do(t, s, "TRUNCATE TABLE tillstream."+table)
	}
	return s
}

func do(t testing.TB, s *Sink, sql string) {
	t.Helper()
	if err := s.exec(t.Context(), sql); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
}

// ask gives the rows of a query, values separated by spaces, as ClickHouse casts them to text.
func ask(t testing.TB, s *Sink, columns, rest string) []string {
	t.Helper()
	var all []string
	err := s.rows(t.Context(), func(r driver.Rows) error {
		var line []string
		if err := r.Scan(&line); err != nil {
			return err
		}
		all = append(all, strings.Join(line, " "))
		return nil
	}, "SELECT arrayMap(x -> ifNull(x, 'NULL'), [toString("+strings.Join(strings.Split(columns, ", "), "), toString(")+")]) "+rest)
	if err != nil {
		t.Fatalf("%v\n%s %s", err, columns, rest)
	}
	return all
}

func insert(t testing.TB, s *Sink, b *rollup.Block, lane, mark, token string) {
	t.Helper()
	if err := s.Insert(t.Context(), processor.Insert{Block: b.Seal(), Lane: lane, Mark: mark, Token: token}); err != nil {
		t.Fatal(err)
	}
}

// cleanUp drops the databases after a test that has changed their schema.
func cleanUp(t *testing.T) {
	s, err := Open(Config{Addr: []string{engine.HTTPAddr()}, Protocol: "http"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, db := range []string{"pos", "tillstream"} {
		if err := s.exec(context.Background(), "DROP DATABASE IF EXISTS "+db+" SYNC"); err != nil {
			t.Error(err)
		}
	}
}

// A question whose connection is cut before there is an answer is asked again, a few times.
func TestCutConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cuts := make(chan struct{}, 2*attempts)
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			select {
			case <-cuts:
				_, _ = client.Read(make([]byte, 1)) // the question
				_ = client.(*net.TCPConn).SetLinger(0)
				client.Close()
				continue
			default:
			}
			server, err := net.Dial("tcp", engine.HTTPAddr())
			if err != nil {
				client.Close()
				continue
			}
			go func() {
				_, _ = io.Copy(server, client)
				server.Close()
			}()
			go func() {
				_, _ = io.Copy(client, server)
				client.Close()
			}()
		}
	}()
	for cut, works := range map[int]bool{attempts - 1: true, attempts: false} {
		for range cut {
			cuts <- struct{}{}
		}
		s := open(t, func(c *Config) { c.Addr = []string{l.Addr().String()} })
		got, err := values[uint8](t.Context(), s, "SELECT toUInt8(7)")
		if works && (err != nil || len(got) != 1 || got[0] != 7) || !works && !broken.Connection(err) {
			t.Errorf("cut %d times: %v, %v", cut, got, err)
		}
		for len(cuts) > 0 { // what the driver did not ask for
			<-cuts
		}
	}
}
