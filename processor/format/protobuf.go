package format

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/tillstream/tillstream/processor/event"
	schemas "github.com/tillstream/tillstream/schemas/events"
)

// protoFile is the schema of the canonical events.
const protoFile = "pos.v1.proto"

// typeField is the number of the type, in every event.
const typeField = 3

// protoFormat reads Protobuf. What was written with other versions of our messages is resolved as Protobuf does it, by the numbers of fields.
type protoFormat struct {
	err   error                                     // of our own schema: there is none, a test holds that
	types map[string]protoreflect.MessageDescriptor // by type of event
}

func (d *Decoder) protobuf() *protoFormat {
	if d.protoFormat == nil {
		d.protoFormat = newProtobuf()
	}
	return d.protoFormat
}

func newProtobuf() *protoFormat {
	f := &protoFormat{types: map[string]protoreflect.MessageDescriptor{}}
	text, err := schemas.FS.ReadFile(protoFile)
	if err == nil {
		var file protoreflect.FileDescriptor
		if file, err = compile(string(text)); err == nil {
			for i, t := range transcoded() {
				f.types[t] = file.Messages().Get(i)
			}
		}
	}
	if err != nil {
		f.err = fmt.Errorf("reading the Protobuf schema of events: %w", err)
	}
	return f
}

func compile(text string) (protoreflect.FileDescriptor, error) {
	c := protocompile.Compiler{
		MaxParallelism: 1,
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{protoFile: text})}),
	}
	files, err := c.Compile(context.Background(), protoFile)
	if err != nil {
		return nil, err
	}
	return files[0], nil
}

// plain reads one event, whose type stands in it; or is known otherwise.
func (f *protoFormat) plain(out, payload []byte, typ string) ([]byte, *event.Rejection) {
	for rest := payload; len(rest) > 0; {
		number, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return nil, malformedProtobuf()
		}
		rest = rest[n:]
		if n = protowire.ConsumeFieldValue(number, kind, rest); n < 0 {
			return nil, malformedProtobuf()
		}
		if number == typeField && kind == protowire.BytesType {
			text, _ := protowire.ConsumeBytes(rest)
			typ = string(text) // the last one holds
		}
		rest = rest[n:]
	}
	message, ok := f.types[typ]
	if !ok {
		return nil, reject(event.ReasonUnknownType, "type", strings.Join(transcoded(), ", "))
	}
	return readMessage(out, payload, message)
}

func malformedProtobuf() *event.Rejection {
	return reject(event.ReasonMalformedProtobuf, "", "one event in Protobuf, as schemas/events/"+protoFile+" has it")
}

func readMessage(out, payload []byte, of protoreflect.MessageDescriptor) ([]byte, *event.Rejection) {
	m := dynamicpb.NewMessage(of)
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(payload, m); err != nil {
		return nil, malformedProtobuf()
	}
	return appendMessage(out, m), nil
}

// reader reads what was written with another schema, after the indexes that say with which of its messages.
func (f *protoFormat) reader(text string) reader {
	if f.err != nil {
		return unusable("an event", f.err)
	}
	file, err := compile(text)
	if err != nil {
		return unusable("an event", err)
	}
	readers := map[string]reader{} // by indexes
	return func(out, payload []byte) ([]byte, *event.Rejection) {
		indexes, rest, err := new(sr.ConfluentHeader).DecodeIndex(payload, maxIndexes)
		if err != nil {
			return nil, reject(event.ReasonMalformedProtobuf, "", "the indexes of a message after the id of its schema")
		}
		key := string(payload[:len(payload)-len(rest)])
		read := readers[key]
		if read == nil {
			if read = f.messageReader(file, indexes); len(readers) < maxReaders {
				readers[key] = read
			}
		}
		return read(out, rest)
	}
}

// maxIndexes is how deep messages may be nested.
const maxIndexes = 16

// messageReader reads one message of another schema.
func (f *protoFormat) messageReader(file protoreflect.FileDescriptor, indexes []int) reader {
	var writer protoreflect.MessageDescriptor
	messages := file.Messages()
	for _, i := range indexes {
		if i < 0 || i >= messages.Len() {
			return refuse(event.ReasonMalformedProtobuf, "the indexes of a message that its schema has")
		}
		writer = messages.Get(i)
		messages = writer.Messages()
	}
	var names []string
	for _, t := range transcoded() {
		ours := f.types[t]
		names = append(names, string(ours.Name()))
		if ours.Name() != writer.Name() {
			continue
		}
		if err := readable(writer, ours); err != nil {
			return unusable(string(ours.Name()), err)
		}
		return func(out, payload []byte) ([]byte, *event.Rejection) { return readMessage(out, payload, ours) }
	}
	return refuse(event.ReasonUnusableSchema, "a message named "+strings.Join(names, ", "))
}

// readable says why what was written with one message cannot be read with another one of ours. Messages of ours do not contain themselves.
func readable(writer, ours protoreflect.MessageDescriptor) error {
	for i := range ours.Fields().Len() {
		o := ours.Fields().Get(i)
		w := writer.Fields().ByNumber(o.Number())
		switch {
		case w == nil:
		case w.IsList() != o.IsList() || w.IsMap() || !alike(w.Kind(), o.Kind()):
			return fmt.Errorf("field %d of %s is %s", o.Number(), writer.Name(), o.Name())
		case o.Message() != nil:
			if err := readable(w.Message(), o.Message()); err != nil {
				return err
			}
		}
	}
	return nil
}

// alike says whether what was written as one kind is the same read as another: whole numbers have one encoding, but for the zigzag and the fixed ones.
func alike(writer, ours protoreflect.Kind) bool {
	if ours == protoreflect.Int64Kind {
		switch writer {
		case protoreflect.Int32Kind, protoreflect.Uint32Kind, protoreflect.Uint64Kind:
			return true
		}
	}
	return writer == ours
}

func appendMessage(out []byte, m protoreflect.Message) []byte {
	out = append(out, '{')
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if !m.Has(f) {
			continue
		}
		v, name := m.Get(f), string(f.Name())
		if short, ok := strings.CutSuffix(name, thousandths); ok {
			out = appendThousandths(appendKey(out, short), v.Int())
			continue
		}
		out = appendKey(out, name)
		switch {
		case f.IsList():
			out = appendList(out, v.List(), f)
		case f.Message() != nil && f.Message().Name() == wrapped:
			only := f.Message().Fields().Get(0)
			out = appendList(out, v.Message().Get(only).List(), only)
		default:
			out = appendScalar(out, v, f)
		}
	}
	return append(out, '}')
}

// wrapped is the message around a list of which it matters whether it is empty or absent: Protobuf cannot tell.
const wrapped = "Consent"

func appendList(out []byte, l protoreflect.List, f protoreflect.FieldDescriptor) []byte {
	out = append(out, '[')
	for i := range l.Len() {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendScalar(out, l.Get(i), f)
	}
	return append(out, ']')
}

func appendScalar(out []byte, v protoreflect.Value, f protoreflect.FieldDescriptor) []byte {
	switch f.Kind() {
	case protoreflect.StringKind:
		return appendText(out, v.String())
	case protoreflect.Int64Kind:
		return strconv.AppendInt(out, v.Int(), 10)
	case protoreflect.BoolKind:
		return strconv.AppendBool(out, v.Bool())
	default:
		return appendMessage(out, v.Message())
	}
}
