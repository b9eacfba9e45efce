package steps

import (
	"os"
	"runtime"
	_ "unsafe" // for go:linkname

	"golang.org/x/sys/unix"
)

// What a thread tells who looks at it, by signals to itself.
const (
	turn = unix.SIGUSR1  // counting begins, or ends
	from = unix.SIGWINCH // what was counted since it began does not count
	end  = unix.SIGUSR2  // nothing more will be counted
)

// Counter marks what is counted.
type Counter struct{ process, thread int }

func (c *Counter) tie() {
	runtime.LockOSThread()
	c.process, c.thread = os.Getpid(), unix.Gettid()
}

// Count has the instructions of f counted. It must be called by the goroutine that called Begin.
func (c *Counter) Count(f func()) {
	procPin() // else the thread might wait for one that stands still, to give its turn away
	c.say(turn)
	deep(1)
	c.say(from)
	f()
	c.say(turn)
	procUnpin()
}

// deep is a function that looks whether its stack is large enough. That the goroutine has run for long, and others wait, is said by a stack too small: so it is found here, and
// not by what is counted, which it would take 96 instructions: all other threads stand still already.
//
//go:noinline
func deep(n int) {
	if n > 0 {
		deep(n - 1)
	}
}

// End says that nothing more will be counted.
func (c *Counter) End() { c.say(end) }

// say does not tell Go's scheduler of the call.
func (c *Counter) say(s unix.Signal) {
	unix.RawSyscall(unix.SYS_TGKILL, uintptr(c.process), uintptr(c.thread), uintptr(s))
}

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()
