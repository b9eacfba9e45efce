package event

import (
	"math"
	"unsafe"
)

// kind is what the value of a field is.
type kind uint8

const (
	skipped kind = iota // of no field that is known
	text
	clearText // what is not to be masked, since it is not kept
	number
	instant
	day
	boolean
	typ     // of the event
	texts   // a list of strings
	object  // of a shape
	objects // a list of objects of a shape
	counter // of lines
	none    // nothing: what was constant is on the way
	ending  // nothing: the event ends
)

// part is what a field belongs to.
type part uint8

const (
	ofEvent part = iota
	ofDecoder
	ofLine // from here on the last element of a list
	ofPromotion
	ofNotFound
	ofTender
	ofTax
	ofComponent
	ofHost
	ofError
	parts = 16 // or less, and a power of two
)

// field is what a skeleton knows of one.
type field struct {
	kind      kind
	part      part
	few       bool   // it has few values
	narrow    bool   // a number of 32 bits
	shape     shape  // of an object
	ok        uint32 // where its OK is, from its offset, if it has one
	offset    uint32 // in its part
	given     uint32 // what is told of it
	low, high int64  // of a number
	scale     int64  // a number is multiplied by it
}

// What is told of fields. Those of a line and of a tender are of the last one.
const (
	givenTransaction = 1 << iota
	givenHealth
	givenLine
	givenQuantity
	givenGross
	givenAmount
	givenOnce // from here on a bit for each object that an event has once
)

// fields are those of each shape that a skeleton may have.
var fields = func() (all [shapes][keys]field) {
	var e Event
	t, h := &e.Transaction, &e.Health
	once := uint32(givenOnce)
	put := func(of shape, p part, base unsafe.Pointer, given uint32, named map[key]any) {
		for k, into := range named {
			f := fieldOf(base, into)
			f.part, f.given = p, given
			if f.kind == object {
				f.given |= once
				once <<= 1
			}
			all[of][k] = f
		}
	}
	whole := unsafe.Pointer(&e)
	put(shapeEvent, ofEvent, whole, 0, map[key]any{
		keyID: &e.ID, keySource: &e.Source, keyTime: &e.Time, keyRecordedAt: &e.RecordedAt, keySentAt: &e.SentAt, keySequence: &e.Sequence, keySequenceEpoch: &e.SequenceEpoch,
		keyStoreID: &e.StoreID, keyTerminalID: &e.TerminalID, keyGLN: &e.GLN, keyTest: &e.Test, keyKind: &t.Kind,
	})
	put(shapeEvent, ofEvent, whole, givenTransaction, map[key]any{
		keyBusinessDate: &t.BusinessDate, keyStartedAt: &t.StartedAt, keyEndedAt: &t.EndedAt, keyChannel: &t.Channel, keyOrderID: &t.OrderID, keyCurrency: &t.Currency,
		keyTaxIncluded: &t.TaxIncluded, keyOriginal: shapeOriginal, keyOffline: shapeOffline, keyCustomer: shapeCustomer, keyLoyalty: shapeLoyalty, keyLines: &t.Lines,
		keyNotFound: &t.NotFound, keyTenders: &t.Tenders, keyTaxes: &t.Taxes, keyTotals: shapeTotals, keyReserve: shapeReserve,
	})
	put(shapeEvent, ofEvent, whole, givenHealth, map[key]any{
		keyStatus: &h.Status, keyResponseMS: &h.ResponseMS, keyHeartbeatIntervalS: &h.HeartbeatInterval, keyBootID: &h.BootID, keyUptimeS: &h.UptimeS,
		keySoftwareVersion: &h.SoftwareVersion, keyFirmwareVersion: &h.FirmwareVersion, keyConfigVersion: &h.ConfigVersion, keyModel: &h.Model, keySerial: &h.Serial,
		keyComponents: &h.Components, keyHosts: &h.Hosts, keyNetwork: shapeNetwork, keyBacklog: shapeBacklog, keyResources: shapeResources, keyCapability: shapeCapability, keyErrors: &h.Errors,
	})
	all[shapeEvent][keyType] = field{kind: typ}

	o, f, c, y, totals, r := &t.Original, &t.Offline, &t.Customer, &t.Loyalty, &t.Totals, &t.Reserve
	for of, named := range map[shape]map[key]any{
		shapeOriginal: {keyTransactionID: &o.TransactionID, keyStoreID: &o.StoreID, keyTerminalID: &o.TerminalID, keySequence: &o.Sequence, keyBusinessDate: &o.BusinessDate, keyReason: &o.Reason},
		shapeOffline:  {keyMode: &f.Mode, keyStoredAt: &f.StoredAt, keyForwardedAt: &f.ForwardedAt},
		shapeCustomer: {keyType: &c.Type, keyReadBy: &c.ReadBy, keyConsent: &c.Consent},
		shapeLoyalty:  {keyProgramme: &y.Programme, keyPointsEarned: &y.PointsEarned, keyPointsRedeemed: &y.PointsRedeemed, keyTier: &y.Tier},
		shapeTotals: {
			keyGross: &totals.Gross, keyDiscount: &totals.Discount, keyTax: &totals.Tax, keyNet: &totals.Net, keyRounding: &totals.Rounding, keyPaid: &totals.Paid,
		},
		shapeReserve: {keySignature: &r.Signature, keyPreviousSignature: &r.PreviousSignature},
	} {
		put(of, ofEvent, whole, 0, named)
	}
	n, b, s, can := &h.Network, &h.Backlog, &h.Resources, &h.Capability
	for of, named := range map[shape]map[key]any{
		shapeNetwork: {keyKind: &n.Kind, keyLatencyMS: &n.LatencyMS, keyLossPPM: &n.LossPPM, keySignalDBM: &n.SignalDBM, keyFailover: &n.Failover},
		shapeBacklog: {keyTransactions: &b.Transactions, keyPayments: &b.Payments, keyAmount: &b.Amount, keyCurrency: &b.Currency, keyOldestAt: &b.OldestAt},
		shapeResources: {
			keyCPUPct: &s.CPUPct, keyMemoryPct: &s.MemoryPct, keyDiskFreeMB: &s.DiskFreeMB, keyTemperatureC: &s.TemperatureC, keyBatteryPct: &s.BatteryPct, keyOnBattery: &s.OnBattery,
		},
		shapeCapability: {keySell: &can.Sell, keyCard: &can.Card, keyCash: &can.Cash, keyReturn: &can.Return, keyOffline: &can.Offline},
	} {
		put(of, ofEvent, whole, 0, named)
	}

	var l Line
	put(shapeLine, ofLine, unsafe.Pointer(&l), 0, map[key]any{
		keyLine: &l.Line, keyKind: &l.Kind, keyProductID: &l.ProductID, keyGTIN: &l.GTIN, keyCategory: &l.Category, keyHierarchy: &l.Hierarchy, keyQuantity: &l.Quantity, keyUnit: &l.Unit,
		keyRegularPrice: &l.RegularPrice, keyUnitPrice: &l.UnitPrice, keyGross: &l.Gross, keyDiscount: &l.Discount, keyTax: &l.Tax, keyNet: &l.Net, keyVoided: &l.Voided,
		keyEntryMethod: &l.EntryMethod, keyPromotions: &l.Promotions,
	})
	var p Promotion
	put(shapePromotion, ofPromotion, unsafe.Pointer(&p), 0, map[key]any{keyPromotionID: &p.PromotionID, keyCouponCode: &p.CouponCode, keyAmount: &p.Amount, keyKind: &p.Kind})
	var missing NotFound
	put(shapeNotFound, ofNotFound, unsafe.Pointer(&missing), 0, map[key]any{keyCode: &missing.Code, keyDisposition: &missing.Disposition})
	var w Tender
	put(shapeTender, ofTender, unsafe.Pointer(&w), 0, map[key]any{
		keyMethod: &w.Method, keyEntryMode: &w.EntryMode, keyWallet: &w.Wallet, keyScheme: &w.Scheme, keyIssuerCountry: &w.IssuerCountry, keyLast4: &w.Last4, keyPaymentRef: &w.clearRef,
		keyAmount: &w.Amount, keyTip: &w.Tip, keyCashback: &w.Cashback, keyChange: &w.Change, keySurcharge: &w.Surcharge, keyResult: &w.Result, keyError: &w.Error,
		keyAcquirer: &w.Acquirer, keyResponseCode: &w.ResponseCode, keyAuthorisationMS: &w.AuthorisationMS, keyInteractionMS: &w.InteractionMS,
	})
	var x Tax
	put(shapeTax, ofTax, unsafe.Pointer(&x), 0, map[key]any{keyCode: &x.Code, keyRatePPM: &x.RatePPM, keyBase: &x.Base, keyAmount: &x.Amount})
	var m Component
	put(shapeComponent, ofComponent, unsafe.Pointer(&m), 0, map[key]any{keyType: &m.Type, keyID: &m.ID, keyState: &m.State, keyDetail: &m.Detail})
	var i Host
	put(shapeHost, ofHost, unsafe.Pointer(&i), 0, map[key]any{keyService: &i.Service, keyReachable: &i.Reachable, keyLatencyMS: &i.LatencyMS, keyError: &i.Error})
	var q HealthError
	put(shapeError, ofError, unsafe.Pointer(&q), 0, map[key]any{keyCode: &q.Code, keyCount: &q.Count, keyFirstAt: &q.FirstAt, keyLastAt: &q.LastAt})

	var d Decoder
	put(shapeEvent, ofDecoder, unsafe.Pointer(&d), givenTransaction, map[key]any{keyOperator: &d.operator})
	put(shapeCustomer, ofDecoder, unsafe.Pointer(&d), 0, map[key]any{keyID: &d.customerID})
	for _, c := range []struct {
		of shape
		k  key
	}{{shapeEvent, keyOperator}, {shapeCustomer, keyID}, {shapeTender, keyPaymentRef}} {
		all[c.of][c.k].kind = clearText
	}

	for _, c := range []struct {
		of        shape
		k         key
		low, high int64
	}{
		{shapeEvent, keyResponseMS, 0, maxMilli},
		{shapeEvent, keyHeartbeatIntervalS, 0, maxHeartbeatS},
		{shapeLine, keyLine, math.MinInt64 + 1, math.MaxInt64},
		{shapeLoyalty, keyPointsEarned, math.MinInt64 + 1, math.MaxInt64},
		{shapeLoyalty, keyPointsRedeemed, math.MinInt64 + 1, math.MaxInt64},
		{shapeTender, keyAuthorisationMS, 0, maxMilli},
		{shapeTender, keyInteractionMS, 0, maxMilli},
		{shapeHost, keyLatencyMS, 0, maxMilli},
		{shapeNetwork, keyLatencyMS, 0, maxMilli},
		{shapeNetwork, keyLossPPM, 0, 1_000_000},
		{shapeNetwork, keySignalDBM, -1e6, 1e6},
		{shapeResources, keyCPUPct, 0, 100},
		{shapeResources, keyMemoryPct, 0, 100},
		{shapeResources, keyTemperatureC, -1e6, 1e6},
		{shapeResources, keyBatteryPct, 0, 100},
	} {
		all[c.of][c.k].low, all[c.of][c.k].high = c.low, c.high
	}
	all[shapeLine][keyQuantity].scale = 1000
	all[shapeLine][keyLine].given, all[shapeLine][keyLine].kind = givenLine, counter
	all[shapeLine][keyQuantity].given = givenQuantity
	all[shapeLine][keyGross].given = givenGross
	all[shapeTender][keyAmount].given = givenAmount

	for of, named := range map[shape][]key{
		shapeEvent: {keyKind, keyChannel, keyCurrency, keyStatus, keyHeartbeatIntervalS}, shapeCustomer: {keyType, keyReadBy}, shapeLoyalty: {keyProgramme}, shapeOffline: {keyMode},
		shapeLine: {keyKind, keyUnit, keyEntryMethod}, shapePromotion: {keyKind}, shapeNotFound: {keyDisposition}, shapeTender: {keyMethod, keyEntryMode, keyResult}, shapeTax: {keyRatePPM},
	} {
		for _, k := range named {
			all[of][k].few = true
		}
	}
	return all
}()

// fieldOf is the field that into points to, in what begins at base, or an object of a shape.
func fieldOf(base unsafe.Pointer, into any) field {
	at := func(p unsafe.Pointer) uint32 { return uint32(uintptr(p) - uintptr(base)) }
	f := field{scale: 1}
	switch p := into.(type) {
	case shape:
		f.kind, f.shape = object, p
	case *string:
		f.kind, f.offset = text, at(unsafe.Pointer(p))
	case *Time:
		f.kind, f.offset = instant, at(unsafe.Pointer(p))
	case *Opt[int32]:
		f.kind, f.offset = day, at(unsafe.Pointer(p))
	case *bool:
		f.kind, f.offset = boolean, at(unsafe.Pointer(p))
	case *Opt[bool]:
		f.kind, f.offset, f.ok = boolean, at(unsafe.Pointer(p)), uint32(unsafe.Offsetof(p.OK))
	case *int64:
		f.kind, f.offset, f.low, f.high = number, at(unsafe.Pointer(p)), -maxAmount, maxAmount
	case *uint32:
		f.kind, f.offset, f.high, f.narrow = number, at(unsafe.Pointer(p)), math.MaxUint32, true
	case *Opt[int64]:
		f.kind, f.offset, f.low, f.high, f.ok = number, at(unsafe.Pointer(p)), -maxAmount, maxAmount, uint32(unsafe.Offsetof(p.OK))
	case *Opt[uint32]:
		f.kind, f.offset, f.high, f.narrow, f.ok = number, at(unsafe.Pointer(p)), math.MaxUint32, true, uint32(unsafe.Offsetof(p.OK))
	case *Opt[uint64]:
		f.kind, f.offset, f.high, f.ok = number, at(unsafe.Pointer(p)), math.MaxInt64, uint32(unsafe.Offsetof(p.OK))
	case *[]string:
		f.kind, f.offset = texts, at(unsafe.Pointer(p))
	case *Opt[[]string]:
		f.kind, f.offset, f.ok = texts, at(unsafe.Pointer(p)), uint32(unsafe.Offsetof(p.OK))
	case *[]Line:
		f.kind, f.shape = objects, shapeLine
	case *[]Promotion:
		f.kind, f.shape = objects, shapePromotion
	case *[]NotFound:
		f.kind, f.shape = objects, shapeNotFound
	case *[]Tender:
		f.kind, f.shape = objects, shapeTender
	case *[]Tax:
		f.kind, f.shape = objects, shapeTax
	case *[]Component:
		f.kind, f.shape = objects, shapeComponent
	case *[]Host:
		f.kind, f.shape = objects, shapeHost
	case *[]HealthError:
		f.kind, f.shape = objects, shapeError
	}
	return f
}
