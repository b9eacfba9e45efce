package evaluation

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
)

// Store is what is known of a store. Instants are ms since 1970 UTC.
type Store struct {
	ID         string
	Registered *registry.Store
	Runs       map[string][]sla.Run // by terminal: its timeline; what is open ends at the instant of the evaluation, or where nothing is known any more
	Outages    []Outage
	Works      []Work
	Incidents  []Incident
	Payments   []Payments
	Tills      map[string]*Till // by terminal
	Limits     []int64          // ms, rising: of each payments knows how many answers took at most so long
}

// Till is what is kept of a terminal beside its timeline; all in order of time.
type Till struct {
	Unheard   []interval.Span // times without any evidence of it: those that are longer than usual; what is open ends at the instant of the evaluation
	Payments  []Payments      // its own
	Tries     []Try           // the same by short stretches
	Responses []Payments      // what its reports say of its own answers
}

// Try is the attempts to pay that ended in a stretch of time, which begins at At and is one of Wants.Slot.
type Try struct{ At, Attempts, Failed int64 }

// Outage is one of a terminal, as pos.outages has it, with who answers for it.
type Outage struct {
	interval.Span
	Ref, Terminal                    string
	Party, Supplier, Rule, DecidedBy string
}

// Work is a maintenance: Spans is what was announced, approved and really used.
type Work struct {
	Ref        string
	Kind       string   // planned, urgent, customer_requested; "" is planned
	Terminals  []string // none: the whole store
	Spans      interval.Set
	NoticeAt   int64 // 0: no notice was given
	ApprovedBy string
	ApprovedAt int64
	Reason     string
}

// Incident is one that was not cancelled. Instants are 0 where nobody said.
type Incident struct {
	Ref                                               string
	Severity, Party                                   string
	Terminals, Services                               []string // none: all
	Started, Detected, Opened, Acknowledged, Resolved int64
	Pauses                                            interval.Set
}

// Payments are the attempts of an hour (UTC) with one service of payment.
type Payments struct {
	Hour             int64 // its beginning
	Service          string
	Attempts, Failed int64
	AuthMS, AuthN    int64   // sum and number of the answers of hosts
	Counted          int64   // of these, those of which the exact value is kept
	Lost             int64   // answers that there may have been beside, and of which nothing is kept
	Within           []int64 // of these, those that took at most each of the store's Limits
}

// within is how many answers are known to have taken at most so many ms, which is one of the store's limits.
func (p *Payments) within(s *Store, ms int64) int64 {
	if i, found := slices.BinarySearch(s.Limits, ms); found {
		return p.Within[i]
	}
	return 0
}

// maintenanceKind is how agreements name it.
func (w *Work) maintenanceKind() string {
	switch w.Kind {
	case "", "planned":
		return "planned_maintenance"
	case "urgent":
		return "urgent_maintenance"
	}
	return w.Kind
}

// claim is what is claimed by a maintenance. Whoever approved and is not named as the provider did so for the customer, with whom maintenance is agreed.
func (w *Work) claim(t *Text) sla.Claim {
	c := sla.Claim{
		Ref: w.Ref, Kind: w.maintenanceKind(), Party: "provider", Spans: w.Spans, NoticeAt: w.NoticeAt,
		DecidedBy: w.ApprovedBy, DecidedAt: w.ApprovedAt, Note: w.Reason,
	}
	if w.Kind == "customer_requested" {
		c.Party = "customer"
	}
	for by := range strings.SplitSeq(w.ApprovedBy, ",") {
		switch by = strings.TrimSpace(by); by {
		case "":
		case "provider", t.Terms.Parties.Provider:
			c.Approved |= sla.ByProvider
		default:
			c.Approved |= sla.ByCustomer
		}
	}
	return c
}

// forceMajeure is both a party and a kind.
const forceMajeure = "force_majeure"

func (o *Outage) claim() sla.Claim {
	c := sla.Claim{Ref: o.Ref, Party: o.Party, Supplier: o.Supplier, Spans: interval.Of(o.Span), DecidedBy: o.DecidedBy, Note: o.Rule}
	if o.Party == forceMajeure {
		c.Kind = forceMajeure
	}
	return c
}

// covers says whether a list of terminals has one; an empty list has all.
func covers(terminals []string, id string) bool {
	return len(terminals) == 0 || slices.Contains(terminals, id)
}

// Scope is about what a statement is.
type Scope struct {
	Kind  string // terminal, store, service, customer
	Name  string
	Store string // of a terminal or a store
}

// Compare orders scopes.
func (s Scope) Compare(o Scope) int {
	return cmp.Or(strings.Compare(s.Kind, o.Kind), strings.Compare(s.Store, o.Store), strings.Compare(s.Name, o.Name))
}
