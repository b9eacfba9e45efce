package format

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/avro"
	"google.golang.org/protobuf/reflect/protoreflect"

	schemas "github.com/tillstream/tillstream/schemas/events"
)

// The schemas in Avro and in Protobuf name the fields that the JSON Schemas name, at every depth, of the same kinds, and Avro requires the same ones.
func TestSchemasAreTheSame(t *testing.T) {
	avroTypes, protoTypes := newAvro(), newProtobuf()
	if avroTypes.err != nil || protoTypes.err != nil {
		t.Fatal(avroTypes.err, protoTypes.err)
	}
	for _, typ := range transcoded() {
		raw, err := schemas.FS.ReadFile(typ + ".schema.json")
		if err != nil {
			t.Fatal(err)
		}
		var schema map[string]any
		if err := json.Unmarshal(raw, &schema); err != nil {
			t.Fatal(err)
		}
		inJSON, inAvro, inProto := map[string]string{}, map[string]string{}, map[string]string{}
		fieldsOfJSON(schema, "", inJSON)
		fieldsOfAvro(avroTypes.types[typ].record, "", inAvro)
		fieldsOfMessage(protoTypes.types[typ], "", inProto)
		if len(inJSON) < 15 {
			t.Fatalf("%s has %d fields", typ, len(inJSON))
		}
		if d := cmp.Diff(inJSON, inAvro); d != "" {
			t.Errorf("%s (-JSON +Avro):\n%s", typ, d)
		}
		for name, kind := range inJSON { // Protobuf requires nothing
			inJSON[name] = strings.TrimPrefix(kind, "required ")
		}
		if d := cmp.Diff(inJSON, inProto); d != "" {
			t.Errorf("%s (-JSON +Protobuf):\n%s", typ, d)
		}
	}
}

func fieldsOfJSON(schema map[string]any, prefix string, out map[string]string) {
	required := map[any]bool{}
	names, _ := schema["required"].([]any)
	for _, n := range names {
		required[n] = true
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, p := range properties {
		p := p.(map[string]any)
		kind := ""
		if p["type"] == "array" {
			kind, p = "list of ", p["items"].(map[string]any)
		}
		if of, _ := p["type"].(string); of != "" {
			kind += of
		} else {
			kind += "string" // a const
		}
		if kind == "number" {
			kind = "thousandths"
		}
		if required[name] {
			kind = "required " + kind
		}
		out[prefix+name] = kind
		fieldsOfJSON(p, prefix+name+".", out)
	}
}

func fieldsOfAvro(record *avro.SchemaNode, prefix string, out map[string]string) {
	for i := range record.Fields {
		f, kind := &record.Fields[i], "required "
		of := &f.Type
		if of.Type == "union" && len(of.Branches) == 2 && of.Branches[0].Type == "null" && f.HasDefault && f.Default == nil {
			kind, of = "", &of.Branches[1]
		}
		if of.Type == "array" {
			kind, of = kind+"list of ", of.Items
		}
		name, decimal := strings.CutSuffix(f.Name, thousandths)
		switch {
		case of.Type == "long" && decimal:
			kind += "thousandths"
		case of.Type == "record":
			kind += "object"
			fieldsOfAvro(of, prefix+name+".", out)
		default:
			kind += map[string]string{"long": "integer", "string": "string", "boolean": "boolean"}[of.Type]
		}
		out[prefix+name] = kind
	}
}

func fieldsOfMessage(m protoreflect.MessageDescriptor, prefix string, out map[string]string) {
	for i := range m.Fields().Len() {
		f, kind := m.Fields().Get(i), ""
		name, decimal := strings.CutSuffix(string(f.Name()), thousandths)
		switch {
		case f.IsList():
			kind = "list of "
		case !f.HasPresence():
			kind = "always there: "
		}
		switch of := f.Message(); {
		case of != nil && of.Name() == wrapped:
			kind = "list of string"
		case of != nil:
			kind += "object"
			fieldsOfMessage(of, prefix+name+".", out)
		case decimal:
			kind += "thousandths"
		default:
			kind += map[protoreflect.Kind]string{protoreflect.Int64Kind: "integer", protoreflect.StringKind: "string", protoreflect.BoolKind: "boolean"}[f.Kind()]
		}
		out[prefix+name] = kind
	}
}

// Names of records in Avro are of messages in Protobuf; and the first fields of all events are alike, which is how plain ones are told apart.
func TestEventsBeginAlike(t *testing.T) {
	avroTypes, protoTypes := newAvro(), newProtobuf()
	for _, typ := range transcoded() {
		record, message := avroTypes.types[typ].record, protoTypes.types[typ]
		if record.Name != string(message.Name()) || !strings.EqualFold("pos."+record.Name+".v1", typ) {
			t.Errorf("%s is %s and %s", typ, record.Name, message.FullName())
		}
		for i, name := range []string{"id", "source", "type"} {
			f := message.Fields().ByNumber(protoreflect.FieldNumber(i + 1))
			if record.Fields[i].Name != name || record.Fields[i].Type.Type != "string" || f == nil || string(f.Name()) != name {
				t.Errorf("field %d of %s is not %s", i+1, typ, name)
			}
		}
	}
	if n := len(maps.Collect(maps.All(avroTypes.types))); n != len(transcoded()) {
		t.Errorf("%d types", n)
	}
}
