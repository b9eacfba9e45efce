package simulator

import "strconv"

// appendTransaction writes pos.transaction.v1 as the make of till has it.
func appendTransaction(b []byte, tx *transaction) []byte {
	t, s := tx.till, tx.store
	b = appendEnvelope(b, &tx.header)
	if tx.corrects > 0 {
		b = appendTimeField(b, `,"recorded_at":`, tx.recorded, tx.offset)
		b = append(b, `,"corrects":{"ids":["`...)
		b = append(appendID(b, t, transactions, t.install, tx.corrects), `"],"reason":"mistyped"}`...)
	}
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
