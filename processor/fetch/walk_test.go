package fetch

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// What a log can look like after compaction, deletion and transactions, built with franz-go's encoder.
func TestWalk(t *testing.T) {
	const txn, plain = 0x10, 0
	aborted := func(at ...int64) (list []AbortedTransaction) { // pairs of producer and first offset
		for i := 0; i < len(at); i += 2 {
			list = append(list, AbortedTransaction{at[i], at[i+1]})
		}
		return list
	}
	for name, c := range map[string]struct {
		chunk    *Chunk
		from, to int64
		want     []int64
		next     int64
	}{
		"all":                        {chunk(0, simple(plain, -1, 0, 2, 0, 1, 2), simple(plain, -1, 3, 3, 3)), 0, 4, []int64{0, 1, 2, 3}, 4},
		"up to the middle":           {chunk(0, simple(plain, -1, 0, 2, 0, 1, 2)), 0, 2, []int64{0, 1}, 2},
		"from the middle":            {chunk(1, simple(plain, -1, 0, 2, 0, 1, 2)), 1, 9, []int64{1, 2}, 3},
		"nothing wanted":             {chunk(0, simple(plain, -1, 0, 2, 0, 1, 2)), 2, 2, nil, 2},
		"end before the position":    {chunk(0, simple(plain, -1, 0, 2, 0, 1, 2)), 2, 1, nil, 2},
		"no data":                    {chunk(5), 5, 9, nil, 5},
		"all before the position":    {chunk(0, simple(plain, -1, 0, 2, 0, 1, 2)), 7, 9, nil, 7},
		"cut off at the end":         {chunk(0, simple(plain, -1, 0, 1, 0, 1), simple(plain, -1, 2, 2, 2)[:65]), 0, 9, []int64{0, 1}, 2},
		"less than a header":         {chunk(0, simple(plain, -1, 0, 1, 0, 1), simple(plain, -1, 2, 2, 2)[:10]), 0, 9, []int64{0, 1}, 2},
		"compacted in the middle":    {chunk(0, simple(plain, -1, 0, 9, 0, 4, 9)), 0, 10, []int64{0, 4, 9}, 10},
		"compacted at its ends":      {chunk(0, simple(plain, -1, 0, 9, 3, 4), simple(plain, -1, 10, 10, 10)), 0, 11, []int64{3, 4, 10}, 11},
		"compacted and emptied":      {chunk(0, simple(plain, 7, 0, 9), simple(plain, -1, 10, 10, 10)), 0, 11, []int64{10}, 11},
		"only emptied":               {chunk(0, simple(plain, 7, 0, 9)), 0, 11, nil, 10},
		"hole between batches":       {chunk(0, simple(plain, -1, 0, 1, 0, 1), simple(plain, -1, 50, 50, 50)), 0, 51, []int64{0, 1, 50}, 51},
		"hole up to the end":         {chunk(0, simple(plain, -1, 0, 1, 0, 1), simple(plain, -1, 50, 50, 50)), 0, 30, []int64{0, 1}, 30},
		"hole in a batch to the end": {chunk(0, simple(plain, -1, 0, 9, 0, 9)), 0, 5, []int64{0}, 5},
		"control batch":              {chunk(0, simple(txn, 7, 0, 0, 0), control(1, 7, true), simple(plain, -1, 2, 2, 2)), 0, 3, []int64{0, 2}, 3},
		"control batch last":         {chunk(0, simple(txn, 7, 0, 0, 0), control(1, 7, true)), 0, 9, []int64{0}, 2},
		"aborted, then committed": {
			with(chunk(0, simple(txn, 7, 0, 1, 0, 1), control(2, 7, false), simple(txn, 7, 3, 3, 3), control(4, 7, true)), aborted(7, 0)),
			0, 9,
			[]int64{3},
			5,
		},
		"aborted twice": {with(chunk(0, simple(txn, 7, 0, 1, 0, 1), control(2, 7, false), simple(txn, 7, 3, 3, 3), control(4, 7, false), simple(txn, 7, 5, 5, 5)),
			aborted(7, 0, 7, 3)), 0, 9, []int64{5}, 6},
		"others are not concerned": {with(chunk(0, simple(txn, 7, 0, 0, 0), simple(txn, 8, 1, 1, 1), simple(plain, 7, 2, 2, 2), simple(plain, -1, 3, 3, 3), control(4, 8, true),
			control(5, 7, false)), aborted(7, 0)), 0, 9, []int64{1, 2, 3}, 6},
		"began before the chunk":       {with(chunk(5, simple(txn, 7, 5, 5, 5), control(6, 7, false), simple(txn, 7, 7, 7, 7)), aborted(7, 1)), 5, 9, []int64{7}, 8},
		"begins in a later batch":      {with(chunk(0, simple(txn, 7, 0, 0, 0), control(1, 7, true), simple(txn, 7, 2, 2, 2)), aborted(7, 2)), 0, 9, []int64{0}, 3},
		"from behind the marker":       {with(chunk(0, simple(txn, 7, 0, 1, 0, 1), control(2, 7, false), simple(txn, 7, 3, 3, 3)), aborted(7, 0)), 3, 9, []int64{3}, 4},
		"marker emptied by the broker": {with(chunk(0, simple(txn, 7, 0, 0, 0), encode(1, 0x30, 7, nil, 0, 0), simple(txn, 7, 2, 2, 2)), aborted(7, 0)), 0, 9, nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			got, next, err := walk(NewWalker(), c.chunk, c.from, c.to)
			if err != nil || next != c.next || !slices.Equal(got, c.want) {
				t.Fatalf("want %v and next %d, got %v and %d, %v", c.want, c.next, got, next, err)
			}
		})
	}
}

func with(c *Chunk, aborted []AbortedTransaction) *Chunk {
	c.Aborted = aborted
	return c
}

func TestWalkFields(t *testing.T) {
	records := slices.Concat(
		encodeRecord(0, 5, []byte("key"), []byte("value"), kmsg.Header{Key: "h", Value: []byte("x")}),
		encodeRecord(1, -3, nil, nil),
		encodeRecord(2, 0, []byte{}, []byte{}),
	)
	for attributes, times := range map[int16][]int64{0: {1005, 997, 1000}, 0x08: {2000, 2000, 2000}} { // LogAppendTime: the batch's newest
		var got []Record
		_, err := NewWalker().Walk(chunk(10, encode(10, attributes, -1, records, 3, 2, 1000, 2000)), 10, 13, func(r Record) error {
			got = append(got, clone(r))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		diff(t, []Record{{10, times[0], []byte("key"), []byte("value"), headersOf([]kgo.RecordHeader{{Key: "h", Value: []byte("x")}}), 0}, {11, times[1], nil, nil, Headers{0}, 0}, {12, times[2], []byte{}, []byte{}, Headers{0}, 0}}, got)
	}
}

// An error of the callback says where it was, and Walk can go on there.
func TestWalkStopped(t *testing.T) {
	c, stop := chunk(0, simple(0, -1, 0, 4, 0, 1, 2, 3, 4)), errors.New("full")
	w := NewWalker()
	next, err := w.Walk(c, 0, 5, func(r Record) error {
		if r.Offset == 3 {
			return stop
		}
		return nil
	})
	if next != 3 || err != stop {
		t.Fatalf("got %d, %v", next, err)
	}
	if got, next, err := walk(w, c, next, 5); !slices.Equal(got, []int64{3, 4}) || next != 5 || err != nil {
		t.Fatalf("got %v, %d, %v", got, next, err)
	}
}

// compressors are the codecs by their number, made with the libraries' writers (gzip: the standard library's).
var compressors = map[int16]func([]byte) []byte{
	codecGzip: func(p []byte) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write(p)
		w.Close()
		return b.Bytes()
	},
	codecSnappy: func(p []byte) []byte { return snappy.Encode(nil, p) },
	codecLZ4: func(p []byte) []byte {
		var b bytes.Buffer
		w := lz4.NewWriter(&b)
		w.Write(p)
		w.Close()
		return b.Bytes()
	},
	codecZstd: func(p []byte) []byte {
		w, _ := zstd.NewWriter(nil)
		return w.EncodeAll(p, nil)
	},
	codecSnappy + 100: func(p []byte) []byte { return xerial.Encode(nil, p) }, // snappy-java's framing, in blocks of 32 KiB
}

func TestDecompress(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	records := slices.Concat(encodeRecord(0, 0, nil, large), encodeRecord(1, 0, nil, []byte("small")))
	w := NewWalker()
	for codec, compress := range compressors {
		raw := compress(records)
		attributes := codec % 100
		for range 2 { // the decoders are used again
			var got [][]byte
			_, err := w.Walk(chunk(0, encode(0, attributes, -1, raw, 2, 1)), 0, 2, func(r Record) error {
				got = append(got, bytes.Clone(r.Value))
				return nil
			})
			if err != nil {
				t.Fatal(codec, err)
			}
			diff(t, [][]byte{large, []byte("small")}, got)
		}
	}
}

// Until Done is called all records of a batch are there; it is called after each batch, also after one in which the walk stops.
func TestRecordsStayUntilTheirBatchIsDone(t *testing.T) {
	var data []byte
	for base := int64(0); base < 6; base += 2 {
		records := slices.Concat(encodeRecord(0, 0, nil, fmt.Appendf(nil, "value %d", base)), encodeRecord(1, 0, nil, fmt.Appendf(nil, "value %d", base+1)))
		data = append(data, encode(base, codecSnappy, -1, snappy.Encode(nil, records), 2, 1)...)
	}
	w := NewWalker()
	var open, done []string
	var values [][]byte
	w.Done = func() {
		for _, v := range values {
			open = append(open, string(v))
		}
		values, done = values[:0], append(done, fmt.Sprint(open))
	}
	stop := errors.New("full")
	if _, err := w.Walk(chunk(0, data), 0, 6, func(r Record) error {
		if r.Offset == 5 {
			return stop
		}
		values = append(values, r.Value)
		return nil
	}); err != stop {
		t.Fatal(err)
	}
	diff(t, []string{"[value 0 value 1]", "[value 0 value 1 value 2 value 3]", "[value 0 value 1 value 2 value 3 value 4]"}, done)
}

// Of a batch that is too large, however small it is on the way, some is held at a time; of a record that is too large itself, only the beginning. What is before, between and behind is
// whole, also where a walk goes on in the middle, and stays until Done is called.
func TestLargeBatch(t *testing.T) {
	const limit = 3 << 19
	rnd := rand.New(rand.NewPCG(1, 2))
	value := func(n int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%016x", rnd.Uint64()), n/16) }
	var records []byte
	var want []Record
	for i, r := range []Record{
		{Value: value(100)},
		{Key: []byte("k"), Value: value(2 << 20)}, // too large
		{Value: value(1_200_000)},                 // not too large, but longer than what is held else
		{Value: value(100), Headers: NewHeaders(Header{"h", value(2 << 20)})},
		{Value: []byte("small"), Headers: NewHeaders(Header{"h", []byte("x")})},
		{Key: value(3 << 20), Value: value(100)},
		{},
		{Value: value(900_000)},
		{Value: value(900_000)},
		{Value: value(900_000)},
		{Value: value(2 << 20)}, // and nothing behind it
	} {
		var headers []kmsg.Header
		for k, v := range r.Headers.All {
			headers = append(headers, kmsg.Header{Key: k, Value: v})
		}
		records = append(records, encodeRecord(int32(i), 0, r.Key, r.Value, headers...)...)
		r.Offset = int64(i)
		want = append(want, r)
	}
	n := len(want)
	for codec, compress := range compressors {
		c, w := chunk(0, encode(0, codec%100, -1, compress(records), int32(n), int32(n-1))), &Walker{MaxBatch: limit}
		if codec == codecSnappy { // nothing of a block is cut, as of what is not compressed
			continue
		}
		for _, from := range []int64{0, 1, 2, 8} {
			var held, got []Record // held is not done
			w.Done = func() {
				for _, r := range held {
					got = append(got, clone(r))
				}
				held = held[:0]
			}
			next, err := w.Walk(c, from, int64(n), func(r Record) error {
				held = append(held, r)
				return nil
			})
			if err != nil || next != int64(n) || len(got) != n-int(from) {
				t.Fatalf("codec %d from %d: %d records up to %d, %v", codec, from, len(got), next, err)
			}
			for i, r := range got {
				want := want[int(from)+i]
				size := func(r Record) int { return len(r.Key) + len(r.Value) + len(r.Headers) }
				switch over := size(want) > limit; {
				case !over:
					if want.Headers == nil {
						want.Headers = Headers{0}
					}
					diff(t, want, r)
				case r.Cut == 0 || size(r) > largePart || !bytes.HasPrefix(want.Key, r.Key) || !bytes.HasPrefix(want.Value, r.Value) || r.Headers != nil ||
					len(want.Value) > limit && len(r.Value)+r.Cut != len(want.Value):
					t.Fatalf("codec %d: of record %d there are %d, %d and %d bytes, %d are left out", codec, i, len(r.Key), len(r.Value), len(r.Headers), r.Cut)
				}
			}
		}
		if n := cap(w.codecs.out); n > limit+64<<10 {
			t.Errorf("codec %d: %d bytes were held for a limit of %d", codec, n, limit)
		}
	}
}

func cutShort(p []byte) []byte { return p[:len(p)/2] }

// What is wrong in a large batch is found as in a small one.
func TestLargeBatchMalformed(t *testing.T) {
	bomb := make([]byte, 3<<20)
	first, second, third := encodeRecord(0, 0, nil, bomb), encodeRecord(1, 0, nil, bomb), encodeRecord(2, 0, nil, bomb)
	for codec, compress := range compressors {
		w := &Walker{MaxBatch: 1 << 20}
		for name, raw := range map[string][]byte{
			"zeros": compress(bomb), "fewer records": compress(first), "more records": compress(slices.Concat(first, second, third)),
			"cut off": compress(slices.Concat(first, second[:2<<20])), "the same offset": compress(slices.Concat(first, first)), "does not decompress": cutShort(compress(slices.Concat(first, second))),
		} {
			_, next, err := walk(w, chunk(7, encode(7, codec%100, -1, raw, 2, 2)), 7, 10)
			if bad := malformed(""); !errors.As(err, &bad) || !strings.Contains(err.Error(), "--offset 10 --reason") || next < 7 || next > 9 || cap(w.codecs.out) > w.MaxBatch+64<<10 {
				t.Errorf("codec %d, %s: got %v, %d and a buffer of %d", codec, name, err, next, cap(w.codecs.out))
			}
		}
	}
}

// A batch with a right checksum can still be nonsense: it stops the walk with a word, after the records before it.
func TestWalkMalformed(t *testing.T) {
	ok := simple(0, -1, 0, 0, 0)
	good := encodeRecord(0, 0, nil, []byte("v"))
	varints := func(n ...int64) (p []byte) {
		for _, v := range n {
			p = binary.AppendVarint(p, v)
		}
		return p
	}
	body := func(p []byte) []byte {
		return append(binary.AppendVarint(nil, int64(len(p)+1)), append([]byte{0}, p...)...)
	}
	for name, bad := range map[string][]byte{
		"fewer records":         encode(1, 0, -1, good, 2, 1),
		"more records":          encode(1, 0, -1, slices.Concat(good, good), 1, 1),
		"two billion records":   encode(1, 0, -1, good, 1<<31-1, 1),
		"offset twice":          encode(1, 0, -1, slices.Concat(good, good), 2, 1),
		"offset beyond":         encode(1, 0, -1, encodeRecord(2, 0, nil, nil), 1, 1),
		"offset before":         encode(1, 0, -1, encodeRecord(-1, 0, nil, nil), 1, 1),
		"record too long":       encode(1, 0, -1, varints(1<<40), 1, 0),
		"record negative":       encode(1, 0, -1, varints(-5), 1, 0),
		"record empty":          encode(1, 0, -1, varints(0), 1, 0),
		"endless varint":        encode(1, 0, -1, bytes.Repeat([]byte{0xff}, 20), 1, 0),
		"key too long":          encode(1, 0, -1, body(varints(0, 0, 100)), 1, 0),
		"key below null":        encode(1, 0, -1, body(varints(0, 0, -2)), 1, 0),
		"value too long":        encode(1, 0, -1, body(varints(0, 0, -1, 1<<62)), 1, 0),
		"no value":              encode(1, 0, -1, body(varints(0, 0, -1)), 1, 0),
		"no offset":             encode(1, 0, -1, body(varints(0)), 1, 0),
		"nothing in it":         encode(1, 0, -1, body(nil), 1, 0),
		"unknown codec":         encode(1, 7, -1, good, 1, 0),
		"not gzip":              encode(1, 1, -1, good, 1, 0),
		"not snappy":            encode(1, 2, -1, []byte{0xff, 0xff, 0xff, 0xff}, 1, 0),
		"snappy block too long": encode(1, 2, -1, []byte(xerialFrame+"\x7f\xff\xff\xff"), 1, 0),
		"snappy block cut":      encode(1, 2, -1, []byte(xerialFrame+"\x00"), 1, 0),
		"not lz4":               encode(1, 3, -1, good, 1, 0),
		"not zstd":              encode(1, 4, -1, good, 1, 0),
		"length too small":      rewrite(simple(0, -1, 1, 1, 1), atLength, 0, 0, 0, 48),
		"length negative":       rewrite(simple(0, -1, 1, 1, 1), atLength, 0xff, 0, 0, 0),
		"base negative":         rewrite(simple(0, -1, 1, 1, 1), 0, 0xff),
		"base at the end":       rewrite(simple(0, -1, 1, 2, 1), 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		"format 0":              rewrite(simple(0, -1, 1, 1, 1), atMagic, 0),
		"format 1":              rewrite(simple(0, -1, 1, 1, 1), atMagic, 1),
	} {
		got, next, err := walk(NewWalker(), chunk(0, ok, bad, simple(0, -1, 9, 9, 9)), 0, 10)
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			t.Fatalf("%s: got %v, %d and %v", name, got, next, err)
		}
		if got[0] != 0 || slices.Contains(got, 9) || corrupt.Offset != next || next < 1 || next > 2 || !strings.Contains(err.Error(), "pos.transactions/3 is damaged: ") {
			t.Fatalf("%s: got %v, %d, %v", name, got, next, err)
		}
	}
}

// The time of an offset is that of its batch: of the first record, or the broker's where the topic says LogAppendTime.
func TestTimeOfAnOffset(t *testing.T) {
	c := chunk(10, encode(10, 0, -1, nil, 0, 4, 1000, 9000), encode(15, logAppendTimeBit, -1, nil, 0, 0, 2000, 8000), encode(20, controlBit, -1, nil, 0, 0, 7000, 7000))
	for offset, want := range map[int64]int64{10: 1000, 14: 1000, 15: 8000, 16: 7000, 20: 7000, 21: 0} {
		if got := c.Time(offset); got != want {
			t.Errorf("offset %d is of %d, want %d", offset, got, want)
		}
	}
}

const xerialFrame = "\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"

func rewrite(p []byte, at int, with ...byte) []byte {
	copy(p[at:], with)
	return p
}

// A log of random transactions, read in random pieces, gives what was committed. What is expected comes from how the log was made,
// and the list of aborted transactions from Kafka's definition of it: those that end in or after the piece and begin before its end.
func TestWalkTransactions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type transaction struct {
			first   int64
			offsets []int64
		}
		var batches [][]byte
		var lasts, want []int64
		var aborted []struct{ producer, first, marker int64 }
		open := map[int64]*transaction{}
		offset := int64(0)
		add := func(raw []byte, last int64) {
			batches, lasts = append(batches, raw), append(lasts, last)
			offset = last + 1
		}
		data := func(attributes int16, producer int64) []int64 {
			offset += int64(rapid.IntRange(0, 2).Draw(t, "hole"))
			last := offset + int64(rapid.IntRange(0, 5).Draw(t, "span"))
			var kept []int64
			for o := offset; o <= last; o++ {
				if rapid.IntRange(0, 3).Draw(t, "kept") > 0 {
					kept = append(kept, o)
				}
			}
			add(simple(attributes, producer, offset, last, kept...), last)
			return kept
		}
		for range rapid.IntRange(1, 40).Draw(t, "batches") {
			producer := int64(rapid.IntRange(-1, 3).Draw(t, "producer"))
			tx := open[producer]
			switch {
			case producer < 0:
				want = append(want, data(0, -1)...)
			case tx == nil:
				tx = &transaction{first: offset}
				open[producer] = tx
				tx.offsets = data(0x10, producer)
			case rapid.Bool().Draw(t, "ends"):
				commit := rapid.Bool().Draw(t, "commits")
				if commit {
					want = append(want, tx.offsets...)
				} else {
					aborted = append(aborted, struct{ producer, first, marker int64 }{producer, tx.first, offset})
				}
				add(control(offset, producer, commit), offset)
				delete(open, producer)
			default:
				tx.offsets = append(tx.offsets, data(0x10, producer)...)
			}
		}
		stable := offset
		for _, tx := range open {
			stable = min(stable, tx.first)
		}
		want = slices.DeleteFunc(want, func(o int64) bool { return o >= stable })
		slices.Sort(want)

		var got []int64
		w, next := NewWalker(), int64(0)
		for next < stable {
			// a piece: from the batch that reaches next, over some batches below the last stable offset
			i, _ := slices.BinarySearch(lasts, next)
			j := i
			c := chunk(next)
			for n := rapid.IntRange(1, 10).Draw(t, "piece"); j < len(batches) && lasts[j] < stable && j < i+n; j++ {
				c.Data = append(c.Data, batches[j]...)
			}
			if j == i {
				break // a hole before an open transaction
			}
			for _, a := range aborted {
				if a.marker >= next && a.first <= lasts[j-1] {
					c.Aborted = append(c.Aborted, AbortedTransaction{a.producer, a.first})
				}
			}
			slices.SortFunc(c.Aborted, func(x, y AbortedTransaction) int { return int(x.FirstOffset - y.FirstOffset) })
			if end := c.End(); end != lasts[j-1]+1 {
				t.Fatalf("the chunk ends at %d, its last batch at %d", end, lasts[j-1])
			}
			for end := c.End(); next < end; { // and the piece is walked in pieces
				to := next + int64(rapid.IntRange(1, 20).Draw(t, "to"))
				offsets, n, err := walk(w, c, next, to)
				if err != nil || n != min(to, end) {
					t.Fatalf("walking from %d to %d ended at %d: %v", next, to, n, err)
				}
				got, next = append(got, offsets...), n
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("committed %v, got %v", want, got)
		}
	})
}

// Whatever the bytes, Walk ends, goes forward, and holds no more than its limit.
func FuzzWalk(f *testing.F) {
	records := slices.Concat(encodeRecord(0, 0, []byte("k"), bytes.Repeat([]byte("v"), 100)), encodeRecord(1, 0, nil, nil))
	for codec, compress := range compressors {
		f.Add(encode(0, codec%100, -1, compress(records), 2, 1), int64(0), int64(10), int64(7), false)
		f.Add(encode(0, codec%100|0x10, 7, compress(records), 2, 1), int64(1), int64(10), int64(7), true)
	}
	f.Add(slices.Concat(simple(0x10, 7, 0, 4, 1, 3), control(5, 7, false), simple(0x18, 7, 6, 9, 6)), int64(0), int64(8), int64(7), true)
	f.Add(slices.Concat(control(5, 7, true), rewrite(simple(0, -1, 6, 6, 6), atMagic, 1)), int64(0), int64(8), int64(7), false)
	f.Fuzz(func(t *testing.T, data []byte, from, to, producer int64, seal bool) {
		if seal && len(data) >= headerSize { // with right checksums more is reached
			for rest := data; len(rest) >= headerSize; {
				n := min(len(rest), headerSize+int(rest[atLength+3]))
				copy(rest, encode(int64(binary.BigEndian.Uint64(rest)), int16(binary.BigEndian.Uint16(rest[atAttributes:])),
					int64(binary.BigEndian.Uint64(rest[atProducerID:])), rest[headerSize:n], int32(binary.BigEndian.Uint32(rest[atCount:])),
					int32(binary.BigEndian.Uint32(rest[atLastDelta:]))))
				rest = rest[n:]
			}
		}
		good, bad := intact(data, -1)
		if good < 0 || good > len(data) || bad == nil && good == 0 && len(data) > 0 {
			t.Fatalf("%d of %d bytes are intact, %v", good, len(data), bad)
		}
		c := chunk(from, data)
		c.Aborted = []AbortedTransaction{{producer, 0}, {producer, 3}}
		w := &Walker{MaxBatch: 1 << 20}
		before := from - 1
		next, err := w.Walk(c, from, to, func(r Record) error {
			if r.Offset <= before || r.Offset >= to {
				return fmt.Errorf("offset %d after %d, up to %d", r.Offset, before, to)
			}
			before = r.Offset
			return nil
		})
		var corrupt *CorruptError
		if err != nil && !errors.As(err, &corrupt) {
			t.Fatal(err)
		}
		if next < from || next > max(from, to) || before >= next && before >= from {
			t.Fatalf("from %d to %d, the last at %d, ended at %d, %v", from, to, before, next, err)
		}
		if cap(w.codecs.out) > 3<<20 {
			t.Fatalf("%d bytes are held", cap(w.codecs.out))
		}
		c.Data = data[:good]
		if end := c.End(); good > 0 && bad == nil && end < from {
			t.Fatalf("a chunk from %d ends at %d", from, end)
		}
	})
}

// till is a transaction as tills send it, about 500 bytes.
func till(i int) []byte {
	return fmt.Appendf(nil, `{"id":"%08x-5f0e-4c6f-9d6b-%012x","type":"transaction","store_id":"S%04d","terminal_id":"S%04d-T%02d","sequence":%d,`+
		`"time":"2026-11-23T%02d:%02d:%02d.%03d+01:00","kind":"sale","currency":"EUR","lines":[{"product_id":"%013d","quantity":"1","gross":%d,"net":%d,"tax":%d},`+
		`{"product_id":"%013d","quantity":"2","gross":%d,"net":%d,"tax":%d}],"tenders":[{"type":"card","amount":%d,"result":"approved"}]}`,
		i*2654435761%1e9, i*48271%1e9, i%500, i%500, i%7, i, i/3600%24, i/60%60, i%60, i%1000, i*7919%1e9, i%900, i%800, i%100, i*104729%1e9, i%700, i%600, i%90, i%1600)
}

func BenchmarkWalk(b *testing.B) {
	names := map[int16]string{codecNone: "none", codecGzip: "gzip", codecSnappy: "snappy", codecLZ4: "lz4", codecZstd: "zstd", codecSnappy + 100: "snappy-java"}
	for _, codec := range []int16{codecNone, codecGzip, codecSnappy, codecSnappy + 100, codecLZ4, codecZstd} {
		b.Run(names[codec], func(b *testing.B) {
			var batches [][]byte
			bytes, records := 0, 0
			for range 32 {
				var p []byte
				for i := range 500 {
					v := till(records)
					p = append(p, encodeRecord(int32(i), int64(i), v[18:30], v)...)
					bytes += len(v)
					records++
				}
				if codec != codecNone {
					p = compressors[codec](p)
				}
				batches = append(batches, encode(int64(records-500), codec%100, -1, p, 500, 499))
			}
			c, w := chunk(0, batches...), NewWalker()
			b.SetBytes(int64(bytes))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if _, err := w.Walk(c, 0, c.End(), func(Record) error { n++; return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mrecords/s")
			b.ReportMetric(float64(bytes)/float64(len(c.Data)), "ratio")
		})
	}
}

func BenchmarkIntact(b *testing.B) {
	c := chunk(0, encode(0, 0, -1, make([]byte, 1<<20), 1, 0))
	b.SetBytes(int64(len(c.Data)))
	for b.Loop() {
		if n, err := intact(c.Data, -1); n != len(c.Data) || err != nil {
			b.Fatal(n, err)
		}
	}
}
