package clickhouse

import (
	"cmp"
	"context"
	"slices"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
)

// wantedHours are those of a span, of the stores that are wanted.
const wantedHours = `lane = '' AND store_id IN {stores:Array(String)} AND hour >= toDateTime(intDiv({from:Int64}, 1000), 'UTC') AND hour < toDateTime(intDiv({to:Int64}, 1000), 'UTC')`

// within is of how many answers it is known that they took at most so long, for each of the limits.
const within = `sumForEach(arrayMap(most -> toInt64(arraySum((ms, n) -> if(ms <= most, n, 0), auth_counts.1, auth_counts.2)), {limits:Array(Int64)}))`

// eventArgs are those of a query about events.
func (f *facts) eventArgs() []any {
	return append(f.args(), ch.Named("limits", f.Limits), ch.Named("slot", max(f.Slot/1000, 1)))
}

func (s *Sink) payments(ctx context.Context, f *facts) error {
	exact := "toInt64(0), []::Array(Int64)"
	if len(f.Limits) > 0 { // else the counts need not be read
		exact = `toInt64(sum(arraySum(auth_counts.2))), ` + within
	}
	return s.rows(ctx, func(r driver.Rows) error {
		var store string
		var p evaluation.Payments
		if err := r.Scan(&store, &p.Hour, &p.Service, &p.Attempts, &p.Failed, &p.AuthMS, &p.AuthN, &p.Counted, &p.Within); err != nil {
			return err
		}
		f.stores[store].Payments = append(f.stores[store].Payments, p)
		return nil
	}, `SELECT toString(store_id), toInt64(toUnixTimestamp(hour)) * 1000, toString(service), toInt64(sum(attempts)), toInt64(sum(failed)), toInt64(sum(auth_ms)), toInt64(sum(auth_n)), `+exact+`
		FROM tillstream.payments_hourly WHERE `+wantedHours+` AND method != 'cash'
		GROUP BY store_id, hour, service ORDER BY store_id, hour, service`, f.eventArgs()...)
}

// tillPayments are the attempts of single tills, hour by hour.
func (s *Sink) tillPayments(ctx context.Context, f *facts) error {
	return s.rows(ctx, func(r driver.Rows) error {
		var store, terminal string
		var p evaluation.Payments
		if err := r.Scan(&store, &terminal, &p.Hour, &p.Attempts, &p.Failed, &p.AuthMS, &p.AuthN, &p.Within); err != nil {
			return err
		}
		p.Counted = p.AuthN
		t := f.till(store, terminal)
		t.Payments = append(t.Payments, p)
		return nil
	}, `SELECT toString(store_id), toString(terminal_id), toInt64(toUnixTimestamp(hour)) * 1000, toInt64(sum(attempts)), toInt64(sum(failed)),
		sum(arraySum((ms, n) -> ms * n, auth_counts.1, auth_counts.2)), sum(arraySum(auth_counts.2)), `+within+`
		FROM tillstream.terminal_payments WHERE `+wantedHours+` GROUP BY store_id, terminal_id, hour ORDER BY store_id, terminal_id, hour`, f.eventArgs()...)
}

// tries are the same by slots.
func (s *Sink) tries(ctx context.Context, f *facts) error {
	return s.rows(ctx, func(r driver.Rows) error {
		var store, terminal string
		var x evaluation.Try
		if err := r.Scan(&store, &terminal, &x.At, &x.Attempts, &x.Failed); err != nil {
			return err
		}
		t := f.till(store, terminal)
		t.Tries = append(t.Tries, x)
		return nil
	}, `SELECT toString(store_id), toString(terminal_id), (toInt64(toUnixTimestamp(hour)) + intDiv(second, {slot:Int64}) * {slot:Int64}) * 1000 AS at, sum(attempt), sum(fail)
		FROM tillstream.terminal_payments ARRAY JOIN tries.1 AS second, tries.2 AS attempt, tries.3 AS fail
		WHERE `+wantedHours+` GROUP BY store_id, terminal_id, at HAVING sum(attempt) > 0 ORDER BY store_id, terminal_id, at`, f.eventArgs()...)
}

// responses are what tills say of their own answers, hour by hour. Of hours from before single values were kept it is known how many reports there were at most.
func (s *Sink) responses(ctx context.Context, f *facts) error {
	return s.rows(ctx, func(r driver.Rows) error {
		var store, terminal string
		var p evaluation.Payments
		if err := r.Scan(&store, &terminal, &p.Hour, &p.AuthMS, &p.AuthN, &p.Within, &p.Lost); err != nil {
			return err
		}
		p.Counted = p.AuthN
		t := f.till(store, terminal)
		t.Responses = append(t.Responses, p)
		return nil
	}, `SELECT toString(store_id), toString(terminal_id), toInt64(toUnixTimestamp(hour)) * 1000, toInt64(arraySum(responses)), toInt64(length(responses)),
		arrayMap(most -> toInt64(arrayCount(ms -> ms <= most, responses)), {limits:Array(Int64)}), toInt64(if(empty(responses), evidence, 0))
		FROM tillstream.availability_hourly FINAL WHERE `+wantedHours+` AND (notEmpty(responses) OR response_ms_avg > 0)
		ORDER BY store_id, terminal_id, hour SETTINGS do_not_merge_across_partitions_select_final = 1`, f.eventArgs()...)
}

// unheard are the times without evidence of tills. Those that are open are known from their timelines, and there already.
func (s *Sink) unheard(ctx context.Context, f *facts) error {
	err := s.rows(ctx, func(r driver.Rows) error {
		var store, terminal string
		var x interval.Span
		if err := r.Scan(&store, &terminal, &x.To, &x.From); err != nil {
			return err
		}
		t := f.till(store, terminal)
		t.Unheard = append(t.Unheard, x)
		return nil
	}, `SELECT toString(store_id), toString(terminal_id), toInt64(toUnixTimestamp(hour)) * 1000 + until AS to, toInt64(to - ms) AS from
		FROM (SELECT * FROM tillstream.availability_hourly FINAL WHERE `+wantedHours+` AND notEmpty(unheard_ms)) ARRAY JOIN unheard_until AS until, unheard_ms AS ms
		SETTINGS do_not_merge_across_partitions_select_final = 1`, f.eventArgs()...)
	for _, st := range f.stores {
		for _, t := range st.Tills {
			slices.SortFunc(t.Unheard, func(a, b interval.Span) int { return cmp.Compare(a.From, b.From) })
		}
	}
	return err
}

// LastHeard says until when anything was heard of a terminal before a silence of which it is kept; ok is false if it is not.
func (s *Sink) LastHeard(ctx context.Context, store, terminal string, silent int64) (at int64, ok bool, err error) {
	err = s.rows(ctx, func(r driver.Rows) error {
		ok = true
		return r.Scan(&at)
	}, `SELECT from FROM (
			SELECT toInt64(toUnixTimestamp(hour)) * 1000 + until AS to, to - toInt64(ms) AS from FROM (
				SELECT * FROM tillstream.availability_hourly FINAL WHERE lane = '' AND store_id = {store:String} AND terminal_id = {terminal:String} AND notEmpty(unheard_ms)
			) ARRAY JOIN unheard_until AS until, unheard_ms AS ms WHERE from <= {silent:Int64} AND to > {silent:Int64}
			UNION ALL
			SELECT toInt64(0), toUnixTimestamp64Milli(last_seen) AS from FROM tillstream.terminal_status FINAL
			WHERE lane = '' AND store_id = {store:String} AND terminal_id = {terminal:String} AND from <= {silent:Int64} AND status NOT IN ('unknown', 'withdrawn')
		) LIMIT 1`, ch.Named("store", store), ch.Named("terminal", terminal), ch.Named("silent", silent))
	return at, ok, err
}
