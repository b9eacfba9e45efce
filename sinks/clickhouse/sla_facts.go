package clickhouse

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor/incident"
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
	"github.com/tillstream/tillstream/processor/sla/verdict"
)

var (
	_ verdict.Facts      = (*Sink)(nil)
	_ verdict.Statements = (*Sink)(nil)
)

// late is how far back runs that ended are looked at for news, in days.
const late = 100

// News says of every store what the newest is that is known of it.
func (s *Sink) News(ctx context.Context, at int64) (map[string]verdict.Mark, error) {
	out := map[string]verdict.Mark{}
	err := s.rows(ctx, func(r driver.Rows) error {
		var store string
		var m verdict.Mark
		if err := r.Scan(&store, &m.Now, &m.Lapses, &m.Hot, &m.LastSeen); err != nil {
			return err
		}
		out[store] = m
		return nil
	}, `SELECT toString(store_id), groupBitXor(cityHash64(terminal_id, status, since, intervals, outages)),
		minIf(toUnixTimestamp64Milli(holds_until), status IN ('up', 'degraded')),
		max(status NOT IN ('up', 'withdrawn') OR status = 'up' AND toUnixTimestamp64Milli(holds_until) < {at:Int64}),
		maxIf(toUnixTimestamp64Milli(if(status = 'silent', since, last_seen)), status NOT IN ('unknown', 'withdrawn')) -- one that was registered has not been heard of
		FROM tillstream.terminal_status FINAL WHERE lane = '' GROUP BY store_id`, ch.Named("at", at))
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.terminal_status: %w", err)
	}
	err = s.rows(ctx, func(r driver.Rows) error {
		var store string
		var version uint64
		if err := r.Scan(&store, &version); err != nil {
			return err
		}
		m := out[store]
		m.Ended = version
		out[store] = m
		return nil
	}, `SELECT toString(store_id), max(version) FROM tillstream.status_intervals
		WHERE lane = '' AND (ended_at IS NOT NULL OR deleted = 1) AND started_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') GROUP BY store_id`,
		ch.Named("since", at-late*86_400_000))
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.status_intervals: %w", err)
	}
	err = s.rows(ctx, func(r driver.Rows) error {
		var store string
		var version uint64
		if err := r.Scan(&store, &version); err != nil {
			return err
		}
		m := out[store]
		m.Decided = version
		out[store] = m
		return nil
	}, `SELECT toString(store_id), max(version) FROM (
		SELECT store_id, version FROM tillstream.incidents WHERE lane = '' UNION ALL SELECT store_id, version FROM tillstream.maintenance WHERE lane = '')
		GROUP BY store_id`)
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.incidents: %w", err)
	}
	return out, nil
}

// Since says of some stores when the earliest of the runs began that ended, or ended otherwise, after a version of each.
func (s *Sink) Since(ctx context.Context, ended map[string]uint64) (map[string]int64, error) {
	out := map[string]int64{}
	oldest := uint64(math.MaxUint64)
	for _, version := range ended {
		oldest = min(oldest, version)
	}
	err := s.rows(ctx, func(r driver.Rows) error {
		var store string
		var from int64
		if err := r.Scan(&store, &from); err != nil {
			return err
		}
		if _, wanted := ended[store]; wanted {
			out[store] = from
		}
		return nil
	}, `SELECT toString(store_id), toUnixTimestamp64Milli(min(started_at)) FROM tillstream.status_intervals
		WHERE lane = '' AND (ended_at IS NOT NULL OR deleted = 1) AND version > {oldest:UInt64} GROUP BY store_id`, ch.Named("oldest", oldest))
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.status_intervals: %w", err)
	}
	return out, nil
}

// storesAtOnce is how many stores are read by one query.
const storesAtOnce = 500

// Facts reads what is known of stores, some hundred at once. Where it cannot, the second value says why, and is the last.
func (s *Sink) Facts(ctx context.Context, w verdict.Wanted) iter.Seq2[*evaluation.Store, error] {
	return func(yield func(*evaluation.Store, error) bool) {
		outages, err := s.outages(ctx, w)
		if err != nil {
			yield(nil, err)
			return
		}
		atOnce := storesAtOnce
		if w.Slot > 0 {
			atOnce /= 10 // each has every attempt of a month
		}
		for some := range slices.Chunk(w.Stores, atOnce) {
			f := facts{Wanted: w, stores: map[string]*evaluation.Store{}}
			f.Stores = some
			for _, id := range some {
				f.stores[id] = &evaluation.Store{ID: id, Runs: map[string][]sla.Run{}, Outages: outages[id], Tills: map[string]*evaluation.Till{}, Limits: w.Limits}
			}
			if err := s.readFacts(ctx, &f); err != nil {
				yield(nil, err)
				return
			}
			for _, id := range some {
				if !yield(f.stores[id], nil) {
					return
				}
			}
		}
	}
}

// facts is what is being read of some stores.
type facts struct {
	verdict.Wanted
	stores map[string]*evaluation.Store
}

// args are those of every query about facts.
func (f *facts) args() []any {
	return []any{ch.Named("stores", f.Stores), ch.Named("from", f.Span.From), ch.Named("to", min(f.Span.To, f.At)), ch.Named("at", f.At)}
}

// till is what is kept of a terminal.
func (f *facts) till(store, terminal string) *evaluation.Till {
	tills := f.stores[store].Tills
	t := tills[terminal]
	if t == nil {
		t = &evaluation.Till{}
		tills[terminal] = t
	}
	return t
}

// readFacts reads everything.
func (s *Sink) readFacts(ctx context.Context, f *facts) error {
	for _, read := range []struct {
		table  string
		wanted bool
		by     func(context.Context, *facts) error
	}{
		{"status_intervals", true, s.runs},
		{"maintenance", true, s.works},
		{"incidents", true, s.slaIncidents},
		{"payments_hourly", f.Payments, s.payments},
		{"terminal_payments", f.Tills, s.tillPayments},
		{"terminal_payments", f.Slot > 0, s.tries},
		{"availability_hourly", f.Responses, s.responses},
		{"availability_hourly", f.Unheard, s.unheard},
	} {
		if !read.wanted {
			continue
		}
		if err := read.by(ctx, f); err != nil {
			return fmt.Errorf("reading tillstream.%s: %w", read.table, err)
		}
	}
	return nil
}

// statusCode is how the query writes a status, and whether the till cannot sell, or cannot take cards.
const statusCode = "transform(status, ['up', 'degraded', 'down', 'maintenance', 'silent'], [1, 2, 3, 4, 5], 0) + 8 * disabled + 16 * cardless"

var codes = [...]sla.Status{sla.Unknown, sla.Up, sla.Degraded, sla.Down, sla.Maintenance, sla.Silent, sla.Unknown, sla.Unknown}

// reaching are the runs that begin before a span and, in one of their versions, end in it or later: few, which an index of the ends finds without the months that are past.
const reaching = `SELECT store_id, terminal_id, started_at FROM tillstream.status_intervals
	WHERE lane = '' AND store_id IN {stores:Array(String)} AND started_at < fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND (ended_at IS NULL OR ended_at > fromUnixTimestamp64Milli({from:Int64}, 'UTC'))`

// runs reads timelines: of each terminal one string of runs, each a beginning, an end and a status. What is open is closed as the views do, as of the instant
// that is asked for.
func (s *Sink) runs(ctx context.Context, f *facts) error {
	return s.rows(ctx, func(r driver.Rows) error {
		var store, terminal, runs string
		var seen, holds, retires int64
		if err := r.Scan(&store, &terminal, &runs, &seen, &holds, &retires); err != nil {
			return err
		}
		st := f.stores[store]
		out := make([]sla.Run, 0, len(runs)/24+1)
		add := func(x sla.Run) {
			if x.To = min(x.To, f.At); x.From < x.To && x.Status != sla.Unknown {
				out = append(out, x)
			}
		}
		for b := []byte(runs); len(b) >= 24; b = b[24:] {
			code := binary.LittleEndian.Uint64(b[16:])
			x := sla.Run{Span: interval.Span{From: int64(binary.LittleEndian.Uint64(b)), To: int64(binary.LittleEndian.Uint64(b[8:]))}, Status: codes[code&7]}
			if code&8 != 0 {
				x.Lost = sla.Sell | sla.Card | sla.Cash
			}
			if code&16 != 0 {
				x.Lost |= sla.Card
			}
			if x.To != 0 {
				add(x)
				continue
			}
			until := max(seen, min(f.At, retires))
			x.To = until
			if x.Status == sla.Up || x.Status == sla.Degraded {
				x.To = min(max(holds, seen), until)
				add(sla.Run{Span: interval.Span{From: x.To, To: until}, Status: sla.Silent})
			}
			add(x)
		}
		slices.SortFunc(out, func(a, b sla.Run) int { return cmp.Compare(a.From, b.From) }) // the server gives them in any order
		st.Runs[terminal] = out
		if open := (interval.Span{From: seen, To: min(f.At, retires)}); f.Unheard && !open.Empty() {
			f.till(store, terminal).Unheard = []interval.Span{open}
		}
		return nil
	}, `SELECT toString(i.store_id), toString(i.terminal_id), i.runs, toUnixTimestamp64Milli(t.last_seen), toUnixTimestamp64Milli(t.holds_until),
		multiIf(t.status = 'withdrawn', toUnixTimestamp64Milli(t.last_seen), toUnixTimestamp64Milli(t.retires_at) > 0, toUnixTimestamp64Milli(t.retires_at),
			toUnixTimestamp64Milli(t.last_seen) + if(t.status IN ('down', 'maintenance'), 366 * 86400000, ifNull((SELECT value FROM tillstream.settings FINAL WHERE name = 'retire_after_ms'), 31 * 86400000)))
		FROM (
			SELECT store_id, terminal_id, arrayStringConcat(groupArray(concat(
				reinterpretAsFixedString(toUnixTimestamp64Milli(started_at)), reinterpretAsFixedString(ifNull(toUnixTimestamp64Milli(ended_at), toInt64(0))), reinterpretAsFixedString(toInt64(`+statusCode+`))))) AS runs
			FROM tillstream.status_intervals FINAL
			WHERE lane = '' AND store_id IN {stores:Array(String)} AND started_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
				AND (ended_at IS NULL OR ended_at > fromUnixTimestamp64Milli({from:Int64}, 'UTC'))
				AND (started_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') OR (store_id, terminal_id, started_at) IN (`+reaching+`))
			GROUP BY store_id, terminal_id
			SETTINGS do_not_merge_across_partitions_select_final = 1
		) AS i
		LEFT ANY JOIN (SELECT * FROM tillstream.terminal_status FINAL WHERE lane = '' AND store_id IN {stores:Array(String)}) AS t
		ON i.store_id = t.store_id AND i.terminal_id = t.terminal_id
		SETTINGS join_use_nulls = 0`, f.args()...)
}

// outages are those of the stores that are wanted, with who answers for them. Whose one is may depend on all others, so they are asked for once.
func (s *Sink) outages(ctx context.Context, w verdict.Wanted) (map[string][]evaluation.Outage, error) {
	f, filter := facts{Wanted: w}, "store_id IN {stores:Array(String)} AND "
	if len(w.Stores) > storesAtOnce {
		f.Stores, filter = nil, ""
	}
	out := map[string][]evaluation.Outage{}
	err := s.rows(ctx, func(r driver.Rows) error {
		var store string
		var o evaluation.Outage
		if err := r.Scan(&store, &o.Ref, &o.Terminal, &o.From, &o.To, &o.Party, &o.Supplier, &o.Rule, &o.DecidedBy); err != nil {
			return err
		}
		out[store] = append(out[store], o)
		return nil
	}, `SELECT store_id, outage_id, terminal_id, toUnixTimestamp64Milli(started_at), ifNull(toUnixTimestamp64Milli(resolved_at), {to:Int64}) AS ended,
		toString(party), supplier, party_rule, decided_by FROM tillstream.outages_since(since = {from:Int64})
		WHERE `+filter+`started_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC') AND ended > {from:Int64} ORDER BY started_at, terminal_id`, f.args()...)
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.outages_since: %w", err)
	}
	return out, nil
}

func (s *Sink) works(ctx context.Context, f *facts) error {
	return s.rows(ctx, func(r driver.Rows) error {
		var store string
		var w evaluation.Work
		var from, to []int64
		if err := r.Scan(&store, &w.Ref, &w.Kind, &w.Terminals, &from, &to, &w.NoticeAt, &w.ApprovedBy, &w.ApprovedAt, &w.Reason); err != nil {
			return err
		}
		spans := make([]interval.Span, len(from))
		for i := range from {
			spans[i] = interval.Span{From: from[i], To: min(to[i], f.At)}
		}
		w.Spans = interval.Of(spans...)
		f.stores[store].Works = append(f.stores[store].Works, w)
		return nil
	}, `SELECT toString(store_id), maintenance_id, toString(kind), terminals, excluded_from, excluded_to,
		ifNull(toUnixTimestamp64Milli(coalesce(notice_given_at, announced_at)), 0), approved_by, ifNull(toUnixTimestamp64Milli(approved_at), 0), reason
		FROM tillstream.maintenance FINAL WHERE lane = '' AND store_id IN {stores:Array(String)} AND notEmpty(excluded_from) AND excluded_from[1] < {at:Int64} AND excluded_to[-1] > {from:Int64}
		ORDER BY store_id, maintenance_id`, f.args()...)
}

func (s *Sink) slaIncidents(ctx context.Context, f *facts) error {
	turns := map[[2]string][]incident.Turn{}
	err := s.rows(ctx, func(r driver.Rows) error {
		var store, id string
		var t incident.Turn
		if err := r.Scan(&store, &id, &t.At, &t.Step); err != nil {
			return err
		}
		turns[[2]string{store, id}] = append(turns[[2]string{store, id}], t)
		return nil
	}, `SELECT toString(store_id), incident_id, toUnixTimestamp64Milli(at), toString(step) FROM tillstream.incident_steps FINAL
		WHERE lane = '' AND store_id IN {stores:Array(String)} AND step IN ('paused', 'resumed', 'resolved', 'closed', 'reopened')
		ORDER BY store_id, incident_id, at, sequence, source, event_id`, f.args()...)
	if err != nil {
		return err
	}
	return s.rows(ctx, func(r driver.Rows) error {
		var store string
		var x evaluation.Incident
		if err := r.Scan(&store, &x.Ref, &x.Severity, &x.Party, &x.Terminals, &x.Services, &x.Started, &x.Detected, &x.Opened, &x.Acknowledged, &x.Resolved); err != nil {
			return err
		}
		x.Pauses = incident.Pauses(turns[[2]string{store, x.Ref}])
		f.stores[store].Incidents = append(f.stores[store].Incidents, x)
		return nil
	}, `WITH (x) -> ifNull(toUnixTimestamp64Milli(x), toInt64(0)) AS ms
		SELECT toString(store_id), incident_id, toString(severity), toString(party), terminals, services,
		toUnixTimestamp64Milli(started_at), ms(detected_at), toUnixTimestamp64Milli(opened_at), ms(acknowledged_at), ms(resolved_at)
		FROM tillstream.incidents FINAL WHERE lane = '' AND store_id IN {stores:Array(String)} AND cancelled_at IS NULL
			AND started_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC') AND (resolved_at IS NULL OR resolved_at > fromUnixTimestamp64Milli({from:Int64}, 'UTC'))
		ORDER BY store_id, incident_id`, f.args()...)
}
