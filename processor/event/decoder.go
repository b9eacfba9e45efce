package event

import (
	"bytes"
	"fmt"
	"time"
	"unicode/utf8"
)

// Options of a Decoder.
type Options struct {
	Secret      []byte        // key of the pseudonyms
	MaxBytes    int           // larger events are rejected; 1 MiB if 0
	MaxLateness time.Duration // 0: none
}

// Decoder turns JSON into events. It is not for several goroutines at once.
type Decoder struct {
	opts  Options
	scan  scanner
	names pseudonymiser
	event *Event

	customerID, operator string // clear, until they are pseudonyms
	has                  presence
}

// presence says which of the required fields without a zero value of their own were there.
type presence struct{ totals bool }

// NewDecoder makes a Decoder.
func NewDecoder(opts Options) *Decoder {
	if opts.MaxBytes == 0 {
		opts.MaxBytes = 1 << 20
	}
	return &Decoder{opts: opts, names: pseudonymiser{secret: opts.Secret}}
}

// Decode fills e with the event in value. Card numbers in value are masked in place; the strings of e alias value, and are valid until
// value is changed or Decode is called again. After a rejection e holds what was read so far; the Rejection is valid until the next call.
func (d *Decoder) Decode(value []byte, e *Event) *Rejection {
	d.event, d.has = e, presence{}
	d.customerID, d.operator = "", ""
	e.reset()
	s := &d.scan
	*s = scanner{in: value, scratch: s.scratch[:0]}
	switch {
	case len(value) == 0:
		s.fail(ReasonEmpty, "an event")
		return &s.rejection
	case len(value) > d.opts.MaxBytes:
		s.fail(ReasonTooLarge, fmt.Sprintf("at most %d bytes", d.opts.MaxBytes))
		return &s.rejection
	case !utf8.Valid(value):
		s.fail(ReasonInvalidUTF8, "UTF-8")
		return &s.rejection
	}
	s.plain = bytes.IndexByte(value, '\\') < 0
	s.cards = suspicious(value)
	ok := s.space() == '{' || s.malformed("one JSON object")
	if ok = ok && s.object(d.field); ok && s.space() != 0 {
		ok = s.malformed("nothing after the event")
	}
	e.Notes.PANMasked = s.masked
	if ok {
		ok = d.validate()
	}
	if !ok {
		d.forget()
		return &s.rejection
	}
	d.pseudonymise()
	return nil
}

// field takes one field of the envelope, or one of the body: both are on the same level, and the type may come last.
func (d *Decoder) field(key string) bool {
	e, s := d.event, &d.scan
	ok := true
	switch key {
	case "id":
		ok = s.string(&e.ID)
	case "source":
		ok = s.string(&e.Source)
	case "type":
		ok = s.string(&e.Type)
	case "time":
		ok = s.time(&e.Time)
	case "recorded_at":
		ok = s.time(&e.RecordedAt)
	case "sent_at":
		ok = s.time(&e.SentAt)
	case "sequence":
		ok = s.optUint64(&e.Sequence)
	case "sequence_epoch":
		ok = s.optUint32(&e.SequenceEpoch, 1<<32-1)
	case "corrects":
		ok = d.corrects()
	case "store_id":
		ok = s.string(&e.StoreID)
	case "terminal_id":
		ok = s.string(&e.TerminalID)
	case "gln":
		ok = s.code(&e.GLN)
	case "test":
		ok = s.bool(&e.Test)
	default:
		return d.body(key)
	}
	return ok || s.within(key)
}

// body takes a field of a transaction or of a health report. kind is in both; the others have names of their own, except where the
// type says whose they are.
func (d *Decoder) body(key string) bool {
	e := d.event
	if key == "kind" {
		e.filled = filledTransaction | filledHealth
		ok := d.scan.string(&e.Transaction.Kind)
		e.Health.Kind = e.Transaction.Kind
		return ok || d.scan.within(key)
	}
	found, ok := d.transactionField(key)
	switch {
	case found:
		e.filled |= filledTransaction
	default:
		if found, ok = d.healthField(key); !found {
			return d.scan.skip() // an unknown key is not repeated: nobody knows what is in it
		}
		e.filled |= filledHealth
	}
	return ok || d.scan.within(key)
}

func (d *Decoder) corrects() bool {
	c, s := &d.event.Corrects, &d.scan
	return s.optObject(func(key string) bool {
		ok := true
		switch key {
		case "ids":
			ok = s.strings(&c.IDs)
		case "reason":
			ok = s.string(&c.Reason)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}

func (d *Decoder) pseudonymise() {
	t := &d.event.Transaction
	if d.customerID != "" {
		t.Customer.Pseudonym = d.names.of(t.Customer.Type, d.customerID)
	}
	if d.operator != "" {
		t.Operator = d.names.of("operator", d.operator)
	}
	for i := range t.Tenders {
		if ref := t.Tenders[i].clearRef; ref != "" {
			t.Tenders[i].PaymentRef = d.names.of("payment_ref", ref)
		}
	}
	d.forget()
}

// forget drops what is kept as pseudonyms only.
func (d *Decoder) forget() {
	d.customerID, d.operator = "", ""
	t := &d.event.Transaction
	for i := range t.Tenders {
		t.Tenders[i].clearRef = ""
	}
}

// reset empties an event and keeps the memory of its slices. The body that was not filled is clean already.
func (e *Event) reset() {
	ids := e.Corrects.IDs[:0]
	e.Envelope, e.Notes = Envelope{}, Notes{}
	e.Corrects.IDs = ids
	if e.filled&filledTransaction != 0 {
		t := &e.Transaction
		lines, notFound, tenders, taxes, consent := t.Lines[:0], t.NotFound[:0], t.Tenders[:0], t.Taxes[:0], t.Customer.Consent[:0]
		*t = Transaction{}
		t.Lines, t.NotFound, t.Tenders, t.Taxes, t.Customer.Consent = lines, notFound, tenders, taxes, consent
	}
	if e.filled&filledHealth != 0 {
		h := &e.Health
		components, hosts, errors := h.Components[:0], h.Hosts[:0], h.Errors[:0]
		*h = Health{}
		h.Components, h.Hosts, h.Errors = components, hosts, errors
	}
	e.filled = 0
}

// Bodies that an event may have filled.
const (
	filledTransaction = 1 << iota
	filledHealth
)
