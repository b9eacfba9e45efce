package simulator

// method of payment; index of methodNames.
type method uint8

const (
	cash method = iota
	card
	mobile
	storedValue
	voucher
)

var methodNames = [...]string{"cash", "card", "mobile", "stored_value", "voucher"}

// tender is one attempt to pay. Amounts are minor units.
type tender struct {
	method                          string
	entry, wallet, scheme, country  string
	reference                       uint64 // of the card, 0: none
	amount, tip                     int64  // amount: what it settles, without the change
	result, err, response, acquirer string
	authorisation, interaction      int64 // ms; authorisation negative: nobody was asked
}

// preferred is the usual means of payment of somebody in this place.
func (s *store) preferred(r random) method {
	switch x := r.Float64(); {
	case x < s.place.cash:
		return cash
	case x < s.place.cash+s.place.mobile:
		return mobile
	}
	return card
}

// answers of an authorisation host that are not an approval, with their shares.
var refusals = [...]struct {
	share                 float64
	result, err, response string
	ms                    int64 // 0: as long as an approval
}{
	{0.012, "declined", "Refusal", "51", 0},
	{0.005, "declined", "", "05", 0},
	{0.003, "failed", "WrongPIN", "55", 0},
	{0.001, "failed", "InvalidCard", "14", 0},
	{0.003, "timeout", "", "", 30_000},
	{0.0015, "failed", "UnreachableHost", "91", 15_000},
	{0.001, "failed", "Busy", "", 0},
	{0.001, "failed", "DeviceOut", "", 0},
	{0.002, "cancelled", "Cancel", "", 0},
	{0.001, "failed", "Aborted", "", 0},
	{0.0005, "reversed", "", "", 0},
	{0.0003, "pending_review", "", "", 0}, // a value that nobody knows: enums are open
}

// pay settles an amount, not 0, and says how long it took. A negative amount is given back.
func (s *store) pay(tx *transaction, due int64, how method, who uint64) (took int64) {
	r := s.random
	switch {
	case due < 0:
		if how == mobile {
			how = card
		}
		t := tx.tender(methodNames[how])
		t.amount, t.result, t.authorisation = due, "approved", -1
		if how == card {
			s.present(t, card, who)
			t.authorisation = int64(r.logNormal(900, 0.4))
		}
		return 10 * second
	case r.chance(0.008):
		t := tx.tender(methodNames[voucher])
		t.amount, t.result, t.entry, t.authorisation = min(due, s.place.amount(500)), "approved", "scanned", -1
		took, due = took+6*second, due-t.amount
	case r.chance(0.012):
		t := tx.tender(methodNames[storedValue])
		t.amount, t.result, t.entry = max(due*r.Int64N(100)/100, 1), "approved", "magstripe"
		t.acquirer, t.authorisation = "giftcards", int64(r.logNormal(400, 0.4))
		took, due = took+8*second, due-t.amount
	}
	for try := 0; due > 0; try++ {
		if how == cash || try == 2 || due > s.place.amount(20_000) && how == mobile {
			took += s.payCash(tx, due)
			break
		}
		t := tx.tender(methodNames[how])
		t.amount = due
		took += s.present(t, how, who)
		if tx.header.offline {
			took += s.payWithoutLine(t)
		} else {
			took += s.authorise(t)
		}
		if t.result == "approved" || t.result == "approved_offline" {
			if s.place.country == "US" && s.format.name == "night" && r.chance(0.3) {
				t.tip = due * 15 / 100
			}
			break
		}
		if r.chance(0.4) {
			how = cash
		}
	}
	return took
}

func (s *store) payCash(tx *transaction, due int64) int64 {
	t := tx.tender(methodNames[cash])
	t.amount, t.result, t.authorisation = due, "approved", -1
	return s.random.between(6*second, 20*second)
}

// present says how a card, or a telephone, met the reader.
func (s *store) present(t *tender, how method, who uint64) int64 {
	r := s.random
	t.interaction = int64(r.logNormal(2500, 0.5))
	t.acquirer = s.place.acquirers[min(who%3, 1)]
	switch x := r.Float64(); {
	case how == mobile:
		t.entry, t.wallet = "contactless", "apple_pay"
		if who%2 == 0 {
			t.wallet = "google_pay"
		}
		if r.chance(0.2) {
			t.entry, t.wallet = "scanned", "qr_pay"
		}
	case x < 0.62:
		t.entry = "contactless"
	case x < 0.97:
		t.entry = "icc"
		t.interaction += 6 * second
	default:
		t.entry = "magstripe"
	}
	t.scheme = [...]string{"visa", "mastercard", s.place.scheme}[who%3]
	t.country = s.place.country
	if r.chance(0.7) {
		t.reference = who | 1
	}
	return t.interaction
}

// authorise asks the acquirer.
func (s *store) authorise(t *tender) int64 {
	r := s.random
	t.authorisation = max(int64(r.logNormal(650, 0.45)), 60)
	t.result, t.response = "approved", "00"
	x := r.Float64()
	for i := range refusals {
		f := &refusals[i]
		if x -= f.share; x < 0 {
			t.result, t.err, t.response = f.result, f.err, f.response
			if f.ms > 0 {
				t.authorisation = f.ms
			}
			break
		}
	}
	return t.authorisation
}

// payWithoutLine lets small amounts through, at the merchant's risk.
func (s *store) payWithoutLine(t *tender) int64 {
	if t.amount < s.place.amount(5000) && s.random.chance(0.8) {
		t.result, t.response, t.authorisation = "approved_offline", "Y3", -1
		return second
	}
	t.result, t.err, t.authorisation = "failed", "UnreachableHost", 15_000
	return 15 * second
}
