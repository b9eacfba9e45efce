package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/deploy/embedded"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func TestSalesAreTheSameForASeedAndFitTheSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../schemas/events/pos.transaction.v1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var first, second []byte
	n := 0
	for e := range sales(200, noon, 7) {
		first = append(first, e.value...)
		n++
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.value))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Fatalf("%s: %v", e.value, err)
		}
	}
	for e := range sales(200, noon, 7) {
		second = append(second, e.value...)
	}
	if n != 200 || !bytes.Equal(first, second) {
		t.Errorf("%d sales, equal %v", n, bytes.Equal(first, second))
	}
	if mean := len(first) / n; mean < 450 || mean > 520 {
		t.Errorf("a sale has %d bytes", mean)
	}
}

func TestSimulatedSalesComeOnceAndArePlain(t *testing.T) {
	events, err := simulated(2000, noon, 3)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for e := range events {
		d, err := parse(e.value)
		if err != nil || !d.plain() || seen[d.ID+d.Source] {
			t.Fatalf("%s: %v, known %v", e.value, err, seen[d.ID+d.Source])
		}
		seen[d.ID+d.Source] = true
	}
	if len(seen) != 2000 {
		t.Errorf("%d sales", len(seen))
	}
}

// The floor's scanner and encoding/json are two ways to the same sums, of both workloads and of what is unusual in a line.
func TestTheFloorCountsAsTheOracleDoes(t *testing.T) {
	simulation, err := simulated(2000, noon, 5)
	if err != nil {
		t.Fatal(err)
	}
	var got totals
	o := newOracle()
	for e := range simulation {
		if err := errorOf(o.add(e.value), got.scan(e.value)); err != nil {
			t.Fatal(err)
		}
	}
	for e := range sales(2000, noon, 5) {
		if err := errorOf(o.add(e.value), got.scan(e.value)); err != nil {
			t.Fatal(err)
		}
	}
	got.Keys = o.totals(day).Keys
	if d := o.totals(day).differ(got); d != "" {
		t.Error(d)
	}
	rapid.Check(t, func(t *rapid.T) {
		line := func(i int) string {
			s := fmt.Sprintf(`{"line":%d,"product_id":"p%d","quantity":%s,"gross":%d`, i, i, rapid.StringMatching(`[1-9][0-9]{0,3}(\.[0-9]{1,3})?`).Draw(t, "quantity"), rapid.IntRange(-999, 99999).Draw(t, "gross"))
			for _, field := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{`"discount":5`, `"net":17`, `"voided":true`, `"voided":false`, `"kind":"item"`, `"kind":"tip"`, `"promotions":[{"amount":3}]`, `"hierarchy":["a","b"]`}),
				func(s string) string { return s[:4] }).Draw(t, "fields") {
				s += "," + field
			}
			return s + "}"
		}
		b := fmt.Appendf(nil, `{"time":"2026-11-26T12:00:00Z","store_id":"s","kind":"%s","lines":[%s,%s]%s}`, rapid.SampledFrom([]string{"sale", "return"}).Draw(t, "kind"), line(1), line(2),
			rapid.SampledFrom([]string{"", `,"test":true`, `,"test":false`}).Draw(t, "test"))
		o, got := newOracle(), totals{}
		if err := errorOf(o.add(b), got.scan(b)); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if o.sum != got {
			t.Fatalf("%s: %s", b, o.sum.differ(got))
		}
	})
}

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestTheFloorRefusesWhatItCannotRead(t *testing.T) {
	for _, s := range []string{``, `{`, `{}x`, `{"lines":[}`, `{"lines":[{"quantity":}]}`, `{"a" :1}`, `{"a":"x\"y"}`, `{"lines":[{"quantity":1.2345}]}`, `[]`, `{"a":1,}`, `{"lines":[{"gross":-}]}`} {
		var got totals
		if err := got.scan([]byte(s)); err == nil {
			t.Errorf("%s was read", s)
		}
		if got != (totals{}) {
			t.Errorf("%s counted: %s", s, got)
		}
	}
}

func TestAWrongTotalIsTold(t *testing.T) {
	want := totals{Lines: 1000, Quantity: 5, Amount: 6, Keys: 7}
	if d := want.differ(want); d != "" {
		t.Errorf("equal totals differ: %s", d)
	}
	for _, got := range []totals{{Lines: 840, Quantity: 5, Amount: 6, Keys: 7}, {Lines: 1000, Quantity: 4, Amount: 6, Keys: 7}, {Lines: 1000, Quantity: 5, Amount: 7, Keys: 7}, {Lines: 1000, Quantity: 5, Amount: 6, Keys: 8}, {}} {
		if d := want.differ(got); d == "" {
			t.Errorf("%s passed", got)
		}
	}
	if d := want.differ(totals{Lines: 840}); !bytes.Contains([]byte(d), []byte("-16.00 %")) {
		t.Errorf("how much is lost is not told: %s", d)
	}
}

func TestSpreadAndQuantile(t *testing.T) {
	if s := spreadOf([]float64{3, 1, 2}); s != (spread{2, 1, 3}) {
		t.Errorf("odd: %v", s)
	}
	if s := spreadOf([]float64{4, 1, 2, 3}); s != (spread{2.5, 1, 4}) {
		t.Errorf("even: %v", s)
	}
	if s := spreadOf(nil); !math.IsNaN(s.median) {
		t.Errorf("of nothing: %v", s)
	}
	// Nearest rank, by counting.
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOfN(rapid.Float64Range(0, 100), 1, 50).Draw(t, "v")
		q := rapid.Float64Range(0.01, 1).Draw(t, "q")
		got := quantile(v, q)
		below, upTo := 0, 0
		for _, x := range v {
			if x < got {
				below++
			}
			if x <= got {
				upTo++
			}
		}
		need := q * float64(len(v))
		if !slices.Contains(v, got) || float64(upTo) < need || float64(below) >= need {
			t.Fatalf("quantile %v of %v is %v", q, v, got)
		}
	})
}

func TestTheKernelsFigures(t *testing.T) {
	s, ok := parseStat(7, "7 (a) b (c) S 3 1 1 0 -1 4194560 1 2 0 0 150 50 10 5 20 0 9 0 123 1000000 25 18446744073709551615 1 1")
	if want := (stat{7, 3, 2150 * time.Millisecond, 25 * int64(os.Getpagesize())}); !ok || s != want {
		t.Errorf("%+v, %v", s, ok)
	}
	for _, text := range []string{"", "7 (a", "7 (a) S 3", "7 (a) S x 1 1 0 -1 4194560 1 2 0 0 150 50 10 5 20 0 9 0 123 1000000 25 1"} {
		if _, ok := parseStat(7, text); ok {
			t.Errorf("%q was read", text)
		}
	}
	if all := tree(os.Getpid()); len(all) == 0 || all[0].resident == 0 {
		t.Errorf("of ourselves: %+v", all)
	}
}

// The floor, end to end, from a Kafka.
func TestTheFloorReadsAWholeTopic(t *testing.T) {
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Dir: t.TempDir(), Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	s := &site{client: &kafka.Client{Addr: kafka.TCP(broker.Addrs()[0]), Transport: &kafka.Transport{}}}
	if s.producer, err = kgo.NewClient(kgo.SeedBrokers(broker.Addrs()[0]), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	defer s.producer.Close()
	if err := s.createTopics(t.Context(), []string{"sales.transactions"}); err != nil {
		t.Fatal(err)
	}
	var copied, out bytes.Buffer
	o, err := s.load(t.Context(), "sales.transactions", sales(5000, noon, 9), &copied)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(copied.Bytes(), []byte("\n")); n != 5000 {
		t.Errorf("%d lines in the file", n)
	}
	for _, cores := range []string{"1", "2"} {
		out.Reset()
		if err := runFloor(t.Context(), &out, broker.Addrs()[0], "sales.transactions", cores); err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(o.sum)
		if err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != "begun\ntotals "+string(want)+"\n" {
			t.Errorf("on %s cores: %q, not %s", cores, got, want)
		}
	}
}
