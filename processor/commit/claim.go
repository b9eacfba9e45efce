package commit

import (
	"errors"
	"fmt"
	"slices"
)

// ClaimTable is where an owner says what a batch is before it writes anything of it. The claims of one number of a lane have one token, so that
// ClickHouse keeps the first.
const ClaimTable = "claims"

// Nobody is the fingerprint of claims by which an epoch is ended. It comes last in the order of marks: should a token be forgotten, it is still
// this claim that the table shows.
const Nobody = "~"

// ErrOvertaken says that somebody else has claimed the number of a batch, or a higher one, so that nothing of it may be written. Whoever meant
// to is not the lane's owner any more, or became it a moment too early to see the claim: [Recover] tells.
var ErrOvertaken = errors.New("another process has claimed the number of this batch")

// Claimed says whether a batch may be written: mine is its claim, held the claims as they were read after that was written. finishing says that
// it was begun by somebody else, who may have been of another version, even of one that did not say what it judged unknown.
func Claimed(mine Mark, finishing bool, held []Held) error {
	var newest Mark
	for _, h := range held {
		if h.Table == ClaimTable && newer(h.Mark, newest) {
			newest = h.Mark
		}
	}
	switch {
	case newer(mine, newest):
		return fmt.Errorf("reading the claim of batch %d back: the table does not hold it (newest is batch %d); if somebody deleted rows of tillstream.%s, %s",
			mine.Batch, newest.Batch, ClaimTable, AdoptAll)
	case newer(newest, mine), !slices.Equal(newest.Ranges, mine.Ranges), !finishing && newest.Fingerprint != mine.Fingerprint,
		!newest.Unknown.Equal(mine.Unknown) && !(finishing && newest.Unknown == nil):
		return fmt.Errorf("batch %d of epoch %d, claimed as %s: %w", mine.Batch, mine.Epoch, newest, ErrOvertaken)
	}
	return nil
}

// Fence is the claim that keeps the owners of older epochs out of a lane.
func Fence(epoch uint64) Mark { return Mark{Epoch: epoch, Fingerprint: Nobody, Blocks: 1} }

// begins says that this is a Fence: nobody has worked in its epoch for that.
func (h Held) begins() bool { return h.Table == ClaimTable && h.Mark.Batch == 0 }

// Nothing says that the ranges are of a batch without any offset.
func (r Ranges) Nothing() bool {
	return !slices.ContainsFunc(r, func(x Range) bool { return x.To > x.From })
}

// Closing is the claim that ends a lane's epoch: its next batch is one of nothing. Whoever meant to write another finds the number taken, and
// should the epoch not end after all, the next owner writes the batch of nothing and goes on. ok is false for a lane in which nothing was ever
// intended.
func (p *Plan) Closing(epoch uint64) (m Mark, ok bool) {
	m = Mark{Epoch: epoch, Batch: p.Batch + 1, Fingerprint: Nobody, Blocks: 1}
	if p.Pending != nil { // it was ended before
		m.Ranges, m.Unknown = p.Pending.Ranges, p.Pending.Unknown
		return m, true
	}
	for tp, at := range p.Position {
		m.Ranges = append(m.Ranges, Range{tp, at, at})
	}
	m.Ranges.Sort()
	return m, len(m.Ranges) > 0
}
