package clickhouse

import (
	"context"
	"fmt"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// IncidentFilter chooses incidents. What is zero chooses all.
type IncidentFilter struct {
	Store, Status, Party string
	Since                time.Time // begun at this time or later
}

// Incidents lists incidents, the latest first.
func (s *Sink) Incidents(ctx context.Context, f IncidentFilter) (*Result, error) {
	where := []string{"1"}
	var args []any
	add := func(condition, name string, value any) {
		where = append(where, condition)
		args = append(args, ch.Named(name, value))
	}
	if f.Store != "" {
		add("store_id = {store:String}", "store", f.Store)
	}
	if f.Status != "" {
		add("status = {status:String}", "status", f.Status)
	}
	if f.Party != "" {
		add("party = {party:String}", "party", f.Party)
	}
	if !f.Since.IsZero() {
		add("started_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')", "since", f.Since.UnixMilli())
	}
	return s.Query(ctx, `SELECT store_id, incident_id, status, severity, arrayStringConcat(terminals, ', ') AS terminals, started_at, resolved_at,
		round(resolve_ms / 60000) AS resolve_min, outages, party, rule, cause
		FROM pos.incidents WHERE `+strings.Join(where, " AND ")+` ORDER BY pos.incidents.started_at DESC, store_id, incident_id`, args...)
}

// Incident is one incident, a row for each of its columns.
func (s *Sink) Incident(ctx context.Context, store, id string) (*Result, error) {
	return s.Query(ctx, `SELECT pair.1 AS name, pair.2 AS value FROM (
		SELECT arrayJoin([
			('store', store_id), ('incident', incident_id), ('status', status), ('severity', severity), ('terminals', if(empty(terminals), 'the whole store', arrayStringConcat(terminals, ', '))),
			('services', arrayStringConcat(services, ', ')), ('started', toString(started_at)), ('detected', ifNull(toString(detected_at), '')), ('detected by', detected_by),
			('opened', toString(opened_at)), ('acknowledged', ifNull(toString(acknowledged_at), '')), ('resolved', ifNull(toString(resolved_at), '')), ('closed', ifNull(toString(closed_at), '')),
			('cancelled', ifNull(toString(cancelled_at), '')), ('paused, minutes', toString(round(paused_ms / 60000, 1))), ('to resolve, minutes', ifNull(toString(round(resolve_ms / 60000, 1)), '')),
			('reopened', toString(reopened)), ('outages', toString(outages)), ('party', party), ('supplier', supplier), ('cause', cause), ('rule', rule),
			('decided by', assigned_by), ('decided at', ifNull(toString(assigned_at), '')), ('reason', reason), ('ticket', ticket), ('times out of order', if(disordered = 1, 'yes', ''))
		]) AS pair FROM pos.incidents WHERE store_id = {store:String} AND incident_id = {incident:String}) WHERE value != ''`,
		ch.Named("store", store), ch.Named("incident", id))
}

// IncidentSteps are the steps of an incident, in order: the evidence.
func (s *Sink) IncidentSteps(ctx context.Context, store, id string) (*Result, error) {
	return s.Query(ctx, `SELECT at, step, by, party, supplier, cause, reason, source, event_id FROM pos.incident_steps
		WHERE store_id = {store:String} AND incident_id = {incident:String} ORDER BY at, source, event_id`, ch.Named("store", store), ch.Named("incident", id))
}

// CountIncidentSteps counts the steps of an incident, or only those of one event if there is one.
func (s *Sink) CountIncidentSteps(ctx context.Context, store, id, eventID string) (n uint64, err error) {
	err = s.rows(ctx, func(r driver.Rows) error { return r.Scan(&n) }, `SELECT count() FROM pos.incident_steps
		WHERE store_id = {store:String} AND incident_id = {incident:String} AND ({event:String} = '' OR event_id = {event:String})`,
		ch.Named("store", store), ch.Named("incident", id), ch.Named("event", eventID))
	if err != nil {
		return 0, fmt.Errorf("reading pos.incident_steps: %w", err)
	}
	return n, nil
}
