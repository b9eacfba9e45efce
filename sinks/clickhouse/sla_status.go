package clickhouse

import (
	"context"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// SLAStatus is how agreements stand: of one if it is named, and with the periods that are final if they began on a date or later ("" leaves them out).
func (s *Sink) SLAStatus(ctx context.Context, agreement, since string) (*Result, error) {
	return s.Query(ctx, `SELECT contract, version, objective, scope, store_id, period_start, stage, verdict, if(has_figure, toDecimal64(actual, 6), NULL) AS figure, op, toDecimal64(target, 6) AS target, unit,
		toDecimal64OrNull(toString(s.low), 6) AS low, toDecimal64OrNull(toString(s.high), 6) AS high, if(has_figure, round(s.coverage, 4), NULL) AS coverage,
		if(budget_total > 0, round((budget_total - budget_spent) / 60, 1), NULL) AS budget_left_min, credit, credit_currency AS currency,
		multiIf(credit_pending = 1, 'pending', credit = 0 OR s.claim != 'on_request', '', ifNull(s.claim_until < now64(3), 0), 'lapsed', 'claimable') AS claim,
		if(s.claim = 'on_request', s.claim_until, NULL) AS claim_until, closes_at, review_due, as_of, concat(reason, note) AS note
		FROM pos.sla_compliance AS s
		WHERE ({agreement:String} = '' OR contract = {agreement:String}) AND (NOT final OR {since:String} != '' AND period_start >= toDateTimeOrZero({since:String}, 'UTC'))
		ORDER BY contract, period_start, version, objective, scope, store_id`, ch.Named("agreement", agreement), ch.Named("since", since))
}
