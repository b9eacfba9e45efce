package journey

import (
	"encoding/binary"
	"errors"
)

// errState says that a row of state cannot be read.
var errState = errors.New("not a value this version wrote; restore the table tillstream.state, or start the version that wrote it")

// format is the first byte of a value.
const format = 1

// maxInstant bounds instants of the state, in ms before and after 1970: far from any overflow.
const maxInstant = 1 << 48

// append encodes an order. Instants are told against the first.
func (o *order) append(dst []byte) []byte {
	dst = append(dst, format)
	dst = binary.AppendVarint(binary.AppendVarint(dst, o.first.ms), int64(o.first.offset))
	var have uint64
	for i, at := range o.at {
		if at != (instant{}) {
			have |= 1 << i
		}
	}
	dst = binary.AppendUvarint(dst, have)
	for _, at := range o.at {
		if at != (instant{}) {
			dst = binary.AppendVarint(binary.AppendVarint(dst, at.ms-o.first.ms), int64(at.offset-o.first.offset))
		}
	}
	for _, text := range o.said {
		dst = append(binary.AppendUvarint(dst, uint64(len(text))), text...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(o.named)))
	for _, n := range o.named {
		dst = binary.LittleEndian.AppendUint64(dst, n)
	}
	dst = appendAll(dst, o.first.ms, o.near)
	a := &o.added
	dst = append(dst, flag(a.given))
	dst = append(dst, a.currency[:]...)
	return binary.AppendVarint(binary.AppendUvarint(dst, uint64(a.sales)), a.net)
}

func unpack(value []byte) (order, error) {
	var o order
	r := values{b: value}
	r.check(r.byte() == format)
	o.first = instant{r.instant(), r.offset()}
	have := r.uvarint()
	r.check(have < 1<<len(kinds))
	for i := range o.at {
		if have&(1<<i) != 0 {
			o.at[i] = instant{o.first.ms + r.instant(), o.first.offset + r.offset()}
		}
	}
	for i := range o.said {
		o.said[i] = string(r.take(r.uvarint()))
		r.check(len(o.said[i]) != 0 == (len(o.said[i]) > stampDigits))
	}
	n := r.uvarint()
	r.check(n <= maxNamed)
	for i := uint64(0); i < n && !r.bad; i++ {
		id := r.uint64()
		r.check(i == 0 || id > o.named[i-1])
		o.named = append(o.named, id)
	}
	o.near = r.sales(o.first.ms)
	o.added.given = r.flag()
	copy(o.added.currency[:], r.take(3))
	sales := r.uvarint()
	o.added.sales, o.added.net = uint32(sales), r.varint()
	r.check(sales == uint64(o.added.sales) && len(r.b) == 0 && o.first != (instant{}))
	if r.bad {
		return order{}, errState
	}
	return o, nil
}

// appendSales encodes the sales of an hour.
func appendSales(dst []byte, hour int64, all []sale) []byte {
	return appendAll(append(dst, format), hour*hourMilli, all)
}

func readSales(value []byte, hour int64) ([]sale, error) {
	r := values{b: value}
	r.check(r.byte() == format)
	all := r.sales(hour * hourMilli)
	for i := range all {
		r.check(floorDiv(all[i].at, hourMilli) == hour)
	}
	r.check(len(r.b) == 0)
	if r.bad {
		return nil, errState
	}
	return all, nil
}

// Flags of a sale: what is said of it.
const (
	hasID = 1 << iota
	hasNumber
	hasCustomer
	hasOrder
	isVoid
)

// appendAll encodes sales in order, instants against the one before.
func appendAll(dst []byte, at int64, all []sale) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(all)))
	for i := range all {
		s := &all[i]
		flags := flag(s.void) * isVoid
		ids := [...]uint64{s.id, s.number, s.customer, s.order}
		for k, id := range ids {
			if id != 0 {
				flags |= 1 << k
			}
		}
		dst = binary.AppendVarint(append(dst, flags), s.at-at)
		at = s.at
		for _, id := range ids {
			if id != 0 {
				dst = binary.LittleEndian.AppendUint64(dst, id)
			}
		}
		if !s.void {
			dst = binary.AppendVarint(append(dst, s.currency[:]...), s.net)
		}
	}
	return dst
}

// values are taken off a row one by one. After the first fault they are zeros, and it stays bad.
type values struct {
	b   []byte
	bad bool
}

func (r *values) check(ok bool) {
	if !ok {
		r.bad, r.b = true, nil
	}
}

func (r *values) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if r.check(n > 0); r.bad {
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *values) varint() int64 {
	v, n := binary.Varint(r.b)
	if r.check(n > 0); r.bad {
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *values) instant() int64 {
	ms := r.varint()
	r.check(ms > -maxInstant && ms < maxInstant)
	return ms
}

func (r *values) offset() int32 {
	s := r.varint()
	r.check(s > -1<<20 && s < 1<<20)
	return int32(s)
}

func (r *values) take(n uint64) []byte {
	if r.check(n <= uint64(len(r.b))); r.bad {
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *values) byte() byte {
	b := r.take(1)
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func (r *values) flag() bool {
	b := r.byte()
	r.check(b < 2)
	return b == 1
}

func (r *values) uint64() uint64 {
	b := r.take(8)
	if len(b) == 0 {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// sales reads what appendAll wrote: in order, none twice.
func (r *values) sales(at int64) (all []sale) {
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		var s sale
		flags := r.byte()
		r.check(flags < isVoid<<1)
		s.at = at + r.instant()
		at = s.at
		for k, id := range [...]*uint64{&s.id, &s.number, &s.customer, &s.order} {
			if flags&(1<<k) != 0 {
				*id = r.uint64()
				r.check(*id != 0)
			}
		}
		if s.void = flags&isVoid != 0; !s.void {
			copy(s.currency[:], r.take(3))
			s.net = r.varint()
		}
		r.check(len(all) == 0 || all[len(all)-1].compare(&s) < 0)
		all = append(all, s)
	}
	return all
}
