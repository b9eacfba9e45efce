package journey

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/event/body"
)

// Bounds of what a step may say.
const (
	maxLines    = 10_000            // of an order
	maxAmount   = 1_000_000_000_000 // minor units, as of transactions
	maxQuantity = 1_000_000_000     // of a line
	maxWindow   = 366 * 86_400      // s
)

// said is pos.order.v1 on the wire, but for the envelope and the customer: package event reads those, so that no clear id is ever here.
type said struct {
	OrderID       string     `json:"order_id"`
	Step          string     `json:"step"`
	Mode          string     `json:"mode"`
	OriginStoreID string     `json:"origin_store_id"`
	Currency      string     `json:"currency"`
	Amount        *int64     `json:"amount"`
	PromisedAt    string     `json:"promised_at"`
	WindowS       *int64     `json:"window_s"`
	ExpiresAt     string     `json:"expires_at"`
	Lines         []saidLine `json:"lines"`
	Reason        string     `json:"reason"`
	TransactionID string     `json:"transaction_id"`
}

type saidLine struct {
	ProductID     string   `json:"product_id"`
	Quantity      *float64 `json:"quantity"`
	Picked        *float64 `json:"picked"`
	SubstitutedBy string   `json:"substituted_by"`
}

// step is one step as the fold takes it. Nothing in it aliases the event.
type step struct {
	order       string
	kind        int // index of kinds; -1: one that this version does not know
	texts       [attributes]string
	transaction string
}

// Bodies is the function that reads the events of this package, for event.Options.
func Bodies() map[string]func(value []byte) (any, *event.Rejection) {
	return map[string]func(value []byte) (any, *event.Rejection){event.TypeOrder: Read}
}

// Read reads the body of a pos.order.v1 for a Fold, out of a whole event.
func Read(value []byte) (any, *event.Rejection) {
	var in said
	if r := body.Unmarshal(value, &in); r != nil {
		return nil, r
	}
	r := &reader{body.NewReader(value)}
	s := r.step(&in)
	if r.Rejection != nil {
		return nil, r.Rejection
	}
	return s, nil
}

// reader takes fields one by one; the first that is wrong stays.
type reader struct{ body.Reader }

// whole takes a number from 0 on.
func (r *reader) whole(field string, n *int64, most int64) int64 {
	if n == nil {
		return 0
	}
	if *n < 0 || *n > most {
		r.Reject(event.ReasonOutOfRange, field, fmt.Sprintf("0 to %d", most))
	}
	return *n
}

// thousandths takes a quantity from 0 on.
func (r *reader) thousandths(field string, q float64) int64 {
	if q < 0 || q > maxQuantity {
		r.Reject(event.ReasonOutOfRange, field, fmt.Sprintf("0 to %d", maxQuantity))
		return 0
	}
	return int64(math.Round(q * 1000))
}

func (r *reader) step(in *said) *step {
	s := &step{order: r.Required("order_id", in.OrderID), kind: kindNamed(r.Required("step", in.Step)), transaction: r.Name("transaction_id", in.TransactionID)}
	s.texts[mode], s.texts[origin] = r.Name("mode", in.Mode), r.Name("origin_store_id", in.OriginStoreID)
	s.texts[reason], s.texts[transaction] = r.Text("reason", in.Reason, body.MaxText), s.transaction
	if in.Currency != "" && !event.IsCurrency(in.Currency) {
		r.Reject(event.ReasonInvalidValue, "currency", "three capital letters (ISO 4217)")
	}
	if in.Amount != nil {
		if in.Currency == "" {
			r.Reject(event.ReasonMissingField, "currency", "the currency of amount")
		}
		s.texts[money] = fields(in.Currency, r.whole("amount", in.Amount, maxAmount))
	}
	if at := r.Instant("promised_at", in.PromisedAt); at != 0 {
		s.texts[promise] = fields(at, r.whole("window_s", in.WindowS, maxWindow))
	} else {
		r.whole("window_s", in.WindowS, maxWindow)
	}
	if at := r.Instant("expires_at", in.ExpiresAt); at != 0 {
		s.texts[expiry] = fields(at)
	}
	r.lines(in.Lines, s)
	return s
}

// lines adds up what was ordered, picked and substituted: no view asks for products.
func (r *reader) lines(all []saidLine, s *step) {
	if len(all) > maxLines {
		r.Reject(event.ReasonOutOfRange, "lines", fmt.Sprintf("at most %d lines", maxLines))
		return
	}
	var wanted, got, other int64
	picks := false
	for i := range all {
		l, at := &all[i], "lines["+strconv.Itoa(i)+"]."
		r.Required(at+"product_id", l.ProductID)
		if l.Quantity == nil {
			r.Reject(event.ReasonMissingField, at+"quantity", "a number")
			return
		}
		q := r.thousandths(at+"quantity", *l.Quantity)
		wanted += q
		if l.Picked != nil {
			picks = true
			got += r.thousandths(at+"picked", *l.Picked)
		}
		if r.Name(at+"substituted_by", l.SubstitutedBy) != "" {
			picks = true
			other += q
		}
	}
	if len(all) > 0 {
		s.texts[ordered] = fields(wanted)
	}
	if picks {
		s.texts[picked] = fields(got, other)
	}
}

// fields are values with spaces in between. None of them has one.
func fields(values ...any) string { return strings.TrimSuffix(fmt.Sprintln(values...), "\n") }
