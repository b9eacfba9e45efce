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
		out = append(out, b.missing(name)...)
	}
	r := b.reader()
	for _, name := range slices.Sorted(maps.Keys(b.Agreements)) {
		if len(out) > 0 && b.faulty(name, out, map[string]bool{}) {
			continue // it would only be said again, less clearly
		}
		_, err := r.stretches(name)
		for _, p := range Problems(err) {
			if !slices.ContainsFunc(out, func(q *Problem) bool { return q.Place == p.Place }) {
				out = append(out, p)
			}
		}
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

// missing are references to what is not there, or cannot be meant.
func (b Book) missing(name string) []*Problem {
	var out []*Problem
	a := b.Agreements[name]
	wrong := func(what, format string, args ...any) {
		out = append(out, &Problem{Place{KindAgreement, name, fmt.Sprintf(format, args...)}, what, nil})
	}
	look := func(inherits []string, s *Standing, path string) {
		for i, up := range inherits {
			if b.Agreements[up] == nil {
				wrong("there is no Agreement "+up, "%s.inherits[%d]", path, i)
			}
		}
		for i, up := range s.BackedBy {
			switch x := b.Agreements[up]; {
			case x == nil:
				wrong("there is no Agreement "+up, "%s.backedBy[%d]", path, i)
			case x.Type == "sla":
				wrong(up+" is of type sla; what backs an agreement is of type ola or underpinning", "%s.backedBy[%d]", path, i)
			}
		}
	}
	look(a.Inherits, &a.Standing, "spec")
	for i := range a.Versions {
		v, path := &a.Versions[i], fmt.Sprintf("spec.versions[%d]", i)
		look(v.Inherits, &v.Standing, path)
		for n, o := range v.Objectives {
			if _, there := b.SLOs[o.SLORef]; o.SLORef != "" && !there {
				wrong("there is no SLO "+o.SLORef, "%s.objectives[%d].sloRef", path, n)
			}
		}
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
