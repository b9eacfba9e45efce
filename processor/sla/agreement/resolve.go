package agreement

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
)

// Book is all agreements there are, and the OpenSLO objectives to which they refer, by name; nil is one that could not be read.
type Book struct {
	Agreements map[string]*Agreement
	SLOs       map[string]*SLO
}

// SLO is what an OpenSLO SLO, with its SLI, says of an objective.
type SLO struct {
	Objective Objective
	Period    string // Periods
	Timezone  string
	Paths     map[string]string // where the SLO says it, by field of Objective, and of Period and Timezone: period, timezone
}

// KindAgreement and KindSLO are kinds of objects.
const (
	KindAgreement = "Agreement"
	KindSLO       = "SLO"
)

// Problem is what is wrong, where. Other is the other place, where there are two.
type Problem struct {
	Place
	What  string
	Other *Place
}

func (p *Problem) Error() string {
	if p.Other != nil {
		return fmt.Sprintf("%s: %s (%s)", p.Place, p.What, p.Other)
	}
	return fmt.Sprintf("%s: %s", p.Place, p.What)
}

// ErrNotInForce says that no version of an agreement is in force on a date.
var ErrNotInForce = errors.New("no version is in force")

// Resolved is the text of an agreement in force on a date: its own, and what it inherits.
type Resolved struct {
	Agreement   string
	Type, Level string
	Version     int
	From        registry.Date // first day of the version; the text may be younger, when what it inherits changed since
	Amendment   int           // number of the version that amends it; 0: none does. Signed is then of the amendment
	Amended     *Resolved     // by the amendment: the text in force without it
	Reason      string        // of the amendment
	Signed      Signature
	Text
}

// Canonical is the text as JSON: keys sorted, no blanks, numbers as in the file except that decimals and durations are texts in one form.
// It is the same for the same text, whatever the order of keys, entries and files, and says nothing about when the text ends, who signed it,
// or where which part of it was inherited from. A later version of tillstream writes the same.
func (r *Resolved) Canonical() []byte {
	terms := r.Terms
	terms.Objectives = slices.Clone(terms.Objectives)
	for i := range terms.Objectives {
		terms.Objectives[i].SLORef = "" // what the SLO says is there
	}
	raw, err := json.Marshal(struct {
		Agreement string        `json:"agreement"`
		Type      string        `json:"type"`
		Level     string        `json:"level"`
		Version   int           `json:"version"`
		From      registry.Date `json:"from"`
		Amendment int           `json:"amendment,omitzero"`
		Terms     Terms         `json:"terms"`
	}{r.Agreement, r.Type, r.Level, r.Version, r.From, r.Amendment, terms})
	var tree any
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		err = d.Decode(&tree)
	}
	var out bytes.Buffer
	if err == nil {
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		err = e.Encode(tree)
	}
	if err != nil {
		panic(fmt.Sprintf("agreement: a text as JSON: %v", err)) // it cannot fail
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// Hash is the SHA-256 of Canonical, as sha256:….
func (r *Resolved) Hash() string {
	sum := sha256.Sum256(r.Canonical())
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Measured says whether it is an agreement between two, and not a text for others to inherit.
func (r *Resolved) Measured() bool {
	return r.Terms.Parties.Provider != "" && r.Terms.Parties.Customer != ""
}

// Zone is the time zone of its dates; UTC if it names none.
func (r *Resolved) Zone() *time.Location {
	if zone, err := registry.Zone(r.Terms.Timezone); err == nil {
		return zone
	}
	return time.UTC
}

// on is the version in force on a date, which may be an amendment; nil if there is none. Of several amendments the one with the highest number holds.
func (a *Agreement) on(d registry.Date) (i int, v *Version) {
	i, v = a.without(d)
	for j := len(a.Versions) - 1; v != nil && j > i; j-- {
		if x := &a.Versions[j]; x.Amends.Version == v.Version && x.From != nil && *x.From <= d && (x.To == nil || d < *x.To) {
			return j, x
		}
	}
	return i, v
}

// without is the version in force on a date if nothing is amended; nil if there is none.
func (a *Agreement) without(d registry.Date) (i int, v *Version) {
	for i := len(a.Versions) - 1; i >= 0; i-- {
		v := &a.Versions[i]
		if v.Amends.Version == 0 && v.From != nil && *v.From <= d {
			if v.To != nil && *v.To <= d {
				return -1, nil
			}
			return i, v
		}
	}
	return -1, nil
}

// inherits is what it inherits in a version.
func (a *Agreement) inherits(v *Version) []string {
	if v.Inherits != nil {
		return v.Inherits
	}
	return a.Inherits
}

// inheritsAt is where that is said.
func (a *Agreement) inheritsAt(name string, i, n int) Place {
	if a.Versions[i].Inherits != nil {
		return Place{KindAgreement, name, fmt.Sprintf("spec.versions[%d].inherits[%d]", i, n)}
	}
	return Place{KindAgreement, name, fmt.Sprintf("spec.inherits[%d]", n)}
}

// Resolve is the text of an agreement in force on a date. The error is ErrNotInForce, or holds Problems.
func (b Book) Resolve(name string, on registry.Date) (*Resolved, error) {
	return b.reader().resolve(name, on)
}

// reader resolves texts of a book that does not change meanwhile, and remembers what each version says.
type reader struct {
	Book
	versions map[*Version]Text
}

func (b Book) reader() *reader { return &reader{b, map[*Version]Text{}} }

func (b *reader) resolve(name string, on registry.Date) (*Resolved, error) {
	a := b.Agreements[name]
	if a == nil {
		return nil, fmt.Errorf("there is no Agreement %s", name)
	}
	i, v := a.on(on)
	if v == nil {
		return nil, fmt.Errorf("Agreement %s: %w on %s", name, ErrNotInForce, on)
	}
	line, err := b.line(name, on)
	if err != nil {
		return nil, err
	}
	out := &Resolved{Agreement: name, Type: a.Type, Level: a.Level, Version: v.Version, From: *v.From, Signed: v.Signed}
	if v.Amends.Version != 0 {
		if out.Amended, err = b.unamended(name, i).Resolve(name, on); err != nil {
			return nil, err
		}
		out.Version, out.From, out.Amendment, out.Reason = out.Amended.Version, out.Amended.From, v.Version, v.Amends.Reason
	}
	for _, ancestor := range slices.Backward(line) {
		own, err := b.own(ancestor, on)
		if err != nil {
			return nil, err
		}
		out.Text = own.Over(out.Text)
	}
	var problems []error
	for _, c := range out.Conflicts() {
		problems = append(problems, &Problem{c.By, c.Field + " is final in what it inherits: leave it out here, or agree on it there", &c.Final})
	}
	if len(problems) == 0 {
		problems = out.complete(b.Book, i, on)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	out.settle()
	return out, nil
}

// unamended is the book without one amendment.
func (b Book) unamended(name string, i int) Book {
	a := *b.Agreements[name]
	a.Versions = slices.Clone(a.Versions)
	a.Versions[i].From = nil // so it is never in force, and the others keep their places
	out := Book{maps.Clone(b.Agreements), b.SLOs}
	out.Agreements[name] = &a
	return out
}

// settle leaves out entries that are not agreed.
func (r *Resolved) settle() {
	t := &r.Terms
	t.Exclusions, t.Objectives, t.Remedies.Credits = kept(t.Exclusions), kept(t.Objectives), kept(t.Remedies.Credits)
	for i := range t.Exclusions {
		t.Exclusions[i].Off = nil
	}
	for i := range t.Objectives {
		t.Objectives[i].Off = nil
	}
	for i := range t.Remedies.Credits {
		t.Remedies.Credits[i].Off = nil
	}
}

// kept are the entries that are agreed.
func kept[E entry](all []E) []E {
	var out []E
	for _, e := range all {
		if !e.dropped() {
			out = append(out, e)
		}
	}
	return out
}

// own is what an agreement itself says on a date, which is in one of its versions.
func (b *reader) own(name string, on registry.Date) (Text, error) {
	a := b.Agreements[name]
	i, v := a.on(on)
	if out, known := b.versions[v]; known {
		return out, nil
	}
	out := textOf(v.Terms, func(path string) Place {
		return Place{KindAgreement, name, fmt.Sprintf("spec.versions[%d].%s", i, path)}
	})
	for _, o := range v.Objectives {
		if o.SLORef == "" {
			continue
		}
		slo := b.SLOs[o.SLORef]
		if slo == nil {
			return Text{}, fmt.Errorf("there is no SLO %s that can be read", o.SLORef)
		}
		out = out.Over(slo.text(o.Name, o.SLORef))
	}
	out = out.Over(textOf(Terms{Standing: a.Standing}, func(path string) Place { return Place{KindAgreement, name, "spec." + path} }))
	b.versions[v] = out
	return out, nil
}

// text is what it says of an objective.
func (s *SLO) text(objective, name string) Text {
	o := s.Objective
	o.Name = objective
	prefix := fmt.Sprintf("objectives[%s]", objective)
	out := textOf(Terms{Objectives: []Objective{o}}, func(path string) Place {
		return Place{KindSLO, name, cmp.Or(s.Paths[strings.TrimPrefix(path, "objectives[0].")], "spec")}
	})
	delete(out.said, prefix)
	delete(out.said, prefix+".name")
	return out
}

// Stretch is a time in which the text of an agreement is the same, [From, To) in local dates and as instants (ms).
type Stretch struct {
	*Resolved
	First registry.Date
	Until *registry.Date // nil: for ever
	Span  interval.Span
}

// Stretches are all texts of an agreement, in the order of time. Each of its versions is at least one, and more if what it inherits changes
// meanwhile. A date begins in the time zone of the text that is in force from then on.
func (b Book) Stretches(name string) ([]Stretch, error) { return b.reader().stretches(name) }

func (b *reader) stretches(name string) ([]Stretch, error) {
	if b.Agreements[name] == nil {
		return nil, fmt.Errorf("there is no Agreement %s", name)
	}
	var out []Stretch
	var problems []error
	days := b.days(name)
	for i, d := range days {
		until := (*registry.Date)(nil)
		if i+1 < len(days) {
			until = &days[i+1]
		}
		r, err := b.resolve(name, d)
		switch n := len(out); {
		case errors.Is(err, ErrNotInForce):
		case err != nil:
			problems = append(problems, err)
		case n > 0 && out[n-1].Until != nil && *out[n-1].Until == d && out[n-1].same(r):
			out[n-1].Until = until
		default:
			out = append(out, Stretch{Resolved: r, First: d, Until: until})
		}
	}
	for i := range out {
		s := &out[i]
		s.Span = interval.Span{From: registry.Begins(s.Zone(), s.First), To: interval.Max}
		if s.Until != nil {
			s.Span.To = registry.Begins(s.Zone(), *s.Until)
		}
		if i > 0 && *out[i-1].Until == s.First {
			out[i-1].Span.To = s.Span.From
		}
	}
	return out, errors.Join(problems...)
}

// same says whether two texts are the same, and amend the same.
func (r *Resolved) same(o *Resolved) bool {
	if r == nil || o == nil {
		return r == o
	}
	return bytes.Equal(r.Canonical(), o.Canonical()) && r.Amended.same(o.Amended)
}

// days are those on which the text of an agreement may change.
func (b Book) days(name string) []registry.Date {
	var out []registry.Date
	seen := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		a := b.Agreements[name]
		if a == nil || seen[name] {
			return
		}
		seen[name] = true
		for _, up := range a.Inherits {
			visit(up)
		}
		for i := range a.Versions {
			v := &a.Versions[i]
			for _, d := range []*registry.Date{v.From, v.To} {
				if d != nil {
					out = append(out, *d)
				}
			}
			for _, up := range v.Inherits {
				visit(up)
			}
		}
	}
	visit(name)
	slices.Sort(out)
	return slices.Compact(out)
}
