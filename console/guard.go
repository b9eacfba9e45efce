package console

import (
	"net"
	"net/http"
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

// guard lets in who may look. Without users that is who asks a loopback address by a name of it: a page of another site, whose name somebody
// made point to this machine, comes with its own name (DNS rebinding).
func guard(cfg Config, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the console only shows; there is nothing to change here", http.StatusMethodNotAllowed)
		case cfg.Users.Any():
			name, password, ok := r.BasicAuth()
			if !ok || !cfg.Users.Verify(r.Context(), name, password) {
				w.Header().Set("WWW-Authenticate", `Basic realm="tillstream", charset="UTF-8"`)
				http.Error(w, "log in as one of the users in console.users_file", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		case !cfg.Loopback:
			http.Error(w, "the console is closed here: other machines can reach this address, and nobody has to log in. Name a file of users in console.users_file (docs/console.md), or listen on 127.0.0.1", http.StatusForbidden)
		case !loopbackName(r.Host):
			http.Error(w, "ask for the console as 127.0.0.1 or localhost, or name a file of users in console.users_file (docs/console.md)", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

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
