package agreement

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/registry"
)

// Past says where a book says something else than an earlier one of what was in force before an instant (ms): what was decided by a text stays
// decided by it. What was in force nowhere yet may be changed, and an amendment may be appended (Amends), which says openly what it changes. Both books must have passed Check.
func Past(was, is Book, now int64) ([]*Problem, error) {
	var out []*Problem
	before, after := was.reader(), is.reader()
	for _, name := range slices.Sorted(maps.Keys(was.Agreements)) {
		old, err := before.stretches(name)
		if err != nil {
			return nil, err
		}
		var current []Stretch
		if is.Agreements[name] != nil {
			if current, err = after.stretches(name); err != nil {
				return nil, err
			}
		}
		for _, s := range old {
			if s.Span.From >= now {
				break
			}
			if p := s.changed(is, current, len(was.Agreements[name].Versions), now); p != nil {
				out = append(out, p)
				break // the rest follows from it
			}
		}
	}
	return out, nil
}

// changed says what became of a stretch that has begun; nil: nothing. known is how many versions there were.
func (s *Stretch) changed(is Book, current []Stretch, known int, now int64) *Problem {
	today := dateOf(now, s.Resolved)
	until := today + 1 // the first day that is not in force yet
	if s.Until != nil {
		until = min(until, *s.Until)
	}
	at := Place{KindAgreement, s.Agreement, "spec.versions"}
	since := fmt.Sprintf("version %d of %s has been in force since %s", s.Version, s.Agreement, s.First)
	if is.Agreements[s.Agreement] == nil {
		return &Problem{at, since + ": it cannot be removed; end it with a version that has to: a day to come", nil}
	}
	for d := s.First; d < until; {
		i := slices.IndexFunc(current, func(c Stretch) bool { return c.First <= d && (c.Until == nil || d < *c.Until) })
		if i < 0 {
			return &Problem{at, fmt.Sprintf("%s, but not on %s any more: a version ends tomorrow (%s) or later", since, d, today+1), nil}
		}
		c := current[i]
		kept := c.Resolved
		for kept.Amendment > known { // what is amended now stays below it as it was
			kept = kept.Amended
		}
		if p := s.differs(kept, since, today); p != nil {
			return p
		}
		if c.Until == nil {
			break
		}
		d = *c.Until
	}
	return nil
}

// differs names the first field in which a text is another one.
func (s *Resolved) differs(c *Resolved, since string, today registry.Date) *Problem {
	advice := fmt.Sprintf("; what was agreed until now stays: append a version from %s or later", today+1)
	at := Place{KindAgreement, s.Agreement, fmt.Sprintf("spec.versions[%d]", c.Version-1)}
	if c.Amendment > 0 {
		at.Path = fmt.Sprintf("spec.versions[%d]", c.Amendment-1)
	}
	switch {
	case s.Amendment != c.Amendment:
		at.Path = "spec.versions"
		return &Problem{at, fmt.Sprintf("%s, amended by version %d, not %d: an amendment that was applied stays; append another", since, s.Amendment, c.Amendment), nil}
	case s.Hash() == c.Hash():
		if was := s.Signed; (was.On != nil || was.By != nil || was.Document != "") && !was.equal(c.Signed) {
			at.Path += ".signed"
			return &Problem{at, since + ", signed; the signature cannot be changed afterwards", nil}
		}
		if s.Reason != c.Reason {
			at.Path += ".amends.reason"
			return &Problem{at, since + "; the reason of an amendment cannot be changed afterwards", nil}
		}
		if s.Amended != nil {
			return s.Amended.differs(c.Amended, since, today)
		}
		return nil
	case s.Version != c.Version || s.From != c.From:
		at.Path += ".from"
		return &Problem{at, fmt.Sprintf("%s, now version %d would be, from %s on%s", since, c.Version, c.From, advice), nil}
	case s.Type != c.Type || s.Level != c.Level:
		at.Path = "spec.type"
		if s.Type == c.Type {
			at.Path = "spec.level"
		}
		return &Problem{at, fmt.Sprintf("%s as %s, %s%s", since, s.Type, s.Level, "; type and level of an agreement stay: begin another agreement"), nil}
	}
	was, is := s.Values(), c.Values()
	for _, path := range slices.Sorted(maps.Keys(union(was, is))) {
		if was[path] == is[path] || strings.HasSuffix(path, ".sloRef") {
			continue
		}
		at = c.Text.at(path, at)
		return &Problem{at, fmt.Sprintf("%s with %s %s, not %s%s", since, path, said(was[path]), said(is[path]), advice), nil}
	}
	return nil
}

func said(v string) string {
	if v == "" {
		return "not said"
	}
	return v
}

func union(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

func (s Signature) equal(o Signature) bool {
	same := (s.On == nil) == (o.On == nil) && (s.On == nil || *s.On == *o.On)
	return same && slices.Equal(s.By, o.By) && s.Document == o.Document
}
