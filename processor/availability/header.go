package availability

import (
	"encoding/binary"
	"slices"

	"github.com/tillstream/tillstream/processor/rollup"
)

// headerFormat is the first byte of a header, of terminals whose clock is wrong skewedFormat: they say whence evidence is read. Format 1 has no
// boots, and both statuses and the flag in one byte. pastFormat is skewedFormat, and says at the end where the kept evidence begins and which hours are past, and has the evidence of the newest hour.
const (
	headerFormat = 2
	skewedFormat = 3
	pastFormat   = 4
)

// appendHeader encodes all of a terminal but its evidence. Instants are told against the newest.
func (t *terminal) appendHeader(dst []byte) []byte {
	format := byte(headerFormat)
	switch {
	case len(t.past) > 0 || t.kept != t.base.at || t.open != 0:
		format = pastFormat
	case t.base.from != t.base.at || t.hot.from != t.hot.at:
		format = skewedFormat
	}
	dst = append(dst, format)
	dst = binary.AppendVarint(dst, t.newest)
	dst = binary.AppendVarint(dst, t.newest-t.firstSeen)
	for _, s := range []*snapshot{&t.base, &t.hot} {
		dst = s.append(binary.AppendVarint(dst, t.newest-s.at), t.newest, format >= skewedFormat)
	}
	p, parts := &t.profile, t.profile.others()
	dst = t.appendStamped(dst, &p.version)
	for i := range slices.Backward(parts.texts[:]) {
		dst = t.appendStamped(dst, &parts.texts[i])
	}
	dst = binary.AppendVarint(dst, int64(parts.batteryPc))
	dst = t.appendStamp(dst, parts.battery)
	dst = t.appendStamp(dst, p.backlog)
	dst = binary.AppendUvarint(dst, uint64(p.unsent))
	dst = binary.AppendVarint(dst, int64(p.oldest))
	if format == pastFormat {
		dst = t.past.append(binary.AppendVarint(dst, t.newest-t.kept), t.kept)
		dst = binary.AppendVarint(dst, t.open/hourMilli)
		if i := t.chunkAt(t.open); t.open != 0 && i < len(t.chunks) {
			dst = append(dst, t.chunks[i].data...)
		}
	}
	return dst
}

// header is a terminal's, in memory that it shares with other headers: of each batch there are many, and they go together.
func (f *Fold) header(t *terminal) []byte {
	f.scratch.encoded = t.appendHeader(f.scratch.encoded[:0])
	n := len(f.scratch.encoded)
	if n > cap(f.headers)-len(f.headers) {
		f.headers = make([]byte, 0, max(n, headersPiece))
	}
	from := len(f.headers)
	f.headers = append(f.headers, f.scratch.encoded...)
	return f.headers[from : from+n : from+n]
}

const headersPiece = 16 << 10

// append encodes a snapshot but for its instant. Instants are told against one that is given; from is told only if it may differ.
func (s *snapshot) append(dst []byte, against int64, from bool) []byte {
	dst = append(dst, byte(s.status)<<4|byte(s.run.status), flag(s.sale)|byte(s.hidden)<<1)
	if from {
		dst = binary.AppendUvarint(dst, uint64(s.at-s.from))
	}
	dst = binary.AppendUvarint(dst, uint64(s.boot))
	if s.status != None {
		dst = binary.AppendVarint(dst, against-s.reported)
		dst = binary.AppendUvarint(dst, uint64(s.hold))
		dst = appendText(dst, s.cause)
	}
	if s.sale {
		dst = binary.AppendVarint(dst, against-s.sold)
	}
	dst = binary.AppendVarint(dst, against-s.run.start)
	dst = appendText(dst, s.run.cause)
	dst = binary.AppendUvarint(dst, s.rows.hours)
	dst = binary.AppendUvarint(dst, s.rows.intervals)
	return binary.AppendUvarint(dst, s.rows.outages)
}

// read is the inverse of append, of the header's format.
func (s *snapshot) read(r *reader, at, against int64, format byte, keep texts) {
	*s = snapshot{at: at, from: at}
	if flags := r.byte(); format == 1 {
		s.status, s.run.status, s.sale = Status(flags>>4), Status(flags>>1&7), flags&1 != 0
	} else {
		more := r.byte()
		s.status, s.run.status, s.sale, s.hidden = Status(flags>>4), Status(flags&15), more&1 != 0, Status(more>>1)
		if format >= skewedFormat {
			s.from = s.at - int64(r.uvarint())
		}
		boot := r.uvarint()
		s.boot = uint32(boot)
		r.bad = r.bad || uint64(s.boot) != boot
	}
	if s.status != None {
		s.reported = against - r.varint()
		s.hold = int64(r.uvarint())
		s.cause = r.text(keep)
	}
	if s.sale {
		s.sold = against - r.varint()
	}
	s.run.start = against - r.varint()
	s.run.cause = r.text(keep)
	s.rows.hours, s.rows.intervals, s.rows.outages = r.uvarint(), r.uvarint(), r.uvarint()
}

func (t *terminal) appendStamp(dst []byte, s stamp) []byte {
	dst = binary.AppendVarint(dst, t.newest-s.at)
	return binary.AppendUvarint(dst, s.sequence)
}

// readHeader is the inverse of appendHeader. open is the chunk of the newest hour, if it is there: not read, and part of data.
func (t *terminal) readHeader(data []byte, keep texts) (open []byte, err error) {
	r := reader{b: data}
	format := r.byte()
	if format < 1 || format > pastFormat {
		return nil, errState
	}
	t.newest = r.varint()
	t.firstSeen = t.newest - r.varint()
	for _, s := range []*snapshot{&t.base, &t.hot} {
		if s.read(&r, t.newest-r.varint(), t.newest, format, keep); !s.sound(t.newest) {
			r.bad = true
		}
	}
	p, parts := newProfile(), noParts()
	t.readStamped(&r, &p.version, keep)
	for i := range slices.Backward(parts.texts[:]) {
		t.readStamped(&r, &parts.texts[i], keep)
	}
	battery := r.varint()
	parts.battery = t.readStamp(&r)
	p.backlog = t.readStamp(&r)
	unsent := r.uvarint()
	p.oldest = rollup.NullMillis(r.varint())
	parts.batteryPc, p.unsent = rollup.NullUint8(battery), uint32(unsent)
	if parts != noParts() {
		p.parts = &parts
	}
	t.profile, t.kept, t.past, t.open = p, t.base.at, nil, 0
	if format == pastFormat {
		t.kept = t.newest - r.varint()
		t.past = readPast(&r, t.kept)
		r.bad = r.bad || t.kept > t.base.at || t.kept < t.newest-maxHold || t.kept%hourMilli != 0 || len(t.past) > 0 && t.past.last()+hourMilli > t.base.at
		if hour := r.varint(); hour != 0 {
			r.bad = r.bad || hour > t.newest/hourMilli || hour < t.base.at/hourMilli
			t.open, open, r.b = hour*hourMilli, r.b, nil
		}
	}
	if r.bad || len(r.b) > 0 || battery < -1 || battery > 255 || unsent != uint64(p.unsent) ||
		t.newest < -maxInstant || t.newest > maxInstant || t.base.at > t.hot.at {
		return nil, errState
	}
	return open, nil
}

// appendStamped encodes a text, and its stamp if it is not empty.
func (t *terminal) appendStamped(dst []byte, x *text) []byte {
	if dst = appendText(dst, x.value); x.value != "" {
		dst = t.appendStamp(dst, x.stamp)
	}
	return dst
}

func (t *terminal) readStamped(r *reader, x *text, keep texts) {
	if x.value = r.text(keep); x.value != "" {
		x.stamp = t.readStamp(r)
	}
}

func (t *terminal) readStamp(r *reader) stamp {
	return stamp{t.newest - r.varint(), r.uvarint()}
}

// maxInstant bounds instants of a header, in ms before and after 1970: eight thousand years, far from any overflow.
const maxInstant = 1 << 48

// sound says whether evaluating from the snapshot can go wrong.
func (s *snapshot) sound(newest int64) bool {
	if s.at == beginningOfTime {
		return *s == theBeginning()
	}
	past := func(x int64) bool { return x < s.at && x > -maxInstant }
	return s.at <= newest+maxBehind*1000 && s.at >= newest-maxHold && s.at%hourMilli == 0 &&
		s.from <= s.at && s.from >= s.at-maxBehind*1000 && s.from%hourMilli == 0 &&
		s.run.status < statuses && s.run.status != Closing && (past(s.run.start) || s.run.status == None && s.run.start == beginningOfTime) &&
		s.hidden < statuses && s.hidden != Closing && (s.hidden == None || s.run.status == None) &&
		s.status < statuses && s.status != Silent && s.hold >= 0 && s.hold <= maxHold &&
		(s.status == None || past(s.reported)) && (!s.sale || past(s.sold))
}
