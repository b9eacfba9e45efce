package event

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMaskPANs(t *testing.T) {
	for in, want := range map[string]string{
		// Numbers that the schemes publish for tests.
		"4111111111111111":                    "************1111",
		"card 4111 1111 1111 1111!":           "card **** **** **** 1111!",
		"5500-0000-0000-0004":                 "****-****-****-0004",
		"378282246310005":                     "***********0005",
		"3782 822463 10005":                   "**** ****** *0005",
		"30569309025904":                      "**********5904",
		"6011111111111117 3530111333300000":   "************1117 ************0000",
		"4111 1111 1111 1111 12/27":           "**** **** **** 1111 12/27",
		`{"note":"pay 2223003122003222 now"}`: `{"note":"pay ************3222 now"}`,
		`{"product_id":"30569309025904"`:      `{"product_id":"**********5904"`, // no valid GS1 check digit
		// What only looks like one.
		"4111111111111112":                "4111111111111112", // Luhn
		"1234567812345670":                "1234567812345670", // no issuer
		"41111111111111111111111":         "41111111111111111111111",
		"4111  1111  1111  1111":          "4111  1111  1111  1111",
		"2026-11-23T10:15:30 1763892930":  "2026-11-23T10:15:30 1763892930",
		`"product_id" : "36000291452033"`: `"product_id" : "36000291452033"`, // a GTIN-14 with its check digit; Diners by prefix
	} {
		b := []byte(in)
		MaskPANs(b)
		if string(b) != want {
			t.Errorf("%q became %q, want %q", in, b, want)
		}
	}
}

// However a card number is written into whatever string of an event, it is nowhere in what the event holds.
func TestNoCardNumberInAnyString(t *testing.T) {
	fields := map[string]func(e *Event) string{
		`"order_id":"%s"`:               func(e *Event) string { return e.Transaction.OrderID },
		`"original":{"reason":"%s"}`:    func(e *Event) string { return e.Transaction.Original.Reason },
		`"not_found":[{"code":"%s"}]`:   func(e *Event) string { return e.Transaction.NotFound[0].Code },
		`"customer":{"consent":["%s"]}`: func(e *Event) string { return e.Transaction.Customer.Consent.Value[0] },
		`"lines":[{"line":1,"product_id":"a","quantity":1,"gross":1,"category":"%s"}],"currency":"EUR"`: func(e *Event) string { return e.Transaction.Lines[0].Category },
	}
	for field, get := range fields {
		for _, card := range []string{"4111111111111111", "see 5500 0000 0000 0004.", `4\u0031111111111111\u00311`, "6011-1111-1111-1117"} {
			text := `{"id":"i","source":"s","type":"pos.transaction.v1","time":"2026-11-23T10:00:00Z","store_id":"1","terminal_id":"t","kind":"no_sale",` + fmt.Sprintf(field, card) + `}`
			var e Event
			if r := NewDecoder(Options{}).Decode([]byte(text), &e); r != nil {
				t.Fatal(r)
			}
			if got := get(&e); !strings.Contains(got, "***") || !e.Notes.PANMasked {
				t.Errorf("%s: %q, noted %v", text, got, e.Notes.PANMasked)
			}
		}
	}
	// Numbers that are no strings stay what they are.
	text := `{"id":"i","source":"s","type":"pos.transaction.v1","time":"2026-11-23T10:00:00Z","store_id":"1","terminal_id":"t","kind":"no_sale","sequence":4111111111111111}`
	var e Event
	if r := NewDecoder(Options{}).Decode([]byte(text), &e); r != nil || e.Sequence.Value != 4111111111111111 || e.Notes.PANMasked {
		t.Errorf("%v, %+v", r, e.Sequence)
	}
}

// Any card number of any issuer is found anywhere, whole or in groups; masking keeps the length and every byte that is no digit.
func TestMaskFindsEveryCard(t *testing.T) {
	prefixes := []struct {
		prefix  string
		lengths []int
	}{{"4", []int{16, 19}}, {"51", []int{16}}, {"2720", []int{16}}, {"34", []int{15}}, {"37", []int{15}}, {"36", []int{14}}, {"3528", []int{16}}, {"65", []int{16}}, {"62", []int{16, 17, 18, 19}}}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(prefixes).Draw(t, "issuer")
		n := rapid.SampledFrom(p.lengths).Draw(t, "length")
		number := []byte(p.prefix)
		for len(number) < n-1 {
			number = append(number, byte('0'+rapid.IntRange(0, 9).Draw(t, "digit")))
		}
		sum := 0 // ISO/IEC 7812-1 annex B, from the right
		for i := range number {
			d := int(number[len(number)-1-i] - '0')
			if i%2 == 0 {
				d = d*2/10 + d*2%10
			}
			sum += d
		}
		number = append(number, byte('0'+(10-sum%10)%10))
		var written bytes.Buffer
		group := rapid.SampledFrom([]int{4, 5, 6, 100}).Draw(t, "group")
		for i, c := range number {
			if i > 0 && i%group == 0 {
				written.WriteByte(rapid.SampledFrom([]byte(" -")).Draw(t, "separator"))
			}
			written.WriteByte(c)
		}
		pad := rapid.StringMatching(`[a-z. ]{0,20}[a-z.]`)
		text := []byte(pad.Draw(t, "before") + written.String() + pad.Draw(t, "after"))
		before := bytes.Clone(text)
		if MaskPANs(text) == 0 {
			t.Fatalf("%q not found", before)
		}
		shown := 0
		for i, c := range text {
			if digit(c) {
				shown++
			}
			if c != before[i] && c != '*' || c == '*' && !digit(before[i]) {
				t.Fatalf("%q became %q", before, text)
			}
		}
		if shown != 4 {
			t.Fatalf("%q became %q: %d digits left", before, text, shown)
		}
	})
}

func FuzzMaskPANs(f *testing.F) {
	f.Add([]byte("4111 1111 1111 1111"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out := bytes.Clone(in)
		n := MaskPANs(out)
		if len(out) != len(in) || n == 0 && !bytes.Equal(in, out) {
			t.Fatalf("%q became %q, %d masked", in, out, n)
		}
		if again := MaskPANs(bytes.Clone(out)); again > 0 && n == 0 {
			t.Fatalf("%q: found only the second time", in)
		}
	})
}

// A pseudonym can be computed by its owner with any HMAC: here the one of the documentation, spelt out.
func TestPseudonymIsWhatTheDocSays(t *testing.T) {
	if a, b := Pseudonym(secret, "loyalty", "900"), Pseudonym(secret, "account", "900"); a == b || a == 0 {
		t.Errorf("%d and %d", a, b)
	}
	// python3 -c "import hmac; k=hmac.digest(b'0123456789abcdef', b'tillstream/1/loyalty','sha256'); print(int.from_bytes(hmac.digest(k,b'900','sha256')[:8],'big'))"
	if got := Pseudonym(secret, "loyalty", "900"); got != 3834104505065018249 {
		t.Errorf("got %d", got)
	}
}

// Operators are remembered, and each is still who they are: two that have the same place, and one whose id is long.
func TestOperatorsAreWhoTheyAre(t *testing.T) {
	p := pseudonymiser{secret: secret}
	for range 2 {
		for i := range 3000 {
			id := strings.Repeat("x", i%30) + strconv.Itoa(i)
			if got, want := p.operator(id), Pseudonym(secret, "operator", id); got != want || p.operator(id) != want {
				t.Fatalf("%s: %d, not %d", id, got, want)
			}
		}
	}
}

// Whatever stands around a card number, it is suspected.
func TestEveryCardIsSuspected(t *testing.T) {
	for _, card := range []string{"4111111111111111", "4111 1111 1111 1111", "30569309025904", "4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1"} {
		for before := range 20 {
			for after := range 20 {
				b := []byte(strings.Repeat("x", before) + card + strings.Repeat("x", after))
				if !suspicious(b) || MaskPANs(b) != 1 {
					t.Fatalf("%q", b)
				}
			}
		}
	}
}
