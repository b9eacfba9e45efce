package console

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"go.uber.org/zap/zaptest"

	"github.com/tillstream/tillstream/deploy/embedded"
	"github.com/tillstream/tillstream/deploy/embedded/embeddedtest"
	"github.com/tillstream/tillstream/sinks/clickhouse"
)

var engine *embedded.Engine // of all tests of the package; they run one after the other

func TestMain(m *testing.M) {
	os.Exit(embeddedtest.Main(m, func(e *embedded.Engine) { engine = e }))
}

// rig is a console on the real engine, with empty tables.
type rig struct {
	*testing.T
	conn  driver.Conn
	asker Asker
	lanes []Lane
}

func newRig(t *testing.T) *rig {
	t.Helper()
	sink, err := clickhouse.Open(clickhouse.Config{Addr: []string{engine.HTTPAddr()}, Protocol: "http"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close() })
	if _, err := sink.Migrate(t.Context(), clickhouse.MigrateOptions{Binary: "test"}); err != nil {
		t.Fatal(err)
	}
	conn, err := ch.Open(&ch.Options{Addr: []string{engine.HTTPAddr()}, Protocol: ch.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r := &rig{T: t, conn: conn, asker: sink.Reader(clickhouse.Limits{Time: time.Minute, Rows: 100_000, Memory: 2 << 30})}
	r.exec("TRUNCATE TABLES FROM tillstream NOT LIKE 'schema_migrations'")
	return r
}

func (r *rig) exec(sql string) {
	r.Helper()
	if err := r.conn.Exec(r.Context(), sql); err != nil {
		r.Fatalf("%v\n%.500s", err, sql)
	}
}

// console answers as one on a loopback address does, with no answer shared before.
func (r *rig) console() http.Handler { return build(r.T, Config{Loopback: true}, r.asker, r.lanes) }

func build(t *testing.T, cfg Config, asker Asker, lanes []Lane) http.Handler {
	t.Helper()
	h, err := New(cfg, Deps{
		Ask: asker, Lanes: func() []Lane { return lanes }, Docs: texts(), Now: time.Now, Log: zaptest.NewLogger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func texts() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "page %s", r.URL.Path) })
}

// get asks for a page and gives what came.
func get(t *testing.T, h http.Handler, path string, headers ...string) *http.Response {
	t.Helper()
	return send(t, h, http.MethodGet, path, headers...)
}

func send(t *testing.T, h http.Handler, method, path string, headers ...string) *http.Response {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		} else {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	var b strings.Builder
	if err := res.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// look is a page as text.
func (r *rig) look(path string) string {
	r.Helper()
	res := get(r.T, r.console(), path)
	text := body(r.T, res)
	if res.StatusCode != http.StatusOK {
		r.Fatalf("%s: %s\n%.2000s", path, res.Status, text)
	}
	if m := regexp.MustCompile(`class="problem"[^<]*<`).FindString(text); m != "" {
		r.Fatalf("%s: %s", path, m)
	}
	return text
}

var (
	tagPattern  = regexp.MustCompile(`<[^>]*>`)
	rowPattern  = regexp.MustCompile(`(?s)<tr[^>]*>(.*?)</tr>`)
	cellPattern = regexp.MustCompile(`(?s)<t[dh][^>]*>(.*?)</t[dh]>`)
	tilePattern = regexp.MustCompile(`(?s)<dt>(.*?)</dt><dd>(.*?)</dd>`)
	codePattern = regexp.MustCompile(`(?s)<pre[^>]*><code>(.*?)</code></pre>`)
	linkPattern = regexp.MustCompile(`href="([^"]*)"`)
)

func plain(markup string) string { return html.UnescapeString(tagPattern.ReplaceAllString(markup, "")) }

// section is the markup of one figure.
func section(t *testing.T, page, id string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, `<section id="`+id+`"`)
	s, _, closed := strings.Cut(rest, "</section>")
	if !ok || !closed {
		t.Fatalf("there is no figure %s on the page", id)
	}
	return s
}

// cells are the body of a figure's table, row by row, separated by |.
func cells(t *testing.T, page, id string) []string {
	t.Helper()
	var out []string
	for i, row := range rowPattern.FindAllStringSubmatch(section(t, page, id), -1) {
		if i == 0 {
			continue // the head
		}
		var line []string
		for _, c := range cellPattern.FindAllStringSubmatch(row[1], -1) {
			line = append(line, plain(c[1]))
		}
		out = append(out, strings.Join(line, "|"))
	}
	return out
}

// tiles are the numbers of a figure by their names.
func tiles(t *testing.T, page, id string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, m := range tilePattern.FindAllStringSubmatch(section(t, page, id), -1) {
		out[plain(m[1])] = plain(m[2])
	}
	return out
}
