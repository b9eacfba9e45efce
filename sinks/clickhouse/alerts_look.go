package clickhouse

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor/alert"
)

// AlertViews are the views that rules ask, by name, with their columns. Not all of them are there in every version.
type AlertViews map[string]map[string]bool

// AlertViews reads which there are.
func (s *Sink) AlertViews(ctx context.Context) (AlertViews, error) {
	views := AlertViews{}
	err := s.rows(ctx, func(r driver.Rows) error {
		var view, column string
		if err := r.Scan(&view, &column); err != nil {
			return err
		}
		if views[view] == nil {
			views[view] = map[string]bool{}
		}
		views[view][column] = true
		return nil
	}, "SELECT table, name FROM system.columns WHERE database = 'pos' AND table IN ('sla_compliance', 'sla_burn', 'sales_silence')")
	if err != nil {
		return nil, fmt.Errorf("reading which views there are: %w", err)
	}
	return views, nil
}

// LookTrouble are the stores of which a till, or the whole, may not be what it should, whether they are open or not, and a fingerprint of all that is wrong
// with them: while that stays the same, so does what LookStores says, but for hours and maintenance that begin and end. It takes a tenth of the time.
func (s *Sink) LookTrouble(ctx context.Context) (stores []string, fingerprint uint64, err error) {
	err = s.rows(ctx, func(r driver.Rows) error { return r.Scan(&stores, &fingerprint) }, `SELECT groupUniqArray(toString(store_id)), sum(x) FROM
		(SELECT store_id, cityHash64(store_id, terminal_id, status, since, holds_until) AS x FROM tillstream.terminal_status FINAL
			WHERE lane = '' AND (status = 'down' OR status IN ('up', 'degraded') AND holds_until <= now64(3))
		UNION ALL SELECT store_id, cityHash64(store_id, status, since, holds_until, holds_until <= now64(3), tills_able) AS x FROM tillstream.store_status FINAL
			WHERE lane = '' AND (status IN ('down', 'unknown') OR holds_until <= now64(3)))`)
	if err != nil {
		return nil, 0, fmt.Errorf("looking for stores in trouble: %w", err)
	}
	return stores, fingerprint, nil
}

// LookStores are those of troubled stores that are in service and have tills which are down or silent, or that cannot sell, or of which that is not known;
// and what maintenance goes on. Rows come only of what is not up.
func (s *Sink) LookStores(ctx context.Context, troubled []string, to *alert.Snapshot) error {
	byID := map[string]int{}
	err := s.rows(ctx, func(r driver.Rows) error {
		var x alert.Store
		var tills, able uint64
		var names, status []string
		var since []int64
		if err := r.Scan(&x.ID, &tills, &able, &names, &status, &since); err != nil {
			return err
		}
		x.Tills, x.Able = int(tills), int(able)
		for i := range names {
			x.Bad = append(x.Bad, alert.Till{ID: names[i], Status: status[i], Since: since[i]})
		}
		byID[x.ID] = len(to.Stores)
		to.Stores = append(to.Stores, x)
		return nil
	}, `SELECT store_id, count() AS tills, countIf(status IN ('up', 'degraded') AND NOT disabled) AS able, groupArrayIf(terminal_id, status IN ('down', 'silent')) AS names,
		groupArrayIf(toString(status), status IN ('down', 'silent')) AS bad, groupArrayIf(toUnixTimestamp64Milli(since), status IN ('down', 'silent')) AS since
		FROM pos.terminal_status WHERE store_id IN ? AND in_service AND status != 'withdrawn' GROUP BY store_id HAVING notEmpty(names) ORDER BY store_id`, troubled)
	if err != nil {
		return fmt.Errorf("looking for tills that are down: %w", err)
	}
	err = s.rows(ctx, func(r driver.Rows) error {
		var id, status string
		var since int64
		var tills, able, quorum uint32
		if err := r.Scan(&id, &status, &since, &tills, &able, &quorum); err != nil {
			return err
		}
		i, ok := byID[id]
		if !ok {
			i = len(to.Stores)
			to.Stores = append(to.Stores, alert.Store{ID: id, Tills: int(tills), Able: int(able)})
		}
		x := &to.Stores[i]
		x.SellNeed, x.Down, x.Unknown = int(quorum), status == "down", status == "unknown"
		if x.Down {
			x.Since = since
		}
		return nil
	}, `SELECT store_id, toString(status), toUnixTimestamp64Milli(since), tills, tills_able, sell_quorum FROM pos.store_status
		WHERE store_id IN ? AND in_service AND status IN ('down', 'unknown') ORDER BY store_id`, troubled)
	if err != nil {
		return fmt.Errorf("looking for stores that cannot sell: %w", err)
	}
	err = s.rows(ctx, func(r driver.Rows) error {
		var m alert.Maintenance
		if err := r.Scan(&m.ID, &m.Store, &m.Terminals); err != nil {
			return err
		}
		to.Maintenance = append(to.Maintenance, m)
		return nil
	}, // what goes on ends now in the view
		`SELECT maintenance_id, store_id, terminals FROM pos.maintenance
		WHERE arrayExists(x -> x.2 >= now64(3) - toIntervalSecond(1), excluded) AND NOT ifNull(ended_at <= now64(3), 0) AND cancelled_at IS NULL ORDER BY store_id, maintenance_id`)
	if err != nil {
		return fmt.Errorf("looking for maintenance: %w", err)
	}
	return nil
}

// LookBacklogs are tills whose oldest unsent sale is older than age.
func (s *Sink) LookBacklogs(ctx context.Context, age time.Duration) (all []alert.Held, err error) {
	err = s.rows(ctx, func(r driver.Rows) error {
		var x alert.Held
		var n uint32
		err := r.Scan(&x.Store, &x.Terminal, &n, &x.Oldest)
		x.Count = int(n)
		all = append(all, x)
		return err
	}, `SELECT store_id, terminal_id, offline_backlog, toUnixTimestamp64Milli(assumeNotNull(oldest_unsent_at)) FROM pos.terminal_status
		WHERE offline_backlog > 0 AND status != 'withdrawn' AND oldest_unsent_at < now64(3) - toIntervalMillisecond(?) ORDER BY store_id, terminal_id`, age.Milliseconds())
	if err != nil {
		return nil, fmt.Errorf("looking for sales held back: %w", err)
	}
	return all, nil
}

// LookHoles are what is missing in the numbering of the three days before yesterday's end: later, it may still come (domain.md 3.9). Where each day, two at least, a fifth of the
// numbers is missing, they are hardly the till's own.
func (s *Sink) LookHoles(ctx context.Context) (all []alert.Hole, err error) {
	err = s.rows(ctx, func(r driver.Rows) error {
		var x alert.Hole
		var n uint64
		err := r.Scan(&x.Terminal, &x.Since, &n, &x.Shared)
		x.Missing = int(n)
		all = append(all, x)
		return err
	}, `SELECT terminal_id, 1000 * toInt64(toUnixTimestamp(toDateTime(minIf(business_date, missing > 0), 'UTC'))), sum(missing) AS holes, count() > 1 AND min(4 * missing >= accepted)
		FROM pos.data_quality WHERE topic = 'pos.transactions' AND business_date BETWEEN today() - 4 AND today() - 2 AND accepted + missing > 0
		GROUP BY terminal_id HAVING holes > 0 ORDER BY terminal_id`)
	if err != nil {
		return nil, fmt.Errorf("looking for holes in the numbering: %w", err)
	}
	return all, nil
}

// LookLetters counts the dead letters of the last hour.
func (s *Sink) LookLetters(ctx context.Context) (all []alert.Letters, err error) {
	err = s.rows(ctx, func(r driver.Rows) error {
		var x alert.Letters
		var n uint64
		err := r.Scan(&x.Topic, &x.Reason, &n)
		x.Count = int(n)
		all = append(all, x)
		return err
	}, `SELECT toString(topic), toString(reason), count() FROM pos.dead_letters WHERE at >= now64(3) - INTERVAL 1 HOUR AND replayed_at IS NULL GROUP BY topic, reason ORDER BY topic, reason`)
	if err != nil {
		return nil, fmt.Errorf("looking for dead letters: %w", err)
	}
	return all, nil
}

// LookSilences are the stores that should sell and do not, if the view is there.
func (s *Sink) LookSilences(ctx context.Context, views AlertViews) (all []alert.Silence, err error) {
	if views["sales_silence"] == nil {
		return nil, nil
	}
	err = s.rows(ctx, func(r driver.Rows) error {
		var x alert.Silence
		err := r.Scan(&x.Store, &x.Since, &x.Expected, &x.Least)
		all = append(all, x)
		return err
	}, `SELECT store_id, 1000 * toInt64(toUnixTimestamp(counted_from)), expected_transactions, expected_transactions_p05 FROM pos.sales_silence ORDER BY store_id`)
	if err != nil {
		return nil, fmt.Errorf("looking for stores that sell nothing: %w", err)
	}
	return all, nil
}

// livePeriods are those of which statements may not be final yet, by their first days: the key of the table, which is never cleared.
const livePeriods = "(SELECT DISTINCT period_start FROM tillstream.sla_statements WHERE closes_at > now64(3) - toIntervalDay(31))"

// LookAgreements are the lines of periods that are not closed and want attention, and how their budgets burn, if the views are there. It reads what the
// views read, but of the lines of interest alone.
func (s *Sink) LookAgreements(ctx context.Context, views AlertViews, coverage float64, deadline time.Duration, to *alert.Snapshot) error {
	if views["sla_compliance"] == nil || views["sla_burn"] == nil {
		return nil
	}
	const interesting = `stage = 'provisional' AND verdict != 'not_applicable' AND
		(verdict IN ('breached', 'at_risk') OR budget_ms > 0 AND (coverage.2 > 0 AND coverage.1 < %[1]v * coverage.2 OR down_ms >= budget_ms))`
	err := s.rows(ctx, func(r driver.Rows) error {
		var a alert.Agreement
		err := r.Scan(&a.Contract, &a.Objective, &a.Scope, &a.Store, &a.Verdict, &a.Target, &a.Actual, &a.Coverage, &a.Total, &a.Spent, &a.PeriodStart)
		to.Agreements = append(to.Agreements, a)
		return err
	}, fmt.Sprintf(`SELECT toString(contract), toString(objective), scope, toString(store_id), verdict, if(target.2 > 0, target.1 / target.2, 0), if(actual.2 > 0, actual.1 / actual.2, 0),
		if(budget_ms > 0 AND coverage.2 > 0, coverage.1 / coverage.2, 1), budget_ms / 1000, down_ms / 1000, 1000 * toInt64(toUnixTimestamp(toDateTime(period_start, 'UTC')))
		FROM (SELECT contract, objective, scope, store_id, period_start, x.1 AS stage, x.2 AS verdict, x.3 AS target, x.4 AS actual, x.5 AS coverage, x.6 AS budget_ms, x.7 AS down_ms FROM
			(SELECT contract, objective, scope, store_id, period_start,
				argMax(tuple(toString(stage), toString(verdict), target, actual, coverage, budget_ms, down_ms), (revision, rank)) AS x
			FROM tillstream.sla_statements
			WHERE period_start IN `+livePeriods+` AND (contract, objective, scope, store_id) IN
				(SELECT contract, objective, scope, store_id FROM tillstream.sla_statements WHERE period_start IN `+livePeriods+` AND `+interesting+`)
			GROUP BY contract, objective, scope, store_id, period_start, version, part_from))
		WHERE `+interesting+` ORDER BY contract, objective, scope, store_id, period_start`, coverage))
	if err != nil {
		return fmt.Errorf("looking at agreements: %w", err)
	}
	if err := s.lookDeadlines(ctx, deadline, to); err != nil {
		return err
	}
	err = s.rows(ctx, func(r driver.Rows) error {
		var b alert.Burn
		var windows []string
		var rates, covered []float64
		var seconds int64
		if err := r.Scan(&b.Contract, &b.Objective, &b.Scope, &b.Store, &b.Target, &seconds, &windows, &rates, &covered); err != nil {
			return err
		}
		b.Period, b.Rates = time.Duration(seconds)*time.Second, map[string]alert.Rate{}
		for i, w := range windows {
			b.Rates[w] = alert.Rate{Burn: rates[i], Coverage: covered[i]}
		}
		to.Burns = append(to.Burns, b)
		return nil
	}, `WITH lines AS (SELECT contract, objective, scope, store_id, groupArray(toString(window)) AS windows, groupArray(burn_rate) AS rates, groupArray(coverage) AS covered
			FROM tillstream.sla_burn FINAL WHERE burn_rate > 0 OR coverage < 1 GROUP BY contract, objective, scope, store_id)
		SELECT toString(contract), toString(objective), scope, toString(store_id), promised.1 / promised.2, seconds, windows, rates, covered FROM lines AS b
		INNER JOIN (SELECT contract, objective, scope, store_id, argMax(tuple(target.1, target.2, dateDiff('second', period_start, period_end)), (period_start, version, revision, rank)) AS promised,
				promised.3 AS seconds FROM tillstream.sla_statements
			WHERE period_start IN `+livePeriods+` AND stage = 'provisional' AND (contract, objective, scope, store_id) IN (SELECT contract, objective, scope, store_id FROM lines)
			GROUP BY contract, objective, scope, store_id HAVING promised.1 > 0 AND promised.1 < promised.2) AS c USING (contract, objective, scope, store_id)
		ORDER BY contract, objective, scope, store_id`)
	if err != nil {
		return fmt.Errorf("looking at how budgets burn: %w", err)
	}
	return nil
}

// lookDeadlines are the credits that must soon be claimed, added up for each period, and the agreements whose revision is due, by the newest period.
func (s *Sink) lookDeadlines(ctx context.Context, deadline time.Duration, to *alert.Snapshot) error {
	const claimable = "credit > 0 AND claim = 'on_request' AND claim_until > now64(3) AND claim_until <= now64(3) + toIntervalMillisecond(%d)"
	lapse := fmt.Sprintf(claimable, deadline.Milliseconds())
	var claims uint64
	err := s.rows(ctx, func(r driver.Rows) error { return r.Scan(&claims) }, "SELECT count() FROM tillstream.sla_statements WHERE "+lapse)
	if err == nil && claims > 0 { // few days of a month; else the view need not be asked
		err = s.rows(ctx, func(r driver.Rows) error {
			d := alert.Deadline{Rule: alert.ClaimDeadline}
			err := r.Scan(&d.Contract, &d.PeriodStart, &d.By, &d.Credit)
			to.Deadlines = append(to.Deadlines, d)
			return err
		}, `SELECT contract, 1000 * toInt64(toUnixTimestamp(period_start)) AS start, toUnixTimestamp64Milli(min(claim_until)) AS by, concat(toString(sum(credit)), ' ', any(credit_currency))
			FROM pos.sla_compliance WHERE `+lapse+` GROUP BY contract, start ORDER BY contract, start`)
	}
	if err != nil {
		return fmt.Errorf("looking for claims that lapse: %w", err)
	}
	err = s.rows(ctx, func(r driver.Rows) error {
		d := alert.Deadline{Rule: alert.RevisionDue}
		err := r.Scan(&d.Contract, &d.By)
		to.Deadlines = append(to.Deadlines, d)
		return err
	}, `SELECT toString(contract), 1000 * toInt64(toUnixTimestamp(toDateTime(assumeNotNull(due), 'UTC'))) AS by FROM
		(SELECT contract, argMax(tuple(review_due), (period_start, version, rank)).1 AS due FROM tillstream.sla_statements
			WHERE period_start IN `+livePeriods+` AND stage = 'provisional' GROUP BY contract)
		WHERE due IS NOT NULL AND by <= toUnixTimestamp64Milli(now64(3)) + ? ORDER BY contract`, deadline.Milliseconds())
	if err != nil {
		return fmt.Errorf("looking for revisions that are due: %w", err)
	}
	return nil
}
