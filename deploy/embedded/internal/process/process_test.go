package process

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, script string) *Process {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	in, err := cmd.StdinPipe() // so that "read x" waits
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	p, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func terminate(h *os.Process) { _ = h.Signal(syscall.SIGTERM) }

func TestProcess(t *testing.T) {
	p := start(t, "exit 3")
	<-p.Exited()
	if p.Reason() != "exit status 3" {
		t.Errorf("it ended with %s", p.Reason())
	}
	p.Kill() // of one that has ended does nothing

	if p := start(t, "read x"); !p.Stop(terminate, time.Hour) || p.Reason() != "signal: terminated" {
		t.Errorf("asked to end, it did so with %s", p.Reason())
	}
	if p := start(t, "read x"); p.Stop(func(*os.Process) {}, 0) || p.Reason() != "signal: killed" {
		t.Errorf("deaf, it ended with %s", p.Reason())
	}
	if _, err := Start(exec.Command("/no such program")); err == nil {
		t.Error("a program that is not there was started")
	}
}
