package agreement

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/registry"
)

func maybe[T any](t *rapid.T, name string, values ...T) (out T) {
	if rapid.Bool().Draw(t, name+"?") {
		out = rapid.SampledFrom(values).Draw(t, name)
	}
	return out
}

func decimal(s string) Decimal {
	d, err := ParseDecimal(s)
	if err != nil {
		panic(err)
	}
	return d
}

func duration(s string) Duration {
	d, err := ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return d
}

func ptr[T any](v T) *T { return &v }

// drawTerms are terms in which every shape of field occurs. They name no customer, so they need not be complete.
func drawTerms(t *rapid.T, finals bool) Terms {
	final := func(name string) bool { return finals && rapid.IntRange(0, 5).Draw(t, "final "+name) == 0 }
	out := Terms{
		Standing: Standing{
			Final: final("version"), BackedBy: maybe(t, "backed", []string{"x"}, []string{}, []string{"x", "y"}),
			Parties: Contracts{Final: final("parties"), Provider: maybe(t, "provider", "p", "q"), Suppliers: maybe(t, "suppliers", []string{"s"})},
			Scope:   Scope{Stores: maybe(t, "stores", Stores{Area: []string{"a"}}, Stores{IDs: []string{"1", "2"}, Area: []string{"b"}})},
		},
		Timezone: maybe(t, "zone", "Europe/Paris", "UTC"), Period: maybe(t, "period", "month", "day"),
		Measurement: Measurement{
			Final: final("measurement"), MinOutage: maybe(t, "min_outage", duration("1m"), duration("60s"), duration("0s")),
			MinEvents: maybe(t, "min_events", ptr(0), ptr(100)), MinCoverage: maybe(t, "coverage", decimal("0.9"), decimal("0")),
			Silence: Silence{Final: final("silence"), First: maybe(t, "first", "unknown", "down"), After: maybe(t, "after", duration("10m"))},
		},
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID[string]).Draw(t, "objectives") {
		out.Objectives = append(out.Objectives, Objective{
			Name: name, Final: final(name), Off: maybe(t, "off", ptr(true), ptr(false)), Target: maybe(t, "target", decimal("0.99"), decimal("0.9900"), decimal("0.5")),
			Of: maybe(t, "of", map[string]Decimal{"a": decimal("1")}, map[string]Decimal{"b": decimal("2")}), Report: maybe(t, "report", ptr(true), ptr(false)),
		})
	}
	for _, kind := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"planned_maintenance", "force_majeure"}), 0, 2, rapid.ID[string]).Draw(t, "exclusions") {
		out.Exclusions = append(out.Exclusions, Exclusion{Kind: kind, Final: final(kind), Effect: maybe(t, "effect", "remove", "up"), Name: maybe(t, "name", "own-"+kind)})
	}
	for _, o := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b"}), 0, 2, rapid.ID[string]).Draw(t, "credits") {
		out.Remedies.Credits = append(out.Remedies.Credits, Credit{Objective: o, Final: final("credit"), Fixed: maybe(t, "fixed", ptr(int64(5)), ptr(int64(0))), PerUnit: maybe(t, "per_unit", PerUnit{Credit: decimal("0.1")})})
	}
	return out
}

func named(name string, terms Terms) Text {
	return textOf(terms, func(path string) Place { return Place{KindAgreement, name, path} })
}

func TestInheritanceIsAssociative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x [3]Text
		for i := range x {
			x[i] = named(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "who"), drawTerms(t, true))
		}
		left, right := x[0].Over(x[1]).Over(x[2]), x[0].Over(x[1].Over(x[2]))
		if !reflect.DeepEqual(left, right) {
			t.Fatalf("(a over b) over c is\n%+v\na over (b over c) is\n%+v", left, right)
		}
		if d := gocmp.Diff(left.Conflicts(), right.Conflicts()); d != "" {
			t.Fatal(d)
		}
		none := Text{}
		if !reflect.DeepEqual(x[0].Over(none).Values(), x[0].Values()) || !reflect.DeepEqual(none.Over(x[0]).Values(), x[0].Values()) {
			t.Fatal("who says nothing changes something")
		}
	})
}

// merged is inheritance a second way, on JSON: nearest first.
func merged(near, far any, path string) any {
	wholes := []string{".scope.stores", ".objectives[].of", ".remedies.credits[].per_unit"}
	keys := map[string]func(m map[string]any) string{
		".objectives":       func(m map[string]any) string { return m["name"].(string) },
		".exclusions":       func(m map[string]any) string { return text(m["name"]) + "|" + text(m["kind"]) },
		".remedies.credits": func(m map[string]any) string { return m["objective"].(string) },
	}
	if near == nil || far == nil || slices.Contains(wholes, path) {
		if near == nil {
			return far
		}
		return near
	}
	if key := keys[path]; key != nil {
		out := map[string]any{}
		for _, e := range far.([]any) {
			out[key(e.(map[string]any))] = e
		}
		for _, e := range near.([]any) {
			k := key(e.(map[string]any))
			out[k] = merged(e, out[k], path+"[]")
		}
		list := []any{}
		for _, k := range slices.Sorted(maps.Keys(out)) {
			list = append(list, out[k])
		}
		return list
	}
	n, isMap := near.(map[string]any)
	if !isMap {
		return near
	}
	out := map[string]any{}
	for k, v := range far.(map[string]any) {
		out[k] = merged(n[k], v, path+"."+k)
	}
	for k, v := range n {
		if _, there := out[k]; !there {
			out[k] = v
		}
	}
	return out
}

func text(v any) string { s, _ := v.(string); return s }

func tree(t *rapid.T, terms Terms) any {
	b, err := json.Marshal(terms)
	var out any
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sorted(out, "")
}

// sorted brings lists of entries into the order of their keys.
func sorted(v any, path string) any {
	m, isMap := v.(map[string]any)
	for k, x := range m {
		m[k] = sorted(x, path+"."+k)
	}
	if isMap {
		return m
	}
	return merged(v, v, path)
}

func TestInheritanceIsTheNearestFieldByField(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawTerms(t, false), drawTerms(t, false)
		if rapid.Bool().Draw(t, "names differ") { // exclusions of the model have other keys if both have names
			for i := range a.Exclusions {
				a.Exclusions[i].Name = ""
			}
			for i := range b.Exclusions {
				b.Exclusions[i].Name = ""
			}
		}
		want := merged(tree(t, a), tree(t, b), "")
		got := tree(t, named("a", a).Over(named("b", b)).Terms)
		if d := gocmp.Diff(want, got); d != "" {
			t.Fatalf("(-model +got):\n%s", d)
		}
	})
}

// saidIn are the fields and entries of terms as JSON, and whether they are final.
func saidIn(v any, path string, final bool, into map[string]bool) {
	whole := slices.Contains([]string{"scope.stores", "objectives[].of", "remedies.credits[].per_unit"}, keyed.ReplaceAllString(path, "[]"))
	m, isMap := v.(map[string]any)
	list, isList := v.([]any)
	switch {
	case isMap && !whole:
		final = final || m["final"] == true
		for k, x := range m {
			if k != "final" {
				saidIn(x, strings.Trim(path+"."+k, "."), final, into)
			}
		}
	case isList && slices.Contains([]string{"objectives", "exclusions", "remedies.credits"}, path):
		for _, x := range list {
			e := x.(map[string]any)
			at := fmt.Sprintf("%s[%s]", path, cmp.Or(text(e["name"]), text(e["kind"]), text(e["objective"])))
			into[at] = final || e["final"] == true
			for k, x := range e {
				if k != "final" {
					saidIn(x, at+"."+k, false, into)
				}
			}
		}
	default:
		into[path] = final
	}
}

var keyed = regexp.MustCompile(`\[[^]]*\]`)

// What is final above is a mistake to say below, and nothing else is.
func TestFinal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		near, far := drawTerms(t, true), drawTerms(t, true)
		below, above, want := map[string]bool{}, map[string]bool{}, []string{}
		saidIn(tree(t, near), "", false, below)
		saidIn(tree(t, far), "", false, above)
		for path, final := range above {
			if _, said := below[path]; said && final {
				want = append(want, path)
			}
		}
		slices.Sort(want)
		got := []string{}
		for _, c := range named("a", near).Over(named("b", far)).Conflicts() {
			got = append(got, c.Field)
		}
		if d := gocmp.Diff(want, got); d != "" {
			t.Fatalf("(-want +got):\n%s", d)
		}
	})
}

func date(s string) *registry.Date {
	d, err := registry.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return &d
}

// drawVersions are versions that follow each other, the first from a date on.
func drawVersions(t *rapid.T, from registry.Date, n int) []Version {
	var out []Version
	for i := range n {
		f := from + registry.Date(rapid.IntRange(0, 40).Draw(t, "gap"))
		v := Version{Version: i + 1, From: &f, Terms: drawTerms(t, false)}
		from = f + registry.Date(rapid.IntRange(1, 60).Draw(t, "length"))
		if rapid.Bool().Draw(t, "ends") && i+1 < n { // the last one of who is inherited must not
			to := from
			v.To = &to
		}
		out = append(out, v)
	}
	return out
}

// drawBook is a chain in which c is inherited by b and a, and b by a. c and b are in force all along.
func drawBook(t *rapid.T) Book {
	begin := *date("2026-01-01")
	always := func() []Version {
		out := drawVersions(t, begin, rapid.IntRange(1, 3).Draw(t, "versions"))
		out[0].From = &begin
		for i := range out {
			out[i].To = nil
		}
		return out
	}
	return Book{Agreements: map[string]*Agreement{
		"c": {Type: "sla", Level: "corporate", Versions: always()},
		"b": {Type: "sla", Level: "service", Inherits: []string{"c"}, Versions: always()},
		"a": {Type: "sla", Level: "service", Inherits: rapid.SampledFrom([][]string{{"b"}, {"b", "c"}, {"c"}, nil}).Draw(t, "inherits"), Versions: drawVersions(t, begin, 3)},
	}}
}

// daysOf are the days on which something of a book changes, and those before and after.
func daysOf(books ...Book) []registry.Date {
	var out []registry.Date
	for _, b := range books {
		for _, a := range b.Agreements {
			for _, v := range a.Versions {
				out = append(out, *v.From-1, *v.From)
				if v.To != nil {
					out = append(out, *v.To)
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// canonical is the text on a day; "" if none is in force.
func canonical(t *rapid.T, b Book, name string, d registry.Date) string {
	r, err := b.Resolve(name, d)
	if _, v := b.Agreements[name].on(d); v == nil {
		return ""
	}
	if err != nil {
		t.Fatalf("%s on %s: %v", name, d, err)
	}
	return string(r.Canonical())
}

// Stretches are what one gets by asking day by day.
func TestStretches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBook(t)
		all, err := b.Stretches("a")
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range all {
			if i > 0 && (*all[i-1].Until > s.First || all[i-1].Span.To > s.Span.From) {
				t.Fatalf("%v is not over when %v begins", all[i-1], s)
			}
		}
		for _, d := range daysOf(b) {
			want, got := canonical(t, b, "a", d), ""
			noon := registry.Wall(time.UTC, d, 12*60)
			for _, s := range all {
				if inside := s.First <= d && (s.Until == nil || d < *s.Until); inside {
					got = string(s.Canonical())
					if noon < s.Span.From || noon >= s.Span.To {
						t.Fatalf("noon of %s is not in %+v", d, s)
					}
				}
			}
			if got != want {
				t.Fatalf("on %s\n%s\nis not\n%s", d, got, want)
			}
		}
	})
}

// What is appended, to an agreement or to what it inherits, leaves what was before as it was, and is no change of the past.
func TestLaterVersionsLeaveThePast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBook(t)
		later := Book{Agreements: maps.Clone(b.Agreements)}
		who := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "who")
		a := *b.Agreements[who]
		from := *a.Versions[len(a.Versions)-1].From + registry.Date(rapid.IntRange(1, 90).Draw(t, "after"))
		a.Versions = append(slices.Clip(a.Versions), Version{Version: len(a.Versions) + 1, From: &from, Terms: drawTerms(t, false)})
		later.Agreements[who] = &a
		for _, name := range []string{who, "a"} {
			for _, d := range append(daysOf(b), from-1) {
				if d >= from {
					continue
				}
				if was, is := canonical(t, b, name, d), canonical(t, later, name, d); was != is {
					t.Fatalf("%s on %s was\n%s\nis\n%s", name, d, was, is)
				}
			}
		}
		now := registry.Wall(time.UTC, from-1, 12*60) // the day before, in all zones that are drawn
		if problems, err := Past(b, later, now); err != nil || len(problems) > 0 {
			t.Fatalf("%v %v", problems, err)
		}
	})
}

// Past finds a change exactly if some day until now has another text.
func TestPast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBook(t)
		is := Book{Agreements: maps.Clone(b.Agreements)}
		who := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "who")
		a := *b.Agreements[who]
		a.Versions = slices.Clone(a.Versions)
		i := rapid.IntRange(0, len(a.Versions)-1).Draw(t, "version")
		a.Versions[i].Terms = drawTerms(t, false)
		is.Agreements[who] = &a
		today := *date("2026-01-01") + registry.Date(rapid.IntRange(-30, 300).Draw(t, "today"))
		now := registry.Wall(time.UTC, today, 12*60)
		changed := map[string]bool{}
		for name := range b.Agreements {
			for _, d := range append(daysOf(b, is), today) {
				if d > today {
					continue
				}
				if was := canonical(t, b, name, d); was != "" && was != canonical(t, is, name, d) {
					changed[name] = true
				}
			}
		}
		problems, err := Past(b, is, now)
		if err != nil {
			t.Fatal(err)
		}
		if len(problems) != len(changed) {
			t.Fatalf("%v, but the texts of %v changed", problems, changed)
		}
	})
}

// A hash is of the text, all of it and nothing else.
func TestHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := func(terms Terms) *Resolved {
			return &Resolved{Agreement: "a", Version: 1, From: *date("2026-01-01"), Text: named("a", terms)}
		}
		x, y := of(drawTerms(t, true)), of(drawTerms(t, true))
		if same := reflect.DeepEqual(x.Values(), y.Values()); same != (x.Hash() == y.Hash()) {
			t.Fatalf("%s\n%s\nsame: %v", x.Canonical(), y.Canonical(), same)
		}
		var again Terms // read back, and with its entries in another order
		if err := json.Unmarshal(must(json.Marshal(x.Terms)), &again); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(again.Objectives)
		slices.Reverse(again.Exclusions)
		if z := of(again); z.Hash() != x.Hash() || !bytes.Equal(z.Canonical(), x.Canonical()) {
			t.Fatalf("%s\n%s", x.Canonical(), z.Canonical())
		}
		signed := *x
		signed.Signed = Signature{By: []string{"someone"}}
		if signed.Hash() != x.Hash() {
			t.Fatal("the signature is in the text")
		}
	})
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(fmt.Sprint(err))
	}
	return b
}
