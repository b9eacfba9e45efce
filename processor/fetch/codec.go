package fetch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codecs as in the lowest three bits of a batch's attributes.
const (
	codecNone = iota
	codecGzip
	codecSnappy
	codecLZ4
	codecZstd
)

// codecs are the decoders of one Walker, made when first needed, and the buffer they write to.
type codecs struct {
	in   bytes.Reader
	out  []byte
	gzip *gzip.Reader
	lz4  *lz4.Reader
	zstd *zstd.Decoder
}

// errTooLarge says that a batch takes more than Walker.MaxBatch when decompressed.
var errTooLarge = errors.New("too large")

// decompress returns the records of a batch, in a buffer that the next call overwrites. Of one that is too large it returns what gives them piece by piece.
func (c *codecs) decompress(codec uint16, p []byte, limit int) (out []byte, large io.Reader, err error) {
	switch codec {
	case codecNone:
		return p, nil, nil
	case codecGzip:
		err = c.gunzip(p, limit)
	case codecSnappy:
		err = c.unsnappy(p, limit)
	case codecLZ4:
		if c.unlz4(p, limit) {
			break
		}
		if c.lz4 == nil {
			c.lz4 = lz4.NewReader(nil)
		}
		c.in.Reset(p)
		c.lz4.Reset(&c.in)
		err = c.readAll(c.lz4, limit)
	case codecZstd:
		err = c.unzstd(p, limit)
	default:
		return nil, nil, malformed(fmt.Sprintf("its compression %d is unknown", codec))
	}
	switch {
	case err == nil && len(c.out) > limit, errors.Is(err, errTooLarge), errors.Is(err, zstd.ErrDecoderSizeExceeded),
		errors.Is(err, zstd.ErrWindowSizeExceeded):
		if large, err = c.open(codec, p); err == nil {
			return nil, large, nil
		}
	}
	if err != nil {
		return nil, nil, undone(err)
	}
	return c.out, nil, nil
}

func undone(err error) error { return malformed("it does not decompress: " + err.Error()) }

const (
	maxWindow      = 128 << 20 // of zstd: that of its highest level, and what Kafka's own client reads
	snappyMaxRatio = 22        // 64 bytes of three
)

// open gives the records of a batch piece by piece.
func (c *codecs) open(codec uint16, p []byte) (io.Reader, error) {
	c.in.Reset(p)
	switch codec {
	case codecGzip:
		return c.gzip, c.gzip.Reset(&c.in)
	case codecSnappy: // one block, as most clients send it, comes as a whole or not at all
		whole := codecs{}
		err := whole.unsnappy(p, snappyMaxRatio*len(p))
		return bytes.NewReader(whole.out), err
	case codecLZ4:
		if c.lz4 == nil {
			c.lz4 = lz4.NewReader(nil)
		}
		c.lz4.Reset(&c.in)
		return c.lz4, nil
	}
	return zstd.NewReader(&c.in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
}

func (c *codecs) gunzip(p []byte, limit int) (err error) {
	c.in.Reset(p)
	if c.gzip == nil {
		c.gzip, err = gzip.NewReader(&c.in)
	} else {
		err = c.gzip.Reset(&c.in)
	}
	if err != nil {
		return err
	}
	return c.readAll(c.gzip, limit)
}

func (c *codecs) unzstd(p []byte, limit int) (err error) {
	if c.zstd == nil {
		// One goroutine's decoder: DecodeAll starts none of its own.
		if c.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(limit))); err != nil {
			return err
		}
	}
	c.out, err = c.zstd.DecodeAll(p, c.out[:0])
	return err
}

// snappy-java, and so Kafka's own client, frames its blocks: a magic, two version numbers, then blocks with their lengths.
const (
	xerialMagic  = "\x82SNAPPY\x00"
	xerialHeader = len(xerialMagic) + 8
)

func (c *codecs) unsnappy(p []byte, limit int) error {
	c.out = c.out[:0]
	if len(p) < xerialHeader || string(p[:len(xerialMagic)]) != xerialMagic {
		return c.snappyBlock(p, limit)
	}
	for p = p[xerialHeader:]; len(p) > 0; {
		if len(p) < 4 {
			return io.ErrUnexpectedEOF
		}
		n := int64(binary.BigEndian.Uint32(p))
		if p = p[4:]; n > int64(len(p)) {
			return io.ErrUnexpectedEOF
		}
		if err := c.snappyBlock(p[:n], limit); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// snappyBlock decompresses one block to the end of the buffer.
func (c *codecs) snappyBlock(p []byte, limit int) error {
	n, err := snappy.DecodedLen(p)
	if err != nil {
		return err
	}
	have := len(c.out)
	if n > limit-have {
		return errTooLarge
	}
	if have+n > cap(c.out) {
		c.out = append(make([]byte, 0, max(have+n, min(2*cap(c.out), limit))), c.out...)
	}
	if _, err := snappy.Decode(c.out[have:have+n:have+n], p); err != nil {
		return err
	}
	c.out = c.out[:have+n]
	return nil
}

// readAll fills the buffer, with at most one byte more than limit.
func (c *codecs) readAll(r io.Reader, limit int) error {
	c.out = c.out[:0]
	for len(c.out) <= limit {
		if len(c.out) == cap(c.out) {
			c.out = append(make([]byte, 0, min(max(64<<10, 2*cap(c.out)), limit+1)), c.out...)
		}
		n, err := r.Read(c.out[len(c.out):cap(c.out)])
		c.out = c.out[:len(c.out)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
