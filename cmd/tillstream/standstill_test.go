//go:build measure

package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var terminals = flag.Int("terminals", 1_000_000, "tills of the chain whose lanes change hands")

// process is a member in a process of its own.
type observed struct {
	cmd  *exec.Cmd
	addr string
}

func startProcess(t *testing.T, cfg string) *observed {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	p := &observed{exec.Command(os.Args[0], "run", "--config", cfg), addr}
	p.cmd.Env = append(os.Environ(), asProgram+"=1", "TILLSTREAM_LISTEN="+addr)
	if os.Getenv("TILLSTREAM_MEASURE_LOG") != "" {
		p.cmd.Stderr = os.Stderr
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	return p
}

// batches are how many batches each lane has written in this process.
func (p *observed) batches() map[string]string {
	res, err := http.Get("http://" + p.addr + "/metrics")
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	out := map[string]string{}
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "tillstream_batches_total{lane="); ok {
			lane, n, _ := strings.Cut(rest, "} ")
			out[lane] = n
		}
	}
	return out
}

// gaps watches for a while and returns the longest time without a new batch, by lane.
func gaps(members map[string]*observed, lanes []string, d time.Duration) map[string]time.Duration {
	seen, at, longest := map[string]string{}, map[string]time.Time{}, map[string]time.Duration{}
	begin := time.Now()
	for _, lane := range lanes {
		at[lane] = begin
	}
	look := func(end bool) {
		now := time.Now()
		for name, m := range members {
			for lane, n := range m.batches() {
				if key := name + lane; seen[key] != n {
					seen[key] = n
					if last, ok := at[lane]; ok {
						longest[lane] = max(longest[lane], now.Sub(last))
					}
					at[lane] = now
				}
			}
		}
		for lane, last := range at {
			if end {
				longest[lane] = max(longest[lane], now.Sub(last))
			}
		}
	}
	for time.Since(begin) < d {
		look(false)
		time.Sleep(50 * time.Millisecond)
	}
	look(true)
	return longest
}

// How long lanes stand still when members come and go, with the state of a big chain. It is a measurement, not a test of anything.
//
//	go test -tags measure -run '^TestMeasureStandstill$' -v -timeout 1h ./cmd/tillstream -terminals 1000000
func TestMeasureStandstill(t *testing.T) {
	s := newSite(t)
	defer s.release()
	file := filepath.Join(t.TempDir(), "heartbeats.jsonl")
	heartbeats(t, file, *terminals, 0, time.Now().Add(-time.Minute))
	s.ingest(file)
	cfg := writeConfig(t, s.broker, s.dsn, "")
	text, err := os.ReadFile(cfg)
	if err != nil {
		t.Fatal(err)
	}
	// Defaults but for the group: what users have.
	text = []byte(strings.NewReplacer(", session_timeout: 2m, heartbeat_interval: 500ms, rebalance_timeout: 2m", "", "processor: {heartbeat_timeout: 50h, batch_records: 400}", "", `listen: ""`, "").Replace(string(text)))
	if err := os.WriteFile(cfg, text, 0o600); err != nil {
		t.Fatal(err)
	}
	members := map[string]*observed{"a": startProcess(t, cfg), "b": startProcess(t, cfg)}
	began := time.Now()
	for s.ask(passed) != fmt.Sprint(*terminals) {
		if time.Since(began) > 20*time.Minute {
			t.Fatalf("only %s of %d are folded", s.ask(passed), *terminals)
		}
		time.Sleep(time.Second)
	}
	t.Logf("%d tills folded in %v", *terminals, time.Since(began).Round(time.Second))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // a trickle, so that every lane writes a batch a second
		for round := 1; ctx.Err() == nil; round++ {
			f := filepath.Join(t.TempDir(), fmt.Sprint(round))
			heartbeats(t, f, 2000, round, time.Now())
			tillstreamWith(t, ctx, strings.NewReader(""), io.Discard, "ingest", "--config", cfg, f)
		}
	}()
	var lanes []string
	report := func(what string, d time.Duration) {
		g := gaps(members, lanes, d)
		lanes = slices.Sorted(maps.Keys(g))
		var text []string
		for _, lane := range lanes {
			text = append(text, fmt.Sprintf("%s %.1fs", strings.Trim(lane, `"`), g[lane].Seconds()))
		}
		t.Logf("%-16s longest time without a batch: %s", what, strings.Join(text, "  "))
	}
	report("undisturbed", 20*time.Second)
	members["c"] = startProcess(t, cfg)
	report("one joins", 60*time.Second)
	if err := members["a"].cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	report("one leaves", 60*time.Second)
	delete(members, "a")
	members["d"] = startProcess(t, cfg)
	report("one joins", 60*time.Second)
	if err := members["b"].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	report("one is killed", 90*time.Second)
	cancel()
}

// heartbeats writes one heartbeat of each of n tills.
func heartbeats(t *testing.T, name string, n, round int, at time.Time) {
	f, err := os.Create(name)
	if err != nil {
		t.Error(err)
		return
	}
	w := bufio.NewWriter(f)
	for i := range n {
		fmt.Fprintf(w, `{"id":"%d/%d","source":"t","type":"pos.health.v1","time":"%s","store_id":"s%d","terminal_id":"t%d","kind":"heartbeat","status":"up","heartbeat_interval_s":3600}`+"\n",
			i, round, at.UTC().Format(time.RFC3339), i/10, i)
	}
	if err := w.Flush(); err != nil {
		t.Error(err)
	}
	f.Close()
}
