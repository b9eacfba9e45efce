package alert

import "time"

// Snapshot is what pos shows at an instant. Instants are ms since 1970. Lists hold what may be wrong, not all that there is.
type Snapshot struct {
	At        int64
	Watermark int64 // what Kafka held then is folded; 0: not known yet
	Behind    int64 // offsets that are not folded yet

	Stores      []Store
	Maintenance []Maintenance
	Burns       []Burn
	Agreements  []Agreement
	Deadlines   []Deadline
	Silences    []Silence
	Backlogs    []Held
	Holes       []Hole
	Letters     []Letters

	// Unanswered are the rules whose question went without an answer this time, and why.
	Unanswered map[Rule]string
}

// Store is a store in service with tills that do not answer or that cannot sell as a whole.
type Store struct {
	ID       string
	Tills    int // in service
	Able     int // of them up or degraded
	Bad      []Till
	Down     bool  // fewer tills can sell than it needs
	Since    int64 // Down
	Unknown  bool  // nobody knows whether it can sell
	SellNeed int   // tills it needs; 0: not known
}

// Till is one that is down or silent, in service.
type Till struct {
	ID, Status string
	Since      int64
}

// Maintenance is one that goes on now.
type Maintenance struct {
	ID, Store string
	Terminals []string // none: all of the store
}

// Cell names a line of an agreement.
type Cell struct{ Contract, Objective, Scope, Store string }

// Burn is how the windows of a line burn, as far as one does or is not all measured.
type Burn struct {
	Cell
	Target float64
	Period time.Duration
	Rates  map[string]Rate // by window
	Pairs  []Pair          // of the agreement's own; none: Limits.Pairs
}

// Agreement is a line of a period that is not closed and wants attention.
type Agreement struct {
	Cell
	Verdict        string
	Target, Actual float64
	Coverage       float64
	Total, Spent   float64 // of the budget, in its unit
	PeriodStart    int64   // midnight of its first day, in UTC
}

// Deadline is until when something about an agreement must be done.
type Deadline struct {
	Rule        Rule // ClaimDeadline or RevisionDue
	Contract    string
	PeriodStart int64 // of ClaimDeadline: of which period
	By          int64
	Credit      string // of ClaimDeadline: how much, with its currency
}

// Silence is a store that is open, can sell and sells nothing.
type Silence struct {
	Store    string
	Since    int64
	Expected float64 // transactions since then
	Least    float64 // of the comparable days, their 5 % quantile
}

// Held are sales that a till has not sent yet.
type Held struct {
	Store, Terminal string
	Count           int
	Oldest          int64
}

// Hole is what is missing in a till's numbering.
type Hole struct {
	Terminal string
	Since    int64 // beginning of the first business date with a hole
	Missing  int
	Shared   bool // there are so many every day that the numbers are hardly the till's own
}

// Letters are dead letters of the last hour.
type Letters struct {
	Topic, Reason string
	Count         int
}
