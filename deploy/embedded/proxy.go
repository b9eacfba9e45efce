package embedded

import (
	"net/http"
	"net/http/httputil"
	"net/url"
)

// Proxy is ClickHouse's HTTP interface for whoever may ask: read-only, as user reader, who sees database pos alone. Go's server reads
// the request first, so a malformed one never reaches the engine, which would abort.
func (e *Engine) Proxy() http.Handler {
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: e.http})
		q := r.Out.URL.Query()
		q.Del("user")
		q.Del("password")
		r.Out.URL.RawQuery = q.Encode()
		for _, h := range []string{"Authorization", "X-Clickhouse-Key", "X-Clickhouse-Ssl-Certificate-Auth"} {
			r.Out.Header.Del(h)
		}
		r.Out.Header.Set("X-ClickHouse-User", "reader")
	}}
}
