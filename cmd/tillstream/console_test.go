package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/crypto/bcrypt"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/processor"
)

// The console stands beside what else is served at an address, closed where others could reach it and nobody has to log in.
func TestConsoleBesideMetrics(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("sesame"), 10)
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("ann:"+string(hash)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, address, users, path, host string
		disabled, login                  bool
		want                             int
	}{
		{name: "this machine", address: "127.0.0.1", path: "/console/docs/console.html", host: "localhost:9464", want: 200},
		{name: "every address", address: "0.0.0.0", path: "/console/docs/console.html", host: "localhost:9464", want: 403},
		{name: "every address, IPv6", address: "::", path: "/console/now", host: "[::1]:9464", want: 403},
		{name: "every address, metrics", address: "0.0.0.0", path: "/metrics", host: "tills:9464", want: 204},
		{name: "users", address: "0.0.0.0", users: users, path: "/console/now", host: "tills:9464", want: 401},
		{name: "ann", address: "0.0.0.0", users: users, path: "/console/docs/console.html", host: "tills:9464", login: true, want: 200},
		{name: "users, metrics", address: "0.0.0.0", users: users, path: "/metrics", host: "tills:9464", want: 204},
		{name: "documentation", address: "127.0.0.1", path: "/docs/adr/", host: "localhost:9464", want: 302},
		{name: "disabled", address: "127.0.0.1", disabled: true, path: "/console/now", host: "localhost", want: 204},
	} {
		cfg := config.Default()
		cfg.Console.Enabled, cfg.Console.UsersFile = !c.disabled, c.users
		sink, err := openSink(cfg) // asks nobody until a page does
		if err != nil {
			t.Fatal(err)
		}
		defer sink.Close()
		who, err := consoleAccess(cfg)
		if err != nil {
			t.Fatal(err)
		}
		rest := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		h, err := withConsole(rest, cfg, who, &net.TCPAddr{IP: net.ParseIP(c.address), Port: 9464}, sink, nil, new(processor.Processor), zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.path, nil)
		req.Host = c.host
		if c.login {
			req.SetBasicAuth("ann", "sesame")
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		if rec.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, rec.Code, c.want, rec.Body)
		}
	}
	cfg := config.Default()
	cfg.Console.OIDC = config.OIDC{Issuer: "http://127.0.0.1:1", ClientID: "c", ClientSecret: "sixteen bytes at least", RedirectURL: "http://localhost:9464/console/login", Viewers: []string{"*"}}
	who, err := consoleAccess(cfg)
	if err != nil || who.Login == nil || len(who.Groups.Viewers) != 1 {
		t.Errorf("%+v, %v", who, err)
	}
	cfg.Console.OIDC.TLS.CAFile = users // no certificate
	if _, err := consoleAccess(cfg); err == nil || !strings.Contains(err.Error(), "console.oidc.tls.ca_file") {
		t.Errorf("a file that has no certificate: %v", err)
	}
	cfg = config.Default()
	cfg.Console.UsersFile, cfg.Console.Operators = users, []string{"ann", "bob"}
	if _, err := consoleAccess(cfg); err == nil || !strings.HasPrefix(err.Error(), "console.operators: ") || !strings.Contains(err.Error(), `"bob"`) {
		t.Errorf("an operator who is no user: %v", err)
	}
	cfg = config.Default()
	for text, want := range map[string]string{"ann:sesame": "line 1: what ann has is no bcrypt hash", "": "no user is in it"} {
		if err := os.WriteFile(users, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg.Console.UsersFile = users
		if _, err := consoleAccess(cfg); err == nil || !strings.HasPrefix(err.Error(), "console.users_file: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	cfg.Console.UsersFile = users + ".none"
	if _, err := consoleAccess(cfg); err == nil || !strings.Contains(err.Error(), "console.users_file") {
		t.Errorf("a file that is not there: %v", err)
	}
}
