package clickhouse

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor/commit"
)

// replica stands for a server of a cluster of two, which the engine cannot be: it takes the cluster off what it is told, so that the engine carries out the rest, and keeps what came.
type replica struct {
	*httptest.Server
	shards int

	mu   sync.Mutex
	came []string // statements that define, wait or insert, with the settings that matter
}

var (
	onCluster = regexp.MustCompile(` ON CLUSTER '(\w+)'`)
	windows   = regexp.MustCompile(`\breplicated_deduplication_window = (\d+), replicated_deduplication_window_seconds = \d+`)
)

func startReplica(t *testing.T) *replica {
	r := &replica{shards: 1}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: engine.HTTPAddr()})
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		values := req.URL.Query()
		text := string(body[:min(len(body), 1<<16)]) + values.Get("query")
		switch {
		case strings.HasPrefix(text, "SYSTEM SYNC REPLICA "):
			r.came = append(r.came, text)
			return
		case onCluster.MatchString(text):
			r.came = append(r.came, text)
			body = windows.ReplaceAll(onCluster.ReplaceAll(body, nil), []byte("non_replicated_deduplication_window = $1"))
			body = bytes.Replace(body, []byte("ENGINE = Replicated"), []byte("ENGINE = "), 1)
		case strings.Contains(text, "INSERT INTO"):
			_, text, _ = strings.Cut(text, "INSERT INTO ")
			r.came = append(r.came, fmt.Sprintf("INSERT %.30s quorum=%s timeout=%v", text, values.Get("insert_quorum"), values.Has("insert_quorum_timeout")))
			values.Del("insert_quorum")
			req.URL.RawQuery = values.Encode()
		case strings.Contains(text, "FROM system.clusters"):
			body = bytes.Replace(body, []byte("system.clusters"), fmt.Appendf(nil, "(SELECT 'shops' AS cluster, 1 + number %% %d AS shard_num FROM numbers(2))", r.shards), 1)
		default: // the tables are what they would be
			body = bytes.Replace(body, []byte("engine LIKE 'Replicated%'"), []byte("engine LIKE '%MergeTree'"), 1)
			body = bytes.Replace(body, []byte("engine NOT LIKE 'Replicated%'"), []byte("0"), 1)
			body = bytes.Replace(body, []byte(`\\breplicated_deduplication_window`), []byte("non_replicated_deduplication_window"), 1)
		}
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

// saw gives what came since it was asked last.
func (r *replica) saw() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	came := r.came
	r.came = nil
	return came
}

// On a cluster every table and view is made on all servers, INSERTs want a quorum and no longer than they have time, and whoever reads what another may have written has the replica
// catch up first: the one that is asked, also after the connection went to another.
func TestCluster(t *testing.T) {
	empty(t, open(t, nil))
	defer cleanUp(t)
	a, b := startReplica(t), startReplica(t)
	s := open(t, func(c *Config) {
		c.Addr, c.Cluster = []string{a.Listener.Addr().String(), b.Listener.Addr().String()}, "shops"
	})
	a.shards = 2
	if _, err := s.Migrate(t.Context(), MigrateOptions{}); err == nil || !strings.Contains(err.Error(), "shops has 2 shards") {
		t.Fatal(err)
	}
	if came := a.saw(); came != nil {
		t.Fatal(came)
	}
	a.shards = 1
	applied, err := s.Migrate(t.Context(), MigrateOptions{Binary: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defined, noted := 0, 0
	for _, c := range a.saw() {
		switch {
		case strings.HasPrefix(c, "INSERT `tillstream`.`schema_migrat") && strings.Contains(c, "quorum=auto"), strings.HasPrefix(c, "INSERT tillstream.schema_migration") && strings.Contains(c, "quorum=auto"):
			noted++
		case strings.HasPrefix(c, "SYSTEM SYNC"):
		case !strings.Contains(c, " ON CLUSTER 'shops'"), strings.HasPrefix(c, "CREATE TABLE") && !strings.Contains(c, "ENGINE = Replicated"):
			t.Errorf("%.100s", c)
		default:
			defined++
		}
	}
	if noted != len(applied) || defined < 200 {
		t.Error(noted, defined)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	canary := strings.Join(a.saw(), "\n")
	for _, want := range []string{"CREATE TABLE tillstream.canary_", "quorum=auto timeout=true", "SYSTEM SYNC REPLICA tillstream.canary_", "DROP TABLE IF EXISTS tillstream.canary_"} {
		if !strings.Contains(canary, want) {
			t.Errorf("no %s in\n%s", want, canary)
		}
	}
	if err := s.Insert(t.Context(), letter(1)); err != nil {
		t.Fatal(err)
	}
	a.saw()
	marks := func() string {
		t.Helper()
		marks, err := s.Marks(t.Context(), "l", "dead_letters", commit.ClaimTable)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(marks)
	}
	if got := marks(); got != "[{dead_letters 202601 m}]" {
		t.Error(got)
	}
	wants := func(r *replica) {
		t.Helper()
		came := strings.Join(r.saw(), "\n")
		for _, table := range []string{"dead_letters", commit.ClaimTable} {
			if !strings.Contains(came, "SYSTEM SYNC REPLICA tillstream."+table+" LIGHTWEIGHT") {
				t.Errorf("%s does not catch up: %s", table, came)
			}
		}
	}
	wants(a)
	a.Close()
	useUp(t, s)
	if got := marks(); got != "[{dead_letters 202601 m}]" {
		t.Error(got)
	}
	wants(b)
	if _, err := s.Erasure(t.Context(), "me", "a test", []uint64{1}, true); err == nil || !strings.Contains(err.Error(), "tillstream forget is not made for clickhouse.cluster yet") {
		t.Error(err)
	}

	// What the engine has, without a stand-in before it, is not what the configuration says.
	plain := open(t, func(c *Config) { c.Cluster = "shops" })
	if err := plain.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "the server knows no cluster shops, but") {
		t.Error(err)
	}
	if err := plain.checkReplicated(t.Context()); err == nil || !strings.Contains(err.Error(), "tables are not replicated (affinity …): they were made without it") {
		t.Error(err)
	}
}

// A question that was put to one replica while another had caught up is put again.
func TestRowsOfAnotherReplicaAreNotTaken(t *testing.T) {
	fresh(t)
	r, other := startReplica(t), startReplica(t)
	s := open(t, func(c *Config) {
		c.Addr, c.Cluster = []string{r.Listener.Addr().String(), other.Listener.Addr().String()}, "shops"
	})
	taken := 0
	host := s.conn.host()
	conn, err := s.conn.use()
	if err != nil {
		t.Fatal(err)
	}
	scan := s.unmoved(host, func(driver.Rows) error { taken++; return nil })
	s.conn.move(conn)
	if err := scan(nil); err == nil || taken != 0 {
		t.Fatal(err, taken)
	}
	if all, err := values[uint64](t.Context(), s, "SELECT count() FROM tillstream.dead_letters"); err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	if came := fmt.Sprint(other.saw(), r.saw()); came != "[SYSTEM SYNC REPLICA tillstream.dead_letters LIGHTWEIGHT] []" {
		t.Error(came)
	}
}
