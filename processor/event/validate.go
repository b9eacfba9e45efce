package event

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// validate checks what the fields must be together.
func (d *Decoder) validate() bool {
	e, s := d.event, &d.scan
	if s.escapes || !isName(e.ID) || !isName(e.Source) || !isName(e.Type) || !isName(e.StoreID) || !isName(e.TerminalID) {
		if !d.validateNames() {
			return false
		}
	}
	switch {
	case !e.Time.OK:
		return d.missing("time")
	case e.GLN != "" && !isGLN(e.GLN):
		return s.fail(ReasonInvalidValue, "13 digits with a GS1 check digit") || s.within("gln")
	case e.Type == TypeTransaction:
		e.Type = TypeTransaction // the constant itself: comparing those is comparing addresses
		if !d.validateTransaction() {
			return false
		}
	case e.Type == TypeHealth:
		e.Type = TypeHealth
		if !d.validateHealth() {
			return false
		}
	case d.opts.Bodies[e.Type] != nil:
		body, r := d.opts.Bodies[e.Type](d.value)
		if r != nil {
			s.rejection = *r
			return false
		}
		e.Body = body
	default:
		return s.fail(ReasonUnknownType, d.types()) || s.within("type")
	}
	return len(e.Corrects.IDs) == 0 || d.validateCorrects()
}

// isName says that a text has the length of an id.
func isName(text string) bool { return len(text)-1 < maxID && text != "" }

func (d *Decoder) validateNames() bool {
	e, s := d.event, &d.scan
	for _, f := range [...]struct{ name, value string }{
		{"id", e.ID}, {"source", e.Source}, {"type", e.Type}, {"store_id", e.StoreID}, {"terminal_id", e.TerminalID},
	} {
		if f.value == "" {
			if f.name == "terminal_id" && d.opts.Bodies[e.Type] != nil {
				continue
			}
			return d.missing(f.name)
		}
		if len(f.value) > maxID {
			return s.fail(ReasonInvalidValue, "at most 128 bytes") || s.within(f.name)
		}
		if s.escapes && strings.IndexByte(f.value, 0) >= 0 { // keys of state are parted by it, and only an escape can spell it
			return s.fail(ReasonInvalidValue, "no NUL") || s.within(f.name)
		}
	}
	return true
}

func (d *Decoder) validateCorrects() bool {
	e, s := d.event, &d.scan
	switch {
	case e.Type != TypeTransaction:
		return s.fail(ReasonCorrectionUnsupported, "no correction: only those of transactions are folded") || s.within("corrects")
	case !d.opts.Corrections:
		return s.fail(ReasonCorrectionUnsupported, "no correction: processor.correction_window is 0") || s.within("corrects")
	case len(e.Corrects.IDs) > maxCorrected:
		return s.fail(ReasonOutOfRange, "at most 100 ids") || s.within("ids") || s.within("corrects")
	}
	for _, id := range e.Corrects.IDs {
		if id == "" || len(id) > maxID || strings.IndexByte(id, 0) >= 0 {
			return s.fail(ReasonInvalidValue, "1 to 128 bytes, no NUL") || s.within("ids") || s.within("corrects")
		}
	}
	return true
}

// types lists what is understood.
func (d *Decoder) types() string {
	return strings.Join(append([]string{TypeTransaction, TypeHealth}, slices.Sorted(maps.Keys(d.opts.Bodies))...), ", ")
}

func (d *Decoder) validateTransaction() bool {
	t := &d.event.Transaction
	if d.has.incomplete != "" {
		return d.missing(d.has.incomplete) || d.scan.withinElement(d.has.at) || d.scan.within("lines")
	}
	if t.Kind == "" {
		return d.missing("kind")
	}
	money := false
	switch t.Kind {
	case "sale", "return", "exchange":
		money = true
		if len(t.Lines) == 0 {
			return d.missing("lines")
		}
		if !d.has.totals {
			return d.missing("totals")
		}
	default:
		money = len(t.Lines) > 0 || len(t.Tenders) > 0
	}
	if t.Currency == "" && money {
		return d.missing("currency")
	}
	if t.Currency != "" && !IsCurrency(t.Currency) {
		return d.scan.fail(ReasonInvalidValue, "three capital letters (ISO 4217)") || d.scan.within("currency")
	}
	d.event.Notes.Unbalanced = d.has.totals && !t.balanced()
	d.event.Notes.Other += t.unknown()
	return true
}

func (d *Decoder) validateHealth() bool {
	h := &d.event.Health
	switch {
	case h.Kind == "":
		return d.missing("kind")
	case h.Status == "":
		return d.missing("status")
	}
	d.event.Notes.Other += h.unknown()
	return true
}

// IsCurrency says whether a text has the form of an ISO 4217 code.
func IsCurrency(c string) bool {
	return len(c) == 3 && c[0]-'A' < 26 && c[1]-'A' < 26 && c[2]-'A' < 26
}

// balanced compares a transaction's totals with its lines and tenders. A till whose sums differ is believed, but counted.
func (t *Transaction) balanced() bool {
	var gross, discount, net, paid int64
	for i := range t.Lines {
		l := &t.Lines[i]
		if l.Voided {
			continue
		}
		gross += l.Gross
		discount += l.Discount
		net += l.NetAmount()
		if n := l.Gross - l.Discount; l.Net.OK && l.Net.Value != n && l.Net.Value != n-l.Tax {
			return false
		}
	}
	if len(t.Lines) > 0 && (gross != t.Totals.Gross || discount != t.Totals.Discount || net != t.Totals.Net) {
		return false
	}
	for i := range t.Tenders {
		if p := &t.Tenders[i]; p.Result == "approved" || p.Result == "approved_offline" {
			paid += p.Amount - p.Change
		}
	}
	return !t.Totals.Paid.OK || len(t.Tenders) == 0 || paid == t.Totals.Paid.Value
}

func (t *Transaction) unknown() (n uint32) {
	count := func(known bool) {
		if !known {
			n++
		}
	}
	switch t.Kind {
	case "sale", "return", "exchange", "void", "no_sale", "cash_in", "cash_out", "sign_on", "sign_off", "price_lookup", "layaway", "order_pickup":
	default:
		n++
	}
	switch t.Channel {
	case "", "store", "web", "app", "phone", "kiosk", "marketplace", "self_checkout", "click_and_collect":
	default:
		n++
	}
	switch t.Customer.Type {
	case "", "loyalty", "account", "payment_token", "household":
	default:
		n++
	}
	switch t.Offline.Mode {
	case "", "none", "saf", "emv":
	default:
		n++
	}
	for i := range t.Lines {
		if l := &t.Lines[i]; l.Kind != "" || l.EntryMethod != "" {
			count(knownLineKind(l.Kind))
			count(knownEntryMethod(l.EntryMethod))
		}
	}
	for i := range t.Tenders {
		count(knownMethod(t.Tenders[i].Method))
		count(knownEntryMode(t.Tenders[i].EntryMode))
		count(knownResult(t.Tenders[i].Result))
	}
	return n
}

func knownLineKind(k string) bool {
	switch k {
	case "", "item", "deposit", "fee", "tip", "gift_card", "donation", "service":
		return true
	}
	return false
}

func knownEntryMethod(m string) bool {
	switch m {
	case "", "scanned", "keyed", "weighed", "rfid", "lookup", "imported":
		return true
	}
	return false
}

func knownMethod(m string) bool {
	switch m {
	case "cash", "card", "mobile", "cheque", "stored_value", "voucher", "loyalty_points", "account", "bank_transfer", "crypto", "other":
		return true
	}
	return false
}

func knownEntryMode(m string) bool {
	switch m {
	case "", "contactless", "icc", "magstripe", "keyed", "scanned", "tapped", "rfid", "mobile", "on_file", "file", "manual":
		return true
	}
	return false
}

func knownResult(r string) bool {
	switch r {
	case "approved", "approved_offline", "declined", "failed", "cancelled", "reversed", "timeout":
		return true
	}
	return false
}

func (h *Health) unknown() (n uint32) {
	switch h.Kind {
	case "heartbeat", "state_change", "diagnosis", "startup", "shutdown":
	default:
		n++
	}
	switch h.Status {
	case "up", "degraded", "down", "maintenance", "closing":
	default:
		n++
	}
	for i := range h.Components {
		switch h.Components[i].State {
		case "", "ok", "warning", "error", "absent":
		default:
			n++
		}
	}
	return n
}

// maxAhead is how far a till's clock may be before Kafka's.
const maxAhead = 10 * time.Minute

// epoch2000 is the first instant of the year 2000, in ms.
const epoch2000 = 946_684_800_000

// Latest is the first instant of the year 2100, in ms. What Kafka says of a record may be later, where its producer says it and is wrong. All columns can hold what is not.
const Latest = 4_102_444_800_000

// CheckTime judges an event's times against the timestamp that Kafka gave the record, in ms: not against the clock, so that a replay
// judges alike. A record without a timestamp (negative) can only be too old, or of the year 2100 or later. The business date is judged too, since rows are filed under it.
func (d *Decoder) CheckTime(e *Event, timestamp int64) *Rejection {
	ok := d.checkTime("time", e.Time.Milli, 0, timestamp)
	if t := &e.Transaction; ok && e.Type == TypeTransaction {
		if t.EndedAt.OK {
			ok = d.checkTime("ended_at", t.EndedAt.Milli, 0, timestamp)
		}
		if ok && t.BusinessDate.OK {
			// A day of trade is local, and may begin on the evening before.
			ok = d.checkTime("business_date", int64(t.BusinessDate.Value)*dayMilli, 2*dayMilli, timestamp)
		}
	}
	if ok {
		return nil
	}
	return &d.scan.rejection
}

// dayMilli is a day in ms.
const dayMilli = 86_400_000

// checkTime judges an instant that is known to within slack. All in ms.
func (d *Decoder) checkTime(field string, at, slack, timestamp int64) bool {
	late := d.opts.MaxLateness
	switch {
	case at < epoch2000:
		d.scan.rejection = Rejection{ReasonTooOld, field, "a time since the year 2000"}
	case at-slack > Latest:
		d.scan.rejection = Rejection{ReasonFuture, field, "a time before the year 2100"}
	case timestamp < 0:
		return true
	case at-slack > timestamp+maxAhead.Milliseconds():
		d.scan.rejection = Rejection{ReasonFuture, field, "at most 10 min after Kafka got the event"}
	case late > 0 && at+slack < timestamp-late.Milliseconds():
		d.scan.rejection = Rejection{ReasonTooLate, field, fmt.Sprintf("at most %v before Kafka got the event", late)}
	default:
		return true
	}
	return false
}
