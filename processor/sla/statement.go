package sla

import "math/big"

// Stage is how firm a statement is.
type Stage string

// The stages. Before a period is over, and until it is closed, statements are provisional and replace each other silently.
const (
	Provisional Stage = "provisional"
	Final       Stage = "final"
	Restated    Stage = "restated"
)

// Statement is what is published of an objective, a scope and a period: revision 0 provisional, 1 final, 2 and on restated. Statements of a
// period that is made of several versions of an agreement are one for each version: each judges its part.
type Statement struct {
	Revision uint32
	Stage    Stage
	Result   Result
	Credit   int64  // minor units
	At       int64  // when it was reckoned, ms
	Reason   string // of a restatement
	Was      Ratio  // the figure that a restatement replaces
	Text     string // hash of the text by which it was reckoned
}

// LateData is what becomes of evidence that comes after the end of a period, as instants of that period, in ms, not falling.
type LateData struct {
	Accept  int64 // until then late evidence changes what is provisional
	Close   int64 // from then on it is final
	Restate int64 // until then a final statement may be made anew
	// MinChange is by how much of Scale the figure, or a bound of it, must change for that. Scale is 1 for shares, and for other figures
	// the value that was promised.
	MinChange Share
	Scale     Ratio
}

// Next is what is to be published now: published are the statements so far, in order, and now is what is reckoned at an instant, of which Result and
// Credit count. ok is false if nothing is to be published; so it is when the same data are reckoned again.
//
// What is provisional follows the figure until Accept. The first look after that is published even if nothing changed: it stands until Close, when it
// becomes final. A period of which nothing was published by then is final with what is known. A final statement is made anew
// only before Restate, not by a look back from before Close, which sees less (evaluate --as-of, or a clock that is behind), and only if the figure or a bound of it changed enough; or if the figures are the same and what follows of them is
// not, as when the credit of a third breach depends on an earlier period that was restated; or if it is reckoned by another text, as when both parties have
// amended it. What is provisional follows another text whenever it comes.
func (l *LateData) Next(published []Statement, now Statement, at int64, reason string) (next Statement, ok bool) {
	next = Statement{Stage: Provisional, Result: now.Result, Credit: now.Credit, At: at, Text: now.Text}
	if len(published) == 0 {
		if at >= l.Close {
			next.Stage, next.Revision = Final, 1
		}
		return next, true
	}
	last := &published[len(published)-1]
	amended := last.Text != now.Text
	same := last.Result == now.Result && last.Credit == now.Credit && !amended
	switch {
	case last.Stage == Provisional && at >= l.Close:
		next.Stage, next.Revision = Final, 1
		if last.At >= l.Accept && !amended {
			next.Result, next.Credit = last.Result, last.Credit
		}
		return next, true
	case last.Stage == Provisional && at >= l.Accept:
		return next, last.At < l.Accept || amended // else it stands
	case last.Stage == Provisional:
		return next, !same
	case same || at >= l.Restate || !amended && (at < l.Close || !l.enough(&last.Result, &now.Result)):
		return Statement{}, false
	}
	next.Stage, next.Revision, next.Reason, next.Was = Restated, last.Revision+1, reason, last.Result.Actual
	return next, true
}

// enough says whether a change is one that a restatement is made for.
func (l *LateData) enough(was, is *Result) bool {
	if equal(was.Actual, is.Actual) && equal(was.Low, is.Low) && equal(was.High, is.High) {
		return true // what follows of the figures changed
	}
	least := new(big.Rat).Mul(big.NewRat(int64(l.MinChange), int64(One)), rat(l.Scale))
	for _, x := range [][2]Ratio{{was.Actual, is.Actual}, {was.Low, is.Low}, {was.High, is.High}} {
		if x[0].OK() != x[1].OK() {
			return true
		}
		if change := new(big.Rat).Sub(rat(x[0]), rat(x[1])); change.Sign() != 0 && change.Abs(change).Cmp(least) >= 0 {
			return true
		}
	}
	return false
}

// equal says whether two ratios are the same number, or none.
func equal(a, b Ratio) bool { return a.OK() == b.OK() && (!a.OK() || a.Cmp(b) == 0) }

// rat is a ratio exactly; 0 without a value.
func rat(r Ratio) *big.Rat {
	if !r.OK() {
		return new(big.Rat)
	}
	return big.NewRat(r.Part, r.Of)
}
