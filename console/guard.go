package console

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// policy lets nothing in that is not of the console itself: no inline script or style, no frame, no other site.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secured sets the headers that every answer has, errors too.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY") // of browsers that do not know frame-ancestors
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		next.ServeHTTP(w, r)
	})
}

// Where something changes, by POST, and where the provider sends browsers back to.
const (
	replayPath = Prefix + "replay"
	logoutPath = Prefix + "logout"
	// LoginPath is the path of console.oidc.redirect_url.
	LoginPath = Prefix + "login"
)

// guard lets in who may look. Without users and a provider that is who asks a loopback address by a name of it: a page of another site, whose name somebody
// made point to this machine, comes with its own name (DNS rebinding).
func (c *console) guard(next http.Handler) http.Handler {
	cfg := c.cfg
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, basic := r.BasicAuth()
		as := func(v visitor) { next.ServeHTTP(w, r.WithContext(withVisitor(r.Context(), v))) }
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead && (r.Method != http.MethodPost || r.URL.Path != replayPath && r.URL.Path != logoutPath):
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "this only shows; there is nothing to change here", http.StatusMethodNotAllowed)
		case cfg.Users.Any() && (basic || cfg.Login == nil):
			if !basic || !cfg.Users.Verify(r.Context(), name, password) {
				w.Header().Set("WWW-Authenticate", `Basic realm="tillstream", charset="UTF-8"`)
				http.Error(w, "log in as one of the users in console.users_file", http.StatusUnauthorized)
				return
			}
			roles := Viewer | Analyst
			if slices.Contains(cfg.Operators, name) {
				roles |= Operator
			}
			as(visitor{name: name, roles: roles})
		case cfg.Login != nil:
			if r.URL.Path == LoginPath || strings.HasPrefix(r.URL.Path, Prefix+"static/") {
				as(visitor{})
				return
			}
			who, until, ok := cfg.Login.Person(r)
			if !ok {
				c.askWho(w, r)
				return
			}
			v := visitor{name: who.Name, roles: cfg.Groups.roles(who.Groups), logout: true, until: until}
			if v.roles == 0 && r.URL.Path != logoutPath {
				r = r.WithContext(withVisitor(r.Context(), v))
				c.tell(w, r, http.StatusForbidden, "role")
				return
			}
			as(v)
		case !cfg.Loopback:
			http.Error(w, "the console is closed here: other machines can reach this address, and nobody has to log in. Say in console.users_file or console.oidc who may (docs/console.md), or listen on 127.0.0.1", http.StatusForbidden)
		case !loopbackName(r.Host):
			http.Error(w, "ask for the console as 127.0.0.1 or localhost, or say in console.users_file or console.oidc who may log in (docs/console.md)", http.StatusForbidden)
		default:
			as(visitor{roles: Viewer | Analyst})
		}
	})
}

// askWho sends a person to the provider, and tells a script that it needs one.
func (c *console) askWho(w http.ResponseWriter, r *http.Request) {
	mode := r.Header.Get("Sec-Fetch-Mode")
	if r.Method != http.MethodGet || mode != "" && mode != "navigate" || mode == "" && !strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Error(w, "log in first: open "+Prefix+" in a browser", http.StatusUnauthorized)
		return
	}
	to := r.URL.EscapedPath() // below Prefix, or it had not come here
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	if len(to) > maxAddress {
		to = Prefix
	}
	if err := c.cfg.Login.Begin(w, r, to); err != nil {
		c.tellLogin(w, r, err)
	}
}

// maxAddress is how long an address may be that one comes back to after a login: it is in a cookie meanwhile.
const maxAddress = 2000

func loopbackName(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if len(host) > 2 && host[0] == '[' {
		host = host[1 : len(host)-1]
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
