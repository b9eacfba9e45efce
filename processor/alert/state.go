package alert

import (
	"cmp"
	"maps"
	"slices"
)

// Fact is something that a rule finds wrong with a scope.
type Fact struct {
	Key
	Severity                             Severity
	Store, Terminal, Contract, Objective string
	Target                               string
	Since                                int64 // when it began, ms since 1970; 0: not known
	For                                  int64 // how long it must have been so, ms
	Value, Threshold                     float64
	Summary                              string
	Muted                                string // why it is not told of, if it is not; what is open is resolved with that
}

// Observation is what the rules make of a Snapshot.
type Observation struct {
	At    int64 // ms since 1970
	Facts []Fact
	// Unseen says of what can be judged neither way, and why; "" if it can.
	Unseen func(a Key) string
	// Announce says that what is open and unseen is to be told to be frozen. Short blindness is not worth telling.
	Announce bool
}

// Policy is how alerts behave, in ms.
type Policy struct {
	ClearAfter int64 // how long it must be over before it is resolved
	Repeat     int64 // how often what is still so is told again; 0: never
}

// State is what is known of alerts: the newest of each rule and scope, open or not. Use NewState.
type State struct {
	policy  Policy
	last    map[Key]Alert
	pending map[Key]int64 // since when a fact is true that does not say itself since when
	over    map[Key]int64 // since when an open alert's fact is not true
}

// NewState begins with alerts that were told of before; of several of one key the one whose transition is the latest counts.
func NewState(policy Policy, last []Alert) *State {
	s := &State{policy: policy, last: map[Key]Alert{}, pending: map[Key]int64{}, over: map[Key]int64{}}
	for _, a := range last {
		if was, ok := s.last[a.Key]; !ok || was.At <= a.At {
			s.last[a.Key] = a
		}
	}
	return s
}

// Open lists the alerts that are not over, by start.
func (s *State) Open() []Alert {
	var out []Alert
	for _, a := range s.last {
		if a.Open() {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b Alert) int { return cmp.Or(cmp.Compare(a.Started, b.Started), cmp.Compare(a.ID, b.ID)) })
	return out
}

// Plan says what is to happen. Nothing has happened before Apply, so it can be planned again.
func (s *State) Plan(o Observation) []Transition {
	facts := map[Key]*Fact{}
	for i := range o.Facts {
		f := &o.Facts[i]
		if was := facts[f.Key]; was == nil || was.Muted != "" && f.Muted == "" {
			facts[f.Key] = f
		}
	}
	keys := map[Key]struct{}{}
	for k := range facts {
		keys[k] = struct{}{}
	}
	for k, a := range s.last {
		if a.Open() {
			keys[k] = struct{}{}
		}
	}
	var out []Transition
	for _, k := range slices.SortedFunc(maps.Keys(keys), func(a, b Key) int { return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Scope, b.Scope)) }) {
		if t, ok := s.judge(k, facts[k], &o); ok {
			out = append(out, t)
		}
	}
	for k := range s.pending {
		if facts[k] == nil {
			delete(s.pending, k)
		}
	}
	return out
}

// judge is Plan for one key.
func (s *State) judge(k Key, f *Fact, o *Observation) (Transition, bool) {
	was, known := s.last[k]
	open := known && was.Open()
	if why := o.Unseen(k); why != "" {
		delete(s.over, k) // it was not seen to be over all the time
		if open && was.Status == Firing && o.Announce {
			return next(was, Froze, Frozen, why, o.At), true
		}
		return Transition{}, false
	}
	switch {
	case f != nil && f.Muted != "":
		if open {
			return next(was, Cleared, Resolved, f.Muted, o.At), true
		}
	case f == nil && open:
		since, waiting := s.over[k]
		if !waiting {
			since = o.At
			s.over[k] = since
		}
		if o.At-since < s.policy.ClearAfter {
			return Transition{}, false
		}
		t := next(was, Cleared, Resolved, "over", o.At)
		t.Ended = max(since, was.Started)
		return t, true
	case f != nil && !open:
		since := f.Since
		if since == 0 {
			if _, waiting := s.pending[k]; !waiting {
				s.pending[k] = o.At
			}
			since = s.pending[k]
		}
		if o.At-since < f.For {
			return Transition{}, false
		}
		var before *Alert
		if known {
			before = &was
		}
		return Transition{Fired, Alert{
			ID: identify(f, before), Key: k, Severity: f.Severity, Status: Firing, Store: f.Store, Terminal: f.Terminal, Contract: f.Contract,
			Objective: f.Objective, Target: f.Target, Started: since, Since: f.Since, Value: f.Value, Threshold: f.Threshold, Summary: f.Summary, Sequence: 1, At: o.At,
		}}, true
	case f != nil:
		delete(s.over, k)
		kind, due := Repeated, s.policy.Repeat > 0 && o.At-was.At >= s.policy.Repeat
		if was.Status == Frozen {
			kind, due = Resumed, true
		}
		if due {
			t := next(was, kind, Firing, "", o.At)
			t.Value, t.Threshold, t.Summary = f.Value, f.Threshold, f.Summary
			return t, true
		}
	}
	return Transition{}, false
}

func next(a Alert, kind Kind, status Status, reason string, at int64) Transition {
	a.Status, a.Reason, a.At = status, reason, at
	a.Sequence++
	if status == Resolved {
		a.Ended = max(at, a.Started)
	}
	return Transition{kind, a}
}

// Apply says that transitions have happened.
func (s *State) Apply(transitions []Transition) {
	for _, t := range transitions {
		s.last[t.Key] = t.Alert
		delete(s.over, t.Key)
		delete(s.pending, t.Key)
	}
}
