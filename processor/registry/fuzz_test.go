package registry

import (
	"testing"

	"github.com/tillstream/tillstream/processor/interval"
)

// Whatever is read answers every question, and is read again as it was written.
func FuzzRead(f *testing.F) {
	f.Add([]byte(every))
	f.Add([]byte(`{"store_id":"s","revision":2,"store":{"removed":true}}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		body, r := Read(value)
		if r != nil {
			if r.Expected == "" {
				t.Errorf("%+v does not say what is expected", r)
			}
			return
		}
		s := body.(*Store)
		x := interval.Span{From: 1_770_000_000_000, To: 1_780_000_000_000}
		for _, o := range s.Service(x) {
			if o.Cut(x) != o || o.Empty() {
				t.Errorf("%v is not within %v", o, x)
			}
		}
		at := x.From
		for _, q := range s.Quorums(x) {
			if q.From != at || q.Tills < 1 {
				t.Errorf("%v does not begin at %d", q, at)
			}
			at = q.To
		}
		if at != x.To {
			t.Errorf("quorums end at %d", at)
		}
		s.Zone(at)
		for i := range s.Terminals {
			s.Terminal(s.Terminals[i].ID).At(at)
		}
		again, r := Read(s.Append(nil))
		if r != nil {
			t.Fatal(r)
		}
		if a, b := string(s.Append(nil)), string(again.(*Store).Append(nil)); a != b {
			t.Errorf("%s is read again as %s", a, b)
		}
	})
}
