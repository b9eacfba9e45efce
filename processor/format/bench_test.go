package format

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/tillstream/tillstream/processor/event"
)

// The same sale, as a record in each format.
func BenchmarkDecode(b *testing.B) {
	sale := without(b, examples(b)["sale.json"])
	var v any
	d := json.NewDecoder(bytes.NewReader(sale))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		b.Fatal(err)
	}
	whole(v)
	encode := newEncoders(b)
	for name, r := range map[string]Record{
		"JSON":       {Value: sale},
		"CloudEvent": {Value: sale, Headers: headers("ce_specversion", "1.0", "ce_id", read(b, sale).ID, "ce_source", read(b, sale).Source, "ce_type", event.TypeTransaction)},
		"Avro":       {Value: encode.inAvro(b, event.TypeTransaction, v), Headers: headers("content-type", "avro/binary")},
		"Protobuf":   {Value: encode.inProtobuf(b, event.TypeTransaction, v), Headers: headers("content-type", "application/protobuf")},
	} {
		b.Run(name, func(b *testing.B) {
			decoder := NewDecoder(options())
			var e event.Event
			b.ReportAllocs()
			for b.Loop() {
				if r, err := decoder.Record(r, &e); r != nil || err != nil {
					b.Fatal(r, err)
				}
			}
		})
	}
}

// whole makes numbers that are no quantities int64, in place.
func whole(v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			whole(x)
		}
	case map[string]any:
		for name, x := range v {
			if n, ok := x.(json.Number); ok && name != "quantity" {
				v[name], _ = n.Int64()
			}
			whole(x)
		}
	}
}
