package event

// transactionField takes a field of a transaction; found is false if the key is none of them.
func (d *Decoder) transactionField(key string) (found, ok bool) {
	t, s := &d.event.Transaction, &d.scan
	switch key {
	case "business_date":
		ok = s.date(&t.BusinessDate)
	case "started_at":
		ok = s.time(&t.StartedAt)
	case "ended_at":
		ok = s.time(&t.EndedAt)
	case "operator":
		ok = s.clear(&d.operator)
	case "channel":
		ok = s.string(&t.Channel)
	case "order_id":
		ok = s.string(&t.OrderID)
	case "currency":
		ok = s.string(&t.Currency)
	case "tax_included":
		ok = s.bool(&t.TaxIncluded)
	case "original":
		ok = d.original()
	case "offline":
		ok = d.offline()
	case "customer":
		ok = d.customer()
	case "loyalty":
		ok = d.loyalty()
	case "lines":
		t.Lines = t.Lines[:0]
		ok = s.optArray(func(i int) bool {
			if i == maxLines {
				return s.fail(ReasonOutOfRange, "at most 100000 lines")
			}
			t.Lines = grow(t.Lines)
			return d.line(&t.Lines[i])
		})
	case "not_found":
		t.NotFound = t.NotFound[:0]
		ok = s.optArray(func(i int) bool {
			t.NotFound = append(t.NotFound, NotFound{})
			return d.notFound(&t.NotFound[i])
		})
	case "tenders":
		t.Tenders = t.Tenders[:0]
		ok = s.optArray(func(i int) bool {
			t.Tenders = append(t.Tenders, Tender{})
			return d.tender(&t.Tenders[i])
		})
	case "taxes":
		t.Taxes = t.Taxes[:0]
		ok = s.optArray(func(i int) bool {
			t.Taxes = append(t.Taxes, Tax{})
			return d.tax(&t.Taxes[i])
		})
	case "totals":
		ok = d.totals()
	case "reserve":
		ok = d.reserve()
	default:
		return false, true
	}
	return true, ok
}

func (d *Decoder) original() bool {
	o, s := &d.event.Transaction.Original, &d.scan
	*o = Original{}
	return s.optObject(func(key string) bool {
		ok := true
		switch key {
		case "transaction_id":
			ok = s.string(&o.TransactionID)
		case "store_id":
			ok = s.string(&o.StoreID)
		case "terminal_id":
			ok = s.string(&o.TerminalID)
		case "sequence":
			ok = s.optUint64(&o.Sequence)
		case "business_date":
			ok = s.date(&o.BusinessDate)
		case "reason":
			ok = s.string(&o.Reason)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}

func (d *Decoder) offline() bool {
	o, s := &d.event.Transaction.Offline, &d.scan
	*o = Offline{}
	return s.optObject(func(key string) bool {
		ok := true
		switch key {
		case "mode":
			ok = s.string(&o.Mode)
		case "stored_at":
			ok = s.time(&o.StoredAt)
		case "forwarded_at":
			ok = s.time(&o.ForwardedAt)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}

func (d *Decoder) customer() bool {
	c, s := &d.event.Transaction.Customer, &d.scan
	*c, d.customerID = Customer{Consent: c.Consent[:0]}, ""
	return s.optObject(func(key string) bool {
		ok := true
		switch key {
		case "id":
			ok = s.clear(&d.customerID)
		case "type":
			ok = s.string(&c.Type)
		case "read_by":
			ok = s.string(&c.ReadBy)
		case "consent":
			ok = s.strings(&c.Consent)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}

func (d *Decoder) loyalty() bool {
	l, s := &d.event.Transaction.Loyalty, &d.scan
	*l = Loyalty{}
	return s.optObject(func(key string) bool {
		ok := true
		switch key {
		case "programme":
			ok = s.string(&l.Programme)
		case "points_earned":
			ok = s.int64(&l.PointsEarned)
		case "points_redeemed":
			ok = s.int64(&l.PointsRedeemed)
		case "tier":
			ok = s.string(&l.Tier)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}

func (d *Decoder) line(l *Line) bool {
	s := &d.scan
	hierarchy, promotions := l.Hierarchy[:0], l.Promotions[:0]
	*l = Line{}
	l.Hierarchy, l.Promotions = hierarchy, promotions
	var hasLine, hasQuantity, hasGross bool
	ok := s.object(func(key string) bool {
		ok := true
		switch key {
		case "line":
			hasLine = hasLine || !s.atNull()
			ok = s.int64(&l.Line)
		case "kind":
			ok = s.string(&l.Kind)
		case "product_id":
			ok = s.code(&l.ProductID)
		case "gtin":
			ok = s.code(&l.GTIN)
		case "category":
			ok = s.string(&l.Category)
		case "hierarchy":
			ok = s.strings(&l.Hierarchy)
		case "quantity":
			hasQuantity = hasQuantity || !s.atNull()
			ok = s.quantity(&l.Quantity)
		case "unit":
			ok = s.string(&l.Unit)
		case "regular_price":
			ok = s.optAmount(&l.RegularPrice)
		case "unit_price":
			ok = s.optAmount(&l.UnitPrice)
		case "gross":
			hasGross = hasGross || !s.atNull()
			ok = s.amount(&l.Gross)
		case "discount":
			ok = s.amount(&l.Discount)
		case "tax":
			ok = s.amount(&l.Tax)
		case "net":
			ok = s.optAmount(&l.Net)
		case "voided":
			ok = s.bool(&l.Voided)
		case "entry_method":
			ok = s.string(&l.EntryMethod)
		case "promotions":
			l.Promotions = l.Promotions[:0]
			ok = s.optArray(func(i int) bool {
				l.Promotions = append(l.Promotions, Promotion{})
				return d.promotion(&l.Promotions[i])
			})
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
	switch {
	case !ok:
		return false
	case !hasLine:
		return d.missing("line")
	case l.ProductID == "":
		return d.missing("product_id")
	case !hasQuantity:
		return d.missing("quantity")
	case !hasGross:
		return d.missing("gross")
	case l.GTIN != "" && !isGTIN(l.GTIN):
		return s.fail(ReasonInvalidValue, "a GTIN with its check digit") || s.within("gtin")
	}
	return true
}

// missing rejects an event for a field that is required.
func (d *Decoder) missing(field string) bool {
	return d.scan.fail(ReasonMissingField, "the field, and not empty") || d.scan.within(field)
}

func (d *Decoder) promotion(p *Promotion) bool {
	s := &d.scan
	return s.object(func(key string) bool {
		ok := true
		switch key {
		case "promotion_id":
			ok = s.string(&p.PromotionID)
		case "coupon_code":
			ok = s.string(&p.CouponCode)
		case "amount":
			ok = s.amount(&p.Amount)
		case "kind":
			ok = s.string(&p.Kind)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}

func (d *Decoder) notFound(n *NotFound) bool {
	s := &d.scan
	return s.object(func(key string) bool {
		ok := true
		switch key {
		case "code":
			ok = s.code(&n.Code)
		case "disposition":
			ok = s.string(&n.Disposition)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}

func (d *Decoder) tender(t *Tender) bool {
	s := &d.scan
	hasAmount := false
	ok := s.object(func(key string) bool {
		ok := true
		switch key {
		case "method":
			ok = s.string(&t.Method)
		case "entry_mode":
			ok = s.string(&t.EntryMode)
		case "wallet":
			ok = s.string(&t.Wallet)
		case "scheme":
			ok = s.string(&t.Scheme)
		case "issuer_country":
			ok = s.string(&t.IssuerCountry)
		case "last4":
			ok = s.string(&t.Last4)
		case "payment_ref":
			ok = s.clear(&t.clearRef)
		case "amount":
			hasAmount = hasAmount || !s.atNull()
			ok = s.amount(&t.Amount)
		case "tip":
			ok = s.amount(&t.Tip)
		case "cashback":
			ok = s.amount(&t.Cashback)
		case "change":
			ok = s.amount(&t.Change)
		case "surcharge":
			ok = s.amount(&t.Surcharge)
		case "result":
			ok = s.string(&t.Result)
		case "error":
			ok = s.string(&t.Error)
		case "acquirer":
			ok = s.string(&t.Acquirer)
		case "response_code":
			ok = s.string(&t.ResponseCode)
		case "authorisation_ms":
			ok = s.optUint32(&t.AuthorisationMS, maxMilli)
		case "interaction_ms":
			ok = s.optUint32(&t.InteractionMS, maxMilli)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
	switch {
	case !ok:
		return false
	case t.Method == "":
		return d.missing("method")
	case !hasAmount:
		return d.missing("amount")
	case t.Result == "":
		return d.missing("result")
	}
	return true
}

func (d *Decoder) tax(t *Tax) bool {
	s := &d.scan
	return s.object(func(key string) bool {
		ok := true
		switch key {
		case "code":
			ok = s.string(&t.Code)
		case "rate_ppm":
			ok = s.amount(&t.RatePPM)
		case "base":
			ok = s.amount(&t.Base)
		case "amount":
			ok = s.amount(&t.Amount)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}

func (d *Decoder) totals() bool {
	t, s := &d.event.Transaction.Totals, &d.scan
	*t = Totals{}
	if s.null() {
		return true
	}
	d.has.totals = true
	return s.object(func(key string) bool {
		ok := true
		switch key {
		case "gross":
			ok = s.amount(&t.Gross)
		case "discount":
			ok = s.amount(&t.Discount)
		case "tax":
			ok = s.amount(&t.Tax)
		case "net":
			ok = s.amount(&t.Net)
		case "rounding":
			ok = s.amount(&t.Rounding)
		case "paid":
			ok = s.optAmount(&t.Paid)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}

func (d *Decoder) reserve() bool {
	r, s := &d.event.Transaction.Reserve, &d.scan
	*r = Reserve{}
	return s.optObject(func(key string) bool {
		ok := true
		switch key {
		case "signature":
			ok = s.string(&r.Signature)
		case "previous_signature":
			ok = s.string(&r.PreviousSignature)
		default:
			return s.skip() // a key that is not known is not repeated: it may be anything
		}
		return ok || s.within(key)
	})
}
