// Package whatif says what another text of an agreement would have decided and cost, beside what was decided: row by row, with why. It measures nothing
// itself: what it compares was measured by package evaluation, all of it with what is known now, and published before.
//
// Three things are told apart, so that nobody takes one for another:
//
//	decided   what was published of the period, as it stands
//	today     what the text in force comes to with what is known today; shown where it is not what was decided
//	would     what the supposed text comes to with what is known today
//
// Between the first two there is only evidence that came, or was decided, after the period was closed. Between the last two there are only the clauses
// that differ.
package whatif

import (
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
	"github.com/tillstream/tillstream/processor/sla/statement"
)

// Input is what is compared, of one agreement.
type Input struct {
	Agreement string
	Span      interval.Span
	At        int64               // as of which it was measured, ms
	Was, Is   []agreement.Stretch // the texts in force, and the supposed ones; Was may have none
	Decided   map[evaluation.Key]*evaluation.Published
	Today     [][]evaluation.Settlement // by the texts in force, period by period
	Would     [][]evaluation.Settlement // by the supposed ones
}

// Report is the comparison. Amounts are decimals in the currency beside them, instants RFC 3339.
type Report struct {
	Agreement string    `json:"agreement"`
	AsOf      string    `json:"as_of"`
	Texts     []Text    `json:"supposed"` // that are supposed
	Clauses   []Clause  `json:"clauses"`  // that differ from those in force
	Periods   []*Period `json:"periods"`
	Totals    []Total   `json:"totals"` // of all periods, by currency
}

// Text is one that is supposed, and the time for which it is.
type Text struct {
	Version int            `json:"version"`
	From    registry.Date  `json:"from"`               // first day of the version, as it is written
	Amended int            `json:"amendment,omitzero"` // number of the version that amends it
	Hash    string         `json:"hash"`
	First   *registry.Date `json:"supposed_from,omitzero"` // none: all along
	Until   *registry.Date `json:"supposed_until,omitzero"`
}

// Clause is a field that another text says otherwise; "" is not said at all. Of an entry of a list that only one of them has, it is the entry, which is there.
type Clause struct {
	Version int    `json:"version"` // of the text in force
	Path    string `json:"path"`
	Was     string `json:"was"`
	Is      string `json:"is"`
}

// Period is one of the texts in force, or of the supposed ones, or of both.
type Period struct {
	Name   string   `json:"period"`
	From   string   `json:"from"`
	To     string   `json:"to"`
	Rows   []*Row   `json:"rows"`
	Totals []Total  `json:"totals"`
	Notes  []string `json:"notes,omitzero"`

	span interval.Span
}

// Row is an objective and a scope. There is more than one side where a text changes within the period.
type Row struct {
	Objective  string           `json:"objective"`
	Kind       string           `json:"scope_kind"`
	Scope      string           `json:"scope"` // a terminal as store/terminal
	Decided    []*Side          `json:"decided"`
	Would      []*Side          `json:"would"`
	Difference statement.Amount `json:"difference,omitzero"` // of the credits; none where the currencies are two
	Same       bool             `json:"same"`                // figure, target, verdict and credit are
	Promise    bool             `json:"promise_only"`        // nothing but what was promised is otherwise
	Clauses    []string         `json:"clauses,omitzero"`    // that differ and bear on it, by path
	Evidence   []Change         `json:"evidence,omitzero"`   // that was decided otherwise
	Notes      []string         `json:"why,omitzero"`        // else
}

// Side is what one text comes to.
type Side struct {
	Version  int               `json:"version"`
	Stage    sla.Stage         `json:"stage,omitzero"` // of what was published; none: it was not
	Figure   *statement.Figure `json:"figure,omitzero"`
	Low      *statement.Figure `json:"low,omitzero"`
	High     *statement.Figure `json:"high,omitzero"`
	Coverage *statement.Figure `json:"coverage,omitzero"`
	Op       string            `json:"op,omitzero"`
	Target   string            `json:"target,omitzero"`
	Unit     statement.Unit    `json:"unit"`
	Verdict  sla.Verdict       `json:"verdict"`
	Due      statement.Amount  `json:"due"`
	Credit   statement.Amount  `json:"credit"`
	Back     statement.Amount  `json:"earned_back,omitzero"`
	Pending  bool              `json:"pending,omitzero"`
	Currency string            `json:"currency,omitzero"`
	Invoice  string            `json:"invoice_share,omitzero"` // that is credited, where the base is what is invoiced
	Note     string            `json:"note,omitzero"`          // why it cannot be judged
	Today    *Side             `json:"today,omitzero"`         // of what was published: what the text in force comes to now, if that is otherwise

	credit, due, back int64
}

// Change is a piece of evidence of which the texts decide otherwise.
type Change struct {
	Kind string     `json:"kind"`
	Ref  string     `json:"ref"`
	Was  []Decision `json:"was,omitzero"`
	Is   []Decision `json:"is,omitzero"`
}

// Decision is what a text makes of evidence.
type Decision struct {
	Decision sla.Decision `json:"decision"`
	MS       int64        `json:"counted_ms,omitzero"`
	Events   int64        `json:"counted_events,omitzero"`
	Rule     string       `json:"rule,omitzero"`
	Note     string       `json:"note,omitzero"`
}

// Total is money of one currency. Today is what the texts in force come to with what is known now.
type Total struct {
	Currency   string           `json:"currency"`
	Decided    statement.Amount `json:"decided"`
	Today      statement.Amount `json:"today"`
	Would      statement.Amount `json:"would"`
	Difference statement.Amount `json:"difference"` // would less decided
	Back       statement.Amount `json:"earned_back,omitzero"`
	BackWould  statement.Amount `json:"would_earned_back,omitzero"`
	Pending    int              `json:"pending,omitzero"`       // rows that are undetermined, and nobody bears it
	PendWould  int              `json:"would_pending,omitzero"` // the same of the supposed text

	decided, today, would, back, backWould int64
}
