package verdict

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/evaluation"
)

// amend appends an amendment to an agreement of the world: another target from a day to before another, and no objective "all" any more.
func (w *world) amend(t *testing.T, name, from, to, target string) {
	t.Helper()
	a := *w.book.Agreements[name]
	was := a.Versions[0]
	text, err := json.Marshal(was)
	if err != nil {
		t.Fatal(err)
	}
	var v agreement.Version
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), `"0.9"`, `"`+target+`"`)), &v); err != nil {
		t.Fatal(err)
	}
	more := fmt.Sprintf(`{"version":%d,"from":"%s","to":"%s","amends":{"version":1,"reason":"a slip of the pen"},"signed":{"on":"2026-10-07","by":["ann","bob"],"document":"sha256:%064d"}}`,
		len(a.Versions)+1, from, to, 0)
	if err := json.Unmarshal([]byte(more), &v); err != nil {
		t.Fatal(err)
	}
	v.Objectives = v.Objectives[:1]
	a.Versions = append(a.Versions[:len(a.Versions):len(a.Versions)], v)
	was2 := agreement.Book{Agreements: maps.Clone(w.book.Agreements)}
	w.book.Agreements[name] = &a
	if problems := w.book.Check(); len(problems) > 0 {
		t.Fatal(problems)
	}
	if problems, err := agreement.Past(was2, w.book, start+10*day); err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	w.revision++
}

// What both parties amend for the past is restated under the number of what it amends, with the reason, while it may be; what is dropped is taken back; nothing else is
// touched; and looking again changes nothing.
func TestAmendment(t *testing.T) {
	w := newWorld(t)
	for d := range int64(5) { // every day 3 of 24 hours are down: breached by 0.9, met by 0.8
		w.fails("s0-1", interval.Span{From: start + d*day + hour, To: start + d*day + 4*hour})
	}
	e := w.evaluator(Config{})
	round := func(at int64) Report {
		t.Helper()
		r, err := e.Round(t.Context(), at)
		if err != nil || len(r.Failed) > 0 {
			t.Fatal(err, r.Failed)
		}
		return r
	}
	for at := start + 6*hour; at <= start+4*day+hour; at += hour {
		round(at)
	}
	before := w.final()
	w.amend(t, "a0", "2026-10-05", "2026-10-08", "0.8")
	at := start + 4*day + 2*hour // the 9th, 02:00; the 5th may be restated until the 8th, the 6th until the 9th, the 7th until the 10th
	round(at)
	told := func(day string) (out []string) {
		for k, all := range w.rows {
			for _, r := range all {
				if k.Contract == "a0" && (k.Name == "s0-1" || k.Objective == "all") && w.day(k) == day {
					out = append(out, fmt.Sprintf("%s v%d r%d %s %s %d %s", k.Objective, k.Version, r.Revision, r.Stage, r.Result.Verdict, r.Credit, r.Reason))
				}
			}
		}
		return out
	}
	const reason = "version 2, signed on 2026-10-07, amends version 1: a slip of the pen; reckoned with what is known now"
	sorted := cmp.Transformer("sorted", func(s []string) map[string]bool {
		out := map[string]bool{}
		for _, x := range s {
			out[x] = true
		}
		return out
	})
	for day, want := range map[string][]string{
		"2026-10-05": {"till v1 r0 provisional breached 1250 ", "till v1 r1 final breached 1250 ", "all v1 r0 provisional met 0 ", "all v1 r1 final met 0 "}, // too late
		"2026-10-07": {
			"till v1 r0 provisional breached 2500 ", "till v1 r1 final breached 2500 ", "till v1 r2 restated met 0 " + reason,
			"all v1 r0 provisional met 0 ", "all v1 r1 final met 0 ", "all v1 r2 restated not_applicable 0 " + reason,
		},
	} {
		if d := cmp.Diff(want, told(day), sorted); d != "" {
			t.Errorf("%s (-want +got):\n%s", day, d)
		}
	}
	for k, was := range before { // of other agreements and days nothing is otherwise; the 8th has fewer breaches before it
		if amended := k.Contract == "a0" && w.day(k) <= "2026-10-08"; !amended && w.final()[k] != was {
			t.Errorf("%v: %s became %s", k, was, w.final()[k])
		}
	}
	round(at + 1) // what follows of fewer breaches before
	if r := round(at + 2); r.Published != 0 {
		t.Errorf("looking again published %d statements", r.Published)
	}
	was := w.final()
	e = w.evaluator(Config{})
	round(at + 3)
	if d := cmp.Diff(was, w.final()); d != "" {
		t.Errorf("another evaluator made of it (-want +got):\n%s", d)
	}
}

// day is on which a key's period begins.
func (w *world) day(k evaluation.Key) string {
	return fmt.Sprintf("2026-10-%02d", 5+(k.Period-start)/day)
}

// final is what was published last of every key that is final.
func (w *world) final() map[evaluation.Key]string {
	out := map[evaluation.Key]string{}
	for k, all := range w.rows {
		for r := uint32(1); ; r++ {
			x, there := all[r]
			if !there {
				break
			}
			out[k] = fmt.Sprint(x.Revision, x.Stage, x.Result.Verdict, x.Credit)
		}
	}
	return out
}
