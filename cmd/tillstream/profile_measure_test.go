//go:build measure

package main

import (
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
)

// profileEnv of a program that a measurement starts names the profiles it writes of what it does between SIGUSR1 and SIGUSR2: NAME.cpu and NAME.allocs.
const profileEnv = "TILLSTREAM_MEASURE_PROFILE"

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
		cpu, err := os.Create(name + ".cpu")
		if err == nil {
			err = pprof.StartCPUProfile(cpu)
		}
		<-end
		pprof.StopCPUProfile()
		allocs, err2 := os.Create(name + ".allocs")
		if err == nil && err2 == nil {
			err = pprof.Lookup("allocs").WriteTo(allocs, 0)
		}
		if err != nil || err2 != nil {
			os.Stderr.WriteString("no profile\n")
		}
	}()
}
