package fetch

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/segmentio/kafka-go/protocol"
	kafkafetch "github.com/segmentio/kafka-go/protocol/fetch"
)

// RegisterRaw tells kafka-go's protocol package, for the whole process, to leave record sets in fetch responses undecoded. Client.Fetch
// would panic from then on, nothing else is concerned: Reader and ConsumerGroup have a protocol of their own. It is the only
// global of this program, kafka-go offers no other way; New calls it, and so must whoever makes a Client earlier, since connections
// read what is written here.
func RegisterRaw() { registered() }

var registered = sync.OnceFunc(func() { protocol.Register(&kafkafetch.Request{}, &response{}) })

// response decodes a fetch response by itself, bounded by what really came: kafka-go allocates whatever a length on the wire asks for.
// Which of the fields is filled is how one learns the version that was agreed on with the broker.
type response struct {
	V0  tooOld    `kafka:"min=v0,max=v3"`
	V4  answerV4  `kafka:"min=v4,max=v4"`
	V5  answerV5  `kafka:"min=v5,max=v6"`
	V7  answerV7  `kafka:"min=v7,max=v10"`
	V11 answerV11 `kafka:"min=v11,max=v11"`
}

func (*response) ApiKey() protocol.ApiKey { return protocol.Fetch }

func (r *response) answer() *answer {
	for _, a := range []*answer{&r.V4.answer, &r.V5.answer, &r.V7.answer, &r.V11.answer} {
		if a.came {
			return a
		}
	}
	return &answer{}
}

type (
	tooOld    struct{}
	answerV4  struct{ answer }
	answerV5  struct{ answer }
	answerV7  struct{ answer }
	answerV11 struct{ answer }
)

func (*tooOld) ReadFrom(io.Reader) (int64, error) {
	return 0, errors.New("the broker speaks an old fetch protocol: Kafka 0.11 or newer is needed")
}

func (a *answerV4) ReadFrom(r io.Reader) (int64, error)  { return a.read(r, 4) }
func (a *answerV5) ReadFrom(r io.Reader) (int64, error)  { return a.read(r, 5) }
func (a *answerV7) ReadFrom(r io.Reader) (int64, error)  { return a.read(r, 7) }
func (a *answerV11) ReadFrom(r io.Reader) (int64, error) { return a.read(r, 11) }

// answer is what a leader said.
type answer struct {
	came       bool
	errorCode  int16
	partitions []answerPartition
}

// answerPartition is a Chunk in the making, with the broker's error code.
type answerPartition struct {
	Chunk
	errorCode int16
}

// read decodes a response as https://kafka.apache.org/protocol.html#The_Messages_Fetch has it.
func (a *answer) read(from io.Reader, version int) (int64, error) {
	d := decoder{r: from}
	a.came = true
	d.int32() // throttle time: the broker does the waiting
	if version >= 7 {
		a.errorCode = d.int16()
		d.int32() // session: none is used
	}
	for range d.count() {
		topic := d.string()
		for range d.count() {
			var p answerPartition
			p.TopicPartition = TopicPartition{topic, d.int32()}
			p.errorCode = d.int16()
			p.HighWatermark = d.int64()
			p.LastStableOffset = d.int64()
			p.LogStartOffset = -1
			if version >= 5 {
				p.LogStartOffset = d.int64()
			}
			for range d.count() {
				p.Aborted = append(p.Aborted, AbortedTransaction{ProducerID: d.int64(), FirstOffset: d.int64()})
			}
			slices.SortFunc(p.Aborted, func(x, y AbortedTransaction) int { return cmp.Compare(x.FirstOffset, y.FirstOffset) })
			if version >= 11 {
				d.int32() // preferred replica: none is asked for
			}
			p.Data = d.bytes()
			if d.err != nil {
				return d.n, d.err
			}
			a.partitions = append(a.partitions, p)
		}
	}
	return d.n, d.err
}

const (
	maxRecordSet = 1 << 30  // a single batch cannot be longer, and answers are limited by MaxBytes
	allocAhead   = 16 << 20 // what is allocated on the word of a length alone
)

// decoder reads big-endian fields; after an error they are zero.
type decoder struct {
	r   io.Reader
	n   int64
	buf [8]byte
	err error
}

func (d *decoder) fill(p []byte) []byte {
	if d.err == nil {
		var n int
		n, d.err = io.ReadFull(d.r, p)
		d.n += int64(n)
	}
	if d.err != nil {
		clear(p)
	}
	return p
}

func (d *decoder) int16() int16 { return int16(binary.BigEndian.Uint16(d.fill(d.buf[:2]))) }
func (d *decoder) int32() int32 { return int32(binary.BigEndian.Uint32(d.fill(d.buf[:4]))) }
func (d *decoder) int64() int64 { return int64(binary.BigEndian.Uint64(d.fill(d.buf[:8]))) }

// count reads the length of an array and gives out numbers up to it while there are no errors.
func (d *decoder) count() func(yield func(int32) bool) {
	n := d.int32()
	return func(yield func(int32) bool) {
		for i := int32(0); i < n && d.err == nil && yield(i); i++ {
		}
	}
}

func (d *decoder) string() string { return string(d.fill(make([]byte, max(0, d.int16())))) }

func (d *decoder) bytes() []byte {
	n := int(d.int32())
	if n > maxRecordSet && d.err == nil {
		d.err = fmt.Errorf("a record set of %d bytes cannot be", n)
	}
	if n <= 0 || d.err != nil {
		return nil
	}
	p := d.fill(make([]byte, min(n, allocAhead)))
	for len(p) < n && d.err == nil {
		more := min(n-len(p), len(p))
		p = append(p, make([]byte, more)...)
		d.fill(p[len(p)-more:])
	}
	return p
}
