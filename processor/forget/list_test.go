package forget

import (
	"encoding/hex"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

var secret = []byte("0123456789abcdef")

func TestListHasWhoIsOnIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		forgotten := rapid.SliceOf(rapid.Uint64Range(1, 200)).Draw(t, "forgotten")
		h := NewHasher(secret)
		var entries []Entry
		want := map[uint64]bool{}
		for _, p := range forgotten {
			entries = append(entries, h.Entry(p))
			want[p] = true
		}
		l, err := NewList(secret, entries)
		if err != nil || l.Entries() != uint64(len(forgotten)) {
			t.Fatalf("%d entries, %v", l.Entries(), err)
		}
		for p := range uint64(202) {
			if l.Has(p) != want[p] {
				t.Fatalf("%d: %t", p, l.Has(p))
			}
		}
	})
}

// The hash is kept in tables, so it must never change. Python: hmac.new(hmac.new(secret, b"tillstream/1/forgotten", "sha256").digest(), (42).to_bytes(8, "big"), "sha256").
func TestHashStaysWhatItIs(t *testing.T) {
	e := NewHasher(secret).Entry(42)
	if got := hex.EncodeToString(e.Hash[:]); got != "d0acd6ded7f4c3d77ffeee6184cf7d8f" {
		t.Error(got)
	}
}

func TestAnotherSecretIsRefused(t *testing.T) {
	if _, err := NewList([]byte("another one of 16"), []Entry{NewHasher(secret).Entry(1)}); !errors.Is(err, ErrKey) {
		t.Error(err)
	}
	var nobody *List
	if nobody.Has(1) || nobody.Entries() != 0 {
		t.Error("nobody was forgotten")
	}
}

func BenchmarkHas(b *testing.B) {
	l, err := NewList(secret, []Entry{NewHasher(secret).Entry(1)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		l.Has(i + 2)
	}
}
