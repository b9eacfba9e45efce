package event

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// sale3 is a transaction of three lines as tills send it: what the README's figure is measured on.
const sale3 = `{"id":"t-17/4711","source":"t-17","type":"pos.transaction.v1","time":"2026-11-23T10:15:30.120+01:00","sent_at":"2026-11-23T10:15:31+01:00","store_id":"0042","terminal_id":"t-17","sequence":4711,"kind":"sale","business_date":"2026-11-23","channel":"store","currency":"EUR","customer":{"id":"L-0000123","type":"loyalty"},"lines":[{"line":1,"product_id":"4006381333931","category":"stationery","quantity":1,"gross":129,"net":129},{"line":2,"product_id":"1095275","category":"rolls","quantity":2,"gross":100,"discount":10,"net":90},{"line":3,"product_id":"bulk-7","category":"fruit","quantity":0.512,"gross":153,"net":153}],"tenders":[{"method":"card","entry_mode":"contactless","amount":372,"result":"approved","acquirer":"acq-1","authorisation_ms":840}],"totals":{"gross":382,"discount":10,"tax":0,"net":372,"paid":372}}`

const heartbeat = `{"id":"t-17/h/9912","source":"t-17","type":"pos.health.v1","time":"2026-11-23T10:15:30.120+01:00","store_id":"0042","terminal_id":"t-17","sequence":9912,"kind":"heartbeat","status":"up","heartbeat_interval_s":30,"boot_id":"b1","uptime_s":86400,"software_version":"8.2.1","response_ms":41}`

func BenchmarkDecode(b *testing.B) {
	for name, text := range map[string]string{"sale of 3 lines": sale3, "heartbeat": heartbeat} {
		b.Run(name, func(b *testing.B) {
			d := NewDecoder(Options{Secret: []byte("0123456789abcdef")})
			value := []byte(text)
			var e Event
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			for b.Loop() {
				if r := d.Decode(value, &e); r != nil {
					b.Fatal(r)
				}
			}
		})
	}
}

// manySales are like those of the throughput test in cmd/tillstream: no two are alike.
func manySales(n int) [][]byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	all := make([][]byte, n)
	for i := range all {
		till, total := rnd.IntN(1200), 0
		b := fmt.Appendf(nil, `{"id":"%x-%04x","source":"S%04d","type":"pos.transaction.v1","time":"2026-11-23T%02d:%02d:%02d.%03dZ","store_id":"S%04d","terminal_id":"S%04d-T%02d","sequence":%d,"kind":"sale","currency":"EUR","lines":[`,
			rnd.Int64N(1<<47), i&0xffff, till/12, rnd.IntN(24), rnd.IntN(60), rnd.IntN(60), rnd.IntN(1000), till/12, till/12, till%12, rnd.IntN(5000))
		for l := range 3 {
			quantity, product := 1+rnd.IntN(4), rnd.IntN(1000)
			gross := quantity * (49 + rnd.IntN(2999))
			total += gross
			if l > 0 {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, `{"line":%d,"product_id":"40063813%05d","category":"C%03d","quantity":%d,"gross":%d}`, l+1, product, product%80, quantity, gross)
		}
		all[i] = fmt.Appendf(b, `],"tenders":[{"method":"card","amount":%d,"result":"approved"}],"totals":{"gross":%[1]d,"net":%[1]d}}`, total)
	}
	return all
}

// leanSales are like those of bench: what is required, and no more.
func leanSales(n int) [][]byte {
	all, more := manySales(n), regexp.MustCompile(`,"category":"C..."|,"net":[0-9]+`)
	for i := range all {
		all[i] = more.ReplaceAll(all[i], nil)
	}
	return all
}

// benchmarkDecode decodes values in turn, so that what varies is not foretold.
func benchmarkDecode(b *testing.B, values [][]byte) {
	d := NewDecoder(Options{Secret: []byte("0123456789abcdef")})
	var e Event
	b.SetBytes(int64(len(values[0])))
	i := 0
	for b.Loop() {
		if r := d.Decode(values[i%len(values)], &e); r != nil {
			b.Fatal(r)
		}
		i++
	}
}

func BenchmarkDecodeLean(b *testing.B) { benchmarkDecode(b, leanSales(4096)) }

func BenchmarkDecodeMany(b *testing.B) { benchmarkDecode(b, manySales(4096)) }

func TestDecodeDoesNotAllocate(t *testing.T) {
	for name, text := range map[string]string{
		"sale": sale3, "heartbeat": heartbeat,
		"number like a card's": strings.Replace(sale3, `"id":"t-17/4711"`, `"id":"123456789012-3457"`, 1), // which skeletons do not take, and cannot learn to
	} {
		d := NewDecoder(Options{Secret: []byte("0123456789abcdef")})
		value := []byte(text)
		var e Event
		if n := testing.AllocsPerRun(100, func() {
			if r := d.Decode(value, &e); r != nil {
				t.Fatal(r)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
