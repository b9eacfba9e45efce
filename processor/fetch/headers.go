package fetch

import (
	"encoding/binary"
	"unsafe"
)

// Headers are those of one record, as Kafka keeps them: nobody pays for them who does not look. They alias what the record aliases.
type Headers []byte

// Header is one of them.
type Header struct {
	Key   string
	Value []byte // nil for null
}

// NewHeaders encodes headers.
func NewHeaders(all ...Header) Headers {
	h := binary.AppendVarint(nil, int64(len(all)))
	for i := range all {
		h = append(binary.AppendVarint(h, int64(len(all[i].Key))), all[i].Key...)
		if all[i].Value == nil {
			h = binary.AppendVarint(h, -1)
			continue
		}
		h = append(binary.AppendVarint(h, int64(len(all[i].Value))), all[i].Value...)
	}
	return h
}

// None says that there are none.
func (h Headers) None() bool { return len(h) == 0 || h[0] == 0 }

// All goes through the headers, in order; a key may come again. It ends at one that cannot be read. Key and value alias what the record
// aliases; the value is nil where Kafka has null.
func (h Headers) All(yield func(key string, value []byte) bool) {
	n, k := varint(h)
	if k <= 0 {
		return
	}
	for p := h[k:]; n > 0; n-- {
		key, rest, ok := field(p)
		if !ok || key == nil {
			return
		}
		value, rest, ok := field(rest)
		if !ok || !yield(unsafe.String(unsafe.SliceData(key), len(key)), value) {
			return
		}
		p = rest
	}
}
