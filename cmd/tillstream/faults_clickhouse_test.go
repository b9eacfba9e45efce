package main

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ailment is something that happens to ClickHouse or to the way there, and ends.
type ailment struct {
	name  string
	begin func(r *rig)
	bites func(r *rig) bool // whether it was felt; the members must have been in trouble if nil
	end   func(r *rig)
}

// troubles counts how often members had to try something again.
func (r *rig) troubles() int { return r.counted("trying again") + r.counted("starts again") }

// counted is how often members said something.
func (r *rig) counted(what string) (n int) {
	for _, m := range r.members {
		n += strings.Count(m.tail(1<<30), what)
	}
	return n
}

// onTheWire is a fault of a wire. It bites when it has happened a few times.
func onTheWire(name string, of func(r *rig) *wire, f func(r *rig, p *piece) (int, fate, bool)) ailment {
	var times atomic.Int32
	return ailment{
		name: name,
		begin: func(r *rig) {
			var mu sync.Mutex // the rig's numbers are for one goroutine
			of(r).suffer(func(p *piece) (int, fate) {
				mu.Lock()
				n, then, happened := f(r, p)
				mu.Unlock()
				if happened {
					times.Add(1)
				}
				return n, then
			})
		},
		bites: func(*rig) bool { return times.Load() >= 5 },
		end:   func(r *rig) { of(r).suffer(nil) },
	}
}

func toClickHouse(r *rig) *wire { return r.clickhouse }

func toKafka(r *rig) *wire { return r.kafka }

// bodyCut is a place in the body of a request. A client that leaves in its head makes the embedded ClickHouse abort.
func bodyCut(r *rig, p *piece) int {
	body := 0
	if bytes.HasPrefix(p.bytes, []byte("POST ")) {
		body = bytes.Index(p.bytes, []byte("\r\n\r\n")) + 4
	}
	if body == 3 || body >= len(p.bytes) {
		return len(p.bytes)
	}
	return body + r.rnd.IntN(len(p.bytes)-body)
}

// setting changes a table's setting for a while.
func setting(name, table, value, code string) ailment {
	setting, _, _ := strings.Cut(value, " ")
	return ailment{
		name:  name,
		begin: func(r *rig) { r.exec("ALTER TABLE tillstream." + table + " MODIFY SETTING " + value) },
		bites: func(r *rig) bool { return r.counted(code) >= 3 },
		end:   func(r *rig) { r.exec("ALTER TABLE tillstream." + table + " RESET SETTING " + setting) },
	}
}

// request puts a setting into requests. ClickHouse then fails in earnest.
func request(name, setting, code string) ailment {
	a := onTheWire(name, toClickHouse, func(_ *rig, p *piece) (int, fate, bool) {
		if !p.answer {
			p.bytes = bytes.Replace(p.bytes, []byte("POST /?"), []byte("POST /?"+setting+"&"), 1)
		}
		return len(p.bytes), flows, false
	})
	a.bites = func(r *rig) bool { return r.counted(code) >= 3 }
	return a
}

var clickHouseAway = []ailment{
	{name: "down", begin: func(r *rig) { r.clickhouse.down() }, end: func(r *rig) { r.clickhouse.up(r.t) }},
	onTheWire("slow", toClickHouse, func(r *rig, p *piece) (int, fate, bool) {
		time.Sleep(time.Duration(r.rnd.IntN(40)) * time.Millisecond)
		return len(p.bytes), flows, true
	}),
	onTheWire("cut in a block", toClickHouse, func(r *rig, p *piece) (int, fate, bool) {
		n := bodyCut(r, p)
		if p.answer || n == len(p.bytes) || r.rnd.IntN(3) > 0 {
			return len(p.bytes), flows, false
		}
		return n, cut, true
	}),
	onTheWire("answers lost, connection cut", toClickHouse, func(r *rig, p *piece) (int, fate, bool) {
		if !p.answer || r.rnd.IntN(3) > 0 {
			return len(p.bytes), flows, false
		}
		return 0, cut, true
	}),
	onTheWire("answers lost, nobody says so", toClickHouse, func(r *rig, p *piece) (int, fate, bool) {
		if !p.answer || r.rnd.IntN(3) > 0 {
			return len(p.bytes), flows, false
		}
		return 0, dead, true
	}),
	onTheWire("requests lost, nobody says so", toClickHouse, func(r *rig, p *piece) (int, fate, bool) {
		if p.answer || r.rnd.IntN(3) > 0 {
			return len(p.bytes), flows, false
		}
		return 0, dead, true
	}),
	{name: "stopped", begin: func(r *rig) { r.signalEngine(syscall.SIGSTOP) }, end: func(r *rig) { r.signalEngine(syscall.SIGCONT) }},
}

var clickHouseRefuses = []ailment{
	setting("too many parts", "sales_hourly", "parts_to_throw_insert = 1", "code: 252"),
	setting("disk full", "product_sales", "min_free_disk_bytes_to_perform_insert = 1000000000000000", "code: 243"),
	request("memory limit", "max_memory_usage=1000000", "code: 241"),
}

// ClickHouse is away, in all ways in which it can be; each time the lanes go on by themselves and the books balance.
func TestPipelineFaultClickHouseAway(t *testing.T) {
	r := newRig(t, 5)
	r.start()
	r.sufferAll(clickHouseAway)
}

// ClickHouse answers that it cannot take anything now.
func TestPipelineFaultClickHouseRefuses(t *testing.T) {
	r := newRig(t, 6)
	r.start()
	r.sufferAll(clickHouseRefuses)
}

// ClickHouse refuses for good, and a lane says so and stands. When that is mended and the member started again nothing is missing.
func TestPipelineFaultClickHouseReadOnly(t *testing.T) {
	r := newRig(t, 7)
	m := r.start()
	r.feed(0.4)
	r.advance(1 + r.rnd.IntN(r.events/5))
	a := request("read-only", "readonly=1", "lane stopped")
	a.begin(r)
	r.feed(0.8)
	r.until("the lanes to stop", func() bool { return r.counted("lane stopped") >= 4 })
	if !m.said("(refused)") || !m.said("code: 164") {
		t.Errorf("lanes stopped without saying why:\n%s", m.tail(4000))
	}
	a.end(r)
	m.stop()
	r.members = nil
	r.start()
	r.settle()
}

// A member dies, and who takes its lanes asks and gets no answer: nothing is refused, and connections stay dead when the way is open again.
func TestPipelineFaultMuteInRecovery(t *testing.T) {
	for _, c := range []struct {
		name string
		of   func(r *rig) *wire
		asks func(p *piece) bool
	}{
		{"marks", toClickHouse, func(p *piece) bool { return bytes.Contains(p.bytes, []byte("param_lane=")) }},
		{"intents", toKafka, func(p *piece) bool { return p.api == kmsg.OffsetCommit }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 8)
			first := r.start()
			r.feed(0.2)
			r.advance(1 + r.rnd.IntN(r.events/10))
			second := r.start()
			r.until("both to have lanes", func() bool { return second.said("lane assigned") })
			r.advance(1 + r.rnd.IntN(r.events/20))
			first.signal(syscall.SIGSTOP)
			var lost atomic.Int32
			c.of(r).suffer(func(p *piece) (int, fate) {
				if p.answer || !c.asks(p) {
					return len(p.bytes), flows
				}
				lost.Add(1)
				return 0, dead
			})
			had := strings.Count(second.tail(1<<30), "lane assigned")
			r.until("the other to be missed", func() bool { return strings.Count(second.tail(1<<30), "lane assigned") >= had+4 })
			before := lost.Load()
			r.feed(0.6)
			r.until("requests to be lost", func() bool { return lost.Load() >= max(2, before) })
			c.of(r).suffer(nil)
			began := time.Now()
			r.until("recovery", func() bool { return r.passed() >= r.sent })
			t.Logf("all was there %.1f s after it", time.Since(began).Seconds())
			first.kill()
			r.settle()
		})
	}
}

func (r *rig) sufferAll(all []ailment) {
	r.t.Helper()
	for i, a := range all {
		r.suffer(a, float64(i)/float64(len(all)), float64(i+1)/float64(len(all)))
		if r.t.Failed() {
			return
		}
	}
	r.settle()
}

// suffer goes through an ailment while the share of events grows from one to the other.
func (r *rig) suffer(a ailment, from, to float64) {
	r.t.Helper()
	r.feed(from + (to-from)/3)
	r.advance(1 + r.rnd.IntN(r.events/40))
	before := r.troubles()
	a.begin(r)
	r.feed(from + (to-from)*2/3)
	r.until(a.name+" to be felt", func() bool {
		if a.bites != nil {
			return a.bites(r)
		}
		return r.troubles() > before+3
	})
	a.end(r)
	began := time.Now()
	r.feed(to)
	r.until("recovery from "+a.name, func() bool { return r.passed() >= r.sent+r.extra })
	r.t.Logf("%s: all was there %.1f s after it", a.name, time.Since(began).Seconds())
	r.until("the books to balance after "+a.name, func() bool { // the state of a batch comes after its ledger
		code, _ := r.audit()
		return code == exitDone
	})
	for _, m := range r.members {
		if m.said("lane stopped") {
			r.t.Errorf("a lane stopped after %s:\n%s", a.name, m.tail(4000))
		}
	}
}
