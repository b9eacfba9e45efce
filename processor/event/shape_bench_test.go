package event

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// sales and heartbeats as the throughput test of cmd/tillstream sends them: no two are alike.
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

func BenchmarkDecodeMany(b *testing.B) {
	d := NewDecoder(Options{Secret: []byte("0123456789abcdef")})
	values := manySales(4096)
	var e Event
	b.SetBytes(int64(len(values[0])))
	i := 0
	for b.Loop() {
		if r := d.Decode(values[i&4095], &e); r != nil {
			b.Fatal(r)
		}
		i++
	}
}
