package availability

import (
	"cmp"
	"slices"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/rollup"
)

// forEver is holds_until of what holds until the next report: 2299-12-31, the last day of a DateTime64(3).
const forEver = 10_413_705_600_000

// undetermined is the party of an outage that nobody has judged.
const undetermined = "undetermined"

type hourRow struct {
	*terminal
	hour
	mean, p95          float32
	responses, unheard part // of Fold.responses, and of the gaps that ended in it
}

// part is some of what the rows of a batch share: [from, to).
type part struct{ from, to int32 }

// intervalRow is a run, or the end of one that is no more.
type intervalRow struct {
	*terminal
	run
	ended, holds rollup.NullMillis
	deleted      bool
}

type outageRow struct {
	*terminal
	run
	resolved        rollup.NullMillis
	repair, service uint64 // ms
	deleted         bool
}

// statusRow is a terminal's newest status. The terminal's own fields are read when the block is made, in the same Seal.
type statusRow struct {
	*terminal
	run
	holds, retires int64
	skew, shift    int32 // s, of the newest evidence
	totals
}

// hourRows adds the hours that are new, got evidence, or are spent otherwise than before. One that vanished, since all of its evidence has turned out to be
// of another time, or as the life of its terminal was another, stays as a row of zeros, which neither the views nor the totals count.
func (f *Fold) hourRows(t *terminal) {
	s := &f.scratch
	was, fresh := s.hoursWas, s.moved
	vanished := func(before int64) {
		for ; len(was) > 0 && was[0].start < before; was = was[1:] {
			f.hours = append(f.hours, hourRow{terminal: t, hour: hour{start: was[0].start}})
		}
	}
	for i := range s.hours {
		h := &s.hours[i]
		vanished(h.start)
		for len(fresh) > 0 && fresh[0] < h.start {
			fresh = fresh[1:]
		}
		if len(was) > 0 && was[0].start == h.start {
			same := was[0].ms == h.ms && was[0].served == h.served && slices.Equal(gapsIn(s.gapsWas, h.start), gapsIn(s.gaps, h.start))
			if was = was[1:]; same && !t.home.told && (len(fresh) == 0 || fresh[0] != h.start) {
				continue
			}
		}
		row := hourRow{terminal: t, hour: *h}
		n, m := len(f.responses), len(f.unheard)
		row.mean, row.p95, f.responses = responses(within(s.placed, h.start), f.responses)
		f.unheard = append(f.unheard, gapsIn(s.gaps, h.start)...)
		row.responses, row.unheard = part{int32(n), int32(len(f.responses))}, part{int32(m), int32(len(f.unheard))}
		f.hours = append(f.hours, row)
	}
	vanished(Open)
}

// intervalRows adds the runs that began, changed or vanished.
func (f *Fold) intervalRows(t *terminal) {
	f.changedRuns(false, func(r run) bool { return r.status != None }, func(w *walk, i int, deleted bool) {
		row := intervalRow{terminal: t, run: w.runs[i], ended: rollup.Null, holds: rollup.Null, deleted: deleted}
		row.ended, row.holds = f.intervalEnd(w, i)
		f.intervals = append(f.intervals, row)
	})
}

// intervalEnd is when a run ended; of the open one it is when it lapses, if it does.
func (f *Fold) intervalEnd(w *walk, i int) (ended, holds rollup.NullMillis) {
	r, rules := &w.runs[i], f.scratch.nowRules
	if w == &f.scratch.was {
		rules = f.scratch.wasRules
	}
	switch {
	case i+1 < len(w.runs):
		return rollup.NullMillis(w.runs[i+1].start), rollup.Null
	case r.status.runs():
		return rollup.Null, rollup.NullMillis(w.last.lapses(rules))
	}
	return rollup.Null, rollup.Null
}

// outageRows does the same for the runs that are down.
func (f *Fold) outageRows(t *terminal) {
	f.changedRuns(t.home.told, func(r run) bool { return r.status == Down }, func(w *walk, i int, deleted bool) {
		row := outageRow{terminal: t, run: w.runs[i], deleted: deleted}
		if row.resolved, _ = f.intervalEnd(w, i); row.resolved != rollup.Null { // the view measures an open one, as of now
			lasted := interval.Span{From: row.run.start, To: int64(row.resolved)}
			row.repair = uint64(lasted.To - lasted.From)
			if row.service = row.repair; !deleted {
				if s := f.serviceOf(t.store, t.home.text, t.id, lasted); !s.always {
					row.service = uint64(s.counted.Length())
				}
			}
		}
		f.outages = append(f.outages, row)
	})
}

// changedRuns walks the runs of before and of now side by side, by their start, and gives those that are not the same.
func (f *Fold) changedRuns(again bool, keep func(run) bool, emit func(w *walk, i int, deleted bool)) {
	was, now := &f.scratch.was, &f.scratch.now
	i, j := 0, 0
	for {
		for i < len(was.runs) && !keep(was.runs[i]) {
			i++
		}
		for j < len(now.runs) && !keep(now.runs[j]) {
			j++
		}
		switch {
		case i == len(was.runs) && j == len(now.runs):
			return
		case j == len(now.runs) || i < len(was.runs) && was.runs[i].start < now.runs[j].start:
			emit(was, i, true)
			i++
		case i == len(was.runs) || was.runs[i].start > now.runs[j].start:
			emit(now, j, false)
			j++
		default:
			wasEnd, wasHolds := f.intervalEnd(was, i)
			end, holds := f.intervalEnd(now, j)
			if was.runs[i] != now.runs[j] || wasEnd != end || wasHolds != holds || again {
				emit(now, j, false)
			}
			i++
			j++
		}
	}
}

// statusRow adds the terminal's status at its newest evidence.
func (f *Fold) statusRow(t *terminal, rows totals) {
	w := &f.scratch.now
	r := w.runs[len(w.runs)-1]
	row := statusRow{terminal: t, run: r, holds: t.seen, totals: rows}
	switch {
	case r.status.runs():
		row.holds = w.last.lapses(f.scratch.nowRules)
	case r.status == Down || r.status == Maintenance || r.status == Unknown:
		row.holds = forEver
	}
	row.retires = f.retires(t, w)
	if placed := f.scratch.placed; len(placed) > 0 {
		last := &placed[len(placed)-1]
		row.skew, row.shift = last.Skew, last.shift
	}
	f.status = append(f.status, row)
}

// retires is when nothing is known of a terminal any more if it is not heard of again: its registered life ends, or the silence is too long.
func (f *Fold) retires(t *terminal, w *walk) int64 {
	limit := f.scratch.nowRules.retire
	if s := w.last.status; s == Down || s == Maintenance {
		limit = reportedFor
	}
	at := t.seen + limit
	if text := t.home.text.Terminal(t.id); text != nil {
		lives := text.Lives.Within(interval.Span{From: t.seen, To: at})
		if len(lives) == 0 || lives[0].From > t.seen {
			return t.seen
		}
		at = lives[0].To
	}
	return at
}

// blocks makes the batch's blocks, tables and months in order. The rows are in order of their keys already.
func (f *Fold) blocks(v rollup.Version) []*rollup.Block {
	var out []*rollup.Block
	f.months.split(len(f.hours), func(i int) int64 { return f.hours[i].hour.start }, func(m uint32, rows []int32) {
		out = append(out, f.hoursBlock(v, m, rows))
	})
	f.months.split(len(f.intervals), func(i int) int64 { return f.intervals[i].run.start }, func(m uint32, rows []int32) {
		out = append(out, intervalsBlock(v, m, f.intervals, rows))
	})
	f.months.split(len(f.outages), func(i int) int64 { return f.outages[i].run.start }, func(m uint32, rows []int32) {
		out = append(out, outagesBlock(v, m, f.outages, rows))
	})
	if len(f.status) > 0 {
		out = append(out, statusBlock(v, f.status))
	}
	f.months.split(len(f.storeHours), func(i int) int64 { return f.storeHours[i].start }, func(m uint32, rows []int32) {
		out = append(out, storeHoursBlock(v, m, f.storeHours, rows))
	})
	f.months.split(len(f.storeOutages), func(i int) int64 { return f.storeOutages[i].start }, func(m uint32, rows []int32) {
		out = append(out, storeOutagesBlock(v, m, f.storeOutages, rows))
	})
	if len(f.storeStatus) > 0 {
		out = append(out, storeStatusBlock(v, f.storeStatus))
	}
	if len(f.windows) > 0 {
		out = append(out, windowsBlock(v, f.windows))
	}
	return out
}

func (f *Fold) hoursBlock(v rollup.Version, month uint32, rows []int32) *rollup.Block {
	b := rollup.NewBlock("availability_hourly", month, len(rows))
	store, terminal, hour := b.String("store_id"), b.String("terminal_id"), b.PartitionSeconds("hour")
	b.Version(v)
	up, degraded, down, silent := b.Uint32("up_ms"), b.Uint32("degraded_ms"), b.Uint32("down_ms"), b.Uint32("silent_ms")
	maintenance, unknown, disabled := b.Uint32("maintenance_ms"), b.Uint32("unknown_ms"), b.Uint32("disabled_ms")
	service, serviceDown := b.Uint32("service_ms"), b.Uint32("service_down_ms")
	excluded, serviceUnknown := b.Uint32("excluded_ms"), b.Uint32("service_unknown_ms")
	mean, p95, evidence := b.Float32("response_ms_avg"), b.Float32("response_ms_p95"), b.Uint32("evidence")
	responses, until, unheard := b.Uint32s("responses"), b.Uint32s("unheard_until"), b.Uint64s("unheard_ms")
	for i, n := range rows {
		r := &f.hours[n]
		ms := &r.ms
		store[i], terminal[i], hour[i] = r.store, r.id, rollup.Seconds(r.hour.start/1000)
		up[i], degraded[i], down[i], silent[i], disabled[i] = ms[Up], ms[Degraded]+ms[Disabled]+ms[Cardless], ms[Down], ms[Silent], ms[Disabled]
		maintenance[i], unknown[i] = ms[Maintenance], ms[Unknown]
		service[i], serviceDown[i], excluded[i], serviceUnknown[i] = r.served.service, r.served.down, r.served.excluded, r.served.unknown
		mean[i], p95[i], evidence[i] = r.mean, r.p95, r.evidence
		if p := r.responses; p.from < p.to {
			responses[i] = f.responses[p.from:p.to:p.to]
		}
		for _, g := range f.unheard[r.unheard.from:r.unheard.to] {
			until[i], unheard[i] = append(until[i], uint32(g.to-r.hour.start)), append(unheard[i], uint64(g.to-g.from))
		}
	}
	return b.Seal()
}

func intervalsBlock(v rollup.Version, month uint32, all []intervalRow, rows []int32) *rollup.Block {
	b := rollup.NewBlock("status_intervals", month, len(rows))
	store, terminal, started := b.String("store_id"), b.String("terminal_id"), b.PartitionMillis("started_at")
	b.Version(v)
	deleted, status, disabled, cardless := b.Uint8("deleted"), b.String("status"), b.Uint8("disabled"), b.Uint8("cardless")
	ended, holds, cause := b.NullMillis("ended_at"), b.NullMillis("holds_until"), b.String("cause")
	for i, n := range rows {
		r := &all[n]
		store[i], terminal[i], started[i] = r.store, r.id, rollup.Millis(r.run.start)
		deleted[i], status[i], disabled[i] = flag(r.deleted), r.run.status.String(), flag(r.run.status == Disabled)
		cardless[i] = flag(r.run.status == Cardless)
		ended[i], holds[i], cause[i] = r.ended, r.holds, r.run.cause
	}
	return b.Seal()
}

func outagesBlock(v rollup.Version, month uint32, all []outageRow, rows []int32) *rollup.Block {
	b := rollup.NewBlock("outages", month, len(rows))
	store, terminal, started := b.String("store_id"), b.String("terminal_id"), b.PartitionMillis("started_at")
	b.Version(v)
	deleted, id, resolved := b.Uint8("deleted"), b.String("outage_id"), b.NullMillis("resolved_at")
	repair, service, cause, party := b.Uint64("repair_ms"), b.Uint64("service_ms"), b.String("cause"), b.String("party")
	for i, n := range rows {
		r := &all[n]
		store[i], terminal[i], started[i] = r.store, r.id, rollup.Millis(r.run.start)
		deleted[i], id[i], resolved[i] = flag(r.deleted), outageID(r.id, r.run.start), r.resolved
		repair[i], service[i] = r.repair, r.service
		cause[i], party[i] = r.run.cause, undetermined
	}
	return b.Seal()
}

func statusBlock(v rollup.Version, all []statusRow) *rollup.Block {
	b := rollup.NewBlock("terminal_status", 0, len(all))
	store, terminal := b.String("store_id"), b.String("terminal_id")
	b.Version(v)
	status, since, first, last := b.String("status"), b.Millis("since"), b.Millis("first_seen"), b.Millis("last_seen")
	holds, hours, intervals, outages := b.Millis("holds_until"), b.Uint64("hours"), b.Uint64("intervals"), b.Uint64("outages")
	software, next, backlog := b.String("software_version"), b.Uint32s("service_next"), b.Uint32("offline_backlog")
	oldest, battery := b.NullMillis("oldest_unsent_at"), b.NullUint8("battery_pct")
	printers, readers, scanners := b.String("printer"), b.String("card_reader"), b.String("scanner")
	retires, registered := b.Millis("retires_at"), b.Uint8("registered")
	skew, shift, disabled := b.Int64("clock_skew_ms"), b.Int64("clock_shift_ms"), b.Uint8("disabled")
	never := []uint32{0}
	for i := range all {
		r := &all[i]
		p, parts := &r.profile, r.profile.others()
		store[i], terminal[i] = r.store, r.id
		if status[i] = r.run.status.String(); r.run.status == None {
			status[i] = "withdrawn"
		}
		since[i] = rollup.Millis(max(r.run.start, r.firstSeen))
		retires[i], registered[i] = rollup.Millis(r.retires), flag(r.home.text.Terminal(r.id) != nil)
		skew[i], shift[i], disabled[i] = int64(r.skew)*1000, int64(r.shift)*1000, flag(r.run.status == Disabled)
		first[i], last[i], holds[i] = rollup.Millis(r.firstSeen), rollup.Millis(r.seen), rollup.Millis(r.holds)
		hours[i], intervals[i], outages[i] = r.totals.hours, r.totals.intervals, r.totals.outages
		software[i], next[i], backlog[i] = p.version.value, never, p.unsent
		oldest[i], battery[i] = p.oldest, parts.batteryPc
		printers[i], readers[i], scanners[i] = parts.state(printer), parts.state(cardReader), parts.state(scanner)
	}
	return b.Seal()
}

// outageID names an outage for good: the terminal and when it began.
func outageID(terminal string, start int64) string {
	return terminal + "/" + time.UnixMilli(start).UTC().Format("2006-01-02T15:04:05.000Z")
}

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// months splits rows by the month of an instant. It is kept, with its memory, from batch to batch.
type months struct {
	from, to int64 // the month looked up last, [from, to)
	month    uint32
	found    []monthRows
}

type monthRows struct {
	month uint32
	rows  []int32
}

func (m *months) of(ms int64) uint32 {
	if ms < m.from || ms >= m.to {
		t := time.UnixMilli(ms).UTC()
		first := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
		m.from, m.to = first.UnixMilli(), first.AddDate(0, 1, 0).UnixMilli()
		m.month = rollup.MonthOfUnix(ms / 1000)
	}
	return m.month
}

// split gives each month's rows, in their order, by rising month.
func (m *months) split(n int, at func(i int) int64, emit func(month uint32, rows []int32)) {
	found := m.found[:0]
	last := -1 // in found
	for i := range n {
		month := m.of(at(i))
		if last < 0 || found[last].month != month {
			if last = slices.IndexFunc(found, func(f monthRows) bool { return f.month == month }); last < 0 {
				last = len(found)
				if found = slices.Grow(found, 1)[:last+1]; cap(found[last].rows) == 0 {
					found[last].rows = make([]int32, 0, n)
				}
				found[last].month, found[last].rows = month, found[last].rows[:0]
			}
		}
		found[last].rows = append(found[last].rows, int32(i))
	}
	slices.SortFunc(found, func(a, b monthRows) int { return cmp.Compare(a.month, b.month) })
	for i := range found {
		emit(found[i].month, found[i].rows)
	}
	m.found = found
}
