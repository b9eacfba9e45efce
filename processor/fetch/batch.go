package fetch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// AbortedTransaction says that the transactional records of a producer, from FirstOffset to its next abort marker, do not count.
type AbortedTransaction struct {
	ProducerID  int64
	FirstOffset int64
}

// Chunk is what one answer held of one partition: at least one batch, all of them whole and checked against their CRC.
type Chunk struct {
	TopicPartition
	From    int64                // the offset asked for; the first batch may begin below it
	Data    []byte               // record batches of format 2, as the broker keeps them
	Aborted []AbortedTransaction // by ascending FirstOffset

	HighWatermark    int64 // offset after the last replicated record
	LastStableOffset int64 // offset after the last record of no open transaction: what can be read
	LogStartOffset   int64 // oldest offset that is kept
}

// End is the first offset after the chunk: where to go on.
func (c *Chunk) End() int64 {
	end := c.From
	for data := c.Data; ; {
		b, err := parse(data)
		if err != nil || b.size == 0 {
			return end
		}
		end = max(end, b.last+1)
		data = data[b.size:]
	}
}

// Time is when the first record at or after offset was made, ms since 1970, as its batch says: that record may be a later one of the batch. It is 0 if there is none.
func (c *Chunk) Time(offset int64) int64 {
	for data := c.Data; ; {
		b, err := parse(data)
		switch {
		case err != nil || b.size == 0:
			return 0
		case b.last >= offset && b.is(logAppendTimeBit):
			return b.maxTime
		case b.last >= offset:
			return b.baseTime
		}
		data = data[b.size:]
	}
}

// Where things are in a record batch of format 2, see https://kafka.apache.org/documentation/#recordbatch. Up to the magic byte the
// older formats are alike.
const (
	atLength        = 8
	atMagic         = 16
	atCRC           = 17
	atAttributes    = 21 // the CRC covers everything from here
	atLastDelta     = 23
	atBaseTimestamp = 27
	atMaxTimestamp  = 35
	atProducerID    = 43
	atCount         = 57
	headerSize      = 61

	codecBits         = 0x07
	logAppendTimeBit  = 0x08
	transactionalBit  = 0x10
	controlBit        = 0x20
	lengthBeforeBatch = 12 // base offset and length itself, which the length does not count
)

// batch is the header of a record batch, and its records as they are stored.
type batch struct {
	size       int // bytes of the whole batch
	base, last int64
	attributes uint16
	baseTime   int64
	maxTime    int64
	producerID int64
	count      int32
	records    []byte
}

func (b *batch) is(bit uint16) bool { return b.attributes&bit != 0 }

// formatError is the magic byte of a message format that is not read here.
type formatError int8

func (e formatError) Error() string { return fmt.Sprintf("message format %d", int8(e)) }

var (
	errLength  = errors.New("the length of the batch is smaller than its header")
	errOffsets = errors.New("the offsets of the batch cannot be")
	errCRC     = errors.New("the checksum of the batch does not match its content")
	errOrder   = errors.New("the batch overlaps with the one before it")
	errBeyond  = errors.New("the batch reaches beyond the last stable offset")
	errPartial = errors.New("the first batch is cut off")
)

// parse reads the header of the first batch in data. Where data holds no whole batch, size is 0.
func parse(data []byte) (batch, error) {
	if len(data) <= atMagic {
		return batch{}, nil
	}
	if magic := data[atMagic]; magic != 2 {
		return batch{}, formatError(magic)
	}
	length := int64(int32(binary.BigEndian.Uint32(data[atLength:])))
	if length < headerSize-lengthBeforeBatch {
		return batch{}, errLength
	}
	size := length + lengthBeforeBatch
	if size > int64(len(data)) {
		return batch{}, nil
	}
	b := batch{
		size:       int(size),
		base:       int64(binary.BigEndian.Uint64(data)),
		attributes: binary.BigEndian.Uint16(data[atAttributes:]),
		baseTime:   int64(binary.BigEndian.Uint64(data[atBaseTimestamp:])),
		maxTime:    int64(binary.BigEndian.Uint64(data[atMaxTimestamp:])),
		producerID: int64(binary.BigEndian.Uint64(data[atProducerID:])),
		count:      int32(binary.BigEndian.Uint32(data[atCount:])),
		records:    data[headerSize:size],
	}
	delta := int64(int32(binary.BigEndian.Uint32(data[atLastDelta:])))
	if b.base < 0 || delta < 0 || b.base > math.MaxInt64-1-delta {
		return batch{}, errOffsets
	}
	b.last = b.base + delta
	return b, nil
}

// intact returns the length of data's prefix of whole and correct batches, and what is wrong with the batch after it, if anything. A
// batch that was cut off at the end of the answer is no fault, unless it is the first.
func intact(data []byte, stable int64) (int, error) {
	castagnoli := crc32.MakeTable(crc32.Castagnoli) // made once, by crc32
	good, next := 0, int64(0)
	for good < len(data) {
		b, err := parse(data[good:])
		switch {
		case err != nil:
			return good, err
		case b.size == 0 && good == 0:
			return 0, errPartial
		case b.size == 0:
			return good, nil
		}
		body := data[good : good+b.size]
		switch {
		case crc32.Checksum(body[atAttributes:], castagnoli) != binary.BigEndian.Uint32(body[atCRC:]):
			return good, errCRC
		case b.base < next:
			return good, errOrder
		case stable >= 0 && b.last >= stable:
			return good, errBeyond
		}
		good += b.size
		next = b.last + 1
	}
	return good, nil
}
