package clickhouse

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor/alert"
)

const (
	// alertMemory is how long an alert that is over is remembered, so that one that follows it is told apart.
	alertMemory = "toIntervalDay(400)"
	// untoldMemory is how far back a receiver that is new is told of what happened. One that was told before is told of all since, however long it could
	// not be reached, and every one of all that is open.
	untoldMemory = "toIntervalDay(1)"

	alertColumns = "toString(rule), scope, alert_id, sequence, at, toString(transition), toString(state), toString(severity), store_id, terminal_id, contract, objective, " +
		"started_at, since, ifNull(ended_at, toDateTime64(0, 3, 'UTC')), value, threshold, summary, reason, target"
)

// Load implements alert.Log.
func (s *Sink) Load(ctx context.Context, receivers []string, most int) (last []alert.Alert, untold map[string][]alert.Transition, err error) {
	err = s.rows(ctx, func(r driver.Rows) error {
		t, err := scanAlert(r)
		last = append(last, t.Alert)
		return err
	}, "SELECT "+alertColumns+" FROM (SELECT * FROM tillstream.alerts ORDER BY at DESC, sequence DESC LIMIT 1 BY rule, scope) "+
		"WHERE state != 'resolved' OR at > now64(3) - "+alertMemory)
	if err != nil {
		return nil, nil, fmt.Errorf("reading tillstream.alerts: %w", err)
	}
	untold = map[string][]alert.Transition{}
	for _, name := range receivers {
		err := s.rows(ctx, func(r driver.Rows) error {
			t, err := scanAlert(r)
			untold[name] = append(untold[name], t)
			return err
		}, "WITH (SELECT least(now64(3), if(count() = 0, now64(3), max(at))) - "+untoldMemory+" FROM tillstream.alerts_sent WHERE receiver = ?) AS memory "+
			"SELECT "+alertColumns+" FROM (SELECT * FROM tillstream.alerts FINAL WHERE at > memory OR alert_id IN (SELECT alert_id FROM pos.alerts WHERE state != 'resolved')) AS a "+
			"LEFT ANY JOIN (SELECT alert_id, max(sequence) AS told FROM tillstream.alerts_sent WHERE receiver = ? GROUP BY alert_id) AS s ON a.alert_id = s.alert_id "+
			"WHERE sequence > told ORDER BY at, alert_id, sequence LIMIT ? SETTINGS join_use_nulls = 0", name, name, most)
		if err != nil {
			return nil, nil, fmt.Errorf("reading what %s was not told of alerts: %w", name, err)
		}
	}
	return last, untold, nil
}

func scanAlert(r driver.Rows) (alert.Transition, error) {
	var t alert.Transition
	var rule, kind, state, severity string
	var at, started, since, ended time.Time
	err := r.Scan(&rule, &t.Scope, &t.ID, &t.Sequence, &at, &kind, &state, &severity, &t.Store, &t.Terminal, &t.Contract, &t.Objective,
		&started, &since, &ended, &t.Value, &t.Threshold, &t.Summary, &t.Reason, &t.Target)
	t.Rule, t.Kind, t.Status, t.Severity = alert.Rule(rule), alert.Kind(kind), alert.Status(state), alert.Severity(severity)
	t.At, t.Started, t.Since, t.Ended = at.UnixMilli(), started.UnixMilli(), since.UnixMilli(), ended.UnixMilli()
	return t, err
}

// Put implements alert.Log: one INSERT, so all of them are there, or none.
func (s *Sink) Put(ctx context.Context, transitions []alert.Transition) error {
	rows := make([][]any, len(transitions))
	for i, t := range transitions {
		var ended *time.Time
		if t.Ended != 0 {
			at := time.UnixMilli(t.Ended)
			ended = &at
		}
		rows[i] = []any{
			string(t.Rule), t.Scope, t.ID, t.Sequence, t.At, string(t.Kind), string(t.Status), string(t.Severity), t.Store, t.Terminal, t.Contract, t.Objective,
			t.Started, t.Since, ended, t.Value, t.Threshold, t.Summary, t.Reason, t.Target,
		}
	}
	return s.putAll(ctx, "alerts", "", "INSERT INTO tillstream.alerts (rule, scope, alert_id, sequence, at, transition, state, severity, store_id, terminal_id, contract, "+
		"objective, started_at, since, ended_at, value, threshold, summary, reason, target)", rows)
}

// Took implements alert.Log.
func (s *Sink) Took(ctx context.Context, receiver string, transitions []alert.Transition) error {
	at := s.now().UnixMilli()
	rows := make([][]any, len(transitions))
	for i, t := range transitions {
		rows[i] = []any{receiver, t.ID, t.Sequence, at}
	}
	return s.putAll(ctx, "alerts_sent", "", "INSERT INTO tillstream.alerts_sent (receiver, alert_id, sequence, at)", rows)
}

// Alerts lists alerts, the newest first: all, or those that are not over.
func (s *Sink) Alerts(ctx context.Context, active bool) (*Result, error) {
	where := ""
	if active {
		where = " WHERE state != 'resolved'"
	}
	return s.Query(ctx, "SELECT started_at, ended_at, severity, state, rule, scope, summary, reason, alert_id FROM pos.alerts"+where+" ORDER BY started_at DESC, alert_id LIMIT 10000")
}
