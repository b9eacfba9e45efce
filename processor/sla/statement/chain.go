package statement

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// Broken says where a chain breaks, and why.
type Broken struct {
	Number uint64 // of the statement at which it breaks; 0 if it cannot be told
	Period string
	What   string
}

func (b *Broken) Error() string {
	switch {
	case b.Number == 0:
		return "the chain is broken: " + b.What
	case b.Period == "":
		return fmt.Sprintf("the chain breaks at statement %d: %s", b.Number, b.What)
	}
	return fmt.Sprintf("the chain breaks at statement %d (%s): %s", b.Number, b.Period, b.What)
}

// Verified is what Verify found in order.
type Verified struct {
	First, Last uint64 // numbers; First is 1 if all of the chain was there
	Head        string // hash of the last one: whoever keeps it knows later that none was taken away
	Documents   []*Document
}

// Verify proves that statements of one agreement, in any order, are the links of its chain: that each is what its hash says, that each names the hash of
// the one before it, that none is missing in between, and that each restatement names what it replaces. A chain may begin later than with the first
// statement; what was before it is then not proved. The error is a *[Broken].
func Verify(all []Signed) (Verified, error) {
	type link struct {
		*Signed
		*Document
	}
	links := make([]link, len(all))
	for i := range all {
		s := &all[i]
		if is := Hash(s.Statement); is != s.Hash {
			b := &Broken{What: fmt.Sprintf("its content has the hash %s, it was published with %s: it was changed since", is, s.Hash)}
			if d, err := s.Document(); err == nil {
				b.Number, b.Period = d.Chain.Number, d.Period.Name
			}
			return Verified{}, b
		}
		d, err := s.Document()
		if err != nil {
			return Verified{}, &Broken{What: err.Error()}
		}
		if !bytes.Equal(d.Canonical(), s.Statement) {
			return Verified{}, &Broken{d.Chain.Number, d.Period.Name, "it is not in canonical form: it was not written by tillstream"}
		}
		links[i] = link{s, d}
	}
	slices.SortStableFunc(links, func(a, b link) int { return cmp.Compare(a.Chain.Number, b.Chain.Number) })

	var out Verified
	newest := map[string]link{} // by period
	for i, l := range links {
		c, stop := l.Chain, func(format string, args ...any) (Verified, error) {
			return out, &Broken{l.Chain.Number, l.Period.Name, fmt.Sprintf(format, args...)}
		}
		if c.Number == 0 {
			return stop("statement of %s is provisional and in no chain: leave it out", l.Period.Name)
		}
		was, restated := newest[l.Period.Name]
		if i > 0 {
			switch before := links[i-1]; {
			case l.Agreement.Name != before.Agreement.Name:
				return stop("it is of agreement %s, the one before it of %s", l.Agreement.Name, before.Agreement.Name)
			case c.Number == before.Chain.Number && l.Hash == before.Hash:
				continue // given twice
			case c.Number == before.Chain.Number:
				return stop("there are two of this number, %s and %s", before.Hash, l.Hash)
			case c.Number != before.Chain.Number+1:
				return stop("statement %d is missing before it", before.Chain.Number+1)
			case c.Previous != before.Hash:
				return stop("it names %s as the one before it, which is %s", cmp.Or(c.Previous, "nothing"), before.Hash)
			case l.At.Before(before.At):
				return stop("it was published before statement %d", before.Chain.Number)
			}
		}
		switch {
		case c.Number == 1 && c.Previous != "":
			return stop("it is the first and names one before it")
		case c.Number > 1 && c.Previous == "":
			return stop("it does not name the one before it")
		case restated && l.Revision != was.Revision+1:
			return stop("it is revision %d, the last one of the period was %d", l.Revision, was.Revision)
		case restated && c.Replaces != was.Hash:
			return stop("it says that it replaces %s; what was published of the period is %s", cmp.Or(c.Replaces, "nothing"), was.Hash)
		case !restated && links[0].Chain.Number == 1 && (l.Revision != 1 || c.Replaces != ""):
			return stop("it replaces a statement of the period that was never published")
		case (l.Revision > 1) != (c.Replaces != ""):
			return stop("it is revision %d and names %s as what it replaces", l.Revision, cmp.Or(c.Replaces, "nothing"))
		}
		newest[l.Period.Name] = l
		if out.First == 0 {
			out.First = c.Number
		}
		out.Last, out.Head = c.Number, l.Hash
		out.Documents = append(out.Documents, l.Document)
	}
	return out, nil
}
