package console

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// nowFigures are the tills and stores as they are: what is down, since when, why; and whether one can trust what is shown.
func nowFigures(p *page) []draw {
	return []draw{p.tillTiles, p.storeTiles, p.freshTiles, p.openAlerts(), p.board(), p.troubled(), p.books(), p.lanes}
}

// in narrows to the store of the address, if it names one.
func (p *page) in(prefix string) string {
	if p.store == "" {
		return ""
	}
	return prefix + "store_id = {store:String}"
}

// counted is a tile of a row.
type counted struct {
	key, class string
	at         int
}

// tiles are the columns of a question's only row.
func (p *page) tiles(ctx context.Context, id string, q question, all []counted) figure {
	f, rows, ok := p.ask(ctx, id, q)
	if !ok {
		return f
	}
	for _, c := range all {
		t := tile{Label: p.T("tile." + c.key), Value: p.amount(rows[0][c.at], 0)}
		if n, _ := number(rows[0][c.at]); n > 0 {
			t.Class = c.class
		}
		f.Tiles = append(f.Tiles, t)
	}
	return f
}

func (p *page) tillTiles(ctx context.Context) figure {
	return p.tiles(ctx, "tills", question{`SELECT
  countIf(in_service) AS open_now,
  countIf(in_service AND status IN ('up', 'degraded') AND NOT disabled) AS can_sell,
  countIf(in_service AND status = 'down') AS down,
  countIf(in_service AND status = 'silent') AS silent,
  countIf(in_service AND disabled) AS cannot_sell,
  countIf(in_service AND status = 'maintenance') AS maintenance,
  countIf(in_service AND status = 'unknown') AS unknown,
  countIf(NOT in_service) AS closed
FROM pos.terminal_status` + p.in("\nWHERE "), p.params(), fresh}, []counted{
		{"can_sell", "good", 1},
		{"down", "bad", 2},
		{"silent", "warn", 3},
		{"disabled", "warn", 4},
		{"maintenance", "", 5},
		{"unknown", "", 6},
		{"in_service", "", 0},
		{"closed", "", 7},
	})
}

func (p *page) storeTiles(ctx context.Context) figure {
	return p.tiles(ctx, "shops", question{`SELECT
  countIf(in_service AND status = 'up') AS up,
  countIf(in_service AND status = 'down') AS down,
  countIf(in_service AND status = 'unknown') AS unknown,
  countIf(NOT in_service AND status != 'withdrawn') AS closed
FROM pos.store_status` + p.in("\nWHERE "), p.params(), fresh}, []counted{
		{"shops_up", "good", 0}, {"shops_down", "bad", 1}, {"shops_unknown", "warn", 2}, {"closed", "", 3},
	})
}

// freshTiles say how old the newest is that ClickHouse holds.
func (p *page) freshTiles(ctx context.Context) figure {
	f, rows, ok := p.ask(ctx, "fresh", question{`SELECT
  max(written_at) AS written,
  now64(3) AS asked,
  (SELECT max(last_seen) FROM pos.terminal_status) AS heard
FROM pos.ledger`, nil, fresh})
	if !ok {
		return f
	}
	asked, _ := rows[0][1].(time.Time)
	for _, c := range []counted{{"written", "warn", 0}, {"heard", "warn", 2}} {
		t := tile{Label: p.T("tile." + c.key), Value: nothing}
		if at, ok := rows[0][c.at].(time.Time); ok && at.Unix() > 0 {
			t.Value, t.Note = p.span(asked.Sub(at)), p.moment(at)
			if asked.Sub(at) > time.Minute {
				t.Class = c.class
			}
		}
		f.Tiles = append(f.Tiles, t)
	}
	return f
}

func (p *page) openAlerts() draw {
	return p.table("alerts", question{`SELECT severity, rule, started_at, state, store_id, terminal_id, summary
FROM pos.alerts
WHERE state != 'resolved'` + p.in(" AND ") + `
ORDER BY severity = 'page' DESC, started_at DESC
LIMIT 20`, p.params(), fresh},
		word("severity", "severity", 0), code("rule", 1), moment("since", 2), word("state", "alert", 3), wrapped("summary", 6))
}

// board is a row a store, worst first: first those that cannot sell, then by what is down and silent.
func (p *page) board() draw {
	status := column{"can_sell", false, func(p *page, row []any) cell {
		if inService, _ := number(row[3]); inService == 0 {
			return cell{Text: p.T("status.closed")}
		}
		return p.word("shop", row[1])
	}}
	since := column{"since", true, func(p *page, row []any) cell {
		if inService, _ := number(row[3]); inService == 0 || row[1] != "down" && row[1] != "unknown" {
			return cell{}
		}
		return p.momentCell(row[2])
	}}
	return p.paged("board", "stores", question{`SELECT
  t.store_id AS store_id, s.status AS status, s.since AS since, s.in_service AS in_service,
  t.down AS down, t.silent AS silent, t.cannot_sell AS cannot_sell, t.able AS able, t.tills AS tills, t.oldest AS oldest, t.newest AS newest
FROM
(
  SELECT store_id,
    countIf(in_service AND status = 'down') AS down,
    countIf(in_service AND status = 'silent') AS silent,
    countIf(in_service AND disabled) AS cannot_sell,
    countIf(in_service AND status IN ('up', 'degraded') AND NOT disabled) AS able,
    countIf(in_service) AS tills,
    minIf(since, in_service AND status IN ('down', 'silent')) AS oldest,
    max(last_seen) AS newest
  FROM pos.terminal_status` + p.in("\n  WHERE ") + `
  GROUP BY store_id
) AS t
LEFT JOIN (SELECT store_id, status, since, in_service FROM pos.store_status) AS s ON s.store_id = t.store_id
ORDER BY s.status = 'down' AND in_service DESC, down DESC, silent DESC, cannot_sell DESC, tills DESC, store_id`, p.params(), fresh},
		linked(code("store", 0), storeLink("now", 0)), status, since,
		found("down", 4, "bad"), found("silent", 5, "warn"), found("disabled", 6, "warn"), count("able", 7), count("tills", 8),
		moment("oldest", 9), moment("heard", 10))
}

// troubled are the tills that cannot sell in service hours, the longest first.
func (p *page) troubled() draw {
	return p.paged("troubled", "tills", question{`SELECT t.store_id AS store_id, t.terminal_id AS terminal_id, if(t.disabled, 'disabled', t.status) AS state, t.since AS since,
  dateDiff('second', t.since, now64(3)) AS seconds, i.cause AS cause, o.party AS party, t.last_seen AS last_seen
FROM (SELECT * FROM pos.terminal_status WHERE in_service AND (status IN ('down', 'silent') OR disabled)` + p.in(" AND ") + `) AS t
LEFT ANY JOIN (SELECT store_id, terminal_id, cause FROM pos.status_intervals WHERE ended_at IS NULL AND status != 'up'
  AND store_id IN (SELECT store_id FROM pos.terminal_status WHERE in_service AND (status IN ('down', 'silent') OR disabled)` + p.in(" AND ") + `)) AS i
  ON i.store_id = t.store_id AND i.terminal_id = t.terminal_id
LEFT ANY JOIN (SELECT store_id, terminal_id, party FROM pos.outages WHERE resolved_at IS NULL) AS o
  ON o.store_id = t.store_id AND o.terminal_id = t.terminal_id
ORDER BY state = 'down' DESC, since, store_id, terminal_id`, p.params(), settled},
		linked(code("store", 0), storeLink("now", 0)), linked(code("till", 1), tillLink(0, 1)), word("status", "status", 2), moment("since", 3),
		span("for", 4, time.Second), code("cause", 5), word("party", "party", 6), moment("heard", 7))
}

// books are what became of every offset, of each topic.
func (p *page) books() draw {
	balance := column{"balanced", false, func(p *page, row []any) cell {
		if n, _ := number(row[7]); n == 1 {
			return cell{Text: p.T("yes"), Class: "good"}
		}
		return cell{Text: p.T("no"), Class: "bad"}
	}}
	return p.table("books", question{`SELECT topic, sum(passed) AS offsets, sum(folded) AS records, sum(repeats) AS duplicates, sum(letters) AS rejected, sum(holes) AS gaps,
  max(newest) AS written, min(passed = folded + repeats + letters + holes) AS balanced
FROM
(
  SELECT topic, partition, epoch, max(to_offset) - min(from_offset) AS passed, sum(records) AS folded, sum(duplicates) AS repeats,
    sum(rejected) AS letters, sum(gaps) AS holes, max(written_at) AS newest
  FROM pos.ledger
  GROUP BY topic, partition, epoch
)
GROUP BY topic
ORDER BY topic`, nil, settled},
		code("topic", 0), count("offsets", 1), count("folded", 2), count("duplicates", 3), linked(found("rejected", 4, "warn"), func(p *page, _ []any) string { return p.href("events") }),
		count("gaps", 5), balance, moment("written", 6))
}

// lanes are those of this process: there is no question behind them.
func (p *page) lanes(context.Context) figure {
	f := figure{ID: "lanes", Title: p.T("figure.lanes"), Note: p.note("lanes"), Empty: p.T("empty.lanes")}
	if p.console.deps.Lanes == nil {
		return f
	}
	for _, l := range p.console.deps.Lanes() {
		state := p.word("lane", l.State)
		if state.Class = ""; l.Stopped {
			state.Class = "bad"
		}
		if f.Table == nil {
			f.Table = &table{Head: []cell{{Text: p.T("column.lane"), Class: "num"}, {Text: p.T("column.behind"), Class: "num"}, {Text: p.T("column.state")}, {Text: p.T("column.trouble")}}}
		}
		f.Table.Rows = append(f.Table.Rows, line{Cells: []cell{
			{Text: strconv.Itoa(l.Number), Class: "num"}, {Text: p.grouped(fmt.Sprint(l.Behind)), Class: "num"}, state, {Text: orNothing(l.Trouble)},
		}})
	}
	return f
}
