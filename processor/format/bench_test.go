package format

import (
	"testing"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/format/formattest"
)

// The same sale, as a record in each format.
func BenchmarkDecode(b *testing.B) {
	sale := without(b, examples(b)["sale.json"])
	v := formattest.Read(b, sale)
	encode := formattest.New(b)
	for name, r := range map[string]Record{
		"JSON":       {Value: sale},
		"CloudEvent": {Value: sale, Headers: headers("ce_specversion", "1.0", "ce_id", read(b, sale).ID, "ce_source", read(b, sale).Source, "ce_type", event.TypeTransaction)},
		"Avro":       {Value: encode.Avro(b, event.TypeTransaction, v), Headers: headers("content-type", "avro/binary")},
		"Protobuf":   {Value: encode.Protobuf(b, event.TypeTransaction, v), Headers: headers("content-type", "application/protobuf")},
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
