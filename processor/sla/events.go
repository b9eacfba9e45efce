package sla

// Counts are events that are good or bad: attempts to pay and those that failed, answers and those below a value. They add up.
type Counts struct {
	Bad, All       int64
	RawBad, RawAll int64 // as if nothing were excluded
	Missing        int64 // events that are known to be lost: holes in the numbering of a till
}

// Rate is the promise bad/all op limit (error rate). Lost events may all have been bad, or none. Fewer than least events, lost ones
// among them, or none, are no ground for a verdict.
func (c *Counts) Rate(op Op, limit Ratio, least int64, running bool) Result {
	r := Result{
		Actual: Ratio{c.Bad, c.All}, Raw: Ratio{c.RawBad, c.RawAll}, Coverage: c.coverage(),
		Low: Ratio{c.Bad + c.Missing, c.All + c.Missing}, High: Ratio{c.Bad, c.All + c.Missing},
	}
	if !op.falling() {
		r.Low, r.High = r.High, r.Low
	}
	c.judge(&r, op, limit, least, running)
	return r
}

// Share is the promise good/all ≥ target, as of answers below a value (share_below). A percentile is kept by the same count: p90 ≤ v, by nearest
// rank, says that at least 0.9 of all values are at most v. So no sketch decides.
func (c *Counts) Share(target Share, least int64, running bool) Result {
	r := Result{
		Actual: Ratio{c.All - c.Bad, c.All}, Raw: Ratio{c.RawAll - c.RawBad, c.RawAll}, Coverage: c.coverage(),
		Low: Ratio{c.All - c.Bad, c.All + c.Missing}, High: Ratio{c.All - c.Bad + c.Missing, c.All + c.Missing},
	}
	c.judge(&r, Gte, Ratio{int64(target), int64(One)}, least, running)
	return r
}

func (c *Counts) coverage() Ratio { return Ratio{c.All, c.All + c.Missing} }

func (c *Counts) judge(r *Result, op Op, limit Ratio, least int64, running bool) {
	if op.judge(r, limit, running); c.All+c.Missing < max(least, 1) {
		r.Verdict = NotApplicable
	}
}

// Sums are values that are averaged: Σ value and n. They add up.
type Sums struct {
	Sum, N       int64
	RawSum, RawN int64 // as if nothing were excluded
	Missing      int64 // values that are known to be lost
	Most         int64 // none is greater: a timeout counts at its value; 0: there is no such bound
}

// Mean is the promise Σ value / n op limit. Lost values may have been anything from 0 to Most.
func (s *Sums) Mean(op Op, limit Ratio, least int64, running bool) Result {
	r := Result{Actual: Ratio{s.Sum, s.N}, Raw: Ratio{s.RawSum, s.RawN}, Coverage: Ratio{s.N, s.N + s.Missing}}
	small, large := Ratio{s.Sum, s.N + s.Missing}, Ratio{s.Sum + s.Missing*s.Most, s.N + s.Missing}
	if s.Missing > 0 && s.Most <= 0 {
		large = Ratio{1<<63 - 1, 1}
	}
	if r.Low, r.High = small, large; op.falling() {
		r.Low, r.High = large, small
	}
	if op.judge(&r, limit, running); s.N < max(least, 1) {
		r.Verdict = NotApplicable
	}
	return r
}

// Slices are stretches of equal length that are judged one by one (budgetingMethod Timeslices): good, bad, or nobody knows. At most Ahead are
// still to come.
type Slices struct{ Good, Bad, Unknown, Ahead int64 }

// Add counts the slice of a time in which so many of all events were bad; too few events, or none, make no slice.
func (s *Slices) Add(c Counts, op Op, limit Ratio, least int64) {
	switch r := c.Rate(op, limit, least, false); r.Verdict {
	case Met:
		s.Good++
	case Breached:
		s.Bad++
	case Undetermined:
		s.Unknown++
	}
}

// Figures are slices as if they were time, one ms each: availability, bounds and verdict are the same.
func (s *Slices) Figures(running bool) Figures {
	n := s.Good + s.Bad + s.Unknown
	return Figures{
		Committed: n, Counted: n, Unknown: s.Unknown, RawUnknown: s.Unknown, Down: s.Bad, RawDown: s.Bad,
		Ahead: s.Ahead, Running: running,
	}
}
