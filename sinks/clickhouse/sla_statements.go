package clickhouse

import (
	"context"
	"fmt"
	"math"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
	"github.com/tillstream/tillstream/processor/sla/verdict"
)

// Published gives the newest revision of every statement of periods that end after an instant, and the burn rates that are not 0 or not known.
func (s *Sink) Published(ctx context.Context, after int64) (map[evaluation.Key]*evaluation.Published, []verdict.Burn, error) {
	out := map[evaluation.Key]*evaluation.Published{}
	err := s.rows(ctx, func(r driver.Rows) error {
		var k evaluation.Key
		var p evaluation.Published
		var version, revision uint32
		var stage, verdict string
		var few, pending uint8
		x, f := &p.Result, &p.Figures
		if err := r.Scan(&k.Contract, &k.Objective, &k.Name, &k.Store, &version, &k.Part, &revision, &k.Kind, &p.Period.From, &p.Period.To, &stage,
			&x.Actual.Part, &x.Actual.Of, &x.Raw.Part, &x.Raw.Of, &x.Low.Part, &x.Low.Of, &x.High.Part, &x.High.Of, &x.Coverage.Part, &x.Coverage.Of,
			&verdict, &few, &p.Credit, &p.Due, &p.EarnedBack, &pending, &p.Text, &p.At, &p.Sources.Evidence, &p.Sources.Decisions, &p.Sources.Registry,
			&f.Committed, &f.Excluded, &f.Counted, &f.Unknown, &f.Down, &f.Doubt, &f.RawUnknown, &f.RawDown, &f.Ahead, &f.Outages, &p.Events); err != nil {
			return err
		}
		k.Version, k.Period = int(version), p.Period.From
		p.Revision, p.Stage, x.Verdict, x.Few, p.Pending = revision, sla.Stage(stage), sla.Verdict(verdict), few == 1, pending == 1
		out[k] = &p
		return nil
	}, `SELECT toString(contract), toString(objective), scope, toString(store_id), version, toUnixTimestamp64Milli(part_from), revision, toString(scope_kind),
		toUnixTimestamp64Milli(period_from), toUnixTimestamp64Milli(period_to), toString(stage),
		actual.1, actual.2, raw.1, raw.2, low.1, low.2, high.1, high.2, coverage.1, coverage.2,
		toString(verdict), few, credit, due, earned_back, pending, toString(hash), toUnixTimestamp64Milli(as_of), sources.1, sources.2, sources.3,
		committed_ms, excluded_ms, counted_ms, unknown_ms, down_ms, doubt_ms, raw_unknown_ms, raw_down_ms, ahead_ms, outages, events
		FROM tillstream.sla_statements FINAL WHERE period_to > fromUnixTimestamp64Milli({after:Int64}, 'UTC')
		ORDER BY revision DESC LIMIT 1 BY contract, objective, scope, store_id, version, part_from`, ch.Named("after", after))
	if err != nil {
		return nil, nil, fmt.Errorf("reading tillstream.sla_statements: %w", err)
	}
	var burns []verdict.Burn
	err = s.rows(ctx, func(r driver.Rows) error {
		var b verdict.Burn
		var version uint32
		if err := r.Scan(&b.Contract, &b.Objective, &b.Kind, &b.Name, &b.Store, &b.Window, &version, &b.Rate, &b.Cover); err != nil {
			return err
		}
		b.Version = int(version)
		burns = append(burns, b)
		return nil
	}, `SELECT toString(contract), toString(objective), toString(scope_kind), scope, toString(store_id), toString(window), version, burn_rate, coverage
		FROM tillstream.sla_burn FINAL WHERE burn_rate != 0 OR coverage != 1`)
	if err != nil {
		return nil, nil, fmt.Errorf("reading tillstream.sla_burn: %w", err)
	}
	return out, burns, nil
}

// rank says which of two rows of one revision holds: of what is provisional the newest, else the first.
func rank(revision uint32, at int64) uint64 {
	if revision == 0 {
		return uint64(at)
	}
	return uint64(math.MaxInt64 - at)
}

const statementColumns = `period_start, contract, objective, scope, store_id, version, part_from, revision, rank, scope_kind, period, period_end, period_from, period_to, part_to,
	type, level, provider, customer, hash, indicator, unit, op, weight, target, actual, raw, low, high, coverage, previous, verdict, few, min_coverage,
	committed_ms, excluded_ms, counted_ms, unknown_ms, down_ms, doubt_ms, raw_unknown_ms, raw_down_ms, ahead_ms, running, outages, events, budget_ms,
	credit, due, pending, earned_back, currency, claim, claim_until, closes_at, review_due, stage, reason, note, as_of, sources`

// statementsAtOnce bounds one INSERT.
const statementsAtOnce = 100_000

// Publish writes statements as of an instant, their evidence first, so that whoever sees a statement finds it.
func (s *Sink) Publish(ctx context.Context, all []evaluation.Statement, at int64) error {
	for ; len(all) > 0; all = all[min(len(all), statementsAtOnce):] {
		some := all[:min(len(all), statementsAtOnce)]
		evidence, rows := make([][]any, 0, len(some)), make([][]any, len(some))
		for i := range some {
			rows[i] = statementRow(&some[i])
			if some[i].Stands {
				if err := s.standing(ctx, &some[i]); err != nil {
					return err
				}
				continue
			}
			evidence = append(evidence, evidenceRow(&some[i]))
		}
		err := s.putAll(ctx, "sla_evidence", "", `INSERT INTO tillstream.sla_evidence (period_start, contract, objective, scope, store_id, version, part_from, revision, rank,
			kind, ref, started, ended, counted_ms, counted_events, party, decision, rule, decided_by, decided, note)`, evidence)
		if err == nil {
			err = s.putAll(ctx, "sla_statements", "", "INSERT INTO tillstream.sla_statements ("+statementColumns+")", rows)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// standing makes the evidence of what was provisional that of the final statement.
func (s *Sink) standing(ctx context.Context, x *evaluation.Statement) error {
	k := x.Key()
	// The filter is inside: beside REPLACE, revision is the new one.
	err := s.exec(ctx, `INSERT INTO tillstream.sla_evidence SELECT * REPLACE ({revision:UInt32} AS revision, {rank:UInt64} AS rank) FROM (
		SELECT * FROM tillstream.sla_evidence FINAL
		WHERE period_start = toDate({first:String}) AND contract = {contract:String} AND objective = {objective:String} AND scope = {scope:String} AND store_id = {store:String}
			AND version = {version:UInt32} AND part_from = fromUnixTimestamp64Milli({part:Int64}, 'UTC') AND revision = {revision:UInt32} - 1) SETTINGS async_insert = 0`,
		ch.Named("revision", x.Revision), ch.Named("rank", rank(x.Revision, x.At)), ch.Named("first", x.Label(x.Period.From).String()), ch.Named("contract", k.Contract),
		ch.Named("objective", k.Objective), ch.Named("scope", k.Name), ch.Named("store", k.Store), ch.Named("version", k.Version), ch.Named("part", k.Part))
	if err != nil {
		return fmt.Errorf("writing tillstream.sla_evidence: %w", err)
	}
	return nil
}

// keyColumns are the first columns of a statement and of its evidence.
func keyColumns(x *evaluation.Statement) []any {
	return []any{
		date(x.Label(x.Period.From)), x.Contract, x.Objective.Name, x.Scope.Name, x.Scope.Store, uint32(x.Version), x.Part.Span.From, x.Revision, rank(x.Revision, x.At),
	}
}

func date[D ~int32](d D) time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

func tuple(r sla.Ratio) []any { return []any{r.Part, r.Of} }

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

var operators = [...]string{sla.Lte: "lte", sla.Lt: "lt", sla.Gte: "gte", sla.Gt: "gt"}

func statementRow(x *evaluation.Statement) []any {
	l, f := x.Line, &x.Line.Figures
	r, t := &x.Statement.Result, &l.Terms
	unit := "share"
	if l.Milliseconds() {
		unit = "ms"
	}
	claim, until := "automatic", any(nil)
	automatic, deadline := l.Claim()
	if !automatic {
		claim = "on_request"
	}
	if deadline > 0 && deadline < interval.Max {
		until = time.UnixMilli(deadline).UTC()
	}
	review := any(nil)
	if next, ok := l.Next(l.Label(x.At)); ok {
		review = date(next.Due)
	}
	return append(keyColumns(x),
		l.Scope.Kind, t.Period, date(l.Label(l.Period.To)), l.Period.From, l.Period.To, l.Part.Span.To,
		l.Type, l.Level, t.Parties.Provider, t.Parties.Customer, l.Hash, l.Objective.Indicator, unit, operators[l.Op], l.Objective.Weight,
		tuple(l.Target), tuple(r.Actual), tuple(r.Raw), tuple(r.Low), tuple(r.High), tuple(r.Coverage), tuple(x.Was), string(r.Verdict), bit(r.Few),
		t.Measurement.MinCoverage.Float(),
		f.Committed, f.Excluded, f.Counted, f.Unknown, f.Down, f.Doubt, f.RawUnknown, f.RawDown, f.Ahead, bit(x.At < l.Part.Span.To), f.Outages, l.Events, l.Budget,
		x.Statement.Credit, l.Due, bit(l.Pending), l.EarnedBack, l.Currency, claim, until, min(l.LateData(l.Objective).Close, maxInstant), review,
		string(x.Stage), x.Reason, l.Note(), x.At, []any{l.Sources.Evidence, l.Sources.Decisions, l.Sources.Registry})
}

// maxInstant is what a DateTime64(3) holds.
const maxInstant = 10_413_705_600_000

func evidenceRow(x *evaluation.Statement) []any {
	n := len(x.Evidence)
	texts := func(of func(*sla.Evidence) string) []string {
		out := make([]string, n)
		for i := range x.Evidence {
			out[i] = of(&x.Evidence[i])
		}
		return out
	}
	numbers := func(of func(*sla.Evidence) int64) []int64 {
		out := make([]int64, n)
		for i := range x.Evidence {
			out[i] = min(max(of(&x.Evidence[i]), -maxInstant), maxInstant)
		}
		return out
	}
	return append(keyColumns(x),
		texts(func(e *sla.Evidence) string { return e.Kind }), texts(func(e *sla.Evidence) string { return e.Ref }),
		numbers(func(e *sla.Evidence) int64 { return e.From }), numbers(func(e *sla.Evidence) int64 { return e.To }),
		numbers(func(e *sla.Evidence) int64 { return e.CountedMS }), numbers(func(e *sla.Evidence) int64 { return e.CountedEvents }),
		texts(func(e *sla.Evidence) string { return e.Party }), texts(func(e *sla.Evidence) string { return string(e.Decision) }),
		texts(func(e *sla.Evidence) string { return e.Rule }), texts(func(e *sla.Evidence) string { return e.DecidedBy }),
		numbers(func(e *sla.Evidence) int64 { return e.DecidedAt }), texts(func(e *sla.Evidence) string { return e.Note }))
}

// PublishBurns writes burn rates as of an instant.
func (s *Sink) PublishBurns(ctx context.Context, all []verdict.Burn, at int64) error {
	rows := make([][]any, len(all))
	for i := range all {
		b := &all[i]
		rows[i] = []any{b.Contract, b.Objective, b.Name, b.Store, b.Window, uint64(at), uint32(b.Version), b.Kind, b.Rate, b.Cover, b.Counted, b.Unknown, b.Down}
	}
	if len(rows) == 0 {
		return nil
	}
	return s.putAll(ctx, "sla_burn", "", "INSERT INTO tillstream.sla_burn (contract, objective, scope, store_id, window, rank, version, scope_kind, burn_rate, coverage, counted_ms, unknown_ms, down_ms)", rows)
}

// Revision is that of the registry.
func (s *Sink) Revision(ctx context.Context) (revision uint64, err error) {
	err = s.rows(ctx, func(r driver.Rows) error { return r.Scan(&revision) }, "SELECT max(revision) FROM tillstream.registry")
	if err != nil {
		return 0, fmt.Errorf("reading tillstream.registry: %w", err)
	}
	return revision, nil
}
