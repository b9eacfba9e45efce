package sla

// Result is what an objective comes to in a period. Ratios without a value mean that there is none.
type Result struct {
	Actual   Ratio // what was measured
	Raw      Ratio // as if nothing were excused
	Low      Ratio // the worst and the best it can have been, given what nobody knows; worst and best in the sense of the objective
	High     Ratio
	Coverage Ratio // how much of what counts was measured
	Verdict  Verdict
	Few      bool // made of so few that the mean is noise (domain 3.4)
}

// Op compares a figure with the value that was promised (OpenSLO).
type Op uint8

// The comparisons.
const (
	Lte Op = iota
	Lt
	Gte
	Gt
)

// Keeps says whether a figure keeps what was promised, exactly. Both must have a value.
func (op Op) Keeps(figure, limit Ratio) bool {
	c := figure.Cmp(limit)
	switch op {
	case Lt:
		return c < 0
	case Gte:
		return c >= 0
	case Gt:
		return c > 0
	}
	return c <= 0
}

// falling says whether less is better.
func (op Op) falling() bool { return op == Lt || op == Lte }

// judge compares bounds with a limit. What can still change in a period that runs is never breached before its end: more events may come than
// have come.
func (op Op) judge(r *Result, limit Ratio, running bool) {
	switch {
	case !r.Low.OK():
		r.Verdict = NotApplicable
	case op.Keeps(r.Low, limit):
		r.Verdict = Met
	case running:
		r.Verdict = AtRisk
	case op.Keeps(r.High, limit):
		r.Verdict = Undetermined
	default:
		r.Verdict = Breached
	}
}

// Result is that of an objective about time, with a target.
func (f *Figures) Result(target Share) Result {
	return Result{Actual: f.Availability(), Raw: f.Raw(), Low: f.Low(), High: f.High(), Coverage: f.Coverage(), Verdict: f.Verdict(target)}
}
