package clickhouse

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const quarter = 15 * time.Minute

// shop is a store whose sales are known, and its opening hours: minutes of the day, by date; nil is a store that is not registered.
type shop struct {
	id       string
	zone     *time.Location
	hours    func(day time.Time) (opens, closes int)
	holidays []time.Time // dates
	tills    []string
	since    map[string]time.Time // when a till was first seen, else long ago
	runs     []spell
	cuts     []spell // outages of the whole store; till is empty
}

// spell is an outage of a till.
type spell struct {
	till     string
	from, to time.Time
}

// sums are transactions and net of a quarter-hour.
type sums struct{ transactions, net float64 }

type place struct {
	store, till, currency string
	quarter               int64 // seconds
}

// world is what was sold, and the views' answer once more in plain Go: by quarter-hours of a wall clock, where the views go by hours of UTC.
type world struct {
	now   time.Time
	shops []*shop
	sold  map[place]sums
}

func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// windows are the opening hours that begin on the dates from from to to.
func (s *shop) windows(from, to time.Time) (out [][2]time.Time) {
	for d := midnight(from.In(s.zone)); d.Before(to); d = d.AddDate(0, 0, 1) {
		if opens, closes := s.hours(d); opens < closes {
			out = append(out, [2]time.Time{
				time.Date(d.Year(), d.Month(), d.Day(), 0, opens, 0, 0, s.zone), time.Date(d.Year(), d.Month(), d.Day(), 0, closes, 0, 0, s.zone),
			})
		}
	}
	return out
}

func (s *shop) open(t time.Time) bool {
	if s.hours == nil {
		return true
	}
	today := midnight(t.In(s.zone))
	for _, d := range []time.Time{today, today.AddDate(0, 0, -1)} {
		opens, closes := s.hours(d)
		if opens < closes && !t.Before(time.Date(d.Year(), d.Month(), d.Day(), 0, opens, 0, 0, s.zone)) && t.Before(time.Date(d.Year(), d.Month(), d.Day(), 0, closes, 0, 0, s.zone)) {
			return true
		}
	}
	return false
}

func (s *shop) dayType(d time.Time) string {
	if slices.ContainsFunc(s.holidays, func(h time.Time) bool { return h.Format(time.DateOnly) == d.Format(time.DateOnly) }) {
		return "holiday"
	}
	if w := d.Weekday(); w == time.Saturday || w == time.Sunday {
		return w.String()
	}
	return "weekday"
}

// back is the same time of the wall clock k days earlier; of two, the one that is whole days back.
func back(t time.Time, k int) (then time.Time, exists bool) {
	if then = t.Add(time.Duration(-24*k) * time.Hour); then.Format("15:04") == t.Format("15:04") {
		return then, true
	}
	then = time.Date(t.Year(), t.Month(), t.Day()-k, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	return then, then.Format("15:04") == t.Format("15:04")
}

func (s *shop) down(till string, from, to time.Time) bool {
	return slices.ContainsFunc(s.runs, func(r spell) bool { return r.till == till && r.from.Before(to) && r.to.After(from) })
}

func overlap(a, b, c, d time.Time) float64 {
	from, to := a, b
	if c.After(from) {
		from = c
	}
	if d.Before(to) {
		to = d
	}
	return max(0, float64(to.Sub(from)))
}

func quantile(values []float64, p float64) float64 {
	v := slices.Sorted(slices.Values(values))
	at := p * float64(len(v)-1)
	i := int(at)
	if i+1 == len(v) {
		return v[i]
	}
	return v[i] + (at-float64(i))*(v[i+1]-v[i])
}

// figures are a row of pos.outage_impact.
type figures struct {
	Days                                                 int
	Transactions, Expected, Actual, Low, High            float64
	Level, Diverted, Late, Lost, LostLow, LostHigh, Sold float64
	Known                                                bool
}

// part is what an outage of one local date is compared with.
type part struct {
	quarters []time.Time
	ks       []int
}

// impact works out what an outage cost in a currency.
func (w *world) impact(s *shop, o spell, currency string) (f figures) {
	share := func(q, from, to time.Time) float64 {
		if !s.open(q) {
			return 0
		}
		return overlap(q, q.Add(quarter), from, to) / float64(quarter)
	}
	out := func(q time.Time) float64 { return share(q, o.from, o.to) }
	first, last := midnight(o.from.In(s.zone)), midnight(o.to.Add(-time.Millisecond).In(s.zone))
	parts := map[time.Time]*part{}
	for q := o.from.Add(-3 * time.Hour).Truncate(time.Hour); q.Before(o.to.Add(time.Hour)); q = q.Add(quarter) {
		local := q.In(s.zone)
		d := midnight(local)
		if d.Before(first) {
			d = first
		}
		if d.After(last) {
			d = last
		}
		if parts[d] == nil {
			parts[d] = &part{}
		}
		parts[d].quarters = append(parts[d].quarters, local)
	}
	if o.to.Sub(o.from) > 14*24*time.Hour {
		return f
	}
	f.Days = 99
	var together float64
	for _, r := range s.runs {
		together += overlap(o.from, o.to, r.from, r.to)
	}
	together /= float64(o.to.Sub(o.from))
	var before, beforeWas, others, othersWas, after, afterWas, own, low, high, ownT [2]float64 // of the first date and of the others
	for _, d := range slices.SortedFunc(maps.Keys(parts), time.Time.Compare) {
		p := parts[d]
		var begins, ends time.Time // of service in the outage
		for _, q := range p.quarters {
			if out(q) > 0 {
				if begins.IsZero() {
					begins = q
				}
				ends = q.Add(quarter)
			}
		}
		if begins.IsZero() {
			continue
		}
		if o.from.After(begins) {
			begins = o.from.In(s.zone)
		}
		if o.to.Before(ends) {
			ends = o.to.In(s.zone)
		}
		tried := 0
		for k := 1; k <= 84 && tried < 12 && len(p.ks) < 8; k++ {
			if s.dayType(d.AddDate(0, 0, -k)) != s.dayType(d) {
				continue
			}
			tried++
			from, exists := back(begins, k)
			to, _ := back(ends.Add(-time.Millisecond), k)
			to = to.Add(time.Millisecond)
			for _, q := range p.quarters {
				if _, ok := back(q, k); !ok && (out(q) > 0 || share(q, o.from.Add(-2*time.Hour), o.from) > 0 || share(q, o.to, o.to.Add(time.Hour)) > 0) {
					exists = false
				}
			}
			if exists && s.open(from) && s.open(to.Add(-time.Millisecond)) && !s.down(o.till, from, to) && !from.Before(s.since[o.till]) {
				p.ks = append(p.ks, k)
			}
		}
		f.Days = min(f.Days, len(p.ks))
		i := 0
		if !d.Equal(first) {
			i = 1
		}
		var lists [6][]float64 // before, others, after, own transactions, own net
		for _, k := range append([]int{0}, p.ks...) {
			var v [5]float64
			for _, q := range p.quarters {
				then, _ := back(q, k)
				up := 1.0
				if k == 0 {
					then = q
					up = 1 - out(q)
				}
				for _, till := range s.tills {
					x := w.sold[place{s.id, till, currency, then.Unix()}]
					if !s.down(till, o.from.Add(-2*time.Hour), o.from) {
						b := share(q, o.from.Add(-2*time.Hour), o.from)
						if till == o.till && up > 0 {
							b /= up
						}
						v[0] += b * x.transactions
					}
					switch {
					case till == o.till:
						f.Sold += out(q) * (x.transactions + math.Abs(x.net))
						mine := out(q)
						if k == 0 && mine < 1 {
							mine = 0
						}
						v[3] += mine * x.transactions
						v[4] += mine * x.net
						if a := share(q, o.to, o.to.Add(time.Hour)); up > 0 {
							v[2] += a / up * x.net
						}
					case !s.down(till, o.from, o.to):
						v[1] += out(q) * x.net
					}
				}
			}
			if k == 0 {
				before[i] += v[0]
				others[i] += v[1]
				after[i] += v[2]
				f.Transactions += v[3]
				f.Actual += v[4]
				continue
			}
			for n := range v {
				lists[n] = append(lists[n], v[n])
			}
		}
		if len(p.ks) == 0 {
			continue
		}
		beforeWas[i] += quantile(lists[0], .5)
		othersWas[i] += quantile(lists[1], .5)
		afterWas[i] += quantile(lists[2], .5)
		ownT[i] += quantile(lists[3], .5)
		low[i] += quantile(lists[4], .1)
		own[i] += quantile(lists[4], .5)
		high[i] += quantile(lists[4], .9)
	}
	if f.Days == 99 { // no time of service
		return figures{Known: true}
	}
	if f.Known = f.Days >= 4; !f.Known {
		return f
	}
	f.Level = 1
	if beforeWas[0] > 0 {
		f.Level = min(max(before[0]/beforeWas[0], .5), 2)
	}
	scaled := func(v [2]float64) float64 { return f.Level*v[0] + v[1] }
	f.Transactions, f.Expected, f.Low, f.High = scaled(ownT), scaled(own), scaled(low), scaled(high)
	f.Diverted = max(0, others[0]+others[1]-scaled(othersWas)) / together
	f.Late = max(0, after[0]+after[1]-scaled(afterWas))
	lost := func(expected float64) float64 { return max(0, expected-f.Actual-f.Diverted-f.Late) }
	f.Lost, f.LostLow, f.LostHigh = lost(f.Expected), lost(f.Low), lost(f.High)
	return f
}

// changed is the last change of clocks in a zone before an instant: the first local date after it.
func changed(zone *time.Location, before time.Time) time.Time {
	start, _ := before.In(zone).ZoneBounds()
	return midnight(start.In(zone))
}

// insert fills the tables as the folds would.
func (w *world) insert(t *testing.T, conn driver.Conn, from time.Time) {
	t.Helper()
	var registry, windows, stores, tills, outages, cuts, sales, hourly []string
	for _, s := range w.shops {
		registered := 0
		if s.hours != nil {
			registered = 1
			var dates []string
			for _, h := range s.holidays {
				dates = append(dates, `"`+h.Format(time.DateOnly)+`"`)
			}
			registry = append(registry, fmt.Sprintf(`('Document', '%s', 1, now64(3), '{"versions":[{"timezone":"%s","calendar":{"holidays":[%s]}}]}')`, s.id, s.zone, strings.Join(dates, ",")))
			months := map[string][2][]string{}
			for _, x := range s.windows(from.AddDate(0, 0, -2), w.now.AddDate(0, 0, 10)) {
				for at := x[0].UTC(); at.Before(x[1]); {
					month := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
					end := month.AddDate(0, 1, 0)
					if x[1].Before(end) {
						end = x[1]
					}
					key := month.Format(time.DateOnly)
					m := months[key]
					months[key] = [2][]string{append(m[0], fmt.Sprint(at.Unix())), append(m[1], fmt.Sprint(end.Unix()))}
					at = end.UTC()
				}
			}
			for month, m := range months {
				windows = append(windows, fmt.Sprintf("('', '%s', '%s', 1, [%s], [%s])", s.id, month, strings.Join(m[0], ","), strings.Join(m[1], ",")))
			}
		}
		stores = append(stores, fmt.Sprintf("('', '%s', 1, 'up', %d, %d, %d, %d)", s.id, from.UnixMilli(), w.now.UnixMilli(), w.now.AddDate(0, 0, 1).UnixMilli(), registered))
		for _, c := range s.cuts {
			cuts = append(cuts, fmt.Sprintf("('', '%s', %d, 1, %d)", s.id, c.from.UnixMilli(), c.to.UnixMilli()))
		}
		for _, till := range s.tills {
			status := "up"
			for i, r := range s.runs {
				if r.till != till {
					continue
				}
				resolved := fmt.Sprint(r.to.UnixMilli())
				if r.to.Equal(w.now) {
					resolved, status = "NULL", "down"
				}
				outages = append(outages, fmt.Sprintf("('', '%s', '%s', %d, 1, '%s/%d', %s, 1, 1)", s.id, till, r.from.UnixMilli(), s.id, i, resolved))
			}
			since := from
			if at, ok := s.since[till]; ok {
				since = at
			}
			tills = append(tills, fmt.Sprintf("('', '%s', '%s', 1, '%s', %d, %d, %d, %d)", s.id, till, status, since.UnixMilli(), w.now.Add(-quarter).UnixMilli(), w.now.AddDate(0, 0, 1).UnixMilli(), registered))
		}
	}
	minutes := [...]string{"00", "15", "30", "45"}
	for k, x := range w.sold {
		h := k.quarter / 3600 * 3600
		m := minutes[(k.quarter-h)/900]
		sales = append(sales, fmt.Sprintf("%s ('', %d, '%s', '%s', '%s', %g, %g, %d)", m, h, k.store, k.till, k.currency, x.transactions, x.net, k.quarter+899))
		local := time.Unix(k.quarter, 0).In(w.shops[slices.IndexFunc(w.shops, func(s *shop) bool { return s.id == k.store })].zone)
		hourly = append(hourly, fmt.Sprintf("('', '%s', '%s', %d, %d, 'store', '%s', %g, %g)", k.store, local.Format(time.DateOnly), h, local.Hour(), k.currency, x.transactions, x.net))
	}
	put := func(into string, values []string) {
		for chunk := range slices.Chunk(values, 20_000) {
			exec(t, conn, "INSERT INTO tillstream."+into+" SETTINGS max_partitions_per_insert_block = 100 VALUES "+strings.Join(chunk, ","))
		}
	}
	put("registry (kind, name, revision, at, document)", registry)
	put("service_windows (lane, store_id, month, version, opens, closes)", windows)
	put("store_status (lane, store_id, version, status, since, last_seen, holds_until, registered)", stores)
	put("terminal_status (lane, store_id, terminal_id, version, status, first_seen, last_seen, holds_until, registered)", tills)
	put("outages (lane, store_id, terminal_id, started_at, version, outage_id, resolved_at, repair_ms, service_ms)", outages)
	put("store_outages (lane, store_id, started_at, version, resolved_at)", cuts)
	put("sales_hourly (lane, store_id, business_date, hour, local_hour, channel, currency, transactions, net)", hourly)
	for _, m := range minutes {
		var rows []string
		for _, s := range sales {
			if row, ok := strings.CutPrefix(s, m+" "); ok {
				rows = append(rows, row)
			}
		}
		put("terminal_sales (lane, hour, store_id, terminal_id, currency, transactions_"+m+", net_"+m+", last_at)", rows)
	}
}

// trade makes sales: some a quarter-hour while the shop is open and the till is up, more at noon and on Saturdays, in two currencies.
func (w *world) trade(s *shop, from time.Time, needed func(time.Time) bool, rate float64) {
	rnd := rand.New(rand.NewPCG(uint64(len(s.id)), uint64(s.id[0])))
	for q := from.Truncate(time.Hour); q.Before(w.now.Add(-quarter)); q = q.Add(quarter) {
		local := q.In(s.zone)
		if !needed(q) || !s.open(q) {
			continue
		}
		for i, till := range s.tills {
			if q.Before(s.since[till]) {
				continue
			}
			mean := rate * (1 + .5*float64(i)) * (1 + math.Sin(math.Pi*float64(local.Hour())/24))
			if local.Weekday() == time.Saturday {
				mean *= 2
			}
			for c, currency := range []string{"EUR", "JPY"} {
				up := 1.0
				for _, r := range s.runs {
					if r.till == till {
						up -= overlap(q, q.Add(quarter), r.from, r.to) / float64(quarter)
					}
				}
				n := 0.0
				for range 40 {
					if rnd.Float64() < up*mean/40/float64(1+4*c) {
						n++
					}
				}
				if n > 0 {
					w.sold[place{s.id, till, currency, q.Unix()}] = sums{n, math.Round(n * (500 + 2000*rnd.Float64()))}
				}
			}
		}
	}
}

func paris(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// chain makes a world with all that is odd, and writes it to the tables: registered and not, over midnight and a change of clocks, two currencies, two
// tills down at once, a new till, an open outage, one over several days, one in the night.
func chain(t *testing.T) (conn driver.Conn, w *world, change time.Time) {
	t.Helper()
	conn = fresh(t)
	ms, _ := clock(t, conn)
	zone := paris(t)
	w = &world{now: time.UnixMilli(ms).Truncate(quarter).Add(quarter), sold: map[place]sums{}} // a little ahead: an open outage ends at the server's now
	day := func(n int) time.Time { return midnight(w.now.In(zone)).AddDate(0, 0, -n) }
	at := func(d time.Time, hour, minute int) time.Time {
		return time.Date(d.Year(), d.Month(), d.Day(), hour, minute, 0, 0, zone)
	}
	weekday := func(n int) time.Time {
		d := day(n)
		for d.Weekday() == time.Saturday || d.Weekday() == time.Sunday {
			d = d.AddDate(0, 0, -1)
		}
		return d
	}
	change = changed(zone, w.now)
	months := int(w.now.Sub(change)/(28*24*time.Hour)) + 1
	from := w.now.AddDate(0, -months, 0).AddDate(0, 0, -35-88)
	week := func(d time.Time) (int, int) {
		if d.Weekday() == time.Sunday {
			return 0, 0
		}
		return 8 * 60, 20*60 + 30
	}
	city := &shop{id: "city", zone: zone, hours: week, tills: []string{"c1", "c2", "c3", "c4"}, holidays: []time.Time{weekday(2), weekday(9)}, since: map[string]time.Time{"c3": weekday(12)}}
	night := &shop{id: "night", zone: zone, hours: func(time.Time) (int, int) { return 18 * 60, 28 * 60 }, tills: []string{"n1", "n2"}}
	always := &shop{id: "always", zone: zone, hours: func(time.Time) (int, int) { return 0, 24 * 60 }, tills: []string{"a1", "a2"}}
	free := &shop{id: "free", zone: time.UTC, tills: []string{"f1", "f2"}}
	city.runs = []spell{
		{"c1", at(weekday(6), 9, 7), at(weekday(6), 10, 40)},
		{"c2", at(weekday(6), 10, 0), at(weekday(6), 12, 20)}, // beside the first
		{"c1", at(weekday(2), 15, 0), at(weekday(2), 16, 0)},  // a holiday: nothing to compare it with
		{"c3", at(weekday(5), 15, 0), at(weekday(5), 16, 0)},  // new here
		{"c2", at(weekday(14), 18, 3), at(weekday(14), 81, 30)},
		{"c1", at(weekday(20), 21, 0), at(weekday(20), 23, 0)},  // closed
		{"c1", at(weekday(17), 11, 0), at(weekday(17), 11, 4)},  // short
		{"c3", at(day(75), 10, 0), at(day(60), 10, 0)},          // too long, and before the till was first seen
		{"c4", at(change, 10, 0), at(change, 11, 0)},            // a Sunday
		{"c4", at(change, 32, 10), at(change, 34, 30)},          // the Monday after it
		{"c4", at(change, 6*24+10, 10), at(change, 6*24+12, 0)}, // the Saturday after it
	}
	night.runs = []spell{
		{"n1", at(day(6), 23, 10), at(day(5), 1, 50)},
		{"n2", at(day(6), 23, 50), at(day(5), 3, 10)},
	}
	always.runs = []spell{
		{"a1", at(change, 0, 40), at(change, 5, 20)}, // across the change
		{"a2", at(day(7), 2, 0), at(day(7), 4, 0)},
		{"a2", day(0).Add(-time.Hour), w.now}, // open
	}
	free.runs = []spell{{"f1", at(day(4), 12, 20), at(day(4), 13, 5)}, {"f1", at(day(8), 3, 0), at(day(8), 4, 30)}}
	city.cuts = []spell{{"", at(weekday(7), 9, 0), at(weekday(7), 12, 10)}}
	w.shops = []*shop{city, night, always, free}
	needed := func(q time.Time) bool {
		return q.After(change.AddDate(0, 0, -88)) && q.Before(change.AddDate(0, 0, 8)) || q.After(day(110))
	}
	for i, s := range w.shops {
		w.trade(s, from, needed, []float64{3, 1.5, .8, 2}[i])
	}
	w.insert(t, conn, from)
	exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.settings VALUES ('impact_months', %d, now64(3))", months))
	return conn, w, change
}

// The view against a second way to reckon.
func TestOutageImpact(t *testing.T) {
	conn, w, _ := chain(t)
	compareImpact(t, conn, w)
	const kept = "SELECT count(), uniqExact(refreshed_at) FROM pos.outage_impact WHERE refreshed_at IS NOT NULL"
	if got := query(t, conn, kept)[0]; got != "0\t0" {
		t.Errorf("kept before a refresh: %s", got)
	}
	for range 2 { // the second is shown, and the first still there
		generation := uint64(time.Now().UnixMilli())
		exec(t, conn, RefreshStatement("outage_impact", generation))
		exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.refreshes (name, generation) VALUES ('outage_impact', %d)", generation))
		compareImpact(t, conn, w)
	}
	if n := query(t, conn, kept)[0]; strings.HasPrefix(n, "0\t") || !strings.HasSuffix(n, "\t1") {
		t.Errorf("kept: %s", n)
	}
	// D12 adds up what is of one currency, and counts each outage once in it
	costs, outages := map[string]float64{}, map[string]int{}
	for _, row := range query(t, conn, `SELECT currency, outage_id, toFloat64(lost_net) FROM pos.outage_impact WHERE started_at >= toStartOfMonth(now() - INTERVAL 1 MONTH) AND started_at < toStartOfMonth(now())`) {
		var currency, id string
		var lost float64
		fmt.Sscan(row, &currency, &id, &lost)
		costs[currency] += lost
		outages[currency]++
	}
	for _, row := range query(t, conn, usersQueries()["D12"]) {
		f := strings.Split(row, "\t")
		n, _ := strconv.Atoi(f[2])
		lost, _ := strconv.ParseFloat(f[3], 64)
		costs[f[4]] -= lost
		outages[f[4]] -= n
	}
	for currency, rest := range costs {
		if math.Abs(rest) > 0.001 || outages[currency] != 0 {
			t.Errorf("D12 leaves %g %s of %d outages", rest, currency, outages[currency])
		}
	}
	// another end, told late: the longest that is kept ended half an hour before
	s, i := w.shops[0], 0
	for j, r := range s.runs {
		if r.to.Before(w.now) && r.to.Sub(r.from) > s.runs[i].to.Sub(s.runs[i].from) {
			i = j
		}
	}
	r := &s.runs[i]
	r.to = r.to.Add(-30 * time.Minute)
	exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.outages (lane, store_id, terminal_id, started_at, version, outage_id, resolved_at, repair_ms, service_ms) VALUES ('', '%s', '%s', %d, 2, '%s/%d', %d, 1, 1)",
		s.id, r.till, r.from.UnixMilli(), s.id, i, r.to.UnixMilli()))
	compareImpact(t, conn, w)
	// what is reckoned gathers the runs of pos.outages in a way of its own: they flap, here
	var flaps []string
	for at, gap := w.now.Add(-9*time.Hour).UnixMilli(), int64(29_997); gap < 30_003; gap++ {
		flaps = append(flaps, fmt.Sprintf("('', 'city', 'c4', %d, 1, 'flap/%d', %d, 1, 1)", at, gap, at+60_000))
		at += 60_000 + gap
	}
	exec(t, conn, "INSERT INTO tillstream.outages (lane, store_id, terminal_id, started_at, version, outage_id, resolved_at, repair_ms, service_ms) VALUES "+strings.Join(flaps, ","))
	const since = "from_ms >= (SELECT ms FROM tillstream.impact_from) ORDER BY outage_id"
	want := query(t, conn, "SELECT outage_id, store_id, terminal_id, from_ms, if(ended, to_ms, 0), ended FROM tillstream.outage_runs WHERE "+since)
	got := query(t, conn, "SELECT r.5 AS outage_id, store_id, r.1, r.2 AS from_ms, if(r.4, r.3, 0), r.4 FROM tillstream.store_runs ARRAY JOIN runs AS r WHERE "+since)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-outages +reckoned)\n%s", diff)
	}
}

func compareImpact(t *testing.T, conn driver.Conn, w *world) {
	t.Helper()
	before := time.Now()
	got := map[string]figures{}
	for _, line := range query(t, conn, `SELECT outage_id, currency, comparable_days, expected_transactions, expected_net, actual_net, ifNull(expected_net_low, 0), ifNull(expected_net_high, 0),
		ifNull(level, 0), diverted_net, ifNull(late_net, 0), lost_net, ifNull(lost_net_low, 0), ifNull(lost_net_high, 0), estimated FROM pos.outage_impact`) {
		var id, currency string
		var f figures
		var known int
		fmt.Sscan(line, &id, &currency, &f.Days, &f.Transactions, &f.Expected, &f.Actual, &f.Low, &f.High, &f.Level, &f.Diverted, &f.Late, &f.Lost, &f.LostLow, &f.LostHigh, &known)
		f.Known = known == 1
		got[id+" "+currency] = f
	}
	after := time.Now()
	want := map[string]figures{}
	for _, s := range w.shops {
		for i, r := range s.runs {
			if r.to.Equal(w.now) { // open: between what it was before and what it is by now
				for currency, unit := range map[string]float64{"EUR": .01, "JPY": 1} {
					id := fmt.Sprintf("%s/%d %s", s.id, i, currency)
					least, most, f := w.impact(s, spell{r.till, r.from, before}, currency), w.impact(s, spell{r.till, r.from, after}, currency), got[id]
					if f.Days != least.Days || f.Days < 4 || f.Expected < least.Expected*unit-.0001 || f.Expected > most.Expected*unit+.0001 {
						t.Errorf("open outage: %+v, want between %+v and %+v", f, least, most)
					}
					delete(got, id)
				}
				continue
			}
			if f := w.impact(s, r, "EUR"); f.Days == 0 && f.Sold == 0 { // nothing is reckoned: one row
				want[fmt.Sprintf("%s/%d EUR", s.id, i)] = f
				continue
			}
			for c, unit := range map[string]float64{"EUR": .01, "JPY": 1} {
				f := w.impact(s, r, c)
				for _, v := range []*float64{&f.Expected, &f.Actual, &f.Low, &f.High, &f.Diverted, &f.Late, &f.Lost, &f.LostLow, &f.LostHigh} {
					*v *= unit
				}
				f.Sold = 0
				want[fmt.Sprintf("%s/%d %s", s.id, i, c)] = f
			}
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-6, 2e-4)); diff != "" {
		t.Errorf("(-reckoned +view)\n%s", diff)
	}
}

// expect works out what is to be expected of an hour; ok is false where there is no figure.
func (w *world) expect(s *shop, hour, now time.Time) (p50, p05, net float64, days int, ok bool) {
	local := hour.In(s.zone)
	var opens, closes time.Time
	for q := local; q.Before(local.Add(time.Hour)); q = q.Add(quarter) {
		if s.open(q) {
			if opens.IsZero() {
				opens = q
			}
			closes = q.Add(quarter)
		}
	}
	if opens.IsZero() {
		return 0, 0, 0, 0, false
	}
	var n, worth []float64
	tried := 0
	for k := 1; k <= 84 && tried < 20 && len(n) < 8; k++ {
		if d := midnight(local); s.dayType(d.AddDate(0, 0, -k)) != s.dayType(d) {
			continue
		}
		tried++
		from, exists := back(local, k)
		first, last := from.Add(opens.Sub(local)), from.Add(closes.Sub(local)-time.Second)
		if !exists || from.Add(time.Hour).After(now) || !s.open(first) || !s.open(last) || s.cut(from, from.Add(time.Hour)) {
			continue
		}
		var all, eur float64
		for q := from; q.Before(from.Add(time.Hour)); q = q.Add(quarter) {
			for _, till := range s.tills {
				for _, c := range []string{"EUR", "JPY"} {
					x := w.sold[place{s.id, till, c, q.Unix()}]
					all += x.transactions
					if c == "EUR" {
						eur += x.net
					}
				}
			}
		}
		n, worth = append(n, all), append(worth, eur)
	}
	if len(n) < 4 {
		return 0, 0, 0, 0, false
	}
	return quantile(n, .5), quantile(n, .05), quantile(worth, .5) / 100, len(n), true
}

func (s *shop) cut(from, to time.Time) bool {
	return slices.ContainsFunc(s.cuts, func(c spell) bool { return c.from.Before(to) && c.to.After(from) })
}

func TestExpectedSales(t *testing.T) {
	conn, w, change := chain(t)
	withinOneHour(t, conn, func(base int64) func(before, after int64) {
		type figure struct{ P50, P05, Net, Days float64 }
		got, want := map[string]figure{}, map[string]figure{}
		spans := [][2]time.Time{{change.AddDate(0, 0, -1), change.AddDate(0, 0, 8)}, {w.now.AddDate(0, 0, -7), w.now.AddDate(0, 0, 7)}}
		for _, span := range spans {
			for _, line := range query(t, conn, fmt.Sprintf(`SELECT store_id, toUnixTimestamp(hour), transactions_p50, transactions_p05, net_p50, comparable_days FROM pos.expected_sales
				WHERE hour >= toDateTime(%d) AND hour < toDateTime(%d) AND currency = 'EUR'`, span[0].Unix(), span[1].Unix())) {
				var id string
				var hour int64
				var f figure
				fmt.Sscan(line, &id, &hour, &f.P50, &f.P05, &f.Net, &f.Days)
				got[fmt.Sprint(id, " ", time.Unix(hour, 0).UTC())] = f
			}
			for h := span[0].Truncate(time.Hour); h.Before(span[1]); h = h.Add(time.Hour) {
				for _, s := range w.shops {
					if p50, p05, net, days, ok := w.expect(s, h, time.UnixMilli(base)); ok && !h.Before(span[0]) {
						want[fmt.Sprint(s.id, " ", h.UTC())] = figure{p50, p05, net, float64(days)}
					}
				}
			}
		}
		return func(int64, int64) {
			if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-6, 2e-4)); diff != "" || len(want) < 500 {
				t.Errorf("%d hours (-reckoned +view)\n%s", len(want), diff)
			}
		}
	})
}

// busy is a store that sold twice in every quarter-hour of 60 days until some minutes ago, to the second: the local hour is noon, whatever the server's is.
func busy(t *testing.T, conn driver.Conn, id string, days, minutesAgo int) {
	t.Helper()
	exec(t, conn, "INSERT INTO tillstream.store_status (lane, store_id, version, status, since, last_seen, holds_until) VALUES ('', '"+id+"', 1, 'up', now64(3) - INTERVAL 100 DAY, now64(3), now64(3) + INTERVAL 1 DAY)")
	exec(t, conn, "INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, first_seen, last_seen, holds_until) VALUES ('', '"+id+"', '"+id+"1', 1, 'up', now64(3) - INTERVAL 100 DAY, now64(3), now64(3) + INTERVAL 1 DAY)")
	for m := range 4 {
		exec(t, conn, fmt.Sprintf(`INSERT INTO tillstream.terminal_sales (lane, hour, store_id, terminal_id, currency, transactions_%02d, net_%02[1]d, last_at)
			SELECT '', toStartOfHour(now() - 3600 * number) AS h, '%[2]s', '%[2]s1', 'EUR', 2, 500, least(h + %[1]d * 60 + 899, now() - %[3]d * 60)
			FROM numbers(24 * %[4]d) WHERE h + %[1]d * 60 <= now() - %[3]d * 60 SETTINGS max_partitions_per_insert_block = 100`, 15*m, id, minutesAgo, days))
	}
	exec(t, conn, fmt.Sprintf(`INSERT INTO tillstream.sales_hourly (lane, store_id, business_date, hour, local_hour, channel, currency, transactions, net)
		SELECT '', '%s', toDate(now() - 3600 * number), toStartOfHour(now() - 3600 * number) AS h, (12 + dateDiff('hour', toStartOfHour(now()), h) %% 24 + 24) %% 24, 'store', 'EUR', 8, 2000
		FROM numbers(24 * %d) SETTINGS max_partitions_per_insert_block = 100`, id, days))
}

// Only a store that is open, healthy and known well enough is silent.
func TestSalesSilence(t *testing.T) {
	withinOneHour(t, connect(t, "default", nil), func(int64) func(before, after int64) {
		conn := fresh(t)
		busy(t, conn, "selling", 60, 1)
		busy(t, conn, "silent", 60, 90)
		busy(t, conn, "new", 3, 90)
		busy(t, conn, "down", 60, 90)
		busy(t, conn, "back", 60, 90)    // it could not sell until a moment ago
		busy(t, conn, "unheard", 60, 90) // nothing at all has come from it since its last sale
		for id, change := range map[string]string{"down": "'down', now64(3) - INTERVAL 80 MINUTE, now64(3)", "back": "'up', now64(3) - INTERVAL 2 MINUTE, now64(3)", "unheard": "'up', now64(3) - INTERVAL 100 DAY, now64(3) - INTERVAL 89 MINUTE"} {
			exec(t, conn, "INSERT INTO tillstream.store_status (lane, store_id, version, status, since, last_seen, holds_until) VALUES ('', '"+id+"', 2, "+change+", now64(3) + INTERVAL 1 DAY)")
		}
		got := query(t, conn, "SELECT store_id, intDiv(dateDiff('second', last_sale_at, now()), 600), round(expected_transactions - 2 * dateDiff('second', counted_from, counted_to) / 900, 6), expected_transactions_p05 = expected_transactions, abs(log(probability) + expected_transactions) < 1e-9, tills_healthy FROM pos.sales_silence")
		rest := query(t, conn, "SELECT comparable_days BETWEEN 4 AND 8, probability < 0.001, method LIKE 'estimate: %' FROM pos.sales_silence")
		return func(int64, int64) {
			if diff := cmp.Diff([]string{"silent\t9\t0\t1\t1\t1"}, got); diff != "" {
				t.Error(diff)
			}
			if !slices.Equal(rest, []string{"1\t1\t1"}) {
				t.Error(rest)
			}
		}
	})
}

// The queries of docs/impact.md run for readers, and say something.
func TestQueriesOfTheDocument(t *testing.T) {
	conn, _, _ := chain(t)
	busy(t, conn, "silent", 60, 90)
	text, err := os.ReadFile("../../docs/impact.md")
	if err != nil {
		t.Fatal(err)
	}
	reader := connect(t, "reader", nil)
	blocks := strings.Split(string(text), "```sql\n")[1:]
	for _, b := range blocks {
		sql, _, _ := strings.Cut(b, "```")
		if len(query(t, reader, sql)) == 0 && !strings.Contains(sql, "INTERVAL 1 MONTH") { // last month may have had none
			t.Errorf("nothing is shown by %s", sql)
		}
	}
	if len(blocks) != 3 {
		t.Errorf("%d queries", len(blocks))
	}
}
