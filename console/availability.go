package console

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

func availabilityFigures(p *page) []draw {
	if p.terminal != "" {
		return []draw{p.timeline, p.outages()}
	}
	return []draw{p.calendar, p.outages()}
}

// steps are the shades of an availability, best first; the last is what remains.
var steps = [...]struct {
	least float64
	class string
}{{0.9995, "a0"}, {0.995, "a1"}, {0.98, "a2"}, {0.9, "a3"}, {0, "a4"}}

func availabilityClass(share float64) string {
	for _, s := range steps {
		if share >= s.least {
			return s.class
		}
	}
	return steps[len(steps)-1].class
}

// calendar is a row a store, or of one store a till, and a column a day: the share of its service time that was measured in which it was not down. The
// worst come first.
func (p *page) calendar(ctx context.Context) figure {
	who := "store_id"
	if p.store != "" {
		who = "terminal_id"
	}
	const size = 40
	at := p.offsets["stores"]
	q := question{fmt.Sprintf(`SELECT who, day, down, measured, unknown
FROM
(
  SELECT *, dense_rank() OVER (ORDER BY share DESC, who) AS place
  FROM
  (
    SELECT *, ifNull(sum(down) OVER (PARTITION BY who) / nullIf(sum(measured) OVER (PARTITION BY who), 0), -1) AS share
    FROM
    (
      SELECT %s AS who, toDate(hour, {zone:String}) AS day, sum(service_down_ms) AS down,
        sum(service_ms) - sum(excluded_ms) - sum(service_unknown_ms) AS measured, sum(service_unknown_ms) AS unknown
      FROM pos.availability_hourly
      WHERE hour >= {since:DateTime('UTC')} AND hour < {until:DateTime('UTC')}%s
      GROUP BY who, day
    )
  )
)
WHERE place > %d AND place <= %d
ORDER BY place, day`, who, p.in(" AND "), at, at+size), p.params(), chartTime}
	f, rows, ok := p.ask(ctx, "calendar", q)
	if at > 0 {
		f.Before = p.further("stores", at-size)
	}
	if !ok {
		return f
	}
	f.Wide = true
	h := &heat{Corner: p.T("column.store")}
	if p.store != "" {
		h.Corner = p.T("column.till")
	}
	days := int(p.to.Sub(p.from)/(24*time.Hour)) + 1
	for d := range days {
		day := p.from.AddDate(0, 0, d)
		h.Head = append(h.Head, fmt.Sprintf("%s %d", p.weekday((int(day.Weekday())+6)%7+1), day.Day()))
	}
	var down, measured float64
	finish := func() {
		if len(h.Rows) > 0 {
			share := cell{Text: nothing, Class: "num sum"}
			if measured > 0 {
				share.Text = p.percent(1-down/measured, 3)
			}
			last := &h.Rows[len(h.Rows)-1]
			last.Cells = append(last.Cells, share)
		}
		down, measured = 0, 0
	}
	name := ""
	for _, row := range rows {
		if row[0] != name || len(h.Rows) == 0 {
			finish()
			name, _ = row[0].(string)
			label := cell{Text: name, Href: p.href(p.name, "store", name)}
			if p.store != "" {
				label.Href = p.href(p.name, "terminal", name)
			}
			h.Rows = append(h.Rows, heatRow{Label: label, Cells: make([]cell, days)})
			for i := range days {
				h.Rows[len(h.Rows)-1].Cells[i] = cell{Class: "an"}
			}
		}
		day, _ := row[1].(time.Time)
		i := int(day.Sub(p.from) / (24 * time.Hour))
		if i < 0 || i >= days {
			continue
		}
		d, _ := number(row[2])
		m, _ := number(row[3])
		u, _ := number(row[4])
		down, measured = down+d, measured+m
		if m <= 0 {
			continue
		}
		share := 1 - d/m
		h.Rows[len(h.Rows)-1].Cells[i] = cell{
			Text: p.percent(share, 1), Class: availabilityClass(share),
			Title: fmt.Sprintf("%s %s: %s; %s %s; %s %s", name, day.Format(dateForm), p.percent(share, 3), p.T("status.down"), p.span(ms(d)), p.T("status.unknown"), p.span(ms(u))),
		}
	}
	finish()
	h.Head = append(h.Head, p.T("column.all"))
	f.Heat = h
	for i, s := range steps {
		l := legend{s.class, "≥ " + p.percent(s.least, 2)}
		if i == len(steps)-1 {
			l.Text = "< " + p.percent(steps[i-1].least, 2)
		}
		f.Legend = append(f.Legend, l)
	}
	f.Legend = append(f.Legend, legend{"an", p.T("legend.unmeasured")})
	if len(h.Rows) == size {
		f.After = p.further("stores", at+size)
	}
	return f
}

func ms(n float64) time.Duration { return time.Duration(n) * time.Millisecond }

// maxIntervals of one timeline: more than a till that works has in three months.
const maxIntervals = 2000

// timeline is a line a day of one till, and under it what is not up as a table, which the bars refer to: the evidence.
func (p *page) timeline(ctx context.Context) figure {
	f, rows, ok := p.ask(ctx, "timeline", question{fmt.Sprintf(`SELECT status, started_at, ifNull(ended_at, now64(3)) AS until, ended_at IS NULL AS open, cause, store_id
FROM pos.status_intervals
WHERE terminal_id = {terminal:String}%s AND started_at < {until:DateTime('UTC')} AND until > {since:DateTime('UTC')}
ORDER BY started_at
LIMIT %d`, p.in(" AND "), maxIntervals), p.params(), settled})
	f.Title = p.terminal
	if !ok {
		return f
	}
	f.Wide = true
	if len(rows) == maxIntervals {
		f.Note = p.T("note.cut")
	}
	t := &table{Head: []cell{{Text: p.T("column.status")}, {Text: p.T("column.from"), Class: "num"}, {Text: p.T("column.to"), Class: "num"}, {Text: p.T("column.for"), Class: "num"}, {Text: p.T("column.cause")}}}
	days := map[string]int{}
	for day := p.from; !day.After(p.to); day = day.AddDate(0, 0, 1) {
		days[day.Format(dateForm)] = len(f.Days)
		f.Days = append(f.Days, dayLine{Label: fmt.Sprintf("%s %s", p.weekday((int(day.Weekday())+6)%7+1), day.Format(dateForm))})
	}
	for i, row := range rows {
		status, _ := row[0].(string)
		from, _ := row[1].(time.Time)
		to, _ := row[2].(time.Time)
		open, _ := number(row[3])
		word := p.word("status", status)
		end := p.moment(to)
		if open == 1 {
			end = p.T("column.lasts")
		}
		bars := bar{Class: "s-" + status, Text: fmt.Sprintf("%s, %s – %s, %s, %s", word.Text, p.moment(from), end, p.span(to.Sub(from)), orNothing(row[4]))}
		if status != "up" {
			bars.Ref = "i" + strconv.Itoa(i)
			t.Rows = append(t.Rows, line{bars.Ref, []cell{word, {Text: p.moment(from), Class: "num"}, {Text: end, Class: "num"}, {Text: p.span(to.Sub(from)), Class: "num"}, {Text: orNothing(row[4]), Class: "code"}}})
		}
		p.spread(f.Days, days, from, to, bars)
	}
	if len(t.Rows) > 0 {
		f.Table = t
	}
	for _, s := range []string{"up", "degraded", "down", "silent", "maintenance", "unknown"} {
		f.Legend = append(f.Legend, legend{"s-" + s, p.T("status." + s)})
	}
	return f
}

// spread puts an interval on the lines of its days, each as long as it is in the time zone of the view.
func (p *page) spread(lines []dayLine, index map[string]int, from, to time.Time, b bar) {
	if from.Before(p.since()) {
		from = p.since()
	}
	if to.After(p.until()) {
		to = p.until()
	}
	for from.Before(to) {
		local := from.In(p.zone)
		start := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, p.zone)
		next := time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, p.zone)
		end := to
		if next.Before(end) {
			end = next
		}
		day := float64(next.Sub(start))
		b.X, b.Width = 1000*float64(from.Sub(start))/day, max(0.7, 1000*float64(end.Sub(from))/day)
		if i, ok := index[local.Format(dateForm)]; ok {
			lines[i].Bars = append(lines[i].Bars, b)
		}
		from = end
	}
}

// outages of the range, with who answers for them.
func (p *page) outages() draw {
	where := p.in(" AND ")
	if p.terminal != "" {
		where += " AND terminal_id = {terminal:String}"
	}
	return p.paged("outages", "tills", question{`SELECT store_id, terminal_id, started_at, resolved_at, repair_ms, service_ms, cause, party, party_rule, incident_id
FROM pos.outages
WHERE started_at >= {since:DateTime('UTC')} AND started_at < {until:DateTime('UTC')}` + where + `
ORDER BY service_ms DESC, started_at DESC, terminal_id`, p.params(), settled},
		linked(code("store", 0), storeLink("availability", 0)), linked(code("till", 1), tillLink(0, 1)), moment("from", 2), moment("to", 3), span("for", 4, time.Millisecond),
		span("in_service", 5, time.Millisecond), code("cause", 6), word("party", "party", 7), code("rule", 8), code("incident", 9))
}
