//go:build realregistry

package format_test

import (
	"errors"
	"flag"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/format"
	"github.com/tillstream/tillstream/processor/format/schemaregistry"
)

var registryURL = flag.String("registry", "", "a schema registry that this test may register schemas in, with Confluent's API")

// A real registry gives the schemas that were registered, and says of another id that there is none:
//
//	go test -tags realregistry ./processor/format -run TestRealRegistry -registry http://localhost:8080/apis/ccompat/v7
func TestRealRegistry(t *testing.T) {
	admin, err := sr.NewClient(sr.URLs(*registryURL))
	if err != nil {
		t.Fatal(err)
	}
	client, err := schemaregistry.New(schemaregistry.Config{URLs: []string{*registryURL}})
	if err != nil {
		t.Fatal(err)
	}
	d := format.NewDecoder(format.Options{Options: event.Options{Secret: []byte("0123456789abcdef"), Bodies: format.Bodies(t)}})
	d.Find(func(id int) (format.Schema, error) { return client.Schema(t.Context(), id) })
	for subject, c := range map[string]struct {
		schema  sr.Schema
		indexes string
		payload []byte
	}{
		"pos.orders-value":   {sr.Schema{Schema: text(t, "pos.order.v1.avsc")}, "", fixture(t, "order.avro")},
		"pos.protobuf-value": {sr.Schema{Schema: text(t, "pos.v1.proto"), Type: sr.TypeProtobuf}, "\x02\x04", fixture(t, "order.pb")},
	} {
		registered, err := admin.CreateSchema(t.Context(), subject, c.schema)
		if err != nil {
			t.Fatal(subject, err)
		}
		var e event.Event
		if r, err := d.Record(format.Record{Value: framed(registered.ID, c.indexes, c.payload)}, &e); r != nil || err != nil || e.Type != event.TypeOrder {
			t.Errorf("%s: %v, %v", subject, r, err)
		}
	}
	if _, err := client.Schema(t.Context(), 987_654_321); !errors.Is(err, format.ErrUnknownSchema) {
		t.Errorf("an id that is not there: %v", err)
	}
}
