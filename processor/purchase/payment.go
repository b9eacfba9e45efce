package purchase

import (
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/table"
)

// outcome is what a payment counts as, beside an attempt.
type outcome uint8

const (
	neither  outcome = iota // cancelled, reversed, or not known: nobody's fault
	approved                // by the acquirer
	offline                 // by the till alone; approved too
	declined                // the service worked and said no
	failed                  // the service did not work
)

// outcomeOf sorts a payment by its result and, where that is not enough, by its error (a nexo ErrorCondition).
func outcomeOf(t *event.Tender) outcome {
	switch t.Result {
	case "approved":
		return approved
	case "approved_offline":
		return offline
	case "declined":
		return declined
	case "failed", "timeout":
		switch t.Error {
		case "Refusal", "WrongPIN", "InvalidCard", "PaymentRestriction", "InsertedCard":
			return declined
		case "Cancel", "Aborted":
			return neither
		}
		return failed
	}
	return neither
}

// pay adds one attempt to pay.
func (f *Fold) pay(t *event.Tender, at *place) {
	k := paymentKey{
		store:     at.store,
		service:   f.recent.service.ID(f.names, t.Acquirer),
		method:    f.recent.method.ID(f.names, t.Method),
		entryMode: f.recent.entryMode.ID(f.names, t.EntryMode),
		currency:  at.currency,
		hour:      at.hour,
	}
	index, s := f.payments.At(k.hash(), k)
	s.attempts += at.once()
	s.corrections += at.taken()
	o := outcomeOf(t)
	switch o {
	case offline:
		s.offline += at.once()
		fallthrough
	case approved:
		s.approved += at.once()
		s.amount += at.sign * t.Amount
	case declined:
		s.declined += at.once()
	case failed:
		s.failed += at.once()
	}
	if ms := t.AuthorisationMS; ms.OK && o != offline {
		s.authMS += at.once() * uint64(ms.Value)
		s.authN += at.once()
		samples := &f.authMS
		if at.sign < 0 {
			samples = &f.authMSOff
		}
		*samples = append(*samples, table.Sample[uint32]{Index: int32(index), Value: ms.Value})
	}
}
