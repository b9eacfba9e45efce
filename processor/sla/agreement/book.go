package agreement

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Check says what is wrong with agreements: each by itself, and, if there is nothing, what they come to.
func (b Book) Check() []*Problem {
	var out []*Problem
	for _, name := range slices.Sorted(maps.Keys(b.Agreements)) {
		out = append(out, b.Agreements[name].Check(name)...)
	}
	for _, name := range slices.Sorted(maps.Keys(b.Agreements)) {
		if len(out) > 0 && b.faulty(name, out, map[string]bool{}) {
			continue // it would only be said again, less clearly
		}
		_, err := b.Stretches(name)
		for _, p := range Problems(err) {
			if !slices.ContainsFunc(out, func(q *Problem) bool { return q.Place == p.Place }) {
				out = append(out, p)
			}
		}
		out = append(out, b.backing(name)...)
	}
	return out
}

// faulty says whether an agreement, or one that it inherits, has a problem by itself.
func (b Book) faulty(name string, known []*Problem, seen map[string]bool) bool {
	a := b.Agreements[name]
	if a == nil || seen[name] {
		return false
	}
	seen[name] = true
	if slices.ContainsFunc(known, func(p *Problem) bool { return p.Name == name && p.Kind == KindAgreement }) {
		return true
	}
	up := slices.Clone(a.Inherits)
	for _, v := range a.Versions {
		up = append(up, v.Inherits...)
	}
	return slices.ContainsFunc(up, func(next string) bool { return b.faulty(next, known, seen) })
}

// backing sees that what backs an agreement is there and can.
func (b Book) backing(name string) []*Problem {
	var out []*Problem
	a := b.Agreements[name]
	look := func(s Standing, prefix string) {
		for i, up := range s.BackedBy {
			at := Place{KindAgreement, name, fmt.Sprintf("%sbackedBy[%d]", prefix, i)}
			switch x := b.Agreements[up]; {
			case x == nil:
				out = append(out, &Problem{at, "there is no Agreement " + up, nil})
			case x.Type == "sla":
				out = append(out, &Problem{at, up + " is of type sla; what backs an agreement is of type ola or underpinning", nil})
			}
		}
	}
	look(a.Standing, "spec.")
	for i := range a.Versions {
		look(a.Versions[i].Standing, fmt.Sprintf("spec.versions[%d].", i))
	}
	return out
}

// Problems are those that an error holds.
func Problems(err error) []*Problem {
	var many interface{ Unwrap() []error }
	if p := (*Problem)(nil); errors.As(err, &many) {
		var out []*Problem
		for _, e := range many.Unwrap() {
			out = append(out, Problems(e)...)
		}
		return out
	} else if errors.As(err, &p) {
		return []*Problem{p}
	}
	return nil
}
