package processor

import "errors"

var (
	// ErrRejected says that the sink refused a block and will refuse it again: nothing of it was written.
	ErrRejected = errors.New("refused for good")
	// ErrFenced says that the group has moved on: this member no longer owns the lane.
	ErrFenced = errors.New("fenced by a newer generation of the group")
	// ErrUnacknowledged says that the answer to a commit did not come. The coordinator may still take it, even after commits that were
	// sent later; only a new generation keeps it out.
	ErrUnacknowledged = errors.New("the commit was not acknowledged and may still happen")
)
