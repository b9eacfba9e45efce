package fetch

import (
	"bytes"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// What was sent is read, nulls and repeated keys too; and of headers that are cut off, only such as were sent.
func TestHeaders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) kgo.RecordHeader {
			return kgo.RecordHeader{Key: rapid.SampledFrom([]string{"", "ce_id", "content-type"}).Draw(t, "key"), Value: rapid.SampledFrom([][]byte{nil, {}, []byte("x"), bytes.Repeat([]byte("y"), 200)}).Draw(t, "value")}
		}), 0, 5).Draw(t, "headers")
		whole := headersOf(sent)
		cut := whole[:rapid.IntRange(0, len(whole)).Draw(t, "cut")]
		var got []kgo.RecordHeader
		for k, v := range cut.All {
			got = append(got, kgo.RecordHeader{Key: k, Value: v})
		}
		same := func(a, b kgo.RecordHeader) bool {
			return a.Key == b.Key && bytes.Equal(a.Value, b.Value) && (a.Value == nil) == (b.Value == nil)
		}
		if len(got) > len(sent) || !slices.EqualFunc(sent[:len(got)], got, same) || len(cut) == len(whole) && len(got) < len(sent) || whole.None() != (len(sent) == 0) {
			t.Fatalf("sent %q, read %q", sent, got)
		}
	})
}
