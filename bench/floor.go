package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/tillstream/tillstream/processor/fetch"
)

const floorCommand = "floor"

// runFloor reads a topic from end to end, on a goroutine for each core and one that fetches ahead of it, and prints what it comes to. Fetching, checking and
// decompressing is the processor's own package, which is faster than any client's; what finds the fields is as little as can be.
func runFloor(ctx context.Context, out io.Writer, broker, topic, cores string) error {
	workers, err := strconv.Atoi(cores)
	if err != nil || workers < 1 {
		return fmt.Errorf("%q is no number of cores", cores)
	}
	client := &kafka.Client{Addr: kafka.TCP(broker), Transport: &kafka.Transport{}}
	fetcher := fetch.New(client, fetch.Config{}, zap.NewNop())
	shares := make([][]fetch.TopicPartition, workers)
	var all []fetch.TopicPartition
	for p := range int32(partitions) {
		tp := fetch.TopicPartition{Topic: topic, Partition: p}
		all, shares[int(p)%workers] = append(all, tp), append(shares[int(p)%workers], tp)
	}
	bounds, err := fetcher.Bounds(ctx, all)
	if err != nil {
		return fmt.Errorf("reading where partitions end: %w", err)
	}
	fmt.Fprintln(out, "begun")
	counted := make([]totals, workers)
	g, ctx := errgroup.WithContext(ctx)
	for i, share := range shares {
		chunks := make(chan []fetch.Chunk, 1)
		g.Go(func() error { return fetchAll(ctx, fetcher, share, bounds, chunks) })
		g.Go(func() error { return counted[i].count(bounds, chunks) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var sum totals
	for _, t := range counted {
		sum.Lines, sum.Quantity, sum.Amount = sum.Lines+t.Lines, sum.Quantity+t.Quantity, sum.Amount+t.Amount
	}
	b, err := json.Marshal(sum)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "totals %s\n", b)
	return nil
}

// fetchAll fetches partitions up to their ends.
func fetchAll(ctx context.Context, f *fetch.Fetcher, share []fetch.TopicPartition, bounds map[fetch.TopicPartition]fetch.Bounds, out chan<- []fetch.Chunk) error {
	defer close(out)
	var at []fetch.Position
	for _, tp := range share {
		at = append(at, fetch.Position{TopicPartition: tp, Offset: bounds[tp].Start})
	}
	for {
		at = slices.DeleteFunc(at, func(p fetch.Position) bool { return p.Offset >= bounds[p.TopicPartition].End })
		if len(at) == 0 {
			return nil
		}
		chunks, err := f.Fetch(ctx, at)
		if err != nil {
			return fmt.Errorf("fetching: %w", err)
		}
		for i := range chunks {
			for k := range at {
				if at[k].TopicPartition == chunks[i].TopicPartition {
					at[k].Offset = chunks[i].End()
				}
			}
		}
		select {
		case out <- chunks:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// count adds up what is in chunks. After an error it takes no more.
func (t *totals) count(bounds map[fetch.TopicPartition]fetch.Bounds, in <-chan []fetch.Chunk) error {
	w := fetch.NewWalker()
	for chunks := range in {
		for i := range chunks {
			c := &chunks[i]
			b := bounds[c.TopicPartition]
			if _, err := w.Walk(c, c.From, b.End, func(r fetch.Record) error { return t.scan(r.Value) }); err != nil {
				return fmt.Errorf("reading %s: %w", c.TopicPartition, err)
			}
		}
	}
	return nil
}

var errUnusual = errors.New("a sale that is not as usual")

// scan adds a sale up whose JSON is the usual one: no white space, no escapes, numbers without exponents. Others are errors: it is for measuring only.
func (t *totals) scan(b []byte) error {
	s := scanner{b: b}
	counts, lines := true, *t
	s.object(func(name []byte) {
		switch string(name) {
		case "kind":
			counts = string(s.text()) == "sale" && counts
		case "test":
			counts = s.value()[0] == 'f' && counts
		case "lines":
			s.array(func() { lines.line(&s) })
		default:
			s.value()
		}
	})
	if s.bad || s.at != len(b) {
		return fmt.Errorf("%w: %s", errUnusual, b)
	}
	if counts {
		*t = lines
	}
	return nil
}

func (t *totals) line(s *scanner) {
	var quantity, gross, discount, net int64
	named, counts := false, true
	s.object(func(name []byte) {
		switch string(name) {
		case "quantity":
			quantity = s.thousandths()
		case "gross":
			gross = s.thousandths() / 1000
		case "discount":
			discount = s.thousandths() / 1000
		case "net":
			net, named = s.thousandths()/1000, true
		case "voided":
			counts = s.value()[0] == 'f' && counts
		case "kind":
			counts = string(s.text()) == "item" && counts
		default:
			s.value()
		}
	})
	if !counts {
		return
	}
	if !named {
		net = gross - discount
	}
	t.Lines++
	t.Quantity += quantity
	t.Amount += net
}

// scanner goes through JSON. What it does not expect makes it bad, and then it is at the end.
type scanner struct {
	b   []byte
	at  int
	bad bool
}

func (s *scanner) fail() { s.bad, s.at = true, len(s.b) }

// take passes one byte if it is the next.
func (s *scanner) take(c byte) bool {
	if s.at < len(s.b) && s.b[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) must(c byte) {
	if !s.take(c) {
		s.fail()
	}
}

func (s *scanner) object(field func(name []byte)) {
	s.must('{')
	for first := true; !s.bad && !s.take('}'); first = false {
		if !first {
			s.must(',')
		}
		name := s.text()
		s.must(':')
		if !s.bad {
			field(name)
		}
	}
}

func (s *scanner) array(item func()) {
	s.must('[')
	for first := true; !s.bad && !s.take(']'); first = false {
		if !first {
			s.must(',')
		}
		item()
	}
}

func (s *scanner) text() []byte {
	s.must('"')
	n := bytes.IndexByte(s.b[s.at:], '"')
	if n < 0 || n > 0 && s.b[s.at+n-1] == '\\' {
		s.fail()
		return nil
	}
	text := s.b[s.at : s.at+n]
	s.at += n + 1
	return text
}

// value passes one of any kind; there is at least a byte in it.
func (s *scanner) value() []byte {
	from := s.at
	if from >= len(s.b) {
		s.fail()
		return []byte{0}
	}
	switch s.b[from] {
	case '"':
		s.text()
	case '{':
		s.object(func([]byte) { s.value() })
	case '[':
		s.array(func() { s.value() })
	default:
		for s.at < len(s.b) && s.b[s.at] != ',' && s.b[s.at] != '}' && s.b[s.at] != ']' {
			s.at++
		}
	}
	if s.at == from {
		s.fail()
		return []byte{0}
	}
	return s.b[from:s.at]
}

func (s *scanner) thousandths() (n int64) {
	negative := s.take('-')
	digits := s.at
	for s.at < len(s.b) && s.b[s.at] >= '0' && s.b[s.at] <= '9' {
		n = 10*n + int64(s.b[s.at]-'0')
		s.at++
	}
	if s.at == digits {
		s.fail()
	}
	decimals := 0
	if s.take('.') {
		for ; s.at < len(s.b) && s.b[s.at] >= '0' && s.b[s.at] <= '9'; s.at++ {
			if decimals++; decimals > 3 {
				s.fail()
				return 0
			}
			n = 10*n + int64(s.b[s.at]-'0')
		}
	}
	for ; decimals < 3; decimals++ {
		n *= 10
	}
	if negative {
		return -n
	}
	return n
}
