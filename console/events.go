package console

import "fmt"

func eventsFigures(p *page) []draw {
	return []draw{p.letters(), p.quality(), p.holes(), p.losses()}
}

// letters are the records that could not be folded, with the command that brings them in again.
func (p *page) letters() draw {
	replay := column{"replay", false, func(p *page, row []any) cell {
		return cell{
			Words: []string{"tillstream deadletters replay", fmt.Sprintf("--topic %s", row[0]), fmt.Sprintf("--reason %s", row[1]), "--dry-run"},
			Class: "code wrap", Form: p.replayForm(row[0], row[1]),
		}
	}}
	why := linked(code("reason", 1), func(*page, []any) string { return Prefix + "docs/dead-letters.html" })
	return p.table("letters", question{`SELECT topic, reason, field, any(expected) AS wanted, count() AS letters, countIf(replayed_at IS NOT NULL) AS sent_again, max(at) AS latest
FROM pos.dead_letters
WHERE at >= {since:DateTime('UTC')} AND at < {until:DateTime('UTC')}
GROUP BY topic, reason, field
ORDER BY letters DESC, topic, reason, field
LIMIT 100`, p.params(), settled},
		code("topic", 0), why, code("field", 2), wrapped("expected", 3), found("letters", 4, "warn"), count("sent_again", 5), moment("latest", 6), replay)
}

// quality is what came of each topic, by day.
func (p *page) quality() draw {
	return p.table("quality", question{`SELECT topic, business_date, sum(accepted) AS folded, sum(duplicates) AS repeats, sum(missing) AS holes, sum(rejected) AS letters, sum(late) AS came_late,
  sum(stale) AS too_old, sum(unbalanced) AS odd
FROM pos.data_quality
WHERE business_date BETWEEN {from:Date} AND {to:Date}
GROUP BY topic, business_date
ORDER BY business_date DESC, topic
LIMIT 400`, p.params(), settled},
		date("date", 1), code("topic", 0), count("folded", 2), count("duplicates", 3), found("missing", 4, "warn"), found("rejected", 5, "warn"), count("late", 6), count("stale", 7), count("unbalanced", 8))
}

// holes are the tills whose numbers are missing, most first.
func (p *page) holes() draw {
	return p.paged("holes", "tills", question{`SELECT terminal_id, sum(accepted) AS folded, sum(duplicates) AS repeats, sum(missing) AS holes, folded / (folded + holes) AS complete,
  minIf(business_date, missing > 0) AS first, maxIf(business_date, missing > 0) AS latest
FROM pos.data_quality
WHERE topic = 'pos.transactions' AND business_date BETWEEN {from:Date} AND {to:Date}
GROUP BY terminal_id
HAVING holes > 0 OR repeats > 0
ORDER BY holes DESC, repeats DESC, terminal_id`, p.params(), settled},
		linked(code("till", 0), func(p *page, row []any) string {
			return p.href("availability", "store", "", "terminal", fmt.Sprint(row[0]))
		}),
		count("folded", 1), count("duplicates", 2), found("missing", 3, "warn"), ratio("complete", 4, 2), date("first", 5), date("latest", 6))
}

// losses are offsets that somebody decided to go without.
func (p *page) losses() draw {
	return p.table("losses", question{`SELECT topic, partition, epoch, from_offset, to_offset, offsets, reason, decided_by, decided_at
FROM pos.losses
ORDER BY decided_at DESC, topic, partition
LIMIT 100`, nil, settled},
		code("topic", 0), count("partition", 1), count("from_offset", 3), count("to_offset", 4), found("offsets", 5, "bad"), text("reason", 6), text("by", 7), moment("at", 8))
}
