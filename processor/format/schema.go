package format

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tillstream/tillstream/processor/event"
)

// Schema is what a schema registry has under an id. It never changes.
type Schema struct {
	Type       string // AVRO, PROTOBUF or JSON
	Text       string
	References bool // it needs other schemas
}

// ErrUnknownSchema says that a schema registry has no schema under an id.
var ErrUnknownSchema = errors.New("the schema registry has no schema under this id")

// reader makes canonical JSON of a payload that was written with one schema; it appends to out.
type reader func(out, payload []byte) ([]byte, *event.Rejection)

// Find sets who finds writers' schemas. An error of find, but for ErrUnknownSchema, ends the decoding of a record without a verdict.
func (d *Decoder) Find(find func(id int) (Schema, error)) { d.find = find }

// confluent reads Confluent's wire format: a zero, the id of the schema in four bytes, and what was written with it.
func (d *Decoder) confluent(value []byte) ([]byte, *event.Rejection, error) {
	if len(value) < 5 {
		return nil, reject(event.ReasonUnknownSchema, "", "the id of a schema, in four bytes after a zero"), nil
	}
	id := int(binary.BigEndian.Uint32(value[1:]))
	read, known := d.readers[id]
	if !known {
		if d.find == nil {
			return nil, reject(event.ReasonUnknownSchema, "", "no id of a schema, or formats.schema_registry.urls to be set"), nil
		}
		schema, err := d.find(id)
		switch {
		case errors.Is(err, ErrUnknownSchema): // not remembered: the registry may be mended
			return nil, reject(event.ReasonUnknownSchema, "", fmt.Sprintf("the id of a schema that the registry has; there is no %d", id)), nil
		case err != nil:
			return nil, nil, fmt.Errorf("asking for schema %d: %w", id, err)
		case schema.References:
			read = refuse(event.ReasonUnusableSchema, "a schema without references to others")
		default:
			read = d.readerOf(schema)
		}
		if d.readers == nil || len(d.readers) >= maxReaders {
			d.readers = map[int]reader{}
		}
		d.readers[id] = read
	}
	out, rejection := read(d.plain[:0], value[5:])
	if out != nil {
		d.plain = out
	}
	return out, rejection, nil
}

// maxReaders bounds what is remembered of schemas; there are a few, where ids are not made up.
const maxReaders = 1000

func (d *Decoder) readerOf(s Schema) reader {
	switch s.Type {
	case "AVRO", "":
		return d.avro().reader(s.Text)
	case "PROTOBUF":
		return d.protobuf().reader(s.Text)
	case "JSON":
		return func(out, payload []byte) ([]byte, *event.Rejection) { return append(out, payload...), nil }
	}
	return refuse(event.ReasonUnusableSchema, "a schema of type AVRO, PROTOBUF or JSON")
}

// refuse reads nothing.
func refuse(reason event.Reason, expected string) reader {
	return func([]byte, []byte) ([]byte, *event.Rejection) { return nil, reject(reason, "", expected) }
}

// maxComplaint bounds what is repeated of a library's complaint about a schema.
const maxComplaint = 300

// unusable refuses what was written with a schema for what is wrong with it.
func unusable(name string, err error) reader {
	why := err.Error()
	return refuse(event.ReasonUnusableSchema, "a schema that "+name+" can be read with: "+why[:min(len(why), maxComplaint)])
}
