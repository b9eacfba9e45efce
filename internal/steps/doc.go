// Package steps counts the instructions of a piece of code, exactly and without hardware counters, which virtual machines seldom have: one process goes through
// another's code instruction by instruction (ptrace). A step takes some 3 µs, in nested virtual machines 20, so what is counted is thousands of instructions, not
// milliseconds; but the count does not depend on how busy the machine is.
//
// The process that is looked at says where counting begins and ends ([Counter]); who looks at it starts it ([Trace]):
//
//	c, err := steps.Begin()              // waits for Trace
//	c.Count(func() { fold(records) })    // … as often as one likes; no allocation in between is collected
//	c.End()
//
// All other threads of the process stand still meanwhile: a goroutine that runs for longer than 10 ms is asked to let others run, and what that takes would be counted.
// So what is counted must not wait for anybody, and the garbage collector is to be off.
package steps

import (
	"errors"
	"fmt"
	"io"
)

// ErrUnavailable says that nothing can be counted here: another system than Linux on amd64, or one that does not allow ptrace.
var ErrUnavailable = errors.New("instructions cannot be counted here")

// What the two processes say to one another: the first line of output names the thread, a byte of input says that it is looked at.
const hello = "steps: thread %d\n"

// Begin ties the calling goroutine to its thread and waits until Trace looks at it. out and in are what Trace has of the process: its standard output and input.
func Begin(out io.Writer, in io.Reader) (*Counter, error) {
	c := &Counter{}
	c.tie()
	if _, err := fmt.Fprintf(out, hello, c.thread); err != nil {
		return nil, fmt.Errorf("telling which thread is to be looked at: %w", err)
	}
	if _, err := io.ReadFull(in, make([]byte, 1)); err != nil {
		return nil, fmt.Errorf("waiting to be looked at: %w", err)
	}
	return c, nil
}
