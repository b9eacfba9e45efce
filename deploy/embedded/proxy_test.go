package embedded

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/zap"
)

// startProxied starts an engine with something to read, behind its proxy.
func startProxied(t *testing.T) (e *Engine, base string) {
	t.Helper()
	e = startTestEngine(t, t.TempDir())
	run(t, "http://"+e.HTTPAddr(), "CREATE DATABASE pos", "CREATE DATABASE tillstream",
		"CREATE TABLE tillstream.inner (n UInt8) ENGINE = MergeTree ORDER BY n", "INSERT INTO tillstream.inner VALUES (7)",
		"CREATE VIEW pos.outer SQL SECURITY DEFINER AS SELECT n FROM tillstream.inner")
	server := httptest.NewServer(e.Proxy())
	t.Cleanup(server.Close)
	return e, server.URL
}

const readable = "SELECT n FROM pos.outer"

func TestReaderReadsPosAndNothingElse(t *testing.T) {
	e, base := startProxied(t)
	for _, sql := range []string{readable, "SELECT n FROM outer", readable + " SETTINGS max_execution_time = 5, max_result_rows = 9"} {
		if status, body := query(t, base, sql); status != http.StatusOK || body != "7" {
			t.Errorf("%s: %d %s", sql, status, body)
		}
	}
	if _, body := query(t, base+"/?user=default&password=", "SELECT currentUser()"); body != "reader" {
		t.Errorf("asked for user default, got %s", body)
	}
	for _, sql := range []string{
		"SELECT n FROM tillstream.inner", "INSERT INTO tillstream.inner VALUES (8)", "DESCRIBE tillstream.inner", "SELECT * FROM mergeTreeIndex('tillstream', 'inner')",
		"CREATE TABLE pos.mine (n UInt8) ENGINE = Memory", "DROP VIEW pos.outer", "CREATE TEMPORARY TABLE x (n UInt8)",
		"SELECT * FROM file('x', 'CSV', 'a String')", "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')", "SELECT * FROM remote('127.0.0.1', 'tillstream', 'inner')",
		"SELECT * FROM system.users", "SYSTEM SHUTDOWN", "SET readonly = 0",
		// What keeps one reader from starving the rest, and other sites from reading through a browser.
		"SELECT 1 SETTINGS max_execution_time = 0", "SELECT 1 SETTINGS max_execution_time = 600", "SELECT 1 SETTINGS max_memory_usage = 0",
		"SELECT 1 SETTINGS max_memory_usage_for_user = 0", "SELECT 1 SETTINGS max_concurrent_queries_for_user = 0", "SELECT 1 SETTINGS add_http_cors_header = 1",
		"SELECT 1 SETTINGS max_threads = 10000", "SELECT 1 SETTINGS max_parser_depth = 1000000",
	} {
		for _, as := range []string{"", "?user=default", "?User=default&PASSWORD="} {
			if status, body := query(t, base+"/"+as, sql); status == http.StatusOK {
				t.Errorf("%s as %q was allowed: %s", sql, as, body)
			}
		}
	}
	if _, body := query(t, "http://"+e.HTTPAddr(), "SELECT count(), sum(n) FROM tillstream.inner"); body != "1\t7" {
		t.Errorf("the table now has %s", body)
	}
}

func TestNoHeaderMakesReaderSomebodyElse(t *testing.T) {
	_, base := startProxied(t)
	transport := &http.Transport{DisableKeepAlives: true}
	for name, value := range map[string]string{"Authorization": "Basic ZGVmYXVsdDo=", "X-ClickHouse-User": "default", "X-ClickHouse-Key": "x", "Origin": "http://elsewhere", "Cookie": "a=b"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/?add_http_cors_header=0", strings.NewReader("SELECT currentUser()"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(name, value)
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || string(body) != "reader\n" || res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %s, %v, %v", name, body, res.Header, err)
		}
	}
}

// send writes raw bytes. It waits for an answer and returns its first line, or hangs up at once.
func send(t *testing.T, addr, raw string, hangUp bool) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, raw) // an answer may come before all is sent
	if hangUp {
		return "hung up"
	}
	line, _ := bufio.NewReader(conn).ReadString('\n') // or none
	return strings.TrimSpace(line)
}

func TestNothingSentToTheProxyEndsTheEngine(t *testing.T) {
	e, base := startProxied(t)
	child, addr := e.child.Load(), strings.TrimPrefix(base, "http://")
	survives := func(name, raw string, hangUp bool) {
		line := send(t, addr, raw, hangUp)
		if status, body := query(t, base, readable); status != http.StatusOK || body != "7" {
			t.Fatalf("after %s (%s): %d %s", name, line, status, body)
		}
	}
	const get, post = "GET /?query=SELECT+1", " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8\r\n"
	for name, raw := range map[string]string{
		"garbage": "GARBAGE\r\n\r\n", "a version that is none": "GET / HTTP/9.9\r\n\r\n",
		"a method that is none": "FOO /" + post + "\r\nSELECT 1", "a long method": strings.Repeat("F", 5000) + " /" + post + "\r\nSELECT 1", "connect": "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"delete": "DELETE /" + post + "\r\nSELECT 1", "options": "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "head": "HEAD /?query=SELECT+1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"a long header":                         "POST /" + post + "X-A: " + strings.Repeat("a", 300_000) + "\r\n\r\nSELECT 1",
		"a long known header":                   "POST /" + post + "User-Agent: " + strings.Repeat("a", 300_000) + "\r\n\r\nSELECT 1",
		"a known header of the greatest length": "POST /" + post + "User-Agent: " + strings.Repeat("a", maxHeaders) + "\r\n\r\nSELECT 1",
		"a long header name":                    "POST /" + post + strings.Repeat("a", 300_000) + ": x\r\n\r\nSELECT 1",
		"many headers":                          "POST /" + post + strings.Repeat("A: b\r\n", 20_000) + "\r\nSELECT 1",
		"forwarded by many":                     "POST /" + post + "X-Forwarded-For: " + strings.Repeat("1.1.1.1,", 30_000) + "\r\n\r\nSELECT 1",
		"a long host":                           "GET / HTTP/1.1\r\nConnection: close\r\nHost: " + strings.Repeat("h", 200_000) + "\r\n\r\n",
		"bytes that are no text":                "POST /" + post + "User-Agent: \xff\xfe\x80\r\n\r\nSELECT 1", "a cookie that is none": "POST /" + post + "Cookie: a; b=\"; =\r\n\r\nSELECT 1",
		"a long URL": "GET /?query=" + strings.Repeat("a", 900_000) + post + "\r\nSELECT 1", "a URL of the greatest length": get + strings.Repeat("+", maxURL-21) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"a long path": "GET /" + strings.Repeat("a", 900_000) + post + "\r\nSELECT 1", "a path with bad escapes": "GET /%zz" + post + "\r\nSELECT 1", "a path upwards": "GET /../../etc/passwd" + post + "\r\nSELECT 1",
		"bad escapes":              "GET /?query=%zz;user=default&query=%ff%00" + post + "\r\nSELECT 1",
		"parameters that are none": "GET /?max_threads=abc&wait_end_of_query=x&buffer_size=-1&session_timeout=x&session_id=1&log_comment=%00%ff" + post + "\r\nSELECT 1",
		"a huge buffer":            "POST /?buffer_size=99999999999999999999&wait_end_of_query=1" + post + "\r\nSELECT 1",
		"another protocol":         "POST /?client_protocol_version=99999999" + post + "\r\nSELECT 1",
		"unknown format":           "POST /" + post + "X-ClickHouse-Format: Nope\r\nX-ClickHouse-Database: nope\r\nX-ClickHouse-Timezone: Nope\r\n\r\nSELECT 1",
		"expect":                   "POST /" + post + "Expect: 100-continue\r\n\r\nSELECT 1", "expect what is not": "POST /" + post + "Expect: foo\r\n\r\nSELECT 1",
		"upgrade": "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n", "old HTTP": "POST / HTTP/1.0\r\nContent-Length: 8\r\n\r\nSELECT 1",
		"not gzip": "POST /" + post + "Content-Encoding: gzip\r\n\r\nSELECT 1", "unknown encoding": "POST /" + post + "Content-Encoding: nope\r\n\r\nSELECT 1",
		"not compressed": "POST /?decompress=1" + post + "\r\nSELECT 1", "level of compression": "POST /?enable_http_compression=1&http_zlib_compression_level=99" + post + "Accept-Encoding: gzip\r\n\r\nSELECT 1",
		"half of multipart": "POST /?query=SELECT+1" + post + "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nCon", "multipart without bounds": "POST /?query=SELECT+1" + post + "Content-Type: multipart/form-data\r\n\r\nSELECT 1",
		"multipart":            "POST /?query=SELECT+1" + post + "Content-Type: multipart/form-data; boundary=" + strings.Repeat("b", 5000) + "\r\n\r\n--bbbb\r\n",
		"a chunk that is none": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "both lengths": "POST /" + post + "Transfer-Encoding: chunked\r\n\r\n8\r\nSELECT 1\r\n0\r\n\r\n",
		"two lengths": "POST /" + post + "Content-Length: 9\r\n\r\nSELECT 1", "a negative length": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\nSELECT 1",
	} {
		survives(name, raw, false)
		survives(name, raw, true)
	}
	url := "POST /?log_comment=" + strings.Repeat("a", maxURL-100)
	long := "User-Agent: " + strings.Repeat("a", maxHeaders-100) + "\r\n"
	for name, raw := range map[string]string{
		"a TLS hello": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500), "a native hello": "\x00\x05a b c\x01\x02\xb6\xa9\x03\x00\x07default\x00",
		"a body too short after a long URL": url + strings.Replace(post, "8", "800", 1) + "\r\nSELECT 1", "no body after a long URL": url + post + "\r\n",
		"no end": strings.Repeat("A", 100_000), "cut headers": "POST / HTTP/1.1\r\nContent-Len", "a cut parameter": "GET /?query=SELECT", "a body too short": "POST /" + strings.Replace(post, "8", "800", 1) + long + "\r\nSELECT 1",
		"a cut chunk": "POST / HTTP/1.1\r\nHost: x\r\n" + long + "Transfer-Encoding: chunked\r\n\r\n8\r\nSELECT 1\r\n5\r\nab", "no body at all": "POST /" + post + long + "\r\n",
	} {
		for range 20 { // the client hangs up sooner or later
			survives(name, raw, true)
		}
	}
	// An engine that aborts takes seconds over it and may answer meanwhile; how it ends tells.
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if child.Reason() != "exit status 0" || e.Restarts() != 0 {
		t.Errorf("the engine ended with %s after %d restarts: %s", child.Reason(), e.Restarts(), child.output)
	}
}

// ClickHouse may answer as soon as it has a query. The answer is whole for who asked, although Go's server takes a body away from who still reads it where an answer begins.
func TestProxyGivesWholeAnswers(t *testing.T) {
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := http.NewResponseController(w)
		_ = answer.EnableFullDuplex()
		_ = answer.Flush()
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "7\n")
	}))
	defer engine.Close()
	e := &Engine{cfg: EngineConfig{Log: zap.NewNop()}, http: strings.TrimPrefix(engine.URL, "http://"), transport: new(http.Transport)}
	server := httptest.NewServer(e.Proxy())
	defer server.Close()
	defer e.transport.CloseIdleConnections()
	ask := func(sql io.Reader) string {
		res, err := server.Client().Post(server.URL, "text/plain", sql)
		if err != nil {
			return err.Error()
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return fmt.Sprint(res.StatusCode, " ", string(body), err)
	}
	for range 100 {
		if got := ask(iotest.OneByteReader(strings.NewReader(readable))); got != "200 7\n<nil>" {
			t.Fatal(got)
		}
	}
	if got := ask(strings.NewReader(strings.Repeat(" ", maxBody+1))); !strings.HasPrefix(got, "413 ") {
		t.Error(got)
	}
}

// Why there is a proxy; and what a user sees meanwhile.
func TestEngineDiesOfWhatTheProxyKeepsFromIt(t *testing.T) {
	e, base := startProxied(t)
	child := e.child.Load()
	send(t, e.HTTPAddr(), "POST / HTTP/1.1\r\nContent-Len", true)
	<-child.Exited()
	eventually(t, "the engine is back", func() bool {
		status, body := query(t, base, readable)
		if status != http.StatusOK && (status != http.StatusServiceUnavailable || !strings.Contains(body, "try again")) {
			t.Fatalf("meanwhile: %d %s", status, body)
		}
		return body == "7"
	})
}
