// Package consent folds transactions into what each customer agreed to last.
//
// A till sends the list of purposes that a customer agrees to, with any transaction that names the customer. The list with the latest time holds, whole: a purpose that is not
// in it was not agreed to, or taken back, and an empty list takes all back. No list says nothing. Of two lists of one millisecond the larger text holds, so that rows
// do not depend on the order of records, and the table's max does the rest.
package consent

import (
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table"
)

// Fold holds what the open batch says. It is not safe for concurrent use.
type Fold struct {
	customers table.Table[uint64, said]
	texts     map[string]string // lists that were joined in this batch: there are few
	purposes  []string
	joined    []byte
}

// said is a list of purposes, in order, a line each.
type said struct {
	at   int64 // ms since 1970
	text string
	n    int64 // lists in the batch
}

// New makes a fold with an empty batch.
func New() *Fold { return &Fold{texts: map[string]string{}} }

// Load does nothing: the latest of all batches needs no state.
func (f *Fold) Load(rollup.StateRow) error { return nil }

// Fold takes note of what a customer agreed to. Test events say nothing of real customers.
func (f *Fold) Fold(e *event.Event, _ rollup.Input) {
	c := &e.Transaction.Customer
	if e.Type != event.TypeTransaction || e.Test || c.Pseudonym == 0 || !c.Consent.OK {
		return
	}
	at, text := max(e.Time.Milli, 0), f.text(c.Consent.Value)
	_, s := f.customers.At(table.Mix(c.Pseudonym, 0), c.Pseudonym)
	if s.n++; s.n == 1 || at > s.at || at == s.at && text > s.text {
		s.at, s.text = at, text
	}
}

// text is a list as it is kept. The list belongs to the event and stays as it is.
func (f *Fold) text(purposes []string) string {
	f.purposes = append(f.purposes[:0], purposes...)
	slices.Sort(f.purposes)
	f.joined = f.joined[:0]
	for i, p := range slices.Compact(f.purposes) {
		if i > 0 {
			f.joined = append(f.joined, '\n')
		}
		f.joined = append(f.joined, strings.ReplaceAll(p, "\n", " ")...)
	}
	clear(f.purposes)
	text, ok := f.texts[string(f.joined)]
	if !ok {
		text = string(f.joined)
		f.texts[text] = text
	}
	return text
}

// Seal closes the open batch.
func (f *Fold) Seal(rollup.Version) rollup.Sealed {
	entries := f.customers.Entries()
	if len(entries) == 0 {
		return rollup.Sealed{}
	}
	rows := make([]table.Row, len(entries))
	for i := range entries {
		rows[i] = table.Row{Index: int32(i), Key: [3]uint64{entries[i].Key}}
	}
	var blocks []*rollup.Block
	for _, rows := range table.Months(rows) {
		b := rollup.NewBlock("customer_consent", 0, len(rows))
		customer, latest, lists := b.Uint64("customer"), b.String("latest"), b.SumInt64("lists")
		for i, r := range rows {
			e := &entries[r.Index]
			customer[i], latest[i], lists[i] = e.Key, latestText(e.Value.at, e.Value.text), e.Value.n
		}
		blocks = append(blocks, b.Seal())
	}
	f.customers.Reset()
	clear(f.texts)
	return rollup.Sealed{Blocks: blocks}
}

// latestText is a time and a list in one text, of which the larger one is the later.
func latestText(at int64, purposes string) string {
	var digits [14]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + at%10)
		at /= 10
	}
	return string(digits[:]) + purposes
}
