// Package formattest writes canonical events in other formats, for tests. It shares no code with what reads them.
package formattest

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/avro"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/tillstream/tillstream/processor/event"
	schemas "github.com/tillstream/tillstream/schemas/events"
)

// Encoders write by the published schemas.
type Encoders struct {
	Schemas  map[string]*avro.Schema // by type of event
	messages map[string]protoreflect.MessageDescriptor
}

// messages are the names in pos.v1.proto.
var messages = map[string]protoreflect.Name{
	event.TypeTransaction: "Transaction", event.TypeHealth: "Health", event.TypeOrder: "Order", event.TypeIncident: "Incident", event.TypeMaintenance: "Maintenance",
}

// New makes Encoders.
func New(t testing.TB) *Encoders {
	t.Helper()
	const file = "pos.v1.proto"
	c := protocompile.Compiler{Resolver: &protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{file: Schema(t, file)})}}
	files, err := c.Compile(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	e := &Encoders{map[string]*avro.Schema{}, map[string]protoreflect.MessageDescriptor{}}
	for typ, name := range messages {
		if e.Schemas[typ], err = avro.Parse(Schema(t, typ+".avsc")); err != nil {
			t.Fatal(err)
		}
		if e.messages[typ] = files[0].Messages().ByName(name); e.messages[typ] == nil {
			t.Fatalf("%s has no message %s", file, name)
		}
	}
	return e
}

// Schema is the text of a published schema, such as pos.v1.proto.
func Schema(t testing.TB, name string) string {
	t.Helper()
	raw, err := schemas.FS.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Index is where a type's message stands in pos.v1.proto.
func (e *Encoders) Index(typ string) int { return e.messages[typ].Index() }

// Read reads an event that is JSON for encoding: what are decimals in JSON are json.Number, and whole numbers int64.
func Read(t testing.TB, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	whole(v)
	return v
}

// whole makes numbers that are no decimals int64, in place.
func whole(v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			whole(x)
		}
	case map[string]any:
		for name, x := range v {
			if n, ok := x.(json.Number); ok && name != "quantity" && name != "picked" {
				v[name], _ = n.Int64()
			}
			whole(x)
		}
	}
}

// Avro writes an event, plain, as Read gives it.
func (e *Encoders) Avro(t testing.TB, typ string, v any) []byte {
	t.Helper()
	out, err := e.Schemas[typ].Encode(inFormat(v, false))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Protobuf writes an event, plain, as Read gives it.
func (e *Encoders) Protobuf(t testing.TB, typ string, v any) []byte {
	t.Helper()
	text, err := json.Marshal(inFormat(v, true))
	if err != nil {
		t.Fatal(err)
	}
	m := dynamicpb.NewMessage(e.messages[typ])
	if err := protojson.Unmarshal(text, m); err != nil {
		t.Fatal(err)
	}
	out, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// inFormat is an event with the names and values of another format.
func inFormat(v any, protobuf bool) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = inFormat(v[i], protobuf)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for name, x := range v {
			switch q, decimal := x.(json.Number); {
			case decimal:
				f, _ := strconv.ParseFloat(string(q), 64)
				out[name+"_thousandths"] = int64(f*1000 + map[bool]float64{true: 0.5, false: -0.5}[f >= 0])
			case protobuf && name == "consent":
				out[name] = map[string]any{"purposes": x}
			default:
				out[name] = inFormat(x, protobuf)
			}
		}
		return out
	}
	return v
}
