package console

import (
	"fmt"
	"time"
)

func agreementsFigures(p *page) []draw {
	return []draw{p.verdicts(), p.budgets(), p.burn(), p.statements()}
}

// promised writes a target or a figure in its unit: a share, or milliseconds.
func promised(head string, value, unit, known int) column {
	return column{head, true, func(p *page, row []any) cell {
		if has, _ := number(row[known]); has == 0 {
			return cell{Text: nothing}
		}
		if row[unit] == "ms" {
			n, _ := number(row[value])
			return cell{Text: p.amount(n, 0) + "\u00a0ms"}
		}
		return cell{Text: p.percent(row[value], 3)}
	}}
}

// latest is of the newest period of each agreement, which is the one that runs if any does: so years of others are not added up.
const latest = "(contract, period_start) IN (SELECT contract, max(period_start) FROM pos.sla_compliance GROUP BY contract)"

// verdicts are how many scopes of each objective keep it, in the period that runs.
func (p *page) verdicts() draw {
	return p.table("verdicts", question{`SELECT contract, objective, period, period_start, countIf(verdict = 'met') AS met, countIf(verdict = 'at_risk') AS at_risk, countIf(verdict = 'breached') AS breached,
  countIf(verdict = 'undetermined') AS undetermined, countIf(verdict = 'not_applicable') AS not_applicable, max(as_of) AS reckoned
FROM pos.sla_compliance
WHERE running AND ` + latest + `
GROUP BY contract, objective, period, period_start
ORDER BY breached DESC, at_risk DESC, contract, objective
LIMIT 200`, nil, settled},
		code("contract", 0), code("objective", 1), word("period", "period", 2), date("from", 3), count("met", 4), found("at_risk", 5, "warn"), found("breached", 6, "bad"),
		found("undetermined", 7, "warn"), count("not_applicable", 8), moment("reckoned", 9))
}

// budgets are the objectives of the period that runs, scope by scope, those first that have the least left.
func (p *page) budgets() draw {
	left := column{"left", true, func(p *page, row []any) cell {
		total, _ := number(row[8])
		spent, _ := number(row[9])
		if total <= 0 {
			return cell{Text: nothing}
		}
		if spent > total {
			return cell{Text: "\u2212" + p.span(time.Duration((spent-total)*1e9)), Class: "bad"}
		}
		return cell{Text: p.span(time.Duration((total - spent) * 1e9))}
	}}
	return p.paged("budgets", "stores", question{`SELECT contract, objective, scope, verdict, target, if(has_figure, actual, 0) AS figure, coverage, unit, budget_total, budget_spent, has_figure, 1 AS known
FROM pos.sla_compliance
WHERE running AND ` + latest + p.in(" AND ") + `
ORDER BY verdict = 'breached' DESC, verdict = 'at_risk' DESC, budget_spent / nullIf(budget_total, 0) DESC NULLS LAST, contract, objective, scope`, p.params(), settled},
		code("contract", 0), code("objective", 1), code("scope", 2), word("verdict", "verdict", 3), promised("target", 4, 7, 11), promised("figure", 5, 7, 10), ratio("coverage", 6, 1),
		span("budget", 8, time.Second), span("spent", 9, time.Second), left)
}

// burn is how fast budgets burn now, by window.
func (p *page) burn() draw {
	columns := []column{code("contract", 0), code("objective", 1), code("scope", 2)}
	for i, w := range [...]string{"5m", "1h", "6h", "1d", "3d"} {
		columns = append(columns, column{"burn_" + w, true, func(p *page, row []any) cell {
			n, ok := number(row[3+i])
			c := cell{Text: nothing}
			if ok {
				c.Text = p.amount(n, 1)
			}
			if n >= 1 {
				c.Class = "warn"
			}
			return c
		}})
	}
	columns = append(columns, moment("reckoned", 8))
	return p.table("burn", question{`SELECT contract, objective, scope, maxIf(burn_rate, window = '5m') AS r5m, maxIf(burn_rate, window = '1h') AS r1h, maxIf(burn_rate, window = '6h') AS r6h,
  maxIf(burn_rate, window = '1d') AS r1d, maxIf(burn_rate, window = '3d') AS r3d, max(at) AS reckoned
FROM pos.sla_burn` + p.in("\nWHERE ") + `
GROUP BY contract, objective, scope
HAVING max(burn_rate) > 0
ORDER BY r1h DESC, r6h DESC, r3d DESC, contract, objective, scope
LIMIT 50`, p.params(), settled}, columns...)
}

// statements are those that were issued for periods that end in the range or overlap it.
func (p *page) statements() draw {
	command := column{"print", false, func(_ *page, row []any) cell {
		return cell{Text: fmt.Sprintf("tillstream sla statement %s --period %s", row[0], row[2]), Class: "code"}
	}}
	return p.table("statements", question{`SELECT contract, number, period, stage, revision, published_at, hash
FROM pos.sla_statements
WHERE published_at >= {since:DateTime('UTC')} AND published_at < {until:DateTime('UTC')}
ORDER BY published_at DESC, contract, number DESC
LIMIT 100`, p.params(), settled},
		code("contract", 0), count("number", 1), code("period", 2), word("stage", "stage", 3), count("revision", 4), moment("published", 5), short("hash", 6), command)
}
