package clickhouse

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
	"github.com/tillstream/tillstream/processor/sla/archive"
	"github.com/tillstream/tillstream/processor/sla/statement"
)

var (
	_ archive.Published = (*Sink)(nil)
	_ archive.Chain     = (*Sink)(nil)
)

// Periods are those of all agreements of which something was published, in order.
func (s *Sink) Periods(ctx context.Context) (map[string][]archive.Period, error) {
	out := map[string][]archive.Period{}
	err := s.rows(ctx, func(r driver.Rows) error {
		var p archive.Period
		var contract string
		if err := r.Scan(&contract, (*int32)(&p.First), &p.Span.From, &p.Span.To, &p.Open, &p.AsOf); err != nil {
			return err
		}
		out[contract] = append(out[contract], p)
		return nil
	}, `SELECT toString(contract), toInt32(period_start), toUnixTimestamp64Milli(max(from)), toUnixTimestamp64Milli(max(to)), countIf(newest.1 = 'provisional'), toUnixTimestamp64Milli(max(newest.2))
		FROM (
			SELECT contract, period_start, argMax((toString(stage), as_of), (revision, rank)) AS newest, max(period_from) AS from, max(period_to) AS to
			FROM tillstream.sla_statements GROUP BY contract, period_start, objective, scope, store_id, version, part_from
		) GROUP BY contract, period_start ORDER BY contract, period_start`)
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.sla_statements: %w", err)
	}
	return out, nil
}

// Rows are the newest rows of a period of an agreement, with their evidence.
func (s *Sink) Rows(ctx context.Context, contract string, first registry.Date) (*archive.Rows, error) {
	out := &archive.Rows{Period: archive.Period{First: first}, Service: map[string]interval.Set{}}
	args := []any{ch.Named("contract", contract), ch.Named("first", first.String())}
	err := s.rows(ctx, func(r driver.Rows) error {
		var v statement.Verdict
		var f sla.Figures
		var version uint32
		var few, pending, running uint8
		var store, scope, verdict, currency, claim, stage, reason string
		var until, asOf int64
		var span interval.Span
		x := &v.Result
		if err := r.Scan(&v.Part, &version, &v.Objective, &store, &scope, &span.From, &span.To,
			&x.Actual.Part, &x.Actual.Of, &x.Raw.Part, &x.Raw.Of, &x.Low.Part, &x.Low.Of, &x.High.Part, &x.High.Of, &x.Coverage.Part, &x.Coverage.Of, &v.Was.Part, &v.Was.Of,
			&verdict, &few, &f.Committed, &f.Excluded, &f.Counted, &f.Unknown, &f.Down, &f.Doubt, &f.RawUnknown, &f.RawDown, &f.Ahead, &f.Outages, &running,
			&v.Due, &v.Paid, &v.EarnedBack, &pending, &currency, &claim, &until, &stage, &reason, &v.Note, &asOf); err != nil {
			return err
		}
		if out.Span != span && !out.Span.Empty() {
			return fmt.Errorf("periods of two lengths of agreement %s begin on %s: let a version with another period begin where a period of both begins", contract, first)
		}
		out.Span, v.Version, v.Scope = span, int(version), scopeID(store, scope)
		x.Verdict, x.Few, v.Pending, f.Running = sla.Verdict(verdict), few == 1, pending == 1, running == 1
		if f.Committed > 0 {
			v.Figures = &f
		}
		out.Verdicts = append(out.Verdicts, v)
		if stage == string(sla.Provisional) {
			out.Open++
		}
		if reason != "" && !slices.Contains(out.Reasons, reason) {
			out.Reasons = append(out.Reasons, reason)
		}
		out.AsOf = max(out.AsOf, asOf)
		out.Currency, out.Automatic, out.ClaimUntil = currency, claim != "on_request", max(out.ClaimUntil, until)
		return nil
	}, `SELECT toUnixTimestamp64Milli(part_from), version, toString(objective), toString(store_id), scope, toUnixTimestamp64Milli(period_from), toUnixTimestamp64Milli(period_to),
		actual.1, actual.2, raw.1, raw.2, low.1, low.2, high.1, high.2, coverage.1, coverage.2, previous.1, previous.2,
		toString(verdict), few, committed_ms, excluded_ms, counted_ms, unknown_ms, down_ms, doubt_ms, raw_unknown_ms, raw_down_ms, ahead_ms, outages, running,
		due, credit, earned_back, pending, toString(currency), toString(claim), ifNull(toUnixTimestamp64Milli(claim_until), 0), toString(stage), reason, note, toUnixTimestamp64Milli(as_of)
		FROM (
			SELECT * FROM tillstream.sla_statements FINAL WHERE contract = {contract:String} AND period_start = toDate({first:String})
			ORDER BY revision DESC LIMIT 1 BY objective, scope, store_id, version, part_from
		) ORDER BY part_from, objective, store_id, scope`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.sla_statements: %w", err)
	}
	slices.Sort(out.Reasons)
	if err := s.evidence(ctx, out, args); err != nil {
		return nil, err
	}
	return out, s.serviceOf(ctx, out)
}

// Breaches are the newest verdicts of an agreement that are breaches, of periods that end after an instant and not after another.
func (s *Sink) Breaches(ctx context.Context, contract string, after, until int64) ([]sla.Breach, error) {
	var out []sla.Breach
	err := s.rows(ctx, func(r driver.Rows) error {
		var b sla.Breach
		var store string
		if err := r.Scan(&b.Objective, &store, &b.Scope, &b.Period.From, &b.Period.To, &b.Final); err != nil {
			return err
		}
		b.Scope = scopeID(store, b.Scope)
		out = append(out, b)
		return nil
	}, `SELECT toString(objective), toString(store_id), scope, toUnixTimestamp64Milli(period_from), toUnixTimestamp64Milli(period_to), stage != 'provisional' FROM (
			SELECT objective, store_id, scope, period_from, period_to, stage, verdict FROM tillstream.sla_statements FINAL
			WHERE contract = {contract:String} AND toUnixTimestamp64Milli(period_to) > {after:Int64} AND toUnixTimestamp64Milli(period_to) <= {until:Int64}
			ORDER BY revision DESC LIMIT 1 BY period_start, objective, scope, store_id, version, part_from
		) WHERE verdict = 'breached'`, ch.Named("contract", contract), ch.Named("after", after), ch.Named("until", until))
	if err != nil {
		return nil, fmt.Errorf("reading tillstream.sla_statements: %w", err)
	}
	return out, nil
}

// scopeID is how documents name a scope: a terminal with its store.
func scopeID(store, scope string) string {
	if store == "" || store == scope {
		return scope
	}
	return store + "/" + scope
}

func (s *Sink) evidence(ctx context.Context, out *archive.Rows, args []any) error {
	err := s.rows(ctx, func(r driver.Rows) error {
		var of statement.Of
		var version uint32
		var store, scope string
		var kind, ref, party, decision, rule, by, note []string
		var from, to, ms, events, at []int64
		if err := r.Scan(&of.Part, &version, &of.Objective, &store, &scope, &kind, &ref, &from, &to, &ms, &events, &party, &decision, &rule, &by, &at, &note); err != nil {
			return err
		}
		of.Version, of.Scope = int(version), scopeID(store, scope)
		for i := range kind {
			out.Evidence = append(out.Evidence, statement.Piece{Of: of, Evidence: sla.Evidence{
				Kind: kind[i], Ref: ref[i], Span: interval.Span{From: from[i], To: to[i]}, CountedMS: ms[i], CountedEvents: events[i], Party: party[i],
				Decision: sla.Decision(decision[i]), Rule: rule[i], DecidedBy: by[i], DecidedAt: at[i], Note: note[i],
			}})
		}
		return nil
	}, `SELECT toUnixTimestamp64Milli(part_from), version, toString(objective), toString(store_id), scope, kind::Array(String), ref, started, ended, counted_ms, counted_events,
		party::Array(String), decision::Array(String), rule::Array(String), decided_by, decided, note
		FROM tillstream.sla_evidence FINAL WHERE contract = {contract:String} AND period_start = toDate({first:String})
		ORDER BY revision DESC LIMIT 1 BY objective, scope, store_id, version, part_from`, args...)
	if err != nil {
		return fmt.Errorf("reading tillstream.sla_evidence: %w", err)
	}
	return nil
}

// serviceOf reads the opening hours of stores with evidence that is longer than some hours: how it is spread over days depends on them.
func (s *Sink) serviceOf(ctx context.Context, out *archive.Rows) error {
	const long = 4 * 3_600_000
	stores := map[string]bool{}
	for i := range out.Evidence {
		e := &out.Evidence[i]
		if store, _, _ := strings.Cut(e.Scope, "/"); e.To-e.From > long {
			stores[store] = true
		}
	}
	if len(stores) == 0 {
		return nil
	}
	err := s.rows(ctx, func(r driver.Rows) error {
		var store string
		var opens, closes []int64
		if err := r.Scan(&store, &opens, &closes); err != nil {
			return err
		}
		spans := make([]interval.Span, len(opens))
		for i := range opens {
			spans[i] = interval.Span{From: opens[i], To: closes[i]}
		}
		out.Service[store] = interval.Of(spans...)
		return nil
	}, `SELECT store_id, groupArray(toInt64(toUnixTimestamp(opens_at)) * 1000), groupArray(toInt64(toUnixTimestamp(closes_at)) * 1000) FROM pos.service_hours
		WHERE store_id IN {stores:Array(String)} AND closes_at > toDateTime({from:Int64}, 'UTC') AND opens_at < toDateTime({to:Int64}, 'UTC') GROUP BY store_id`,
		ch.Named("stores", slices.Collect(maps.Keys(stores))), ch.Named("from", out.Span.From/1000), ch.Named("to", out.Span.To/1000))
	if err != nil {
		return fmt.Errorf("reading pos.service_hours: %w", err)
	}
	return nil
}

const documentColumns = "contract, number, period, period_start, revision, stage, published_at, as_of, hash, previous, replaces"

// Entries are the links of the chain of an agreement, of all agreements if none is named, by number, without the statements.
func (s *Sink) Entries(ctx context.Context, contract string) ([]archive.Entry, error) {
	return s.entries(ctx, "''", "({contract:String} = '' OR contract = {contract:String})", ch.Named("contract", contract))
}

// Documents are the links of the chain of an agreement with their statements, by number.
func (s *Sink) Documents(ctx context.Context, contract string) ([]archive.Entry, error) {
	return s.entries(ctx, "statement", "contract = {contract:String}", ch.Named("contract", contract))
}

// Document is the statement of one link; nil if there is none.
func (s *Sink) Document(ctx context.Context, contract string, number uint64) (*archive.Entry, error) {
	all, err := s.entries(ctx, "statement", "contract = {contract:String} AND number = {number:UInt64}", ch.Named("contract", contract), ch.Named("number", number))
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

func (s *Sink) entries(ctx context.Context, document, where string, args ...any) ([]archive.Entry, error) {
	var out []archive.Entry
	err := s.rows(ctx, func(r driver.Rows) error {
		var e archive.Entry
		var text string
		var stage string
		if err := r.Scan(&e.Contract, &e.Number, &e.Period, (*int32)(&e.First), &e.Revision, &stage, &e.At, &e.AsOf, &e.Signed.Hash, &e.Previous, &e.Replaces, &text); err != nil {
			return err
		}
		e.Stage, e.Signed.Statement = sla.Stage(stage), []byte(text)
		out = append(out, e)
		return nil
	}, `SELECT toString(contract), number, toString(period), toInt32(period_start), revision, toString(stage), toUnixTimestamp64Milli(published_at), toUnixTimestamp64Milli(as_of), hash, previous, replaces, `+
		document+` FROM pos.sla_statements WHERE `+where+` ORDER BY contract, number`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading pos.sla_statements: %w", err)
	}
	return out, nil
}

// Append writes a link of a chain. Of two with one number the first stays: its token is remembered, and in the table it ranks higher.
func (s *Sink) Append(ctx context.Context, e *archive.Entry) error {
	return s.put(ctx, "sla_documents", fmt.Sprintf("sla_documents|%s|%d", e.Contract, e.Number), "INSERT INTO tillstream.sla_documents ("+documentColumns+", rank, statement)",
		e.Contract, e.Number, e.Period, time.Unix(int64(e.First)*86_400, 0).UTC(), e.Revision, string(e.Stage), e.At, e.AsOf, e.Signed.Hash, e.Previous, e.Replaces,
		uint64(math.MaxInt64-s.now().UnixMilli()), string(e.Signed.Statement))
}

// ReadsVerdicts says whether the user may read the tables of verdicts, and not only what was issued.
func (s *Sink) ReadsVerdicts(ctx context.Context) (yes bool, err error) {
	err = s.rows(ctx, func(r driver.Rows) error {
		var granted uint8
		err := r.Scan(&granted)
		yes = granted == 1
		return err
	}, "CHECK GRANT SELECT ON tillstream.*")
	if err != nil {
		return false, fmt.Errorf("asking for the rights of this user: %w", err)
	}
	return yes, nil
}
