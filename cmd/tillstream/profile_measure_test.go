//go:build measure

package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"syscall"
	"time"
)

const (
	// profileEnv of a program that a measurement starts names the profiles it writes of what it does between SIGUSR1 and SIGUSR2: NAME.cpu, NAME.allocs and NAME.gc.
	profileEnv = "TILLSTREAM_MEASURE_PROFILE"
	// traceEnv makes it write NAME.trace in place of NAME.cpu: each would be in the other. `go tool trace -pprof=sync` (or net, syscall, sched) says of it where goroutines waited.
	traceEnv = "TILLSTREAM_MEASURE_TRACE"
)

// profiled does that in the background.
func profiled() {
	name := os.Getenv(profileEnv)
	if name == "" {
		return
	}
	begin, end := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(begin, syscall.SIGUSR1)
	signal.Notify(end, syscall.SIGUSR2)
	go func() {
		<-begin
		began, before := time.Now(), gcNow()
		err := profile(name, end)
		if err = errors.Join(err, os.WriteFile(name+".gc", fmt.Appendln(nil, gcNow().since(before, time.Since(began))), 0o600)); err != nil {
			fmt.Fprintln(os.Stderr, "no profile:", err)
		}
	}()
}

func profile(name string, end <-chan os.Signal) error {
	kind, start, stop := ".cpu", pprof.StartCPUProfile, pprof.StopCPUProfile
	if os.Getenv(traceEnv) != "" {
		kind, start, stop = ".trace", trace.Start, trace.Stop
	}
	f, err := os.Create(name + kind)
	if err != nil {
		return err
	}
	if err := start(f); err != nil {
		return err
	}
	<-end
	stop()
	allocs, err := os.Create(name + ".allocs")
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(allocs, 0), allocs.Close(), f.Close())
}

// gc is what the garbage collector has taken so far.
type gc struct {
	cycles     int64
	pauses     []time.Duration // the world stopped, newest first
	cpu, total float64         // seconds of CPU, without what it did where nobody else wanted the core
}

func gcNow() (g gc) {
	var s debug.GCStats
	debug.ReadGCStats(&s)
	m := []runtimemetrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/user:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/idle:cpu-seconds"}}
	runtimemetrics.Read(m)
	g = gc{cycles: s.NumGC, pauses: s.Pause, cpu: m[0].Value.Float64() - m[2].Value.Float64()}
	g.total = g.cpu + m[1].Value.Float64()
	return g
}

func (g gc) since(before gc, took time.Duration) string {
	pauses := slices.Clone(g.pauses[:min(int(g.cycles-before.cycles), len(g.pauses))])
	if len(pauses) == 0 {
		return "no collection"
	}
	slices.Sort(pauses)
	var sum time.Duration
	for _, p := range pauses {
		sum += p
	}
	return fmt.Sprintf("%d collections; pauses: median %s, longest %s, %.3f %% of the time; %.1f %% of the CPU of collector and program", g.cycles-before.cycles, pauses[len(pauses)/2],
		pauses[len(pauses)-1], 100*sum.Seconds()/took.Seconds(), 100*(g.cpu-before.cpu)/(g.total-before.total))
}
