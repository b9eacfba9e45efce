// Package forget knows which customers were forgotten (docs/forget.md), without knowing who they are.
//
// What is kept of a customer who was forgotten is a keyed hash of the pseudonym: enough to recognise an event of that customer when it comes again, not enough to
// find the customer. Events of one who was forgotten are folded as if nobody had been named: money and units count, and nothing is about a person.
//
// The list is for good, and says nothing about time. So it does not matter when an event happened or came, or how often it is read: what is
// folded under one list gives one result.
package forget

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
)

// Hash is the first 128 bits of
//
//	HMAC-SHA-256(key = HMAC-SHA-256(key = secret, "tillstream/1/forgotten"), pseudonym)
//
// with the pseudonym as 8 bytes, big endian. The secret is that of the pseudonyms.
type Hash [16]byte

// Entry is one of the list. Key tells under which secret it was made: it is the hash of 0, which is nobody's pseudonym.
type Entry struct{ Key, Hash Hash }

// Hasher makes entries. It is not for several goroutines at once.
type Hasher struct {
	mac hash.Hash
	in  [8]byte
	sum [sha256.Size]byte
	key Hash
}

// NewHasher makes a Hasher for the secret of the pseudonyms.
func NewHasher(secret []byte) *Hasher {
	key := hmac.New(sha256.New, secret)
	key.Write([]byte("tillstream/1/forgotten"))
	h := &Hasher{mac: hmac.New(sha256.New, key.Sum(nil))}
	h.key = h.of(0)
	return h
}

func (h *Hasher) of(pseudonym uint64) Hash {
	binary.BigEndian.PutUint64(h.in[:], pseudonym)
	h.mac.Reset()
	h.mac.Write(h.in[:])
	return Hash(h.mac.Sum(h.sum[:0])[:16])
}

// Entry is what the list keeps of a customer.
func (h *Hasher) Entry(pseudonym uint64) Entry { return Entry{h.key, h.of(pseudonym)} }

// ErrKey says that entries were made under another secret: nobody on the list would be recognised.
var ErrKey = errors.New("customers were forgotten under another privacy.secret than this one: set it to what it was; under another one they would come back as new customers")

// List is the customers who were forgotten. The nil list is nobody. It is not for several goroutines at once.
type List struct {
	entries uint64
	hasher  *Hasher
	hashes  map[Hash]struct{}
}

// NewList makes the list of entries, none of which may have been made under another secret.
func NewList(secret []byte, entries []Entry) (*List, error) {
	l := &List{entries: uint64(len(entries)), hasher: NewHasher(secret), hashes: make(map[Hash]struct{}, len(entries))}
	for _, e := range entries {
		if e.Key != l.hasher.key {
			return nil, fmt.Errorf("reading who was forgotten: %w", ErrKey)
		}
		l.hashes[e.Hash] = struct{}{}
	}
	return l, nil
}

// Entries is how many entries the list was made of. It only grows, so a list of another number is another list.
func (l *List) Entries() uint64 {
	if l == nil {
		return 0
	}
	return l.entries
}

// Has says whether a customer was forgotten.
func (l *List) Has(pseudonym uint64) bool {
	if l == nil || len(l.hashes) == 0 || pseudonym == 0 {
		return false
	}
	_, found := l.hashes[l.hasher.of(pseudonym)]
	return found
}
