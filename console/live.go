package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	liveEvery   = time.Second
	liveBeat    = 15 * time.Second // of silence at most, for proxies and for whoever looks: something is sent
	liveLasts   = time.Hour        // then the browser comes again, and is asked again who it is
	liveViews   = 200              // different ones that are drawn at a time
	liveViewers = 1000
)

// streams draw each live view once for all who look at it.
type streams struct {
	draw func(context.Context, *page) []part

	mu      sync.Mutex
	open    map[string]*stream
	viewers int
}

// stream is one view, drawn anew while somebody looks.
type stream struct {
	viewers int
	cancel  context.CancelFunc

	mu      sync.Mutex
	parts   []part
	version int
	changed chan struct{} // closed when parts have changed
}

// part is the body of a figure as markup.
type part struct {
	id, html string
	version  int // of the stream, when it came to be so
}

func newStreams(draw func(context.Context, *page) []part) *streams {
	return &streams{draw: draw, open: map[string]*stream{}}
}

var errTooMany = errors.New("too many look at live pages")

// join begins to draw the view, or takes part in what is drawn already. Whoever joined has to leave.
func (s *streams) join(ctx context.Context, p *page) (st *stream, leave func(), err error) {
	key := fmt.Sprint(p.lang, p.visitor.roles, p.Part())
	s.mu.Lock()
	defer s.mu.Unlock()
	st = s.open[key]
	if s.viewers >= liveViewers || st == nil && len(s.open) >= liveViews {
		return nil, nil, errTooMany
	}
	if st == nil {
		st = &stream{changed: make(chan struct{})}
		var drawing context.Context
		drawing, st.cancel = context.WithCancel(context.WithoutCancel(ctx)) // the first viewer may leave
		s.open[key] = st
		go s.run(drawing, st, *p)
	}
	st.viewers++
	s.viewers++
	return st, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.viewers--
		if st.viewers--; st.viewers == 0 {
			st.cancel()
			delete(s.open, key)
		}
	}, nil
}

func (s *streams) run(ctx context.Context, st *stream, p page) {
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		p.now = p.console.deps.Now()
		parts := s.draw(ctx, &p)
		if ctx.Err() == nil {
			st.put(parts)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// put takes what was drawn, and wakes those who look if some of it is new.
func (st *stream) put(parts []part) {
	st.mu.Lock()
	defer st.mu.Unlock()
	changed := false
	for i := range parts {
		if i < len(st.parts) && st.parts[i].html == parts[i].html {
			parts[i].version = st.parts[i].version
			continue
		}
		parts[i].version, changed = st.version+1, true
	}
	if changed {
		st.parts = parts
		st.version++
		close(st.changed)
		st.changed = make(chan struct{})
	}
}

// since gives what is newer than a version, and what to wait on for more. A viewer who is slow gets the newest and not all that was in between.
func (st *stream) since(version int) (parts []part, now int, changed <-chan struct{}) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, p := range st.parts {
		if p.version > version {
			parts = append(parts, p)
		}
	}
	return parts, st.version, st.changed
}

// drawn makes the figures of a page as markup.
func (c *console) drawn(ctx context.Context, p *page) []part {
	var out []part
	for _, f := range p.reckon(ctx) {
		var b bytes.Buffer
		if err := c.pages.ExecuteTemplate(&b, "body", f); err != nil {
			c.deps.Log.Error("a figure of the console cannot be drawn", zap.String("figure", f.ID), zap.Error(err))
			continue
		}
		out = append(out, part{id: f.ID, html: b.String()})
	}
	return out
}

// live sends figures as they change, as server-sent events (HTML, 9.2): event figure with id and html, event beat where there is nothing to tell.
func (c *console) live(w http.ResponseWriter, r *http.Request, k pageKind) {
	v := visitorOf(r.Context())
	p := &page{view: parse(r, k.name, c.deps.Now()), console: c, visitor: v, Kind: k}
	if !v.roles.has(k.needs) {
		http.Error(w, "your role does not have this page", http.StatusForbidden)
		return
	}
	st, leave, err := c.streams.join(r.Context(), p)
	if err != nil {
		w.Header().Set("Retry-After", "30")
		http.Error(w, err.Error()+"; ask for "+Prefix+k.name, http.StatusServiceUnavailable)
		return
	}
	defer leave()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx
	out := http.NewResponseController(w)
	defer func() { _ = out.SetWriteDeadline(time.Time{}) }() // the connection may serve other requests
	lasts := liveLasts
	if !v.until.IsZero() {
		lasts = min(lasts, v.until.Sub(c.deps.Now()))
	}
	over := time.NewTimer(lasts)
	defer over.Stop()
	beat := time.NewTicker(liveBeat)
	defer beat.Stop()
	seen := 0
	text := []byte("retry: 2000\n\n")
	for {
		_ = out.SetWriteDeadline(c.deps.Now().Add(2 * liveBeat)) // who does not read any more is gone; not every writer can
		if _, err := w.Write(text); err != nil || out.Flush() != nil {
			return
		}
		parts, now, changed := st.since(seen)
		if text = events(parts); len(text) > 0 {
			seen = now
			beat.Reset(liveBeat)
			continue
		}
		select {
		case <-changed:
		case <-beat.C:
			text = []byte("event: beat\ndata: 1\n\n")
		case <-over.C:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func events(parts []part) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		data, _ := json.Marshal(map[string]string{"id": p.id, "html": p.html}) // strings always can be
		fmt.Fprintf(&b, "event: figure\ndata: %s\n\n", data)
	}
	return b.Bytes()
}
