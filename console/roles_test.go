package console

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oauth2-proxy/mockoidc"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/crypto/bcrypt"

	"github.com/tillstream/tillstream/console/login"
	"github.com/tillstream/tillstream/deploy/clickhouse"
)

// guarded is a console whose people log in at a provider, and what came of it.
type guarded struct {
	*testing.T
	url      string
	provider *mockoidc.MockOIDC
	log      *observer.ObservedLogs
	replays  []Replay
	fails    error
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{T: t}
	var err error
	if g.provider, err = mockoidc.Run(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.provider.Shutdown() })
	var h http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	g.url = server.URL
	groups := Groups{Viewers: []string{"shop-floor"}, Analysts: []string{"buying", "board"}, Operators: []string{"it"}}
	l, err := login.New(login.Config{
		Issuer: g.provider.Issuer(), ClientID: g.provider.ClientID, ClientSecret: g.provider.ClientSecret, RedirectURL: g.url + LoginPath,
		Scopes: []string{"profile", "groups"}, GroupsClaim: "groups", Groups: groups.Names(), Session: time.Hour,
	}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.InfoLevel)
	g.log = logs
	h, err = New(Config{Login: l, Groups: groups}, Deps{
		Ask: &one{}, Docs: texts(), Now: time.Now, Log: zap.New(core),
		Replay: func(_ context.Context, what Replay) (Replayed, error) {
			g.replays = append(g.replays, what)
			return Replayed{Sent: 3, Lines: []string{"pos.health: 3 <sent>"}}, g.fails
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// browser is one of somebody with these groups.
func (g *guarded) browser(groups ...string) *http.Client {
	g.provider.QueueUser(&mockoidc.MockUser{Subject: "1", PreferredUsername: "ann", Groups: groups})
	jar, _ := cookiejar.New(nil)
	return &http.Client{Jar: jar}
}

// do sends a request as a browser does that somebody types an address into, and gives the answer of the last redirect.
func (g *guarded) do(c *http.Client, method, path, form string, headers ...string) (*http.Response, string) {
	g.Helper()
	req, err := http.NewRequestWithContext(g.Context(), method, g.url+path, strings.NewReader(form))
	if err != nil {
		g.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		g.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		g.Fatal(err)
	}
	return res, string(text)
}

// Each role has its pages, in the head and in fact.
func TestRoles(t *testing.T) {
	g := newGuarded(t)
	floor := []string{"now", "availability", "events", "agreements"}
	for _, c := range []struct {
		groups  []string
		pages   []string
		replays bool
	}{
		{[]string{"shop-floor"}, floor, false},
		{[]string{"board", "canteen"}, append(slices.Clone(floor), "sales", "customers"), false},
		{[]string{"it"}, floor, true},
		{[]string{"it", "buying"}, append(slices.Clone(floor), "sales", "customers"), true},
		{[]string{"canteen"}, nil, false},
		{nil, nil, false},
	} {
		b := g.browser(c.groups...)
		want := http.StatusForbidden
		if c.pages != nil {
			want = http.StatusOK
		}
		res, head := g.do(b, http.MethodGet, "/console/now?lang=en&store=7", "")
		if res.StatusCode != want || !strings.Contains(head, ">ann<") || !strings.Contains(head, "Log out") || c.pages != nil && res.Request.URL.RequestURI() != "/console/now?lang=en&store=7" {
			t.Errorf("%v: %s at %s", c.groups, res.Status, res.Request.URL)
		}
		for _, k := range pageKinds() {
			want := slices.Contains(c.pages, k.name)
			res, page := g.do(b, http.MethodGet, "/console/"+k.name, "")
			if got := res.StatusCode == http.StatusOK; got != want || !want && strings.Contains(page, "<section") {
				t.Errorf("%v: %s: %s", c.groups, k.name, res.Status)
			}
			if got := strings.Contains(head, `href="/console/`+k.name); got != want {
				t.Errorf("%v: %s in the head: %v", c.groups, k.name, got)
			}
			if k.name == "events" && strings.Contains(page, "<button>Try it") != c.replays {
				t.Errorf("%v: the button is wrong", c.groups)
			}
		}
		res, _ = g.do(b, http.MethodPost, "/console/replay", "topic=pos.health&reason=future&do=send")
		if got := res.StatusCode == http.StatusOK; got != c.replays {
			t.Errorf("%v: replay: %s", c.groups, res.Status)
		}
	}
	if n := len(g.replays); n != 2 {
		t.Errorf("%d replays", n)
	}
}

// Without a session people are sent to the provider and come back; scripts are told, and nobody is led elsewhere.
func TestLoginOfTheConsole(t *testing.T) {
	g := newGuarded(t)
	for _, headers := range [][]string{{"Sec-Fetch-Mode", "cors"}, {"Accept", "text/event-stream"}, {"Sec-Fetch-Mode", "no-cors"}} {
		if res, _ := g.do(&http.Client{}, http.MethodGet, "/console/now?part=1", "", headers...); res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) > 0 {
			t.Errorf("%v: %s", headers, res.Status)
		}
	}
	for _, path := range []string{"/console//evil.example/%2e%2e/now", "/console/now?to=https://evil.example", "/console/%5C%5Cevil.example", "/console/" + strings.Repeat("x", 5000)} {
		res, _ := g.do(g.browser("it"), http.MethodGet, path, "")
		if u, _ := url.Parse(g.url); res.Request.URL.Host != u.Host || !strings.HasPrefix(res.Request.URL.Path, "/console/") {
			t.Errorf("%.60s leads to %s", path, res.Request.URL)
		}
	}
	b := g.browser("it")
	g.do(b, http.MethodGet, "/console/", "")
	// A page of another site has the browser log out, or replay: it does not.
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		for _, path := range []string{logoutPath, replayPath} {
			if res, _ := g.do(b, http.MethodPost, path, "topic=pos.health&reason=future&do=send", headers...); res.StatusCode != http.StatusForbidden {
				t.Errorf("%v to %s: %s", headers, path, res.Status)
			}
		}
	}
	if len(g.replays) > 0 {
		t.Errorf("another site had %v replayed", g.replays)
	}
	if res, _ := g.do(b, http.MethodGet, "/console/now?part=1", "", "Sec-Fetch-Mode", "cors"); res.StatusCode != http.StatusOK {
		t.Errorf("still logged in: %s", res.Status)
	}
	res, page := g.do(b, http.MethodPost, logoutPath, "", "Sec-Fetch-Site", "same-origin")
	if res.StatusCode != http.StatusOK || !strings.Contains(page, "You are logged out") || strings.Contains(page, ">ann<") {
		t.Errorf("logged out: %s", res.Status)
	}
	if res, _ := g.do(b, http.MethodGet, "/console/now?part=1", "", "Sec-Fetch-Mode", "cors"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after that: %s", res.Status)
	}
	if res, page := g.do(&http.Client{}, http.MethodGet, LoginPath+"?state=abcdefghijkl&code=x&error=%3Cscript%3E", ""); res.StatusCode != http.StatusBadRequest || strings.Contains(page, "<script>") {
		t.Errorf("a return that nobody began: %s", res.Status)
	}
}

// What an operator has done is logged with who it was; a try sends nothing; what fails says so.
func TestReplay(t *testing.T) {
	g := newGuarded(t)
	b := g.browser("it")
	g.do(b, http.MethodGet, "/console/", "")
	res, page := g.do(b, http.MethodPost, replayPath+"?lang=en", "topic=pos.health&reason=future")
	if res.StatusCode != http.StatusOK || !strings.Contains(page, "pos.health: 3 &lt;sent&gt;") || !strings.Contains(page, "<button>Send them") {
		t.Errorf("%s: %s", res.Status, page)
	}
	if res, page = g.do(b, http.MethodPost, replayPath+"?lang=en", "topic=pos.health&reason=future&do=send"); res.StatusCode != http.StatusOK || !strings.Contains(page, "Sent again") || strings.Contains(page, "<button>Send") {
		t.Errorf("%s: %s", res.Status, page)
	}
	if d := cmp.Diff([]Replay{{"pos.health", "future", "ann", true}, {"pos.health", "future", "ann", false}}, g.replays); d != "" {
		t.Error(d)
	}
	said := g.log.FilterMessage("an operator replayed dead letters").All()
	if len(said) != 2 || said[1].ContextMap()["by"] != "ann" || said[1].ContextMap()["dry_run"] != false || said[1].ContextMap()["sent"] != int64(3) {
		t.Errorf("logged %v", said)
	}
	for _, form := range []string{"topic=pos.health", "reason=future&do=send", "topic=" + strings.Repeat("x", 20<<10), "%zz"} {
		if res, _ := g.do(b, http.MethodPost, replayPath, form); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%.20s: %s", form, res.Status)
		}
	}
	g.fails = errors.New("10.1.2.3 is away")
	if res, page = g.do(b, http.MethodPost, replayPath, "topic=pos.health&reason=future&do=send"); res.StatusCode != http.StatusBadGateway || strings.Contains(page, "10.1.2.3") || !strings.Contains(page, "pos.health: 3") {
		t.Errorf("%s: %s", res.Status, page)
	}
}

// Those who log in with a password look at everything, and send again if console.operators has them; nobody does where nobody had to log in.
func TestOperatorsWithPasswords(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("sesame"), minCost)
	if err != nil {
		t.Fatal(err)
	}
	users, err := ParseUsers("ann:" + string(hash) + "\nbob:" + string(hash))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cfg  Config
		user string
		want int
	}{
		{Config{Users: users, Operators: []string{"ann"}}, "ann", http.StatusOK},
		{Config{Users: users, Operators: []string{"ann"}}, "bob", http.StatusForbidden},
		{Config{Users: users}, "ann", http.StatusForbidden},
		{Config{Loopback: true, Operators: []string{""}}, "", http.StatusForbidden},
	} {
		h, err := New(c.cfg, Deps{
			Ask: &one{}, Docs: texts(), Now: time.Now, Log: zap.NewNop(), Replay: func(context.Context, Replay) (Replayed, error) { return Replayed{}, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost"+replayPath, strings.NewReader("topic=a&reason=b"))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if c.user != "" {
			req.SetBasicAuth(c.user, "sesame")
		}
		rec := httptest.NewRecorder()
		if h.ServeHTTP(rec, req); rec.Code != c.want {
			t.Errorf("%q: %d, want %d", c.user, rec.Code, c.want)
		}
	}
}

// reader remembers what was asked.
type reader struct{ asked []string }

func (r *reader) Ask(_ context.Context, sql string, _ map[string]string, _ func([]any) error) error {
	r.asked = append(r.asked, sql)
	return nil
}

// Viewers are shown of database pos what ClickHouse's role auditor may read, and no more.
func TestViewersAreAuditors(t *testing.T) {
	views := map[string]bool{}
	for _, k := range pageKinds() {
		if !Viewer.has(k.needs) {
			continue
		}
		for _, target := range []string{"/", "/?store=s", "/?store=s&terminal=t"} {
			req, err := newRequest(target)
			if err != nil {
				t.Fatal(err)
			}
			ask := &reader{}
			p := &page{view: parse(req, k.name, time.Now()), console: &console{answers: newAnswers(ask, time.Now)}, Kind: k}
			for _, d := range k.figures(p) {
				d(t.Context())
			}
			for _, m := range regexp.MustCompile(`\bpos\.(\w+)`).FindAllStringSubmatch(strings.ReplaceAll(strings.Join(ask.asked, "\n"), "'pos.transactions'", ""), -1) {
				views[m[1]] = true
			}
		}
	}
	if len(views) < 10 {
		t.Fatalf("only %v is asked", views)
	}
	for view := range views {
		if !strings.Contains(clickhouse.Roles, "GRANT SELECT ON pos."+view+" TO auditor;") {
			t.Errorf("a viewer sees pos.%s, which an auditor may not", view)
		}
	}
}
