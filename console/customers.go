package console

import (
	"context"
	"fmt"
	"time"
)

// customersFigures are made of views marketing_* alone: groups, rounded to multiples of k, nobody's own figures.
func customersFigures(p *page) []draw {
	return []draw{p.segments(), p.cohorts, p.rhythm(), p.affinity()}
}

func (p *page) segments() draw {
	return p.table("segments", question{`SELECT segment, currency, customers, net_per_customer, refreshed_at
FROM pos.marketing_segments
ORDER BY currency, customers DESC, segment`, nil, chartTime},
		word("segment", "segment", 0), text("currency", 1), count("customers", 2), money("net_a_customer", 3, 1), moment("refreshed", 4))
}

// cohorts is a row a month of first purchase and a column a month since: the share that came again. Of several currencies each has rows.
func (p *page) cohorts(ctx context.Context) figure {
	f, rows, ok := p.ask(ctx, "cohorts", question{`SELECT currency, cohort, period, customers, active, retention
FROM pos.marketing_cohorts
ORDER BY currency, cohort, period
LIMIT 5000`, nil, chartTime})
	if !ok {
		return f
	}
	f.Wide = true
	last := 0
	for _, row := range rows {
		n, _ := number(row[2])
		last = min(36, max(last, int(n)))
	}
	h := &heat{Corner: p.T("column.cohort"), Head: []string{p.T("column.customers")}}
	for m := range last + 1 {
		h.Head = append(h.Head, fmt.Sprintf("%s\u00a0%d", p.T("column.month"), m))
	}
	key := ""
	for _, row := range rows {
		cohort, _ := row[1].(time.Time)
		label := fmt.Sprintf("%s %s", cohort.Format("2006-01"), row[0])
		if label != key {
			key = label
			cells := make([]cell, last+2)
			for i := range cells {
				cells[i] = cell{Class: "an"}
			}
			cells[0] = cell{Text: p.amount(row[3], 0), Class: "num sum"}
			h.Rows = append(h.Rows, heatRow{cell{Text: label}, cells})
		}
		period, _ := number(row[2])
		share, ok := number(row[5])
		if !ok || int(period) > last {
			continue
		}
		h.Rows[len(h.Rows)-1].Cells[int(period)+1] = cell{Text: p.percent(share, 0), Class: shade(share, 1), Title: fmt.Sprintf("%s / %s", p.amount(row[4], 0), p.amount(row[3], 0))}
	}
	f.Heat = h
	return f
}

func (p *page) rhythm() draw {
	return p.table("rhythm", question{`SELECT customers, days_p25, days_p50, days_p75, days_p90, refreshed_at
FROM pos.marketing_rhythm`, nil, chartTime},
		count("customers", 0), count("p25", 1), count("p50", 2), count("p75", 3), count("p90", 4), moment("refreshed", 5))
}

// affinity is what goes with what: each pair once, in the direction that tells more.
func (p *page) affinity() draw {
	return p.table("affinity", question{`SELECT left, right, level, baskets, confidence, lift
FROM pos.marketing_affinity
ORDER BY lift DESC, confidence DESC, left, right
LIMIT 1 BY least(left, right), greatest(left, right), level
LIMIT 40`, nil, chartTime},
		text("buys", 0), text("right", 1), word("level", "level", 2), count("baskets", 3), ratio("confidence", 4, 0), decimals("lift", 5, 1))
}
