package journey

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tillstream/tillstream/processor/event"
	schemas "github.com/tillstream/tillstream/schemas/events"
	"github.com/tillstream/tillstream/schemas/events/eventstest"
)

func read(value []byte) (event.Event, *event.Rejection) {
	var e event.Event
	r := event.NewDecoder(event.Options{Secret: secret, Bodies: Bodies()}).Decode(slices.Clone(value), &e)
	return e, r
}

// examples are those of orders.
func examples(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	names, err := fs.Glob(schemas.FS, pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%v, %d examples", err, len(names))
	}
	out := map[string][]byte{}
	for _, n := range names {
		if out[n], err = schemas.FS.ReadFile(n); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestExamples(t *testing.T) {
	s, _ := eventstest.Schema(t, event.TypeOrder)
	for name, value := range examples(t, "examples/order-*.json") {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(doc); err != nil {
			t.Errorf("%s against its schema: %v", name, err)
		}
		if e, r := read(value); r != nil || e.Body == nil {
			t.Errorf("%s: %v", name, r)
		}
	}
	for name, value := range examples(t, "examples/invalid/*-order_*.json") {
		reason, about, _ := strings.Cut(strings.TrimSuffix(path.Base(name), ".json"), "-")
		_, field, _ := strings.Cut(about, "_")
		_, r := read(value)
		if r == nil || string(r.Reason) != reason || r.Expected == "" || !strings.HasSuffix(strings.ReplaceAll(r.Field, ".", "_"), field) {
			t.Errorf("%s: got %v", name, r)
		}
		if doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(value)); err != nil || s.Validate(doc) == nil {
			t.Errorf("%s is sound by its schema: %v", name, err)
		}
	}
}

// What is read, what the schema says and what the example uses are the same fields.
func TestFieldsOfTypeSchemaAndExample(t *testing.T) {
	inSchema, inType, inExample := map[string]bool{}, map[string]bool{}, map[string]bool{}
	_, doc := eventstest.Schema(t, event.TypeOrder)
	fieldsOfSchema(doc, "", inSchema)
	fieldsOfType(reflect.TypeFor[said](), "", inType)
	for _, f := range strings.Fields("id source type time recorded_at sent_at sequence sequence_epoch corrects corrects.ids corrects.reason store_id terminal_id gln test " +
		"customer customer.id customer.type customer.read_by customer.consent") {
		inType[f] = true // package event reads them
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(inSchema)), slices.Sorted(maps.Keys(inType))); d != "" {
		t.Errorf("(-schema +Go):\n%s", d)
	}
	var example any
	if err := json.Unmarshal(examples(t, "examples/order-every-field.json")["examples/order-every-field.json"], &example); err != nil {
		t.Fatal(err)
	}
	fieldsOfValue(example, "", inExample)
	maps.DeleteFunc(inSchema, func(name string, _ bool) bool { return strings.HasPrefix(name, "corrects") })
	if d := cmp.Diff(slices.Sorted(maps.Keys(inSchema)), slices.Sorted(maps.Keys(inExample))); d != "" {
		t.Errorf("(-schema +example):\n%s", d)
	}
}

func fieldsOfSchema(s map[string]any, prefix string, into map[string]bool) {
	if items, ok := s["items"].(map[string]any); ok {
		s = items
	}
	properties, _ := s["properties"].(map[string]any)
	for name, p := range properties {
		into[prefix+name] = true
		fieldsOfSchema(p.(map[string]any), prefix+name+".", into)
	}
}

func fieldsOfType(t reflect.Type, prefix string, into map[string]bool) {
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		name := prefix + t.Field(i).Tag.Get("json")
		into[name] = true
		fieldsOfType(t.Field(i).Type, name+".", into)
	}
}

func fieldsOfValue(v any, prefix string, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, x := range v {
			into[prefix+name] = true
			fieldsOfValue(x, prefix+name+".", into)
		}
	case []any:
		for _, x := range v {
			fieldsOfValue(x, prefix, into)
		}
	}
}

func TestRejectionsNameTheField(t *testing.T) {
	base := object{"id": "1", "source": "shop", "type": event.TypeOrder, "time": "2026-03-01T10:00:00Z", "store_id": "s1", "order_id": "o1", "step": "placed"}
	line := func(l object) object { return object{"lines": []object{{"product_id": "p", "quantity": 1}, l}} }
	for _, c := range []struct {
		more   object
		reason event.Reason
		field  string
	}{
		{object{"step": 7}, event.ReasonWrongType, "step"},
		{object{"order_id": "a\x00b"}, event.ReasonInvalidValue, "order_id"},
		{object{"mode": strings.Repeat("x", 129)}, event.ReasonInvalidValue, "mode"},
		{object{"reason": strings.Repeat("x", 2001)}, event.ReasonInvalidValue, "reason"},
		{object{"expires_at": "2300-03-01T10:00:00Z"}, event.ReasonOutOfRange, "expires_at"},
		{object{"window_s": -1, "promised_at": "2026-03-01T10:00:00Z"}, event.ReasonOutOfRange, "window_s"},
		{object{"window_s": "1h"}, event.ReasonWrongType, "window_s"},
		{object{"amount": 1_000_000_000_001, "currency": "EUR"}, event.ReasonOutOfRange, "amount"},
		{object{"currency": "EURO"}, event.ReasonInvalidValue, "currency"},
		{line(object{"product_id": "p", "quantity": -1}), event.ReasonOutOfRange, "lines[1].quantity"},
		{line(object{"product_id": "p", "quantity": 1, "picked": 1e10}), event.ReasonOutOfRange, "lines[1].picked"},
		{line(object{"product_id": "", "quantity": 1}), event.ReasonMissingField, "lines[1].product_id"},
		{line(object{"product_id": "p", "quantity": 1, "substituted_by": strings.Repeat("x", 129)}), event.ReasonInvalidValue, "lines[1].substituted_by"},
		{object{"lines": object{}}, event.ReasonWrongType, "lines"},
		{object{"lines": slices.Repeat([]object{{"product_id": "p", "quantity": 1}}, 10_001)}, event.ReasonOutOfRange, "lines"},
		{object{"store_id": ""}, event.ReasonMissingField, "store_id"},
		{object{"corrects": object{"ids": []string{"1"}}}, event.ReasonCorrectionUnsupported, "corrects"},
	} {
		o := maps.Clone(base)
		maps.Copy(o, c.more)
		value, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, r := read(value); r == nil || r.Reason != c.reason || r.Field != c.field || r.Expected == "" {
			t.Errorf("%.200s: got %v", value, r)
		}
	}
}

// Neither a card number nor a customer's id gets in, however it is spelled.
func TestSecretsStayOutside(t *testing.T) {
	for _, number := range []string{"4111111111111111", `411111111111\u0031\u0031\u0031\u0031`} {
		value := []byte(`{"id":"1","source":"shop","time":"2026-03-01T10:00:00Z","store_id":"s1","order_id":"o1","step":"placed","reason":"card ` + number +
			`","customer":{"type":"loyalty","id":"L-1"},"lines":[{"product_id":"p","quantity":1}],"type":"pos.order.v1"}`) // the type last
		e, r := read(value)
		if r != nil {
			t.Fatal(r)
		}
		s := e.Body.(*step)
		if s.texts[reason] != "card ************1111" {
			t.Errorf("%s is kept as %q", number, s.texts[reason])
		}
		if e.Transaction.Customer.Pseudonym != event.Pseudonym(secret, "loyalty", "L-1") || strings.Contains(strings.Join(s.texts[:], " "), "L-1") {
			t.Errorf("the customer is %d, and the step says %q", e.Transaction.Customer.Pseudonym, s.texts)
		}
	}
}

// A decoder is used for all types in turn: what one left behind is not the next one's.
func TestTypesInTurn(t *testing.T) {
	d := event.NewDecoder(event.Options{Secret: secret, Bodies: Bodies()})
	all := examples(t, "examples/*.json")
	names := slices.Sorted(maps.Keys(all))
	back := slices.Clone(names)
	slices.Reverse(back)
	for _, names := range [][]string{names, back} {
		var e event.Event
		for _, n := range names {
			if r := d.Decode(slices.Clone(all[n]), &e); r != nil && strings.HasPrefix(path.Base(n), "order-") {
				t.Errorf("%s: %v", n, r)
			}
		}
	}
}

// Whatever bytes come as state, they are read as what would be written for it, or refused.
func FuzzState(f *testing.F) {
	var o order
	said := factsOf(&step{kind: ready, texts: [attributes]string{money: "EUR 5", promise: "7 0"}}, 7, instant{1_774_000_000_000, 3600})
	o.join(&said)
	o.name(5)
	o.near = []sale{{at: 1_774_000_000_100, id: 1, number: 2, customer: 7, net: -5, currency: [3]byte{'E', 'U', 'R'}}, {at: 1_774_000_000_200, id: 3, void: true}}
	o.added = added{sales: 1, net: -5, currency: o.near[0].currency, given: true}
	f.Add(o.append(nil), int64(492_777))
	f.Add(appendSales(nil, 492_777, o.near), int64(492_777))
	f.Add([]byte{}, int64(0))
	f.Fuzz(func(t *testing.T, value []byte, hour int64) {
		hour %= maxInstant / hourMilli
		if o, err := unpack(value); err == nil {
			again, err := unpack(o.append(nil))
			if err != nil || !reflect.DeepEqual(o, again) {
				t.Errorf("%+v is read as %+v: %v", o, again, err)
			}
		}
		if all, err := readSales(value, hour); err == nil {
			again, err := readSales(appendSales(nil, hour, all), hour)
			if err != nil || !slices.Equal(all, again) {
				t.Errorf("%+v is read as %+v: %v", all, again, err)
			}
		}
	})
}
