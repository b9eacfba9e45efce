package availability

import (
	"encoding/binary"
	"math"
)

// A chunk is the evidence of one hour, in order. After the number of pieces each of them is
//
//	uvarint  zigzag(change of the step in time) << 1 | 1 if flags follow
//	byte     flags, if they differ from the previous piece's
//	sale:    duration (uvarint, if flagLong), step of the sequence (varint, if flagSequence)
//	report:  hold (uvarint, if flagHold), change of the response time (varint, if flagResponse), cause (length and bytes, if
//	         flagCause), step of the sequence (varint, if flagSequence)
//
// Behind the pieces come the boots, if any report has one: how many there are (uvarint), and for each report with another boot than the report before it, how many reports further it is than the
// last such (uvarint), and the boot (uvarint). Disabled is written as Silent, and Cardless as None, which no report is.
//
// Behind those, if any piece has a Skew, come how many runs of pieces with one Skew and one Sent there are (uvarint), and of each how many pieces after the
// run before (uvarint), how many they are (uvarint), Skew (varint) and Sent (uvarint). Without boots a 0 stands for them then. A clock that is right costs nothing.
//
// A step is the difference to the previous piece; the first is to the hour, 0 and "". So a heartbeat costs a byte or two for its jitter
// and one or two for its response time.
const (
	flagSale     = 1 << 0
	statusShift  = 1 // 3 bits
	flagHold     = 1 << 4
	flagLong     = flagHold // of a sale
	flagResponse = 1 << 5
	flagCause    = 1 << 6
	flagSequence = 1 << 7 // not the next number of its kind

	noFlags = flagSale | flagResponse // what no piece has, so that the first one's follow
)

// statusCode writes the status of a report in three bits.
func statusCode(s Status) byte {
	switch s {
	case Disabled:
		return byte(Silent)
	case Cardless:
		return byte(None)
	}
	return byte(s)
}

// codedStatus is the inverse, of flags.
func codedStatus(flags byte) Status {
	switch s := Status(flags >> statusShift & 7); s {
	case Silent:
		return Disabled
	case None:
		return Cardless
	default:
		return s
	}
}

// previous is what the pieces of a chunk are told against.
type previous struct {
	time, step, hold int64
	response         uint32
	sequence         [2]uint64 // of reports, of sales
	cause            string
	flags            byte
}

// appendChunk encodes the evidence of one hour.
func appendChunk(dst []byte, start int64, ev []Evidence) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ev)))
	p := previous{time: start, flags: noFlags}
	for i := range ev {
		dst = p.append(dst, &ev[i])
	}
	return appendSkews(appendBoots(dst, ev), ev)
}

// flags are those of a piece after others, but for the response.
func (e *Evidence) flags(hold int64, cause string, sequence *[2]uint64) (flags byte) {
	if e.Sale {
		flags = flagSale
		if e.Start != e.Time {
			flags |= flagLong
		}
	} else {
		flags = statusCode(e.Status) << statusShift
		if e.Hold != hold {
			flags |= flagHold
		}
		if e.Cause != cause {
			flags |= flagCause
		}
	}
	if e.Sequence != sequence[flags&flagSale]+1 {
		flags |= flagSequence
	}
	return flags
}

// append encodes a piece.
func (p *previous) append(dst []byte, e *Evidence) []byte {
	flags := e.flags(p.hold, p.cause, &p.sequence)
	if e.Response.OK && !e.Sale {
		flags |= flagResponse
	}
	sequence := &p.sequence[flags&flagSale]

	step := e.Time - p.time
	change := step - p.step
	token := uint64(change<<1^change>>63) << 1
	if flags != p.flags {
		dst = append(binary.AppendUvarint(dst, token|1), flags)
	} else {
		dst = binary.AppendUvarint(dst, token)
	}
	p.time, p.step, p.flags = e.Time, step, flags

	if e.Sale {
		if flags&flagLong != 0 {
			dst = binary.AppendUvarint(dst, uint64(e.Time-e.Start))
		}
	} else {
		if flags&flagHold != 0 {
			dst = binary.AppendUvarint(dst, uint64(e.Hold))
			p.hold = e.Hold
		}
		if flags&flagResponse != 0 {
			dst = binary.AppendVarint(dst, int64(e.Response.Value)-int64(p.response))
			p.response = e.Response.Value
		}
		if flags&flagCause != 0 {
			dst = appendText(dst, e.Cause)
			p.cause = e.Cause
		}
	}
	if flags&flagSequence != 0 {
		dst = binary.AppendVarint(dst, int64(e.Sequence-*sequence))
	}
	*sequence = e.Sequence
	return dst
}

func appendBoots(dst []byte, ev []Evidence) []byte {
	var boot uint32
	n := 0
	for i := range ev {
		if e := &ev[i]; !e.Sale && e.Boot != boot {
			boot = e.Boot
			n++
		}
	}
	if n == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(n))
	boot = 0
	var since uint64
	for i := range ev {
		e := &ev[i]
		if e.Sale {
			continue
		}
		if e.Boot != boot {
			dst = binary.AppendUvarint(binary.AppendUvarint(dst, since), uint64(e.Boot))
			boot, since = e.Boot, 0
		}
		since++
	}
	return dst
}

func appendSkews(dst []byte, ev []Evidence) []byte {
	runs := uint64(0)
	boots := false
	for i := range ev {
		if e := &ev[i]; e.Skew != 0 && (i == 0 || ev[i-1].Skew != e.Skew || ev[i-1].Sent != e.Sent) {
			runs++
		}
		boots = boots || ev[i].Boot != 0
	}
	if runs == 0 {
		return dst
	}
	if !boots {
		dst = append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, runs)
	last := 0
	for i := 0; i < len(ev); {
		e, first := &ev[i], i
		for i < len(ev) && ev[i].Skew == e.Skew && ev[i].Sent == e.Sent {
			i++
		}
		if e.Skew != 0 {
			dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(first-last)), uint64(i-first))
			dst = binary.AppendUvarint(binary.AppendVarint(dst, int64(e.Skew)), uint64(e.Sent))
			last = i
		}
	}
	return dst
}

// skews tells evidence the deviations that were measured with it.
func (r *reader) skews(ev []Evidence) error {
	if len(r.b) == 0 {
		return nil
	}
	runs := r.uvarint()
	if r.bad || runs == 0 || runs > uint64(len(ev)) {
		return errState
	}
	for range runs {
		gap, n, skew, sent := r.uvarint(), r.uvarint(), r.varint(), r.uvarint()
		left := uint64(len(ev))
		if r.bad || gap > left || n == 0 || n > left-gap || skew == 0 || skew > maxBehind || skew < -maxAhead || sent > uint64(maxWait) {
			return errState
		}
		for i := range ev[gap : gap+n] {
			ev[gap:][i].Skew, ev[gap:][i].Sent = int32(skew), int32(sent)
		}
		ev = ev[gap+n:]
	}
	if len(r.b) > 0 {
		return errState
	}
	return nil
}

// boots tells reports their boots.
func (r *reader) boots(ev []Evidence) error {
	if len(r.b) == 0 {
		return nil
	}
	i, boot := 0, uint32(0)
	n := r.uvarint()
	if r.bad || n > uint64(len(ev)) || n == 0 && len(r.b) == 0 { // after a 0 only deviations follow
		return errState
	}
	for k := range n {
		since, b := r.uvarint(), r.uvarint()
		if r.bad || b > math.MaxUint32 || uint32(b) == boot || since == 0 && k > 0 {
			return errState
		}
		for ; i < len(ev) && (since > 0 || ev[i].Sale); i++ {
			if !ev[i].Sale {
				ev[i].Boot = boot
				since--
			}
		}
		if i == len(ev) {
			return errState
		}
		boot = uint32(b)
	}
	for ; i < len(ev); i++ {
		if !ev[i].Sale {
			ev[i].Boot = boot
		}
	}
	return nil
}

// readChunk appends the evidence of a chunk. Whatever the bytes are, the evidence is of that hour, sorted and distinct, or errState.
func readChunk(dst []Evidence, start int64, data []byte, keep texts) ([]Evidence, error) {
	if len(data) > 0 && data[0] == 0 {
		return readPacked(dst, start, data, keep)
	}
	r := reader{b: data}
	n := r.uvarint()
	if n == 0 || n > uint64(len(r.b)) {
		return dst, errState
	}
	p := previous{time: start, flags: noFlags}
	first := len(dst)
	for range n {
		e, ok := p.read(&r, keep)
		if !ok || p.time < start || p.time >= start+hourMilli {
			return dst, errState
		}
		dst = append(dst, e)
	}
	if err := r.boots(dst[first:]); err != nil {
		return dst, err
	}
	if err := r.skews(dst[first:]); err != nil {
		return dst, err
	}
	for i := first + 1; i < len(dst); i++ {
		if dst[i-1].Compare(&dst[i]) >= 0 {
			return dst, errState
		}
	}
	return dst, nil
}

// read is the inverse of append.
func (p *previous) read(r *reader, keep texts) (e Evidence, ok bool) {
	token := r.uvarint()
	if token&1 != 0 {
		p.flags = r.byte()
	}
	zigzag := token >> 1
	p.step += int64(zigzag>>1) ^ -int64(zigzag&1)
	p.time += p.step
	e.Time, e.Start = p.time, p.time
	sequence := &p.sequence[0]
	if p.flags&flagSale != 0 {
		e.Sale = true
		sequence = &p.sequence[1]
		if p.flags&flagLong != 0 {
			d := r.uvarint()
			if d == 0 || d > uint64(proofLimit) {
				return e, false
			}
			e.Start -= int64(d)
		}
		if p.flags&^(flagSale|flagLong|flagSequence) != 0 {
			return e, false
		}
	} else {
		e.Status = codedStatus(p.flags)
		if p.flags&flagHold != 0 {
			h := r.uvarint()
			if h > maxHold {
				return e, false
			}
			p.hold = int64(h)
		}
		e.Hold = p.hold
		if p.flags&flagResponse != 0 {
			v := int64(p.response) + r.varint()
			if v < 0 || v > math.MaxUint32 {
				return e, false
			}
			p.response = uint32(v)
			e.Response.Value, e.Response.OK = p.response, true
		}
		if p.flags&flagCause != 0 {
			p.cause = r.text(keep)
		}
		e.Cause = p.cause
	}
	*sequence++
	if p.flags&flagSequence != 0 {
		*sequence += uint64(r.varint()) - 1
	}
	e.Sequence = *sequence
	return e, !r.bad
}
