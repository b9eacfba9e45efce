package agreement

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Place is where something was said: a key of an object in a file.
type Place struct {
	Kind, Name string // of the object: Agreement acme-gold
	Path       string // spec.versions[0].measurement.min_outage
}

func (p Place) String() string { return p.Kind + " " + p.Name + ": " + p.Path }

// Text is terms, with where each of them was said.
type Text struct {
	Terms Terms
	said  map[string][]statement // by field, and by entry of a list: the nearest first
}

// statement is one saying of a field, or of an entry.
type statement struct {
	Place
	final bool
}

// Conflict is a field, or an entry of a list, that was said although it is final.
type Conflict struct {
	Field     string // measurement.min_outage, objectives[mttr]
	By, Final Place
}

// textOf is the text of what one object says. place makes the path in it of a field of t.
func textOf(t Terms, place func(path string) Place) Text {
	out := Text{Terms: t, said: map[string][]statement{}}
	w := walk{entry: func(f field) {
		out.said[f.path] = append(out.said[f.path], statement{place(f.written), f.final})
	}}
	w.leaf = func(f field) {
		f.final = f.final && !f.inEntry // an entry is final as a whole
		w.entry(f)
	}
	w.block(reflect.ValueOf(t), field{})
	out.Terms = overlay(t, Terms{})
	return out
}

// Over is the text of someone who says near and inherits far: field by field, what is said nearest. It is associative: it does not matter
// who inherited first.
func (near Text) Over(far Text) Text {
	out := Text{Terms: overlay(near.Terms, far.Terms), said: map[string][]statement{}}
	maps.Copy(out.said, near.said)
	for path, all := range far.said {
		out.said[path] = slices.Concat(out.said[path], all)
	}
	return out
}

// Conflicts are what was said although it is final, by field.
func (near Text) Conflicts() []Conflict {
	var out []Conflict
	for _, path := range slices.Sorted(maps.Keys(near.said)) {
		all := near.said[path]
		for i, s := range all {
			for _, by := range all[:i] {
				c := Conflict{path, by.Place, s.Place}
				if s.final && (by.Kind != s.Kind || by.Name != s.Name) && !slices.Contains(out, c) {
					out = append(out, c)
				}
			}
		}
	}
	return out
}

// From is where a field of the text was said, as measurement.min_outage or objectives[mttr].value.
func (near Text) From(path string) (Place, bool) {
	if all := near.said[path]; len(all) > 0 {
		return all[0].Place, true
	}
	return Place{}, false
}

// at is where a field was said; of one that nobody said, where it could be: in the nearest entry that it would be in, else in a version.
func (near Text) at(path string, version Place) Place {
	for p := path; p != ""; p = p[:max(strings.LastIndexAny(p, ".["), 0)] {
		if at, ok := near.From(p); ok {
			at.Path += path[len(p):]
			return at
		}
	}
	version.Path += "." + path
	return version
}

// Values are the fields of a text that somebody said, as JSON by path: of measurement.min_outage or objectives[mttr].value.
func (near Text) Values() map[string]string {
	out := map[string]string{}
	w := walk{entry: func(field) {}, leaf: func(f field) {
		b, err := json.Marshal(f.value.Interface())
		if err != nil {
			panic(fmt.Sprintf("agreement: %s as JSON: %v", f.path, err)) // it cannot fail
		}
		out[f.path] = string(b)
	}}
	w.block(reflect.ValueOf(near.Terms), field{})
	return out
}

// Origins are where the fields of a text were said, by their path in it: objectives[0].value.
func (near Text) Origins() map[string]Place {
	out := map[string]Place{}
	w := walk{entry: func(field) {}, leaf: func(f field) {
		if p, ok := near.From(f.path); ok {
			out[f.written] = p
		}
	}}
	w.block(reflect.ValueOf(near.Terms), field{})
	return out
}

// entry is of a list that is inherited entry by entry.
type entry interface {
	key() string
	dropped() bool
}

func (e Exclusion) key() string {
	switch {
	case e.Name != "":
		return e.Name
	case e.Kind != "":
		return e.Kind
	}
	return "party:" + e.Party
}
func (e Exclusion) dropped() bool { return e.Off != nil && *e.Off }

func (o Objective) key() string   { return o.Name }
func (o Objective) dropped() bool { return o.Off != nil && *o.Off }

func (c Credit) key() string {
	if c.Name != "" {
		return c.Name
	}
	return c.Objective
}
func (c Credit) dropped() bool { return c.Off != nil && *c.Off }

// shape is how a field of Terms is inherited.
type shape int

const (
	leaf    shape = iota // as a whole
	block                // field by field
	entries              // entry by entry, and those field by field
)

func shapeOf(f reflect.StructField) shape {
	switch t := f.Type; {
	case t.Kind() == reflect.Struct && f.Tag.Get("inherit") != "whole" && !isText(t):
		return block
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && t.Elem().Implements(reflect.TypeFor[entry]()):
		return entries
	}
	return leaf
}

// field is one field of a text.
type field struct {
	path    string // with the keys of entries
	written string // with their numbers
	value   reflect.Value
	final   bool
	inEntry bool
}

func (f field) child(name string) field {
	f.path, f.written = strings.Trim(f.path+"."+name, "."), strings.Trim(f.written+"."+name, ".")
	return f
}

// walk visits what is said in a value.
type walk struct{ leaf, entry func(field) }

func (w *walk) block(v reflect.Value, at field) {
	if final := v.FieldByName("Final"); final.IsValid() && final.Bool() {
		at.final = true
	}
	for i := range v.NumField() {
		f, x := v.Type().Field(i), v.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			w.block(x, at)
		case x.IsZero() || name == "final":
		case shapeOf(f) == leaf:
			l := at.child(name)
			l.value = x
			w.leaf(l)
		case shapeOf(f) == block:
			w.block(x, at.child(name))
		default:
			for j := range x.Len() {
				e := at.child(name)
				e.path = fmt.Sprintf("%s[%s]", e.path, x.Index(j).Interface().(entry).key())
				e.written = fmt.Sprintf("%s[%d]", e.written, j)
				e.inEntry = true
				e.final = e.final || x.Index(j).FieldByName("Final").Bool()
				w.entry(e)
				w.block(x.Index(j), e)
			}
		}
	}
}

// overlay is what near says, and of the rest what far says. Nothing in it is final any more: that is kept apart.
func overlay[T any](near, far T) T {
	var out T
	over(reflect.ValueOf(&out).Elem(), reflect.ValueOf(near), reflect.ValueOf(far))
	return out
}

func over(out, near, far reflect.Value) {
	for i := range out.NumField() {
		f := out.Type().Field(i)
		n, r := near.Field(i), far.Field(i)
		switch {
		case f.Name == "Final":
		case f.Anonymous || shapeOf(f) == block:
			over(out.Field(i), n, r)
		case shapeOf(f) == entries:
			out.Field(i).Set(overEntries(n, r))
		case !n.IsZero():
			out.Field(i).Set(n)
		default:
			out.Field(i).Set(r)
		}
	}
}

func overEntries(near, far reflect.Value) reflect.Value {
	byKey := map[string]reflect.Value{}
	for _, list := range []reflect.Value{near, far} {
		for i := range list.Len() {
			e := list.Index(i)
			was, there := byKey[e.Interface().(entry).key()]
			if !there {
				was = reflect.Zero(e.Type())
			}
			sum := reflect.New(e.Type()).Elem()
			over(sum, was, e)
			byKey[e.Interface().(entry).key()] = sum
		}
	}
	out := reflect.MakeSlice(near.Type(), 0, len(byKey))
	for _, k := range slices.Sorted(maps.Keys(byKey)) {
		out = reflect.Append(out, byKey[k])
	}
	if out.Len() == 0 {
		return reflect.Zero(near.Type())
	}
	return out
}
