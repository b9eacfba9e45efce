package steps

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Trace runs a command that has a Counter, and gives how many instructions each of its Count took, in their order, and what it printed. It wraps ErrUnavailable if the system
// does not let it count. The command's Stdin and Stdout must be nil. Who gives it a context may end it. Both processes stay on one of the CPUs that this one may use, the n-th modulo their
// number: handing over to another takes longer than a step.
func Trace(cmd *exec.Cmd, cpu int) (counts []uint64, out []byte, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // who looked first is who must go on looking; the thread ends with the goroutine
		counts, out, err = trace(cmd, cpu)
	}()
	<-done
	return counts, out, err
}

func trace(cmd *exec.Cmd, cpu int) ([]uint64, []byte, error) {
	if err := pin(cpu); err != nil {
		return nil, nil, err
	}
	cmd.Env = append(cmd.Environ(), "GODEBUG=asyncpreemptoff=1,memprofilerate=0") // no signals, no samples of allocations
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop := func(err error) ([]uint64, []byte, error) {
		_ = cmd.Process.Kill()
		bury()
		_ = cmd.Wait()
		return nil, nil, err
	}
	read := bufio.NewReader(pipe)
	t := tracee{process: cmd.Process.Pid}
	line, err := read.ReadString('\n')
	if err != nil {
		return stop(fmt.Errorf("%s does not count anything: %w", cmd.Path, err))
	}
	if _, err := fmt.Sscanf(line, hello, &t.thread); err != nil {
		return stop(fmt.Errorf("%s does not count anything, it says %q", cmd.Path, line))
	}
	if err := unix.PtraceSeize(t.thread); err != nil {
		return stop(fmt.Errorf("%w: ptrace: %w", ErrUnavailable, err))
	}
	if _, err := in.Write([]byte{1}); err != nil {
		return stop(err)
	}
	var printed bytes.Buffer
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(&printed, read)
		copied <- err
	}()
	counts, err := t.count()
	if err != nil {
		return stop(err)
	}
	if err := <-copied; err != nil {
		return stop(err)
	}
	return counts, printed.Bytes(), cmd.Wait()
}

// pin keeps this thread, and what it starts, on one CPU.
func pin(n int) error {
	var may, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return fmt.Errorf("asking which CPUs may be used: %w", err)
	}
	n %= may.Count()
	cpu := 0
	for ; n > 0 || !may.IsSet(cpu); cpu++ {
		if may.IsSet(cpu) {
			n--
		}
	}
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("staying on CPU %d: %w", cpu, err)
	}
	return nil
}

// tracee is the process that is looked at, and its thread of which instructions are counted.
type tracee struct{ process, thread int }

// count follows the thread until it says that it is done.
func (t *tracee) count() (counts []uint64, err error) {
	for {
		s, err := wait(t.thread)
		if err != nil {
			return nil, err
		}
		switch s {
		case turn:
			n, err := t.window()
			if err != nil {
				return nil, err
			}
			counts = append(counts, n)
			s = 0
		case end:
			return counts, unix.PtraceDetach(t.thread)
		}
		if err := unix.PtraceCont(t.thread, int(s)); err != nil {
			return nil, fmt.Errorf("letting thread %d go on: %w", t.thread, err)
		}
	}
}

// window counts until the thread says that it is enough.
func (t *tracee) window() (n uint64, err error) {
	others, err := t.freeze()
	if err != nil {
		return 0, err
	}
	for {
		if err := unix.PtraceSingleStep(t.thread); err != nil {
			return 0, fmt.Errorf("stepping thread %d: %w", t.thread, err)
		}
		s, err := wait(t.thread)
		switch {
		case err != nil:
			return 0, err
		case s == unix.SIGTRAP:
			n++
		case s == from:
			n = 0
		case s == turn:
			for _, thread := range others {
				if err := unix.PtraceDetach(thread); err != nil {
					return 0, fmt.Errorf("letting thread %d go on: %w", thread, err)
				}
			}
			return n, nil
		case s == unix.SIGSTOP, s == unix.SIGCONT: // from somebody who wants the machine for a while
		default:
			return 0, fmt.Errorf("thread %d got signal %v while its instructions were counted", t.thread, s)
		}
	}
}

// freeze has all other threads stand still, in system calls: one that is elsewhere may hold a lock that is needed.
func (t *tracee) freeze() (frozen []int, err error) {
	still := map[int]bool{t.thread: true}
	for again := true; again; {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", t.process))
		if err != nil {
			return nil, err
		}
		again = false
		for _, e := range entries {
			thread, err := strconv.Atoi(e.Name())
			if err != nil || still[thread] {
				continue
			}
			again = true // it may have made others
			calls, err := halt(thread)
			switch {
			case errors.Is(err, unix.ESRCH): // it has ended
			case err != nil:
				return nil, fmt.Errorf("stopping thread %d: %w", thread, err)
			case calls:
				still[thread], frozen = true, append(frozen, thread)
			default:
				if err := unix.PtraceDetach(thread); err != nil {
					return nil, err
				}
				unix.Nanosleep(&unix.Timespec{Nsec: 100_000}, nil) // both are on one CPU
			}
		}
	}
	return frozen, nil
}

// halt stops a thread and says whether it is in a system call.
func halt(thread int) (calls bool, err error) {
	if err := unix.PtraceSeize(thread); err != nil {
		return false, err
	}
	if err := unix.PtraceInterrupt(thread); err != nil {
		return false, err
	}
	for {
		s, err := wait(thread)
		if err != nil {
			return false, err
		}
		if s == unix.SIGTRAP { // the interrupt
			break
		}
		if err := unix.PtraceCont(thread, int(s)); err != nil {
			return false, err
		}
	}
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(thread, &regs); err != nil {
		return false, err
	}
	return int64(regs.Orig_rax) >= 0, nil
}

// wait waits until a thread stops, and gives the signal that it stopped for. No other that is looked at does anything meanwhile, unless the process is killed; then all end, and the
// first thread last.
func wait(thread int) (unix.Signal, error) {
	for {
		var s unix.WaitStatus
		switch is, err := unix.Wait4(-1, &s, mine, nil); {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("waiting for thread %d: %w", thread, err)
		case is != thread:
		case s.Stopped():
			return s.StopSignal(), nil
		default:
			return 0, fmt.Errorf("thread %d ended before it said so", thread)
		}
	}
}

// bury takes note of all that have ended of a process that was killed: it is not gone before.
func bury() {
	for {
		if _, err := unix.Wait4(-1, nil, mine, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// mine is what this thread has started or looks at, threads too.
const mine = unix.WALL | unix.WNOTHREAD
