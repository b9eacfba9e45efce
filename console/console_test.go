package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func newRequest(target string) (*http.Request, error) {
	return http.NewRequest(http.MethodGet, target, nil)
}

// stub answers every question alike.
type stub struct {
	err   error
	asked atomic.Int64
}

func (s *stub) Ask(context.Context, string, map[string]string, func([]any) error) error {
	s.asked.Add(1)
	return s.err
}

func TestHeaders(t *testing.T) {
	h := build(t, Config{Loopback: true}, &stub{}, nil)
	for _, path := range []string{"/console/", "/console/now", "/console/nonsense", "/console/docs/dead-letters.html", "/console/docs/../../etc/passwd"} {
		res := get(t, h, path)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		csp := res.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
	}
	// The policy allows none of these, so none may be there.
	page := body(t, get(t, h, "/console/now"))
	if m := regexp.MustCompile(`(?i)<script(?: [^>]*)?>[^<]|<style|\sstyle=|\son\w+=|https?://`).FindString(page[strings.Index(page, "<!doctype"):]); m != "" {
		t.Errorf("the page has %q", m)
	}
	for _, link := range regexp.MustCompile(`(?:src|href)="(/console/static/[^"]*)"`).FindAllStringSubmatch(page, -1) {
		if res := get(t, h, link[1]); res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %s", link[1], res.Status)
		}
	}
	if got := body(t, get(t, h, "/console/docs/adr/1.html")); !strings.Contains(got, "page adr/1.html") {
		t.Errorf("the documentation: %q", got)
	}
	if res := get(t, h, "/console/nonsense"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a page that is not there: %s", res.Status)
	}
	if res := get(t, h, "/console/?lang=fr"); res.Header.Get("Location") != "/console/now?lang=fr" {
		t.Errorf("the beginning leads to %s", res.Header.Get("Location"))
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		if res := send(t, h, method, "/console/now"); res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %s", method, res.Status)
		}
	}
}

func TestWhoMayLook(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("open: sesame"), minCost)
	if err != nil {
		t.Fatal(err)
	}
	users, err := ParseUsers("# who\n\nann:" + string(hash) + "\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name           string
		cfg            Config
		host, user, pw string
		want           int
	}{
		{"this machine", Config{Loopback: true}, "127.0.0.1:9464", "", "", 200},
		{"this machine by name", Config{Loopback: true}, "localhost", "", "", 200},
		{"this machine, IPv6", Config{Loopback: true}, "[::1]:9464", "", "", 200},
		{"a name that points here", Config{Loopback: true}, "evil.example:9464", "", "", 403},
		{"another machine", Config{}, "localhost", "", "", 403},
		{"nobody", Config{Users: users}, "tills.example", "", "", 401},
		{"wrong password", Config{Users: users}, "tills.example", "ann", "open: sesam", 401},
		{"wrong user", Config{Users: users}, "tills.example", "bob", "open: sesame", 401},
		{"ann", Config{Users: users}, "tills.example", "ann", "open: sesame", 200},
		{"ann again", Config{Users: users}, "tills.example", "ann", "open: sesame", 200},
		{"then a wrong one", Config{Users: users}, "tills.example", "ann", "", 401},
		{"ann where only this machine comes", Config{Users: users, Loopback: true}, "localhost", "", "", 401},
	} {
		h := build(t, c.cfg, &stub{}, nil)
		headers := []string{"Host", c.host}
		if c.user != "" {
			req, _ := newRequest("/")
			req.SetBasicAuth(c.user, c.pw)
			headers = append(headers, "Authorization", req.Header.Get("Authorization"))
		}
		for _, path := range []string{"/console/now", "/console/docs/dead-letters.html", "/console/static/x/style.css"} {
			res := get(t, h, path, headers...)
			want := c.want
			if want == 200 && strings.Contains(path, "static") {
				want = 404
			}
			if res.StatusCode != want {
				t.Errorf("%s, %s: %s, want %d", c.name, path, res.Status, want)
			}
			if want == 401 && !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("%s: how to log in is not said", c.name)
			}
		}
	}
	cheap, _ := bcrypt.GenerateFromPassword([]byte("x"), bcrypt.MinCost)
	for _, text := range []string{"", "ann", "ann:secret", "ann:" + string(cheap), "ann:" + string(hash) + "\nann:" + string(hash), ":" + string(hash)} {
		if _, err := ParseUsers(text); err == nil || !strings.Contains(err.Error(), "htpasswd") && !strings.Contains(err.Error(), "twice") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

type limited struct{}

func (limited) Error() string { return "goroutine 1 [running]: code 241" }
func (limited) TooMuch() bool { return true }

// A figure without an answer says what to do; what went wrong inside stays inside, and the page stands.
func TestNoAnswer(t *testing.T) {
	for _, c := range []struct {
		err  error
		says string
	}{{limited{}, "Choose fewer days"}, {errors.New("dial tcp 10.1.2.3:9000: goroutine"), "the log of tillstream says why"}} {
		page := body(t, get(t, build(t, Config{Loopback: true}, &stub{err: c.err}, nil), "/console/sales?lang=en"))
		if n := strings.Count(page, c.says); n != 5 || strings.Contains(page, "goroutine") || strings.Contains(page, "10.1.2.3") {
			t.Errorf("%v: said %d times", c.err, n)
		}
	}
}

// Viewers who look at the same within a moment ask once, those who come later ask anew, and what takes long is asked more rarely.
func TestAnswersAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{takes: 100 * time.Millisecond}
		a := newAnswers(s, time.Now)
		look := func() {
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					if rows, err := a.get(t.Context(), question{"SELECT 1", nil, time.Second}); err != nil || len(rows) != 1 {
						t.Errorf("%v, %v", rows, err)
					}
				})
			}
			wg.Wait()
		}
		look()
		time.Sleep(900 * time.Millisecond)
		look()
		if n := s.asked.Load(); n != 1 {
			t.Errorf("asked %d times within a second", n)
		}
		time.Sleep(101 * time.Millisecond)
		look()
		if n := s.asked.Load(); n != 2 {
			t.Errorf("asked %d times in more than a second", n)
		}
		s.takes = 10 * time.Second
		time.Sleep(time.Minute)
		look()
		time.Sleep(29 * time.Second)
		look()
		if n := s.asked.Load(); n != 3 {
			t.Errorf("asked %d times what takes ten seconds", n)
		}
		// No more than a few are asked for at a time, and what nobody waits for any more is not asked for.
		var wg sync.WaitGroup
		under, leave := context.WithCancel(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 12 {
			of := under
			if i == atOnce {
				synctest.Wait()
			}
			if i >= atOnce {
				of = ctx
			}
			wg.Go(func() { _, _ = a.get(of, question{"SELECT " + strings.Repeat("x", i+1), nil, time.Second}) })
		}
		synctest.Wait()
		if n := s.under.Load(); n != atOnce {
			t.Errorf("%d questions at a time", n)
		}
		cancel()
		synctest.Wait()
		leave()
		wg.Wait()
		time.Sleep(time.Minute)
		if n := s.asked.Load(); n != 3+atOnce {
			t.Errorf("asked %d times", n)
		}
		// One who leaves does not take the answer from the others.
		ctx, cancel = context.WithCancel(t.Context())
		q := question{"SELECT 2", nil, time.Second}
		wg.Go(func() {
			if _, err := a.get(ctx, q); !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if rows, err := a.get(t.Context(), q); err != nil || len(rows) != 1 {
				t.Errorf("who stayed got %v, %v", rows, err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		// What failed is asked for again before long.
		s.fails, s.takes = errors.New("away"), 0
		q = question{"SELECT 3", nil, time.Minute}
		_, err := a.get(t.Context(), q)
		s.fails = nil
		time.Sleep(1100 * time.Millisecond)
		if rows, again := a.get(t.Context(), q); err == nil || again != nil || len(rows) != 1 {
			t.Errorf("%v, then %v, %v", err, rows, again)
		}
	})
}

type slow struct {
	takes        time.Duration
	fails        error
	asked, under atomic.Int64
}

func (s *slow) Ask(ctx context.Context, _ string, _ map[string]string, row func([]any) error) error {
	s.asked.Add(1)
	s.under.Add(1)
	defer s.under.Add(-1)
	select {
	case <-time.After(s.takes):
		return cmp.Or(s.fails, row([]any{1}))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A viewer who has the newest is told so, and nothing else.
func TestNotModified(t *testing.T) {
	h := build(t, Config{Loopback: true}, &stub{}, nil)
	first := get(t, h, "/console/now?part=1")
	again := get(t, h, "/console/now?part=1", "If-None-Match", first.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified || again.Header.Get("ETag") == "" {
		t.Errorf("%s", again.Status)
	}
	if text := body(t, first); strings.Contains(text, "<html") || !strings.Contains(text, `id="board"`) {
		t.Errorf("the part is %.200s", text)
	}
}

// Every message is there in every language, each that code and templates ask for exists, and each that exists is asked for.
func TestCatalogue(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range append(files, more...) {
		if strings.HasSuffix(file, "_test.go") || file == "messages.go" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	text := all.String()
	used := func(key string) bool {
		list, rest, _ := strings.Cut(key, ".")
		switch list {
		case "status", "shop", "lane", "severity", "alert", "party", "verdict", "stage", "period", "level", "segment", "weekday", "unit", "nav", "theme", "notice", "ignored": // values of the data, or of the code
			return true
		case "column", "tile", "figure", "note":
			return strings.Contains(text, `"`+rest+`"`) || strings.Contains(text, `"burn_"`) && strings.HasPrefix(rest, "burn_") || strings.Contains(text, `"`+key+`"`)
		}
		return strings.Contains(text, `"`+key+`"`)
	}
	for key, m := range catalogue {
		if slices.Contains(m[:], "") {
			t.Errorf("%s is not there in every language", key)
		}
		if !used(key) {
			t.Errorf("%s is not used", key)
		}
	}
	for _, m := range regexp.MustCompile(`\.?T\(?\s*"([a-z_.]+)"\)?`).FindAllStringSubmatch(text, -1) {
		if !strings.HasSuffix(m[1], ".") && !has(m[1]) {
			t.Errorf("there is no message %s", m[1])
		}
	}
	// What a page asks for and nobody wrote shows as its key.
	for _, k := range pageKinds() {
		for _, query := range []string{"", "?store=s&terminal=t"} {
			page := body(t, get(t, build(t, Config{Loopback: true}, &one{}, []Lane{{}}), "/console/"+k.name+query))
			if m := regexp.MustCompile(`>(?:column|figure|note|tile|status|nav|legend|unit)\.[a-z_0-9]+`).FindString(page); m != "" {
				t.Errorf("%s: nobody wrote %s", k.name, m[1:])
			}
		}
	}
}

// one gives one row of nothing, as wide as any.
type one struct{}

func (one) Ask(_ context.Context, _ string, _ map[string]string, row func([]any) error) error {
	return row(make([]any, 40))
}

func TestLanguage(t *testing.T) {
	h := build(t, Config{Loopback: true}, &stub{}, nil)
	for _, c := range []struct{ query, accepts, want string }{
		{"", "", "en"}, {"", "fr", "fr"}, {"", "fr-CA,en;q=0.5", "fr"}, {"", "de,fr;q=0.4", "fr"}, {"", "en-GB,fr;q=0.9", "en"}, {"", "zh", "en"}, {"?lang=en", "fr", "en"}, {"?lang=fr", "en", "fr"}, {"", ";;;", "en"},
	} {
		res := get(t, h, "/console/sales"+c.query, "Accept-Language", c.accepts)
		if got := res.Header.Get("Content-Language"); got != c.want || !strings.Contains(body(t, res), `<html lang="`+c.want+`"`) {
			t.Errorf("%s, %q: %s", c.query, c.accepts, got)
		}
	}
}
