package manifest

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/openslo"
)

// Set is everything that is registered.
type Set map[Key]*Object

// sorted are the objects by kind and name, so that what is said of them is always in the same order.
func (s Set) sorted() []*Object {
	return slices.SortedFunc(maps.Values(s), func(a, b *Object) int { return compareKeys(a.Key(), b.Key()) })
}

func compareKeys(a, b Key) int {
	if a.Kind != b.Kind {
		return slices.Index(kinds, a.Kind) - slices.Index(kinds, b.Kind)
	}
	return strings.Compare(a.Name, b.Name)
}

// checker collects what is wrong with the objects of a set.
type checker struct {
	set      Set
	object   *Object
	problems []error
}

// wrong names the line of a path, or of what it is in.
func (c *checker) wrong(path, format string, args ...any) {
	c.problems = append(c.problems, c.object.problem(path, fmt.Sprintf(format, args...)))
}

func (o *Object) problem(path, what string) error {
	if o.file == "" {
		return fmt.Errorf("%s, which is in force and not in the files: %s: %s", o.Key(), path, what)
	}
	return problem(o.file, o.lineOf(path), path, what)
}

// lineOf is the line of a path, or of what it is in.
func (o *Object) lineOf(path string) int {
	for p := path; p != ""; p = p[:max(strings.LastIndexAny(p, ".["), 0)] {
		if l, ok := o.lines[p]; ok {
			return l
		}
	}
	return o.line
}

// where is a place for people.
func (o *Object) where(path string) string {
	if o.file == "" {
		return fmt.Sprintf("%s in %s, which is in force", path, o.Key())
	}
	return fmt.Sprintf("%s:%d: %s", o.file, o.lineOf(path), path)
}

func (c *checker) refers(path, kind, name string) {
	if name != "" && c.set[Key{kind, name}] == nil {
		c.wrong(path, "there is no %s %s", kind, name)
	}
}

// Check says what is wrong with each object, and which refer to what is not there.
func (s Set) Check() error {
	c := &checker{set: s}
	for _, o := range s.sorted() {
		c.object = o
		switch spec := o.Spec.(type) {
		case *Store:
			c.store(spec)
		case *Terminal:
			c.terminal(spec)
		case *Calendar:
			c.calendar(spec)
		case *Holidays:
			for i, d := range spec.Days {
				if d.Date == (HolidayDate{}) {
					c.wrong(fmt.Sprintf("spec.days[%d].date", i), "it is needed")
				}
			}
		case *Party:
			for i, p := range spec.Contacts {
				if p.Name == "" {
					c.wrong(fmt.Sprintf("spec.contacts[%d].name", i), "it is needed")
				}
			}
		case *openslo.SLI:
			c.flaws(spec.Check("spec"))
		case *openslo.SLO:
			c.slo(spec)
		case *openslo.AlertPolicy:
			c.flaws(spec.Check())
		case *agreement.Agreement:
			c.agreement(spec)
		}
	}
	c.add(s.Book().Check())
	return c.err()
}

func (c *checker) err() error { return errors.Join(c.problems...) }

var (
	gln      = regexp.MustCompile(`^\d{13}$`)
	currency = regexp.MustCompile(`^[A-Z]{3}$`)
)

func (c *checker) store(s *Store) {
	if s.GLN != "" && !gln.MatchString(s.GLN) {
		c.wrong("spec.gln", "%q is not 13 digits", s.GLN)
	}
	if s.Timezone == "" {
		c.wrong("spec.timezone", "it is needed: a time zone of the IANA database, such as Europe/Paris")
	}
	c.storeTerms("spec", &s.StoreTerms)
	var last *registry.Date
	for i := range s.Versions {
		v, path := &s.Versions[i], fmt.Sprintf("spec.versions[%d]", i)
		last = c.after(path, last, v.From)
		c.storeTerms(path, &v.StoreTerms)
	}
	if s.OpenedOn != nil && s.ClosedOn != nil && *s.ClosedOn <= *s.OpenedOn {
		c.wrong("spec.closed_on", "it must be after opened_on")
	}
	c.days(s.SpecialDays, s.Closures)
}

// after sees that versions have dates, ascending.
func (c *checker) after(path string, last, from *registry.Date) *registry.Date {
	switch {
	case from == nil:
		c.wrong(path+".from", "it is needed: the first day of this version")
		return last
	case last != nil && *from <= *last:
		c.wrong(path+".from", "%s is not after the version before", from)
	}
	return from
}

func (c *checker) storeTerms(path string, t *StoreTerms) {
	if t.Timezone != "" {
		if _, err := registry.Zone(t.Timezone); err != nil {
			c.wrong(path+".timezone", "%v", err)
		}
	}
	if t.Currency != "" && !currency.MatchString(t.Currency) {
		c.wrong(path+".currency", "%q is not three capital letters (ISO 4217)", t.Currency)
	}
	if t.BusinessDayCutoff != "" {
		if _, err := time.Parse("15:04", t.BusinessDayCutoff); err != nil {
			c.wrong(path+".business_day_cutoff", "%q is no time of day such as 04:00", t.BusinessDayCutoff)
		}
	}
	if t.SellQuorum < 0 || t.SellQuorum > 10_000 {
		c.wrong(path+".sell_quorum", "it takes 1 to 10000 tills")
	}
	c.refers(path+".calendar", KindCalendar, t.Calendar)
	c.refers(path+".line_supplier", KindSupplier, t.LineSupplier)
}

func (c *checker) calendar(s *Calendar) {
	c.calendarTerms("spec", &s.CalendarTerms)
	if s.Week == nil {
		c.wrong("spec.week", "it is needed: the hours of ordinary days, as {mon-fri: [\"09:00-20:00\"]}; a day that is not named is closed")
	}
	var last *registry.Date
	for i := range s.Versions {
		v, path := &s.Versions[i], fmt.Sprintf("spec.versions[%d]", i)
		last = c.after(path, last, v.From)
		c.calendarTerms(path, &v.CalendarTerms)
	}
	c.days(s.SpecialDays, s.Closures)
}

func (c *checker) calendarTerms(path string, t *CalendarTerms) {
	seen := map[time.Weekday]string{}
	for _, key := range slices.Sorted(maps.Keys(t.Week)) {
		days, ok := registry.Weekdays(key)
		if !ok {
			c.wrong(path+".week."+key, "it is no day of the week; they are mon to sun, mon-fri for several, daily for all")
		}
		for _, d := range days {
			if other, twice := seen[d]; twice {
				c.wrong(path+".week."+key, "%s is in %s too", strings.ToLower(d.String()[:3]), other)
			}
			seen[d] = key
		}
	}
	for i, name := range t.Holidays {
		c.refers(fmt.Sprintf("%s.holidays[%d]", path, i), KindHolidays, name)
	}
}

func (c *checker) days(special []SpecialDay, closures []Closure) {
	seen := map[registry.Date]bool{}
	for i, s := range special {
		path := fmt.Sprintf("spec.special_days[%d]", i)
		switch {
		case s.Date == nil:
			c.wrong(path+".date", "it is needed")
		case seen[*s.Date]:
			c.wrong(path+".date", "%s is given twice", s.Date)
		default:
			seen[*s.Date] = true
		}
		if s.Hours == nil {
			c.wrong(path+".hours", "it is needed; [] is closed")
		}
	}
	for i, x := range closures {
		path := fmt.Sprintf("spec.closures[%d]", i)
		switch {
		case x.From == nil:
			c.wrong(path+".from", "it is needed")
		case x.To == nil:
			c.wrong(path+".to", "it is needed: the first day, or the time, at which it is open again")
		case x.From.isDate() != x.To.isDate():
			c.wrong(path+".to", "from and to must both be dates, or both times")
		case !x.From.before(x.To):
			c.wrong(path+".to", "it must be after from")
		}
	}
}

func (c *checker) terminal(t *Terminal) {
	if len(t.Lives) == 0 {
		c.wrong("spec.lives", "it is needed: in which store, from when, until when")
	}
	for i, l := range t.Lives {
		path := fmt.Sprintf("spec.lives[%d]", i)
		if l.Store == "" {
			c.wrong(path+".store", "it is needed")
		}
		c.refers(path+".store", KindStore, l.Store)
		if i > 0 && l.From == nil {
			c.wrong(path+".from", "it is needed: when the terminal came here")
		}
		if i+1 < len(t.Lives) && l.To == nil {
			c.wrong(path+".to", "it is needed: when the terminal left, since it lives on elsewhere later")
		}
	}
	c.terminalTerms("spec", &t.TerminalTerms)
	for i := range t.Versions {
		v, path := &t.Versions[i], fmt.Sprintf("spec.versions[%d]", i)
		if v.From == nil {
			c.wrong(path+".from", "it is needed: when this version begins")
		}
		c.terminalTerms(path, &v.TerminalTerms)
	}
}

func (c *checker) terminalTerms(path string, t *TerminalTerms) {
	c.refers(path+".customer", KindCustomer, t.Customer)
	c.refers(path+".line_supplier", KindSupplier, t.LineSupplier)
	for i, s := range t.Services {
		c.refers(fmt.Sprintf("%s.services[%d]", path, i), KindService, s)
	}
}
