package console

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// counter answers each question with how often its text was asked for, or always alike.
type counter struct {
	mu     sync.Mutex
	asked  map[string]int
	counts string // questions with this in their text
}

func (c *counter) Ask(_ context.Context, sql string, _ map[string]string, row func([]any) error) error {
	c.mu.Lock()
	c.asked[sql]++
	n := 1
	if c.counts != "" && strings.Contains(sql, c.counts) {
		n = c.asked[sql]
	}
	c.mu.Unlock()
	cells := make([]any, 40)
	for i := range cells {
		cells[i] = int64(n)
	}
	return row(cells)
}

// watcher is a browser that listens.
type watcher struct {
	http.ResponseWriter
	io.Writer
}

func (w watcher) Write(b []byte) (int, error) { return w.Writer.Write(b) }
func (w watcher) Flush()                      {}

type told struct {
	event, data string
	after       time.Duration
}

// watch listens until ctx ends.
func watch(ctx context.Context, h http.Handler, path string, hear func(told)) {
	began := time.Now()
	out, in := io.Pipe()
	var reading sync.WaitGroup
	reading.Go(func() {
		var t told
		for lines := bufio.NewScanner(out); lines.Scan(); {
			switch key, value, _ := strings.Cut(lines.Text(), ": "); key {
			case "event":
				t.event = value
			case "data":
				t.data = value
			case "":
				if t.event != "" {
					t.after = time.Since(began)
					hear(t)
				}
				t = told{}
			}
		}
	})
	h.ServeHTTP(watcher{httptest.NewRecorder(), in}, httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil))
	in.Close()
	reading.Wait()
}

// Whoever looks at the same is told the same from one drawing of it, what did not change is not told again, and nothing is asked where nobody looks.
func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ask := &counter{asked: map[string]int{}, counts: "countIf(in_service AND status = 'maintenance')"}
		h := build(t, Config{Loopback: true}, ask, nil)
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var mu sync.Mutex
		heard := map[string]int{}
		var latest time.Duration
		const viewers = 50
		for range viewers {
			wg.Go(func() {
				watch(ctx, h, "/console/live/now?lang=en", func(got told) {
					var f struct{ ID, HTML string }
					if err := json.Unmarshal([]byte(got.data), &f); err != nil || got.event != "figure" || f.HTML == "" {
						t.Errorf("%+v: %v", got, err)
					}
					mu.Lock()
					defer mu.Unlock()
					heard[f.ID]++
					latest = max(latest, got.after)
				})
			})
		}
		time.Sleep(10*time.Second + 500*time.Millisecond)
		synctest.Wait()
		mu.Lock()
		for id, want := range map[string]int{"tills": 11 * viewers, "shops": viewers, "books": viewers, "board": viewers} { // at 0 s, 1 s … 10 s
			if heard[id] != want {
				t.Errorf("%s was told %d times, want %d", id, heard[id], want)
			}
		}
		mu.Unlock()
		for sql, n := range ask.asked {
			if n > 11 {
				t.Errorf("asked %d times in ten seconds: %.80s", n, sql)
			}
		}
		leave()
		wg.Wait()
		synctest.Wait()
		before := len(ask.asked)
		n := ask.asked[only(ask.asked, ask.counts)]
		time.Sleep(time.Minute)
		if len(ask.asked) != before || ask.asked[only(ask.asked, ask.counts)] != n {
			t.Error("it is asked for though nobody looks")
		}
	})
}

func only(asked map[string]int, part string) string {
	for sql := range asked {
		if strings.Contains(sql, part) {
			return sql
		}
	}
	return ""
}

// Where nothing changes something is said from time to time, and after an hour the browser has to come again.
func TestLiveBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &console{streams: newStreams(func(context.Context, *page) []part { return []part{{id: "a", html: "b"}} })}
		c.deps.Now = time.Now
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.live(w, r.WithContext(withVisitor(r.Context(), visitor{roles: Viewer, until: time.Now().Add(time.Minute + time.Second)})), pageKinds()[0])
		})
		var got []string
		began := time.Now()
		watch(t.Context(), h, "/console/live/now", func(e told) { got = append(got, e.event) })
		if text := strings.Join(got, " "); text != "figure beat beat beat beat" {
			t.Errorf("heard %s", text)
		}
		if d := time.Since(began); d != time.Minute+time.Second {
			t.Errorf("it ended after %v, and the session before", d)
		}
	})
}

// More views than may be drawn at a time are refused; when somebody leaves there is room again.
func TestLiveIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreams(func(context.Context, *page) []part { return nil })
		c := &console{}
		c.deps.Now = time.Now
		join := func(store string) (func(), error) {
			_, leave, err := s.join(t.Context(), &page{view: view{name: "now", zone: time.UTC, store: store, days: usualDays}, console: c})
			return leave, err
		}
		leaves := map[string]func(){}
		for i := range liveViews {
			store := strings.Repeat("x", i+1)
			leave, err := join(store)
			if err != nil {
				t.Fatal(err)
			}
			leaves[store] = leave
		}
		if _, err := join("one more"); !errors.Is(err, errTooMany) {
			t.Errorf("one more view: %v", err)
		}
		again, err := join("x")
		if err != nil {
			t.Errorf("one more viewer of the same: %v", err)
		}
		leaves["x"]()
		if _, err := join("one more"); !errors.Is(err, errTooMany) {
			t.Errorf("somebody still looks: %v", err)
		}
		again()
		leave, err := join("one more")
		if err != nil {
			t.Errorf("nobody looks any more: %v", err)
		}
		leave()
		delete(leaves, "x")
		for _, leave := range leaves {
			leave()
		}
		if len(s.open) != 0 || s.viewers != 0 {
			t.Errorf("%d views and %d viewers are left", len(s.open), s.viewers)
		}
	})
}
