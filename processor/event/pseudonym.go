package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
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
	hashes map[string]hash.Hash
	sum    [sha256.Size]byte
}

// maxKinds bounds hashes: kinds are an open enum.
const maxKinds = 64

func (p *pseudonymiser) of(kind, id string) uint64 {
	h := p.hashes[kind]
	if h == nil {
		key := hmac.New(sha256.New, p.secret)
		key.Write([]byte("tillstream/1/" + kind))
		h = hmac.New(sha256.New, key.Sum(nil))
		if p.hashes == nil {
			p.hashes = map[string]hash.Hash{}
		}
		if len(p.hashes) < maxKinds {
			p.hashes[strings.Clone(kind)] = h
		}
	}
	h.Reset()
	h.Write(unsafe.Slice(unsafe.StringData(id), len(id))) // Write only reads
	return max(binary.BigEndian.Uint64(h.Sum(p.sum[:0])), 1)
}
