package clickhouse

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tillstream/tillstream/internal/broken"
	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/sinks/certs/certstest"
)

// before gives a server before the engine, and counts what came through.
func before(t *testing.T, conf *tls.Config, allow func(*http.Request) bool) (server *httptest.Server, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: engine.HTTPAddr()})
	proxy.Transport = &http.Transport{DisableKeepAlives: true} // the default one is shared by all, and any server that closes closes connections of it
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allow(r) {
			w.Header().Set("X-ClickHouse-Exception-Code", "516")
			http.Error(w, "Code: 516. DB::Exception: till: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)", http.StatusForbidden)
			return
		}
		asked.Add(1)
		// Whole: where an answer begins while the body is still read from here, Go's server stops that, and closes the connection under our feet.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		for _, h := range []string{"X-Clickhouse-User", "X-Clickhouse-Key", "X-Clickhouse-Ssl-Certificate-Auth"} {
			r.Header.Del(h) // the engine has another user
		}
		proxy.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	if server.TLS = conf; conf == nil {
		server.Start()
	} else {
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	return server, asked
}

func anybody(*http.Request) bool { return true }

// useUp uses up connections that were closed on the other side.
func useUp(t *testing.T, s *Sink) {
	for range 16 {
		if !broken.Connection(s.Ping(t.Context())) {
			return
		}
	}
}

func letter(offset int64) processor.Insert {
	b := rollup.NewBlock("dead_letters", 202601, 1)
	b.String("topic")[0] = "t"
	b.Int32("partition")
	b.Int64("offset")[0] = offset
	b.PartitionMillis("at")
	b.String("reason")
	b.String("field")
	b.String("expected")
	return processor.Insert{Block: b.Seal(), Lane: "l", Mark: "m", Token: fmt.Sprint("letter ", offset)}
}

// While a sink is open, the authority of the server, our own certificate and the password are replaced.
func TestCertificatesAndPasswordAreRenewed(t *testing.T) {
	fresh(t)
	var conf atomic.Pointer[tls.Config]
	var password atomic.Value
	old, next := certstest.NewAuthority(t), certstest.NewAuthority(t)
	conf.Store(old.Server(true))
	password.Store("first")
	// The certificate that httptest is given is never shown.
	outer := old.Server(false)
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return conf.Load(), nil }
	server, _ := before(t, outer, func(r *http.Request) bool { return r.Header.Get("X-ClickHouse-Key") == password.Load() })

	files := func(ca *certstest.Authority, password string) map[string]string {
		all := certstest.Files(ca, ca)
		all["password"] = password + "\n"
		return all
	}
	mount := certstest.NewMount(t, files(old, "first"))
	var told []string
	s := open(t, func(c *Config) {
		c.Addr, c.Username, c.PasswordFile = []string{strings.TrimPrefix(server.URL, "https://")}, "till", mount.Path("password")
		c.TLS = TLSConfig{Enabled: true, CAFile: mount.Path("ca.crt"), CertFile: mount.Path("tls.crt"), KeyFile: mount.Path("tls.key")}
		c.Renewed = func(key string, err error) { told = append(told, fmt.Sprint(key, " ", err != nil)) }
	})
	inserts := int64(0)
	expect := func(want string) {
		t.Helper()
		err := s.Ping(t.Context())
		if err == nil {
			err = s.Insert(t.Context(), letter(inserts+1))
		}
		if want == "" && broken.Connection(err) { // so lanes do
			useUp(t, s)
			err = s.Insert(t.Context(), letter(inserts+1))
		}
		if err == nil {
			inserts++
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Fatalf("want %q, got %v", want, err)
		}
	}
	expect("")
	mount.Put(files(old, "second")) // we are ahead of the server
	expect(`does not let user "till" in (code 516)`)
	password.Store("second")
	expect("")
	conf.Store(next.Server(true)) // a connection that is open stays
	expect("")
	server.CloseClientConnections()
	useUp(t, s)
	expect("is not trusted")
	mount.Put(files(next, "second"))
	expect("")
	broken := files(next, "second")
	broken["tls.crt"] = broken["ca.crt"] // not that of the key
	mount.Put(broken)
	expect("")
	broken["password"] = ""
	mount.Put(broken)
	expect("")
	if got := fmt.Sprint(told); got != "[clickhouse false clickhouse false clickhouse true clickhouse true]" {
		t.Error(got)
	}
	if rows := ask(t, s, "count()", "FROM tillstream.dead_letters WHERE lane = ''"); rows[0] != fmt.Sprint(inserts) {
		t.Errorf("%s of %d rows came", rows[0], inserts)
	}
}

// Of several hosts one is asked, until it cannot be reached; then the next, and that one also when the first is back.
func TestOneHostAtATime(t *testing.T) {
	fresh(t)
	first, askedFirst := before(t, nil, anybody)
	second, askedSecond := before(t, nil, anybody)
	addr := first.Listener.Addr().String()
	s := open(t, func(c *Config) { c.Addr = []string{addr, second.Listener.Addr().String()} })
	use := func(offset int64) {
		t.Helper()
		if err := s.Insert(t.Context(), letter(offset)); err != nil {
			t.Fatal(err)
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	use(1)
	if askedFirst.Load() == 0 || askedSecond.Load() != 0 || s.conn.host() != 0 {
		t.Fatal(askedFirst.Load(), askedSecond.Load(), s.conn.host())
	}
	first.Close()
	useUp(t, s)
	use(2)
	if n := askedFirst.Load(); askedSecond.Load() == 0 || s.conn.host() != 1 {
		t.Fatal(n, askedSecond.Load(), s.conn.host())
	}
	second.Close()
	useUp(t, s)
	if err := s.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing answers at "+addr+", ") {
		t.Fatal(err)
	}
}

// Who gets no answer is told whether the server is mute or all connections are in use.
func TestWaitingInVain(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0") // the system accepts
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	for _, protocol := range []string{"http", "native"} {
		s := open(t, func(c *Config) {
			c.Addr, c.Protocol, c.DialTimeout = []string{mute.Addr().String()}, protocol, time.Second
		})
		if err := s.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "did not answer in time: see") || strings.Contains(err.Error(), "max open conn") {
			t.Errorf("%s: %v", protocol, err)
		}
		s = open(t, func(c *Config) {
			if protocol == "native" {
				overNative(c)
			}
			c.MaxOpenConns, c.DialTimeout = 1, time.Second
		})
		rows, err := s.conn.Query(t.Context(), "SELECT number FROM numbers(10000000)")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Ping(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "clickhouse.max_open_conns: for 1s all 1 connections ") {
			t.Errorf("%s: %v", protocol, err)
		}
		rows.Close()
	}
}
