package statement

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/sla"
)

var update = flag.Bool("update", false, "write testdata anew")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s differs; if that is meant, run go test ./processor/sla/statement -update and look at it", name)
	}
}

func TestWorkedStatement(t *testing.T) {
	s := Sign(document(t, worked(t)))
	golden(t, "worked.json", s.File())
	for _, lang := range Languages() {
		page, err := Page(&s, lang)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "worked."+lang+".html", page)
	}
}

// Names, notes and rules that somebody wrote to do harm are shown and do nothing, wherever they are; and nothing comes from outside.
func TestHostileNames(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'";}</style>\2026 {{.}} ` + "`"
	in := worked(t)
	in.Title, in.Names, in.Reason = evil, map[string]string{"acme": evil, "tills-sa": evil}, evil
	in.Texts[0].Agreement = evil
	in.Texts[0].Signed.By = []string{evil}
	in.Texts[0].Signed.Document = evil
	for i := range in.Texts[0].Terms.Objectives {
		o := &in.Texts[0].Terms.Objectives[i]
		for j := range in.Verdicts {
			if v := &in.Verdicts[j]; v.Objective == o.Name {
				v.Objective += evil
			}
		}
		for j := range in.Evidence {
			if e := &in.Evidence[j]; e.Objective == o.Name {
				e.Objective += evil
			}
		}
		o.Name, o.Description = o.Name+evil, evil
	}
	for i := range in.Verdicts {
		in.Verdicts[i].Scope += evil
		in.Verdicts[i].Note = evil
	}
	for i := range in.Evidence {
		e := &in.Evidence[i]
		e.Scope, e.Ref, e.Rule, e.Party, e.DecidedBy, e.Note, e.Kind = e.Scope+evil, evil, evil, evil, evil, evil, evil
	}
	in.Backing = []Backing{{evil, "met"}}
	for _, limits := range []Limits{DefaultLimits, {1, 1}} {
		d, err := New(in, limits)
		if err != nil {
			t.Fatal(err)
		}
		s := Sign(d)
		for _, lang := range Languages() {
			page, err := Page(&s, lang)
			if err != nil {
				t.Fatal(err)
			}
			x, styles := xml.NewDecoder(bytes.NewReader(page)), 0
			x.Strict, x.AutoClose, x.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
			for {
				token, err := x.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				tag, ok := token.(xml.StartElement)
				if !ok {
					continue
				}
				if name := strings.ToLower(tag.Name.Local); slices.Contains([]string{"script", "img", "iframe", "object", "link", "base", "form"}, name) {
					t.Errorf("there is a tag %s", name)
				} else if name == "style" {
					styles++
				}
				for _, a := range tag.Attr {
					switch key := strings.ToLower(a.Name.Local); {
					case strings.HasPrefix(key, "on"), key == "src":
						t.Errorf("there is an attribute %s of %s", key, tag.Name.Local)
					case key == "href" && !regexp.MustCompile(`^#o-[\w-]+$`).MatchString(a.Value):
						t.Errorf("there is a link to %s", a.Value)
					}
				}
			}
			if styles != 1 || bytes.Contains(page, []byte("http://")) || bytes.Contains(page, []byte("https://")) || bytes.Contains(page, []byte("@import")) {
				t.Errorf("%d styles, or something comes from outside", styles)
			}
			if i, j := bytes.Index(page, []byte("<style>")), bytes.Index(page, []byte("</style>")); bytes.Contains(page[i:j], []byte("<script")) || bytes.Contains(page[i:j], []byte(";}</style")) {
				t.Error("the style is broken")
			}
			if bytes.Contains(page, []byte("ZgotmplZ")) {
				t.Error("the template refused a value")
			}
		}
	}
}

// The document does not depend on the order of rows; what is not listed is counted; sums of days are those of the evidence.
func TestDocument(t *testing.T) {
	whole := document(t, worked(t))
	want := whole.Canonical()
	rapid.Check(t, func(r *rapid.T) {
		in := worked(t)
		in.Verdicts, in.Evidence = rapid.Permutation(in.Verdicts).Draw(r, "verdicts"), rapid.Permutation(in.Evidence).Draw(r, "evidence")
		if got := document(t, in).Canonical(); !bytes.Equal(got, want) {
			r.Fatalf("another order gave another document")
		}
		limits := Limits{rapid.IntRange(0, 3).Draw(r, "scopes"), rapid.IntRange(0, 12).Draw(r, "rows")}
		d := must(New(in, limits))
		if d.Rows != whole.Rows || d.Rows != DigestsOf(in.Verdicts, in.Evidence, d) {
			r.Fatal("digests depend on what is listed")
		}
		for i := range d.Objectives {
			a, b := &d.Objectives[i], &whole.Objectives[i]
			if len(a.Scopes)+a.Others != len(b.Scopes) || len(a.Scopes) > limits.Scopes || len(a.Evidence) != min(len(b.Evidence), limits.Evidence) {
				r.Fatalf("%s lists %d scopes and omits %d, of %d; %d rows of %d", a.Name, len(a.Scopes), a.Others, len(b.Scopes), len(a.Evidence), len(b.Evidence))
			}
			if d := cmp.Diff(b.Totals, a.Totals) + cmp.Diff(b.Days, a.Days) + cmp.Diff(b.Tally, a.Tally); d != "" {
				r.Fatalf("%s: sums depend on what is listed: %s", a.Name, d)
			}
			sums := map[sla.Decision]int64{}
			for _, e := range b.Evidence {
				sums[e.Decision] += e.Counted
			}
			var of Day
			for _, x := range a.Days {
				of.Down, of.Unknown, of.Excluded = of.Down+x.Down, of.Unknown+x.Unknown, of.Excluded+x.Excluded
			}
			if want := (Day{Down: sums[sla.Counted], Unknown: sums[sla.Uncertain], Excluded: sums[sla.Removed]}); len(a.Days) > 0 && of != want {
				r.Fatalf("%s: the days come to %+v, the evidence to %+v", a.Name, of, want)
			}
		}
		s := Sign(d)
		if _, err := Page(&s, "fr"); err != nil {
			r.Fatal(err)
		}
	})
}

// What changed of any row, listed or not, changes the digests.
func TestDigests(t *testing.T) {
	d := document(t, worked(t))
	for i := range worked(t).Verdicts {
		in := worked(t)
		in.Verdicts[i].Result.Low.Part++
		if DigestsOf(in.Verdicts, in.Evidence, d).Verdicts == d.Rows.Verdicts {
			t.Errorf("verdict %d does not count", i)
		}
	}
	for i := range worked(t).Evidence {
		in := worked(t)
		in.Evidence[i].Note += "x"
		if DigestsOf(in.Verdicts, in.Evidence, d).Evidence == d.Rows.Evidence {
			t.Errorf("evidence %d does not count", i)
		}
	}
}

// Every verdict has a reason in both languages, whatever the kind of promise; and a period of two texts says which of them judges what.
func TestReasons(t *testing.T) {
	in := worked(t)
	second := terms(t, 2, "2026-03-16", acme)
	cut := second.Span.From
	in.Texts[0].Span.To = cut
	in.Texts = append(in.Texts, second)
	for i, v := range []sla.Verdict{sla.Met, sla.Breached, sla.Undetermined, sla.AtRisk, sla.NotApplicable} {
		for _, o := range second.Terms.Objectives {
			x := Verdict{Of: Of{cut, 2, o.Name, fmt.Sprint("scope ", i)}, Result: in.Verdicts[i].Result, Note: "a note"}
			if x.Result.Verdict = v; v == sla.NotApplicable {
				x.Result = sla.Result{Verdict: v}
			}
			in.Verdicts = append(in.Verdicts, x)
		}
	}
	d := document(t, in)
	if len(d.Objectives) != 12 || len(d.Texts) != 2 || d.Objectives[11].Text != 2 || d.Objectives[11].Version != 2 {
		t.Fatalf("%d objectives of %d texts", len(d.Objectives), len(d.Texts))
	}
	s := Sign(d)
	for lang, want := range map[string][]string{
		"en": {"version 2, 16 March 2026 to 31 March 2026", "Several texts were in force", "It depends on what nobody knows", "a note."},
		"fr": {"version 2, du 16\u00a0mars\u00a02026 au 31\u00a0mars\u00a02026", "Plusieurs textes", "Le verdict dépend de ce que nul ne sait"},
	} {
		page, err := Page(&s, lang)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(page), "\u00a0", " ")
		for _, w := range want {
			if !strings.Contains(text, strings.ReplaceAll(w, "\u00a0", " ")) {
				t.Errorf("%s: %q is not said", lang, w)
			}
		}
		for _, bad := range []string{"[why", "[promise", "[verdict", "[op", "[per", "%!", "MISSING"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s: there is %s", lang, bad)
			}
		}
	}
	if _, err := Page(&s, "de"); err == nil {
		t.Error("there is a German page")
	}
}
