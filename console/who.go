package console

import (
	"errors"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/tillstream/tillstream/console/login"
)

// notice is a page that says one thing and where to go on.
type notice struct {
	*page
	Key   string // notice.KEY.title and notice.KEY.text are its messages
	Lines []string
	Links []choice
	Form  *form
}

// form is a button that changes something.
type form struct {
	Action, Text string
	Fields       map[string]string
}

// tell writes a notice with a link to the beginning.
func (c *console) tell(w http.ResponseWriter, r *http.Request, status int, key string, links ...choice) {
	c.notify(w, r, status, &notice{Key: key, Links: links})
}

func (c *console) notify(w http.ResponseWriter, r *http.Request, status int, n *notice) {
	n.page = &page{view: parse(r, "", c.deps.Now()), console: c, visitor: visitorOf(r.Context())}
	w.Header().Set("Cache-Control", "no-store")
	c.write(w, r, "notice.html", status, n.Lang(), n)
}

// tellLogin says why somebody is not logged in.
func (c *console) tellLogin(w http.ResponseWriter, r *http.Request, err error) {
	c.deps.Log.Warn("somebody could not log in to the console", zap.Error(err))
	v := parse(r, "", c.deps.Now())
	again := choice{Text: v.T("login.again"), Href: c.cfg.Login.Origin() + Prefix}
	switch {
	case errors.Is(err, login.ErrNotBegun):
		c.tell(w, r, http.StatusBadRequest, "begun", again)
	case errors.Is(err, login.ErrRefused):
		c.tell(w, r, http.StatusForbidden, "refused", again)
	default:
		c.tell(w, r, http.StatusServiceUnavailable, "away", again)
	}
}

// loggedIn is where the provider sends browsers back to.
func (c *console) loggedIn(w http.ResponseWriter, r *http.Request) {
	to, err := c.cfg.Login.Finish(w, r)
	if err != nil {
		c.tellLogin(w, r, err)
		return
	}
	if !strings.HasPrefix(to, Prefix) { // it may be written with escapes, which lead elsewhere only if one is not careful
		to = Prefix
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to, http.StatusFound)
}

// logout forgets the person here; the provider still knows who it is, and its own page can end that.
func (c *console) logout(w http.ResponseWriter, r *http.Request) {
	c.cfg.Login.End(w)
	v := parse(r, "", c.deps.Now())
	links := []choice{{Text: v.T("login.again"), Href: Prefix}}
	if end := c.cfg.Login.LogoutURL(); end != "" {
		links = append(links, choice{Text: v.T("login.end"), Href: end})
	}
	r = r.WithContext(withVisitor(r.Context(), visitor{}))
	c.tell(w, r, http.StatusOK, "out", links...)
}
