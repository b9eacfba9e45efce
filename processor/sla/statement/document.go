package statement

import (
	"errors"
	"fmt"
	"time"

	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
)

// Format names the form of a document. A document of another form is not read.
const Format = "tillstream/statement/v1"

// Document is the statement of a period of an agreement. Fields that say nothing are left out of its JSON. Instants are in the zone of the agreement, whole ms.
type Document struct {
	Format     string      `json:"format"`
	Agreement  Agreement   `json:"agreement"`
	Period     Period      `json:"period"`
	Revision   uint32      `json:"revision"` // 0 provisional, 1 final, from 2 on restated
	Stage      sla.Stage   `json:"stage"`
	At         time.Time   `json:"published_at"` // when it was reckoned
	Reason     string      `json:"reason,omitzero"`
	Chain      Link        `json:"chain"`
	Texts      []Text      `json:"texts"` // in force in the period, in order
	Summary    Summary     `json:"summary"`
	Objectives []Objective `json:"objectives"` // of all texts, in their order
	Backing    []Backing   `json:"backing,omitzero"`
	Rights     []Right     `json:"rights,omitzero"`         // beyond money, at the end of the period
	MoreRights int         `json:"rights_omitted,omitzero"` // more of them than are listed
	Rows       Digests     `json:"rows"`
}

// Agreement says whose a statement is.
type Agreement struct {
	Name     string `json:"name"`
	Title    string `json:"title,omitzero"` // for people
	Type     string `json:"type"`           // sla, ola, underpinning
	Level    string `json:"level"`
	Zone     string `json:"timezone"` // IANA; of all dates
	Provider Party  `json:"provider"`
	Customer Party  `json:"customer"`
}

// Party is a side of an agreement.
type Party struct {
	ID   string `json:"id"`
	Name string `json:"name,omitzero"`
}

// Period is what is measured, [From, To).
type Period struct {
	Name string    `json:"name"` // 2026-10, as [ParsePeriod] reads it
	Unit sla.Unit  `json:"unit"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Link is the place of a statement in the chain of its agreement.
type Link struct {
	Number   uint64 `json:"number"`            // 1, 2, 3 … in the order of publication; 0 of a provisional one, which is in no chain
	Previous string `json:"previous,omitzero"` // hash of the statement before it; none of the first
	Replaces string `json:"replaces,omitzero"` // of a restated one, the hash of the statement of the same period before it
}

// Text is a text of the agreement and the part of the period in which it is in force.
type Text struct {
	Version   int       `json:"version"`
	Amendment int       `json:"amendment,omitzero"`        // number of the version that amends it; the signature is of that one
	Amends    string    `json:"amendment_reason,omitzero"` // and why
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Hash      string    `json:"hash"` // as tillstream sla resolve gives it
	Signed    string    `json:"signed_on,omitzero"`
	By        []string  `json:"signed_by,omitzero"`
	Document  string    `json:"signed_document,omitzero"`
	Review    string    `json:"review_due,omitzero"` // the next one after the period
	Announce  string    `json:"review_notice,omitzero"`
}

// Summary is all of it in one place.
type Summary struct {
	Verdict sla.Verdict `json:"verdict"` // the worst of those objectives that have money, or of all if none has
	Tally   Tally       `json:"tally"`   // of the scopes of all objectives that are not only reported
	Money   *Money      `json:"money,omitzero"`
}

// Tally counts verdicts.
type Tally struct {
	Met           int `json:"met"`
	Breached      int `json:"breached"`
	Undetermined  int `json:"undetermined"`
	AtRisk        int `json:"at_risk"`
	NotApplicable int `json:"not_applicable"`
}

// Money is what all credits of a period come to. Amounts are decimals in Currency.
type Money struct {
	Currency   string         `json:"currency"`         // ISO 4217
	Base       Amount         `json:"base,omitzero"`    // of the period; none: it is not known here
	Due        Amount         `json:"due"`              // the sum of the credits, before what is at risk bounds it
	Limit      Amount         `json:"at_risk,omitzero"` // the most that all of them may reach
	Paid       Amount         `json:"credit"`           // what is credited
	EarnedBack Amount         `json:"earned_back"`      // of earlier credits, by this good period
	Pending    bool           `json:"pending"`          // more may come, once what is undetermined is determined
	Claim      sla.ClaimState `json:"claim,omitzero"`
	ClaimUntil *time.Time     `json:"claim_until,omitzero"` // the first instant at which it is too late
}

// Objective is one promise of a text and what came of it.
type Objective struct {
	Name        string  `json:"name"`
	Text        int     `json:"text"` // which of the texts, from 1
	Version     int     `json:"version"`
	Indicator   string  `json:"indicator"`
	Per         string  `json:"per"`             // terminal, store, service, customer
	Weight      string  `json:"weight,omitzero"` // key: it costs nothing
	Reported    bool    `json:"report,omitzero"` // only reported
	Description string  `json:"description,omitzero"`
	Promise     Promise `json:"promise"`
	Tally       Tally   `json:"tally"`
	Credit      *Amount `json:"credit,omitzero"` // of all its scopes, in the currency of the summary

	Scopes []Scope `json:"scopes"`                  // those that fare worst first
	Others int     `json:"scopes_omitted,omitzero"` // more scopes than are listed

	Days     []Day      `json:"days,omitzero"` // that have something of it, of all its scopes together
	Evidence []Evidence `json:"evidence,omitzero"`
	Totals   []Total    `json:"evidence_totals,omitzero"` // of all evidence
	Query    string     `json:"evidence_query,omitzero"`  // SQL that lists all of it
}

// Promise is what a figure is compared with.
type Promise struct {
	Op    string `json:"op"`             // gte, gt, lte, lt: the figure is op the limit if the promise is kept
	Limit string `json:"limit,omitzero"` // a decimal: a share of one, or ms
	Unit  Unit   `json:"unit"`           // of figure and limit
	Stat  string `json:"statistic,omitzero"`
	Value string `json:"value,omitzero"` // of share_below and of slices: what each value is compared with
	Slice int64  `json:"slice_ms,omitzero"`
	Least string `json:"min_coverage,omitzero"` // below it a figure is not to be believed
}

// Unit is what a figure counts in.
type Unit string

// The units.
const (
	Share Unit = "share"
	MS    Unit = "ms"
)

// Scope is one terminal, store, service or customer of which there is a verdict.
type Scope struct {
	ID       string      `json:"id"` // as in pos.sla_compliance
	Verdict  sla.Verdict `json:"verdict"`
	Actual   *Figure     `json:"actual,omitzero"`
	Raw      *Figure     `json:"raw,omitzero"` // as if nothing were excluded
	Low      *Figure     `json:"low,omitzero"`
	High     *Figure     `json:"high,omitzero"`
	Coverage *Figure     `json:"coverage,omitzero"`
	Was      *Figure     `json:"was,omitzero"` // of a restated one, the figure that it replaces
	Few      bool        `json:"few,omitzero"`
	Note     string      `json:"note,omitzero"` // why there is no figure
	Outages  int64       `json:"outages,omitzero"`
	Time     *Lengths    `json:"time,omitzero"`
	Credit   *Credit     `json:"credit,omitzero"`
}

// Lengths are those of domain 3.1, ms.
type Lengths struct {
	Committed int64  `json:"committed_ms"`
	Excluded  int64  `json:"excluded_ms"`
	Counted   int64  `json:"counted_ms"`
	Unknown   int64  `json:"unknown_ms"`
	Down      int64  `json:"down_ms"`
	Budget    string `json:"budget_ms,omitzero"` // exact
}

// Credit is what a scope comes to.
type Credit struct {
	Due        Amount `json:"due"`
	Paid       Amount `json:"paid"` // after what is at risk and the minimum
	Pending    bool   `json:"pending,omitzero"`
	EarnedBack Amount `json:"earned_back,omitzero"` // of an earlier credit
}

// Day is what of a local date was not as promised, ms of committed or counted time.
type Day struct {
	Date     string `json:"date"`
	Down     int64  `json:"down_ms,omitzero"`
	Unknown  int64  `json:"unknown_ms,omitzero"`
	Excluded int64  `json:"excluded_ms,omitzero"`
}

// Evidence is a reason for a figure, a row of pos.sla_evidence.
type Evidence struct {
	Scope     string       `json:"scope"`
	Kind      string       `json:"kind"` // outage, unknown, exclusion, incident, payments, answers, slice
	Ref       string       `json:"ref,omitzero"`
	From      time.Time    `json:"from"`
	To        time.Time    `json:"to"`
	Counted   int64        `json:"counted_ms"`
	Events    int64        `json:"counted_events,omitzero"`
	Decision  sla.Decision `json:"decision"`
	Party     string       `json:"party,omitzero"`
	Rule      string       `json:"rule,omitzero"`
	DecidedBy string       `json:"decided_by,omitzero"`
	DecidedAt *time.Time   `json:"decided_at,omitzero"`
	Note      string       `json:"note,omitzero"`
}

// Total is the sum of all evidence with one decision.
type Total struct {
	Kind     string       `json:"kind"`
	Decision sla.Decision `json:"decision"`
	Rows     int          `json:"rows"`
	Counted  int64        `json:"counted_ms"`
}

// Backing is how an agreement fares on which this one rests.
type Backing struct {
	Agreement string      `json:"agreement"`
	Verdict   sla.Verdict `json:"verdict"`
}

// Right is what a party may do beyond money, since an objective was not kept for a scope in so many periods within a time.
type Right struct {
	Right     string   `json:"right"`
	Breaches  int      `json:"breaches"`        // so many are agreed
	Within    string   `json:"within,omitzero"` // and in so long, as it is written: 12M
	Objective string   `json:"objective"`
	Scope     string   `json:"scope"`
	Periods   []string `json:"periods"`          // in breach that ground it
	Pending   bool     `json:"pending,omitzero"` // not all of them are final
}

// Digests are of all rows that a document was made of, listed or not.
type Digests struct {
	Verdicts Digest `json:"verdicts"`
	Evidence Digest `json:"evidence"`
}

// check says what is wrong with a document that somebody else may have written.
func (d *Document) check() error {
	if _, err := registry.Zone(d.Agreement.Zone); err != nil {
		return fmt.Errorf("timezone: %w", err)
	}
	if !d.Period.From.Before(d.Period.To) {
		return errors.New("the period ends before it begins")
	}
	for i := range d.Objectives {
		o := &d.Objectives[i]
		for _, x := range o.Days {
			for _, ms := range []int64{x.Down, x.Unknown, x.Excluded} {
				if ms < 0 || ms > 1<<50 {
					return fmt.Errorf("objective %s, day %s: %d is no length", o.Name, x.Date, ms)
				}
			}
		}
		for j := range o.Scopes {
			s := &o.Scopes[j]
			for _, f := range []*Figure{s.Actual, s.Raw, s.Low, s.High, s.Coverage, s.Was} {
				if f != nil && (f.Of <= 0 || *f != *FigureOf(sla.Ratio{Part: f.Part, Of: f.Of})) {
					return fmt.Errorf("objective %s, scope %s: %s is not %d/%d", o.Name, s.ID, f.Value, f.Part, f.Of)
				}
			}
		}
	}
	return nil
}

// localise puts instants that were read, which know only their offset, into the zone of the agreement.
func (d *Document) localise() {
	zone, err := registry.Zone(d.Agreement.Zone)
	if err != nil {
		return
	}
	local := func(all ...*time.Time) {
		for _, t := range all {
			if t != nil {
				*t = t.In(zone)
			}
		}
	}
	local(&d.Period.From, &d.Period.To, &d.At)
	for i := range d.Texts {
		local(&d.Texts[i].From, &d.Texts[i].To)
	}
	if d.Summary.Money != nil {
		local(d.Summary.Money.ClaimUntil)
	}
	for i := range d.Objectives {
		for j := range d.Objectives[i].Evidence {
			e := &d.Objectives[i].Evidence[j]
			local(&e.From, &e.To, e.DecidedAt)
		}
	}
}
