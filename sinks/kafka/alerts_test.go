package kafka

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/processor/alert"
	"github.com/tillstream/tillstream/schemas/events"
	"github.com/tillstream/tillstream/schemas/events/eventstest"
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
	valid, _ := eventstest.Schema(t, "pos.alert.v1")
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

// A topic that cannot be created costs what waits nothing: the error says what to do, and when it can be, what was not sent is.
func TestAlertsTopicThatCannotBeCreated(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t)
	client, _ := newClient(t, Config{Brokers: c.ListenAddrs()})
	a := NewAlerts(client, "pos.alerts", Creation{}, zap.NewNop())
	refused := 0
	c.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if refused++; refused > 1 {
			return nil, nil, false
		}
		c.KeepControl()
		res := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		x := kmsg.NewCreateTopicsResponseTopic()
		x.Topic, x.ErrorCode = "pos.alerts", 29 // TOPIC_AUTHORIZATION_FAILED
		res.Topics = append(res.Topics, x)
		return res, nil, true
	})
	fired := []alert.Transition{{Kind: alert.Fired, Alert: alert.Alert{ID: "00112233445566778899aabbccddeeff", Sequence: 1}}}
	if err := a.Send(ctx, fired); err == nil || !strings.Contains(err.Error(), "pos.alerts") {
		t.Fatalf("sent to a topic that is not there: %v", err)
	}
	if err := a.Send(ctx, fired); err != nil {
		t.Fatal(err)
	}
	if got := consume(ctx, t, c, "pos.alerts", 1); len(got) != 1 {
		t.Errorf("%d are there", len(got))
	}
}
