package processor

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
)

// Reports that wait for others give what they give when each is folded as it comes, whatever comes between them: repeats, sales, what is rejected, strings with escapes. Once settle was
// called the memory that they lay in may be used again.
func TestReportsThatWaitGiveWhatTheyGiveAtOnce(t *testing.T) {
	health := fetch.TopicPartition{Topic: "pos.health", Partition: 3}
	rows := func(ahead bool) (all []string) {
		rnd := rand.New(rand.NewPCG(1, 2))
		f := newFolder(benchConfig(), nil)
		if ahead {
			f.walker()
		}
		f.Begin(health, 0, true)
		f.Begin(tp, 0, true)
		numbers, offsets := make([]int, 50), map[fetch.TopicPartition]int64{}
		for n := range 300 {
			at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC).Add(time.Duration(n) * 30 * time.Second)
			in := health
			if n%10 == 9 {
				in = tp
			}
			var records []fetch.Record
			for range rnd.IntN(60) {
				till := rnd.IntN(len(numbers))
				numbers[till] += max(rnd.IntN(20)-17, 0) // many come again
				value := fmt.Appendf(nil, `{"id":"h/%d/%d","source":"t","type":"pos.health.v1","time":%q,"store_id":"s%d","terminal_id":"t%d","sequence":%d,"kind":"heartbeat","status":%q,"software_version":%s}`,
					till, numbers[till], at.Format(time.RFC3339), till/5+rnd.IntN(30)/29, till, numbers[till], []string{"up", "degraded", "down"}[rnd.IntN(20)/9], []string{`"7.1"`, fmt.Sprintf(`"7\u002e%d"`, rnd.IntN(9)), `"a rather long version"`, `""`}[rnd.IntN(4)])
				switch rnd.IntN(30) {
				case 0:
					value = value[:len(value)-3]
				case 1:
					value = fmt.Appendf(nil, rich, "x", numbers[till], "x", n%60, fmt.Sprint("t", till), numbers[till])
				case 2:
					value = []byte(strings.Replace(string(value), "09:", "11:", 1)) // long before it happened
				}
				records = append(records, fetch.Record{Offset: offsets[in], Timestamp: at.UnixMilli() + 1000, Value: value})
				offsets[in]++
			}
			for _, r := range records {
				if err := f.Record(in, r); err != nil {
					t.Fatal(err)
				}
			}
			f.settle()
			for _, r := range records {
				copy(r.Value, strings.Repeat("#", len(r.Value)))
			}
			if n%20 != 19 {
				continue
			}
			b := f.Seal(rollup.Version{Epoch: 1, Batch: uint64(n)}, "g/0", at)
			all = append(all, fmt.Sprintf("%+v", b.tally))
			for _, l := range b.letters {
				all = append(all, fmt.Sprintf("%d %s %s", l.Offset, l.Reason, l.Value))
			}
			for _, blk := range append(b.blocks, b.state) {
				for _, c := range blk.Columns {
					all = append(all, fmt.Sprint(blk.Name(), " ", c.Name, " ", c.Data))
				}
			}
		}
		return all
	}
	if diff := cmp.Diff(rows(false), rows(true)); diff != "" {
		t.Errorf("at once, and ahead: %.3000s", diff)
	}
}
