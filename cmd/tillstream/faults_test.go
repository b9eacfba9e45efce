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

// Members are replaced one after the other by ones of another version, as far as others can tell: the fingerprint is another. Then back again, with kills
// in place of orderly ends: a batch that the other version has left half written is finished by it, started once.
func TestPipelineFaultTwoVersions(t *testing.T) {
	r := newRig(t, 18)
	old := []string(nil)
	other := []string{"TILLSTREAM_PROCESSOR_MAX_EVENT_BYTES=8000000"} // no event is as long: the same rows
	replace := func(m *member, env []string, end func(*member)) *member {
		r.advance(1 + r.rnd.IntN(r.events/20))
		end(m)
		r.env = env
		return r.start()
	}
	one, two := r.start(), r.start()
	r.feed(0.3)
	one = replace(one, other, (*member).stop)
	r.feed(0.4)
	two = replace(two, other, (*member).stop)
	r.feed(0.6)
	one = replace(one, old, (*member).kill)
	r.feed(0.8)
	replace(two, old, (*member).kill)
	r.until("the old version, or a lane that asks for the other", func() bool {
		return r.passed() >= r.sent || one.said("lane stopped") || r.members[len(r.members)-1].said("lane stopped")
	})
	if r.passed() < r.sent { // a kill fell between two INSERTs of a table: that is what the sentence names
		for _, m := range r.members {
			m.stop()
		}
		r.members = nil
		r.env = other
		again := r.start()
		r.until("the version that began the batch", func() bool { return r.passed() >= r.sent })
		again.stop()
		r.members, r.env = nil, old
		r.start()
	}
	r.settle()
}
