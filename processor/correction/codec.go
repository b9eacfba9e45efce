package correction

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/tillstream/tillstream/processor/event"
)

// format is the first byte of every content. The encoding: unsigned varints, signed ones zigzag, texts with their length before them. Format 1 had no flag that says no,
// and is read as that.
const format = 2

// Flags of a transaction, a line and a tender. What most do not have is not there when its flag says so.
const (
	flagTest = 1 << iota
	flagEnded
	flagOriginal
	flagOffline
	flagCustomer
	noChannel
	noOrder
	noTotalTax
)

const (
	flagVoided = 1 << iota
	flagNet
	noLineKind
	noHierarchy
	noDiscount
	noTax
	noPromotions
)

const (
	flagTimed = 1 << iota
	noEntryMode
	noWallet
	noScheme
	noAcquirer
	noError
)

// flag is set where there is nothing.
func flag(there bool, f byte) byte {
	if there {
		return 0
	}
	return f
}

// appendContent encodes what the folds may want of a transaction, but for its customer's pseudonym, which is a column of its own so that a
// person can be forgotten. The operator, the reference and the digits of a card, and what no rollup of purchases tells (prices, taxes, the till's signature, consent)
// are left out. date is the business date on which it is folded.
func appendContent(b []byte, e *event.Event, date int32) []byte {
	x := &e.Transaction
	var flags byte
	if e.Test {
		flags |= flagTest
	}
	if x.EndedAt.OK {
		flags |= flagEnded
	}
	original := x.Original != event.Original{}
	if original {
		flags |= flagOriginal
	}
	if x.Offline.Mode != "" {
		flags |= flagOffline
	}
	if x.Customer.Type != "" {
		flags |= flagCustomer
	}
	flags |= flag(x.Channel != "", noChannel) | flag(x.OrderID != "", noOrder) | flag(x.Totals.Tax != 0, noTotalTax)
	b = append(b, format, flags)
	b = appendTime(b, e.Time)
	if x.EndedAt.OK {
		b = appendTime(b, x.EndedAt)
	}
	b = appendVarint(b, int64(date))
	b = appendText(b, x.Kind)
	if x.Channel != "" {
		b = appendText(b, x.Channel)
	}
	b = appendText(b, x.Currency)
	if x.OrderID != "" {
		b = appendText(b, x.OrderID)
	}
	if original {
		b = appendOriginal(b, &x.Original)
	}
	if x.Offline.Mode != "" {
		b = appendText(b, x.Offline.Mode)
	}
	if x.Customer.Type != "" {
		b = appendText(b, x.Customer.Type)
	}
	b = appendVarint(b, x.Totals.Gross)
	if x.Totals.Tax != 0 {
		b = appendVarint(b, x.Totals.Tax)
	}
	b = appendUvarint(b, uint64(len(x.Lines)))
	for i := range x.Lines {
		b = appendLine(b, &x.Lines[i])
	}
	b = appendUvarint(b, uint64(len(x.Tenders)))
	for i := range x.Tenders {
		b = appendTender(b, &x.Tenders[i])
	}
	return b
}

func appendTime(b []byte, t event.Time) []byte {
	b = appendVarint(b, t.Milli)
	return appendVarint(b, int64(t.Offset))
}

// Most numbers and lengths take one byte: that much is inlined. Many texts are empty.

func appendText(b []byte, s string) []byte {
	if s == "" {
		return append(b, 0)
	}
	return append(appendUvarint(b, uint64(len(s))), s...)
}

func appendUvarint(b []byte, v uint64) []byte {
	if v < 0x80 {
		return append(b, byte(v))
	}
	return appendLong(b, v)
}

// appendLong does not branch by the length of a number, which of amounts nobody can foretell.
func appendLong(b []byte, v uint64) []byte {
	if v >= 1<<28 || cap(b)-len(b) < 4 {
		return binary.AppendUvarint(b, v)
	}
	size := (bits.Len64(v|1) + 6) / 7
	spread := v&0x7f | v&0x3f80<<1 | v&0x1fc000<<2 | v&0xfe00000<<3
	more := uint64(0x80808080) & (1<<(8*size-8) - 1)
	binary.LittleEndian.PutUint32(b[len(b):len(b)+4], uint32(spread|more))
	return b[:len(b)+size]
}

func appendVarint(b []byte, v int64) []byte {
	return appendUvarint(b, uint64(v)<<1^uint64(v>>63))
}

func appendTexts(b []byte, all []string) []byte {
	b = appendUvarint(b, uint64(len(all)))
	for _, s := range all {
		b = appendText(b, s)
	}
	return b
}

func appendOriginal(b []byte, o *event.Original) []byte {
	b = appendText(b, o.TransactionID)
	b = appendText(b, o.StoreID)
	b = appendText(b, o.TerminalID)
	sequence := uint64(0) // one more than it is
	if o.Sequence.OK {
		sequence = o.Sequence.Value + 1
	}
	b = appendUvarint(b, sequence)
	date := int64(math.MinInt32) - 1
	if o.BusinessDate.OK {
		date = int64(o.BusinessDate.Value)
	}
	b = appendVarint(b, date)
	return appendText(b, o.Reason)
}

func appendLine(b []byte, l *event.Line) []byte {
	flags := flag(l.Kind != "", noLineKind) | flag(len(l.Hierarchy) > 0, noHierarchy) | flag(l.Discount != 0, noDiscount) | flag(l.Tax != 0, noTax) | flag(len(l.Promotions) > 0, noPromotions)
	if l.Voided {
		flags |= flagVoided
	}
	if l.Net.OK {
		flags |= flagNet
	}
	b = append(b, flags)
	if l.Kind != "" {
		b = appendText(b, l.Kind)
	}
	b = appendText(b, l.ProductID)
	b = appendText(b, l.Category)
	if len(l.Hierarchy) > 0 {
		b = appendTexts(b, l.Hierarchy)
	}
	b = appendVarint(b, l.Quantity)
	b = appendVarint(b, l.Gross)
	if l.Discount != 0 {
		b = appendVarint(b, l.Discount)
	}
	if l.Tax != 0 {
		b = appendVarint(b, l.Tax)
	}
	if l.Net.OK {
		b = appendVarint(b, l.Net.Value)
	}
	if len(l.Promotions) == 0 {
		return b
	}
	b = appendUvarint(b, uint64(len(l.Promotions)))
	for i := range l.Promotions {
		p := &l.Promotions[i]
		b = appendText(b, p.PromotionID)
		b = appendText(b, p.CouponCode)
		b = appendText(b, p.Kind)
		b = appendVarint(b, p.Amount)
	}
	return b
}

func appendTender(b []byte, t *event.Tender) []byte {
	flags := flag(t.EntryMode != "", noEntryMode) | flag(t.Wallet != "", noWallet) | flag(t.Scheme != "", noScheme) | flag(t.Acquirer != "", noAcquirer) | flag(t.Error != "", noError)
	if t.AuthorisationMS.OK {
		flags |= flagTimed
	}
	b = append(b, flags)
	b = appendText(b, t.Method)
	for _, s := range [...]string{t.EntryMode, t.Wallet, t.Scheme, t.Acquirer} {
		if s != "" {
			b = appendText(b, s)
		}
	}
	b = appendText(b, t.Result)
	if t.Error != "" {
		b = appendText(b, t.Error)
	}
	b = appendVarint(b, t.Amount)
	if t.AuthorisationMS.OK {
		b = appendUvarint(b, uint64(t.AuthorisationMS.Value))
	}
	return b
}

var errMalformed = errors.New("malformed: it was damaged, or written by a version that this one cannot read")

// decodeContent restores what appendContent wrote. Texts alias the content.
func decodeContent(content string, e *event.Event) error {
	r := reader{s: content}
	if f := r.byte(); f < 1 || f > format {
		return fmt.Errorf("format %d of a kept transaction is not known, only those up to %d: start the version that wrote it", f, format)
	}
	flags := r.byte()
	*e = event.Event{}
	e.Type = event.TypeTransaction
	e.Test = flags&flagTest != 0
	e.Time = r.time()
	x := &e.Transaction
	if flags&flagEnded != 0 {
		x.EndedAt = r.time()
	}
	x.BusinessDate = event.Some(r.int32())
	x.Kind, x.Channel, x.Currency, x.OrderID = r.text(), r.textBut(flags&noChannel), r.text(), r.textBut(flags&noOrder)
	if flags&flagOriginal != 0 {
		r.original(&x.Original)
	}
	if flags&flagOffline != 0 {
		x.Offline.Mode = r.text()
	}
	if flags&flagCustomer != 0 {
		x.Customer.Type = r.text()
	}
	x.Totals.Gross, x.Totals.Tax = r.varint(), r.varintBut(flags&noTotalTax)
	for range r.count() {
		x.Lines = append(x.Lines, r.line())
	}
	for range r.count() {
		x.Tenders = append(x.Tenders, r.tender())
	}
	if r.bad || len(r.s) > 0 {
		return errMalformed
	}
	return nil
}

// reader takes values off an encoding. After the first error it gives zeros.
type reader struct {
	s   string
	bad bool
}

func (r *reader) fail() {
	r.bad, r.s = true, ""
}

func (r *reader) byte() byte {
	if len(r.s) == 0 {
		r.fail()
		return 0
	}
	c := r.s[0]
	r.s = r.s[1:]
	return c
}

func (r *reader) uvarint() (v uint64) {
	for i := range min(len(r.s), binary.MaxVarintLen64) {
		c := r.s[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.s = r.s[i+1:]
			return v
		}
	}
	r.fail()
	return 0
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *reader) int32() int32 {
	v := r.varint()
	if int64(int32(v)) != v {
		r.fail()
	}
	return int32(v)
}

// count is a number of things that follow, of a byte each at least.
func (r *reader) count() uint64 {
	n := r.uvarint()
	if n > uint64(len(r.s)) {
		r.fail()
		return 0
	}
	return n
}

func (r *reader) text() string {
	n := r.count()
	s := r.s[:n]
	r.s = r.s[n:]
	return s
}

// textBut reads a text, but where it is missing.
func (r *reader) textBut(missing byte) string {
	if missing != 0 {
		return ""
	}
	return r.text()
}

// varintBut reads a number, but where it is missing.
func (r *reader) varintBut(missing byte) int64 {
	if missing != 0 {
		return 0
	}
	return r.varint()
}

func (r *reader) texts() (all []string) {
	for range r.count() {
		all = append(all, r.text())
	}
	return all
}

func (r *reader) time() event.Time {
	return event.Time{Milli: r.varint(), Offset: r.int32(), OK: true}
}

func (r *reader) original(o *event.Original) {
	o.TransactionID, o.StoreID, o.TerminalID = r.text(), r.text(), r.text()
	if n := r.uvarint(); n > 0 {
		o.Sequence = event.Some(n - 1)
	}
	if date := r.varint(); date >= math.MinInt32 {
		o.BusinessDate = event.Some(int32(date))
	}
	o.Reason = r.text()
}

func (r *reader) line() (l event.Line) {
	flags := r.byte()
	l.Voided = flags&flagVoided != 0
	l.Kind, l.ProductID, l.Category = r.textBut(flags&noLineKind), r.text(), r.text()
	if flags&noHierarchy == 0 {
		l.Hierarchy = r.texts()
	}
	l.Quantity, l.Gross, l.Discount, l.Tax = r.varint(), r.varint(), r.varintBut(flags&noDiscount), r.varintBut(flags&noTax)
	if flags&flagNet != 0 {
		l.Net = event.Some(r.varint())
	}
	if flags&noPromotions != 0 {
		return l
	}
	for range r.count() {
		l.Promotions = append(l.Promotions, event.Promotion{PromotionID: r.text(), CouponCode: r.text(), Kind: r.text(), Amount: r.varint()})
	}
	return l
}

func (r *reader) tender() (t event.Tender) {
	flags := r.byte()
	t.Method, t.EntryMode, t.Wallet, t.Scheme = r.text(), r.textBut(flags&noEntryMode), r.textBut(flags&noWallet), r.textBut(flags&noScheme)
	t.Acquirer, t.Result, t.Error, t.Amount = r.textBut(flags&noAcquirer), r.text(), r.textBut(flags&noError), r.varint()
	if flags&flagTimed != 0 {
		ms := r.uvarint()
		if ms > math.MaxUint32 {
			r.fail()
		}
		t.AuthorisationMS = event.Some(uint32(ms))
	}
	return t
}
