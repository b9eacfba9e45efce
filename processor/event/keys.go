package event

import (
	"encoding/binary"
	"math"
)

// key is the name of a field, as a number: a switch over numbers is one jump.
type key uint8

// The keys of all objects. unknown stands for every other.
const (
	unknown key = iota
	keyID
	keySource
	keyType
	keyTime
	keyRecordedAt
	keySentAt
	keySequence
	keySequenceEpoch
	keyCorrects
	keyStoreID
	keyTerminalID
	keyGLN
	keyTest
	keyIDs
	keyReason
	keyBusinessDate
	keyStartedAt
	keyEndedAt
	keyOperator
	keyChannel
	keyOrderID
	keyCurrency
	keyTaxIncluded
	keyOriginal
	keyOffline
	keyCustomer
	keyLoyalty
	keyLines
	keyNotFound
	keyTenders
	keyTaxes
	keyTotals
	keyReserve
	keyTransactionID
	keyMode
	keyStoredAt
	keyForwardedAt
	keyReadBy
	keyConsent
	keyProgramme
	keyPointsEarned
	keyPointsRedeemed
	keyTier
	keyLine
	keyKind
	keyProductID
	keyGTIN
	keyCategory
	keyHierarchy
	keyQuantity
	keyUnit
	keyRegularPrice
	keyUnitPrice
	keyGross
	keyDiscount
	keyTax
	keyNet
	keyVoided
	keyEntryMethod
	keyPromotions
	keyPromotionID
	keyCouponCode
	keyAmount
	keyCode
	keyDisposition
	keyMethod
	keyEntryMode
	keyWallet
	keyScheme
	keyIssuerCountry
	keyLast4
	keyPaymentRef
	keyTip
	keyCashback
	keyChange
	keySurcharge
	keyResult
	keyError
	keyAcquirer
	keyResponseCode
	keyAuthorisationMS
	keyInteractionMS
	keyRatePPM
	keyBase
	keyRounding
	keyPaid
	keySignature
	keyPreviousSignature
	keyStatus
	keyResponseMS
	keyHeartbeatIntervalS
	keyBootID
	keyUptimeS
	keySoftwareVersion
	keyFirmwareVersion
	keyConfigVersion
	keyModel
	keySerial
	keyComponents
	keyHosts
	keyNetwork
	keyBacklog
	keyResources
	keyCapability
	keyErrors
	keyState
	keyDetail
	keyService
	keyReachable
	keyLatencyMS
	keyLossPPM
	keySignalDBM
	keyFailover
	keyTransactions
	keyPayments
	keyOldestAt
	keyCPUPct
	keyMemoryPct
	keyDiskFreeMB
	keyTemperatureC
	keyBatteryPct
	keyOnBattery
	keySell
	keyCard
	keyCash
	keyReturn
	keyCount
	keyFirstAt
	keyLastAt
	keys = iota
)

// String is the key as it is in JSON.
func (k key) String() string { return keyNames[k] }

var keyNames = [keys]string{
	keyID:                 "id",
	keySource:             "source",
	keyType:               "type",
	keyTime:               "time",
	keyRecordedAt:         "recorded_at",
	keySentAt:             "sent_at",
	keySequence:           "sequence",
	keySequenceEpoch:      "sequence_epoch",
	keyCorrects:           "corrects",
	keyStoreID:            "store_id",
	keyTerminalID:         "terminal_id",
	keyGLN:                "gln",
	keyTest:               "test",
	keyIDs:                "ids",
	keyReason:             "reason",
	keyBusinessDate:       "business_date",
	keyStartedAt:          "started_at",
	keyEndedAt:            "ended_at",
	keyOperator:           "operator",
	keyChannel:            "channel",
	keyOrderID:            "order_id",
	keyCurrency:           "currency",
	keyTaxIncluded:        "tax_included",
	keyOriginal:           "original",
	keyOffline:            "offline",
	keyCustomer:           "customer",
	keyLoyalty:            "loyalty",
	keyLines:              "lines",
	keyNotFound:           "not_found",
	keyTenders:            "tenders",
	keyTaxes:              "taxes",
	keyTotals:             "totals",
	keyReserve:            "reserve",
	keyTransactionID:      "transaction_id",
	keyMode:               "mode",
	keyStoredAt:           "stored_at",
	keyForwardedAt:        "forwarded_at",
	keyReadBy:             "read_by",
	keyConsent:            "consent",
	keyProgramme:          "programme",
	keyPointsEarned:       "points_earned",
	keyPointsRedeemed:     "points_redeemed",
	keyTier:               "tier",
	keyLine:               "line",
	keyKind:               "kind",
	keyProductID:          "product_id",
	keyGTIN:               "gtin",
	keyCategory:           "category",
	keyHierarchy:          "hierarchy",
	keyQuantity:           "quantity",
	keyUnit:               "unit",
	keyRegularPrice:       "regular_price",
	keyUnitPrice:          "unit_price",
	keyGross:              "gross",
	keyDiscount:           "discount",
	keyTax:                "tax",
	keyNet:                "net",
	keyVoided:             "voided",
	keyEntryMethod:        "entry_method",
	keyPromotions:         "promotions",
	keyPromotionID:        "promotion_id",
	keyCouponCode:         "coupon_code",
	keyAmount:             "amount",
	keyCode:               "code",
	keyDisposition:        "disposition",
	keyMethod:             "method",
	keyEntryMode:          "entry_mode",
	keyWallet:             "wallet",
	keyScheme:             "scheme",
	keyIssuerCountry:      "issuer_country",
	keyLast4:              "last4",
	keyPaymentRef:         "payment_ref",
	keyTip:                "tip",
	keyCashback:           "cashback",
	keyChange:             "change",
	keySurcharge:          "surcharge",
	keyResult:             "result",
	keyError:              "error",
	keyAcquirer:           "acquirer",
	keyResponseCode:       "response_code",
	keyAuthorisationMS:    "authorisation_ms",
	keyInteractionMS:      "interaction_ms",
	keyRatePPM:            "rate_ppm",
	keyBase:               "base",
	keyRounding:           "rounding",
	keyPaid:               "paid",
	keySignature:          "signature",
	keyPreviousSignature:  "previous_signature",
	keyStatus:             "status",
	keyResponseMS:         "response_ms",
	keyHeartbeatIntervalS: "heartbeat_interval_s",
	keyBootID:             "boot_id",
	keyUptimeS:            "uptime_s",
	keySoftwareVersion:    "software_version",
	keyFirmwareVersion:    "firmware_version",
	keyConfigVersion:      "config_version",
	keyModel:              "model",
	keySerial:             "serial",
	keyComponents:         "components",
	keyHosts:              "hosts",
	keyNetwork:            "network",
	keyBacklog:            "backlog",
	keyResources:          "resources",
	keyCapability:         "capability",
	keyErrors:             "errors",
	keyState:              "state",
	keyDetail:             "detail",
	keyService:            "service",
	keyReachable:          "reachable",
	keyLatencyMS:          "latency_ms",
	keyLossPPM:            "loss_ppm",
	keySignalDBM:          "signal_dbm",
	keyFailover:           "failover",
	keyTransactions:       "transactions",
	keyPayments:           "payments",
	keyOldestAt:           "oldest_at",
	keyCPUPct:             "cpu_pct",
	keyMemoryPct:          "memory_pct",
	keyDiskFreeMB:         "disk_free_mb",
	keyTemperatureC:       "temperature_c",
	keyBatteryPct:         "battery_pct",
	keyOnBattery:          "on_battery",
	keySell:               "sell",
	keyCard:               "card",
	keyCash:               "cash",
	keyReturn:             "return",
	keyCount:              "count",
	keyFirstAt:            "first_at",
	keyLastAt:             "last_at",
}

// spelling is a key as compact JSON has it, in quotes and with the colon, made for comparing sixteen bytes at once. That of unknown is nowhere in UTF-8.
type spelling struct {
	text, used [2]uint64 // the first sixteen bytes, and which of their bits count
	whole      string
	length     int // of whole
}

var spelled = func() (all [keys]spelling) {
	all[unknown].text[0], all[unknown].used[0] = math.MaxUint64, math.MaxUint64
	for k := unknown + 1; k < keys; k++ {
		w := &all[k]
		w.whole = `"` + k.String() + `":`
		w.length = len(w.whole)
		var text, used [16]byte
		for i := range copy(text[:], w.whole) {
			used[i] = 0xff
		}
		for i := range 2 {
			w.text[i] = binary.LittleEndian.Uint64(text[8*i:])
			w.used[i] = binary.LittleEndian.Uint64(used[8*i:])
		}
	}
	return all
}()

// at says whether the key stands at b[i].
func (w *spelling) at(b []byte, i int) bool {
	if i+16 > len(b) || w.length > 16 {
		return w.length > 0 && i+w.length <= len(b) && string(b[i:i+w.length]) == w.whole
	}
	c := b[i : i+16]
	return (binary.LittleEndian.Uint64(c)^w.text[0])&w.used[0]|(binary.LittleEndian.Uint64(c[8:])^w.text[1])&w.used[1] == 0
}

// named are the keys by name.
var named = func() map[string]key {
	m := make(map[string]key, keys)
	for k := unknown + 1; k < keys; k++ {
		m[k.String()] = k
	}
	return m
}()

// shape is a kind of object: one whose keys a sender writes in the same order every time.
type shape uint8

const (
	shapeEvent shape = iota
	shapeCorrects
	shapeOriginal
	shapeOffline
	shapeCustomer
	shapeLoyalty
	shapeLine
	shapePromotion
	shapeNotFound
	shapeTender
	shapeTax
	shapeTotals
	shapeReserve
	shapeComponent
	shapeHost
	shapeNetwork
	shapeBacklog
	shapeResources
	shapeCapability
	shapeError
	shapeSkipped
	shapes = iota
)

// habits are what is expected of senders: in each shape, the keys that followed another one last and before, or that came first (behind unknown). They are a
// guess, checked against the input, so they only ever save time.
type habits [shapes][keys]struct{ last, other key }
