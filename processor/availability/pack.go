package availability

import (
	"math"
	"math/bits"
	"slices"
)

// A packed chunk is the evidence of an hour that is over: the same, in half the bytes, by an adaptive range coder (rangecoder.go). Its first byte is 0, which
// is no other chunk's. A heartbeat costs what its jitter and its response time have of entropy and little more: some 11 bits for a second's jitter to either
// side, 8 bits for 100 ms.
//
// The time of a report is told against a grid: one period, the most frequent step of the chunk, after the one before. A till that sleeps between its reports
// drifts, so the grid goes on from each of them; one that has a timer does not, so the grid goes on from itself. The one that reports are nearer to is taken.

// maxPacked bounds what a few bytes can say.
const maxPacked = 1 << 16

// pack gives the packed form of a chunk that takes so many bytes, or nil if that is not smaller or would not be the very same evidence.
func (s *scratch) pack(start int64, ev []Evidence, bytes int) []byte {
	if len(ev) == 0 || len(ev) > maxPacked || slices.ContainsFunc(ev, isSkewed) { // packed evidence has no deviations
		return nil
	}
	period := periodOf(ev)
	s.packed = appendPacked(s.packed[:0], start, ev, period, timed(ev, 1000*period))
	if len(s.packed) >= bytes {
		return nil
	}
	var err error
	if s.early, err = readPacked(s.early[:0], start, s.packed, texts{}); err != nil || !slices.Equal(s.early, ev) {
		return nil
	}
	return slices.Clone(s.packed)
}

// timed says whether the reports of a till, every period of ms, are nearer to a grid that goes on from itself than to one that goes on from each of them.
func timed(ev []Evidence, period int64) bool {
	if period == 0 {
		return false
	}
	grid := packing{period: period, expect: phase(ev, period), fixed: true}
	fixed, drifting, last := 0, 0, int64(-1)
	for i := range ev {
		if at := ev[i].Time; !ev[i].Sale {
			if last >= 0 {
				fixed += bits.Len64(zigzag(at - grid.expect))
				drifting += bits.Len64(zigzag(at - last - period))
			}
			grid.next(at)
			last = at
		}
	}
	return fixed < drifting
}

// periodOf is the most frequent step between two reports in full seconds.
func periodOf(ev []Evidence) int64 {
	steps := make([]int64, 0, len(ev))
	last := int64(-1)
	for i := range ev {
		if ev[i].Sale {
			continue
		}
		if last >= 0 {
			steps = append(steps, (ev[i].Time-last+500)/1000)
		}
		last = ev[i].Time
	}
	slices.Sort(steps)
	best, most := int64(0), 0
	for i := 0; i < len(steps); {
		n := i + 1
		for n < len(steps) && steps[n] == steps[i] {
			n++
		}
		if n-i > most {
			best, most = steps[i], n-i
		}
		i = n
	}
	return best
}

// phase is when the first report is due, if the grid goes through the middle of those that come in time.
func phase(ev []Evidence, period int64) int64 {
	i := slices.IndexFunc(ev, func(e Evidence) bool { return !e.Sale })
	if i < 0 || period == 0 {
		return ev[0].Time
	}
	due := ev[i].Time
	early, late := int64(0), int64(0)
	for expect := due; i < len(ev); i++ {
		if ev[i].Sale {
			continue
		}
		off := ev[i].Time - expect
		if off > period/4 || off < -period/4 {
			break
		}
		early, late = min(early, off), max(late, off)
		expect += period
	}
	return due + (early+late)/2
}

// packing is the model of a packed chunk, the same for both ways.
type packing struct {
	same     [2]odds // the flags are the previous piece's, that being a report or a sale
	flags    [256]odds
	responds [2]odds // as the previous report did, or did not
	classes  [classes][rare + 1]odds

	time, period, expect int64 // of the piece before; between reports; of the next report
	fixed                bool  // the grid goes on from itself
	hold, response       int64
	sequence             [2]uint64 // of reports, of sales
	responded            uint8
	before               byte // flags
	cause                string
}

// Numbers are coded by the odds of their kind.
const (
	classTime = iota // of a report, from the grid
	classSale        // of a sale, since the piece before
	classLong
	classHold
	classResponse // from the mean of those before
	classSequence
	classes
)

func newPacking(start, period int64, fixed bool) *packing {
	return &packing{time: start, expect: start, period: 1000 * period, hold: heartbeats * 1000 * period, fixed: fixed}
}

// next notes the time of a report.
func (m *packing) next(at int64) {
	if off := at - m.expect; !m.fixed || off > m.period/2 || off < -m.period/2 {
		m.expect = at
	}
	m.expect += m.period
}

func (m *packing) answered(v uint32) {
	if m.response == 0 {
		m.response = int64(v)
	}
	m.response += (int64(v) - m.response) / 8
}

func zigzag(v int64) uint64 { return uint64(v<<1 ^ v>>63) }

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

func appendPacked(dst []byte, start int64, ev []Evidence, period int64, fixed bool) []byte {
	e := encoder{out: dst, width: math.MaxUint32}
	m := newPacking(start, period, fixed)
	e.unusual(uint64(len(ev)))
	e.unusual(uint64(period))
	e.plain(uint64(flag(fixed)), 1)
	if fixed {
		m.expect = phase(ev, m.period)
		e.unusual(zigzag(m.expect - start))
	}
	for i := range ev {
		v := &ev[i]
		flags := v.flags(m.hold, m.cause, &m.sequence)
		if flags == m.before {
			e.bit(&m.same[m.before&flagSale], 0)
		} else {
			e.bit(&m.same[m.before&flagSale], 1)
			e.tree(m.flags[:], uint32(flags), 8)
		}
		m.before = flags
		if v.Sale {
			e.number(&m.classes[classSale], uint64(v.Time-m.time))
			if flags&flagLong != 0 {
				e.number(&m.classes[classLong], uint64(v.Time-v.Start))
			}
		} else {
			e.number(&m.classes[classTime], zigzag(v.Time-m.expect))
			m.next(v.Time)
			if flags&flagHold != 0 {
				m.hold = v.Hold
				e.number(&m.classes[classHold], uint64(v.Hold))
			}
			responds := flag(v.Response.OK)
			e.bit(&m.responds[m.responded], uint32(responds))
			if m.responded = responds; v.Response.OK {
				e.number(&m.classes[classResponse], zigzag(int64(v.Response.Value)-m.response))
				m.answered(v.Response.Value)
			}
			if flags&flagCause != 0 {
				m.cause = v.Cause
				e.bytes([]byte(v.Cause))
			}
		}
		sequence := &m.sequence[flags&flagSale]
		if flags&flagSequence != 0 {
			e.number(&m.classes[classSequence], zigzag(int64(v.Sequence-*sequence)))
		}
		*sequence, m.time = v.Sequence, v.Time
	}
	e.bytes(appendBoots(nil, ev))
	return e.end()
}

// readPacked appends the evidence of a packed chunk. Whatever the bytes are, the evidence is of that hour, sorted and distinct, or errState.
func readPacked(dst []Evidence, start int64, data []byte, keep texts) ([]Evidence, error) {
	d := newDecoder(data)
	n, period := d.unusual(), d.unusual()
	if n == 0 || n > maxPacked || period > uint64(hourMilli) {
		return dst, errState
	}
	m := newPacking(start, int64(period), d.plain(1) != 0)
	if m.fixed {
		if m.expect = start + unzigzag(d.unusual()); m.expect < start-hourMilli || m.expect >= start+hourMilli {
			return dst, errState
		}
	}
	first := len(dst)
	for range n {
		flags := m.before
		if d.bit(&m.same[m.before&flagSale]) != 0 {
			flags = byte(d.tree(m.flags[:], 8))
		}
		m.before = flags
		var v Evidence
		if flags&flagSale != 0 {
			v.Sale = true
			v.Time = m.time + int64(d.number(&m.classes[classSale]))
			v.Start = v.Time
			if flags&flagLong != 0 {
				long := d.number(&m.classes[classLong])
				if long == 0 || long > uint64(proofLimit) {
					return dst, errState
				}
				v.Start -= int64(long)
			}
			if flags&^(flagSale|flagLong|flagSequence) != 0 {
				return dst, errState
			}
		} else {
			v.Time = m.expect + unzigzag(d.number(&m.classes[classTime]))
			v.Start = v.Time
			m.next(v.Time)
			v.Status = codedStatus(flags)
			if flags&flagHold != 0 {
				hold := d.number(&m.classes[classHold])
				if hold > maxHold {
					return dst, errState
				}
				m.hold = int64(hold)
			}
			v.Hold = m.hold
			if m.responded = uint8(d.bit(&m.responds[m.responded])); m.responded != 0 {
				value := m.response + unzigzag(d.number(&m.classes[classResponse]))
				if value < 0 || value > math.MaxUint32 {
					return dst, errState
				}
				v.Response.Value, v.Response.OK = uint32(value), true
				m.answered(v.Response.Value)
			}
			if flags&flagCause != 0 {
				cause := d.bytes()
				if len(cause) > maxText {
					return dst, errState
				}
				m.cause = keep.keepBytes(cause)
			}
			v.Cause = m.cause
		}
		sequence := &m.sequence[flags&flagSale]
		if flags&flagSequence != 0 {
			*sequence += uint64(unzigzag(d.number(&m.classes[classSequence])))
		} else {
			*sequence++
		}
		v.Sequence, m.time = *sequence, v.Time
		if d.past > maxPast || v.Time < start || v.Time >= start+hourMilli || len(dst) > first && dst[len(dst)-1].Time > v.Time {
			return dst, errState
		}
		dst = append(dst, v)
	}
	r := reader{b: d.bytes()}
	if err := r.boots(dst[first:]); err != nil || len(r.b) > 0 || d.past > maxPast {
		return dst, errState
	}
	for i := first + 1; i < len(dst); i++ {
		if dst[i-1].Compare(&dst[i]) >= 0 {
			return dst, errState
		}
	}
	return dst, nil
}
