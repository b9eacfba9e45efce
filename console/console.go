package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/console/login"
	"github.com/tillstream/tillstream/internal/look"
)

// Prefix is where the console is, on whatever address serves it.
const Prefix = "/console/"

// Asker asks ClickHouse, read-only and within limits. An error with a method TooMuch() bool that gives true says that the question took more than
// it may.
type Asker interface {
	// Ask runs one SELECT with parameters ({name:Type} in its text, values by name) and calls row for each row, whose values (nil for NULL) are valid
	// until it returns.
	Ask(ctx context.Context, sql string, params map[string]string, row func([]any) error) error
}

// Config says who may look. Without Users and Login whoever reaches a loopback address may, and on another address nobody.
type Config struct {
	// Users log in with a password. They see every page.
	Users Users
	// Operators are those of Users who are [Operator] too.
	Operators []string
	// Login is where others log in; nil: nowhere.
	Login *login.Login
	// Groups give those who log in there their roles.
	Groups Groups
	// Loopback says that only this machine can reach the address.
	Loopback bool
}

// Lane is what a lane of this process is doing.
type Lane struct {
	Number  int
	State   string // as the processor names it
	Behind  int64  // offsets
	Stopped bool   // for good: it needs a person
	Trouble string // the newest, with what to do; empty: none
}

// Deps are what a console needs.
type Deps struct {
	Ask   Asker
	Lanes func() []Lane // of this process; nil: none
	Docs  http.Handler  // the documentation, as pages below its root
	// Replay sends dead letters again, or says what it would do; nil: this console cannot.
	Replay func(context.Context, Replay) (Replayed, error)
	Now    func() time.Time
	Log    *zap.Logger
}

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static/style.css
var style []byte

//go:embed static/console.js
var script []byte

type console struct {
	cfg       Config
	deps      Deps
	answers   *answers
	streams   *streams
	pages     *template.Template
	assets    map[string]asset
	replaying sync.Mutex // one at a time: each reads all dead letters
}

// asset is a file that pages load, by a name that changes with it.
type asset struct {
	name, kind string
	content    []byte
}

// pageKind is a page: its figures are reckoned at once.
type pageKind struct {
	name    string // in the address; nav.NAME and title.NAME are its messages
	figures func(*page) []draw
	ranged  bool // looks at a time range
	byStore bool // looks at one store, if the address names it
	live    bool // is drawn anew every second
	needs   Roles
}

// anybody is who has a role at all.
const anybody = Viewer | Analyst | Operator

// draw makes one figure.
type draw func(context.Context) figure

func pageKinds() []pageKind {
	return []pageKind{
		{name: "now", figures: nowFigures, live: true, byStore: true, needs: anybody},
		{name: "availability", figures: availabilityFigures, ranged: true, byStore: true, needs: anybody},
		{name: "sales", figures: salesFigures, ranged: true, byStore: true, needs: Analyst},
		{name: "events", figures: eventsFigures, ranged: true, needs: anybody},
		{name: "agreements", figures: agreementsFigures, ranged: true, byStore: true, needs: anybody},
		{name: "customers", figures: customersFigures, needs: Analyst},
	}
}

// New makes the handler of everything below [Prefix].
func New(cfg Config, deps Deps) (http.Handler, error) {
	c := &console{cfg: cfg, deps: deps, answers: newAnswers(deps.Ask, deps.Now), assets: map[string]asset{}}
	c.streams = newStreams(c.drawn)
	var err error
	if c.pages, err = template.New("").Funcs(template.FuncMap{"asset": c.asset}).ParseFS(templateFiles, "templates/*.html"); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, a := range []asset{
		{"style.css", "text/css; charset=utf-8", slices.Concat(look.Colours, style)}, {"console.js", "text/javascript; charset=utf-8", script}, {"icon.svg", "image/svg+xml", look.Icon},
	} {
		file, sum := a.name, sha256.Sum256(a.content)
		a.name = "static/" + base64.RawURLEncoding.EncodeToString(sum[:6]) + "/" + file
		c.assets[file] = a
		mux.HandleFunc("GET "+Prefix+a.name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
			w.Header().Set("Content-Type", a.kind)
			_, _ = w.Write(a.content)
		})
	}
	kinds := pageKinds()
	for _, k := range kinds {
		mux.HandleFunc("GET "+Prefix+k.name, func(w http.ResponseWriter, r *http.Request) { c.page(w, r, k) })
		if k.live {
			mux.HandleFunc("GET "+Prefix+"live/"+k.name, func(w http.ResponseWriter, r *http.Request) { c.live(w, r, k) })
		}
	}
	mux.Handle("GET "+Prefix+"docs/", http.StripPrefix(Prefix+"docs/", deps.Docs))
	mux.HandleFunc("POST "+replayPath, c.replay)
	if cfg.Login != nil {
		mux.HandleFunc("POST "+logoutPath, c.logout)
		mux.HandleFunc("GET "+LoginPath, c.loggedIn)
	}
	mux.HandleFunc("GET "+Prefix+"{$}", func(w http.ResponseWriter, r *http.Request) {
		target := Prefix + kinds[0].name
		if r.URL.RawQuery != "" {
			target += "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, target, http.StatusFound)
	})
	mux.HandleFunc("GET "+Prefix, func(w http.ResponseWriter, r *http.Request) { c.notFound(w, r, kinds) })
	// What comes from another site's page may look like the person's own wish: it changes nothing (Sec-Fetch-Site, else Origin).
	own := http.NewCrossOriginProtection()
	if cfg.Login != nil { // behind a proxy the host may have another name here
		if err := own.AddTrustedOrigin(cfg.Login.Origin()); err != nil {
			return nil, err
		}
	}
	return secured(own.Handler(c.guard(mux))), nil
}

func (c *console) asset(file string) string { return Prefix + c.assets[file].name }

// sheet is what the templates get.
type sheet struct {
	*page
	Figures []drawn
	Missing bool // there is no such page
}

// drawn is a figure with what its template asks of the page.
type drawn struct {
	figure
	*page
}

func (k pageKind) Name() string  { return k.name }
func (k pageKind) Live() bool    { return k.live }
func (k pageKind) Ranged() bool  { return k.ranged }
func (k pageKind) ByStore() bool { return k.byStore }

func (c *console) page(w http.ResponseWriter, r *http.Request, k pageKind) {
	p := &page{view: parse(r, k.name, c.deps.Now()), console: c, visitor: visitorOf(r.Context()), Kind: k}
	if !p.visitor.roles.has(k.needs) {
		c.tell(w, r, http.StatusForbidden, "page")
		return
	}
	s := sheet{page: p, Figures: p.reckon(r.Context())}
	if r.Context().Err() != nil {
		return // nobody waits for it any more
	}
	name := "page.html"
	if p.part {
		name = "figures"
	}
	c.write(w, r, name, http.StatusOK, p.Lang(), s)
}

func (c *console) notFound(w http.ResponseWriter, r *http.Request, kinds []pageKind) {
	p := &page{view: parse(r, kinds[0].name, c.deps.Now()), console: c, visitor: visitorOf(r.Context())}
	c.write(w, r, "page.html", http.StatusNotFound, p.Lang(), sheet{page: p, Missing: true})
}

// write renders before it sends, so that what fails does not come half. What has not changed since the viewer got it is not sent again.
func (c *console) write(w http.ResponseWriter, r *http.Request, name string, status int, lang string, data any) {
	var out bytes.Buffer
	if err := c.pages.ExecuteTemplate(&out, name, data); err != nil {
		c.deps.Log.Error("a page of the console cannot be drawn", zap.String("path", r.URL.Path), zap.Error(err))
		http.Error(w, "this page cannot be drawn; the log of tillstream says why", http.StatusInternalServerError)
		return
	}
	sum := sha256.Sum256(out.Bytes())
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	h.Add("Vary", "Accept-Language")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "private, no-cache")
		h.Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag && status == http.StatusOK {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.WriteHeader(status)
	_, _ = out.WriteTo(w)
}
