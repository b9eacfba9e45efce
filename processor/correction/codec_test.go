package correction

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
)

var anyAmount = rapid.OneOf(rapid.Int64Range(-999, 999), rapid.Int64Range(-1<<28, 1<<28), rapid.Int64())

func anyTime(t *rapid.T) event.Time {
	return event.Time{Milli: anyAmount.Draw(t, "ms"), Offset: rapid.Int32().Draw(t, "offset"), OK: true}
}

func text(t *rapid.T) string { return rapid.OneOf(rapid.Just(""), rapid.String()).Draw(t, "text") }

// anyContent has random values in every field that is kept, and in no other.
func anyContent(t *rapid.T) *event.Event {
	e := &event.Event{}
	e.Type, e.Test, e.Time = event.TypeTransaction, rapid.Bool().Draw(t, "test"), anyTime(t)
	x := &e.Transaction
	if rapid.Bool().Draw(t, "ended") {
		x.EndedAt = anyTime(t)
	}
	x.BusinessDate = event.Some(rapid.Int32().Draw(t, "date"))
	x.Kind, x.Channel, x.Currency, x.OrderID = text(t), text(t), text(t), text(t)
	if rapid.Bool().Draw(t, "original") {
		x.Original = event.Original{TransactionID: text(t), StoreID: text(t), TerminalID: text(t), Reason: text(t)}
		if rapid.Bool().Draw(t, "number") {
			x.Original.Sequence = event.Some(rapid.Uint64Range(0, 1<<63).Draw(t, "sequence"))
		}
		if rapid.Bool().Draw(t, "dated") {
			x.Original.BusinessDate = event.Some(rapid.Int32().Draw(t, "original's date"))
		}
	}
	x.Offline.Mode = text(t)
	x.Customer.Type = text(t)
	x.Totals.Gross, x.Totals.Tax = anyAmount.Draw(t, "gross"), anyAmount.Draw(t, "tax")
	for range rapid.IntRange(0, 3).Draw(t, "lines") {
		l := event.Line{
			Kind: text(t), ProductID: text(t), Category: text(t), Voided: rapid.Bool().Draw(t, "voided"),
			Quantity: anyAmount.Draw(t, "quantity"), Gross: anyAmount.Draw(t, "gross"), Discount: anyAmount.Draw(t, "discount"), Tax: anyAmount.Draw(t, "tax"),
		}
		for range rapid.IntRange(0, 2).Draw(t, "hierarchy") {
			l.Hierarchy = append(l.Hierarchy, text(t))
		}
		if rapid.Bool().Draw(t, "net") {
			l.Net = event.Some(anyAmount.Draw(t, "net"))
		}
		for range rapid.IntRange(0, 2).Draw(t, "promotions") {
			l.Promotions = append(l.Promotions, event.Promotion{PromotionID: text(t), CouponCode: text(t), Kind: text(t), Amount: anyAmount.Draw(t, "rebate")})
		}
		x.Lines = append(x.Lines, l)
	}
	for range rapid.IntRange(0, 2).Draw(t, "tenders") {
		d := event.Tender{
			Method: text(t), EntryMode: text(t), Wallet: text(t), Scheme: text(t), Acquirer: text(t), Result: text(t), Error: text(t), Amount: anyAmount.Draw(t, "amount"),
		}
		if rapid.Bool().Draw(t, "timed") {
			d.AuthorisationMS = event.Some(rapid.Uint32().Draw(t, "ms"))
		}
		x.Tenders = append(x.Tenders, d)
	}
	return e
}

func TestContentComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyContent(t)
		var got event.Event
		if err := decodeContent(string(appendContent(nil, want, want.Transaction.BusinessDate.Value)), &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, &got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(event.Event{}, event.Tender{})); d != "" {
			t.Fatal(d)
		}
	})
}

// What was kept in format 1, before a flag said what there is not, is read as long as it is kept.
func TestContentOfFormat1(t *testing.T) {
	const kept = "\x01\x00\x80\x98\xdb\xe6\x95g\xa08\xc4\xc0\x02\x04sale\x00\x03EUR\x00\xf4\x03P" +
		"\x02\x00\x00\x01p\x00\x00\xd0\x0f\x88\x04\x14\x00\x01\x01x\x00\x00\x14" + "\x00\x00\x01q\x00\x02\x04food\x05fruit\xa0\x1f\x00\x00\x00\x00" +
		"\x01\x00\x04card\x00\x00\x00\x01a\bapproved\x00\xf4\x03"
	want := &event.Event{}
	want.Type, want.Time = event.TypeTransaction, event.Time{Milli: 1_772_452_800_000, Offset: 3600, OK: true}
	want.Transaction = event.Transaction{
		Kind: "sale", Currency: "EUR", BusinessDate: event.Some[int32](20_514), Totals: event.Totals{Gross: 250, Tax: 40},
		Lines: []event.Line{
			{ProductID: "p", Quantity: 1000, Gross: 260, Discount: 10, Promotions: []event.Promotion{{PromotionID: "x", Amount: 10}}},
			{ProductID: "q", Hierarchy: []string{"food", "fruit"}, Quantity: 2000},
		},
		Tenders: []event.Tender{{Method: "card", Acquirer: "a", Amount: 250, Result: "approved"}},
	}
	var got event.Event
	if err := decodeContent(kept, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, &got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(event.Event{}, event.Tender{})); d != "" {
		t.Error(d)
	}
	for _, format := range []string{"\x00", "\x03"} {
		if err := decodeContent(format+kept[1:], &got); err == nil {
			t.Errorf("format %q was read", format)
		}
	}
}

// A clear id, an operator and what is on a card are not kept.
func TestContentHasNoPersons(t *testing.T) {
	e := &event.Event{}
	e.Transaction.Kind = "sale"
	e.Transaction.Lines = []event.Line{{ProductID: "p"}}
	e.Transaction.Tenders = []event.Tender{{Method: "card"}}
	bare := string(appendContent(nil, e, 0))
	e.Transaction.Operator, e.Transaction.Customer.Pseudonym = 7, 8
	e.Transaction.Tenders[0].PaymentRef, e.Transaction.Tenders[0].Last4 = 9, "1234"
	if got := string(appendContent(nil, e, 0)); got != bare {
		t.Errorf("%q, want %q", got, bare)
	}
}

// What is damaged is an error: it neither panics nor takes memory for what is not there, and what is taken is written again as something that is read alike.
func FuzzContent(f *testing.F) {
	e := &event.Event{}
	e.Transaction.Lines = []event.Line{{ProductID: "p", Net: event.Some[int64](3), Promotions: make([]event.Promotion, 1)}}
	e.Transaction.Tenders = []event.Tender{{AuthorisationMS: event.Some[uint32](3)}}
	e.Transaction.Original.Sequence = event.Some[uint64](3)
	f.Add(string(appendContent(nil, e, 7)))
	f.Add("")
	f.Fuzz(func(t *testing.T, content string) {
		var e, again event.Event
		if decodeContent(content, &e) != nil {
			return
		}
		if err := decodeContent(string(appendContent(nil, &e, e.Transaction.BusinessDate.Value)), &again); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, again, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(event.Event{}, event.Tender{})); d != "" {
			t.Error(d)
		}
	})
}
