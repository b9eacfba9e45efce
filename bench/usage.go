package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// tick is what /proc counts CPU in: USER_HZ, which is 100 on all that we run on.
const tick = 10 * time.Millisecond

// stat is what the kernel says of a process.
type stat struct {
	pid, parent int
	cpu         time.Duration // with that of children it has waited for
	resident    int64         // bytes
}

func statOf(pid int) (s stat, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, false
	}
	return parseStat(pid, string(text))
}

// parseStat reads a line of proc_pid_stat(5): the name, in brackets, may hold anything.
func parseStat(pid int, text string) (s stat, ok bool) {
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return s, false
	}
	f := strings.Fields(text[end+1:])
	if len(f) < 22 {
		return s, false
	}
	number := func(i int) int64 {
		n, err := strconv.ParseInt(f[i], 10, 64)
		ok = ok && err == nil
		return n
	}
	ok = true
	s = stat{pid: pid, parent: int(number(1)), cpu: time.Duration(number(11)+number(12)+number(13)+number(14)) * tick, resident: number(21) * int64(os.Getpagesize())}
	return s, ok
}

// tree is a process and all that descend from it.
func tree(root int) []stat {
	all := map[int][]stat{}
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	var out []stat
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if s, ok := statOf(pid); ok {
			all[s.parent] = append(all[s.parent], s)
			if pid == root {
				out = append(out, s)
			}
		}
	}
	for i := 0; i < len(out); i++ {
		out = append(out, all[out[i].pid]...)
	}
	return out
}

func cpuOf(root int) (d time.Duration) {
	for _, s := range tree(root) {
		d += s.cpu
	}
	return d
}

// memory watches how much a process and its descendants have resident, at most.
type memory struct {
	stop chan struct{}
	done chan struct{}
	once sync.Once
	most int64
}

func watchMemory(root int) *memory {
	m := &memory{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(m.done)
		look := time.NewTicker(200 * time.Millisecond)
		defer look.Stop()
		for {
			var now int64
			for _, s := range tree(root) {
				now += s.resident
			}
			m.most = max(m.most, now)
			select {
			case <-m.stop:
				return
			case <-look.C:
			}
		}
	}()
	return m
}

// peak ends the watch; bytes.
func (m *memory) peak() int64 {
	m.once.Do(func() { close(m.stop) })
	<-m.done
	return m.most
}

// childWith is the child of this process whose command line holds a text; 0 if none does.
func childWith(text string) int {
	all := tree(os.Getpid())
	i := slices.IndexFunc(all, func(s stat) bool {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.pid))
		return err == nil && s.pid != os.Getpid() && strings.Contains(string(line), text)
	})
	if i < 0 {
		return 0
	}
	return all[i].pid
}

func cpus(cores ...int) *unix.CPUSet {
	var set unix.CPUSet
	for _, c := range cores {
		set.Set(c)
	}
	return &set
}

// pin keeps a running process, all its threads, on some cores.
func pin(pid int, set *unix.CPUSet) error {
	for range 2 { // a thread may have been made while we looked
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", pid))
		if err != nil || len(tasks) == 0 {
			return fmt.Errorf("pinning process %d: it has no threads", pid)
		}
		for _, t := range tasks {
			tid, _ := strconv.Atoi(filepath.Base(t))
			if err := unix.SchedSetaffinity(tid, set); err != nil && err != unix.ESRCH {
				return fmt.Errorf("pinning process %d: %w", pid, err)
			}
		}
	}
	return nil
}

// pinned calls start on a thread that may run on some cores only, as then may the process that it starts.
func pinned(set *unix.CPUSet, start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return fmt.Errorf("reading the cores: %w", err)
	}
	if err := unix.SchedSetaffinity(0, set); err != nil {
		return fmt.Errorf("pinning to cores: %w", err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &all) }() // they were ours before
	return start()
}
