package simulation

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/tillstream/tillstream/processor/fetch"
)

// message is a record to be produced.
type message struct {
	at    int64 // ms since 1970
	key   string
	value []byte
}

// partition is the log of one partition: whole record batches, as a broker keeps them.
type partition struct {
	batches []stored
	start   int64 // oldest offset that is kept
	end     int64
	aborted []aborted
}

// aborted is a transaction that was taken back, and where its marker is.
type aborted struct {
	fetch.AbortedTransaction
	marker int64
}

type stored struct {
	base, next int64
	data       []byte
	messages   []message
	attributes uint16
	producer   int64
}

const (
	transactional = 0x10
	control       = 0x20
	nobody        = -1 // producer id outside transactions
)

// append adds one record batch.
func (p *partition) append(messages []message, attributes uint16, producer int64) {
	data := encode(p.end, messages, attributes, producer)
	next := p.end + int64(len(messages))
	p.batches = append(p.batches, stored{p.end, next, data, messages, attributes, producer})
	p.end = next
}

// abort adds the records of a transaction that is then aborted, with its marker. They take offsets and count for nothing.
func (p *partition) abort(messages []message, producer int64) {
	first := p.end
	p.append(messages, transactional, producer)
	marker := message{at: messages[0].at, key: "\x00\x00\x00\x00", value: make([]byte, 6)} // version 0, type 0: abort
	p.aborted = append(p.aborted, aborted{fetch.AbortedTransaction{ProducerID: producer, FirstOffset: first}, p.end})
	p.append([]message{marker}, transactional|control, producer)
}

// without is the whole log but for some offsets: compaction leaves such holes.
func (p *partition) without(from, to int64) *partition {
	out := &partition{aborted: p.aborted}
	for _, b := range p.batches {
		if b.next <= from || b.base >= to {
			out.batches = append(out.batches, b)
			continue
		}
		for i, m := range b.messages {
			if at := b.base + int64(i); at < from || at >= to {
				out.batches = append(out.batches, stored{at, at + 1, encode(at, []message{m}, b.attributes, b.producer), []message{m}, b.attributes, b.producer})
			}
		}
	}
	for _, b := range out.batches {
		out.end = b.next
	}
	return out
}

// chunk is at most n batches from the one that holds offset.
func (p *partition) chunk(tp fetch.TopicPartition, offset int64, n int) (fetch.Chunk, bool) {
	c := fetch.Chunk{TopicPartition: tp, From: offset, HighWatermark: p.end, LastStableOffset: p.end, LogStartOffset: p.start}
	for _, b := range p.batches {
		if b.next > offset && b.next > p.start && n > 0 {
			c.Data = append(c.Data, b.data...)
			n--
		}
	}
	for _, a := range p.aborted {
		if a.marker >= offset {
			c.Aborted = append(c.Aborted, a.AbortedTransaction)
		}
	}
	return c, len(c.Data) > 0
}

// encode makes a record batch of format 2, see https://kafka.apache.org/documentation/#recordbatch.
func encode(base int64, messages []message, attributes uint16, producer int64) []byte {
	var records []byte
	first, newest := messages[0].at, messages[0].at
	for i, m := range messages {
		newest = max(newest, m.at)
		body := []byte{0} // attributes
		body = binary.AppendVarint(body, m.at-first)
		body = binary.AppendVarint(body, int64(i))
		body = appendField(body, []byte(m.key))
		body = appendField(body, m.value)
		body = binary.AppendVarint(body, 0) // headers
		records = binary.AppendVarint(records, int64(len(body)))
		records = append(records, body...)
	}
	var tail []byte // what the CRC covers
	tail = binary.BigEndian.AppendUint16(tail, attributes)
	tail = binary.BigEndian.AppendUint32(tail, uint32(len(messages)-1))
	tail = binary.BigEndian.AppendUint64(tail, uint64(first))
	tail = binary.BigEndian.AppendUint64(tail, uint64(newest))
	tail = binary.BigEndian.AppendUint64(tail, uint64(producer))
	tail = binary.BigEndian.AppendUint16(tail, 0)
	tail = binary.BigEndian.AppendUint32(tail, 0)
	tail = binary.BigEndian.AppendUint32(tail, uint32(len(messages)))
	tail = append(tail, records...)

	var b []byte
	b = binary.BigEndian.AppendUint64(b, uint64(base))
	b = binary.BigEndian.AppendUint32(b, uint32(4+1+4+len(tail)))
	b = binary.BigEndian.AppendUint32(b, 0) // leader epoch
	b = append(b, 2)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(tail, crc32.MakeTable(crc32.Castagnoli)))
	return append(b, tail...)
}

func appendField(b, field []byte) []byte {
	if field == nil {
		return binary.AppendVarint(b, -1)
	}
	return append(binary.AppendVarint(b, int64(len(field))), field...)
}

func millis(t time.Time) int64 { return t.UnixMilli() }
