package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/tillstream/tillstream/cmd/tillstream/simulator"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/format/formattest"
	"github.com/tillstream/tillstream/sinks/kafka"
)

// receipts is the topic of one store whose tills have payloads of their own, and receiptMapping what makes events of them.
const (
	receipts       = "shop.receipts"
	receiptMapping = `
root = this.more
root.id = this.receipt
root.time = this.sold_at
root.terminal_id = this.till
root.store_id = this.shop
root.type = "pos.transaction.v1"
root.lines = if this.items.type() == "array" { this.items.map_each(i -> i.without("price", "sku").merge({"product_id": i.sku, "gross": (i.price.number() * 100).round()})) } else { deleted() }
`
)

// Ids of schemas in the registry of the test.
const (
	idProtobuf   = 10 // of Avro they are in avroIDs, of JSON Schema 100 more
	idForeign    = 11
	idLate       = 50 // and more: the registry learns of these after records were sent with them
	idMadeUp     = 424242
	jsonSchema   = 100
	schemaSuffix = ".schema.json"
)

var avroIDs = map[string]int{event.TypeTransaction: 1, event.TypeHealth: 2, event.TypeOrder: 3, event.TypeIncident: 4, event.TypeMaintenance: 5}

// formats writes each event in a format that is drawn.
type formats struct {
	t       *testing.T
	rnd     *rand.Rand
	encode  *formattest.Encoders
	own     map[string]bool // stores with payloads of their own; the first one that sells
	written map[string]int  // by format
	late    []*kgo.Record   // with schemas that the registry learns of later
}

// framed is a payload in Confluent's wire format.
func framed(id int, indexes, payload []byte) []byte {
	return append(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), indexes...), payload...)
}

func header(record *kgo.Record, keyValues ...string) {
	for i := 0; i < len(keyValues); i += 2 {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: keyValues[i], Value: []byte(keyValues[i+1])})
	}
}

func (f *formats) write(r *kgo.Record) {
	v := formattest.Read(f.t, r.Value).(map[string]any)
	typ := v["type"].(string)
	var envelope []string // of a CloudEvent
	for _, name := range []string{"id", "source", "type", "time"} {
		envelope = append(envelope, "ce_"+name, v[name].(string))
	}
	if store := v["store_id"].(string); typ == event.TypeTransaction && (len(f.own) == 0 || f.own[store]) {
		f.own[store] = true
		f.written["own"]++
		r.Topic, r.Value = receipts, f.receipt(v)
		return
	}
	as := [...]string{
		"JSON", "binary", "binary, its event without the attributes", "structured", "structured, base64", "binary, Avro", "Avro", "Protobuf",
		"Confluent, Avro", "Confluent, Protobuf", "Confluent, JSON Schema", "later",
	}[f.rnd.IntN(12)]
	if as == "later" && f.rnd.IntN(4) > 0 {
		as = "JSON"
	}
	f.written[as]++
	bare := func() []byte {
		less := maps.Clone(v)
		for _, name := range []string{"id", "source", "type", "time"} {
			delete(less, name)
		}
		return marshal(f.t, less)
	}
	structured := func(more map[string]any) []byte {
		more["specversion"], more["comexample"] = "1.0", 7
		for i := 0; i < len(envelope); i += 2 {
			more[strings.TrimPrefix(envelope[i], "ce_")] = envelope[i+1]
		}
		return marshal(f.t, more)
	}
	switch as {
	case "binary":
		header(r, append(envelope, "ce_specversion", "1.0", "content-type", "application/json; charset=utf-8")...)
	case "binary, its event without the attributes":
		header(r, append(envelope, "ce_specversion", "1.0")...)
		r.Value = bare()
	case "structured":
		header(r, "content-type", "application/cloudevents+json; charset=utf-8")
		r.Value = structured(map[string]any{"data": json.RawMessage(bare())})
	case "structured, base64":
		header(r, "content-type", "application/cloudevents+json")
		r.Value = structured(map[string]any{"datacontenttype": "application/protobuf", "data_base64": f.encode.Protobuf(f.t, typ, v)})
	case "binary, Avro":
		header(r, append(envelope, "ce_specversion", "1.0", "content-type", "application/avro")...)
		r.Value = f.encode.Avro(f.t, typ, v)
	case "Avro":
		r.Value = f.encode.Avro(f.t, typ, v)
		if typ != event.TypeOrder { // whose topic says so
			header(r, "content-type", "avro/binary")
		}
	case "Protobuf":
		header(r, "content-type", "application/x-protobuf")
		r.Value = f.encode.Protobuf(f.t, typ, v)
	case "Confluent, Avro":
		r.Value = framed(avroIDs[typ], nil, f.encode.Avro(f.t, typ, v))
	case "Confluent, Protobuf":
		i := f.encode.Index(typ)
		indexes := []byte{0} // of the first message
		if i > 0 {
			indexes = binary.AppendVarint([]byte{1 << 1}, int64(i))
		}
		r.Value = framed(idProtobuf, indexes, f.encode.Protobuf(f.t, typ, v))
	case "Confluent, JSON Schema":
		r.Value = framed(avroIDs[typ]+jsonSchema, nil, r.Value)
	case "later":
		r.Value = framed(avroIDs[typ]+idLate, nil, f.encode.Avro(f.t, typ, v))
		f.late = append(f.late, r)
	}
}

// receipt is a transaction as a retailer might have it.
func (f *formats) receipt(v map[string]any) []byte {
	out := map[string]any{"receipt": v["id"], "sold_at": v["time"], "till": v["terminal_id"], "shop": v["store_id"], "more": v}
	for _, name := range []string{"id", "time", "terminal_id", "store_id", "type"} {
		delete(v, name)
	}
	if lines, ok := v["lines"].([]any); ok {
		for _, l := range lines {
			l := l.(map[string]any)
			l["price"], l["sku"] = strconv.FormatFloat(float64(l["gross"].(int64))/100, 'f', 2, 64), l["product_id"]
			delete(l, "gross")
			delete(l, "product_id")
		}
		out["items"] = lines
		delete(v, "lines")
	}
	return marshal(f.t, out)
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// wrong are records that are none, by the reason why.
func (f *formats) wrong(key []byte, at time.Time) map[event.Reason]*kgo.Record {
	record := func(topic string, value []byte, headers ...string) *kgo.Record {
		r := &kgo.Record{Topic: topic, Key: key, Value: value, Timestamp: at}
		header(r, headers...)
		return r
	}
	health := formattest.Read(f.t, []byte(`{"id":"x","source":"x","type":"pos.health.v1","time":"2026-10-26T12:00:00Z","store_id":"x","terminal_id":"x","kind":"heartbeat","status":"up"}`))
	inAvro, inProtobuf := f.encode.Avro(f.t, event.TypeHealth, health), f.encode.Protobuf(f.t, event.TypeHealth, health)
	return map[event.Reason]*kgo.Record{
		event.ReasonMalformedAvro:     record("pos.health", framed(avroIDs[event.TypeHealth], nil, inAvro[:len(inAvro)-3])),
		event.ReasonMalformedProtobuf: record("pos.health", inProtobuf[:len(inProtobuf)-1], "content-type", "application/protobuf"),
		event.ReasonContradiction:     record("pos.health", marshal(f.t, health), "ce_specversion", "1.0", "ce_id", "y", "ce_source", "x", "ce_type", "pos.health.v1"),
		event.ReasonUnknownSchema:     record("pos.incidents", framed(idMadeUp, nil, inAvro)),
		event.ReasonUnusableSchema:    record("pos.health", framed(idForeign, nil, inAvro)),
		event.ReasonMappingFailed:     record(receipts, []byte(`{"receipt":7,"items":[{"sku":"a","price":"dear"}]}`)),
	}
}

// newFormats makes a registry without the late schemas, and the configuration of members.
func newFormats(t *testing.T, r *rig) (*formats, *srfake.Registry) {
	t.Helper()
	f := &formats{t: t, rnd: r.rnd, encode: formattest.New(t), own: map[string]bool{}, written: map[string]int{}}
	registry := srfake.New()
	t.Cleanup(registry.Close)
	for typ, id := range avroIDs {
		registry.SeedSchema(typ, 1, id, sr.Schema{Schema: formattest.Schema(t, typ+".avsc")})
		registry.SeedSchema(typ+"-json", 1, id+jsonSchema, sr.Schema{Schema: formattest.Schema(t, typ+schemaSuffix), Type: sr.TypeJSON})
	}
	registry.SeedSchema("pos", 1, idProtobuf, sr.Schema{Schema: formattest.Schema(t, "pos.v1.proto"), Type: sr.TypeProtobuf})
	registry.SeedSchema("foreign", 1, idForeign, sr.Schema{Schema: `{"type":"record","name":"Basket","fields":[{"name":"id","type":"string"}]}`})
	mapping := filepath.Join(t.TempDir(), "receipts.blobl")
	if err := os.WriteFile(mapping, []byte(receiptMapping), 0o600); err != nil {
		t.Fatal(err)
	}
	r.config = edited(t, r.config, "kafka: {", "kafka: {topics: ["+strings.Join(append(slices.Clone(rigTopics), receipts), ", ")+"], ")
	r.config = edited(t, r.config, "listen:", fmt.Sprintf("formats: {topics: [pos.orders=avro], mappings: [%s=%s], schema_registry: {urls: [%q]}}\nlisten:", receipts, mapping, registry.URL()))
	return f, registry
}

// calm is of members that nobody kills: few large batches, and time to write them.
var calm = []string{"TILLSTREAM_PROCESSOR_BATCH_RECORDS=5000", "TILLSTREAM_KAFKA_SESSION_TIMEOUT=2m", "TILLSTREAM_KAFKA_REBALANCE_TIMEOUT=2m"}

// A chain of stores in every format there is, each event in one that is drawn, and one store with payloads of its own: the figures are those of the simulator's truth, and
// those of the same events as JSON. What cannot be read is a dead letter with its reason, and counts after a replay where that was the registry's fault.
func TestPipelineFormats(t *testing.T) {
	t.Parallel()
	tune := func(c *simulator.Config) {
		c.Dirty, c.HeartbeatInterval, c.TransactionsPerStoreDay = 0, 5*time.Minute, 250
	}
	rows := map[string]map[string]string{}
	t.Run("runs", func(t *testing.T) {
		t.Run("JSON", func(t *testing.T) {
			r := newRig(t, 50, tune)
			r.env = calm
			m := r.start()
			r.feed(1)
			r.until("the end", func() bool { return r.passed() >= r.sent+r.extra && r.rests() })
			m.stop()
			rows["JSON"] = figures(t, r)
		})
		t.Run("formats", func(t *testing.T) {
			r := newRig(t, 50, tune)
			rows["formats"] = inFormats(t, r)
		})
	})
	if d := cmp.Diff(rows["JSON"], rows["formats"]); d != "" && !t.Failed() {
		t.Errorf("figures (-of JSON +of the formats):\n%s", d[:min(len(d), 4000)])
	}
}

// figures are what views say of accepted events.
func figures(t *testing.T, r *rig) map[string]string {
	t.Helper()
	rows := rowsOf(t, r.data)
	rows["data_quality"] = r.ask("SELECT terminal_id, business_date, sum(accepted), sum(missing) FROM pos.data_quality WHERE terminal_id != '' GROUP BY ALL HAVING sum(accepted) > 0 ORDER BY ALL FORMAT CSV")
	return rows
}

// times are how often each record is in topics.
func (r *rig) times(topics ...string) map[string]int {
	r.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.broker.Addr()), kgo.ConsumeTopics(topics...), kgo.MaxVersions(kversion.V3_0_0()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		r.t.Fatal(err)
	}
	defer client.Close()
	left := 0
	for _, topic := range topics {
		for p := range int32(r.partitions) {
			left += int(r.end(topic, p))
		}
	}
	ctx, cancel := patient(r.t)
	defer cancel()
	n := map[string]int{}
	for left > 0 {
		got := client.PollFetches(ctx)
		if err := got.Err0(); err != nil {
			r.t.Fatal(err)
		}
		got.EachRecord(func(record *kgo.Record) { n[bytesOf(record)]++ })
		left -= got.NumRecords()
	}
	return n
}

// bytesOf is a record without where and when it is, and whether it was sent again.
func bytesOf(r *kgo.Record) string {
	out := fmt.Sprintf("%s %q %q", r.Topic, r.Key, r.Value)
	for _, h := range r.Headers {
		if h.Key != kafka.ReplayHeader {
			out += fmt.Sprintf(" %s: %q", h.Key, h.Value)
		}
	}
	return out
}

// listed compares what deadletters list prints of records with them.
func (f *formats) listed(r *rig, records []*kgo.Record) {
	f.t.Helper()
	all := map[string]bool{}
	for _, record := range records {
		all[string(record.Value)] = true
	}
	var out strings.Builder
	if code, said := tillstream(f.t, &out, "deadletters", "list", "--config", r.config, "--payload"); code != exitDone {
		f.t.Fatalf("list exited %d: %s", code, said)
	}
	lines := json.NewDecoder(strings.NewReader(out.String()))
	shown := map[string]int{}
	for lines.More() {
		var l struct {
			Reason, Event string
			Headers       map[string]string
			EventBase64   []byte `json:"event_base64"`
		}
		if err := lines.Decode(&l); err != nil {
			f.t.Fatal(err)
		}
		if value := l.Event + string(l.EventBase64); !all[value] {
			f.t.Errorf("a dead letter of %s is listed whose bytes nobody sent: %q", l.Reason, value)
		}
		if l.Reason == string(event.ReasonContradiction) && l.Headers["ce_id"] != "y" {
			f.t.Errorf("of a CloudEvent the headers are %v", l.Headers)
		}
		shown[l.Reason]++
	}
	if len(shown) != 6 {
		f.t.Errorf("dead letters are listed with these reasons: %v", shown)
	}
}

func inFormats(t *testing.T, r *rig) map[string]string {
	r.topics = []string{receipts}
	r.createTopics()
	r.topics = append(slices.Clone(rigTopics), receipts)
	f, registry := newFormats(t, r)
	r.write, r.env = f.write, calm
	first := r.start()
	r.feed(1)
	var wrong []*kgo.Record
	dead := map[[2]string]int64{}
	for reason, record := range f.wrong([]byte("x"), r.ends) {
		wrong = append(wrong, record)
		dead[[2]string{record.Topic, string(reason)}]++
	}
	for _, record := range f.late {
		dead[[2]string{record.Topic, string(event.ReasonUnknownSchema)}]++
	}
	r.produce(wrong)
	r.extra += len(wrong)
	r.until("all but a replay", func() bool { return r.passed() >= r.sent+r.extra })
	first.stop()
	for _, as := range slices.Sorted(maps.Keys(f.written)) {
		if f.written[as] < 20 {
			t.Errorf("%d events were written as %s: the test wants more", f.written[as], as)
		}
	}
	f.listed(r, append(wrong, f.late...))

	replay := func() string {
		t.Helper()
		var out strings.Builder
		if code, said := tillstream(t, &out, "deadletters", "replay", "--config", r.config, "--reason", string(event.ReasonUnknownSchema)); code != exitDone {
			t.Fatalf("replay exited %d: %s", code, said)
		}
		return out.String()
	}
	if said := replay(); !strings.Contains(said, fmt.Sprintf("0 sent again\nleft out: %d that would be rejected again: unknown_schema", len(f.late)+1)) {
		t.Errorf("while the registry does not know them: %s", said)
	}
	for typ, id := range avroIDs {
		registry.SeedSchema(typ, 2, id+idLate, sr.Schema{Schema: formattest.Schema(t, typ+".avsc")})
	}
	if said := replay(); !strings.Contains(said, "left out: 1 that would be rejected again: unknown_schema") {
		t.Errorf("when the registry knows them: %s", said)
	}
	r.extra += len(f.late)
	there := r.times(r.topics...)
	for _, record := range f.late {
		if n := there[bytesOf(record)]; n != 2 {
			t.Fatalf("a dead letter was sent again, and is there %d times as it was", n)
		}
	}
	truth := r.sim.Truth()
	for k, n := range dead {
		truth.Dead = append(truth.Dead, simulator.DeadTruth{Topic: k[0], Reason: k[1], Records: n})
	}
	for i := range truth.Deliveries {
		if d := &truth.Deliveries[i]; d.Topic == "pos.transactions" && f.own[d.Store] {
			d.Topic = receipts
		}
	}
	r.start()
	r.settle()
	return figures(t, r)
}
