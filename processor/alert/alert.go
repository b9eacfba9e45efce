package alert

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Rule names what is looked at. The names are a contract.
type Rule string

// All rules.
const (
	TerminalOutage  Rule = "terminal_outage"
	StoreOutage     Rule = "store_outage"
	BurnFast        Rule = "burn_fast"
	BurnSlow        Rule = "burn_slow"
	Breach          Rule = "breach"
	BudgetExhausted Rule = "budget_exhausted"
	AtRisk          Rule = "at_risk"
	CoverageLow     Rule = "coverage_low"
	RevisionDue     Rule = "revision_due"
	ClaimDeadline   Rule = "claim_deadline"
	SalesSilence    Rule = "sales_silence"
	Backlog         Rule = "backlog"
	SequenceHoles   Rule = "sequence_holes"
	DeadLetters     Rule = "dead_letters"
	PipelineLag     Rule = "pipeline_lag"
	PipelineBlind   Rule = "pipeline_blind"
)

// Rules lists all of them, as docs/alerting.md does.
func Rules() []Rule {
	return []Rule{
		TerminalOutage, StoreOutage, BurnFast, BurnSlow, Breach, BudgetExhausted, AtRisk, CoverageLow, RevisionDue, ClaimDeadline,
		SalesSilence, Backlog, SequenceHoles, DeadLetters, PipelineLag, PipelineBlind,
	}
}

// Severity says who is told: somebody at once, or whoever looks at tickets.
type Severity string

// Severities.
const (
	Page   Severity = "page"
	Ticket Severity = "ticket"
)

// Status of an alert.
type Status string

// States of an alert.
const (
	Firing   Status = "firing"
	Frozen   Status = "frozen" // open, and nobody can see whether it still is so
	Resolved Status = "resolved"
)

// Kind is what happened to an alert.
type Kind string

// Kinds of transitions.
const (
	Fired    Kind = "firing"
	Repeated Kind = "repeated" // it is still so
	Froze    Kind = "frozen"
	Resumed  Kind = "resumed" // it can be seen again, and is still so
	Cleared  Kind = "resolved"
)

// Key is what there is at most one open alert of.
type Key struct {
	Rule  Rule
	Scope string
}

// Alert is one alert as its newest transition left it. Instants are ms since 1970.
type Alert struct {
	ID string
	Key
	Severity                             Severity
	Status                               Status
	Store, Terminal, Contract, Objective string // where they apply
	Target                               string // whom to tell, by an agreement's own windows
	Started                              int64  // when what it is about began; where that is not known, when it fired
	Since                                int64  // as the fact said it; 0: it did not
	Ended                                int64  // when it was first seen to be over; 0: it is not
	Value, Threshold                     float64
	Summary                              string
	Reason                               string // of the transition
	Sequence                             uint32 // of the transition, from 1
	At                                   int64  // of the transition
}

// Open says whether the alert is not over.
func (a *Alert) Open() bool { return a.Status == Firing || a.Status == Frozen }

// Transition is one step of an alert, and the alert after it. Who has seen (Alert.ID, Alert.Sequence) has seen the transition.
type Transition struct {
	Kind Kind
	Alert
}

// Receiver is told of transitions.
type Receiver interface {
	// Name is what its deliveries are noted under.
	Name() string
	// Send returns when the receiver has them all, in their order. What was sent may be sent again.
	Send(ctx context.Context, transitions []Transition) error
}

// Refresher is a Receiver that forgets alerts which it is not told of again and again.
type Refresher interface {
	Receiver
	Refresh(ctx context.Context, open []Alert) error
}

// identify makes the id of an alert: 128 bits of SHA-256 over the parts, each after its length. before is the alert of the same rule and scope that
// this one follows; it counts only if it did not begin earlier, so that one fact which is told of again is another alert.
func identify(f *Fact, before *Alert) string {
	h := sha256.New()
	part := func(s string) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	part(string(f.Rule))
	part(f.Scope)
	var since [8]byte
	binary.BigEndian.PutUint64(since[:], uint64(f.Since))
	part(string(since[:]))
	if before != nil && before.Since >= f.Since {
		part(before.ID)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
