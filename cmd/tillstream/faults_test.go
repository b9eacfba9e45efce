package main

import (
	"syscall"
	"testing"
)

// Without any fault: what the others are measured by.
func TestPipelineFaultNone(t *testing.T) {
	r := newRig(t, 1)
	r.start()
	r.settle()
}

// kill -9 of everything, again and again, at moments that are a number of offsets and so fall into the work on any machine.
func TestPipelineFaultKills(t *testing.T) {
	r := newRig(t, 2)
	r.start()
	for i, kill := range []func(){
		func() { r.members[len(r.members)-1].kill(); r.start() },
		r.killEngine,
		func() {
			r.broker.Kill()
			if err := r.broker.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		r.killEngine,
		func() {
			r.broker.Kill()
			r.killEngine()
			r.members[len(r.members)-1].kill()
			if err := r.broker.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.start()
		},
	} {
		r.feed(float64(i+1) / 6)
		r.advance(1 + r.rnd.IntN(r.events/8))
		kill()
	}
	r.settle()
}

// A member that is stopped for longer than its session, so that another takes its lanes, and then goes on as if nothing had been.
func TestPipelineFaultZombie(t *testing.T) {
	r := newRig(t, 3)
	first := r.start()
	r.feed(0.3)
	r.advance(1 + r.rnd.IntN(r.events/8))
	r.start()
	first.signal(syscall.SIGSTOP)
	r.feed(0.6)
	r.until("the lanes of a member that is stopped", func() bool { return r.passed() >= r.sent })
	first.signal(syscall.SIGCONT)
	r.settle()
}

// Members that come and go, some in order and some killed, about one a second.
func TestPipelineFaultChurn(t *testing.T) {
	r := newRig(t, 4)
	r.start()
	for i := range 6 {
		r.feed(float64(i+1) / 7)
		r.advance(1 + r.rnd.IntN(r.events/30))
		r.start()
		r.advance(1 + r.rnd.IntN(r.events/30))
		leaver := r.members[len(r.members)-2]
		if i == 3 {
			leaver.kill()
		} else {
			leaver.stop()
		}
	}
	r.settle()
}
