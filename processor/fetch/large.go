package fetch

import (
	"errors"
	"io"
	"math"
)

// large gives the records of a batch that is too large to be held when decompressed: some of it is held at a time.
type large struct {
	in io.Reader
	w  *Walker
}

// largePart is how many bytes are held if no record is larger, and of one that is larger than a batch may be: no dead letter has more.
const largePart = 1 << 20

// record gives the next record where p, what is held, has none that is whole, and what is held behind it.
func (l *large) record(p []byte) (r record, rest []byte, err error) {
	if l.w.Done != nil {
		l.w.Done()
	}
	if p, err = l.read(p, largePart); err != nil {
		return r, p, err
	}
	n, k := varint(p)
	switch size := int64(k) + n; {
	case k <= 0, n < 1, n > math.MaxInt32:
		return r, p, errRecordLength
	case size > int64(max(l.w.MaxBatch, largePart)):
		return l.cut(p, int(size))
	case size > int64(len(p)):
		if p, err = l.read(p, int(size)); err != nil {
			return r, p, err
		}
	}
	return readRecord(p)
}

// cut gives the beginning of a record of size bytes, which p begins with, and leaves out the rest.
func (l *large) cut(p []byte, size int) (r record, rest []byte, err error) {
	left := int64(size - len(p))
	if n, err := io.CopyN(io.Discard, l.in, left); n < left {
		if err == io.EOF {
			return r, nil, errRecordLength
		}
		return r, nil, undone(err)
	}
	_, k := varint(p)
	p = p[k+1:] // without the attributes
	for _, field := range []*int64{&r.timeDelta, &r.offsetDelta} {
		if *field, k = varint(p); k <= 0 {
			return r, nil, errRecordField
		}
		p = p[k:]
	}
	for _, field := range []*[]byte{&r.key, &r.value} {
		n, k := varint(p)
		switch {
		case k <= 0 || n < -1 || n > int64(len(p)-k)+left:
			return r, nil, errRecordField
		case n < 0:
			p = p[k:]
			continue
		}
		whole := k + int(min(n, int64(len(p)-k)))
		*field, p = p[k:whole:whole], p[whole:]
		if r.cut = int(n) - len(*field); r.cut > 0 {
			return r, nil, nil
		}
	}
	r.cut = len(p) + int(left) // headers
	return r, nil, nil
}

// read has n bytes held, of which p are the first, or as many as are left. What was held before is overwritten.
func (l *large) read(p []byte, n int) ([]byte, error) {
	buf := l.w.codecs.out[:0]
	if n > cap(buf) {
		buf = make([]byte, 0, n)
	}
	buf = append(buf, p...)
	m, err := io.ReadFull(l.in, buf[len(p):n])
	l.w.codecs.out = buf[:len(p)+m]
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, undone(err)
	}
	return l.w.codecs.out, nil
}
