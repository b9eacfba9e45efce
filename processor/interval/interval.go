// Package interval is the algebra of sets of instants: opening hours, exclusions, outages. Everything that the agreements measure is
// the length of such a set (domain: T = P ∩ V ∩ L ∩ S, Q = T \ X, and so on).
//
// Instants are milliseconds since 1970 UTC, spans half-open. Nothing here knows of days, zones or calendars: local rules become instants first.
package interval

import (
	"cmp"
	"math"
	"slices"
)

// The ends of time: a span that begins at Min or ends at Max is open there.
const (
	Min int64 = math.MinInt64
	Max int64 = math.MaxInt64
)

// Span is [From, To).
type Span struct{ From, To int64 }

// Empty says whether a span holds no instant.
func (s Span) Empty() bool { return s.From >= s.To }

// Cut is what two spans share; it may be empty.
func (s Span) Cut(o Span) Span { return Span{max(s.From, o.From), min(s.To, o.To)} }

// Set is a set of instants: spans in order, none empty, none touching the next. The zero value is the empty set. Its methods leave
// it alone; what they return may share its memory.
type Set []Span

// All is every instant.
func All() Set { return Set{{Min, Max}} }

// Of unites spans, in any order, overlapping or not.
func Of(spans ...Span) Set {
	s := slices.DeleteFunc(slices.Clone(spans), Span.Empty)
	slices.SortFunc(s, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	out := s[:0]
	for _, x := range s {
		if n := len(out); n > 0 && x.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, x.To)
			continue
		}
		out = append(out, x)
	}
	return Set(out)
}

// Union is what is in either.
func (s Set) Union(o Set) Set {
	switch {
	case len(s) == 0:
		return o
	case len(o) == 0:
		return s
	}
	out := make(Set, 0, len(s)+len(o))
	for len(s)+len(o) > 0 {
		next := &s
		if len(s) == 0 || len(o) > 0 && o[0].From < s[0].From {
			next = &o
		}
		x := (*next)[0]
		*next = (*next)[1:]
		if n := len(out); n > 0 && x.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, x.To)
			continue
		}
		out = append(out, x)
	}
	return out
}

// Intersect is what is in both.
func (s Set) Intersect(o Set) Set {
	var out Set
	for i, j := 0, 0; i < len(s) && j < len(o); {
		if x := s[i].Cut(o[j]); !x.Empty() {
			out = out.push(x, max(len(s), len(o)))
		}
		if s[i].To < o[j].To {
			i++
		} else {
			j++
		}
	}
	return out
}

// Subtract is what is in s and not in o.
func (s Set) Subtract(o Set) Set {
	if len(o) == 0 {
		return s
	}
	var out Set
	j := 0
	for _, x := range s {
		for j < len(o) && o[j].To <= x.From {
			j++
		}
		for k := j; k < len(o) && o[k].From < x.To; k++ {
			if x.From < o[k].From {
				out = out.push(Span{x.From, o[k].From}, len(s)+len(o)-k)
			}
			x.From = o[k].To
		}
		if !x.Empty() {
			out = out.push(x, len(s)+len(o)-j)
		}
	}
	return out
}

// push appends a span, with room for so many once there is one.
func (s Set) push(x Span, room int) Set {
	if s == nil {
		s = make(Set, 0, room)
	}
	return append(s, x)
}

// Within is what lies in one span.
func (s Set) Within(x Span) Set {
	if x.Empty() {
		return nil
	}
	i := s.after(x.From)
	j := i
	for j < len(s) && s[j].From < x.To {
		j++
	}
	if i == j {
		return nil
	}
	if s[i].From >= x.From && s[j-1].To <= x.To {
		return s[i:j:j]
	}
	out := slices.Clone(s[i:j])
	out[0].From, out[len(out)-1].To = max(out[0].From, x.From), min(out[len(out)-1].To, x.To)
	return out
}

// Overlap is how much of a span is in the set, ms. It allocates nothing.
func (s Set) Overlap(x Span) (ms int64) {
	if x.Empty() {
		return 0
	}
	for i := s.after(x.From); i < len(s) && s[i].From < x.To; i++ {
		ms += min(s[i].To, x.To) - max(s[i].From, x.From)
	}
	return ms
}

// Shared is how much two sets have in common, ms. It allocates nothing.
func (s Set) Shared(o Set) (ms int64) {
	if len(s) == 0 || len(o) == 0 {
		return 0
	}
	i, j := s.after(o[0].From), o.after(s[0].From)
	for i < len(s) && j < len(o) {
		if x := s[i].Cut(o[j]); !x.Empty() {
			ms += x.To - x.From
		}
		if s[i].To < o[j].To {
			i++
		} else {
			j++
		}
	}
	return ms
}

// Next is the first instant of the set that is not before another.
func (s Set) Next(at int64) (first int64, ok bool) {
	i := s.after(at)
	if i == len(s) {
		return 0, false
	}
	return max(at, s[i].From), true
}

// Holds says whether an instant is in the set.
func (s Set) Holds(at int64) bool {
	i := s.after(at)
	return i < len(s) && s[i].From <= at
}

// Length is the sum of the spans, ms. The set must not be open at an end.
func (s Set) Length() (ms int64) {
	for _, x := range s {
		ms += x.To - x.From
	}
	return ms
}

// after is the first span that ends after an instant.
func (s Set) after(at int64) int {
	i, _ := slices.BinarySearchFunc(s, at, func(x Span, at int64) int {
		if x.To <= at {
			return -1
		}
		return 1
	})
	return i
}
