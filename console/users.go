package console

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// minCost is the least work that a hash must take (OWASP's Password Storage Cheat Sheet): 2^10 rounds, some 50 ms.
const minCost = 10

// Users are who may log in, each with the bcrypt hash of a password. The zero value has none.
type Users struct {
	hashes map[string][]byte
	memory *memory
}

// memory keeps what was verified, since a page that is asked for every second cannot pay for bcrypt each time: MACs under a key of this process.
type memory struct {
	key     [32]byte
	working chan struct{} // a slot for each hash under way: guessing must not take all of the machine

	mu    sync.Mutex
	known map[string][sha256.Size]byte // by name, of name and password
}

// ParseUsers reads lines name:hash, as `htpasswd -nB name` prints them; empty lines and such as begin with # are left out. The error names the line.
func ParseUsers(text string) (Users, error) {
	u := Users{map[string][]byte{}, &memory{working: make(chan struct{}, 2), known: map[string][sha256.Size]byte{}}}
	_, _ = rand.Read(u.memory.key[:]) // never fails
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, hash, ok := strings.Cut(line, ":")
		cost, err := bcrypt.Cost([]byte(hash))
		switch {
		case !ok || name == "":
			return Users{}, fmt.Errorf("line %d is not name:hash, as htpasswd -nB NAME prints it", n)
		case err != nil:
			return Users{}, fmt.Errorf("line %d: what %s has is no bcrypt hash, as htpasswd -nB %s prints it", n, name, name)
		case cost < minCost:
			return Users{}, fmt.Errorf("line %d: the hash of %s is too easy to guess (cost %d): htpasswd -nB -C 12 %s makes a better one", n, name, cost, name)
		case u.hashes[name] != nil:
			return Users{}, fmt.Errorf("line %d: %s is there twice", n, name)
		}
		u.hashes[name] = []byte(hash)
	}
	if len(u.hashes) == 0 {
		return Users{}, fmt.Errorf("no user is in it; htpasswd -nB NAME prints a line for one")
	}
	return u, nil
}

// Any says whether there are users.
func (u Users) Any() bool { return len(u.hashes) > 0 }

// Has says whether there is a user of this name.
func (u Users) Has(name string) bool { return u.hashes[name] != nil }

// Verify says whether a user has this password. It takes as long for a name that is not known.
func (u Users) Verify(ctx context.Context, name, password string) bool {
	m := u.memory
	mac := hmac.New(sha256.New, m.key[:])
	fmt.Fprintf(mac, "%d:%s%s", len(name), name, password)
	sum := [sha256.Size]byte(mac.Sum(nil))
	m.mu.Lock()
	was, ok := m.known[name]
	m.mu.Unlock()
	if ok && hmac.Equal(was[:], sum[:]) {
		return true
	}
	select {
	case m.working <- struct{}{}:
		defer func() { <-m.working }()
	case <-ctx.Done():
		return false
	}
	hash, known := u.hashes[name]
	if !known {
		for _, hash = range u.hashes {
			break
		}
	}
	if err := bcrypt.CompareHashAndPassword(hash, []byte(password)); err != nil || !known {
		return false
	}
	m.mu.Lock()
	m.known[name] = sum
	m.mu.Unlock()
	return true
}
