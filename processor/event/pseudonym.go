package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
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
}

// maxKinds bounds hashes: kinds are an open enum.
const maxKinds = 64

func (p *pseudonymiser) of(kind, id string) uint64 {
	h := p.hash(kind)
	h.Reset()
	h.Write(unsafe.Slice(unsafe.StringData(id), len(id))) // Write only reads
	return max(binary.BigEndian.Uint64(h.Sum(p.sum[:0])), 1)
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
