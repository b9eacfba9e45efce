package clickhouse

import (
	"context"
	"fmt"
	"strings"
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

// LookStores are the stores in service that have tills which are down or silent, or that cannot sell, or of which that is not known; and what maintenance
// goes on. Rows come only of what is not up.
func (s *Sink) LookStores(ctx context.Context, to *alert.Snapshot) error {
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
	}, `SELECT store_id, count() AS tills, countIf(status IN ('up', 'degraded')) AS able, groupArrayIf(terminal_id, status IN ('down', 'silent')) AS names,
		groupArrayIf(toString(status), status IN ('down', 'silent')) AS bad, groupArrayIf(toUnixTimestamp64Milli(since), status IN ('down', 'silent')) AS since
		FROM pos.terminal_status WHERE in_service AND status != 'withdrawn' GROUP BY store_id HAVING notEmpty(names) ORDER BY store_id`)
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
		WHERE in_service AND status IN ('down', 'unknown') ORDER BY store_id`)
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

// LookHoles are what is missing in the numbering of the three days before yesterday's end: later, it may still come (domain.md 3.9).
func (s *Sink) LookHoles(ctx context.Context) (all []alert.Hole, err error) {
	err = s.rows(ctx, func(r driver.Rows) error {
		var x alert.Hole
		var n uint64
		err := r.Scan(&x.Terminal, &x.Since, &n)
		x.Missing = int(n)
		all = append(all, x)
		return err
	}, `SELECT terminal_id, 1000 * toInt64(toUnixTimestamp(toDateTime(min(business_date), 'UTC'))), sum(missing) FROM pos.data_quality
		WHERE topic = 'pos.transactions' AND business_date BETWEEN today() - 4 AND today() - 2 AND missing > 0 GROUP BY terminal_id ORDER BY terminal_id`)
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

// LookAgreements are the lines of running periods that want attention, and how their budgets burn, if the views are there.
func (s *Sink) LookAgreements(ctx context.Context, views AlertViews, coverage float64, deadline time.Duration, to *alert.Snapshot) error {
	columns := views["sla_compliance"]
	if columns == nil {
		return nil
	}
	optional := func(column, have, not string) string {
		if columns[column] {
			return have
		}
		return not
	}
	store := optional("store_id", "store_id", "''")
	err := s.rows(ctx, func(r driver.Rows) error {
		var a alert.Agreement
		err := r.Scan(&a.Contract, &a.Objective, &a.Scope, &a.Store, &a.Verdict, &a.Target, &a.Actual, &a.Coverage, &a.Total, &a.Spent, &a.PeriodStart)
		to.Agreements = append(to.Agreements, a)
		return err
	}, fmt.Sprintf(`SELECT contract, objective, scope, %s, toString(verdict), target, actual, if(budget_total = 0, 1, coverage), budget_total, budget_spent,
		1000 * toInt64(toUnixTimestamp(period_start)) FROM pos.sla_compliance
		WHERE NOT final AND verdict != 'not_applicable' AND (verdict IN ('breached', 'at_risk') OR budget_total > 0 AND (coverage < ? OR budget_spent >= budget_total))
		ORDER BY contract, objective, scope, period_start`, store), coverage)
	if err != nil {
		return fmt.Errorf("looking at agreements: %w", err)
	}
	if columns["claim"] && columns["review_due"] {
		if err := s.lookDeadlines(ctx, deadline, to); err != nil {
			return err
		}
	}
	if views["sla_burn"] == nil {
		return nil
	}
	on := []string{"contract", "objective", "scope"}
	if columns["store_id"] && views["sla_burn"]["store_id"] {
		on = append(on, "store_id")
	} else {
		store = "''"
	}
	lines := strings.Join(on, ", ")
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
	}, `SELECT contract, objective, scope, `+store+`, promised, seconds, windows, rates, covered FROM
		(SELECT `+lines+`, groupArray(toString(window)) AS windows, groupArray(burn_rate) AS rates, groupArray(coverage) AS covered FROM pos.sla_burn
			WHERE burn_rate > 0 OR coverage < 1 GROUP BY `+lines+`) AS b
		INNER JOIN (SELECT `+lines+`, argMax(target, period_start) AS promised, argMax(dateDiff('second', period_start, period_end), period_start) AS seconds
			FROM pos.sla_compliance WHERE NOT final AND target > 0 AND target < 1 GROUP BY `+lines+`) AS c USING (`+lines+`) ORDER BY contract, objective, scope`)
	if err != nil {
		return fmt.Errorf("looking at how budgets burn: %w", err)
	}
	return nil
}

// lookDeadlines are the credits that must soon be claimed, added up for each period, and the agreements whose revision is due, by the newest period.
func (s *Sink) lookDeadlines(ctx context.Context, deadline time.Duration, to *alert.Snapshot) error {
	err := s.rows(ctx, func(r driver.Rows) error {
		d := alert.Deadline{Rule: alert.ClaimDeadline}
		err := r.Scan(&d.Contract, &d.PeriodStart, &d.By, &d.Credit)
		to.Deadlines = append(to.Deadlines, d)
		return err
	}, `SELECT contract, 1000 * toInt64(toUnixTimestamp(period_start)) AS start, toUnixTimestamp64Milli(min(claim_until)) AS by, concat(toString(sum(credit)), ' ', any(credit_currency))
		FROM pos.sla_compliance WHERE credit > 0 AND claim = 'on_request' AND claim_until > now64(3) AND claim_until <= now64(3) + toIntervalMillisecond(?)
		GROUP BY contract, start ORDER BY contract, start`, deadline.Milliseconds())
	if err != nil {
		return fmt.Errorf("looking for claims that lapse: %w", err)
	}
	err = s.rows(ctx, func(r driver.Rows) error {
		d := alert.Deadline{Rule: alert.RevisionDue}
		err := r.Scan(&d.Contract, &d.By)
		to.Deadlines = append(to.Deadlines, d)
		return err
	}, `SELECT contract, 1000 * toInt64(toUnixTimestamp(toDateTime(assumeNotNull(due), 'UTC'))) AS by FROM
		(SELECT contract, argMax(tuple(review_due), tuple(period_start, version)).1 AS due FROM pos.sla_compliance WHERE NOT final GROUP BY contract)
		WHERE due IS NOT NULL AND by <= toUnixTimestamp64Milli(now64(3)) + ? ORDER BY contract`, deadline.Milliseconds())
	if err != nil {
		return fmt.Errorf("looking for revisions that are due: %w", err)
	}
	return nil
}
