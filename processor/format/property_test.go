package format

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/avro"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/format/formattest"
	schemas "github.com/tillstream/tillstream/schemas/events"
)

// What Python's encoders make of the examples that have every field is the same event (testdata/encode.py).
func TestWhatOthersWrote(t *testing.T) {
	all := examples(t)
	for name, kind := range map[string]string{"sale": "transaction", "health": "health", "order": "order", "incident": "incident", "maintenance": "maintenance"} {
		want := read(t, all[name+"-every-field.json"])
		for file, contentType := range map[string]string{kind + ".avro": "avro/binary", kind + ".pb": "application/x-protobuf"} {
			value, err := os.ReadFile("testdata/" + file)
			if err != nil {
				t.Fatal(err)
			}
			var e event.Event
			if r, err := NewDecoder(options()).Record(Record{Value: value, Headers: headers("content-type", contentType)}, &e); r != nil || err != nil {
				t.Fatalf("%s: %v, %v", file, r, err)
			}
			if d := cmp.Diff(*want, e, same); d != "" {
				t.Errorf("%s (-JSON):\n%s", file, d)
			}
		}
	}
}

// eventsOf draws what the JSON Schema of a type describes, and now and then what it lets be asked for elsewhere, such as a sale without lines.
func eventsOf(t *rapid.T, schema map[string]any, path string) any {
	if c, ok := schema["const"]; ok {
		return c
	}
	text := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, path) }
	switch schema["type"] {
	case "object":
		out := map[string]any{}
		required, _ := schema["required"].([]any)
		for _, name := range slices.Sorted(maps.Keys(schema["properties"].(map[string]any))) {
			if slices.Contains(required, any(name)) || rapid.IntRange(0, 2).Draw(t, path+name) > 0 {
				out[name] = eventsOf(t, schema["properties"].(map[string]any)[name].(map[string]any), path+"."+name)
			}
		}
		return out
	case "array":
		out := []any{}
		for i := range rapid.IntRange(0, 3).Draw(t, path) {
			out = append(out, eventsOf(t, schema["items"].(map[string]any), path+strconv.Itoa(i)))
		}
		return out
	case "boolean":
		return rapid.Bool().Draw(t, path)
	case "integer":
		n := rapid.SampledFrom([]int64{0, 1, 7, 99, 4999, 1 << 40, -1, -250, 1<<63 - 1}).Draw(t, path)
		if low, ok := schema["minimum"].(float64); ok && rapid.IntRange(0, 50).Draw(t, path) > 0 {
			n = max(n, int64(low))
		}
		if high, ok := schema["maximum"].(float64); ok && high < 1<<62 && rapid.IntRange(0, 50).Draw(t, path) > 0 {
			n = min(n, int64(high))
		}
		return n
	case "number":
		return json.Number(text("1", "0", "0.5", "2.125", "1000000000", "12.34", "0.001", "-0.001"))
	}
	switch {
	case schema["format"] == "date-time":
		return text("2026-11-23T10:00:00.123+01:00", "2026-11-23T09:00:00Z", "2026-02-28T23:59:59.9-05:30", "2026-01-01T00:00:00.000001Z")
	case schema["format"] == "date":
		return text("2026-11-23", "2024-02-29")
	case strings.HasSuffix(path, ".gtin"):
		return text("4006381333931", "96385074")
	case strings.HasSuffix(path, ".gln"):
		return text("4012345000009", "4000001000005")
	case strings.HasSuffix(path, ".currency"):
		return text("EUR", "JPY")
	}
	if schema["minLength"] != nil { // in Avro an event that begins with an empty id would begin with a zero, as one with the id of a schema does
		return text("s-1", "é\U0001F600", "4111 1111 1111 1111", "a\"b\\c\n", "placed", "opened")
	}
	return text("sale", "return", "up", "opened", "placed", "x", "é\U0001F600", "4111 1111 1111 1111", "a\"b\\c\n", "", "sign_on", "Europe/Paris", "1h")
}

// inOrder is a drawn event as JSON, its fields in the order of the schema of another format: of several faults the first one is told.
func inOrder(out []byte, v any, of *avro.SchemaNode) []byte {
	switch v := v.(type) {
	case map[string]any:
		out = append(out, '{')
		for i := range of.Fields {
			name, _ := strings.CutSuffix(of.Fields[i].Name, thousandths)
			if x, ok := v[name]; ok {
				kind := &of.Fields[i].Type
				if kind.Type == "union" {
					kind = &kind.Branches[1]
				}
				out = append(inOrder(fmt.Appendf(out, "%q:", name), x, kind), ',')
			}
		}
		return append(bytes.TrimSuffix(out, []byte(",")), '}')
	case []any:
		out = append(out, '[')
		for _, x := range v {
			out = append(inOrder(out, x, of.Items), ',')
		}
		return append(bytes.TrimSuffix(out, []byte(",")), ']')
	}
	return append(out, must(json.Marshal(v))...)
}

// Whatever event is drawn, in every format it is the same one, field by field, or rejected for the same reason at the same place.
func TestFormatsAgree(t *testing.T) {
	encode := formattest.New(t)
	schema := map[string]map[string]any{}
	for _, typ := range transcoded() {
		raw, err := schemas.FS.ReadFile(typ + ".schema.json")
		if err != nil {
			t.Fatal(err)
		}
		var s map[string]any
		if err := json.Unmarshal(raw, &s); err != nil {
			t.Fatal(err)
		}
		schema[typ] = s
	}
	opts := options()
	opts.Topics = map[string]Format{"avro": Avro, "protobuf": Protobuf}
	d, accepted := NewDecoder(opts), map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		typ := rapid.SampledFrom(transcoded()).Draw(rt, "type")
		drawn := eventsOf(rt, schema[typ], "").(map[string]any)
		if rapid.IntRange(0, 3).Draw(rt, "faults") == 0 {
			drawn["time"] = "2026-06-30"
		}
		text := inOrder(nil, drawn, encode.Schemas[typ].Root().ExpandReferences())
		var want event.Event
		rejection := event.NewDecoder(opts.Options).Decode(bytes.Clone(text), &want)
		if rejection == nil {
			accepted[typ]++
		}
		ce := func(contentType string) []string {
			id, source, at := drawn["id"].(string), drawn["source"].(string), drawn["time"].(string)
			return []string{"ce_specversion", "1.0", "ce_id", id, "ce_source", source, "ce_type", typ, "ce_time", at, "content-type", contentType}
		}
		inAvro, inProto := encode.Avro(t, typ, drawn), encode.Protobuf(t, typ, drawn)
		whole := fmt.Appendf(nil, `{"specversion":"1.0","id":%s,"source":%s,"type":%q,"datacontenttype":"avro/binary","data_base64":%q}`,
			must(json.Marshal(drawn["id"])), must(json.Marshal(drawn["source"])), typ, base64.StdEncoding.EncodeToString(inAvro))
		for name, r := range map[string]Record{
			"JSON with headers":      {Value: text, Headers: headers("trace", "1")},
			"JSON in an Avro topic":  {Topic: "avro", Value: text},
			"Avro by topic":          {Topic: "avro", Value: inAvro},
			"Avro by header":         {Value: inAvro, Headers: headers("content-type", "application/avro")},
			"Protobuf by topic":      {Topic: "protobuf", Value: inProto},
			"Protobuf by header":     {Topic: "avro", Value: inProto, Headers: headers("content-type", "application/protobuf; x=1")},
			"CloudEvent of JSON":     {Value: text, Headers: headers(ce("application/json")...)},
			"CloudEvent of Avro":     {Value: inAvro, Headers: headers(ce("avro/binary")...)},
			"CloudEvent of Protobuf": {Value: inProto, Headers: headers(ce("application/x-protobuf")...)},
			"structured CloudEvent":  {Value: whole, Headers: headers("content-type", "application/cloudevents+json")},
		} {
			r.Value = bytes.Clone(r.Value)
			var got event.Event
			r2, err := d.Record(r, &got)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(name, "CloudEvent") && rejection != nil { // a CloudEvent must have what the event lacks, and says so in its own words
				if r2 == nil {
					rt.Fatalf("%s: accepted, and rejected as JSON: %v\n%s", name, rejection, text)
				}
				continue
			}
			if (rejection == nil) != (r2 == nil) || r2 != nil && *r2 != *rejection {
				rt.Fatalf("%s: %v, and as JSON %v\n%s", name, r2, rejection, text)
			}
			if rejection == nil {
				if diff := cmp.Diff(want, got, same); diff != "" {
					rt.Fatalf("%s (-JSON):\n%s\n%s", name, diff, text)
				}
			}
		}
	})
	for _, typ := range transcoded() {
		if accepted[typ] == 0 {
			t.Errorf("no event of %s was accepted: %v", typ, accepted)
		}
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
