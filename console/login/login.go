// Package login has people log in at an OpenID provider (OpenID Connect Core 1.0, authorization code with PKCE, RFC 7636) and remembers them in a cookie that
// only this configuration can read or make. Nothing is kept here: any process of the same configuration knows them.
package login

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	attemptTime = 10 * time.Minute // that a login may take
	attempts    = 8                // of one browser at a time: tabs that are opened again
	patience    = 15 * time.Second // with the provider
	pause       = 5 * time.Second  // after it was looked for in vain
	maxName     = 200              // bytes that are kept of a name
)

// Config says who knows the people.
type Config struct {
	Issuer       string
	ClientID     string
	ClientSecret string
	RedirectURL  string   // where the provider sends browsers back to; its path is where [Login.Finish] is served
	Scopes       []string // beside openid
	GroupsClaim  string   // a name, or names separated by dots for what is nested
	Groups       []string // that matter here: others are not kept
	Session      time.Duration
	HTTP         *http.Client // asks the provider; nil: one that trusts the system's authorities
}

// Person is who logged in.
type Person struct {
	Name   string   `json:"n"` // preferred_username, else email, else the subject
	Groups []string `json:"g"` // of Config.Groups
}

// Errors of [Login.Finish]: of the first one is cured by beginning anew, of the second by whoever administers the provider, of the third by waiting.
var (
	ErrNotBegun = errors.New("this login was not begun in this browser, was finished before, or took too long")
	ErrRefused  = errors.New("the provider did not vouch for anybody")
	ErrNoAnswer = errors.New("the provider does not answer")
)

// Login is safe for concurrent use.
type Login struct {
	cfg    Config
	origin url.URL // of RedirectURL
	seals  sealer
	now    func() time.Time

	mu       sync.Mutex
	provider *oidc.Provider // once it was found
	failed   error          // the newest, of looking for it
	again    time.Time      // when to look again
}

// New asks nobody: the provider is looked for when the first person logs in, and may be away until then.
func New(cfg Config, now func() time.Time) (*Login, error) {
	u, err := url.Parse(cfg.RedirectURL)
	if err != nil {
		return nil, fmt.Errorf("reading the address that browsers come back to: %w", err)
	}
	seals, err := newSealer(cfg.ClientSecret)
	if err != nil {
		return nil, err
	}
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{}
	}
	client := *cfg.HTTP
	client.Timeout = patience
	cfg.HTTP = &client
	return &Login{cfg: cfg, origin: url.URL{Scheme: u.Scheme, Host: u.Host}, seals: seals, now: now}, nil
}

// Origin is that of the address that browsers come back to.
func (l *Login) Origin() string { return l.origin.String() }

// Issuer is who people log in at.
func (l *Login) Issuer() string { return l.cfg.Issuer }

// attempt is what a browser keeps of a login that is under way.
type attempt struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	To       string `json:"t"`
}

// Begin sends the browser to the provider, from which it comes back to [Login.Finish] and then goes to to, a path of ours.
func (l *Login) Begin(w http.ResponseWriter, r *http.Request, to string) error {
	p, err := l.find()
	if err != nil {
		return err
	}
	a := attempt{rand.Text(), rand.Text(), oauth2.GenerateVerifier(), to}
	sealed, err := l.seals.seal("login", l.now().Add(attemptTime), a)
	if err != nil {
		return err
	}
	under := 0
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, l.cookie("login-")) {
			if under++; under >= attempts {
				l.forget(w, c.Name)
			}
		}
	}
	l.keep(w, l.cookie("login-"+a.State[:8]), sealed, attemptTime)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, l.oauth(p).AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), http.StatusFound)
	return nil
}

// Finish takes what the provider sent the browser back with, once, and gives where the person wanted to go.
func (l *Login) Finish(w http.ResponseWriter, r *http.Request) (to string, err error) {
	q := r.URL.Query()
	state := q.Get("state")
	if len(state) < 8 {
		return "", ErrNotBegun
	}
	name := l.cookie("login-" + state[:8])
	c, err := r.Cookie(name)
	if err != nil {
		return "", ErrNotBegun
	}
	l.forget(w, name)
	var a attempt
	if _, err := l.seals.open("login", c.Value, l.now(), &a); err != nil || a.State != state {
		return "", ErrNotBegun
	}
	if e := q.Get("error"); e != "" {
		return "", fmt.Errorf("%w: it says %q, %q", ErrRefused, e, q.Get("error_description"))
	}
	p, err := l.find()
	if err != nil {
		return "", err
	}
	ctx := oidc.ClientContext(r.Context(), l.cfg.HTTP)
	token, err := l.oauth(p).Exchange(ctx, q.Get("code"), oauth2.VerifierOption(a.Verifier))
	if err != nil {
		if _, said := errors.AsType[*oauth2.RetrieveError](err); said {
			return "", fmt.Errorf("%w: exchanging the code: %w", ErrRefused, err)
		}
		return "", fmt.Errorf("%w: exchanging the code: %w", ErrNoAnswer, err)
	}
	who, err := l.read(ctx, p, token, a.Nonce)
	if err != nil {
		return "", err
	}
	sealed, err := l.seals.seal("session", l.now().Add(l.cfg.Session), who)
	if err != nil {
		return "", err
	}
	l.keep(w, l.cookie("session"), sealed, l.cfg.Session)
	return a.To, nil
}

// read verifies the token (signature, issuer, audience, time, nonce) and takes what it says about the person.
func (l *Login) read(ctx context.Context, p *oidc.Provider, token *oauth2.Token, nonce string) (Person, error) {
	raw, _ := token.Extra("id_token").(string)
	id, err := p.Verifier(&oidc.Config{ClientID: l.cfg.ClientID, Now: l.now}).Verify(ctx, raw)
	if err != nil {
		return Person{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if id.Nonce != nonce {
		return Person{}, fmt.Errorf("%w: the token is of another login", ErrRefused)
	}
	claims := map[string]json.RawMessage{}
	if err := id.Claims(&claims); err != nil {
		return Person{}, fmt.Errorf("%w: reading the token: %w", ErrRefused, err)
	}
	groups, ok := groupsOf(claims, l.cfg.GroupsClaim)
	if !ok && p.UserInfoEndpoint() != "" { // some providers keep tokens small
		info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(token))
		switch {
		case err != nil:
			return Person{}, fmt.Errorf("%w: asking who it is: %w", ErrNoAnswer, err)
		case info.Subject != id.Subject:
			return Person{}, fmt.Errorf("%w: it tells about somebody else", ErrRefused)
		}
		said := map[string]json.RawMessage{}
		if err := info.Claims(&said); err != nil {
			return Person{}, fmt.Errorf("%w: reading who it is: %w", ErrRefused, err)
		}
		groups, _ = groupsOf(said, l.cfg.GroupsClaim)
	}
	who := Person{Name: cmp.Or(stringOf(claims["preferred_username"]), stringOf(claims["email"]), id.Subject)}
	who.Name = strings.ToValidUTF8(who.Name[:min(len(who.Name), maxName)], "")
	for _, g := range l.cfg.Groups {
		if slices.Contains(groups, g) && !slices.Contains(who.Groups, g) {
			who.Groups = append(who.Groups, g)
		}
	}
	return who, nil
}

// Person is who sent the request, if he has logged in, and until when that holds.
func (l *Login) Person(r *http.Request) (who Person, until time.Time, ok bool) {
	c, err := r.Cookie(l.cookie("session"))
	if err != nil {
		return Person{}, time.Time{}, false
	}
	until, err = l.seals.open("session", c.Value, l.now(), &who)
	return who, until, err == nil
}

// End has the browser forget who it is.
func (l *Login) End(w http.ResponseWriter) { l.forget(w, l.cookie("session")) }

// LogoutURL is where the provider has people log out of itself; empty if it says nothing of it.
func (l *Login) LogoutURL() string {
	p, err := l.find()
	if err != nil {
		return ""
	}
	var said struct {
		End string `json:"end_session_endpoint"`
	}
	if err := p.Claims(&said); err != nil {
		return ""
	}
	u, err := url.Parse(said.End)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	q := u.Query()
	q.Set("client_id", l.cfg.ClientID)
	u.RawQuery = q.Encode()
	return u.String()
}

// find asks the provider, once, what its addresses are.
func (l *Login) find() (*oidc.Provider, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.provider != nil:
		return l.provider, nil
	case l.now().Before(l.again): // whoever waited meanwhile need not wait as long again
		return nil, l.failed
	}
	// Of no request: the provider's keys are fetched in it later, too. The client bounds how long each takes.
	p, err := oidc.NewProvider(oidc.ClientContext(context.Background(), l.cfg.HTTP), l.cfg.Issuer)
	if err != nil {
		l.failed, l.again = fmt.Errorf("%w: %w", ErrNoAnswer, err), l.now().Add(pause)
		return nil, l.failed
	}
	l.provider = p
	return p, nil
}

func (l *Login) oauth(p *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: l.cfg.ClientID, ClientSecret: l.cfg.ClientSecret, Endpoint: p.Endpoint(), RedirectURL: l.cfg.RedirectURL,
		Scopes: append([]string{oidc.ScopeOpenID}, l.cfg.Scopes...),
	}
}

// cookie is a name that, over TLS, no other host and no plain page can set (RFC 6265bis, cookie prefixes).
func (l *Login) cookie(name string) string {
	if l.origin.Scheme == "https" {
		return "__Host-tillstream-" + name
	}
	return "tillstream-" + name
}

// keep is of the whole host and not of a path, which the prefix of the name asks for. Lax: a link from elsewhere, and the provider's way back, bring it; a form or a script from
// elsewhere does not.
func (l *Login) keep(w http.ResponseWriter, name, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(age / time.Second), Secure: l.origin.Scheme == "https", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (l *Login) forget(w http.ResponseWriter, name string) { l.keep(w, name, "", -time.Second) }

// groupsOf reads a claim that is a list of names, or one name. ok is false where it is not there.
func groupsOf(claims map[string]json.RawMessage, claim string) (groups []string, ok bool) {
	raw, ok := claims[claim]
	if !ok {
		outer, inner, nested := strings.Cut(claim, ".")
		within := map[string]json.RawMessage{}
		if !nested || json.Unmarshal(claims[outer], &within) != nil {
			return nil, false
		}
		return groupsOf(within, inner)
	}
	if json.Unmarshal(raw, &groups) == nil {
		return groups, true
	}
	return []string{stringOf(raw)}, true
}

func stringOf(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // empty where it is another thing
	return s
}
