package format_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/format"
	"github.com/tillstream/tillstream/processor/format/schemaregistry"
	schemas "github.com/tillstream/tillstream/schemas/events"
	"github.com/tillstream/tillstream/sinks/certs"
)

func text(t *testing.T, name string) string {
	t.Helper()
	raw, err := schemas.FS.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// framed is a payload in Confluent's wire format.
func framed(id int, indexes string, payload []byte) []byte {
	out := binary.BigEndian.AppendUint32([]byte{0}, uint32(id))
	return append(append(out, indexes...), payload...)
}

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Records are read with the schema that they name, through franz-go's model of a registry: older and newer versions of ours too.
func TestConfluent(t *testing.T) {
	registry := srfake.New(srfake.WithAuth("Bearer secret"))
	defer registry.Close()
	orders, proto := text(t, "pos.order.v1.avsc"), text(t, "pos.v1.proto")
	newer := strings.Replace(orders, `{"name": "order_id"`, `{"name": "colour", "type": {"type": "enum", "name": "Colour", "symbols": ["RED", "BLUE"]}}, {"name": "order_id"`, 1)
	older := `{"type":"record","name":"Order","namespace":"com.acme","fields":[{"name":"type","type":"string"},{"name":"id","type":"string"},{"name":"source","type":"string"},
		{"name":"time","type":"string"},{"name":"store_id","type":"string"},{"name":"order_id","type":"string"},{"name":"step","type":"string"},{"name":"amount","type":"int"},{"name":"currency","type":"string"}]}`
	for id, s := range map[int]sr.Schema{
		1: {Schema: orders}, 2: {Schema: proto, Type: sr.TypeProtobuf}, 3: {Schema: text(t, "pos.order.v1.schema.json"), Type: sr.TypeJSON},
		4: {Schema: newer}, 5: {Schema: older}, 6: {Schema: `{"type":"record","name":"Basket","fields":[{"name":"id","type":"string"}]}`},
		7: {Schema: strings.Replace(older, `"name":"id","type":"string"`, `"name":"id","type":"long"`, 1)},
		8: {Schema: strings.Replace(older, `"name":"id"`, `"name":"identity"`, 1)},
		9: {Schema: `syntax = "proto3"; message Order { string id = 1; string source = 2; string type = 3; string time = 4; int32 sequence = 7; string store_id = 10;
			string number = 20; string step = 21; message Inner { string x = 1; } string colour = 99; }`, Type: sr.TypeProtobuf},
		10: {Schema: `syntax = "proto3"; message Order { string id = 1; int64 type = 3; }`, Type: sr.TypeProtobuf},
		11: {Schema: `syntax = "proto3"; import "other.proto"; message Order { Other id = 1; }`, Type: sr.TypeProtobuf},
	} {
		registry.SeedSchema("subject", id, id, s)
	}
	client, err := schemaregistry.New(schemaregistry.Config{URLs: []string{registry.URL()}, Login: certs.Login{Token: "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	d := format.NewDecoder(format.Options{Options: event.Options{Secret: []byte("0123456789abcdef"), Bodies: format.Bodies(t)}})
	d.Find(func(id int) (format.Schema, error) { return client.Schema(t.Context(), id) })
	str := func(s string) []byte { return append(binary.AppendVarint(nil, int64(len(s))), s...) }
	join := func(all ...string) (out []byte) {
		for _, s := range all {
			out = append(out, str(s)...)
		}
		return out
	}
	avro, pb := fixture(t, "order.avro"), fixture(t, "order.pb")
	oldOrder := append(join("pos.order.v1", "o-1", "shop", "2026-11-23T10:00:00Z", "0042", "o-9", "placed"), append([]byte{2 * 50}, str("EUR")...)...)
	smallProto := []byte("\x0a\x03o-1\x12\x04shop\x1a\x0cpos.order.v1\x22\x142026-11-23T10:00:00Z\x38\x05\x52\x040042\xa2\x01\x03o-9\xaa\x01\x06placed\x9a\x06\x03red")
	for name, c := range map[string]struct {
		value []byte
		want  event.Reason
	}{
		"Avro":                           {framed(1, "", avro), ""},
		"Protobuf":                       {framed(2, "\x02\x04", pb), ""},
		"JSON":                           {framed(3, "", []byte(`{"id":"o-1","source":"shop","type":"pos.order.v1","time":"2026-11-23T10:00:00Z","store_id":"0042","order_id":"o-9","step":"placed"}`)), ""},
		"an older schema":                {framed(5, "", oldOrder), ""},
		"other names in Protobuf":        {framed(9, "\x00", smallProto), ""},
		"no such schema":                 {framed(77, "", avro), event.ReasonUnknownSchema},
		"cut before the id ends":         {[]byte{0, 0, 0}, event.ReasonUnknownSchema},
		"another record":                 {framed(6, "", str("x")), event.ReasonUnusableSchema},
		"a field of another type":        {framed(7, "", oldOrder), event.ReasonUnusableSchema},
		"a field that is missing":        {framed(8, "", oldOrder), event.ReasonUnusableSchema},
		"another kind in Protobuf":       {framed(10, "\x00", pb), event.ReasonUnusableSchema},
		"a schema that does not parse":   {framed(11, "\x00", pb), event.ReasonUnusableSchema},
		"a message that is not there":    {framed(2, "\x02\x7e", pb), event.ReasonMalformedProtobuf},
		"a message of another name":      {framed(9, "\x04\x00\x00", pb), event.ReasonUnusableSchema},
		"indexes without end":            {framed(2, "\xff\xff", nil), event.ReasonMalformedProtobuf},
		"more after it":                  {framed(1, "", append(append([]byte(nil), avro...), 0)), event.ReasonMalformedAvro},
		"cut":                            {framed(1, "", avro[:50]), event.ReasonMalformedAvro},
		"cut in Protobuf":                {framed(2, "\x02\x04", pb[:50]), event.ReasonMalformedProtobuf},
		"newer, but not written with it": {framed(4, "", avro), event.ReasonMalformedAvro},
	} {
		for range 2 { // the second time from memory
			var e event.Event
			r, err := d.Record(format.Record{Topic: "pos.orders", Value: append([]byte(nil), c.value...)}, &e)
			switch {
			case err != nil:
				t.Errorf("%s: %v", name, err)
			case c.want == "" && (r != nil || e.Type != event.TypeOrder || e.StoreID == ""):
				t.Errorf("%s: %v, %+v", name, r, e.Envelope)
			case c.want != "" && (r == nil || r.Reason != c.want || r.Expected == ""):
				t.Errorf("%s: %v, want %s", name, r, c.want)
			}
		}
	}
}

// An id that the registry does not have is its own word. Anything else is trouble that says nothing about the record, and nothing is remembered of it.
func TestTroubleIsNoAnswer(t *testing.T) {
	registry := srfake.New()
	defer registry.Close()
	registry.SeedSchema("subject", 1, 1, sr.Schema{Schema: text(t, "pos.order.v1.avsc")})
	client, err := schemaregistry.New(schemaregistry.Config{URLs: []string{registry.URL()}, Login: certs.Login{Username: "u", Password: "p"}})
	if err != nil {
		t.Fatal(err)
	}
	d := format.NewDecoder(format.Options{Options: event.Options{Secret: []byte("0123456789abcdef"), Bodies: format.Bodies(t)}})
	d.Find(func(id int) (format.Schema, error) { return client.Schema(t.Context(), id) })
	value := framed(1, "", fixture(t, "order.avro"))
	status, asked := 0, 0
	registry.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		if asked++; status != 0 {
			http.Error(w, "<html>", status)
		}
		return status != 0
	})
	var e event.Event
	for _, status = range []int{http.StatusNotFound, http.StatusServiceUnavailable, http.StatusUnauthorized} {
		if r, err := d.Record(format.Record{Value: value}, &e); err == nil || r != nil || errors.Is(err, format.ErrUnknownSchema) {
			t.Errorf("%d: %v, %v", status, r, err)
		}
	}
	status = 0
	for range 3 {
		if r, err := d.Record(format.Record{Value: value}, &e); err != nil || r != nil {
			t.Fatal(r, err)
		}
	}
	if asked != 4 {
		t.Errorf("the registry was asked %d times", asked)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Schema(ended, 1); err != nil {
		t.Error(err)
	}
	if _, err := client.Schema(ended, 2); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
