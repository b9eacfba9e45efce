package availability

import (
	"cmp"
	"math"
	"strings"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
)

// stamp orders what reports say: the later one wins, of two in one millisecond the one with the higher sequence.
type stamp struct {
	at       int64
	sequence uint64
}

// newer says whether what came at s replaces what came at o; content, compared by the caller, decides between equals.
func (s stamp) newer(o stamp, content int) bool {
	return cmp.Or(cmp.Compare(s.at, o.at), cmp.Compare(s.sequence, o.sequence), content) > 0
}

// never is the stamp of what was not reported yet.
func never() stamp { return stamp{at: beginningOfTime} }

// text is the latest value of one field that not every report carries.
type text struct {
	stamp
	value string
}

// profile is what reports say of a till beside its status. A short report, without some field, does not erase what a longer one
// said before.
type profile struct {
	version text  // nearly every report has one
	backlog stamp // of the newest report: no backlog and none mentioned are the same
	oldest  rollup.NullMillis
	unsent  uint32
	parts   *parts // nil: no report has spoken of any
}

// parts are what many tills never speak of.
type parts struct {
	texts     [partTexts]text
	battery   stamp
	batteryPc rollup.NullUint8
}

// The texts of parts.
const (
	scanner = iota
	cardReader
	printer
	partTexts
)

func newProfile() profile {
	return profile{version: text{stamp: never()}, backlog: never(), oldest: rollup.Null}
}

func noParts() parts {
	p := parts{battery: never(), batteryPc: -1}
	for i := range p.texts {
		p.texts[i].stamp = never()
	}
	return p
}

// others are its parts, or none.
func (p *profile) others() parts {
	if p.parts == nil {
		return noParts()
	}
	return *p.parts
}

// update takes what a report says, or nothing, and tells whether it changed anything.
func (t *text) update(v string, s stamp, keep texts) (changed bool) {
	if v == "" || s.at < t.at {
		return false
	}
	if v = clip(v); !s.newer(t.stamp, strings.Compare(v, t.value)) {
		return false
	}
	t.stamp = s
	if t.value != v {
		t.value = keep.keep(v)
	}
	return true
}

// update takes what a report says and tells whether it changed anything.
func (p *profile) update(h *event.Health, s stamp, keep texts) (changed bool) {
	changed = p.version.update(h.SoftwareVersion, s, keep)
	if len(h.Components) > 0 || h.Resources.BatteryPct.OK {
		if now := p.others(); now.update(h, s, keep) {
			if changed = true; p.parts == nil {
				p.parts = &parts{}
			}
			*p.parts = now
		}
	}
	unsent := uint32(min(uint64(h.Backlog.Transactions)+uint64(h.Backlog.Payments), math.MaxUint32))
	oldest := rollup.Null
	if o := h.Backlog.OldestAt; o.OK {
		oldest = rollup.NullMillis(o.Milli)
	}
	if s.newer(p.backlog, cmp.Or(cmp.Compare(unsent, p.unsent), cmp.Compare(oldest, p.oldest))) {
		p.backlog, p.unsent, p.oldest, changed = s, unsent, oldest, true
	}
	return changed
}

// update takes what a report says and tells whether it changed anything.
func (p *parts) update(h *event.Health, s stamp, keep texts) (changed bool) {
	for i, kind := range [partTexts]string{scanner: "scanner", cardReader: "card_reader", printer: "printer"} {
		changed = p.texts[i].update(firstState(h.Components, kind), s, keep) || changed
	}
	if b := h.Resources.BatteryPct; b.OK {
		v := rollup.NullUint8(min(b.Value, math.MaxUint8))
		if s.newer(p.battery, cmp.Compare(v, p.batteryPc)) {
			p.battery, p.batteryPc, changed = s, v, true
		}
	}
	return changed
}

// state is a component's, or none if the till never reported one.
func (p *parts) state(i int) string {
	if v := p.texts[i].value; v != "" {
		return v
	}
	return "none"
}

func firstState(cs []event.Component, kind string) string {
	for i := range cs {
		if cs[i].Type == kind {
			return cs[i].State
		}
	}
	return ""
}
