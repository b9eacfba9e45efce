package console

import (
	"context"
	"fmt"
)

func salesFigures(p *page) []draw {
	return []draw{p.takings(), p.peaks, p.sellers(), p.baskets(), p.payments()}
}

// traded narrows to the business dates, and the store, of the address.
func (p *page) traded() string {
	return "WHERE business_date BETWEEN {from:Date} AND {to:Date}" + p.in(" AND ")
}

// takings are what was sold, each currency by itself.
func (p *page) takings() draw {
	return p.table("takings", question{`SELECT currency, sum(transactions) AS sales, sum(returns) AS returned, sum(net) AS total, sum(discount) AS discounts,
  total / nullIf(sales, 0) AS a_sale, sum(units) / nullIf(sales, 0) AS units_a_sale, sum(identified_transactions) / nullIf(sales, 0) AS known
FROM pos.sales_hourly
` + p.traded() + `
GROUP BY currency
ORDER BY sales DESC`, p.params(), chartTime},
		text("currency", 0), count("sales", 1), count("returns", 2), money("net", 3, 0), money("discount", 4, 0), money("a_sale", 5, 0), decimals("units_a_sale", 6, 2),
		ratio("known", 7, 1))
}

// peaks is a row a weekday and a column an hour of the stores' clocks: sales on a day.
func (p *page) peaks(ctx context.Context) figure {
	f, rows, ok := p.ask(ctx, "peaks", question{`SELECT h.dow AS dow, h.local_hour AS local_hour, h.sales AS sales, d.days AS days, sales / days AS a_day
FROM
(
  SELECT toDayOfWeek(business_date) AS dow, local_hour, sum(transactions) AS sales
  FROM pos.sales_hourly
  ` + p.traded() + `
  GROUP BY dow, local_hour
) AS h
JOIN
(
  SELECT toDayOfWeek(business_date) AS dow, uniqExact(business_date) AS days
  FROM pos.sales_hourly
  ` + p.traded() + `
  GROUP BY dow
) AS d ON d.dow = h.dow
ORDER BY dow, local_hour`, p.params(), chartTime})
	if !ok {
		return f
	}
	f.Wide = true
	h := &heat{Corner: p.T("column.day")}
	for hour := range 24 {
		h.Head = append(h.Head, fmt.Sprint(hour))
	}
	for dow := range 7 {
		h.Rows = append(h.Rows, heatRow{Label: cell{Text: p.weekday(dow + 1)}, Cells: make([]cell, 24)})
		for i := range 24 {
			h.Rows[dow].Cells[i] = cell{Class: "h0"}
		}
	}
	most := 0.0
	for _, row := range rows {
		n, _ := number(row[4])
		most = max(most, n)
	}
	for _, row := range rows {
		dow, _ := number(row[0])
		hour, _ := number(row[1])
		n, _ := number(row[4])
		if dow < 1 || dow > 7 || hour > 23 || n <= 0 {
			continue
		}
		digits := 0
		if most < 20 {
			digits = 1
		}
		h.Rows[int(dow)-1].Cells[int(hour)] = cell{
			Text: p.amount(n, digits), Class: shade(n, most),
			Title: fmt.Sprintf("%s %02.0f:00: %s / %s", p.weekday(int(dow)), hour, p.amount(row[2], 0), p.amount(row[3], 0)),
		}
	}
	f.Heat = h
	return f
}

// sellers are the goods sold most, with their place in the same number of days before.
func (p *page) sellers() draw {
	before := column{"before", true, func(p *page, row []any) cell {
		was, _ := number(row[6])
		if was == 0 {
			return cell{Text: p.T("new")}
		}
		return cell{Text: p.amount(row[6], 0)}
	}}
	return p.table("sellers", question{`SELECT product_id, category, currency, sold, total, in_baskets, if(sold_before > 0, place_before, 0) AS was
FROM
(
  SELECT product_id, max(category) AS category, currency,
    sumIf(units, business_date >= {from:Date}) AS sold, sumIf(revenue, business_date >= {from:Date}) AS total,
    sumIf(baskets, business_date >= {from:Date}) AS in_baskets, sumIf(units, business_date < {from:Date}) AS sold_before,
    rank() OVER (PARTITION BY currency ORDER BY sold_before DESC) AS place_before,
    row_number() OVER (PARTITION BY currency ORDER BY sold DESC, product_id) AS place
  FROM pos.product_sales
  WHERE business_date BETWEEN {from:Date} - ({to:Date} - {from:Date} + 1) AND {to:Date}` + p.in(" AND ") + `
  GROUP BY product_id, currency
)
WHERE place <= 10 AND sold > 0
ORDER BY currency, place`, p.params(), chartTime},
		code("product", 0), text("category", 1), text("currency", 2), decimals("units", 3, 0), money("net", 4, 2), count("in_baskets", 5), before)
}

// baskets are what a sale is worth and holds, of each store.
func (p *page) baskets() draw {
	return p.table("baskets", question{`SELECT store_id, currency, sum(transactions) AS sales, sum(net) / nullIf(sales, 0) AS a_sale, sum(units) / nullIf(sales, 0) AS units_a_sale,
  sum(loyalty_transactions) / nullIf(sales, 0) AS loyal, sum(offline_transactions) / nullIf(sales, 0) AS offline
FROM pos.sales_hourly
` + p.traded() + `
GROUP BY store_id, currency
ORDER BY sales DESC, store_id
LIMIT 50`, p.params(), chartTime},
		linked(code("store", 0), storeLink("sales", 0)), text("currency", 1), count("sales", 2), money("a_sale", 3, 1), decimals("units_a_sale", 4, 2), ratio("loyal", 5, 1), ratio("offline", 6, 1))
}

// payments are how was paid; shares are of one currency.
func (p *page) payments() draw {
	return p.table("payments", question{`SELECT currency, method, entry_mode, wallet, sum(payments) AS paid, sum(amount) AS total, paid / nullIf(sum(paid) OVER (PARTITION BY currency), 0) AS share
FROM pos.payment_mix
` + p.traded() + `
GROUP BY currency, method, entry_mode, wallet
ORDER BY currency, paid DESC
LIMIT 100`, p.params(), chartTime},
		text("currency", 0), text("method", 1), text("entry_mode", 2), text("wallet", 3), count("payments", 4), ratio("share", 6, 1), money("amount", 5, 0))
}
