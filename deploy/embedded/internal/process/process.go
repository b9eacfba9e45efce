// Package process runs a process that does not outlive us.
package process

import (
	"os"
	"os/exec"
	"runtime"
	"time"
)

// Process is a started command.
type Process struct {
	handle *os.Process
	exited chan struct{}
	err    error // set before exited is closed
}

// Start starts a command in a process group of its own, so that Ctrl-C reaches us first and we stop it in order. Where we are
// killed, the kernel, if it is Linux, kills it too. Linux goes by the thread that started it, so that one is kept until the command ends.
func Start(cmd *exec.Cmd) (*Process, error) {
	cmd.SysProcAttr = attributes()
	p := &Process{exited: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		p.handle = cmd.Process
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Pid is the process's id.
func (p *Process) Pid() int { return p.handle.Pid }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Reason says how a process that has ended did so.
func (p *Process) Reason() string {
	if p.err == nil {
		return "exit status 0"
	}
	return p.err.Error()
}

// Kill ends the process as a power cut would, and waits.
func (p *Process) Kill() {
	_ = p.handle.Kill() // it may have ended by itself
	<-p.exited
}

// Stop asks the process to end, waits, and kills it when patience is over; orderly is false then.
func (p *Process) Stop(ask func(*os.Process), patience time.Duration) (orderly bool) {
	ask(p.handle)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.exited:
		return true
	case <-timer.C:
		p.Kill()
		return false
	}
}
