package simulator

import "slices"

// mistake is how long it takes to see that a sale was mistyped, and to type it again.
const mistake = 45 * second

// mistyped says whether one more zero is typed in a sale.
func (s *store) mistyped(tx *transaction) bool {
	l := &tx.lines
	return s.cfg.Mistyped > 0 && len(*l) > 0 && (*l)[0].product != nil && !(*l)[0].voided && mix(uint64(tx.started))%uint64(s.cfg.Mistyped) == 0
}

// mistype sends a sale with one more zero, and then the right one in its place. It returns when that is done. What counts is the right one if it arrives,
// else the other.
func (s *store) mistype(t *till, tx *transaction, end int64) int64 {
	right := slices.Clone(tx.lines)
	l := &tx.lines[0]
	l.quantity, l.gross, l.discount = 10*l.quantity, 10*l.gross, 10*l.discount
	h := t.begin(transactions, end, true)
	tx.header, tx.date = h, s.date(t, end)
	s.sum(tx)
	s.out.buffer = appendTransaction(s.out.buffer[:0], tx)
	came := s.out.send(&h, s.out.buffer)
	if came {
		s.ledger.happened(tx)
	}
	wrong := *tx
	wrong.lines = slices.Clone(tx.lines)

	again := t.begin(transactions, end+mistake, false)
	tx.lines = append(tx.lines[:0], right...)
	tx.header, tx.corrects, tx.recorded = again, h.sequence, again.time
	tx.header.time, tx.header.offset, tx.header.offline = h.time, h.offset, h.offline // of what it corrects
	s.sum(tx)
	s.out.buffer = appendTransaction(s.out.buffer[:0], tx)
	switch {
	case s.out.send(&tx.header, s.out.buffer):
		s.ledger.accept(&tx.header)
		s.ledger.bought(tx)
	case came:
		s.ledger.bought(&wrong)
	}
	tx.corrects = 0
	t.freeAt = end + mistake + second
	return end + mistake
}
