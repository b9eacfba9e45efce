package mapping

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/schemas/events/eventstest"
)

type sample struct {
	mapping *Mapping
	payload []byte
}

// samples are the mappings of schemas/mappings with what they map.
func samples(t testing.TB) map[string]sample {
	t.Helper()
	files, err := filepath.Glob("../../../schemas/mappings/*.blobl")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	all := map[string]sample{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Parse(string(text))
		if err != nil {
			t.Fatal(file, err)
		}
		base := strings.TrimSuffix(file, ".blobl")
		payload, err := os.ReadFile(base + ".json")
		if err != nil {
			payload, err = os.ReadFile(base + ".xml")
		}
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(base)] = sample{m, payload}
	}
	return all
}

// read maps a payload to an event that its JSON Schema allows, that the decoder accepts and whose sums add up.
func read(t testing.TB, schema *jsonschema.Schema, s sample, payload []byte) *event.Event {
	t.Helper()
	out, r := s.mapping.Map(nil, payload)
	if r != nil {
		t.Fatal(r, s.mapping.Explain(payload))
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Fatal(err)
	}
	var e event.Event
	if r := event.NewDecoder(event.Options{Secret: []byte("0123456789abcdef")}).Decode(out, &e); r != nil || e.Notes != (event.Notes{}) {
		t.Fatalf("%v, %+v: %s", r, e.Notes, out)
	}
	return &e
}

// What every sample says, reckoned by hand from its payload.
func TestExamples(t *testing.T) {
	type sums struct {
		ID, Store, Till, Kind, Currency string
		Milli                           int64
		Lines, Tenders                  int
		Quantity                        int64 // thousandths
		Totals                          event.Totals
	}
	want := map[string]sums{
		"square": {
			"CAISENgvlJ6jLWAzERDzjyHVybY", "LOC-0042", "LOC-0042-2", "sale", "USD", 1795446220000, 2, 2, 2250,
			event.Totals{Gross: 1700, Discount: 70, Tax: 130, Net: 1630, Paid: event.Some[int64](1760)},
		},
		"adyen": {
			"V400m-324688179/oLkO001763888606009.KHQC5N7G84BLNK43", "0042", "0042.till-7", "sale", "EUR", 1795424606000, 2, 1, 2737,
			event.Totals{Gross: 1735, Net: 1735, Paid: event.Some[int64](1735)},
		},
		"odoo": {
			"odoo/00007-002-0031", "0042", "0042-shop-1", "sale", "EUR", 1795428930000, 2, 1, 3500,
			event.Totals{Gross: 2298, Discount: 150, Tax: 358, Net: 2148, Paid: event.Some[int64](2148)},
		},
		"poslog": {
			"poslog/42/3/2026-11-23/1742", "42", "42-3", "sale", "USD", 1795472468000, 3, 1, 5493,
			event.Totals{Gross: 1872, Discount: 20, Tax: 136, Net: 1852, Paid: event.Some[int64](1988)},
		},
	}
	got := map[string]sums{}
	schema, _ := eventstest.Schema(t, event.TypeTransaction)
	for name, s := range samples(t) {
		e := read(t, schema, s, s.payload)
		x := &e.Transaction
		g := sums{e.ID, e.StoreID, e.TerminalID, x.Kind, x.Currency, e.Time.Milli, len(x.Lines), len(x.Tenders), 0, x.Totals}
		for _, l := range x.Lines {
			g.Quantity += l.Quantity
		}
		got[name] = g
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// The other ways through the examples' mappings.
func TestExamplesOtherwise(t *testing.T) {
	all := samples(t)
	schema, _ := eventstest.Schema(t, event.TypeTransaction)
	change := func(name string, oldNew ...string) []byte {
		out := strings.NewReplacer(oldNew...).Replace(string(all[name].payload))
		if out == string(all[name].payload) {
			t.Fatalf("%s has none of %q", name, oldNew)
		}
		return []byte(out)
	}
	declined := read(t, schema, all["adyen"], change("adyen", `"Result": "Success"`, `"Result": "Failure", "ErrorCondition": "Refusal"`))
	if x := &declined.Transaction; x.Kind != "no_sale" || len(x.Lines) > 0 || x.Tenders[0].Result != "declined" || x.Tenders[0].Error != "Refusal" || x.Tenders[0].Last4 != "9999" {
		t.Errorf("%+v", x)
	}
	offline := read(t, schema, all["adyen"], change("adyen", `"OnlineFlag": true`, `"OnlineFlag": false`))
	if x := &offline.Transaction; x.Tenders[0].Result != "approved_offline" || x.Kind != "sale" {
		t.Errorf("%+v", x)
	}
	refund := read(t, schema, all["odoo"], change("odoo", `"qty": 3`, `"qty": -3`, `"qty": 0.5`, `"qty": -0.5`, `"price_subtotal": 11.25`, `"price_subtotal": -11.25`,
		`"price_subtotal_incl": 13.5`, `"price_subtotal_incl": -13.5`, `"price_subtotal": 6.65`, `"price_subtotal": -6.65`, `"price_subtotal_incl": 7.98`, `"price_subtotal_incl": -7.98`,
		`"amount": 25.0`, `"amount": -21.48`, `"amount_paid": 25.0`, `"amount_paid": -21.48`, `"amount_return": 3.52`, `"amount_return": 0`, `"partner_id": 418`, `"partner_id": false`))
	if x := &refund.Transaction; x.Kind != "return" || x.Totals.Net != -2148 || x.Totals.Paid.Value != -2148 || x.Customer.Pseudonym != 0 {
		t.Errorf("%+v", x)
	}
	signOn := read(t, schema, all["poslog"], []byte(`<POSLog><Transaction><RetailStoreID>42</RetailStoreID><WorkstationID>3</WorkstationID><SequenceNumber>1</SequenceNumber>
		<BusinessDayDate>2026-11-23</BusinessDayDate><EndDateTime>2026-11-23T08:00:00</EndDateTime><OperatorID>117</OperatorID><ControlTransaction Version="2.1"><OperatorSignOn>
		<StartDateTimestamp>2026-11-23T08:00:00</StartDateTimestamp></OperatorSignOn></ControlTransaction></Transaction></POSLog>`))
	if x := &signOn.Transaction; x.Kind != "sign_on" || signOn.Sequence.Value != 1 || x.Operator == 0 {
		t.Errorf("%+v", signOn)
	}
	for name, payload := range map[string][]byte{
		"square": change("square", "COMPLETED", "OPEN"), "adyen": []byte("{}"), "odoo": []byte("{}"),
		"poslog": []byte("<POSLog><Transaction/><Transaction/></POSLog>"),
	} {
		if out, r := all[name].mapping.Map(nil, payload); r == nil {
			t.Errorf("%s: %s", name, out)
		}
	}
}
