package event

import (
	"bytes"
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var mutants = flag.Int("mutants", 10_000, "events that the decoder reads with skeletons and without")

// What an event becomes does not depend on what was read before it: with skeletons, of all events before and of their mutants, and without any.
func TestSkeletonsDoNotShow(t *testing.T) {
	all := slices.Collect(maps.Values(examples(t, "examples/*.json")))
	all = append(all, slices.Collect(maps.Values(examples(t, "examples/invalid/*.json")))...)
	all = append(all, []byte(sale3), []byte(heartbeat))
	all = append(all, manySales(8)...)
	all = append(all, leanSales(8)...)
	rnd := rand.New(rand.NewPCG(1, 2))
	taken, accepted := 0, 0
	var d, plain *Decoder
	var e Event // used again, as it is meant to be
	for i := range *mutants {
		if i%2000 == 0 {
			opts := Options{Secret: secret, Corrections: true}
			d, plain = NewDecoder(opts), NewDecoder(opts)
			plain.plain = true
		}
		value := slices.Clone(all[rnd.IntN(len(all))])
		for range rnd.IntN(4) {
			value = mutate(rnd, value, all)
		}
		d.skeleton.skipping, d.skeleton.spent = 0, 0 // however odd they are
		if compareWithPlain(t, d, plain, value, &e) {
			accepted++
			if d.skeleton.misses == 0 {
				taken++
			}
		}
	}
	t.Logf("%d accepted, %d by skeletons", accepted, taken)
	if taken < *mutants/20 {
		t.Errorf("of %d events %d were accepted, but only %d by skeletons", *mutants, accepted, taken)
	}
}

// An event that was learned is taken when it comes again, unless there is something in it that skeletons leave to the decoder: an unknown object, a card number, an escape, a
// correction.
func TestSkeletonsTakeWhatTheyLearned(t *testing.T) {
	all := examples(t, "examples/*.json")
	all["a sale of three lines"], all["a heartbeat"] = []byte(sale3), []byte(heartbeat)
	for name, value := range all {
		d := NewDecoder(Options{Secret: secret, Corrections: true})
		var e Event
		for range 2 {
			if r := d.Decode(slices.Clone(value), &e); r != nil {
				t.Fatal(r)
			}
		}
		left := name == "examples/unknown-values.json" || len(e.Corrects.IDs) > 0 || e.Notes.PANMasked || bytes.IndexByte(value, '\\') >= 0
		if taken := d.skeleton.misses == 0; taken == left {
			t.Errorf("%s: taken: %v", name, taken)
		}
	}
}

// mutate changes a text somewhere: a byte, a value, or a part of it that is left out, comes twice, or is another event's.
func mutate(rnd *rand.Rand, value []byte, all [][]byte) []byte {
	if len(value) == 0 {
		return value
	}
	other := all[rnd.IntN(len(all))]
	bounds := func(b []byte) (int, int) { // from one place between values to another
		var at []int
		for i, c := range b {
			if c == ',' || c == '{' || c == '}' || c == '[' || c == ']' {
				at = append(at, i, i+1)
			}
		}
		if len(at) == 0 {
			return 0, len(b)
		}
		i := rnd.IntN(len(at))
		return at[i], at[min(i+rnd.IntN(12), len(at)-1)]
	}
	from, to := bounds(value)
	switch rnd.IntN(6) {
	case 0:
		value[rnd.IntN(len(value))] = []byte("0123456789-+.eE\"\\{}[]:, \n\tax\x00\x80é")[rnd.IntN(32)]
		return value
	case 1:
		return slices.Concat(value[:to], value[from:])
	case 2:
		return slices.Concat(value[:from], value[to:])
	case 3:
		a, b := bounds(other)
		return slices.Concat(value[:from], other[a:b], value[from:])
	case 4:
		return append(value, " \n{}"[:rnd.IntN(4)]...)
	}
	colon := bytes.IndexByte(value[from:], ':')
	if colon < 0 {
		return value
	}
	from += colon + 1
	to = from
	for to < len(value) && value[to] != ',' && value[to] != '}' && value[to] != ']' {
		to++
	}
	instead := []string{
		"null", "true", "false", "0", "7", "-1", "01", "1.5", "0.125", "1.2345", "1e2", "99999999", "9999999", "123456789012", "1000000000001", "99999999999999999999", `""`, `"a"`, `"4111111111111111"`,
		`"4006381333931"`, `"12345678901234"`, `"40063813339314"`, `"\u0041"`, `"é"`, "\"\x80\"", `"a text of some thirty bytes or so"`, "[]", "{}", `["a"]`, `{"a":1}`, `"2026-11-23"`, `"2026-02-30"`,
		`"2026-11-23T10:15:30.123456Z"`, `"sale"`, `"EUR"`, ` "up" `, " 1 ", `"4111 1111 1111 1111"`,
	}[rnd.IntN(38)]
	return slices.Concat(value[:from], []byte(instead), value[to:])
}

// compareWithPlain has both decoders read a value, and says whether it is accepted.
func compareWithPlain(t *testing.T, d, plain *Decoder, value []byte, got *Event) bool {
	t.Helper()
	one, two := slices.Clone(value), slices.Clone(value)
	var want Event
	r, expected := d.Decode(one, got), plain.Decode(two, &want)
	if diff := cmp.Diff(expected, r); diff != "" {
		t.Fatalf("%s\nrejection (-plain +skeleton):\n%s", value, diff)
	}
	if !bytes.Equal(one, two) {
		t.Fatalf("%s\nbecame %s, and without skeletons %s", value, one, two)
	}
	if expected != nil {
		return false
	}
	if diff := cmp.Diff(&want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Tender{}, Event{})); diff != "" {
		t.Fatalf("%s\nevent (-plain +skeleton):\n%s", value, diff)
	}
	for _, p := range got.Transaction.Tenders {
		if p.clearRef != "" {
			t.Fatalf("%s\na clear reference is left", value)
		}
	}
	return true
}

func FuzzSkeletons(f *testing.F) {
	all := append(slices.Collect(maps.Values(examples(f, "examples/*.json"))), []byte(sale3), []byte(heartbeat))
	for i, value := range all {
		f.Add(all[(i+1)%len(all)], value)
		f.Add(value, value)
	}
	f.Fuzz(func(t *testing.T, before, value []byte) {
		d, plain := NewDecoder(Options{Secret: secret, Corrections: true}), NewDecoder(Options{Secret: secret, Corrections: true})
		plain.plain = true
		var e Event
		compareWithPlain(t, d, plain, before, &e)
		compareWithPlain(t, d, plain, before, &e)
		compareWithPlain(t, d, plain, value, &e)
		compareWithPlain(t, d, plain, value, &e)
		compareWithPlain(t, d, plain, value, &e)
	})
}
