package pages

import (
	"bytes"
	"io/fs"
	"net/http"
	"path"
	"sync"
	"time"

	"go.uber.org/zap"
)

// contentType is that of a file of the site. What the machine says of types does not matter.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	}
	return "application/octet-stream"
}

// Handler serves the site, below whatever prefix was stripped. Pages are made when the first is asked for.
func Handler(texts fs.FS, version string, log *zap.Logger) http.Handler {
	files := sync.OnceValues(func() (map[string][]byte, error) { return Render(texts, version) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all, err := files()
		if err != nil {
			log.Error("the documentation cannot be shown", zap.Error(err))
			http.Error(w, "the documentation cannot be shown; the log of tillstream says why", http.StatusInternalServerError)
			return
		}
		name := r.URL.Path
		if name == "" {
			name = "index.html"
		}
		content, ok := all[name]
		if !ok {
			http.Error(w, "there is no such page; index.html leads to all", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", contentType(name))
		w.Header().Set("Cache-Control", "private, no-cache")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
}
