package simulator

import "strconv"

// The encoder writes JSON by hand: it is most of what the simulator does. Strings are of the simulator's own tables and need no
// escapes, which a test checks by decoding everything with encoding/json.

func appendText(b []byte, key, value string) []byte {
	b = append(b, key...)
	b = append(b, '"')
	b = append(b, value...)
	return append(b, '"')
}

// appendKnown leaves out what is not known.
func appendKnown(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return appendText(b, key, value)
}

func appendInt(b []byte, key string, value int64) []byte {
	return strconv.AppendInt(append(b, key...), value, 10)
}

// appendAmount leaves out zero.
func appendAmount(b []byte, key string, value int64) []byte {
	if value == 0 {
		return b
	}
	return appendInt(b, key, value)
}

// appendQuantity writes thousandths as a decimal without trailing zeros.
func appendQuantity(b []byte, q int64) []byte {
	if q < 0 {
		b = append(b, '-')
		q = -q
	}
	b = strconv.AppendInt(b, q/1000, 10)
	if f := q % 1000; f > 0 {
		b = append(b, '.', byte('0'+f/100))
		if f%100 > 0 {
			b = append(b, byte('0'+f/10%10))
		}
		if f%10 > 0 {
			b = append(b, byte('0'+f%10))
		}
	}
	return b
}

func appendTimeField(b []byte, key string, at, offset int64) []byte {
	b = append(b, key...)
	b = append(b, '"')
	b = appendTime(b, at, offset)
	return append(b, '"')
}

// appendTime writes RFC 3339 with milliseconds, unless there are none. The offset is in ms.
func appendTime(b []byte, at, offset int64) []byte {
	local := at + offset
	date := floorDiv(local, day)
	ms := local - date*day
	b = appendDate(b, int32(date))
	b = append(b, 'T')
	b = appendTwo(b, ms/hour)
	b = append(b, ':')
	b = appendTwo(b, ms/minute%60)
	b = append(b, ':')
	b = appendTwo(b, ms/second%60)
	if f := ms % second; f > 0 {
		b = append(b, '.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
	}
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	b = append(b, sign)
	b = appendTwo(b, offset/hour)
	b = append(b, ':')
	return appendTwo(b, offset/minute%60)
}

// appendDate writes days since 1970 as a date (civil from days, as in H. Hinnant, chrono-Compatible Low-Level Date Algorithms).
func appendDate(b []byte, days int32) []byte {
	z := int64(days) + 719468
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	year, month := yoe+era*400, mp+3
	if month > 12 {
		month -= 12
		year++
	}
	b = appendTwo(b, year/100)
	b = appendTwo(b, year%100)
	b = append(b, '-')
	b = appendTwo(b, month)
	b = append(b, '-')
	return appendTwo(b, doy-(153*mp+2)/5+1)
}

func appendTwo(b []byte, n int64) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// appendLetters writes a number as n letters: no run of digits in a reference can be taken for a card number.
func appendLetters(b []byte, x uint64, n int) []byte {
	for range n {
		b = append(b, byte('A'+x%26))
		x /= 26
	}
	return b
}

// appendID is unique within the till.
func appendID(b []byte, t *till, topic int, install int, sequence uint64) []byte {
	b = append(b, t.id...)
	if topic == health {
		b = append(b, "-h"...)
	} else {
		b = append(b, "-t"...)
	}
	b = strconv.AppendInt(b, int64(install), 10)
	b = append(b, '-')
	return strconv.AppendUint(b, sequence, 10)
}

// appendEnvelope writes what all events have. The type is followed by the time: see spoil.
func appendEnvelope(b []byte, h *header) []byte {
	t := h.till
	b = append(b, `{"id":"`...)
	b = appendID(b, t, h.topic, t.install, h.sequence)
	b = appendText(b, `","source":`, t.id)
	if h.topic == health {
		b = append(b, `,"type":"pos.health.v1"`...)
	} else {
		b = append(b, `,"type":"pos.transaction.v1"`...)
	}
	b = appendTimeField(b, `,"time":`, h.time, h.offset)
	if t.stamped {
		b = appendTimeField(b, `,"sent_at":`, h.sent, h.offset)
	}
	if !t.numberless {
		b = strconv.AppendUint(append(b, `,"sequence":`...), h.sequence, 10)
		if t.epochs {
			b = appendInt(b, `,"sequence_epoch":`, int64(t.install))
		}
	}
	b = appendText(b, `,"store_id":`, t.store.id)
	b = appendText(b, `,"terminal_id":`, t.id)
	if !t.sparse && h.topic == transactions {
		b = appendText(b, `,"gln":`, t.store.gln)
	}
	return b
}

func appendTransaction(b []byte, tx *transaction) []byte {
	t, s := tx.till, tx.store
	b = appendEnvelope(b, &tx.header)
	if tx.test {
		b = append(b, `,"test":true`...)
	}
	b = appendText(b, `,"kind":`, tx.kind)
	if t.dated {
		b = append(b, `,"business_date":"`...)
		b = append(appendDate(b, tx.date), '"')
	}
	if !t.sparse {
		b = appendTimeField(b, `,"started_at":`, tx.started, tx.offset)
		b = appendTimeField(b, `,"ended_at":`, tx.time, tx.offset)
		b = append(b, `,"operator":"`...)
		b = append(b, s.id...)
		b = append(b, `-OP`...)
		b = append(b, byte('0'+tx.operator), '"')
	}
	if !t.sparse || tx.channel != "store" {
		b = appendText(b, `,"channel":`, tx.channel)
	}
	if tx.order > 0 {
		b = append(strconv.AppendInt(append(b, `,"order_id":"W`...), tx.order, 10), '"')
	}
	b = appendText(b, `,"currency":`, s.place.currency)
	if s.place.taxIncluded && !t.sparse {
		b = append(b, `,"tax_included":true`...)
	}
	b = appendOriginal(b, tx)
	if tx.offline {
		b = append(b, `,"offline":{"mode":"saf"`...)
		b = appendTimeField(b, `,"stored_at":`, tx.time, tx.offset)
		b = appendTimeField(b, `,"forwarded_at":`, tx.sent, tx.offset)
		b = append(b, '}')
	}
	b = appendCustomer(b, tx)
	b = append(b, `,"lines":[`...)
	for i := range tx.lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendLine(b, tx, i)
	}
	b = append(b, ']')
	if tx.code != "" {
		b = appendText(b, `,"not_found":[{"code":`, tx.code)
		b = append(b, `,"disposition":"refused"}]`...)
	}
	if len(tx.tenders) > 0 {
		b = append(b, `,"tenders":[`...)
		for i := range tx.tenders {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendTender(b, &tx.tenders[i])
		}
		b = append(b, ']')
	}
	b = appendInt(b, `,"totals":{"gross":`, tx.gross)
	b = appendInt(b, `,"discount":`, tx.discount)
	b = appendAmount(b, `,"tax":`, tx.tax)
	b = appendInt(b, `,"net":`, tx.net)
	if len(tx.tenders) > 0 {
		b = appendInt(b, `,"paid":`, tx.paid)
	}
	b = append(b, '}')
	if s.place.country == "FR" && !t.sparse { // the chain of signatures that French law asks for
		b = append(b, `,"reserve":{"signature":"`...)
		b = appendLetters(b, mix(tx.sequence^t.bootNumber), 13)
		b = append(b, `"}`...)
	}
	return append(b, '}')
}

// appendOriginal links to a sale, by its id or by its number, as the make of till has it.
func appendOriginal(b []byte, tx *transaction) []byte {
	o := &tx.original
	switch {
	case o.till == nil && tx.reason == "":
		return b
	case o.till == nil:
		return append(appendText(b, `,"original":{"reason":`, tx.reason), '}')
	case tx.till.numberless || o.till.numberless || tx.till.index%2 == 0:
		b = append(b, `,"original":{"transaction_id":"`...)
		b = append(appendID(b, o.till, transactions, o.install, o.sequence), '"')
	default:
		b = appendText(b, `,"original":{"store_id":`, tx.store.id)
		b = appendText(b, `,"terminal_id":`, o.till.id)
		b = appendInt(b, `,"sequence":`, int64(o.sequence))
		b = append(b, `,"business_date":"`...)
		b = append(appendDate(b, o.date), '"')
	}
	return append(appendText(b, `,"reason":`, tx.reason), '}')
}

func appendCustomer(b []byte, tx *transaction) []byte {
	switch {
	case tx.who != nil:
		b = appendText(b, `,"customer":{"id":`, tx.who.id)
		b = appendText(b, `,"type":`, tx.who.kind)
		if tx.till.sparse {
			return append(b, '}')
		}
		b = append(b, `,"read_by":"scanned"}`...)
		if tx.who.kind == "loyalty" && tx.kind == "sale" {
			b = append(b, `,"loyalty":{"programme":"till-club"`...)
			b = appendAmount(b, `,"points_earned":`, max(tx.net, 0)/tx.store.place.amount(100))
			b = append(b, '}')
		}
	case tx.token > 0:
		b = append(b, `,"customer":{"id":"`...)
		b = appendToken(b, tx.token)
		b = append(b, `","type":"payment_token","read_by":"contactless"}`...)
	}
	return b
}

// appendToken is the clear id of somebody known by a card only.
func appendToken(b []byte, token uint64) []byte {
	return appendLetters(append(b, "TOK"...), mix(token), 12)
}

func appendLine(b []byte, tx *transaction, i int) []byte {
	l, t := &tx.lines[i], tx.till
	b = appendInt(b, `{"line":`, int64(i+1))
	b = appendKnown(b, `,"kind":`, l.kind)
	switch p := l.product; {
	case p == nil:
		b = appendText(b, `,"product_id":`, l.id)
	case t.plainIDs:
		b = appendText(b, `,"product_id":`, p.plain)
		b = appendText(b, `,"category":`, p.category.name)
	default:
		b = appendText(b, `,"product_id":`, p.id)
		if !t.sparse {
			b = appendKnown(b, `,"gtin":`, p.gtin)
			b = appendText(b, `,"category":`, p.category.name)
		}
	}
	b = append(b, `,"quantity":`...)
	b = appendQuantity(b, l.quantity)
	if !t.sparse {
		if l.product != nil && l.product.category.weighed {
			b = append(b, `,"unit":"KGM"`...)
		}
		b = appendInt(b, `,"unit_price":`, l.unit)
	}
	b = appendInt(b, `,"gross":`, l.gross)
	b = appendAmount(b, `,"discount":`, l.discount)
	if t.taxByLine() {
		b = appendAmount(b, `,"tax":`, l.tax)
	}
	if !t.sparse {
		b = appendInt(b, `,"net":`, l.net)
		b = appendText(b, `,"entry_method":`, l.entry)
	}
	if l.voided {
		b = append(b, `,"voided":true`...)
	}
	switch {
	case l.coupon:
		b = appendInt(b, `,"promotions":[{"promotion_id":"COUPON20","coupon_code":"SAVE20","amount":`, l.discount)
		b = append(b, `,"kind":"coupon"}]`...)
	case l.promotion > 0:
		b = strconv.AppendInt(append(b, `,"promotions":[{"promotion_id":"W`...), l.promotion, 10)
		b = appendInt(b, `","amount":`, l.discount)
		b = append(b, `,"kind":"price"}]`...)
	}
	return append(b, '}')
}

// taxByLine: sparse tills tell the tax in the totals only.
func (t *till) taxByLine() bool { return !t.sparse }

func appendTender(b []byte, p *tender) []byte {
	b = appendText(b, `{"method":`, p.method)
	b = appendKnown(b, `,"entry_mode":`, p.entry)
	b = appendKnown(b, `,"wallet":`, p.wallet)
	b = appendKnown(b, `,"scheme":`, p.scheme)
	b = appendKnown(b, `,"issuer_country":`, p.country)
	if p.reference > 0 {
		b = append(b, `,"payment_ref":"PAR`...)
		b = append(appendLetters(b, mix(p.reference), 13), '"')
	}
	b = appendInt(b, `,"amount":`, p.amount)
	b = appendAmount(b, `,"tip":`, p.tip)
	b = appendText(b, `,"result":`, p.result)
	b = appendKnown(b, `,"error":`, p.err)
	b = appendKnown(b, `,"acquirer":`, p.acquirer)
	b = appendKnown(b, `,"response_code":`, p.response)
	if p.authorisation >= 0 {
		b = appendInt(b, `,"authorisation_ms":`, p.authorisation)
	}
	b = appendAmount(b, `,"interaction_ms":`, p.interaction)
	return append(b, '}')
}

var models = [...]string{"TillOne 3", "TillOne 4", "Kassa X2", "SelfGo 1"}

func appendReport(b []byte, p *report) []byte {
	t, s := p.till, p.till.store
	b = appendEnvelope(b, &p.header)
	b = appendText(b, `,"kind":`, p.kind)
	b = appendText(b, `,"status":`, p.status)
	if p.status == "up" || p.status == "degraded" {
		b = appendInt(b, `,"response_ms":`, p.response)
	}
	b = appendInt(b, `,"heartbeat_interval_s":`, s.interval/second)
	b = append(b, `,"boot_id":"`...)
	b = append(appendLetters(b, t.bootNumber, 8), '"')
	b = appendInt(b, `,"uptime_s":`, (p.time-t.clock(t.bootedAt))/second)
	if p.full {
		b = appendInt(b, `,"software_version":"7.`, int64(t.version))
		b = appendInt(b, `.0","firmware_version":"2.`, int64(t.version/2))
		b = append(b, `","config_version":"`...)
		b = append(b, s.place.country...)
		b = appendText(b, `-12","model":`, models[t.index%len(models)])
		b = append(b, `,"serial":"`...)
		b = append(appendLetters(b, mix(uint64(t.number)), 9), '"')
	}
	b = appendComponents(b, p)
	if p.full && !t.sparse {
		b = appendInt(b, `,"hosts":[{"service":"backend","reachable":true,"latency_ms":`, p.latency)
		b = append(b, `}],"network":{"kind":"`...)
		if t.index%3 == 2 {
			b = appendInt(b, `wifi","signal_dbm":`, -40-int64(p.load>>48%40))
			b = appendInt(b, `,"latency_ms":`, p.latency)
		} else {
			b = appendInt(b, `ethernet","latency_ms":`, p.latency)
		}
		b = appendInt(b, `},"resources":{"cpu_pct":`, int64(p.load>>50%60))
		b = appendInt(b, `,"memory_pct":`, 30+int64(p.load>>54%50))
		b = appendInt(b, `,"disk_free_mb":`, 4000+int64(p.load>>52%4000))
		b = appendInt(b, `,"temperature_c":`, 30+int64(p.load>>58%30))
		b = append(b, '}')
	}
	if p.offline && t.backlog.count > 0 {
		b = appendInt(b, `,"backlog":{"transactions":`, t.backlog.count)
		b = appendInt(b, `,"amount":`, t.backlog.amount)
		b = appendText(b, `,"currency":`, s.place.currency)
		b = appendTimeField(b, `,"oldest_at":`, t.backlog.oldest, p.offset)
		b = append(b, '}')
	}
	if p.status == "down" {
		b = append(b, `,"capability":{"sell":false,"card":false,"cash":false}`...)
		b = appendText(b, `,"errors":[{"code":`, breakages[p.episode.part].code)
		b = append(b, `,"count":1}]`...)
	}
	return append(b, '}')
}

// appendComponents tells what is broken; a full report tells what is not, too.
func appendComponents(b []byte, p *report) []byte {
	broken, state, detail := "", "", ""
	switch p.status {
	case "down":
		broken, state, detail = breakages[p.episode.part].component, "error", breakages[p.episode.part].detail
	case "degraded":
		w := wear[p.episode.part%len(wear)]
		broken, state, detail = w.component, "warning", w.detail
	}
	if broken == "" && !p.full {
		return b
	}
	b = append(b, `,"components":[`...)
	if broken != "" {
		b = appendText(b, `{"type":`, broken)
		b = appendText(b, `,"state":`, state)
		b = appendText(b, `,"detail":`, detail)
		b = append(b, `},`...)
	}
	if p.full {
		for _, c := range [...]string{"printer", "card_reader", "scanner", "cash_drawer"} {
			if c != broken {
				b = appendText(b, `{"type":`, c)
				b = append(b, `,"state":"ok"},`...)
			}
		}
	}
	b[len(b)-1] = ']'
	return b
}
