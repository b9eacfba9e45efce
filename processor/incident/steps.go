package incident

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// step is one step of an incident or of maintenance, as it is kept. Times are ms since 1970, 0 where nothing was said.
type step struct {
	record      string // the incident's or the maintenance's id
	maintenance bool

	At     int64  `json:"at"`
	Seq    uint64 `json:"sequence,omitempty"`
	Source string `json:"source"`
	ID     string `json:"id"`

	Step   string `json:"step"`
	Scope  *scope `json:"scope,omitempty"`
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`

	Severity   string `json:"severity,omitempty"`
	StartedAt  int64  `json:"started_at,omitempty"`
	DetectedAt int64  `json:"detected_at,omitempty"`
	DetectedBy string `json:"detected_by,omitempty"`
	Party      string `json:"party,omitempty"`
	Supplier   string `json:"supplier,omitempty"`
	Cause      string `json:"cause,omitempty"`
	Ticket     string `json:"ticket,omitempty"`

	Window        *window `json:"window,omitempty"`
	NoticeGivenAt int64   `json:"notice_given_at,omitempty"`
	ApprovedBy    string  `json:"approved_by,omitempty"`
	Kind          string  `json:"kind,omitempty"`

	content string // all of the above as JSON: what tells two steps apart
}

// compare orders steps by when they happened; steps that say the same are equal.
func (s *step) compare(o *step) int {
	return cmp.Or(s.compareKey(o), strings.Compare(s.content, o.content))
}

// compareKey is compare for what names a step in the tables. Two that differ elsewhere only are a fault of their sender: the greater holds.
func (s *step) compareKey(o *step) int {
	return cmp.Or(cmp.Compare(s.At, o.At), cmp.Compare(s.Seq, o.Seq), strings.Compare(s.Source, o.Source), strings.Compare(s.ID, o.ID))
}

// kept is how many steps of a set are kept at either end. What is in between is of no use: it is neither the earliest nor the latest.
const kept = 512

// merge unites two ordered sets of steps. Whatever is united in whatever order, the same is kept.
func merge(a, b []step) []step {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y step) int { return x.compare(&y) })
	all = slices.CompactFunc(all, func(x, y step) bool { return x.compare(&y) == 0 })
	if n := len(all); n > 2*kept {
		all = slices.Delete(all, kept, n-kept)
	}
	return all
}

// shown are the steps of a set without those that another of the same name outdoes.
func shown(all []step) []step {
	out := make([]step, 0, len(all))
	for i := range all {
		if i+1 == len(all) || all[i].compareKey(&all[i+1]) != 0 {
			out = append(out, all[i])
		}
	}
	return out
}

// seal makes a step comparable, once it is complete.
func (s *step) seal() {
	b, _ := json.Marshal(s) // strings and numbers: it cannot fail
	s.content = string(b)
}

// errState says that a row of state cannot be read.
var errState = errors.New("not a value this version wrote; restore the table tillstream.state, or start the version that wrote it")

func pack(all []step) []byte {
	out := []byte{'['}
	for i := range all {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, all[i].content...)
	}
	return append(out, ']')
}

func unpack(value []byte) ([]step, error) {
	var all []step
	if err := json.Unmarshal(value, &all); err != nil || len(all) == 0 {
		return nil, errState
	}
	return all, nil
}

// sealed are the steps of a value that unpack can read.
func sealed(value []byte) []step {
	all, _ := unpack(value)
	for i := range all {
		all[i].seal()
	}
	return all
}

// unique sorts names and drops repeats.
func unique(all []string) []string {
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// latest is what the latest step says that says something.
func latest[T comparable](all []step, of func(*step) T) (value T, by *step) {
	var nothing T
	for i := len(all) - 1; i >= 0; i-- {
		if v := of(&all[i]); v != nothing {
			return v, &all[i]
		}
	}
	return nothing, nil
}

// first is the earliest step that is wanted, nil if there is none.
func first(all []step, wanted func(*step) bool) *step {
	for i := range all {
		if wanted(&all[i]) {
			return &all[i]
		}
	}
	return nil
}

func is(kind string) func(*step) bool { return func(s *step) bool { return s.Step == kind } }
