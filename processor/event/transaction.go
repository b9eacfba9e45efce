package event

// transactionField takes a field of a transaction; found is false if the key is none of them.
func (d *Decoder) transactionField(k key) (found, ok bool) {
	t, s := &d.event.Transaction, &d.scan
	switch k {
	case keyBusinessDate:
		ok = s.date(&t.BusinessDate)
	case keyStartedAt:
		ok = s.time(&t.StartedAt)
	case keyEndedAt:
		ok = s.time(&t.EndedAt)
	case keyOperator:
		ok = s.clear(&d.operator)
	case keyChannel:
		ok = s.string(&t.Channel)
	case keyOrderID:
		ok = s.string(&t.OrderID)
	case keyCurrency:
		ok = s.string(&t.Currency)
	case keyTaxIncluded:
		ok = s.bool(&t.TaxIncluded)
	case keyOriginal:
		ok = d.original()
	case keyOffline:
		ok = d.offline()
	case keyCustomer:
		ok = d.customer()
	case keyLoyalty:
		ok = d.loyalty()
	case keyLines:
		t.Lines, d.has.incomplete = t.Lines[:0], ""
		ok = s.optArray(func(i int) bool {
			if i == maxLines {
				return s.fail(ReasonOutOfRange, "at most 100000 lines")
			}
			t.Lines = grow(t.Lines)
			return d.line(i, &t.Lines[i])
		})
	case keyNotFound:
		t.NotFound = t.NotFound[:0]
		ok = s.optArray(func(i int) bool {
			t.NotFound = append(t.NotFound, NotFound{})
			return d.notFound(&t.NotFound[i])
		})
	case keyTenders:
		t.Tenders = t.Tenders[:0]
		ok = s.optArray(func(i int) bool {
			t.Tenders = append(t.Tenders, Tender{})
			return d.tender(&t.Tenders[i])
		})
	case keyTaxes:
		t.Taxes = t.Taxes[:0]
		ok = s.optArray(func(i int) bool {
			t.Taxes = append(t.Taxes, Tax{})
			return d.tax(&t.Taxes[i])
		})
	case keyTotals:
		ok = d.totals()
	case keyReserve:
		ok = d.reserve()
	default:
		return false, true
	}
	return true, ok
}

func (d *Decoder) original() bool {
	o, s := &d.event.Transaction.Original, &d.scan
	*o = Original{}
	if s.null() {
		return true
	}
	k := s.enter(shapeOriginal)
	for ; k < keys; k = s.next(shapeOriginal, k) {
		ok := true
		switch k {
		case keyTransactionID:
			ok = s.string(&o.TransactionID)
		case keyStoreID:
			ok = s.string(&o.StoreID)
		case keyTerminalID:
			ok = s.string(&o.TerminalID)
		case keySequence:
			ok = s.optUint64(&o.Sequence)
		case keyBusinessDate:
			ok = s.date(&o.BusinessDate)
		case keyReason:
			ok = s.string(&o.Reason)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

func (d *Decoder) offline() bool {
	o, s := &d.event.Transaction.Offline, &d.scan
	*o = Offline{}
	if s.null() {
		return true
	}
	k := s.enter(shapeOffline)
	for ; k < keys; k = s.next(shapeOffline, k) {
		ok := true
		switch k {
		case keyMode:
			ok = s.string(&o.Mode)
		case keyStoredAt:
			ok = s.time(&o.StoredAt)
		case keyForwardedAt:
			ok = s.time(&o.ForwardedAt)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

func (d *Decoder) customer() bool {
	c, s := &d.event.Transaction.Customer, &d.scan
	*c, d.customerID = Customer{Consent: Opt[[]string]{Value: c.Consent.Value[:0]}}, ""
	if s.null() {
		return true
	}
	k := s.enter(shapeCustomer)
	for ; k < keys; k = s.next(shapeCustomer, k) {
		ok := true
		switch k {
		case keyID:
			ok = s.clear(&d.customerID)
		case keyType:
			ok = s.string(&c.Type)
		case keyReadBy:
			ok = s.string(&c.ReadBy)
		case keyConsent:
			c.Consent.OK = !s.atNull()
			ok = s.strings(&c.Consent.Value)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

func (d *Decoder) loyalty() bool {
	l, s := &d.event.Transaction.Loyalty, &d.scan
	*l = Loyalty{}
	if s.null() {
		return true
	}
	k := s.enter(shapeLoyalty)
	for ; k < keys; k = s.next(shapeLoyalty, k) {
		ok := true
		switch k {
		case keyProgramme:
			ok = s.string(&l.Programme)
		case keyPointsEarned:
			ok = s.int64(&l.PointsEarned)
		case keyPointsRedeemed:
			ok = s.int64(&l.PointsRedeemed)
		case keyTier:
			ok = s.string(&l.Tier)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

// reset empties a line and keeps the memory of its slices.
func (l *Line) reset() {
	hierarchy, promotions := l.Hierarchy[:0], l.Promotions[:0]
	*l = Line{}
	l.Hierarchy, l.Promotions = hierarchy, promotions
}

func (d *Decoder) line(i int, l *Line) bool {
	s := &d.scan
	l.reset()
	var hasLine, hasQuantity, hasGross bool
	k := s.enter(shapeLine)
	for ; k < keys; k = s.next(shapeLine, k) {
		ok := true
		switch k {
		case keyLine:
			hasLine = hasLine || !s.atNull()
			ok = s.int64(&l.Line)
		case keyKind:
			ok = s.string(&l.Kind)
		case keyProductID:
			ok = s.code(&l.ProductID)
		case keyGTIN:
			ok = s.code(&l.GTIN)
		case keyCategory:
			ok = s.string(&l.Category)
		case keyHierarchy:
			ok = s.strings(&l.Hierarchy)
		case keyQuantity:
			hasQuantity = hasQuantity || !s.atNull()
			ok = s.thousandths(&l.Quantity)
		case keyUnit:
			ok = s.string(&l.Unit)
		case keyRegularPrice:
			ok = s.optAmount(&l.RegularPrice)
		case keyUnitPrice:
			ok = s.optAmount(&l.UnitPrice)
		case keyGross:
			hasGross = hasGross || !s.atNull()
			ok = s.amount(&l.Gross)
		case keyDiscount:
			ok = s.amount(&l.Discount)
		case keyTax:
			ok = s.amount(&l.Tax)
		case keyNet:
			ok = s.optAmount(&l.Net)
		case keyVoided:
			ok = s.bool(&l.Voided)
		case keyEntryMethod:
			ok = s.string(&l.EntryMethod)
		case keyPromotions:
			l.Promotions = l.Promotions[:0]
			ok = s.optArray(func(i int) bool {
				l.Promotions = append(l.Promotions, Promotion{})
				return d.promotion(&l.Promotions[i])
			})
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	if k != closed {
		return false
	}
	switch {
	case d.has.incomplete != "":
	case !hasLine:
		d.has.incomplete, d.has.at = "line", i
	case l.ProductID == "":
		d.has.incomplete, d.has.at = "product_id", i
	case !hasQuantity:
		d.has.incomplete, d.has.at = "quantity", i
	case !hasGross:
		d.has.incomplete, d.has.at = "gross", i
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
	k := s.enter(shapePromotion)
	for ; k < keys; k = s.next(shapePromotion, k) {
		ok := true
		switch k {
		case keyPromotionID:
			ok = s.string(&p.PromotionID)
		case keyCouponCode:
			ok = s.string(&p.CouponCode)
		case keyAmount:
			ok = s.amount(&p.Amount)
		case keyKind:
			ok = s.string(&p.Kind)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

func (d *Decoder) notFound(n *NotFound) bool {
	s := &d.scan
	k := s.enter(shapeNotFound)
	for ; k < keys; k = s.next(shapeNotFound, k) {
		ok := true
		switch k {
		case keyCode:
			ok = s.code(&n.Code)
		case keyDisposition:
			ok = s.string(&n.Disposition)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

func (d *Decoder) tender(t *Tender) bool {
	s := &d.scan
	hasAmount := false
	k := s.enter(shapeTender)
	for ; k < keys; k = s.next(shapeTender, k) {
		ok := true
		switch k {
		case keyMethod:
			ok = s.string(&t.Method)
		case keyEntryMode:
			ok = s.string(&t.EntryMode)
		case keyWallet:
			ok = s.string(&t.Wallet)
		case keyScheme:
			ok = s.string(&t.Scheme)
		case keyIssuerCountry:
			ok = s.string(&t.IssuerCountry)
		case keyLast4:
			ok = s.string(&t.Last4)
		case keyPaymentRef:
			ok = s.clear(&t.clearRef)
		case keyAmount:
			hasAmount = hasAmount || !s.atNull()
			ok = s.amount(&t.Amount)
		case keyTip:
			ok = s.amount(&t.Tip)
		case keyCashback:
			ok = s.amount(&t.Cashback)
		case keyChange:
			ok = s.amount(&t.Change)
		case keySurcharge:
			ok = s.amount(&t.Surcharge)
		case keyResult:
			ok = s.string(&t.Result)
		case keyError:
			ok = s.string(&t.Error)
		case keyAcquirer:
			ok = s.string(&t.Acquirer)
		case keyResponseCode:
			ok = s.string(&t.ResponseCode)
		case keyAuthorisationMS:
			ok = s.optUint32(&t.AuthorisationMS, maxMilli)
		case keyInteractionMS:
			ok = s.optUint32(&t.InteractionMS, maxMilli)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	switch {
	case k != closed:
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
	k := s.enter(shapeTax)
	for ; k < keys; k = s.next(shapeTax, k) {
		ok := true
		switch k {
		case keyCode:
			ok = s.string(&t.Code)
		case keyRatePPM:
			ok = s.amount(&t.RatePPM)
		case keyBase:
			ok = s.amount(&t.Base)
		case keyAmount:
			ok = s.amount(&t.Amount)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

func (d *Decoder) totals() bool {
	t, s := &d.event.Transaction.Totals, &d.scan
	*t = Totals{}
	if s.null() {
		return true
	}
	d.has.totals = true
	k := s.enter(shapeTotals)
	for ; k < keys; k = s.next(shapeTotals, k) {
		ok := true
		switch k {
		case keyGross:
			ok = s.amount(&t.Gross)
		case keyDiscount:
			ok = s.amount(&t.Discount)
		case keyTax:
			ok = s.amount(&t.Tax)
		case keyNet:
			ok = s.amount(&t.Net)
		case keyRounding:
			ok = s.amount(&t.Rounding)
		case keyPaid:
			ok = s.optAmount(&t.Paid)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}

func (d *Decoder) reserve() bool {
	r, s := &d.event.Transaction.Reserve, &d.scan
	*r = Reserve{}
	if s.null() {
		return true
	}
	k := s.enter(shapeReserve)
	for ; k < keys; k = s.next(shapeReserve, k) {
		ok := true
		switch k {
		case keySignature:
			ok = s.string(&r.Signature)
		case keyPreviousSignature:
			ok = s.string(&r.PreviousSignature)
		default:
			if !s.skip() {
				return false // a key that is not known is not repeated: it may be anything
			}
		}
		if !ok {
			return s.within(k.String())
		}
	}
	return k == closed
}
