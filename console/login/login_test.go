package login

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/oauth2-proxy/mockoidc"
)

// rig is a provider that others wrote (mockoidc), whose tokens a test can change before they are signed, and a browser of one of our people.
type rig struct {
	*testing.T
	provider *mockoidc.MockOIDC
	change   func(jwt.MapClaims) // of ID tokens
	key      *mockoidc.Keypair   // that signs them
	login    *Login
	ours     *httptest.Server
	browser  *http.Client
	now      time.Time
	finished error // of the newest Finish
	person   Person
	asked    []url.Values // at the authorization endpoint
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, now: time.Now(), change: func(jwt.MapClaims) {}}
	var err error
	if r.provider, err = mockoidc.NewServer(nil); err != nil {
		t.Fatal(err)
	}
	r.key = r.provider.Keypair
	if err := r.provider.AddMiddleware(r.between); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	r.ours = httptest.NewServer(mux)
	t.Cleanup(r.ours.Close)
	mux.HandleFunc("/start", func(w http.ResponseWriter, q *http.Request) {
		if err := r.login.Begin(w, q, "/console/sales?store=7"); err != nil {
			r.finished = err
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/console/login", func(w http.ResponseWriter, q *http.Request) {
		var to string
		if to, r.finished = r.login.Finish(w, q); r.finished == nil {
			http.Redirect(w, q, to, http.StatusFound)
		}
	})
	mux.HandleFunc("/console/sales", func(w http.ResponseWriter, q *http.Request) {
		var ok bool
		if r.person, _, ok = r.login.Person(q); !ok {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("/end", func(w http.ResponseWriter, _ *http.Request) { r.login.End(w) })
	return r
}

func (r *rig) start() *rig {
	r.Helper()
	l := httptest.NewUnstartedServer(nil).Listener
	if err := r.provider.Start(l, nil); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = r.provider.Shutdown() })
	r.open(func(*Config) {})
	return r
}

func (r *rig) open(set func(*Config)) {
	r.Helper()
	cfg := Config{
		Issuer: r.provider.Issuer(), ClientID: r.provider.ClientID, ClientSecret: r.provider.ClientSecret, RedirectURL: r.ours.URL + "/console/login",
		Scopes: []string{"profile", "email", "groups"}, GroupsClaim: "groups", Groups: []string{"tills", "sales"}, Session: time.Hour,
	}
	set(&cfg)
	var err error
	if r.login, err = New(cfg, func() time.Time { return r.now }); err != nil {
		r.Fatal(err)
	}
	jar, _ := cookiejar.New(nil)
	r.browser = &http.Client{Jar: jar}
}

// between changes what the token endpoint answers.
func (r *rig) between(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == mockoidc.AuthorizationEndpoint {
			r.asked = append(r.asked, q.URL.Query())
		}
		if q.URL.Path != mockoidc.TokenEndpoint {
			next.ServeHTTP(w, q)
			return
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, q)
		var answer map[string]any
		if rec.Code == http.StatusOK && json.Unmarshal(rec.Body.Bytes(), &answer) == nil {
			claims := jwt.MapClaims{}
			if _, _, err := jwt.NewParser().ParseUnverified(answer["id_token"].(string), claims); err != nil {
				r.Error(err)
			}
			r.change(claims)
			answer["id_token"], _ = r.key.SignJWT(claims)
			text, _ := json.Marshal(answer)
			rec.Body.Reset()
			rec.Body.Write(text)
		}
		maps.Copy(w.Header(), rec.Header())
		w.Header().Del("Content-Length")
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// get follows every redirect, as a browser does.
func (r *rig) get(path string) *http.Response {
	r.Helper()
	r.finished, r.person = nil, Person{}
	res, err := r.browser.Get(r.ours.URL + path)
	if err != nil {
		r.Fatal(err)
	}
	res.Body.Close()
	return res
}

func ann() *mockoidc.MockUser {
	return &mockoidc.MockUser{Subject: "4711", Email: "ann@shop.example", PreferredUsername: "ann", Groups: []string{"tills", "canteen"}}
}

func TestLogin(t *testing.T) {
	r := newRig(t).start()
	if res := r.get("/console/sales"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("before: %s", res.Status)
	}
	r.provider.QueueUser(ann())
	res := r.get("/start")
	if r.finished != nil || res.StatusCode != http.StatusOK || res.Request.URL.String() != r.ours.URL+"/console/sales?store=7" {
		t.Fatalf("%v: %s, %s", r.finished, res.Status, res.Request.URL)
	}
	if d := cmp.Diff(Person{Name: "ann", Groups: []string{"tills"}}, r.person); d != "" {
		t.Error(d)
	}
	q := r.asked[0]
	if q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || len(q.Get("state")) < 20 || len(q.Get("nonce")) < 20 || q.Get("state") == q.Get("nonce") || !strings.HasPrefix(q.Get("scope"), "openid ") {
		t.Errorf("asked for %v", q)
	}
	// The browser keeps what no script can read and no other site can send along with a form; nothing in it tells who it is.
	first := r.begin()
	c := first.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.MaxAge != 600 {
		t.Errorf("cookie %+v", c)
	}
	if strings.Contains(c.Value, "verifier") || strings.Contains(first.Header.Get("Location"), c.Value) {
		t.Error("the cookie can be read")
	}
	if r.get("/end"); r.get("/console/sales").StatusCode != http.StatusUnauthorized {
		t.Error("still there after the end")
	}
	r.provider.QueueUser(ann())
	r.get("/start")
	r.now = r.now.Add(time.Hour)
	if res := r.get("/console/sales"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the session: %s", res.Status)
	}
}

// begin gives what Begin answers, and does not follow it.
func (r *rig) begin() *http.Response {
	r.Helper()
	req := httptest.NewRequestWithContext(r.Context(), http.MethodGet, "/start", nil)
	rec := httptest.NewRecorder()
	if err := r.login.Begin(rec, req, "/console/"); err != nil {
		r.Fatal(err)
	}
	return rec.Result()
}

// Over TLS cookies are of this host alone.
func TestCookiesOverTLS(t *testing.T) {
	r := newRig(t).start()
	r.open(func(c *Config) { c.RedirectURL = "https://tills.example/console/login" })
	c := r.begin().Cookies()[0]
	if !c.Secure || !strings.HasPrefix(c.Name, "__Host-") || c.Path != "/" || c.Domain != "" || r.login.Origin() != "https://tills.example" {
		t.Errorf("cookie %+v", c)
	}
}

// Tokens that are not what they should be let nobody in, whoever sends them.
func TestForgedTokens(t *testing.T) {
	r := newRig(t).start()
	other, err := mockoidc.RandomKeypair(2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(jwt.MapClaims){
		"another nonce":    func(c jwt.MapClaims) { c["nonce"] = "x" },
		"no nonce":         func(c jwt.MapClaims) { delete(c, "nonce") },
		"expired":          func(c jwt.MapClaims) { c["exp"] = r.now.Add(-time.Minute).Unix() },
		"no end":           func(c jwt.MapClaims) { delete(c, "exp") },
		"another audience": func(c jwt.MapClaims) { c["aud"] = "payroll" },
		"another issuer":   func(c jwt.MapClaims) { c["iss"] = "https://evil.example" },
		"another key":      func(jwt.MapClaims) { r.key = other },
	} {
		r.key, r.change = r.provider.Keypair, change
		r.provider.QueueUser(ann())
		r.get("/start")
		if !errors.Is(r.finished, ErrRefused) {
			t.Errorf("%s: %v", name, r.finished)
		}
		if res := r.get("/console/sales"); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
}

// What comes back from the provider counts once, in the browser that began it, within ten minutes.
func TestForgedReturns(t *testing.T) {
	r := newRig(t).start()
	// send has the browser, with the cookies given, come back with state and code.
	send := func(query url.Values, cookies ...*http.Cookie) error {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/console/login?"+query.Encode(), nil)
		for _, c := range cookies {
			req.AddCookie(c)
		}
		rec := httptest.NewRecorder()
		_, err := r.login.Finish(rec, req)
		for _, c := range rec.Result().Cookies() {
			if err != nil && strings.HasSuffix(c.Name, "session") {
				t.Errorf("a session begins with %v", err)
			}
		}
		return err
	}
	// begun gives the cookie of a login and what the provider sends back.
	begun := func() (*http.Cookie, url.Values) {
		first := r.begin()
		r.provider.QueueUser(ann())
		res, err := http.DefaultTransport.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, first.Header.Get("Location"), nil))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		back, err := res.Location()
		if err != nil {
			t.Fatal(err)
		}
		return first.Cookies()[0], back.Query()
	}
	cookie, query := begun()
	if err := send(query, cookie); err != nil {
		t.Fatal(err)
	}
	if err := send(query, cookie); !errors.Is(err, ErrRefused) { // a browser has let go of the cookie; whoever kept it has a code that was used
		t.Errorf("sent again: %v", err)
	}
	_, query = begun()
	if err := send(query); !errors.Is(err, ErrNotBegun) {
		t.Errorf("in another browser: %v", err)
	}
	mine, _ := begun()
	if err := send(query, &http.Cookie{Name: mine.Name[:len(mine.Name)-8] + query.Get("state")[:8], Value: mine.Value}); !errors.Is(err, ErrNotBegun) {
		t.Errorf("with the cookie of another login: %v", err)
	}
	for _, state := range []string{"", "short", strings.Repeat("x", 26)} {
		if err := send(url.Values{"state": {state}, "code": {"x"}}, mine); !errors.Is(err, ErrNotBegun) {
			t.Errorf("state %q: %v", state, err)
		}
	}
	cookie, query = begun()
	if err := send(url.Values{"state": query["state"], "error": {"access_denied"}}, cookie); !errors.Is(err, ErrRefused) {
		t.Errorf("refused: %v", err)
	}
	cookie, query = begun()
	_, stolen := begun()
	if err := send(url.Values{"state": query["state"], "code": stolen["code"]}, cookie); !errors.Is(err, ErrRefused) { // PKCE
		t.Errorf("with the code of another login: %v", err)
	}
	cookie, query = begun()
	r.now = r.now.Add(attemptTime)
	if err := send(query, cookie); !errors.Is(err, ErrNotBegun) {
		t.Errorf("too late: %v", err)
	}
}

// Cookies that were changed, are of another key or were made for another purpose are nobody's.
func TestForgedSessions(t *testing.T) {
	r := newRig(t).start()
	person := func(value string) bool {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		req.AddCookie(&http.Cookie{Name: r.login.cookie("session"), Value: value})
		_, _, ok := r.login.Person(req)
		return ok
	}
	good, err := r.login.seals.seal("session", r.now.Add(time.Hour), Person{Name: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	purpose, _ := r.login.seals.seal("login", r.now.Add(time.Hour), Person{Name: "ann"})
	foreign, _ := newSealer("another secret that is long enough")
	alien, _ := foreign.seal("session", r.now.Add(time.Hour), Person{Name: "ann"})
	again, _ := r.login.seals.seal("session", r.now.Add(time.Hour), Person{Name: "ann"})
	if !person(good) || good == again {
		t.Error("a good one is nobody's, or tells that it is the same person")
	}
	for i := range len(good) {
		if person(good[:i] + string('A'+(good[i]-'A'+1)%25) + good[i+1:]) {
			t.Errorf("changed at %d", i)
		}
	}
	for _, bad := range []string{"", "x", good[:20], purpose, alien, r.begin().Cookies()[0].Value} {
		if person(bad) {
			t.Errorf("%q is somebody", bad)
		}
	}
}

// Groups are where providers have them: in the token, nested in it (Keycloak), or of the userinfo endpoint.
func TestGroups(t *testing.T) {
	for _, c := range []struct {
		name, claim string
		change      func(jwt.MapClaims)
		want        []string
	}{
		{"a list", "groups", func(c jwt.MapClaims) {}, []string{"tills"}},
		{"one", "role", func(c jwt.MapClaims) { c["role"] = "sales" }, []string{"sales"}},
		{"nested", "realm_access.roles", func(c jwt.MapClaims) { c["realm_access"] = map[string]any{"roles": []string{"sales", "tills"}} }, []string{"tills", "sales"}},
		{"with a dot in its name", "https://shop.example/roles", func(c jwt.MapClaims) { c["https://shop.example/roles"] = []string{"sales"} }, []string{"sales"}},
		{"of userinfo", "groups", func(c jwt.MapClaims) { delete(c, "groups") }, []string{"tills"}},
		{"nowhere", "roles", func(c jwt.MapClaims) {}, nil},
	} {
		r := newRig(t).start()
		r.open(func(cfg *Config) { cfg.GroupsClaim = c.claim })
		r.change = c.change
		r.provider.QueueUser(ann())
		r.get("/start")
		if d := cmp.Diff(c.want, r.person.Groups); d != "" || r.person.Name != "ann" {
			t.Errorf("%s: %q, %v: %s", c.name, r.person.Name, r.finished, d)
		}
	}
}

// A provider that is away is looked for again, and not by everybody who waits.
func TestProviderAway(t *testing.T) {
	r := newRig(t).start()
	looked := 0
	away := true
	r.open(func(c *Config) {
		c.HTTP = &http.Client{Transport: roundTripper(func(q *http.Request) (*http.Response, error) {
			if looked++; away {
				return nil, errors.New("no route")
			}
			return http.DefaultTransport.RoundTrip(q)
		})}
	})
	for range 3 {
		if r.get("/start"); !errors.Is(r.finished, ErrNoAnswer) || looked != 1 {
			t.Errorf("%v, looked for %d times", r.finished, looked)
		}
	}
	away = false
	r.now = r.now.Add(pause)
	r.provider.QueueUser(ann())
	if r.get("/start"); r.finished != nil || r.person.Name != "ann" {
		t.Errorf("it is back: %v", r.finished)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
