//go:build endurance

package main

import (
	"bufio"
	"fmt"
	"maps"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/tillstream/tillstream/cmd/tillstream/simulator"
)

const (
	healWithin  = 30 * time.Second
	sampleEvery = 5 * time.Second
)

// vitals are what a process says of itself.
type vitals struct{ memory, goroutines, fds float64 }

// healing is how long it took after the faults of one name until all was there that had been sent when they ended.
type healing struct {
	times        int
	sum, longest time.Duration
}

// endurance is the load, the faults and what was seen. Everything happens in one goroutine.
type endurance struct {
	*rig
	rate     float64 // events a second
	began    time.Time
	lasts    time.Duration
	steady   *member // is never killed, so that its memory can be watched
	metrics  string  // where it says how it is
	guest    *member // comes and goes
	seen     []vitals
	sampled  time.Time
	healings map[string]*healing
	behind   int // most offsets sent and not yet passed, without a fault
}

// Full load for ENDURANCE_MINUTES (20), with ENDURANCE_RATE events a second (2000), and one fault after the other. It fails if rows differ from
// the truth, if the books do not balance, if a lane is not up to date 30 s after the end of a fault, or if memory, goroutines
// or file descriptors keep growing.
func TestEndurance(t *testing.T) {
	number := func(name string, otherwise float64) float64 {
		if v, err := strconv.ParseFloat(os.Getenv(name), 64); err == nil {
			return v
		}
		return otherwise
	}
	e := &endurance{rate: number("ENDURANCE_RATE", 2000), healings: map[string]*healing{}}
	e.lasts = time.Duration(number("ENDURANCE_MINUTES", 20) * float64(time.Minute))
	seed := uint64(number("ENDURANCE_SEED", 1))
	const stores, eventsPerStoreDay = 16, 5000
	e.rig = newRig(t, seed, func(c *simulator.Config) {
		c.Stores = stores
		c.Start = c.End.Add(-time.Duration(e.rate * e.lasts.Seconds() / (stores * eventsPerStoreDay) * 24 * float64(time.Hour)))
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.metrics = l.Addr().String()
	l.Close()
	e.env = []string{"TILLSTREAM_PROCESSOR_BATCH_RECORDS=200000", "TILLSTREAM_PROCESSOR_BATCH_AGE=1s", "TILLSTREAM_LISTEN=" + e.metrics}
	e.steady = e.start()
	e.env = e.env[:2]
	e.guest = e.start()

	e.began = time.Now()
	e.live(5 * time.Second)
	e.until("the start", func() bool { return e.passed() >= e.sent+e.extra }) // a member whose migrations are cut short ends
	for e.running() {
		e.fault()
	}
	e.settle()
	e.report()
}

func (e *endurance) running() bool { return time.Since(e.began) < e.lasts }

// live feeds and looks for a while.
func (e *endurance) live(d time.Duration) {
	e.t.Helper()
	for until := time.Now().Add(d); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		e.tick()
	}
}

func (e *endurance) tick() {
	e.t.Helper()
	e.feed(min(1, time.Since(e.began).Seconds()/e.lasts.Seconds()))
	if time.Since(e.sampled) < sampleEvery {
		return
	}
	e.sampled = time.Now()
	if v, ok := e.vitals(); ok {
		e.seen = append(e.seen, v)
	}
}

// vitals asks the steady member how it is.
func (e *endurance) vitals() (v vitals, ok bool) {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + e.metrics + "/metrics")
	if err != nil {
		return v, false
	}
	defer res.Body.Close()
	for s := bufio.NewScanner(res.Body); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), " ")
		for n, into := range map[string]*float64{"process_resident_memory_bytes": &v.memory, "go_goroutines": &v.goroutines, "process_open_fds": &v.fds} {
			if n == name {
				*into, _ = strconv.ParseFloat(value, 64)
			}
		}
	}
	return v, v.memory > 0
}

// more are faults of members and of the engine.
func (e *endurance) more() []ailment {
	none := func(*rig) {}
	replace := func(*rig) { e.guest = e.start() }
	return []ailment{
		{name: "member killed", begin: func(*rig) { e.guest.kill() }, end: replace},
		{name: "member left", begin: func(*rig) { e.guest.stop() }, end: replace},
		{name: "member joined and left", begin: func(*rig) { e.start().stop() }, end: none},
		{name: "member stopped and back", begin: func(*rig) { e.guest.signal(syscall.SIGSTOP) }, end: func(*rig) {
			e.live(8 * time.Second) // past its session
			e.guest.signal(syscall.SIGCONT)
		}},
		{name: "ClickHouse killed", begin: func(r *rig) { r.killEngine() }, end: none},
	}
}

// fault goes through one fault and its healing, and then leaves all in peace for a while.
func (e *endurance) fault() {
	e.t.Helper()
	all := slices.Concat(clickHouseAway, clickHouseRefuses, kafkaAway, e.more())
	all = slices.DeleteFunc(all, func(a ailment) bool { return a.name == "damaged on the way" }) // for long it is what stops a lane
	which := e.rnd.IntN(len(all))
	a := all[which]
	if which < len(clickHouseAway)+len(clickHouseRefuses) {
		a.name = "ClickHouse " + a.name
	} else if which < len(all)-len(e.more()) {
		a.name = "Kafka " + a.name
	}
	a.begin(e.rig)
	e.live(time.Duration(1000+e.rnd.IntN(7000)) * time.Millisecond)
	a.end(e.rig)
	ended, sent := time.Now(), e.sent+e.extra
	for e.passed() < sent {
		if took := time.Since(ended); took > 3*healWithin {
			e.t.Fatalf("%s: %d of %d offsets were there %s after it\n%s", a.name, e.passed(), sent, took, e.steady.tail(4000))
		}
		e.tick()
		time.Sleep(50 * time.Millisecond)
	}
	took := time.Since(ended)
	if took > healWithin {
		e.t.Errorf("%s: it took %s to be up to date again\n%s", a.name, took, e.steady.tail(3000))
	}
	h := e.healings[a.name]
	if h == nil {
		h = &healing{}
		e.healings[a.name] = h
	}
	h.times++
	h.sum += took
	h.longest = max(h.longest, took)
	e.live(time.Duration(2000+e.rnd.IntN(4000)) * time.Millisecond)
	e.behind = max(e.behind, e.sent+e.extra-e.passed())
}

// report prints what was seen and compares the end with the beginning.
func (e *endurance) report() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\n%d events in %s, %d offsets behind at most when nothing was wrong\n\nfault\ttimes\tmean healing s\tlongest s\n", e.sent, e.lasts, e.behind)
	for _, name := range slices.Sorted(maps.Keys(e.healings)) {
		h := e.healings[name]
		fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\n", name, h.times, h.sum.Seconds()/float64(h.times), h.longest.Seconds())
	}
	fmt.Fprintf(w, "\nmedian of the steady member\tsecond quarter\tlast quarter\tmost\n")
	defer w.Flush()
	for _, x := range []struct {
		name        string
		of          func(vitals) float64
		unit, slack float64
	}{
		{"resident memory, MiB", func(v vitals) float64 { return v.memory }, 1 << 20, 64},
		{"goroutines", func(v vitals) float64 { return v.goroutines }, 1, 100},
		{"file descriptors", func(v vitals) float64 { return v.fds }, 1, 50},
	} {
		var all []float64
		for _, v := range e.seen {
			all = append(all, x.of(v)/x.unit)
		}
		n := len(all)
		early, late := median(all[n/4:n/2]), median(all[n-n/4:])
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.0f\n", x.name, early, late, slices.Max(append(all, 0)))
		if !(late <= 1.5*early+x.slack) {
			e.t.Errorf("%s grew from %.0f to %.0f", x.name, early, late)
		}
	}
}

// median of numbers; NaN of none, which no comparison likes.
func median(all []float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}
