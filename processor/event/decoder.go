package event

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// Options of a Decoder.
type Options struct {
	Secret      []byte        // key of the pseudonyms
	MaxBytes    int           // larger events are rejected; 1 MiB if 0
	MaxLateness time.Duration // 0: none
	Corrections bool          // of transactions are accepted
	// Bodies read the types that come seldom, by type, each from a whole event that is sound JSON and has a sound envelope. Their events
	// are about a store: they need no terminal_id. What they return must not alias the value.
	Bodies map[string]func(value []byte) (body any, r *Rejection)
}

// Decoder turns JSON into events. It is not for several goroutines at once.
type Decoder struct {
	opts     Options
	scan     scanner
	habits   habits
	skeleton skeleton
	plain    bool // without skeletons: what they give is compared with that
	dates    dates
	names    pseudonymiser
	event    *Event
	value    []byte // being decoded

	customerID, operator string // clear, until they are pseudonyms
	has                  presence
}

// presence says which of the required fields without a zero value of their own were there.
type presence struct {
	totals     bool
	incomplete string // what the first line lacks that lacks something. Orders have lines too, which need less, and the type may come last
	at         int    // its index
}

// DefaultMaxBytes bounds an event where Options say nothing.
const DefaultMaxBytes = 1 << 20

// NewDecoder makes a Decoder.
func NewDecoder(opts Options) *Decoder {
	if opts.MaxBytes == 0 {
		opts.MaxBytes = DefaultMaxBytes
	}
	return &Decoder{opts: opts, names: pseudonymiser{secret: opts.Secret}}
}

// Decode fills e with the event in value. Card numbers in value are masked in place; the strings of e alias value, and are valid until
// value is changed or Decode is called again. After a rejection e holds what was read so far; the Rejection is valid until the next call.
func (d *Decoder) Decode(value []byte, e *Event) *Rejection {
	d.event, d.value, d.has = e, value, presence{}
	d.customerID, d.operator = "", ""
	e.Reset()
	s := &d.scan
	switch {
	case len(value) == 0:
		s.fail(ReasonEmpty, "an event")
		return &s.rejection
	case len(value) > d.opts.MaxBytes:
		s.fail(ReasonTooLarge, fmt.Sprintf("at most %d bytes", d.opts.MaxBytes))
		return &s.rejection
	}
	tried := !d.plain && d.skeleton.try()
	if tried {
		s.escapes, s.scratch = false, s.scratch[:0]
		if d.read() && (d.skeleton.seen&highs == 0 || utf8.Valid(value)) && d.validate() {
			d.skeleton.took(true)
			d.pseudonymise()
			return nil
		}
		d.skeleton.took(false)
		d.forget()
		e.filled = filledTransaction | filledHealth // or any of them
		e.Reset()
		d.has = presence{}
	}
	*s = scanner{in: value, scratch: s.scratch[:0], habits: &d.habits, dates: &d.dates}
	ok := s.space() == '{' || s.malformed("one JSON object")
	if ok = ok && d.object(); ok && s.space() != 0 {
		ok = s.malformed("nothing after the event")
	}
	if (!ok || s.seen&highs != 0) && !utf8.Valid(value) { // this is said before all else, and nothing of such an event is told
		d.forget()
		e.Reset()
		s.fail(ReasonInvalidUTF8, "UTF-8")
		return &s.rejection
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
	if tried && !s.escapes && !s.masked && e.Body == nil && d.skeleton.learns() {
		d.learn()
	}
	return nil
}

// Lasting says that the strings of the last event alias its value alone, and stay when Decode is called with another one.
func (d *Decoder) Lasting() bool { return len(d.scan.scratch) == 0 }

// object takes the event. Envelope and body are on the same level, and the type may come last.
func (d *Decoder) object() bool {
	e, s := d.event, &d.scan
	k := s.enter(shapeEvent)
	for ; k < keys; k = s.next(shapeEvent, k) {
		ok := true
		switch k {
		case keyID:
			ok = s.string(&e.ID)
		case keySource:
			ok = s.string(&e.Source)
		case keyType:
			switch {
			case s.takes(TypeTransaction):
				e.Type = TypeTransaction
			case s.takes(TypeHealth):
				e.Type = TypeHealth
			default:
				ok = s.string(&e.Type)
			}
		case keyTime:
			ok = s.time(&e.Time)
		case keyRecordedAt:
			ok = s.time(&e.RecordedAt)
		case keySentAt:
			ok = s.time(&e.SentAt)
		case keySequence:
			ok = s.optUint64(&e.Sequence)
		case keySequenceEpoch:
			ok = s.optUint32(&e.SequenceEpoch, 1<<32-1)
		case keyCorrects:
			ok = d.corrects()
		case keyStoreID:
			ok = s.string(&e.StoreID)
		case keyTerminalID:
			ok = s.string(&e.TerminalID)
		case keyGLN:
			ok = s.code(&e.GLN)
		case keyTest:
			ok = s.bool(&e.Test)
		case keyKind: // of both bodies, whose other fields have names of their own, except where the type says whose they are
			ok = s.string(&e.Transaction.Kind)
			e.Health.Kind = e.Transaction.Kind
		default:
			var found bool
			if found, ok = d.transactionField(k); found {
				e.filled |= filledTransaction
			} else if found, ok = d.healthField(k); found {
				e.filled |= filledHealth
			} else if ok = s.skip(); !ok {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

func (d *Decoder) corrects() bool {
	c, s := &d.event.Corrects, &d.scan
	if s.null() {
		return true
	}
	k := s.enter(shapeCorrects)
	for ; k < keys; k = s.next(shapeCorrects, k) {
		ok := true
		switch k {
		case keyIDs:
			ok = s.strings(&c.IDs)
		case keyReason:
			ok = s.string(&c.Reason)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

func (d *Decoder) pseudonymise() {
	t := &d.event.Transaction
	if d.customerID != "" {
		t.Customer.Pseudonym = d.names.of(t.Customer.Type, d.customerID)
	}
	if d.operator != "" {
		t.Operator = d.names.operator(d.operator)
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

// Reset empties an event and keeps the memory of its slices. The body that was not filled is clean already.
func (e *Event) Reset() {
	ids := e.Corrects.IDs[:0]
	e.Transaction.Kind, e.Health.Kind = "", "" // of which the decoder fills both
	e.Envelope, e.Notes, e.Body = Envelope{}, Notes{}, nil
	e.Corrects.IDs = ids
	if e.filled&filledTransaction != 0 {
		t := &e.Transaction
		lines, notFound, tenders, taxes, consent := t.Lines[:0], t.NotFound[:0], t.Tenders[:0], t.Taxes[:0], t.Customer.Consent.Value[:0]
		*t = Transaction{}
		t.Lines, t.NotFound, t.Tenders, t.Taxes, t.Customer.Consent.Value = lines, notFound, tenders, taxes, consent
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
