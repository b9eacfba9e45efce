package availability

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/rollup"
)

// model computes the rows of one terminal from the set of its events, instant by instant, without state, batches or sweeps. It is the
// table in the package comment, read naively.
type model struct {
	retire, timeout int64          // ms
	events          []*event.Event // distinct as evidence, where they belong
	all             []*event.Event
	received        map[*event.Event]int64
	clock           clockModel
	text            *registry.Store // nil: not registered
	hours, excluded interval.Set    // of the store
	terminal        string
}

func (m *model) registered() *registry.Terminal { return m.text.Terminal(m.terminal) }

func when(e *event.Event) int64 { return e.When().Milli }

func started(e *event.Event) int64 {
	if s := e.Transaction.StartedAt; e.Type == event.TypeTransaction && s.OK && s.Milli < when(e) {
		return max(s.Milli, when(e)-3_600_000)
	}
	return when(e)
}

// hold is how long what was heard at an instant holds, e being the last report.
func (m *model) hold(e *event.Event, at int64) int64 {
	if r := m.registered(); r != nil && r.At(at).HeartbeatTimeout > 0 {
		return r.At(at).HeartbeatTimeout
	}
	return m.announced(e)
}

// announced is how long a report holds by itself.
func (m *model) announced(e *event.Event) int64 {
	switch {
	case m.timeout > 0:
		return m.timeout
	case e != nil && e.Health.HeartbeatInterval.Value > 0:
		return min(3000*int64(e.Health.HeartbeatInterval.Value), m.retire)
	}
	return 180_000
}

// reported is the status of a report; disabled: it runs and cannot sell; cardless: it sells and cannot take cards.
func reported(e *event.Event) string {
	if e.Health.Status != "up" && e.Health.Status != "degraded" {
		return e.Health.Status
	}
	broken := false
	for _, c := range e.Health.Components {
		broken = broken || c.Type == "card_reader" && c.State == "error" && e.Health.Status == "degraded"
	}
	switch sell, card := e.Health.Capability.Sell, e.Health.Capability.Card; {
	case sell.OK && !sell.Value:
		return "disabled"
	case card.OK && !card.Value, !card.OK && broken:
		return "cardless"
	}
	return e.Health.Status
}

func modelCause(e *event.Event) string {
	switch {
	case reported(e) == "up":
		return ""
	case reported(e) == "closing":
		return "closing"
	case len(e.Health.Errors) > 0:
		return e.Health.Errors[0].Code
	}
	for _, c := range e.Health.Components {
		if c.State == "error" {
			return c.Type + ":" + c.Detail
		}
	}
	return map[string]string{"disabled": "cannot_sell", "cardless": "cannot_take_cards"}[reported(e)] + map[bool]string{true: "reported"}[reported(e) != "disabled" && reported(e) != "cardless"]
}

// lacked are the component types that a till which runs lacks, if it does not say whether it can sell.
func lacked(e *event.Event) (kinds []string) {
	if e.Health.Capability.Sell.OK || e.Health.Status != "up" && e.Health.Status != "degraded" {
		return nil
	}
	for _, c := range e.Health.Components {
		if c.State == "error" || c.State == "absent" {
			kinds = append(kinds, c.Type)
		}
	}
	return kinds
}

// content is how reports that are otherwise equal are told apart: what is lacked beyond the cause comes first.
func content(e *event.Event) string {
	cause := modelCause(e)
	kind, _, _ := strings.Cut(cause, ":")
	switch kinds := lacked(e); {
	case !slices.Contains([]string{"up", "degraded", "cardless"}, reported(e)), len(kinds) == 1 && kinds[0] == kind:
		return cause
	case len(kinds) > 0:
		return strings.Join(kinds, ",") + ",\x00" + cause
	case e.Health.Capability.Sell.OK && cause != "":
		return "\x00" + cause
	}
	return cause
}

// later orders reports of one terminal.
func (m *model) later(a, b *event.Event) int {
	if c := cmp.Or(cmp.Compare(when(a), when(b)), cmp.Compare(a.Sequence.Value, b.Sequence.Value)); c != 0 {
		return c
	}
	status := func(e *event.Event) int {
		switch reported(e) {
		case "up":
			return 1
		case "degraded":
			return 2
		case "down":
			return 3
		case "maintenance":
			return 5
		case "closing":
			return 7
		case "disabled":
			return 8
		case "cardless":
			return 9
		}
		return 6
	}
	return cmp.Or(cmp.Compare(status(a), status(b)), cmp.Compare(m.announced(a), m.announced(b)), cmp.Compare(a.Health.ResponseMS.Value, b.Health.ResponseMS.Value),
		cmp.Compare(content(a), content(b)), cmp.Compare(bootOf(a.Health.BootID), bootOf(b.Health.BootID)))
}

// status at an instant, within the registered life. A till that cannot sell is disabled.
func (m *model) status(x int64) (status, cause string, lapse int64) {
	if r := m.registered(); r != nil && !r.Lives.Holds(x) {
		_, _, lapse = m.heard(x)
		return "", "", lapse
	}
	return m.anyhow(x)
}

// anyhow is the status, whatever the registered life.
func (m *model) anyhow(x int64) (status, cause string, lapse int64) {
	status, cause, lapse = m.heard(x)
	if status == "silent" && cause == "" {
		cause = m.silence(x)
	}
	return status, cause, lapse
}

// retiring is how long a terminal may be silent until it is taken as withdrawn.
func (m *model) retiring() int64 {
	if m.registered() != nil {
		return max(m.retire, 366*86_400_000)
	}
	return m.retire
}

// silence is why a till could not be heard: the boots of the last reports before its end and at its end say it, if it ends with a report.
func (m *model) silence(x int64) string {
	end := Open
	for _, e := range m.events {
		if s, _, _ := m.heard(when(e)); when(e) > x && s != "silent" {
			end = min(end, when(e))
		}
	}
	if r := m.registered(); end == Open || r != nil && r.Lives.Overlap(interval.Span{From: x, To: end}) < end-x {
		return "" // or a life ended it
	}
	for y := range m.events { // nothing but silence until then
		for _, at := range []int64{started(m.events[y]), when(m.events[y]) + m.retiring(), end - 1} {
			if s, _, _ := m.heard(at); x <= at && at < end && s != "silent" {
				return ""
			}
		}
	}
	last := func(in func(at int64) bool) (by *event.Event) {
		for _, e := range m.events {
			if e.Type == event.TypeHealth && e.Health.BootID != "" && in(when(e)) && (by == nil || m.later(e, by) > 0) {
				by = e
			}
		}
		return by
	}
	before, after := last(func(at int64) bool { return at < end }), last(func(at int64) bool { return at == end })
	switch {
	case before == nil || after == nil:
		return ""
	case before.Health.BootID == after.Health.BootID:
		return "line_cut"
	}
	return "reboot"
}

// heard is the status without life and reasons of silence; lapse: when up or degraded end unless more is heard.
func (m *model) heard(x int64) (status, cause string, lapse int64) {
	var r, s *event.Event
	proved := false
	for _, e := range m.events {
		if reported(e) == "registered" && slices.ContainsFunc(m.events, func(o *event.Event) bool { return o != e && when(o) <= when(e) }) {
			continue // it says something only if nothing was heard before
		}
		if e.Type == event.TypeHealth && when(e) <= x && (r == nil || m.later(e, r) > 0) {
			r = e
		}
		proved = proved || e.Type == event.TypeTransaction && started(e) <= x && x < when(e)
	}
	for _, e := range m.events {
		if e.Type == event.TypeTransaction && when(e) <= x && (r == nil || when(e) > when(r)) && (s == nil || when(e) > when(s)) {
			s = e
		}
	}
	last := int64(math.MinInt64)
	if r != nil {
		last, lapse = when(r), when(r)+m.hold(r, when(r))
	}
	if s != nil {
		last, lapse = when(s), when(s)+m.hold(r, when(s))
	}
	weak := func(status, cause string) (string, string, int64) {
		if proved {
			return "up", "", lapse
		}
		return status, cause, lapse
	}
	if r == nil && s == nil {
		return weak("", "")
	}
	if r != nil && (reported(r) == "down" || reported(r) == "maintenance") {
		if x-last < 366*86_400_000 {
			return reported(r), modelCause(r), lapse
		}
		return weak("", "")
	}
	if x-last >= m.retiring() {
		return weak("", "")
	}
	if r != nil && slices.Contains([]string{"up", "degraded", "disabled", "cardless"}, reported(r)) && x < when(r)+m.hold(r, when(r)) {
		if t := m.registered(); t != nil {
			for _, kind := range t.At(x).SellNeeds {
				if slices.Contains(lacked(r), kind) {
					return "disabled", cmp.Or(modelCause(r), kind), lapse
				}
			}
		}
		return reported(r), modelCause(r), lapse
	}
	if s != nil && x < when(s)+m.hold(r, when(s)) {
		return "up", "", lapse
	}
	if r != nil && s == nil && reported(r) == "closing" {
		return weak("silent", "closing")
	}
	if r != nil && s == nil && (reported(r) == "rebooting" || reported(r) == "registered") {
		return weak("unknown", modelCause(r))
	}
	return weak("silent", "")
}

// unheard are the times without any evidence that ended in an hour and are longer than usual.
func (m *model) unheard(hour int64) (until []uint32, ms []uint64) {
	for n := hour; n < hour+3_600_000; {
		next, last := hour+3_600_000, int64(math.MinInt64)
		begins, covered := false, false
		for _, e := range m.events {
			if reported(e) == "registered" {
				continue
			}
			begins = begins || started(e) == n
			covered = covered || started(e) < n && n <= when(e)
			if when(e) < n {
				last = max(last, when(e))
			}
			if started(e) > n {
				next = min(next, started(e))
			}
		}
		var r *event.Event
		for _, e := range m.events {
			if e.Type == event.TypeHealth && reported(e) != "registered" && when(e) <= last && (r == nil || m.later(e, r) > 0) {
				r = e
			}
		}
		if begins && !covered && last != math.MinInt64 && n-last > min(90_000, m.announced(r)/2) {
			until, ms = append(until, uint32(n-hour)), append(ms, uint64(n-last))
		}
		n = next
	}
	return until, ms
}

// shown is a status as the tables have it.
func shown(status string) string {
	switch status {
	case "disabled", "cardless":
		return "degraded"
	case "":
		return "withdrawn"
	}
	return status
}

// boundaries are where service time and lives begin and end.
func (m *model) boundaries() (out []int64) {
	sets := []interval.Set{m.excluded}
	if m.text != nil {
		sets = append(sets, m.hours)
	}
	if r := m.registered(); r != nil {
		sets = append(sets, r.Lives)
		for i := range r.Versions[1:] {
			out = append(out, int64(*r.Versions[i+1].From))
		}
	}
	for _, s := range sets {
		for _, x := range s {
			out = append(out, x.From, x.To)
		}
	}
	return out
}

// serving says whether an instant is service time that counts, or service time that is excluded.
func (m *model) serving(x int64) (in, out bool) {
	open := m.text == nil || m.hours.Holds(x)
	if r := m.registered(); r != nil {
		open = open && r.Lives.Holds(x)
	}
	out = open && m.excluded.Holds(x)
	return open && !out, out
}

func (m *model) retires(newest int64) int64 {
	var last *event.Event
	for _, e := range m.events {
		if e.Type == event.TypeHealth && (last == nil || m.later(e, last) > 0) {
			last = e
		}
	}
	r := m.registered()
	at := newest + m.retiring()
	if last != nil && (reported(last) == "down" || reported(last) == "maintenance") {
		at = newest + 366*86_400_000
	}
	if r != nil {
		for x := range r.Lives {
			if l := r.Lives[x]; l.From <= newest && newest < l.To {
				return min(at, l.To)
			}
		}
		return newest
	}
	return at
}

// everHeard says whether it was heard, or the registry alone knows it.
func (m *model) everHeard() bool {
	return slices.ContainsFunc(m.all, func(e *event.Event) bool { return reported(e) != "registered" })
}

// rows adds the terminal's rows to the tables.
func (m *model) rows(ts tables, store, terminal string) {
	if len(m.events) == 0 {
		return
	}
	var instants []int64
	newest, first := when(m.events[0]), started(m.events[0])
	for _, e := range m.events {
		newest, first = max(newest, when(e)), min(first, started(e))
		instants = append(instants, started(e), when(e), when(e)+m.retire, when(e)+366*86_400_000, when(e)+m.hold(nil, when(e)))
		for _, o := range m.events {
			if o.Type == event.TypeHealth {
				instants = append(instants, when(e)+m.hold(o, when(e)))
			}
		}
	}
	for x := floorHour(first); x <= newest; x += 3_600_000 {
		instants = append(instants, x)
	}
	instants = append(instants, m.boundaries()...)
	slices.Sort(instants)
	instants = slices.Compact(instants)

	put := func(table, key string, row map[string]any) {
		if ts[table] == nil {
			ts[table] = map[string]map[string]any{}
		}
		row["store_id"], row["terminal_id"] = store, terminal
		ts[table][store+"|"+terminal+"|"+key] = row
	}
	type stretch struct {
		start         int64
		status, cause string
	}
	var runs []stretch
	type spent struct {
		known   int64
		ms      map[string]int64
		service map[string]int64 // in service time; excluded is a status too
	}
	spend := map[int64]*spent{}
	began := false // something is known
	for i, x := range instants {
		if x > newest {
			break
		}
		s, cause, _ := m.status(x)
		if len(runs) == 0 || runs[len(runs)-1].status != s {
			for k := i; k >= 0 && s != ""; k-- { // the cause is that of what began it, in its life or before
				before, c, _ := m.heard(instants[k])
				if before != s {
					break
				}
				cause = c
			}
			if s == "silent" && cause == "" {
				cause = m.silence(x)
			}
			runs = append(runs, stretch{x, s, cause})
		}
		h := spend[floorHour(x)]
		if h == nil {
			h = &spent{ms: map[string]int64{}, service: map[string]int64{}}
			spend[floorHour(x)] = h
		}
		began = began || s != ""
		if x < first || x == newest || !began {
			continue
		}
		if s != "" {
			h.known += instants[i+1] - x
		} else {
			s = "unknown"
		}
		h.ms[s] += instants[i+1] - x
		if in, out := m.serving(x); out {
			h.service["excluded"] += instants[i+1] - x
		} else if in {
			h.service[s] += instants[i+1] - x
		}
	}

	var totals [3]uint64
	known, _, _ := m.status(newest)
	if !m.everHeard() {
		clear(spend)
	}
	for start, h := range spend {
		var responses []int
		var kept []uint32
		evidence := 0
		for _, e := range m.events {
			if floorHour(when(e)) == start && reported(e) != "registered" {
				evidence++
				if e.Health.ResponseMS.OK {
					responses = append(responses, int(e.Health.ResponseMS.Value))
					kept = append(kept, e.Health.ResponseMS.Value)
				}
			}
		}
		if h.known == 0 && (evidence == 0 || m.registered() != nil && (known == "" || start != floorHour(newest))) { // evidence may come from outside a registered life
			continue
		}
		totals[0]++
		var sum, p95 float64
		for _, r := range responses {
			sum += float64(r)
			notMore := 0
			for _, o := range responses {
				if o <= r {
					notMore++
				}
			}
			if float64(notMore) >= 0.95*float64(len(responses)) && (p95 == 0 || float64(r) < p95) {
				p95 = float64(r)
			}
		}
		row := map[string]any{"hour": rollup.Seconds(start / 1000), "evidence": uint32(evidence), "excluded_ms": uint32(h.service["excluded"])}
		for _, s := range []string{"up", "degraded", "down", "silent", "maintenance", "unknown", "disabled"} {
			row[s+"_ms"] = uint32(h.ms[s])
		}
		row["degraded_ms"] = uint32(h.ms["degraded"] + h.ms["disabled"] + h.ms["cardless"])
		slices.Sort(kept)
		row["responses"] = kept
		row["unheard_until"], row["unheard_ms"] = m.unheard(start)
		var service int64
		for _, ms := range h.service {
			service += ms
		}
		row["service_ms"], row["service_down_ms"] = uint32(service), uint32(h.service["down"])
		row["service_unknown_ms"] = uint32(h.service["unknown"] + h.service["silent"])
		row["response_ms_avg"], row["response_ms_p95"] = float32(0), float32(p95)
		if n := len(responses); n > 0 {
			row["response_ms_avg"] = float32(sum / float64(n))
		}
		put("availability_hourly", fmt.Sprintf("%020d", start/1000), row)
	}

	var holds rollup.NullMillis
	for i, r := range runs {
		end := rollup.Null
		if i+1 < len(runs) {
			end = rollup.NullMillis(runs[i+1].start)
		}
		holds = rollup.Null
		if _, _, lapse := m.status(newest); end == rollup.Null && (r.status == "up" || r.status == "degraded" || r.status == "disabled" || r.status == "cardless") {
			holds = rollup.NullMillis(lapse)
		}
		if r.status == "" {
			continue
		}
		totals[1]++
		put("status_intervals", fmt.Sprintf("%020d", r.start), map[string]any{
			"started_at": rollup.Millis(r.start), "status": shown(r.status), "ended_at": end, "holds_until": holds, "cause": r.cause, "disabled": flag(r.status == "disabled"), "cardless": flag(r.status == "cardless"),
		})
		if r.status != "down" {
			continue
		}
		totals[2]++
		var repair uint64
		if end != rollup.Null {
			repair = uint64(int64(end) - r.start)
		}
		service := repair
		if (m.text != nil || m.excluded != nil) && end != rollup.Null {
			service = 0
			points := append(m.boundaries(), r.start, int64(end))
			slices.Sort(points)
			for i, x := range points {
				if in, _ := m.serving(x); in && r.start <= x && x < int64(end) {
					service += uint64(points[i+1] - x)
				}
			}
		}
		put("outages", fmt.Sprintf("%020d", r.start), map[string]any{
			"started_at": rollup.Millis(r.start), "outage_id": terminal + "/" + time.UnixMilli(r.start).UTC().Format("2006-01-02T15:04:05.000Z07:00"),
			"resolved_at": end, "repair_ms": repair, "service_ms": service, "cause": r.cause, "party": "undetermined",
		})
	}

	now := runs[len(runs)-1]
	until := newest
	switch {
	case holds != rollup.Null:
		until = int64(holds)
	case now.status != "silent" && now.status != "":
		until = time.Date(2299, 12, 31, 0, 0, 0, 0, time.UTC).UnixMilli()
	}
	row := map[string]any{
		"retires_at": rollup.Millis(m.retires(newest)), "registered": flag(m.registered() != nil),
		"status": shown(now.status), "since": rollup.Millis(max(now.start, first)), "first_seen": rollup.Millis(first), "last_seen": rollup.Millis(newest),
		"holds_until": rollup.Millis(until), "hours": totals[0], "intervals": totals[1], "outages": totals[2], "service_next": []uint32{0},
		"software_version": "", "offline_backlog": uint32(0), "oldest_unsent_at": rollup.Null, "battery_pct": rollup.NullUint8(-1),
		"printer": "none", "card_reader": "none", "scanner": "none", "disabled": flag(now.status == "disabled"),
	}
	row["clock_skew_ms"], row["clock_shift_ms"] = m.clock.newest(m)
	reports := slices.DeleteFunc(slices.Clone(m.all), func(e *event.Event) bool { return e.Type != event.TypeHealth || reported(e) == "registered" })
	// Of two reports in one millisecond with one sequence number the greater value wins, each field on its own.
	slices.SortStableFunc(reports, func(a, b *event.Event) int {
		return cmp.Or(cmp.Compare(when(a), when(b)), cmp.Compare(a.Sequence.Value, b.Sequence.Value))
	})
	tie := func(a, b *event.Event) bool { return when(a) == when(b) && a.Sequence.Value == b.Sequence.Value }
	var versionBy, batteryBy, backlogBy *event.Event
	componentBy := map[string]*event.Event{}
	for _, e := range reports {
		h := &e.Health
		if v := h.SoftwareVersion; v != "" && !(versionBy != nil && tie(versionBy, e) && row["software_version"].(string) > v) {
			row["software_version"], versionBy = v, e
		}
		if b := h.Resources.BatteryPct; b.OK {
			if v := rollup.NullUint8(b.Value); !(batteryBy != nil && tie(batteryBy, e) && row["battery_pct"].(rollup.NullUint8) > v) {
				row["battery_pct"], batteryBy = v, e
			}
		}
		for _, c := range h.Components {
			if by := componentBy[c.Type]; !(by != nil && tie(by, e) && row[c.Type].(string) > c.State) {
				row[c.Type], componentBy[c.Type] = c.State, e
			}
		}
		if v := h.Backlog.Transactions + h.Backlog.Payments; !(backlogBy != nil && tie(backlogBy, e) && row["offline_backlog"].(uint32) > v) {
			row["offline_backlog"], backlogBy = v, e
		}
	}
	put("terminal_status", "", row)
}

// drawEvents makes a life of two tills, by and large in order: beats, gaps, sales, repetitions, events of one millisecond.
func drawEvents(t *rapid.T, received map[*event.Event]int64) []*event.Event {
	now := time.Date(2026, 2, 28, 20, 0, 0, 0, time.UTC).UnixMilli()
	steps := []int64{0, 1, 30_000, 30_000, 60_000, 60_000, 180_000, 600_000, 1_800_000, 3_600_000, 7_200_000, 5 * 3_600_000, 20 * 3_600_000}
	year := 0 // the event before which more than a year passes
	if rapid.Uint64().Draw(t, "long")%16 == 0 {
		year = rapid.IntRange(1, 20).Draw(t, "year")
	}
	clock, least, late := drawClock(t), 1, 0
	if clock != nil { // rapid likes small numbers: enough events, in order, for a clock to show
		least, late = 12, 3
		steps = []int64{0, 1, 1_000, 30_000, 30_000, 60_000, 60_000, 60_000, 60_000, 60_000, 60_000, 120_000, 180_000, 600_000, 600_000, 1_800_000, 5 * 3_600_000, 20 * 3_600_000}
	}
	var out []*event.Event
	for i := range rapid.IntRange(least, 40).Draw(t, "events") {
		now += rapid.SampledFrom(steps).Draw(t, "step")
		if i == year && i > 0 {
			now += 400 * 86_400_000
		}
		if rapid.IntRange(0, 9).Draw(t, "align") == 0 {
			now = floorHour(now + 3_600_000)
		}
		e := &event.Event{}
		e.StoreID, e.TerminalID = "s1", rapid.SampledFrom([]string{"t1", "t1", "t1", "t2"}).Draw(t, "terminal")
		e.Time = event.Time{Milli: now, OK: true}
		if n := rapid.IntRange(0, 3).Draw(t, "late"); n == late {
			e.Time.Milli -= rapid.SampledFrom([]int64{1, 60_000, 3_600_000, 3 * 3_600_000, 6 * 3_600_000}).Draw(t, "by")
		}
		if s := rapid.IntRange(0, 3).Draw(t, "sequence"); s > 0 {
			e.Sequence = event.Some(uint64(s))
		}
		if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			e.Type = event.TypeTransaction
			if d := rapid.SampledFrom([]int64{0, 0, 60_000, 240_000, 1_800_000, 3_600_000, 90 * 60_000}).Draw(t, "takes"); d > 0 {
				e.Transaction.StartedAt = event.Time{Milli: e.Time.Milli - d, OK: true}
			}
			if rapid.Bool().Draw(t, "ended") {
				e.Transaction.EndedAt = e.Time
				e.Time.Milli -= 1000
			}
		} else {
			e.Type = event.TypeHealth
			h := &e.Health
			h.Status = rapid.SampledFrom([]string{"up", "up", "up", "degraded", "down", "maintenance", "closing", "rebooting"}).Draw(t, "status")
			if i := rapid.SampledFrom([]uint32{0, 30, 60, 1200, 100_000}).Draw(t, "interval"); i > 0 {
				h.HeartbeatInterval = event.Some(i)
			}
			if ms := rapid.Uint32Range(0, 400).Draw(t, "response"); ms > 0 {
				h.ResponseMS = event.Some(ms)
			}
			if rapid.IntRange(0, 2).Draw(t, "error") == 0 {
				h.Errors = []event.HealthError{{Code: rapid.SampledFrom([]string{"403", "UnreachableHost"}).Draw(t, "code")}}
			}
			for _, kind := range []string{"printer", "scanner", "card_reader"} {
				if rapid.IntRange(0, 2).Draw(t, "component") == 0 {
					h.Components = append(h.Components, event.Component{Type: kind, State: rapid.SampledFrom([]string{"ok", "error", "absent"}).Draw(t, "state"), Detail: "no_paper"})
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "version") == 0 {
				h.SoftwareVersion = rapid.SampledFrom([]string{"7.1", "7.2"}).Draw(t, "v")
			}
			if rapid.IntRange(0, 3).Draw(t, "battery") == 0 {
				h.Resources.BatteryPct = event.Some(rapid.Uint32Range(0, 100).Draw(t, "pct"))
			}
			h.BootID = rapid.SampledFrom([]string{"", "", "b1", "b1", "b2"}).Draw(t, "boot")
			if rapid.IntRange(0, 5).Draw(t, "capability") == 0 {
				h.Capability.Sell = event.Some(rapid.Bool().Draw(t, "sell"))
			}
			if rapid.IntRange(0, 5).Draw(t, "cards") == 0 {
				h.Capability.Card = event.Some(rapid.Bool().Draw(t, "card"))
			}
			h.Backlog.Transactions = rapid.Uint32Range(0, 2).Draw(t, "unsent")
		}
		clock.send(t, e, received)
		out = append(out, e)
		if rapid.IntRange(0, 9).Draw(t, "again") == 0 {
			out = append(out, e)
		}
	}
	return out
}

// The rows that batches leave behind are those of the model, however events are cut into batches, shuffled within them, sent again,
// and whether the state was kept or loaded.
func TestBatchesAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.SampledFrom([]time.Duration{2 * time.Hour, 2 * time.Hour, 9 * time.Hour}).Draw(t, "window")
		cfg := Config{Window: window, RetireAfter: window + 4*time.Hour}
		if rapid.IntRange(0, 3).Draw(t, "timeout") == 0 {
			cfg.HeartbeatTimeout = 20 * time.Minute
		}
		received := map[*event.Event]int64{}
		events := drawEvents(t, received)
		begin, end := Open, int64(0)
		for _, e := range events {
			begin, end = min(begin, when(e)), max(end, when(e))
		}
		texts := drawTexts(t, begin, end)
		if end-begin > 30*86_400_000 {
			texts = texts[:min(len(texts), 1)]
		}
		if len(texts) > 1 { // what was before the window stays as the first of them said
			cfg.Window, cfg.RetireAfter = 1000*24*time.Hour, 1001*24*time.Hour
		}
		var excluded interval.Set
		var exclusions Exclusions
		if rapid.IntRange(0, 2).Draw(t, "maintained") == 0 {
			from := begin + rapid.Int64Range(-60, 1200).Draw(t, "maintenance")*60_000
			excluded = interval.Set{{From: from, To: from + 5_400_000}}
			exclusions = fixed(excluded)
		}
		seed := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed")))

		var stale, staleShuffled, staleWant int
		fold := New(cfg, exclusions, func(string, string, int32) { stale++ })
		cfg.Recall = rapid.Bool().Draw(t, "recall")
		limit := rapid.IntRange(1, 9).Draw(t, "limit")
		shuffled := New(cfg, exclusions, func(string, string, int32) { staleShuffled++ })
		got, gotShuffled, st := tables{}, tables{}, state{}
		models := map[string]*model{}
		newest := map[string]int64{}
		storeStale := false
		for _, text := range texts { // in force from the beginning, whenever it was said; t3 never says a word
			e := registration(text, rapid.SampledFrom([]int64{begin - 3_600_000, begin - 50*3_600_000, begin, begin + 600_000, (begin + end) / 2, end, end + 40*86_400_000}).Draw(t, "said"))
			from := 0
			if len(texts) > 1 {
				from = rapid.IntRange(0, len(events)).Draw(t, "comes")
			}
			events = slices.Insert(events, from, e, e)
		}
		var text *registry.Store // in force

		modelOf := func(terminal string) *model {
			m := models[terminal]
			if m == nil {
				m = &model{retire: cfg.RetireAfter.Milliseconds(), timeout: cfg.HeartbeatTimeout.Milliseconds(), terminal: terminal, excluded: excluded, received: received}
				models[terminal] = m
			}
			return m
		}

		for batch := uint64(1); len(events) > 0; batch++ {
			n := rapid.IntRange(1, len(events)).Draw(t, "batch")
			part := slices.Clone(events[:n])
			events = events[n:]
			v := rollup.Version{Epoch: 1, Batch: batch}

			before, heardBefore := map[string]int64{}, map[string]bool{}
			var open int64 // the store's rows are corrected from here on
			for k, x := range newest {
				before[k], heardBefore[k] = x, models[k].everHeard()
				if heardBefore[k] {
					open = max(open, floorHour(x-cfg.Window.Milliseconds())-3_600_000)
				}
			}
			for _, e := range part {
				fold.Fold(e, rollup.Input{Timestamp: received[e]})
				if e.Type == event.TypeRegistry {
					said := e.Body.(*registry.Store)
					if text == nil || said.Newer(text) {
						text = said
					}
					for _, r := range said.Terminals {
						if !r.Lives.Holds(when(e)) || len(texts) == 1 && models[r.ID] != nil {
							continue
						}
						known := &event.Event{} // as the report of a till that nobody has heard yet
						known.Type, known.Time = event.TypeHealth, e.Time
						known.Health.Status, known.Health.Errors = "registered", []event.HealthError{{Code: "registered"}}
						m := modelOf(r.ID)
						m.all = append(m.all, known)
						if _, ok := newest[r.ID]; !ok {
							newest[r.ID] = when(e)
						}
					}
					continue
				}
				m := modelOf(e.TerminalID)
				if b, ok := before[e.TerminalID]; ok && heardBefore[e.TerminalID] && when(e) < floorHour(b-cfg.Window.Milliseconds()) {
					staleWant++
					continue
				}
				if x, ok := newest[e.TerminalID]; !ok || when(e) > x || !m.everHeard() {
					newest[e.TerminalID] = when(e)
				}
				if !slices.Contains(m.all, e) { // the draw repeats pointers
					m.all = append(m.all, e)
				}
			}
			got.apply(t, fold.Seal(v), v)

			if rapid.Bool().Draw(t, "restart") {
				cfg.Recall = cfg.Recall || rapid.Bool().Draw(t, "upgrade") // a version that knew no past has left its state
				shuffled = New(cfg, exclusions, func(string, string, int32) { staleShuffled++ })
				for _, row := range st.rows(rapid.Bool().Draw(t, "backwards")) {
					if err := shuffled.Load(row); err != nil {
						t.Fatalf("loading: %v", err)
					}
				}
			}
			seed.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
			for _, e := range part {
				shuffled.Fold(e, rollup.Input{Timestamp: received[e]})
			}
			st.answer(t, shuffled, limit)
			s := shuffled.Seal(v)
			gotShuffled.apply(t, s, v)
			st.apply(s.State)

			want := tables{}
			hours := hoursOf(text, begin, end)
			for id, m := range models {
				m.text, m.hours = text, hours
				was := m.events
				m.clock = clockModel{}
				placed := m.clock.place(m, distinctEvents(m))
				m.events = slices.DeleteFunc(slices.Clone(placed), func(e *event.Event) bool {
					return reported(e) == "registered" && slices.ContainsFunc(placed, func(o *event.Event) bool { return o != e && when(o) <= when(e) })
				})
				storeStale = storeStale || firstChange(was, m.events) < open // a till that was away longer than the others corrects its own rows only
				m.rows(want, "s1", id)
			}
			storeModel(want, models, text, hours, excluded)
			for _, table := range []string{
				"availability_hourly", "status_intervals", "outages", "terminal_status", "store_availability_hourly", "store_outages", "store_status",
			} {
				if storeStale && strings.HasPrefix(table, "store_") {
					continue
				}
				for _, ts := range []tables{want, got, gotShuffled} {
					if r := ts["store_status"]["s1|"]; r["status"] == "withdrawn" {
						delete(r, "since") // a store that never had a till is told from a full hour on
					}
					maps.DeleteFunc(ts["store_availability_hourly"], func(_ string, row map[string]any) bool { return nothing(row) })
				}
				if !reflect.DeepEqual(rowsOf(want, table), rowsOf(got, table)) {
					t.Fatalf("batch %d: %s (-model +fold):\n%s", batch, table, gocmp.Diff(rowsOf(want, table), rowsOf(got, table)))
				}
				if !reflect.DeepEqual(rowsOf(want, table), rowsOf(gotShuffled, table)) {
					t.Fatalf("batch %d: %s (-model +shuffled, restarted fold):\n%s", batch, table, gocmp.Diff(rowsOf(want, table), rowsOf(gotShuffled, table)))
				}
			}
			if stale != staleWant || staleShuffled != staleWant {
				t.Fatalf("batch %d: stale %d, shuffled %d; want %d", batch, stale, staleShuffled, staleWant)
			}
		}
	})
}

func rowsOf(ts tables, table string) map[string]map[string]any {
	if ts[table] == nil {
		return map[string]map[string]any{}
	}
	return ts[table]
}

// distinctEvents leaves out events that are equal as evidence, which count once.
func distinctEvents(m *model) []*event.Event {
	var out []*event.Event
	for _, e := range m.all {
		if !slices.ContainsFunc(out, func(o *event.Event) bool {
			return o.Type == e.Type && m.later(o, e) == 0 && o.Health.ResponseMS == e.Health.ResponseMS && started(o) == started(e) && o.Health.BootID == e.Health.BootID &&
				m.deviation(o) == m.deviation(e)
		}) {
			out = append(out, e)
		}
	}
	return out
}
