package embedded

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"

	"go.uber.org/zap"
)

// What the proxy lets through. ClickHouse aborts on requests it cannot read, so what it gets is what it needs and no more.
const (
	maxURL    = 64 << 10 // bytes; ClickHouse takes 1 MiB, and longer queries can be posted
	maxHeader = 16 << 10 // bytes a header; ClickHouse dies of 128 KiB
)

var (
	proxiedMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost}
	proxiedPaths   = []string{"/", "/ping", "/play"}
	// Origin is not among them: without it ClickHouse never tells a browser that another site may read the answer.
	proxiedHeaders = []string{
		"Accept", "Accept-Encoding", "Content-Encoding", "Content-Length", "Content-Type", "User-Agent",
		"X-Clickhouse-Database", "X-Clickhouse-Format", "X-Clickhouse-Timezone",
	}
	// How one could come as somebody else. ClickHouse does not mind their case.
	credentials = []string{"user", "password"}
)

// Proxy is ClickHouse's HTTP interface for whoever may ask: as user reader, who sees database pos alone, within limits of memory and
// time. It asks for no password. Malformed requests never reach the engine, which some would abort.
func (e *Engine) Proxy() http.Handler {
	proxy := &httputil.ReverseProxy{
		Transport: e.transport,
		Rewrite:   e.asReader,
		ErrorLog:  zap.NewStdLog(e.cfg.Log),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(err, context.Canceled) { // the client has gone
				return
			}
			e.cfg.Log.Warn("a query did not reach ClickHouse", zap.Error(err))
			w.Header().Set("Retry-After", "1")
			http.Error(w, "ClickHouse does not answer and is being started again; try again in a moment", http.StatusServiceUnavailable)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !slices.Contains(proxiedMethods, r.Method):
			w.Header().Set("Allow", strings.Join(proxiedMethods, ", "))
			http.Error(w, "send queries with GET or POST", http.StatusMethodNotAllowed)
		case !slices.Contains(proxiedPaths, r.URL.Path):
			http.Error(w, "send queries to /", http.StatusNotFound)
		case len(r.RequestURI) > maxURL:
			http.Error(w, "send long queries as the body of a POST", http.StatusRequestURITooLong)
		case !smallHeaders(r.Header):
			http.Error(w, "a header is too long", http.StatusRequestHeaderFieldsTooLarge)
		default:
			proxy.ServeHTTP(w, r)
		}
	})
}

// asReader makes the request that ClickHouse gets.
func (e *Engine) asReader(r *httputil.ProxyRequest) {
	r.SetURL(&url.URL{Scheme: "http", Host: e.http})
	query := r.Out.URL.Query()
	for name := range query {
		if slices.Contains(credentials, strings.ToLower(name)) {
			query.Del(name)
		}
	}
	r.Out.URL.RawQuery = query.Encode()
	header := http.Header{"X-Clickhouse-User": {"reader"}}
	for _, name := range proxiedHeaders {
		if v := r.In.Header.Get(name); v != "" {
			header.Set(name, v)
		}
	}
	r.Out.Header = header
}

func smallHeaders(h http.Header) bool {
	for _, name := range proxiedHeaders {
		if len(h.Get(name)) > maxHeader {
			return false
		}
	}
	return true
}
