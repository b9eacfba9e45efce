package clickhouse

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tillstream/tillstream/processor/audience"
)

// Audience says which customers are meant.
type Audience struct {
	Where   string // a condition on audience.Columns
	Order   string // a column and asc or desc, which says whom Limit leaves out; "" is none in particular
	Limit   int    // 0: all
	Purpose string // they must have agreed to, last; "": consent does not matter
}

// query gives customer and agreed, one row a customer, of all who fulfil the condition. Columns of a customer that a view does not know are NULL, so that no condition
// on them holds.
func (a *Audience) query() (string, error) {
	if err := audience.Check(a.Where); err != nil {
		return "", err
	}
	columns := audience.Columns()
	var names []string
	for _, c := range slices.Sorted(maps.Keys(columns)) {
		names = append(names, "of_"+columns[c]+"."+c+" AS "+c)
	}
	rank := "0"
	if a.Order != "" {
		if err := audience.CheckOrder(a.Order); err != nil {
			return "", err
		}
		column, direction, _ := strings.Cut(strings.TrimSpace(a.Order), " ")
		rank = "max(" + column + ")"
		if !strings.EqualFold(strings.TrimSpace(direction), "desc") {
			rank = "min(" + column + ")"
		}
	}
	return `SELECT customer, {purpose:String} = '' OR has(any(purposes), {purpose:String}) AS agreed, ` + rank + ` AS rank FROM (
		SELECT of_buyer_profiles.customer AS customer, of_consent.purposes AS purposes, ` + strings.Join(names, ", ") + `
		FROM pos.buyer_profiles AS of_buyer_profiles
		LEFT ANY JOIN pos.rfm AS of_rfm ON of_buyer_profiles.customer = of_rfm.customer AND of_buyer_profiles.currency = of_rfm.currency
		LEFT ANY JOIN pos.clv AS of_clv ON of_buyer_profiles.customer = of_clv.customer AND of_buyer_profiles.currency = of_clv.currency
		LEFT ANY JOIN pos.churn_risk AS of_churn_risk ON of_buyer_profiles.customer = of_churn_risk.customer
		LEFT ANY JOIN pos.customer_consent AS of_consent ON of_buyer_profiles.customer = of_consent.customer
	) WHERE (` + a.Where + `
	) GROUP BY customer`, nil
}

// asking is the context of a query that holds what somebody wrote: the server refuses whatever is not reading.
func (s *Sink) asking(ctx context.Context) (context.Context, context.CancelFunc) {
	return s.query(ctx, ch.Settings{"readonly": 1, "join_use_nulls": 1, "max_execution_time": int(s.queryTimeout.Seconds())})
}

// CountAudience says how many customers fulfil a condition, and how many of them agreed. The limit does not matter.
func (s *Sink) CountAudience(ctx context.Context, a Audience) (all, agreed uint64, err error) {
	sql, err := a.query()
	if err != nil {
		return 0, 0, err
	}
	ctx, cancel := s.asking(ctx)
	defer cancel()
	if err := s.conn.QueryRow(ctx, "SELECT count(), countIf(agreed) FROM ("+sql+")", ch.Named("purpose", a.Purpose)).Scan(&all, &agreed); err != nil {
		return 0, 0, fmt.Errorf("counting the audience: %w", s.explain(err))
	}
	return all, agreed, nil
}

// Audience gives the pseudonyms of the customers who are meant and agreed. After an error there are no more.
func (s *Sink) Audience(ctx context.Context, a Audience) iter.Seq2[uint64, error] {
	return func(yield func(uint64, error) bool) {
		sql, err := a.query()
		if err != nil {
			yield(0, err)
			return
		}
		direction := ""
		if strings.HasSuffix(strings.ToLower(strings.TrimSpace(a.Order)), "desc") {
			direction = " DESC"
		}
		sql = "SELECT customer FROM (" + sql + ") WHERE agreed ORDER BY rank" + direction + " NULLS LAST, customer"
		if a.Limit > 0 {
			sql += fmt.Sprintf(" LIMIT %d", a.Limit)
		}
		ctx, cancel := s.asking(ctx)
		defer cancel()
		rows, err := s.conn.Query(ctx, sql, ch.Named("purpose", a.Purpose))
		if err != nil {
			yield(0, fmt.Errorf("reading the audience: %w", s.explain(err)))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var customer uint64
			if err := rows.Scan(&customer); err != nil {
				yield(0, fmt.Errorf("reading the audience: %w", err))
				return
			}
			if !yield(customer, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(0, fmt.Errorf("reading the audience: %w", s.explain(err)))
		}
	}
}

// Export is what is kept of an audience that was taken out: not whom it holds.
type Export struct {
	ID, By, Reason, Basis, Format string
	Audience                      Audience
	Customers, LeftOut            uint64 // in it; and those who fulfilled the condition and did not agree
	K                             int    // fewer would have been refused
	SHA256                        string // of the file, in hex
}

// PutExport keeps an export.
func (s *Sink) PutExport(ctx context.Context, e *Export) error {
	return s.put(ctx, "exports", "", "INSERT INTO tillstream.exports (id, at, by, predicate, reason, basis, purpose, customers, left_out, most, k, format, sha256)",
		e.ID, s.now().UnixMilli(), e.By, e.Audience.Where, e.Reason, e.Basis, e.Audience.Purpose, e.Customers, e.LeftOut, uint64(e.Audience.Limit), uint32(e.K), e.Format, e.SHA256)
}
