package agreement

import "github.com/tillstream/tillstream/processor/registry"

// Levels are from the farthest to the nearest, as ITIL's multi-level SLA has them.
var Levels = []string{"corporate", "service", "customer"}

// Periods are of the calendar. A week begins on Monday (ISO 8601), a quarter in January, April, July and October, a half year in January and July.
var Periods = []string{"day", "week", "month", "quarter", "half_year", "year"}

// Enums are the texts that fields take, by what their tag `takes` says; in the order in which errors and editors show them.
var Enums = map[string][]string{
	"type":       {"sla", "ola", "underpinning"}, // as ServiceNow's contracts
	"level":      Levels,
	"period":     Periods,
	"hours":      {"store_calendar", "24x7"},
	"state":      {"unknown", "down", "up"},
	"doubt":      {"sold", "neighbours_silent"}, // the terminal sold something; the whole store was silent
	"bearer":     {"customer", "provider", "none"},
	"kind":       {"planned_maintenance", "urgent_maintenance", "customer_requested", "force_majeure"},
	"party":      {"customer", "third_party", "force_majeure", "shared", "undetermined"}, // of incidents; the provider answers for its own faults
	"effect":     {"remove", "up"},
	"approval":   {"customer", "provider", "both"},
	"scope":      {"terminal", "store", "service", "customer"},
	"weight":     {"critical", "key"},
	"indicator":  {Uptime, StoreQuorum, ResponseMS, AuthorisationMS, PaymentFailures, TimeToDetect, TimeToAcknowledge, TimeToResolve, TimeToRepair, Composite},
	"statistic":  {"mean", "p50", "p90", "share_below"},
	"op":         {"lt", "lte", "gt", "gte"}, // of OpenSLO
	"budgeting":  {"occurrences", "timeslices"},
	"degraded":   {"up", "down"},
	"capability": {"sell", "card"},
	"clock_of":   {"service_hours", "24x7"},
	"method":     {"timeslices", "weighted_mean"},
	"fee":        {"base", "scope_fee"},
	"base":       {"amount", "invoice"},
	"each":       {"outage", "breach"},
	"per_each":   {"terminal", "store"},
	"claim":      {"automatic", "on_request"},
}

// Indicators. Their formulas are in domain 3.1, 3.3, 3.4 and 3.5 (docs/agreements-measuring.md).
const (
	Uptime            = "uptime"           // time a terminal is up; per terminal, or added up over many by counted time
	StoreQuorum       = "store_quorum"     // time in which at least sell_quorum tills of a store can sell
	ResponseMS        = "response_ms"      // how long the till, or a probe, took to answer
	AuthorisationMS   = "authorisation_ms" // how long the host took to answer a payment made online
	PaymentFailures   = "payment_failures" // failures / attempts; a decline is no failure
	TimeToDetect      = "time_to_detect"   // of incidents, as the next three
	TimeToAcknowledge = "time_to_acknowledge"
	TimeToResolve     = "time_to_resolve"
	TimeToRepair      = "time_to_repair" // of outages: their length in counted time
	Composite         = "composite"      // of other objectives of the same text
)

// Agreement is what is written in a file: the spec of an object of kind Agreement. Fields that nobody said are zero. All dates are local, in the
// time zone of the text that is in force then.
type Agreement struct {
	Type  string `json:"type" takes:"type"`
	Level string `json:"level" takes:"level"`
	// Inherits are the agreements from which it takes what it does not say, the nearest first, and so on along theirs.
	Inherits []string  `json:"inherits,omitzero"`
	Standing           // said for all versions
	Versions []Version `json:"versions,omitzero"`
}

// Standing is who agrees on what. It is said for all versions of an agreement, or by a version.
type Standing struct {
	// Final forbids those who inherit to say what is said here: in an agreement or a version of all it says, in a block of what the block says,
	// in an entry of a list of the entry as a whole.
	Final    bool      `json:"final,omitzero"`
	Parties  Contracts `json:"parties,omitzero"`
	BackedBy []string  `json:"backedBy,omitzero"` // agreements of type ola or underpinning, whose breaches are shown beside ours
	Scope    Scope     `json:"scope,omitzero"`
}

// Contracts are the parties of the contract. An agreement whose text names provider and customer is measured; the text of any other is there to be
// inherited.
type Contracts struct {
	Final     bool     `json:"final,omitzero"`
	Provider  string   `json:"provider,omitzero"`
	Customer  string   `json:"customer,omitzero"`
	Suppliers []string `json:"suppliers,omitzero"` // names of Suppliers the provider relies on
}

// Scope is what is measured: the terminals that fulfil all of it. What is not said does not restrict.
type Scope struct {
	Final    bool     `json:"final,omitzero"`
	Customer string   `json:"customer,omitzero"`               // terminals of this Customer
	Stores   Stores   `json:"stores,omitzero" inherit:"whole"` // inherited as a whole
	Services []string `json:"services,omitzero"`               // terminals of one of these Services
}

// Stores selects stores that fulfil all of it; each list is of alternatives.
type Stores struct {
	Area   []string `json:"area,omitzero"`
	Format []string `json:"format,omitzero"`
	IDs    []string `json:"ids,omitzero"`
	Except []string `json:"except,omitzero"` // ids of stores that are not meant
}

// Version is the text of an agreement from a date on. Versions are only ever appended.
type Version struct {
	Version int            `json:"version"` // 1, 2, 3, …
	From    *registry.Date `json:"from"`
	To      *registry.Date `json:"to,omitzero"` // the first day on which it is over; none: until the next version, or for ever
	Signed  Signature      `json:"signed,omitzero"`
	Amends  Amends         `json:"amends,omitzero"` // of one that says otherwise what was agreed for the past
	// Inherits replaces that of the agreement.
	Inherits []string `json:"inherits,omitzero"`
	Terms
}

// Amends makes a version an amendment, with effect in the past: for whole periods it holds in place of an earlier version, until that is over if it has no to. Both parties
// have signed it. What the earlier one decided is restated under its number, with the reason, as far as the text of the amendment lets final statements be restated.
type Amends struct {
	Version int    `json:"version" takes:"count"` // that it amends; itself no amendment
	Reason  string `json:"reason"`                // statements that are restated carry it
}

// Signature says where the signed original is. It is about the text and no part of it.
type Signature struct {
	On       *registry.Date `json:"on,omitzero"`
	By       []string       `json:"by,omitzero"`
	Document string         `json:"document,omitzero"` // sha256:…, of the document that was signed
}

// Terms is all that can be agreed and inherited.
type Terms struct {
	Standing
	Revision     Revision     `json:"revision,omitzero"`
	Timezone     string       `json:"timezone,omitzero" takes:"zone"` // IANA; of the periods. Service hours use the zone of each store
	Period       string       `json:"period,omitzero" takes:"period"`
	ServiceHours ServiceHours `json:"service_hours,omitzero"`
	Measurement  Measurement  `json:"measurement,omitzero"`
	Exclusions   []Exclusion  `json:"exclusions,omitzero"` // by key; sorted in a resolved text
	Objectives   []Objective  `json:"objectives,omitzero"` // by name; sorted in a resolved text
	Remedies     Remedies     `json:"remedies,omitzero"`
}

// Revision is when the parties look at the text again. Source: the half-yearly review that operators ask for (domain A18).
type Revision struct {
	Final    bool     `json:"final,omitzero"`
	Every    Duration `json:"every,omitzero" takes:"calendar"` // of days or months, counted from the version's first day
	Notice   Duration `json:"notice,omitzero"`                 // how long before a review a change must be announced
	Triggers []string `json:"triggers,omitzero"`               // what makes a review due at once, for people
}

// ServiceHours is when the service is owed.
type ServiceHours struct {
	Final bool   `json:"final,omitzero"`
	Use   string `json:"use,omitzero" takes:"hours"` // store_calendar if nobody said it: the opening hours of each store
	Pad   Pad    `json:"pad,omitzero"`
}

// Pad widens every opening.
type Pad struct {
	Before Duration `json:"before,omitzero" takes:"clock"` // by the clock, as After
	After  Duration `json:"after,omitzero" takes:"clock"`
}

// Measurement is how facts become figures (domain 3.1).
type Measurement struct {
	Final            bool     `json:"final,omitzero"`
	HeartbeatTimeout Duration `json:"heartbeat_timeout,omitzero" takes:"clock"` // by the clock; a report holds so long; that of the terminal if nobody said it
	MinOutage        Duration `json:"min_outage,omitzero" takes:"clock"`        // by the clock; shorter outages are kept, not counted (GCP)
	MergeGap         Duration `json:"merge_gap,omitzero" takes:"clock"`         // by the clock; outages closer than this are one
	Silence          Silence  `json:"silence,omitzero"`
	MinCoverage      Decimal  `json:"min_coverage,omitzero" takes:"share"`  // share of counted time that must be known for the figure to be believed (OpenObserve)
	MinEvents        *int     `json:"min_events,omitzero" takes:"count"`    // below this number of events a rate has no verdict (GCP); 0 if nobody said it
	LowEvidence      string   `json:"low_evidence,omitzero" takes:"bearer"` // who bears a verdict that is undetermined; none if nobody said it
	LateData         LateData `json:"late_data,omitzero"`
}

// Silence is what the time without evidence counts as: First, and after After Then, unless one of Unless explains it. Without it, unknown.
type Silence struct {
	Final  bool     `json:"final,omitzero"`
	First  string   `json:"first,omitzero" takes:"state"`
	After  Duration `json:"after,omitzero" takes:"clock"` // by the clock, from when it became silent
	Then   string   `json:"then,omitzero" takes:"state"`
	Unless []string `json:"unless,omitzero" takes:"doubt"`
}

// LateData is until when evidence counts, and when a statement is closed.
type LateData struct {
	Final      bool     `json:"final,omitzero"`
	Accept     Duration `json:"accept,omitzero"`      // after the end of the period
	CloseAfter Duration `json:"close_after,omitzero"` // after the end of the period: the statement becomes final
	Restate    Restate  `json:"restate,omitzero"`
}

// Restate is when a final statement is made anew.
type Restate struct {
	Final     bool     `json:"final,omitzero"`
	Until     Duration `json:"until,omitzero"`                    // after the end of the period
	MinChange Decimal  `json:"min_change,omitzero" takes:"share"` // of the figure
}

// Exclusion is time that does not count against the provider, of a kind or of a party. Its key is Name, else Kind, else party:Party.
type Exclusion struct {
	Name     string   `json:"name,omitzero"`
	Final    bool     `json:"final,omitzero"`
	Off      *bool    `json:"off,omitzero"` // what is inherited of it is not agreed here
	Kind     string   `json:"kind,omitzero" takes:"kind"`
	Party    string   `json:"party,omitzero" takes:"party"`       // whose fault it is
	Except   []string `json:"except,omitzero"`                    // Suppliers for whose faults the provider answers all the same
	Effect   string   `json:"effect,omitzero" takes:"effect"`     // remove takes it out of what is counted, up counts it as up
	Notice   Duration `json:"notice,omitzero"`                    // maintenance must be announced so long before it begins; else it is not excluded
	Cap      Cap      `json:"cap,omitzero"`                       // more than that is not excluded
	Within   Windows  `json:"within,omitzero"`                    // what is outside of all of these, in the store's zone, is not excluded
	Approval string   `json:"approval,omitzero" takes:"approval"` // without it, it is not excluded
}

// Objective is one promise. Its key is Name. What it needs depends on the indicator:
//
//	uptime, store_quorum       target                                   the share of counted time in which it is up
//	response_ms, …             statistic mean, op, value                 the mean, against a number
//	authorisation_ms           statistic share_below, value, target      the share of values below a number (op lte: or equal)
//	payment_failures           op, value                                 the rate in the period, against a number
//	                           budgeting timeslices, slice, op, value, target   the share of slices in which the rate keeps the number
//	time_to_…                  statistic mean, op, value                 MTTR and the like, against a duration
//	composite                  of, method                                of other objectives
type Objective struct {
	Name        string             `json:"name"`
	Final       bool               `json:"final,omitzero"`
	Off         *bool              `json:"off,omitzero"`    // what is inherited of it is not agreed here
	SLORef      string             `json:"sloRef,omitzero"` // an OpenSLO SLO, which says what this does not
	Indicator   string             `json:"indicator,omitzero" takes:"indicator"`
	Per         string             `json:"per,omitzero" takes:"scope"`    // of what there is one verdict each; a composite is of the customer if nobody says it
	Target      Decimal            `json:"target,omitzero" takes:"share"` // a share from 0 to 1
	Statistic   string             `json:"statistic,omitzero" takes:"statistic"`
	Op          string             `json:"op,omitzero" takes:"op"`                 // the figure is op value if the promise is kept
	Value       Quantity           `json:"value,omitzero"`                         // ms of …_ms, a share of payment_failures, a duration of time_to_…
	Budgeting   string             `json:"budgeting,omitzero" takes:"budgeting"`   // occurrences if nobody said it
	Slice       Duration           `json:"slice,omitzero" takes:"clock"`           // by the clock
	MinOutage   Duration           `json:"min_outage,omitzero" takes:"clock"`      // by the clock, in place of the measurement's
	MinEvents   *int               `json:"min_events,omitzero" takes:"count"`      // in place of the measurement's; of a slice, those within it
	Degraded    string             `json:"degraded,omitzero" takes:"degraded"`     // what degraded counts as; up if nobody said it
	Capability  string             `json:"capability,omitzero" takes:"capability"` // degraded is down if this is lost
	Severities  []string           `json:"severities,omitzero"`                    // of incidents; all if nobody said it
	Clock       string             `json:"clock,omitzero" takes:"clock_of"`        // of time_to_…; service_hours if nobody said it
	Of          map[string]Decimal `json:"of,omitzero"`                            // weights of objectives, inherited as a whole
	Method      string             `json:"method,omitzero" takes:"method"`         // bad for one is bad for all, or the weighted mean, which is the default
	Weight      string             `json:"weight,omitzero" takes:"weight"`         // a key measurement has no money. critical if nobody said it
	Report      *bool              `json:"report,omitzero"`                        // it is only reported: no verdict counts, and no money
	Description string             `json:"description,omitzero"`
}

// Remedies is what a breach costs. Source: AWS and GCP for tiers and claims; OpenSLO#38 for fixed amounts; Alsbridge, Wavestone for at-risk amounts and
// earn-back (domain A19 to A21).
type Remedies struct {
	Final    bool       `json:"final,omitzero"`
	Base     Base       `json:"base,omitzero"`
	AtRisk   Decimal    `json:"at_risk,omitzero" takes:"share"` // share of base: the most that all credits of a period may reach; 1 if nobody said it
	Credits  []Credit   `json:"credits,omitzero"`               // by key; sorted in a resolved text
	Repeat   Repeat     `json:"repeat,omitzero"`
	EarnBack EarnBack   `json:"earn_back,omitzero"`
	Claim    Claim      `json:"claim,omitzero"`
	Escalate []Escalate `json:"escalate,omitzero"` // inherited as a whole
}

// Base is the fee that credits are shares of: an amount, or what is invoiced, which is not known here, so that credits are known as shares only.
type Base struct {
	Final    bool   `json:"final,omitzero"`
	From     string `json:"from,omitzero" takes:"base"`         // amount if nobody said it
	Amount   *int64 `json:"amount,omitzero" takes:"count"`      // minor units
	Currency string `json:"currency,omitzero" takes:"currency"` // ISO 4217
	Per      string `json:"per,omitzero" takes:"period"`
	Each     string `json:"each,omitzero" takes:"per_each"` // the amount is for each terminal or store in scope; none: for all of it
}

// Credit is what the breach of an objective costs, in one of the forms Tiers, Fixed and PerUnit. Its key is Name, else Objective.
type Credit struct {
	Name      string  `json:"name,omitzero"`
	Final     bool    `json:"final,omitzero"`
	Off       *bool   `json:"off,omitzero"` // what is inherited of it is not agreed here
	Objective string  `json:"objective,omitzero"`
	Per       string  `json:"per,omitzero" takes:"fee"`          // a share of the whole base, or of the part of it that falls to the scope in breach
	Tiers     []Tier  `json:"tiers,omitzero"`                    // the lowest that is reached counts
	Fixed     *int64  `json:"fixed,omitzero" takes:"count"`      // minor units of the base's currency
	Each      string  `json:"each,omitzero" takes:"each"`        // of Fixed: outage, or breach
	Cap       *int    `json:"cap,omitzero" takes:"count"`        // of Fixed: at most so many times in a period
	PerUnit   PerUnit `json:"per_unit,omitzero" inherit:"whole"` // inherited as a whole
}

// Tier is the credit of a figure below a number (of objectives with a target), or above one.
type Tier struct {
	Below  Decimal  `json:"below,omitzero" takes:"share"`
	Above  Quantity `json:"above,omitzero"`
	Credit Decimal  `json:"credit" takes:"share"` // share
}

// PerUnit is a credit for every started Every by which the figure is over Over: 0.01 for each hour over 4h.
type PerUnit struct {
	Every  Quantity `json:"every,omitzero"`
	Over   Quantity `json:"over,omitzero"` // the objective's value if nobody said it
	Credit Decimal  `json:"credit,omitzero" takes:"share"`
}

// Repeat multiplies the credit of the last of so many breaches of one objective within a time.
type Repeat struct {
	Final    bool     `json:"final,omitzero"`
	Times    int      `json:"times,omitzero" takes:"count"`
	Within   Duration `json:"within,omitzero"`
	Multiply Decimal  `json:"multiply,omitzero"`
}

// EarnBack gives back a share of a credit after so many months of a figure of at least AtLeast.
type EarnBack struct {
	Final   bool    `json:"final,omitzero"`
	Months  int     `json:"months,omitzero" takes:"count"`
	AtLeast Decimal `json:"at_least,omitzero" takes:"share"`
	Share   Decimal `json:"share,omitzero" takes:"share"`
}

// Claim is how credits come about.
type Claim struct {
	Final   bool     `json:"final,omitzero"`
	Mode    string   `json:"mode,omitzero" takes:"claim"`    // automatic if nobody said it
	Within  Duration `json:"within,omitzero"`                // after the close of the period
	Minimum *int64   `json:"minimum,omitzero" takes:"count"` // minor units: a credit that is not above it is none
}

// Escalate is a right beyond money after so many breaches within a time.
type Escalate struct {
	Breaches int      `json:"breaches" takes:"count"`
	Within   Duration `json:"within,omitzero"`
	Right    string   `json:"right"`
}
