package agreement

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/registry"
)

// line is an agreement and all it inherits on a date, the nearest first. Of those that are reached twice the last place counts, so that
// whoever inherits is nearer than what it inherits.
func (b Book) line(name string, on registry.Date) ([]string, error) {
	l := liner{book: b, on: on}
	if err := l.visit(name, nil); err != nil {
		return nil, err
	}
	slices.Reverse(l.line) // it was made from its far end
	for _, heir := range l.line {
		a := b.Agreements[heir]
		i, v := a.on(on)
		up := a.inherits(v)
		for n := 1; n < len(up); n++ {
			if slices.Index(l.line, up[n]) < slices.Index(l.line, up[n-1]) {
				return nil, &Problem{a.inheritsAt(heir, i, n), fmt.Sprintf("%s cannot be nearer than %s here: the order in which others inherit says the opposite; put %s first", up[n-1], up[n], up[n]), nil}
			}
		}
	}
	return l.line, nil
}

type liner struct {
	book Book
	on   registry.Date
	line []string // finished ones, the farthest first
}

// visit finishes what a name inherits, from the last to the first, then the name. way is who asked.
func (l *liner) visit(name string, way []string) error {
	if slices.Contains(l.line, name) {
		return nil
	}
	a := l.book.Agreements[name]
	i, v := a.on(l.on)
	up := a.inherits(v)
	way = append(slices.Clip(way), name)
	for n, next := range slices.Backward(up) {
		wrong := func(format string, args ...any) error {
			return &Problem{a.inheritsAt(name, i, n), fmt.Sprintf(format, args...), nil}
		}
		b := l.book.Agreements[next]
		switch {
		case slices.Contains(way, next):
			circle := slices.Concat(way[slices.Index(way, next):], []string{next})
			return wrong("it inherits itself: %s", strings.Join(circle, " inherits "))
		case slices.Index(up, next) != n:
			return wrong("%s is there twice", next)
		case b == nil:
			return wrong("there is no Agreement %s", next)
		case slices.Index(Levels, b.Level) > slices.Index(Levels, a.Level):
			return wrong("%s is of level %s, which is below %s: %s", next, b.Level, a.Level, "a level inherits from its own or from those above, corporate > service > customer")
		}
		if _, there := b.on(l.on); there == nil {
			p := wrong("%s has no version in force on %s, when version %d is", next, l.on, v.Version).(*Problem)
			p.Other = &Place{KindAgreement, next, "spec.versions"}
			return p
		}
		if err := l.visit(next, way); err != nil {
			return err
		}
	}
	l.line = append(l.line, name)
	return nil
}
