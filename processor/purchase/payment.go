package purchase

import (
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
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
	from := at.from
	service, method := f.recent.service.ID(f.names, t.Acquirer), f.recent.method.ID(f.names, t.Method)
	entryMode, wallet := f.recent.entryMode.ID(f.names, t.EntryMode), f.recent.wallet.ID(f.names, t.Wallet)
	if from.service != service || from.method != method || from.entryMode != entryMode || from.wallet != wallet {
		from.service, from.method, from.entryMode, from.wallet = service, method, entryMode, wallet
		from.payment, from.mix = unknown, unknown
	}
	if from.payment == unknown {
		k := paymentKey{at.store, service, method, entryMode, at.currency, at.hour}
		index, _ := f.payments.At(k.hash(), k)
		from.payment = int32(index)
	}
	s := &f.payments.Entries()[from.payment].Value
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
		f.mixIn(t, at)
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
		*samples = table.Push(*samples, table.Sample[uint32]{Index: from.payment, Value: ms.Value})
	}
	if t.Method != "cash" {
		f.try(t, o, at)
	}
}

// try adds one attempt to those of its till, by the second.
func (f *Fold) try(t *event.Tender, o outcome, at *place) {
	if at.from.till == unknown {
		k := tillKey{at.store, at.terminal, at.hour}
		index, _ := f.tills.At(k.hash(), k)
		at.from.till = int32(index)
	}
	index, s := at.from.till, &f.tills.Entries()[at.from.till].Value
	tries, answers := &f.tries, &f.answers
	if at.sign < 0 {
		tries, answers = &f.triesOff, &f.answersOff
	}
	second := uint32(at.second-int64(at.hour)*3600) * 2
	s.attempts += at.once()
	if o == failed {
		s.failed += at.once()
		second++
	}
	*tries = table.Push(*tries, table.Sample[uint32]{Index: index, Value: second})
	if ms := t.AuthorisationMS; ms.OK && o != offline {
		*answers = table.Push(*answers, table.Sample[uint32]{Index: index, Value: ms.Value})
	}
}

// mixKey is like paymentKey by business date, with the wallet in place of the service.
type mixKey struct {
	store, method, entryMode, wallet, currency uint32
	date                                       int32
}

func (k mixKey) hash() uint64 {
	h := table.Mix(table.Pack(k.store, uint32(k.date)), table.Pack(k.wallet, k.method))
	return table.Mix(h, table.Pack(k.entryMode, k.currency))
}

type mixSums struct{ payments, amount int64 }

// mixIn adds an approved payment to payment_days, or takes it off.
func (f *Fold) mixIn(t *event.Tender, at *place) {
	from := at.from
	if from.mix == unknown {
		k := mixKey{at.store, from.method, from.entryMode, from.wallet, at.currency, at.date}
		index, _ := f.mix.At(k.hash(), k)
		from.mix = int32(index)
	}
	s := &f.mix.Entries()[from.mix].Value
	s.payments += at.sign
	s.amount += at.sign * t.Amount
}

func (f *Fold) sealMix(blocks []*rollup.Block, ranks []uint32) []*rollup.Block {
	entries := f.mix.Entries()
	rows := make([]table.Row, len(entries))
	var m months
	for i := range entries {
		k := &entries[i].Key
		rows[i] = table.Row{Month: m.of(k.date), Index: int32(i), Key: [3]uint64{
			table.Pack(table.Signed(k.date), ranks[k.store]), table.Pack(ranks[k.method], ranks[k.entryMode]), table.Pack(ranks[k.wallet], ranks[k.currency]),
		}}
	}
	for month, rows := range table.Months(rows) {
		b := rollup.NewBlock("payment_days", month, len(rows))
		date, store, method := b.PartitionDays("business_date"), b.String("store_id"), b.String("method")
		entryMode, wallet, currency := b.String("entry_mode"), b.String("wallet"), b.String("currency")
		payments, amount := b.SumInt64("payments"), b.SumInt64("amount")
		for i, r := range rows {
			k, s := &entries[r.Index].Key, &entries[r.Index].Value
			date[i], store[i], method[i] = rollup.Days(k.date), f.names.String(k.store), f.names.String(k.method)
			entryMode[i], wallet[i], currency[i] = f.names.String(k.entryMode), f.names.String(k.wallet), f.names.String(k.currency)
			payments[i], amount[i] = s.payments, s.amount
		}
		blocks = append(blocks, b.Seal())
	}
	return blocks
}
