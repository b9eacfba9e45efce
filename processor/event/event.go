package event

// Types of events this version understands. They are the values of Envelope.Type.
const (
	TypeTransaction = "pos.transaction.v1"
	TypeHealth      = "pos.health.v1"
	TypeIncident    = "pos.incident.v1"
	TypeMaintenance = "pos.maintenance.v1"
	TypeRegistry    = "pos.registry.v1"
	TypeOrder       = "pos.order.v1"
)

// Opt is a value that may be absent: absent means not known, never zero.
type Opt[T any] struct {
	Value T
	OK    bool
}

// Some makes a present Opt.
func Some[T any](v T) Opt[T] { return Opt[T]{v, true} }

// Time is an instant with the sender's UTC offset.
type Time struct {
	Milli  int64 // milliseconds since 1970, UTC; finer digits are cut off
	Offset int32 // seconds east of UTC
	OK     bool  // false: absent
}

// Event is one canonical event (CloudEvents 1.0 attributes plus those of a till). Which of Transaction, Health and Body is
// valid follows from Type.
//
// Every string may alias the buffer that was decoded: it is valid until that buffer is reused. Whoever keeps one clones it.
type Event struct {
	Envelope
	Notes       Notes
	filled      uint8 // which bodies the decoder touched
	Transaction Transaction
	Health      Health
	Body        any // of the types that Options.Bodies has: what its function made; it aliases nothing
}

// Notes are what decoding saw in an event that it accepted all the same.
type Notes struct {
	PANMasked  bool   // a card number was masked, or stood in a part that is not kept
	Unbalanced bool   // totals, lines and tenders do not add up
	Other      uint32 // enumerated values that this version does not know, kept as sent
}

// Envelope is common to all events (domain.md 2.1).
type Envelope struct {
	ID            string      // unique within Source, at most 128 bytes
	Source        string      // the terminal, or the system that sent it
	Type          string      // one of the Type constants
	Time          Time        // when it happened, by the sender's clock
	RecordedAt    Time        // when the sender wrote it down, if later
	SentAt        Time        // when it was transmitted, by the sender's clock
	Sequence      Opt[uint64] // the terminal's own number
	SequenceEpoch Opt[uint32] // grows when the terminal's counter restarts
	Corrects      Corrects    // this event replaces those
	StoreID       string
	TerminalID    string
	GLN           string // GS1 GLN of the store, 13 digits
	Test          bool   // training or demo: own counters, never sales
}

// Corrects is EPCIS' errorDeclaration.
type Corrects struct {
	IDs    []string
	Reason string
}

// Transaction is pos.transaction.v1 (domain.md 2.2). Amounts are minor units of Currency, quantities thousandths.
type Transaction struct {
	Kind         string     // sale, return, exchange, void, …; open
	BusinessDate Opt[int32] // days since 1970, the till's own
	StartedAt    Time
	EndedAt      Time
	Operator     uint64 // pseudonym, 0 when absent
	Channel      string // store, web, …; open; "" when absent
	OrderID      string
	Currency     string // ISO 4217
	TaxIncluded  bool
	Original     Original
	Offline      Offline
	Customer     Customer
	Loyalty      Loyalty
	Lines        []Line
	NotFound     []NotFound
	Tenders      []Tender
	Taxes        []Tax
	Totals       Totals
	Reserve      Reserve
}

// Original links a return, exchange or void to the sale.
type Original struct {
	TransactionID       string
	StoreID, TerminalID string
	Sequence            Opt[uint64]
	BusinessDate        Opt[int32]
	Reason              string
}

// Offline says how a transaction was taken without a line.
type Offline struct {
	Mode                  string // saf, emv, none; "" when absent
	StoredAt, ForwardedAt Time
}

// Customer is known by a pseudonym only: the clear id is dropped while decoding.
type Customer struct {
	Pseudonym uint64 // 0: no customer
	Type      string // loyalty, account, payment_token, household; open
	ReadBy    string
	Consent   Opt[[]string] // purposes; an empty list takes back what was agreed to, none says nothing
}

// Loyalty is what a programme did in a transaction.
type Loyalty struct {
	Programme                    string
	PointsEarned, PointsRedeemed int64
	Tier                         string
}

// Line is one position of a transaction.
type Line struct {
	Line         int64
	Kind         string // item when absent; deposit, fee, tip, gift_card, donation, service; open
	ProductID    string
	GTIN         string
	Category     string
	Hierarchy    []string
	Quantity     int64 // thousandths; negative when returned
	Unit         string
	RegularPrice Opt[int64]
	UnitPrice    Opt[int64]
	Gross        int64
	Discount     int64
	Tax          int64
	Net          Opt[int64] // absent: Gross - Discount
	Voided       bool
	EntryMethod  string
	Promotions   []Promotion
}

// NetAmount is Net, or Gross - Discount where the sender left it out.
func (l *Line) NetAmount() int64 {
	if l.Net.OK {
		return l.Net.Value
	}
	return l.Gross - l.Discount
}

// Promotion is one rebate on a line.
type Promotion struct {
	PromotionID, CouponCode string
	Amount                  int64
	Kind                    string
}

// NotFound is an item the till could not price.
type NotFound struct{ Code, Disposition string }

// Tender is one payment.
type Tender struct {
	Method          string // cash, card, …; open
	EntryMode       string
	Wallet          string
	Scheme          string
	IssuerCountry   string
	Last4           string
	PaymentRef      uint64 // pseudonym of the PAR or token, 0 when absent
	clearRef        string // until it is one
	Amount          int64
	Tip             int64
	Cashback        int64
	Change          int64
	Surcharge       int64
	Result          string // approved, approved_offline, declined, failed, cancelled, reversed, timeout; open
	Error           string // nexo ErrorCondition
	Acquirer        string
	ResponseCode    string
	AuthorisationMS Opt[uint32] // host round trip
	InteractionMS   Opt[uint32]
}

// Tax is one tax rate of a transaction.
type Tax struct {
	Code    string
	RatePPM int64
	Base    int64
	Amount  int64
}

// Totals are the till's own sums, checked against lines and tenders.
type Totals struct {
	Gross, Discount, Tax, Net, Rounding int64
	Paid                                Opt[int64]
}

// Reserve is the till's own signature chain (NF525 and the like), kept as evidence.
type Reserve struct{ Signature, PreviousSignature string }

// Health is pos.health.v1 (domain.md 2.3).
type Health struct {
	Kind              string // heartbeat, state_change, diagnosis, startup, shutdown; open
	Status            string // up, degraded, down, maintenance, closing; open
	ResponseMS        Opt[uint32]
	HeartbeatInterval Opt[uint32] // seconds until the next report is due
	BootID            string
	UptimeS           Opt[uint32]
	SoftwareVersion   string
	FirmwareVersion   string
	ConfigVersion     string
	Model             string
	Serial            string
	Components        []Component
	Hosts             []Host
	Network           Network
	Backlog           Backlog
	Resources         Resources
	Capability        Capability
	Errors            []HealthError
}

// Component is a peripheral: type printer, card_reader, scanner, …; state ok, warning, error, absent. Both open.
type Component struct{ Type, ID, State, Detail string }

// Host is a service the till talks to.
type Host struct {
	Service   string
	Reachable bool
	LatencyMS Opt[uint32]
	Error     string
}

// Network is the till's line.
type Network struct {
	Kind      string
	LatencyMS Opt[uint32]
	LossPPM   Opt[uint32]
	SignalDBM Opt[int64]
	Failover  bool
}

// Backlog is what the till has not yet sent.
type Backlog struct {
	Transactions, Payments uint32
	Amount                 int64
	Currency               string
	OldestAt               Time
}

// Resources of the till's machine.
type Resources struct {
	CPUPct, MemoryPct Opt[uint32]
	DiskFreeMB        Opt[uint64]
	TemperatureC      Opt[int64]
	BatteryPct        Opt[uint32]
	OnBattery         bool
}

// Capability is what the till can still do; an absent one is derived.
type Capability struct{ Sell, Card, Cash, Return, Offline Opt[bool] }

// HealthError counts one error since the last report.
type HealthError struct {
	Code            string
	Count           uint32
	FirstAt, LastAt Time
}

// When is the event's instant: ended_at of a transaction that says so, else time.
func (e *Event) When() Time {
	if e.Type == TypeTransaction && e.Transaction.EndedAt.OK {
		return e.Transaction.EndedAt
	}
	return e.Time
}

// BusinessDate is the till's own business date, else the local date of When less the cutoff (a day of trade that ends at
// 04:00 has a cutoff of 4 h), in days since 1970.
func (e *Event) BusinessDate(cutoffMilli int64) int32 {
	if e.Type == TypeTransaction && e.Transaction.BusinessDate.OK {
		return e.Transaction.BusinessDate.Value
	}
	w := e.When()
	return int32(floorDiv(w.Milli+int64(w.Offset)*1000-cutoffMilli, 86_400_000))
}

// LocalHour is the hour of day, 0 to 23, on the sender's wall clock.
func (e *Event) LocalHour() uint8 {
	w := e.When()
	return uint8(floorDiv(w.Milli+int64(w.Offset)*1000, 3_600_000) - 24*floorDiv(w.Milli+int64(w.Offset)*1000, 86_400_000))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
