package fetch

import (
	"encoding/binary"
	"errors"
	"slices"
)

// Record is one message. Key, Value and Headers alias the chunk, or the Walker's buffer: they are valid until Walk calls Done, or returns. Copy what is kept; where
// there is no Done, assume nothing longer than the call.
type Record struct {
	Offset     int64
	Timestamp  int64  // ms since 1970 UTC: the broker's where the topic says LogAppendTime, else the producer's
	Key, Value []byte // nil where Kafka has null; a nil Value is a tombstone
	Headers    Headers
	Cut        int // bytes that are left out at the end of Value, of a record that is larger than a batch may be; Headers are none then
}

// Walker goes through chunks, reusing its buffers. It is for one goroutine.
type Walker struct {
	// MaxBatch is how many bytes are held of what a batch has when decompressed: of a larger one some records at a time, and of a record that is larger itself only
	// the beginning. 64 MiB.
	MaxBatch int
	// Done is called, if it is not nil, once the records of a batch, or of a part of a large one, were given, or as many of them as there will be: before what they
	// alias is used again.
	Done func()

	codecs  codecs
	aborted []int64 // producers whose transaction at this point of the chunk was aborted
}

// NewWalker makes a Walker with the default limit.
func NewWalker() *Walker { return &Walker{MaxBatch: 64 << 20} }

// Walk calls f for the records of c with from <= offset < to, in the order of their offsets. next is the first offset not passed, from
// where the following Walk goes on: it is after control batches, aborted records and what compaction took out, and never
// beyond to. After an error of f, next is the offset of the record that f refused. A batch that cannot be read is a *CorruptError.
func (w *Walker) Walk(c *Chunk, from, to int64, f func(Record) error) (next int64, err error) {
	next = from
	w.aborted = w.aborted[:0]
	pending := c.Aborted
	for data := c.Data; next < to; {
		b, err := parse(data)
		if err != nil {
			return next, &CorruptError{TopicPartition: c.TopicPartition, Offset: next, Err: err}
		}
		if b.size == 0 {
			break
		}
		data = data[b.size:]
		if b.base >= to {
			return to, nil // a hole up to here
		}
		for len(pending) > 0 && pending[0].FirstOffset <= b.last {
			w.aborted = append(w.aborted, pending[0].ProducerID)
			pending = pending[1:]
		}
		skip := b.is(controlBit)
		if b.producerID >= 0 && (skip || b.is(transactionalBit)) {
			if i := slices.Index(w.aborted, b.producerID); i >= 0 && skip {
				abort, err := w.isAbort(&b)
				if err != nil {
					return next, &CorruptError{c.TopicPartition, next, err, b.last + 1}
				}
				if abort {
					w.aborted = slices.Delete(w.aborted, i, i+1)
				}
			} else if i >= 0 {
				skip = true
			}
		}
		if b.last < next {
			continue
		}
		if !skip {
			at, err := w.records(&b, next, to, f)
			if w.Done != nil {
				w.Done()
			}
			if err != nil {
				if bad := malformed(""); errors.As(err, &bad) {
					err = &CorruptError{c.TopicPartition, at, err, b.last + 1}
				}
				return at, err
			}
		}
		next = min(b.last+1, to)
	}
	return next, nil
}

// malformed is what is wrong inside a batch whose checksum is right.
type malformed string

func (e malformed) Error() string { return string(e) }

// records calls f for the records of one batch from next to before to. After an error it returns the offset it happened at.
func (w *Walker) records(b *batch, next, to int64, f func(Record) error) (int64, error) {
	p, in, err := w.codecs.decompress(b.attributes&codecBits, b.records, w.MaxBatch)
	if err != nil {
		return next, err
	}
	var more *large
	if in != nil {
		more = &large{in: in, w: w}
	}
	stamped := b.is(logAppendTimeBit)
	after := b.base
	for range b.count {
		var r record
		if r, p, err = readRecord(p); err == errRecordLength && more != nil {
			r, p, err = more.record(p)
		}
		if err != nil {
			return max(next, after), err
		}
		offset := b.base + r.offsetDelta
		if r.offsetDelta < 0 || offset < after || offset > b.last {
			return max(next, after), malformed("the offsets of its records are not in order")
		}
		after = offset + 1
		if offset < next {
			continue
		}
		if offset >= to {
			return to, nil
		}
		timestamp := b.baseTime + r.timeDelta
		if stamped {
			timestamp = b.maxTime
		}
		if err := f(Record{Offset: offset, Timestamp: timestamp, Key: r.key, Value: r.value, Headers: r.headers, Cut: r.cut}); err != nil {
			return offset, err
		}
	}
	if more != nil && len(p) == 0 {
		if p, err = more.read(p, 1); err != nil {
			return max(next, after), err
		}
	}
	if len(p) > 0 {
		return max(next, after), malformed("there is more in it than its records")
	}
	return after, nil
}

// isAbort says whether a control batch ends a transaction by undoing it. One that compaction has emptied does not.
func (w *Walker) isAbort(b *batch) (bool, error) {
	if b.count == 0 {
		return false, nil
	}
	p, _, err := w.codecs.decompress(b.attributes&codecBits, b.records, w.MaxBatch)
	if err != nil {
		return false, err
	}
	r, _, err := readRecord(p)
	if err != nil {
		return false, err
	}
	if len(r.key) < 4 {
		return false, malformed("the key of its control record is too short")
	}
	return binary.BigEndian.Uint16(r.key[2:]) == 0, nil // version, then type: 0 abort, 1 commit
}

type record struct {
	timeDelta, offsetDelta int64
	key, value             []byte
	headers                Headers
	cut                    int
}

const (
	errRecordLength = malformed("the length of a record is wrong")
	errRecordField  = malformed("a field reaches beyond its record")
)

// readRecord reads the first record of p and returns what follows it.
func readRecord(p []byte) (r record, rest []byte, err error) {
	n, k := varint(p)
	if k <= 0 || n < 1 || n > int64(len(p)-k) {
		return r, p, errRecordLength
	}
	rest = p[k+int(n):]
	p = p[k+1 : k+int(n)] // without the attributes, of which none is in use
	if r.timeDelta, k = varint(p); k <= 0 {
		return r, rest, errRecordField
	}
	p = p[k:]
	if r.offsetDelta, k = varint(p); k <= 0 {
		return r, rest, errRecordField
	}
	var ok bool
	if r.key, p, ok = field(p[k:]); !ok {
		return r, rest, errRecordField
	}
	if r.value, p, ok = field(p); !ok {
		return r, rest, errRecordField
	}
	r.headers = p
	return r, rest, nil
}

// field reads bytes with their length before them, -1 for null.
func field(p []byte) (value, rest []byte, ok bool) {
	n, k := varint(p)
	switch {
	case k <= 0 || n < -1 || n > int64(len(p)-k):
		return nil, nil, false
	case n == -1:
		return nil, p[k:], true
	}
	end := k + int(n)
	return p[k:end:end], p[end:], true
}

// varint is binary.Varint with a short way for one and two bytes, which is most of them.
func varint(p []byte) (int64, int) {
	switch {
	case len(p) > 0 && p[0] < 0x80:
		u := uint64(p[0])
		return int64(u>>1) ^ -int64(u&1), 1
	case len(p) > 1 && p[1] < 0x80:
		u := uint64(p[0]&0x7f) | uint64(p[1])<<7
		return int64(u>>1) ^ -int64(u&1), 2
	}
	return binary.Varint(p)
}
