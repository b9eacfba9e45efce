package statement

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla"
)

// link is a statement of a month, as small as can be.
func link(t testing.TB, month int, revision uint32, l Link) Signed {
	in := worked(t)
	begin := func(m int) int64 {
		return registry.Begins(paris, must(registry.ParseDate(fmt.Sprintf("2026-%02d-01", m))))
	}
	in.Period = interval.Span{From: begin(month), To: begin(month + 1)}
	in.Verdicts, in.Evidence = in.Verdicts[:1], nil
	in.Verdicts[0].Part = in.Period.From
	in.Revision, in.Stage, in.Link = revision, sla.Final, l
	if revision > 1 {
		in.Stage, in.Reason = sla.Restated, "evidence came late"
	}
	in.At += int64(l.Number) * hour
	return Sign(document(t, in))
}

// chained are January, February, March, February again, and April.
func chained(t testing.TB) (all []Signed) {
	add := func(month int, revision uint32, replaces string) {
		l := Link{Number: uint64(len(all) + 1), Replaces: replaces}
		if len(all) > 0 {
			l.Previous = all[len(all)-1].Hash
		}
		all = append(all, link(t, month, revision, l))
	}
	add(1, 1, "")
	add(2, 1, "")
	add(3, 1, "")
	add(2, 2, all[1].Hash)
	add(4, 1, "")
	return all
}

func TestVerify(t *testing.T) {
	all := chained(t)
	v, err := Verify(all)
	if err != nil || v.First != 1 || v.Last != 5 || v.Head != all[4].Hash || len(v.Documents) != 5 {
		t.Fatalf("%+v, %v", v, err)
	}
	if v, err := Verify([]Signed{all[4], all[2], all[3], all[2]}); err != nil || v.First != 3 || v.Last != 5 {
		t.Errorf("the end of the chain, in disorder: %+v, %v", v, err)
	}
	other := func(i int, month int, revision uint32, l Link) []Signed {
		out := slices.Clone(all)
		out[i] = link(t, month, revision, l)
		return out
	}
	foreign := slices.Clone(all)
	in := worked(t)
	in.Texts[0].Agreement, in.Link = "globex", Link{Number: 3, Previous: all[1].Hash}
	foreign[2] = Sign(document(t, in))
	spaced := slices.Clone(all)
	spaced[1].Statement = append(slices.Clone(all[1].Statement), ' ')
	spaced[1].Hash = Hash(spaced[1].Statement)
	changed := slices.Clone(all)
	changed[3].Statement = bytes.Replace(all[3].Statement, []byte(`"EUR"`), []byte(`"USD"`), 1)
	for what, c := range map[string]struct {
		all    []Signed
		number uint64
		says   string
	}{
		"a gap":             {slices.Delete(slices.Clone(all), 2, 3), 4, "statement 3 is missing before it"},
		"made anew":         {other(1, 2, 1, Link{Number: 2, Previous: Hash(nil)}), 2, "names " + Hash(nil) + " as the one before it, which is " + all[0].Hash},
		"two of one number": {append(slices.Clone(all), link(t, 5, 1, Link{Number: 5, Previous: all[3].Hash})), 5, "there are two of this number"},
		"a provisional one": {[]Signed{link(t, 3, 0, Link{Previous: all[4].Hash})}, 0, "provisional and in no chain"},
		"no first":          {other(0, 1, 1, Link{Number: 1, Previous: Hash(nil)}), 1, "it is the first and names one before it"},
		"no previous":       {[]Signed{link(t, 3, 1, Link{Number: 3})}, 3, "does not name the one before it"},
		"replaces another":  {other(3, 2, 2, Link{Number: 4, Previous: all[2].Hash, Replaces: all[0].Hash}), 4, "it says that it replaces " + all[0].Hash},
		"skips a revision":  {other(3, 2, 3, Link{Number: 4, Previous: all[2].Hash, Replaces: all[1].Hash}), 4, "it is revision 3, the last one of the period was 1"},
		"replaces nothing":  {other(4, 4, 2, Link{Number: 5, Previous: all[3].Hash, Replaces: all[1].Hash}), 5, "replaces a statement of the period that was never published"},
		"another agreement": {foreign, 3, "it is of agreement globex, the one before it of acme-gold"},
		"another form":      {spaced, 2, "not in canonical form"},
		"changed":           {changed, 4, "it was changed since"},
	} {
		_, err := Verify(c.all)
		var b *Broken
		if !errors.As(err, &b) || b.Number != c.number || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// leaves are the paths of all values of a JSON tree.
func leaves(v any, path []any, visit func(path []any, v any)) {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			leaves(x[k], append(slices.Clone(path), k), visit)
		}
	case []any:
		for i := range x {
			leaves(x[i], append(slices.Clone(path), i), visit)
		}
	default:
		visit(path, v)
	}
}

func set(v any, path []any, to any) any {
	if len(path) == 0 {
		return to
	}
	switch x := v.(type) {
	case map[string]any:
		x[path[0].(string)] = set(x[path[0].(string)], path[1:], to)
	case []any:
		x[path[0].(int)] = set(x[path[0].(int)], path[1:], to)
	}
	return v
}

// Whatever value of whatever statement is changed, verification fails; also if whoever changed it puts the right hash beside it, as long as it is not the
// last one of the chain.
func TestTamperingShows(t *testing.T) {
	in := worked(t)
	in.Link = Link{Number: 1}
	first := Sign(document(t, in))
	second := link(t, 4, 1, Link{Number: 2, Previous: first.Hash})
	if _, err := Verify([]Signed{first, second}); err != nil {
		t.Fatal(err)
	}
	var paths [][]any
	parse := func() (tree any) {
		d := json.NewDecoder(bytes.NewReader(first.Statement))
		d.UseNumber()
		if err := d.Decode(&tree); err != nil {
			t.Fatal(err)
		}
		return tree
	}
	leaves(parse(), nil, func(path []any, _ any) { paths = append(paths, path) })
	slices.SortFunc(paths, func(a, b []any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.SampledFrom(paths).Draw(t, "path")
		tree := parse()
		var to any
		leaves(tree, nil, func(p []any, v any) {
			if fmt.Sprint(p) != fmt.Sprint(path) {
				return
			}
			switch x := v.(type) {
			case string:
				at := rapid.IntRange(0, len(x)).Draw(t, "at")
				to = x[:at] + rapid.SampledFrom([]string{"0", "1", "x", " "}).Draw(t, "put") + x[at:]
			case json.Number:
				to = "1" + x
			case bool:
				to = !x
			}
		})
		changed := Signed{first.Hash, canonical(set(tree, path, to))}
		if _, err := Verify([]Signed{changed, second}); err == nil {
			t.Fatalf("%v was changed to %v", path, to)
		}
		changed.Hash = Hash(changed.Statement)
		if _, err := Verify([]Signed{changed, second}); err == nil {
			t.Fatalf("%v was changed to %v, with its hash", path, to)
		}
	})
}

func TestFilesAreRead(t *testing.T) {
	s := Sign(document(t, worked(t)))
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, s.File(), "", "  "); err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{s.File(), pretty.Bytes()} {
		got, err := ReadFile(b)
		if err != nil || got.Hash != s.Hash || !bytes.Equal(got.Statement, s.Statement) {
			t.Errorf("%v: %.100s", err, got.Statement)
		}
	}
	for _, b := range []string{"", "[]", "{}", `{"hash":"","statement":{},"more":1}`, `{"hash":"x","statement":{}} {}`} {
		s, err := ReadFile([]byte(b))
		if err == nil {
			_, err = s.Document()
		}
		if err == nil {
			t.Errorf("%s was read", b)
		}
	}
	for from, to := range map[string]string{
		`"of":12000,"part":70`:                  `"of":0,"part":70`,
		`"value":"0.005833333"`:                 `"value":"0.004833333"`,
		`"timezone":"Europe/Paris"`:             `"timezone":"Local"`,
		`"format":"tillstream/statement/v1"`:    `"format":"x"`,
		`"stage":"final"`:                       `"stage":"final","hidden":1`,
		`"date":"2026-03-10","down_ms":3600000`: `"date":"2026-03-10","down_ms":-1`,
	} {
		if !bytes.Contains(s.Statement, []byte(from)) {
			t.Fatalf("there is no %s", from)
		}
		x := Signed{Statement: []byte(strings.Replace(string(s.Statement), from, to, 1))}
		if _, err := x.Document(); err == nil {
			t.Errorf("a document with %s was read", to)
		}
		if _, err := Page(&x, "en"); err == nil {
			t.Errorf("a document with %s was rendered", to)
		}
	}
}
