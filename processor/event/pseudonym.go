package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/maphash"
	"slices"
	"strings"
	"unsafe"
)

// Pseudonym is how a person is known: the first 64 bits, big endian, of
//
//	HMAC-SHA-256(key = HMAC-SHA-256(key = secret, "tillstream/1/" + kind), id)
//
// with 1 in place of 0. kind is the customer's type (loyalty, account, …), "operator" or "payment_ref": the same id in two roles has
// two pseudonyms. The owner of the secret can compute the mapping; nobody else can, either way.
func Pseudonym(secret []byte, kind, id string) uint64 {
	p := pseudonymiser{secret: secret}
	return p.of(kind, id)
}

// pseudonymiser keeps one keyed hash for each kind. It is not for several goroutines at once.
type pseudonymiser struct {
	secret []byte
	kinds  []string
	hashes []hash.Hash // of kinds
	sum    [sha256.Size]byte

	operators *[1024]operator // of a shop there are few, and each is named by every sale
	seed      maphash.Seed    // decides which of them has which place
}

// operator is one that was named, if the id is short; in memory only, as the records are that name them.
type operator struct {
	id        [24]byte
	size      uint8
	pseudonym uint64
}

// maxKinds bounds hashes: kinds are an open enum.
const maxKinds = 64

func (p *pseudonymiser) of(kind, id string) uint64 {
	h := p.hash(kind)
	h.Reset()
	h.Write(unsafe.Slice(unsafe.StringData(id), len(id))) // Write only reads
	return max(binary.BigEndian.Uint64(h.Sum(p.sum[:0])), 1)
}

// operator is of("operator", id), faster if that operator was the last one of those who have the same place.
func (p *pseudonymiser) operator(id string) uint64 {
	if p.operators == nil {
		p.operators, p.seed = new([1024]operator), maphash.MakeSeed()
	}
	o := &p.operators[maphash.String(p.seed, id)%uint64(len(p.operators))]
	switch {
	case len(id) > len(o.id):
		return p.of("operator", id)
	case string(o.id[:o.size]) != id:
		o.size = uint8(copy(o.id[:], id))
		o.pseudonym = p.of("operator", id)
	}
	return o.pseudonym
}

func (p *pseudonymiser) hash(kind string) hash.Hash {
	if i := slices.Index(p.kinds, kind); i >= 0 { // they are few
		return p.hashes[i]
	}
	key := hmac.New(sha256.New, p.secret)
	key.Write([]byte("tillstream/1/" + kind))
	h := hmac.New(sha256.New, key.Sum(nil))
	if len(p.kinds) < maxKinds {
		p.kinds, p.hashes = append(p.kinds, strings.Clone(kind)), append(p.hashes, h)
	}
	return h
}
