package event

import (
	"strings"
	"testing"
	"time"
)

// signOn is an event of the kind that needs least, with more fields behind.
func signOn(fields string) []byte {
	return []byte(`{"id":"i","source":"s","type":"pos.transaction.v1","time":"2026-11-23T10:00:00Z","store_id":"1","terminal_id":"t","kind":"sign_on","currency":"EUR"` + fields + `}`)
}

// null is no amount: taken as zero it would be a sale for nothing.
func TestNullIsNoNumber(t *testing.T) {
	for field, text := range map[string]string{
		"lines[0].line":     `,"lines":[{"line":null,"product_id":"a","quantity":1,"gross":1}]`,
		"lines[0].quantity": `,"lines":[{"line":1,"product_id":"a","quantity":null,"gross":1}]`,
		"lines[0].gross":    `,"lines":[{"line":1,"product_id":"a","quantity":1,"gross":null}]`,
		"tenders[0].amount": `,"tenders":[{"method":"cash","amount":null,"result":"approved"}]`,
	} {
		var e Event
		if r := NewDecoder(Options{}).Decode(signOn(text), &e); r == nil || r.Reason != ReasonMissingField || r.Field != field {
			t.Errorf("%s: got %v", field, r)
		}
	}
}

// A rejection is kept until its batch is written; the record it is about is not. And what nobody knows the meaning of is not repeated.
func TestRejectionStandsAlone(t *testing.T) {
	d := NewDecoder(Options{})
	var e Event
	value := signOn(`,"sequence":"x"`)
	r := d.Decode(value, &e)
	clear(value)
	if r == nil || r.Field != "sequence" {
		t.Errorf("got %v", r)
	}
	for _, text := range []string{`,"jane.doe@example.com":[1,}`, `,"customer":{"jane.doe@example.com":01}`, `,"lines":[{"jane.doe@example.com":{]}]`} {
		if r := d.Decode(signOn(text), &e); r == nil || strings.Contains(r.Error(), "jane") {
			t.Errorf("%s: got %v", text, r)
		}
	}
}

// People whose ids look like card numbers that end alike are two people, and neither is to be found in the event.
func TestPeopleWithCardLikeIDs(t *testing.T) {
	d := NewDecoder(Options{Secret: secret})
	for _, id := range []string{"4111111111111111", "4000000000061111", `4\u0031\u0031\u0031111111111111`} {
		var e Event
		text := strings.ReplaceAll(`,"operator":"ID","customer":{"id":"ID","type":"loyalty"},"tenders":[{"method":"card","amount":1,"result":"approved","payment_ref":"ID"}]`, "ID", id)
		if r := d.Decode(signOn(text), &e); r != nil {
			t.Fatal(r)
		}
		clear := strings.ReplaceAll(id, `\u0031`, "1")
		tr := &e.Transaction
		for kind, got := range map[string]uint64{"operator": tr.Operator, "loyalty": tr.Customer.Pseudonym, "payment_ref": tr.Tenders[0].PaymentRef} {
			if want := Pseudonym(secret, kind, clear); got != want {
				t.Errorf("%s %s: got %d, want %d", kind, id, got, want)
			}
		}
		if tr.Tenders[0].clearRef != "" {
			t.Errorf("a clear reference is left: %q", tr.Tenders[0].clearRef)
		}
	}
	var e Event
	if r := d.Decode(signOn(`,"tenders":[{"method":"card","amount":1,"result":"approved","payment_ref":"ID"},{}]`), &e); r == nil || e.Transaction.Tenders[0].clearRef != "" {
		t.Errorf("after %v a clear reference is left", r)
	}
}

// Dead letters are masked as bytes, so escapes and magnetic tracks must be seen there.
func TestMaskPANsInDeadLetters(t *testing.T) {
	for in, want := range map[string]string{
		`{"x":"\u0034111111111111111"`:                                  `{"x":"\u002a***********1111"`,
		`4111\u0020\u0031111\u002D1111 1111`:                            `****\u0020\u002a***\u002D**** 1111`,
		`;4111111111111111=25121010000012345678?`:                       `;************1111=********************?`,
		`4111111111111111D2512101`:                                      `************1111D*******`,
		"{\"t\":\"%B4111111111111111^DOE/JANE É^2512101000?\",\"a\":1}": "{\"t\":\"%B************1111***********************?\",\"a\":1}",
		`"code":"36000291452033"`:                                       `"code":"36000291452033"`,
		`"note":"36000291452033"`:                                       `"note":"**********2033"`,
	} {
		b := []byte(in)
		if n := MaskPANs(b); n != 1 && in != want || string(b) != want {
			t.Errorf("%q became %q (%d), want %q", in, b, n, want)
		}
	}
}

// Rows are filed under the business date, so an absurd one is as bad as an absurd time: 9999-12-31 is past what a Date column holds.
func TestCheckTimeOfBusinessDate(t *testing.T) {
	d := NewDecoder(Options{MaxLateness: 72 * time.Hour})
	kafka := time.Date(2026, 11, 23, 10, 0, 1, 0, time.UTC).UnixMilli()
	for date, want := range map[string]Reason{
		"0001-01-01": ReasonTooOld, "1999-12-31": ReasonTooOld, "2026-11-15": ReasonTooLate, "2026-11-20": "", "2026-11-24": "", "2026-11-27": ReasonFuture,
		"9999-12-31": ReasonFuture,
	} {
		var e Event
		if r := d.Decode(signOn(`,"business_date":"`+date+`"`), &e); r != nil {
			t.Fatal(r)
		}
		r := d.CheckTime(&e, kafka)
		if want == "" && r != nil || want != "" && (r == nil || r.Reason != want || r.Field != "business_date") {
			t.Errorf("%s: got %v, want %s", date, r, want)
		}
	}
	var e Event
	if r := d.Decode(signOn(""), &e); r != nil {
		t.Fatal(r)
	}
	if r := d.CheckTime(&e, -1); r != nil {
		t.Errorf("a record without a timestamp: %v", r)
	}
}
