package fetch

import (
	"encoding/binary"

	"github.com/pierrec/lz4/v4"
)

// An LZ4 frame: magic, flags, block sizes, if flagged the size of the content, a checksum of these; blocks, each behind its size; a size of zero, if flagged a
// checksum of the content. See https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md.
const (
	lz4Magic         = 0x184D2204
	lz4Version       = 0x40 // of the flags, with their mask
	lz4VersionBits   = 0xc0
	lz4Independent   = 0x20
	lz4BlockSums     = 0x10
	lz4ContentSize   = 0x08
	lz4ContentSum    = 0x04
	lz4Reserved      = 0x03 // and dictionaries
	lz4Stored        = 1 << 31
	lz4MaxRatio      = 255
	lz4HeaderMinimum = 7
)

// unlz4 decompresses what producers mostly send, one frame of independent blocks, straight into the buffer. It looks at no checksum of the frame, as Kafka's own
// client does not: that of the batch, over the very same bytes, is checked. What is anything else, or broken, is left to the library, which says what is wrong.
func (c *codecs) unlz4(p []byte, limit int) bool {
	if len(p) < lz4HeaderMinimum || binary.LittleEndian.Uint32(p) != lz4Magic {
		return false
	}
	flags, sizes := p[4], p[5]
	if flags&(lz4VersionBits|lz4Independent|lz4BlockSums|lz4Reserved) != lz4Version|lz4Independent || sizes&0x8f != 0 || sizes < 4<<4 {
		return false
	}
	most := 64 << 10 << (2 * (sizes>>4 - 4)) // of a block
	size := -1
	if p = p[6:]; flags&lz4ContentSize != 0 {
		if len(p) < 8 {
			return false
		}
		size = int(binary.LittleEndian.Uint64(p))
		p = p[8:]
	}
	if len(p) < 1 {
		return false
	}
	p = p[1:]
	for c.out = c.out[:0]; ; {
		if len(p) < 4 {
			return false
		}
		n := binary.LittleEndian.Uint32(p)
		p = p[4:]
		if n == 0 {
			break
		}
		stored := n&lz4Stored != 0
		if n &^= lz4Stored; int64(n) > int64(len(p)) || int(n) > most {
			return false
		}
		block := p[:n]
		p = p[n:]
		have := len(c.out)
		room := min(most, lz4MaxRatio*len(block))
		if stored {
			room = len(block)
		}
		if have+room > limit {
			return false // it may be within the limit all the same
		}
		if have+room > cap(c.out) {
			c.out = append(make([]byte, 0, min(max(have+room, 2*cap(c.out)), limit)), c.out...)
		}
		if stored {
			c.out = append(c.out, block...)
			continue
		}
		wrote, err := lz4.UncompressBlock(block, c.out[have:have+room])
		if err != nil {
			return false
		}
		c.out = c.out[:have+wrote]
	}
	rest := 0
	if flags&lz4ContentSum != 0 {
		rest = 4
	}
	return len(p) == rest && (size < 0 || size == len(c.out))
}
