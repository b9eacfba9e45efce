package incident

import (
	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/rollup"
)

// rows are those of one batch, in the order of the tables' keys.
type rows struct {
	incidents []incidentRow
	steps     []stepRow
	works     []workRow
}

type incidentRow struct {
	entity
	incident
	steps int
}

// stepRow is a step, or one that is no more.
type stepRow struct {
	entity
	step
	deleted bool
}

type workRow struct {
	entity
	maintenance
}

// incident adds an incident, and those of its steps that came, changed or went.
func (r *rows) incident(e entity, was, is []step) {
	r.incidents = append(r.incidents, incidentRow{e, judge(is), len(is)})
	for len(was) > 0 || len(is) > 0 {
		order := 0
		switch {
		case len(was) == 0:
			order = 1
		case len(is) == 0:
			order = -1
		default:
			order = was[0].compareKey(&is[0])
		}
		if order < 0 {
			r.steps, was = append(r.steps, stepRow{e, was[0], true}), was[1:]
			continue
		}
		if order > 0 || was[0].content != is[0].content {
			r.steps = append(r.steps, stepRow{e, is[0], false})
		}
		if order == 0 {
			was = was[1:]
		}
		is = is[1:]
	}
}

func (r *rows) blocks(v rollup.Version) []*rollup.Block {
	var out []*rollup.Block
	if len(r.steps) > 0 {
		out = append(out, stepsBlock(v, r.steps))
	}
	if len(r.incidents) > 0 {
		out = append(out, incidentsBlock(v, r.incidents))
	}
	if len(r.works) > 0 {
		out = append(out, maintenanceBlock(v, r.works))
	}
	return out
}

// orNull is an instant, or NULL where there is none.
func orNull(at int64) rollup.NullMillis {
	if at == 0 {
		return rollup.Null
	}
	return rollup.NullMillis(at)
}

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

func incidentsBlock(v rollup.Version, all []incidentRow) *rollup.Block {
	b := rollup.NewBlock("incidents", 0, len(all))
	store, id := b.String("store_id"), b.String("incident_id")
	b.Version(v)
	status, severity := b.String("status"), b.String("severity")
	terminals, services := b.Strings("terminals"), b.Strings("services")
	started, detected, opened := b.Millis("started_at"), b.NullMillis("detected_at"), b.Millis("opened_at")
	acknowledged, resolved, closed := b.NullMillis("acknowledged_at"), b.NullMillis("resolved_at"), b.NullMillis("closed_at")
	cancelled, pausedSince := b.NullMillis("cancelled_at"), b.NullMillis("paused_since")
	paused, resolve, reopened := b.Uint64("paused_ms"), b.Uint64("resolve_ms"), b.Uint32("reopened")
	party, supplier, cause, rule := b.String("party"), b.String("supplier"), b.String("cause"), b.String("rule")
	by, at, reason := b.String("decided_by"), b.NullMillis("decided_at"), b.String("reason")
	ticket, sensed := b.String("ticket"), b.String("detected_by")
	disordered, steps := b.Uint8("disordered"), b.Uint32("steps")
	for i := range all {
		r := &all[i]
		store[i], id[i] = r.store, r.id
		status[i], severity[i], terminals[i], services[i] = r.status, r.severity, r.Terminals, r.Services
		started[i], detected[i], opened[i] = rollup.Millis(r.started), orNull(r.detected), rollup.Millis(r.opened)
		acknowledged[i], resolved[i], closed[i] = orNull(r.acknowledged), orNull(r.resolved), orNull(r.closed)
		cancelled[i], pausedSince[i] = orNull(r.cancelled), orNull(r.pausedSince)
		paused[i], resolve[i], reopened[i] = uint64(r.pausedMS), uint64(r.resolveMS), r.reopened
		party[i], supplier[i], cause[i], rule[i] = r.party, r.supplier, r.cause, r.rule
		by[i], at[i], reason[i] = r.by, orNull(r.at), r.decision.reason
		ticket[i], sensed[i] = r.ticket, r.sensed
		disordered[i], steps[i] = flag(r.disordered), uint32(r.steps)
	}
	return b.Seal()
}

func stepsBlock(v rollup.Version, all []stepRow) *rollup.Block {
	b := rollup.NewBlock("incident_steps", 0, len(all))
	store, id, at := b.String("store_id"), b.String("incident_id"), b.Millis("at")
	sequence, source, eventID := b.Uint64("sequence"), b.String("source"), b.String("event_id")
	b.Version(v)
	deleted, kind, by, reason := b.Uint8("deleted"), b.String("step"), b.String("by"), b.String("reason")
	party, supplier, cause, severity := b.String("party"), b.String("supplier"), b.String("cause"), b.String("severity")
	started, detected, sensed := b.NullMillis("started_at"), b.NullMillis("detected_at"), b.String("detected_by")
	ticket, scoped := b.String("ticket"), b.Uint8("scoped")
	terminals, services := b.Strings("terminals"), b.Strings("services")
	for i := range all {
		r := &all[i]
		store[i], id[i], at[i] = r.store, r.entity.id, rollup.Millis(r.At)
		sequence[i], source[i], eventID[i] = r.Seq, r.Source, r.ID
		deleted[i], kind[i], by[i], reason[i] = flag(r.deleted), r.Step, r.By, r.Reason
		party[i], supplier[i], cause[i], severity[i] = r.Party, r.Supplier, r.Cause, r.Severity
		started[i], detected[i], sensed[i] = orNull(r.StartedAt), orNull(r.DetectedAt), r.DetectedBy
		ticket[i] = r.Ticket
		if r.Scope != nil {
			scoped[i], terminals[i], services[i] = 1, r.Scope.Terminals, r.Scope.Services
		}
	}
	return b.Seal()
}

func maintenanceBlock(v rollup.Version, all []workRow) *rollup.Block {
	b := rollup.NewBlock("maintenance", 0, len(all))
	store, id := b.String("store_id"), b.String("maintenance_id")
	b.Version(v)
	status, kind := b.String("status"), b.String("kind")
	terminals, services := b.Strings("terminals"), b.Strings("services")
	announced, noticed, approved := b.NullMillis("announced_at"), b.NullMillis("notice_given_at"), b.NullMillis("approved_at")
	approvedBy, started, ended := b.String("approved_by"), b.NullMillis("started_at"), b.NullMillis("ended_at")
	cancelled, from, to := b.NullMillis("cancelled_at"), b.NullMillis("window_start"), b.NullMillis("window_end")
	rule, duration, zone := b.String("rrule"), b.Uint64("duration_ms"), b.String("timezone")
	excludedFrom, excludedTo, excluded := b.Int64s("excluded_from"), b.Int64s("excluded_to"), b.Uint64("excluded_ms")
	by, reason := b.String("by"), b.String("reason")
	for i := range all {
		r := &all[i]
		store[i], id[i] = r.store, r.id
		status[i], kind[i], terminals[i], services[i] = r.status, r.maintenance.kind, r.Terminals, r.Services
		announced[i], noticed[i], approved[i] = orNull(r.announced), orNull(r.noticed), orNull(r.approved)
		approvedBy[i], started[i], ended[i] = r.approvedBy, orNull(r.started), orNull(r.ended)
		cancelled[i], from[i], to[i] = orNull(r.cancelled), orNull(r.window.From), orNull(r.window.To)
		rule[i], duration[i], zone[i] = r.window.RRule, uint64(r.window.Duration), r.window.Timezone
		excludedFrom[i], excludedTo[i] = ends(r.excluded)
		excluded[i] = uint64(r.excluded.Length())
		by[i], reason[i] = r.by, r.reason
	}
	return b.Seal()
}

// ends are the beginnings and the ends of a set.
func ends(s interval.Set) (from, to []int64) {
	for _, x := range s {
		from, to = append(from, x.From), append(to, x.To)
	}
	return from, to
}
