package format

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/avro"

	"github.com/tillstream/tillstream/processor/event"
	schemas "github.com/tillstream/tillstream/schemas/events"
)

// avroFormat reads Avro. Its schemas of the canonical events are the readers' schemas: what others wrote is resolved to them.
type avroFormat struct {
	err   error               // of our own schemas: there is none, a test holds that
	types map[string]avroType // by type of event
}

type avroType struct {
	schema *avro.Schema
	record *avro.SchemaNode
}

// transcoded are the types of events that other formats than JSON have schemas of. Those of the registry tillstream apply makes, as JSON.
func transcoded() []string {
	return []string{event.TypeTransaction, event.TypeHealth, event.TypeOrder, event.TypeIncident, event.TypeMaintenance}
}

func (d *Decoder) avro() *avroFormat {
	if d.avroFormat == nil {
		d.avroFormat = newAvro()
	}
	return d.avroFormat
}

func newAvro() *avroFormat {
	f := &avroFormat{types: map[string]avroType{}}
	for _, t := range transcoded() {
		text, err := schemas.FS.ReadFile(t + ".avsc")
		if err == nil {
			var s *avro.Schema
			if s, err = avro.Parse(string(text)); err == nil {
				f.types[t] = avroType{s, s.Root().ExpandReferences()}
			}
		}
		if err != nil {
			f.err = fmt.Errorf("reading the Avro schema of %s: %w", t, err)
		}
	}
	return f
}

// plain reads what was written with our own schema of a type, which is the third string of every event.
func (f *avroFormat) plain(out, payload []byte) ([]byte, *event.Rejection) {
	name, rest := "", payload
	for range 3 {
		n, k := binary.Varint(rest)
		if k <= 0 || n < 0 || n > int64(len(rest)-k) {
			return nil, reject(event.ReasonMalformedAvro, "", "an event in Avro, as one of schemas/events/*.avsc has it")
		}
		name, rest = string(rest[k:k+int(n)]), rest[k+int(n):]
	}
	t, ok := f.types[name]
	if !ok {
		return nil, reject(event.ReasonUnknownType, "type", strings.Join(transcoded(), ", "))
	}
	return t.read(t.schema, out, payload)
}

// reader reads what was written with another schema.
func (f *avroFormat) reader(text string) reader {
	if f.err != nil {
		return unusable("an event", f.err)
	}
	writer, err := avro.Parse(text)
	if err != nil {
		return unusable("an event", err)
	}
	name := writer.Root().Name
	name = name[strings.LastIndexByte(name, '.')+1:]
	var names []string
	for _, typ := range transcoded() {
		t := f.types[typ]
		names = append(names, t.record.Name)
		if t.record.Name != name {
			continue
		}
		resolved, err := avro.Resolve(writer, t.schema)
		if err != nil {
			return unusable(name, err)
		}
		return func(out, payload []byte) ([]byte, *event.Rejection) { return t.read(resolved, out, payload) }
	}
	return refuse(event.ReasonUnusableSchema, "the schema of a record named "+strings.Join(names, ", "))
}

// read makes JSON of what a schema, which gives records of this type, decodes.
func (t *avroType) read(s *avro.Schema, out, payload []byte) ([]byte, *event.Rejection) {
	var v any
	rest, err := s.Decode(payload, &v, avro.AliasInput())
	record, ok := v.(map[string]any)
	if err != nil || !ok || len(rest) > 0 {
		return nil, reject(event.ReasonMalformedAvro, "", "one event in Avro, whole, and nothing after it")
	}
	return appendRecord(out, record, t.record), nil
}

func appendRecord(out []byte, record map[string]any, of *avro.SchemaNode) []byte {
	out = append(out, '{')
	for i := range of.Fields {
		f := &of.Fields[i]
		v := record[f.Name]
		if v == nil {
			continue
		}
		kind := &f.Type
		if kind.Type == "union" {
			kind = &kind.Branches[1]
		}
		if name, ok := strings.CutSuffix(f.Name, thousandths); ok {
			n, _ := v.(int64)
			out = appendThousandths(appendKey(out, name), n)
			continue
		}
		out = appendValue(appendKey(out, f.Name), v, kind)
	}
	return append(out, '}')
}

func appendValue(out []byte, v any, kind *avro.SchemaNode) []byte {
	switch v := v.(type) {
	case string:
		return appendText(out, v)
	case int64:
		return strconv.AppendInt(out, v, 10)
	case bool:
		return strconv.AppendBool(out, v)
	case map[string]any:
		return appendRecord(out, v, kind)
	case []any:
		out = append(out, '[')
		for i, element := range v {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendValue(out, element, kind.Items)
		}
		return append(out, ']')
	}
	return append(out, "null"...)
}
