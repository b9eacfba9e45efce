package kafka

import (
	"bytes"
	"io/fs"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor/alert"
	"github.com/tillstream/tillstream/schemas/events"
)

// What is sent, and the example, are pos.alert.v1; transitions of one alert keep their order.
func TestAlerts(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, kfake.NumBrokers(2))
	client, _ := newClient(t, Config{Brokers: c.ListenAddrs()})
	a := NewAlerts(client, "pos.alerts", Creation{Partitions: 3}, zap.NewNop())
	const id = "00112233445566778899aabbccddeeff"
	first := alert.Transition{Kind: alert.Fired, Alert: alert.Alert{
		ID: id, Key: alert.Key{Rule: alert.StoreOutage, Scope: "s"}, Severity: alert.Page, Status: alert.Firing, Store: "s", Started: 1_700_000_000_000, Sequence: 1,
		At: 1_700_000_001_000, Summary: "Store s cannot sell", Threshold: 1,
	}}
	second := first
	second.Kind, second.Status, second.Ended, second.Sequence, second.Reason = alert.Cleared, alert.Resolved, 1_700_000_002_000, 2, "over"
	third := second
	third.ID, third.Sequence = "ff112233445566778899aabbccddeeff", 3
	if err := a.Send(ctx, []alert.Transition{first, second, third}); err != nil {
		t.Fatal(err)
	}
	schema, err := fs.ReadFile(events.FS, "pos.alert.v1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("alert", doc); err != nil {
		t.Fatal(err)
	}
	valid := compiler.MustCompile("alert")
	check := func(text []byte) {
		t.Helper()
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err == nil {
			err = valid.Validate(v)
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	example, err := fs.ReadFile(events.FS, "examples/alert/firing.json")
	if err != nil {
		t.Fatal(err)
	}
	check(example)
	var got []string
	for _, r := range consume(ctx, t, c, "pos.alerts", 3) {
		check(r.Value)
		if string(r.Key) == id {
			got = append(got, string(r.Value))
		}
	}
	const want = `{"alert_id":"` + id + `","sequence":1,"time":"2023-11-14T22:13:21.000Z","transition":"firing","state":"firing","rule":"store_outage","severity":"page","scope":"s",` +
		`"store_id":"s","started_at":"2023-11-14T22:13:20.000Z","value":0,"threshold":1,"summary":"Store s cannot sell"}`
	if len(got) != 2 || got[0] != want || !bytes.Contains([]byte(got[1]), []byte(`"ended_at":"2023-11-14T22:13:22.000Z"`)) {
		t.Errorf("%q", got)
	}
}
