package agreement

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/registry"
)

// checker collects what is wrong with one agreement as it is written.
type checker struct {
	name     string
	problems []*Problem
}

func (c *checker) wrong(path, format string, args ...any) {
	c.problems = append(c.problems, &Problem{Place{KindAgreement, c.name, path}, fmt.Sprintf(format, args...), nil})
}

// Check says what is wrong with an agreement by itself.
func (a *Agreement) Check(name string) []*Problem {
	c := &checker{name: name}
	for _, x := range []struct{ path, value, takes string }{{"spec.type", a.Type, "type"}, {"spec.level", a.Level, "level"}} {
		if x.value == "" {
			c.wrong(x.path, "it is needed: one of %s", strings.Join(Enums[x.takes], ", "))
		}
	}
	c.values(reflect.ValueOf(*a), "spec")
	if len(a.Versions) == 0 {
		c.wrong("spec.versions", "it is needed: at least one version, with the date from which it holds")
	}
	c.versions(a.Versions)
	for i := range a.Versions {
		v := &a.Versions[i]
		path := fmt.Sprintf("spec.versions[%d]", i)
		if d := v.Signed.Document; d != "" && !sha256Text.MatchString(d) {
			c.wrong(path+".signed.document", "%q is not sha256: and 64 hexadecimal digits, of the document that was signed", d)
		}
		c.exclusions(path, v.Exclusions)
		c.objectives(path, v.Objectives)
		c.remedies(path+".remedies", &v.Remedies)
	}
	return c.problems
}

var (
	sha256Text = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	currency   = regexp.MustCompile(`^[A-Z]{3}$`)
	entryName  = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9_:.-]{0,126}[A-Za-z0-9])?$`)
)

// versions sees that they are numbered and follow each other.
func (c *checker) versions(all []Version) {
	before := -1
	for i := range all {
		v, path := &all[i], fmt.Sprintf("spec.versions[%d]", i)
		if v.Version != i+1 {
			c.wrong(path+".version", "it must be %d: versions are numbered 1, 2, 3, … and only ever appended", i+1)
		}
		last := &Version{}
		if before >= 0 {
			last = &all[before]
		}
		if v.Amends == (Amends{}) {
			before = i
		}
		switch {
		case v.Amends != (Amends{}):
			c.amendment(path, all, i)
		case v.From == nil:
			c.wrong(path+".from", "it is needed: the first day of this version")
		case v.To != nil && *v.To <= *v.From:
			c.wrong(path+".to", "it must be after from: it is the first day on which the version is over")
		case last.From != nil && *v.From <= *last.From:
			c.wrong(path+".from", "%s is not after %s, on which the version before begins", v.From, last.From)
		case last.To != nil && *v.From < *last.To:
			c.wrong(path+".from", "%s is before %s, on which the version before is over", v.From, last.To)
		}
	}
}

// amendment sees that a version amends one that there is, while that holds, and that it is signed.
func (c *checker) amendment(path string, all []Version, i int) {
	v := &all[i]
	n := v.Amends.Version
	if n < 1 || n > i || all[n-1].Amends.Version != 0 {
		c.wrong(path+".amends.version", "it takes the number of an earlier version that is no amendment itself; of two amendments of one version the later holds")
		return
	}
	if v.Amends.Reason == "" {
		c.wrong(path+".amends.reason", "it is needed: statements that are restated carry it")
	}
	if v.Signed.On == nil || len(v.Signed.By) < 2 || v.Signed.Document == "" {
		c.wrong(path+".signed", "an amendment changes what was decided, so both parties sign it: it needs on, by (one of each at least) and document")
	}
	from, over := all[n-1].From, ends(all, n-1)
	switch {
	case from == nil: // that was said
	case v.From == nil:
		c.wrong(path+".from", "it is needed: the first day for which version %d is amended", n)
	case *v.From < *from, over != nil && *v.From >= *over:
		c.wrong(path+".from", "on %s version %d is not in force, which it amends", v.From, n)
	case v.To != nil && (*v.To <= *v.From || over != nil && *v.To > *over):
		c.wrong(path+".to", "it must be after from, and not after the end of version %d, which it amends", n)
	}
}

// ends is when a version that is no amendment is over; nil: never.
func ends(all []Version, i int) *registry.Date {
	if all[i].To != nil {
		return all[i].To
	}
	for _, v := range all[i+1:] {
		if v.Amends.Version == 0 {
			return v.From
		}
	}
	return nil
}

// values sees that fields take what their tags say.
func (c *checker) values(v reflect.Value, path string) {
	for i := range v.NumField() {
		f, x := v.Type().Field(i), v.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		at := path + "." + name
		switch takes := f.Tag.Get("takes"); {
		case f.Anonymous:
			c.values(x, path)
		case x.IsZero() && x.Kind() != reflect.Struct:
		case takes != "" && x.Kind() == reflect.Slice:
			for j := range x.Len() {
				c.value(x.Index(j), takes, fmt.Sprintf("%s[%d]", at, j))
			}
		case takes != "":
			c.value(x, takes, at)
		case x.Kind() == reflect.Slice && x.Type().Elem().Kind() == reflect.Struct && !isText(x.Type().Elem()):
			for j := range x.Len() {
				c.values(x.Index(j), fmt.Sprintf("%s[%d]", at, j))
			}
		case x.Kind() == reflect.Struct && !isText(x.Type()):
			c.values(x, at)
		}
	}
}

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func (c *checker) value(v reflect.Value, takes, path string) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case Decimal:
		if x.Nano() < 0 || x.Nano() > nano {
			c.wrong(path, "%s is no share from 0 to 1: 99.5 %% is 0.995", x)
		}
	case Duration:
		if _, clock := x.Clock(); takes == "clock" && !clock {
			c.wrong(path, "%s depends on the calendar; it takes hours, minutes and seconds, such as 72h or 3m", x)
		} else if takes == "calendar" && (clock || x.Empty()) && !x.IsZero() {
			c.wrong(path, "%s is not of the calendar; it takes days or months, such as 30d or 6M", x)
		}
	case int:
		c.count(int64(x), path)
	case int64:
		c.count(x, path)
	case string:
		switch takes {
		case "zone":
			if _, err := registry.Zone(x); err != nil {
				c.wrong(path, "%v", err)
			}
		case "currency":
			if !currency.MatchString(x) {
				c.wrong(path, "%q is not three capital letters (ISO 4217)", x)
			}
		default:
			if !slices.Contains(Enums[takes], x) {
				c.wrong(path, "%q is not one of %s", x, strings.Join(Enums[takes], ", "))
			}
		}
	}
}

func (c *checker) count(n int64, path string) {
	if n < 0 {
		c.wrong(path, "it must not be negative")
	}
}

// keys sees that entries have keys of their own.
func keys[E entry](c *checker, path string, all []E, needed string) {
	seen := map[string]bool{}
	for i, e := range all {
		key := e.key()
		switch {
		case key == "" || key == "party:":
			c.wrong(fmt.Sprintf("%s[%d]", path, i), "%s", needed)
		case !entryName.MatchString(key):
			c.wrong(fmt.Sprintf("%s[%d]", path, i), "%q is no name: names are letters, digits and - _ . : in between", key)
		case seen[key]:
			c.wrong(fmt.Sprintf("%s[%d]", path, i), "%s is there twice; give one of them a name of its own, as name: …", key)
		}
		seen[key] = true
	}
}

func (c *checker) exclusions(path string, all []Exclusion) {
	keys(c, path+".exclusions", all, "it needs a kind, or the party whose fault is excluded")
	for i, e := range all {
		at := fmt.Sprintf("%s.exclusions[%d]", path, i)
		maintenance := strings.HasSuffix(e.Kind, "_maintenance") || e.Kind == "customer_requested"
		switch {
		case e.Kind != "" && e.Party != "":
			c.wrong(at+".party", "an exclusion is of a kind or of a party, not both; write two")
		case e.Party != "" && (!e.Notice.IsZero() || !e.Cap.IsZero() || e.Within != nil), e.Kind == "force_majeure" && (!e.Notice.IsZero() || e.Within != nil):
			c.wrong(at, "notice, cap and within are of maintenance, which is planned; faults are not")
		case e.Except != nil && e.Kind != "" && maintenance:
			c.wrong(at+".except", "it names suppliers, whose faults count all the same; maintenance has none")
		}
		for j, w := range e.Within {
			if w.rule == nil {
				continue
			}
			path := fmt.Sprintf("%s.within[%d]", at, j)
			c.values(reflect.ValueOf(*w.rule), path)
			if err := w.rule.check(); err != nil {
				c.wrong(path, "%v", err)
			}
		}
	}
}

func (c *checker) objectives(path string, all []Objective) {
	keys(c, path+".objectives", all, "it needs a name")
	for i := range all {
		o, at := &all[i], fmt.Sprintf("%s.objectives[%d]", path, i)
		for name, w := range o.Of {
			if w.Nano() <= 0 {
				c.wrong(at+".of."+name, "a weight is above 0")
			}
			if name == o.Name {
				c.wrong(at+".of."+name, "it cannot be a part of itself")
			}
		}
		if o.Off == nil || !*o.Off {
			c.problems = append(c.problems, o.misfits(Place{KindAgreement, c.name, at})...)
		}
	}
}

func (c *checker) remedies(path string, r *Remedies) {
	keys(c, path+".credits", r.Credits, "it needs the objective whose breach it is for")
	for i, x := range r.Credits {
		at := fmt.Sprintf("%s.credits[%d]", path, i)
		for j, t := range x.Tiers {
			tier := fmt.Sprintf("%s.tiers[%d]", at, j)
			switch {
			case t.Below.IsZero() == t.Above.IsZero():
				c.wrong(tier, "it needs either below (a share) or above (a number or a duration)")
			case t.Credit.IsZero():
				c.wrong(tier+".credit", "it is needed: the share of the fee, such as 0.1")
			case j > 0 && !t.Below.IsZero() && !x.Tiers[j-1].Below.IsZero() && t.Below.Nano() >= x.Tiers[j-1].Below.Nano(),
				j > 0 && !t.Above.IsZero() && !x.Tiers[j-1].Above.IsZero() && t.Above.Number().Cmp(x.Tiers[j-1].Above.Number()) <= 0:
				c.wrong(tier, "tiers go from the slightest breach to the worst; this one is not beyond the one before")
			case j > 0 && t.Credit.Nano() < x.Tiers[j-1].Credit.Nano():
				c.wrong(tier+".credit", "a worse breach must not cost less than the tier before")
			}
		}
		if p := x.PerUnit; p != (PerUnit{}) && (p.Every.IsZero() || p.Every.Number().Sign() <= 0 || p.Credit.IsZero()) {
			c.wrong(at+".per_unit", "it needs every (above 0) and credit, as {every: 1h, over: 4h, credit: 0.01}")
		}
		if x.Fixed == nil && (x.Each != "" || x.Cap != nil) {
			c.wrong(at, "each and cap are of a fixed amount")
		}
	}
	if m := r.Repeat.Multiply; !m.IsZero() && m.Nano() < nano {
		c.wrong(path+".repeat.multiply", "%s would make it cheaper; it takes 1 or more", m)
	}
	for i, e := range r.Escalate {
		if e.Breaches == 0 || e.Right == "" {
			c.wrong(fmt.Sprintf("%s.escalate[%d]", path, i), "it needs breaches and right, as {breaches: 3, within: 12M, right: terminate}")
		}
	}
}
