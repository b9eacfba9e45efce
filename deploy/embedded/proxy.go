package embedded

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"

	"go.uber.org/zap"
)

// What the proxy lets through. ClickHouse aborts if a client hangs up in the head of a request, so a head goes out whole: it fits the
// buffer of the connection, which is written when it is full or the head is complete, and a client that leaves does not end it.
const (
	maxURL     = 64 << 10 // bytes; longer queries can be posted
	maxBody    = 1 << 20  // bytes; ClickHouse takes a query of 256 KiB
	maxHeaders = 32 << 10 // bytes of those that are passed on
	headBuffer = 256 << 10
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
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			e.cfg.Log.Warn("a query got no answer from ClickHouse", zap.Error(err))
			w.Header().Set("Retry-After", "1")
			http.Error(w, "ClickHouse gave no answer; if it is being started again, try again in a moment", http.StatusServiceUnavailable)
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
		case headerBytes(r.Header) > maxHeaders:
			http.Error(w, "the headers are too long", http.StatusRequestHeaderFieldsTooLarge)
		default:
			// Whole: where an answer begins while its query is still read from here, Go's server stops that, and the answer is cut.
			query, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
			if err != nil {
				http.Error(w, fmt.Sprintf("send queries of at most %d bytes (%v)", maxBody, err), http.StatusRequestEntityTooLarge)
				return
			}
			ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
			defer cancel()
			r = r.WithContext(ctx)
			r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(query)), int64(len(query)), nil
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

func headerBytes(h http.Header) (n int) {
	for _, name := range proxiedHeaders {
		n += len(h.Get(name))
	}
	return n
}
