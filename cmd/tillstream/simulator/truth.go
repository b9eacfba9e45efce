package simulator

// Truth is what the rollups of a run must be. Lists are sorted by their first fields; amounts are minor units of the currency,
// quantities thousandths, instants ms since 1970, dates as 2006-01-02, numbers of distinct events unless said otherwise.
type Truth struct {
	Seed       uint64          `json:"seed"`
	From       int64           `json:"from"`
	Until      int64           `json:"until"` // what arrived before this counts
	Sales      []SalesTruth    `json:"sales"`
	Hours      []StoreHour     `json:"hours"`
	Products   []ProductTruth  `json:"products"`
	Customers  []CustomerTruth `json:"customers"`
	Payments   []PaymentTruth  `json:"payments"`
	Tills      []TillTruth     `json:"tills"`
	TillHours  []HourTruth     `json:"till_hours"`
	Outages    []Outage        `json:"outages"`
	StoreHours []StoreTruth    `json:"store_hours"`
	Incidents  []IncidentTruth `json:"incidents"`
	Work       []WorkTruth     `json:"maintenance"`
	Parties    []PartyTruth    `json:"parties"`
	Orders     []OrderTruth    `json:"orders"`
	Funnel     []FunnelTruth   `json:"funnel"`
	Deliveries []DeliveryTruth `json:"deliveries"`
	Dead       []DeadTruth     `json:"dead"`
}

// SalesTruth is a business date of a store: pos.sales_hourly, summed over hours.
type SalesTruth struct {
	Store        string `json:"store"`
	Date         string `json:"date"`
	Channel      string `json:"channel"`
	Currency     string `json:"currency"`
	Transactions int64  `json:"transactions"`
	Returns      int64  `json:"returns"`
	Voids        int64  `json:"voids"`
	Units        int64  `json:"units"`
	Gross        int64  `json:"gross"`
	Discount     int64  `json:"discount"`
	Tax          int64  `json:"tax"`
	Net          int64  `json:"net"`
}

// StoreHour is a UTC hour of a store.
type StoreHour struct {
	Store        string `json:"store"`
	Hour         int64  `json:"hour"`
	Transactions int64  `json:"transactions"`
}

// ProductTruth is a business date of a product in all stores of a currency; units and revenue are net of returns.
type ProductTruth struct {
	Product  string `json:"product"`
	Date     string `json:"date"`
	Currency string `json:"currency"`
	Units    int64  `json:"units"`
	Revenue  int64  `json:"revenue"`
}

// CustomerTruth is what one customer did. Visits are distinct pairs of store and business date with a sale.
type CustomerTruth struct {
	Type      string `json:"type"`
	ID        string `json:"id"`
	Currency  string `json:"currency"`
	Pseudonym uint64 `json:"pseudonym,string,omitempty"` // 0 without Config.Secret
	Visits    int64  `json:"visits"`
	Sales     int64  `json:"sales"`
	Units     int64  `json:"units"`
	Net       int64  `json:"net"`
	Discount  int64  `json:"discount"`
}

// PaymentTruth is a means of payment in a store. Approved includes Offline; Amount is that of what was approved.
type PaymentTruth struct {
	Store    string `json:"store"`
	Method   string `json:"method"`
	Currency string `json:"currency"`
	Attempts int64  `json:"attempts"`
	Approved int64  `json:"approved"`
	Declined int64  `json:"declined"`
	Failed   int64  `json:"failed"`
	Offline  int64  `json:"offline"`
	Amount   int64  `json:"amount"`
}

// TillTruth is the span of a till's timeline: from its first to its newest evidence. Where a till says when it sends, what its
// clock was wrong by is taken off the times of its evidence, here and in its hours and outages; nowhere else.
type TillTruth struct {
	Store    string `json:"store"`
	Terminal string `json:"terminal"`
	From     int64  `json:"from"`
	Until    int64  `json:"until"`
}

// HourTruth is a UTC hour of a till, in ms of each status. The first and the last hour of a till are as far as its timeline goes. Service is
// the part of it within opening hours and the till's registered life, Excluded that of Service in approved maintenance; of the rest
// ServiceDown is down, and ServiceUnknown silent.
type HourTruth struct {
	Store       string `json:"store"`
	Terminal    string `json:"terminal"`
	Hour        int64  `json:"hour"`
	Up          int64  `json:"up"`
	Degraded    int64  `json:"degraded"`
	Down        int64  `json:"down"`
	Silent      int64  `json:"silent"`
	Maintenance int64  `json:"maintenance"`
	Disabled    int64  `json:"disabled"` // of Degraded: it could not sell

	Service        int64 `json:"service_ms"`
	ServiceDown    int64 `json:"service_down_ms"`
	Excluded       int64 `json:"excluded_ms"`
	ServiceUnknown int64 `json:"unknown_ms"`
}

// StoreTruth is a UTC hour of a store as a whole, in ms of its opening hours: Excluded is maintenance of the whole store; of the rest too few
// tills could sell in QuorumDown, and in Unknown that depends on tills nobody heard.
type StoreTruth struct {
	Store      string `json:"store"`
	Hour       int64  `json:"hour"`
	Service    int64  `json:"service_ms"`
	QuorumDown int64  `json:"quorum_down_ms"`
	Excluded   int64  `json:"excluded_ms"`
	Unknown    int64  `json:"unknown_ms"`
}

// IncidentTruth is an incident; instants are 0 where there is none. Resolve is the time to resolve of one that is resolved, ms.
type IncidentTruth struct {
	Store        string `json:"store"`
	ID           string `json:"incident_id"`
	Party        string `json:"party"`
	Started      int64  `json:"started"`
	Detected     int64  `json:"detected"`
	Opened       int64  `json:"opened"`
	Acknowledged int64  `json:"acknowledged"`
	Resolved     int64  `json:"resolved"`
	Cancelled    int64  `json:"cancelled"`
	Resolve      int64  `json:"resolve_ms"`
	Reopened     int64  `json:"reopened"`
}

// PartyTruth is what query D5 says of a party: over incidents that were resolved and not cancelled, in seconds.
type PartyTruth struct {
	Party string  `json:"party"`
	N     int64   `json:"n"`
	MTTA  float64 `json:"mtta_s"` // of those that were acknowledged
	MTTR  float64 `json:"mttr_s"`
}

// WorkTruth is maintenance, and how much time it takes out.
type WorkTruth struct {
	Store    string `json:"store"`
	ID       string `json:"maintenance_id"`
	Excluded int64  `json:"excluded_ms"`
}

// Outage is a maximal stretch of down; End 0 if it had not ended when the till was last heard.
type Outage struct {
	Store    string `json:"store"`
	Terminal string `json:"terminal"`
	Start    int64  `json:"start"`
	End      int64  `json:"end"`
	Service  int64  `json:"service_ms"` // of one that ended: counted time
}

// DeliveryTruth is the account of a till and a topic.
type DeliveryTruth struct {
	Topic    string `json:"topic"`
	Store    string `json:"store"`
	Terminal string `json:"terminal"`
	Accepted int64  `json:"accepted"` // test events among them
	Test     int64  `json:"test"`
	Repeats  int64  `json:"repeats"`  // records sent again, byte for byte
	Rejected int64  `json:"rejected"` // spoiled records; some of them were sent again, whole
	Lost     int64  `json:"lost"`     // numbered, and never sent
	Missing  int64  `json:"missing"`  // holes in the numbers of what was accepted
	Masked   int64  `json:"masked"`   // accepted with a card number in it
}

// DeadTruth counts dead letters.
type DeadTruth struct {
	Topic   string `json:"topic"`
	Reason  string `json:"reason"`
	Records int64  `json:"records"`
}
