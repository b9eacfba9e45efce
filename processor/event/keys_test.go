package event

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeysAreNamed(t *testing.T) {
	for k := unknown + 1; k < keys; k++ {
		if name := k.String(); name == "" || named[name] != k {
			t.Errorf("key %d is named %q, which is key %d", k, name, named[name])
		}
	}
}

// Two words compared are as good as the text, but for the end of the input and keys that only begin alike.
func TestSpellingComparesLikeText(t *testing.T) {
	for k := unknown + 1; k < keys; k++ {
		literal := `"` + k.String() + `":`
		for i := range len(literal) {
			for _, text := range []string{literal, literal[:i] + "~" + literal[i+1:], literal[:i]} {
				for behind := range 20 {
					b := []byte("{" + text + strings.Repeat("1", behind))
					if got, want := spelled[k].at(b, 1), strings.HasPrefix(string(b[1:]), literal); got != want && (got || len(b) >= 1+16) {
						t.Fatalf("%q: %v", b, got)
					}
				}
			}
		}
	}
}

// What a decoder expects after one event must not show in the next one, nor in its rejection.
func FuzzHabitsDoNotShow(f *testing.F) {
	all := append(slices.Collect(maps.Values(examples(f, "examples/*.json"))), []byte(sale3), []byte(heartbeat))
	all = append(all, slices.Collect(maps.Values(examples(f, "examples/invalid/*.json")))...)
	for i, value := range all {
		f.Add(all[(i+1)%len(all)], value)
		f.Add(value, value)
		f.Add(value, value[:len(value)/2])
	}
	f.Fuzz(func(t *testing.T, before, value []byte) {
		var fresh, reused Event
		want := NewDecoder(Options{Secret: secret}).Decode(slices.Clone(value), &fresh)
		d := NewDecoder(Options{Secret: secret})
		d.Decode(slices.Clone(before), &reused)
		got := d.Decode(slices.Clone(value), &reused)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("rejection (-fresh +after another event):\n%s", diff)
		}
		if want != nil {
			return
		}
		if diff := cmp.Diff(fresh, reused, same); diff != "" {
			t.Fatalf("event (-fresh +after another event):\n%s", diff)
		}
	})
}
