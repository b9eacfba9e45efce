package main

import (
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func testReport() *report {
	cfg, err := parseFlags([]string{"-short", "-root", "/repository"}, io.Discard)
	if err != nil {
		panic(err)
	}
	o := newOracle()
	for e := range sales(10, noon, 1) {
		if err := o.add(e.value); err != nil {
			panic(err)
		}
	}
	r := &report{cfg: cfg, began: noon, over: noon.Add(9 * time.Minute), peers: peers("/repository"), workloads: []*workload{{name: "sales", what: "some", cores: []int{1, 2}, oracle: o}}}
	for _, rate := range []float64{300_000, 100_000, 200_000} {
		r.add("sales", result{peer: "tillstream", cores: 1, rate: rate, took: time.Second, disk: 12e6, largest: "90 % in transactions", peak: 100 << 20, secondHalf: rate})
		r.add("sales", result{peer: "flink", cores: 1, rate: rate / 10, took: time.Second, secondHalf: math.NaN()})
	}
	return r
}

func TestTheReportHasMediansAndRatios(t *testing.T) {
	r := testReport()
	if half, none := r.half("tillstream"), r.half("kstreams"); half != 100_000 || none != 0 {
		t.Errorf("half loads of %d, and of %d where nothing ran", half, none)
	}
	text := r.markdown()
	for _, want := range []string{
		"| **tillstream** | 200,000 (100,000–300,000) | – | 200,000 |", "| 100 | 12.0 (90 % in transactions) |", "| **flink** | 20,000 (10,000–30,000) | 1/10.0 | – |", "2026-11-26, in 9m, by", "    make bench-peers BENCH='-short=true'\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for _, p := range peers("/repository") {
		if !strings.Contains(text, "- **"+p.name+"**: "+p.what) {
			t.Errorf("what %s does is not told", p.name)
		}
	}
	if strings.Contains(text, "/repository") || strings.Contains(text, "What went wrong") {
		t.Errorf("paths of this machine, or faults that were none:\n%s", text)
	}
}

func TestAFailedRunIsTold(t *testing.T) {
	r := testReport()
	if err := r.failed(); err != nil {
		t.Fatal(err)
	}
	lost := totals{Lines: 100}.differ(totals{Lines: 84})
	r.add("sales", result{peer: "flink-windows", cores: 1, failure: lost, rate: 1e9})
	if err := r.failed(); err != nil {
		t.Errorf("a trap fails the comparison: %v", err)
	}
	r.add("sales", result{peer: "kstreams", cores: 1, failure: lost, rate: 1e9})
	if err := r.failed(); err == nil || !strings.Contains(err.Error(), "kstreams: "+lost) {
		t.Errorf("a wrong total passed: %v", err)
	}
	text := r.markdown()
	for _, want := range []string{"- **flink-windows**, sales, 1 core(s): " + lost, "- **kstreams**, sales, 1 core(s): " + lost} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "| **kstreams**") || strings.Contains(text, "1,000,000,000") {
		t.Errorf("a failed run has figures:\n%s", text)
	}
	r = testReport()
	r.fresh = []freshness{{peer: "flink", load: 1000, flush: time.Second, failure: "it does not <keep> up"}}
	if err := r.failed(); err == nil || !strings.Contains(r.markdown(), "it does not &lt;keep> up") {
		t.Errorf("freshness that was not reached passed: %v", err)
	}
}

func TestNumbersForPeople(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999.4: "999", 1000: "1,000", 12345: "12,300", 387654.3: "388,000", 1234567: "1,230,000", math.NaN(): "–"} {
		if got := thousands(v); got != want {
			t.Errorf("%v is %q, not %q", v, got, want)
		}
	}
}

func TestFlags(t *testing.T) {
	c, err := parseFlags([]string{"-short", "-runs", "3"}, io.Discard)
	if err != nil || c.events != 200_000 || c.runs != 3 || !slices.Equal(c.workloads, []string{"sales"}) || !slices.Equal(c.loads, []int{10_000}) {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := parseFlags(nil, io.Discard); err != nil || !slices.Equal(c.loads, []int{10_000, halfLoad}) {
		t.Errorf("loads are %v, %v", c.loads, err)
	}
	for _, bad := range [][]string{
		{"-grain", "week"}, {"-cores", "3"}, {"-workloads", "dreams"}, {"-loads", "fast"}, {"-fresh-flush", "0s"}, {"-runs", "0"}, {"-grain", "hour"}, {"-once", "nobody"},
	} {
		if _, err := parseFlags(bad, io.Discard); err == nil || !strings.Contains(err.Error(), bad[0]) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	b := &bench{cfg: config{root: t.TempDir(), only: []string{"floor", "nobody"}}, say: io.Discard}
	if _, _, err := b.chosen(); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("an unknown peer: %v", err)
	}
	b.cfg.only = []string{"floor", "flink"}
	if some, absent, err := b.chosen(); err != nil || len(some) != 1 || !slices.Equal(absent, []string{"flink"}) {
		t.Errorf("a peer that was not built: %v, %v", absent, err)
	}
}

func TestASlowPeerIsMeasuredOnce(t *testing.T) {
	c, err := parseFlags([]string{"-once", "benthos,flink"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for name, again := range map[string]bool{"tillstream": true, "kstreams": true, "benthos": false, "flink": false} {
		if got := c.again(&peer{name: name}); got != again {
			t.Errorf("%s has another turn: %v", name, got)
		}
	}
	if c.again(&peer{name: "kstreams", trap: true}) {
		t.Error("a trap has another turn")
	}
}

func TestWhatAPeerDiedOfIsTold(t *testing.T) {
	for log, want := range map[string]string{
		"a.b.StreamsException: no\n\tat a.b(C.java:1)\nCaused by: x.y.Root: full\n\tat a.b(C.java:2)\n": "a.b.StreamsException: no; at last Caused by: x.y.Root: full",
		"[x] ERROR t - dies\njava.lang.OutOfMemoryError: Java heap space\n\tat a.b(C.java:1)\n[x] y":    "java.lang.OutOfMemoryError: Java heap space",
		"it said this\n": "it said this",
	} {
		if got := reason(log); got != want {
			t.Errorf("%q is said to be of %q, not %q", log, got, want)
		}
	}
}

func TestDelaysAreOfProbesOfTheTimeAsked(t *testing.T) {
	s := &sightings{sent: map[string]time.Time{}, seen: map[string]time.Time{}}
	at := func(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }
	for product, ms := range map[string]int{"early": 0, "a": 100, "b": 150, "lost": 180, "late": 200} {
		s.send(product, at(ms))
	}
	s.see([]string{"early", "a"}, at(400))
	s.see([]string{"early", "a", "b"}, at(500)) // the first time counts
	delays, unseen := s.between(at(100), at(200))
	slices.Sort(delays)
	if !slices.Equal(delays, []float64{300, 350}) || unseen != 1 {
		t.Errorf("%v, %d unseen", delays, unseen)
	}
}

func TestMetricsAreAddedUp(t *testing.T) {
	text := "# HELP input_received x\ninput_received{path=\"a} 9\"} 3\ninput_received{path=\"b\"} 4.5 1700000000000\ninput_received_bytes 7\ninput_received 1\n"
	if v, err := sumMetric(strings.NewReader(text), "input_received"); err != nil || v != 8.5 {
		t.Errorf("%v, %v", v, err)
	}
	if _, err := sumMetric(strings.NewReader("input_received x\n"), "input_received"); err == nil {
		t.Error("a value that is no number was read")
	}
}
