package manifest

import (
	"bytes"
	"encoding"
	"encoding/json"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/tillstream/tillstream/processor/sla/agreement"
	schemas "github.com/tillstream/tillstream/schemas/agreements"
)

func examples(t *testing.T, pattern string) map[string][]byte {
	t.Helper()
	names, err := fs.Glob(schemas.FS, pattern)
	if err != nil || len(names) == 0 {
		t.Fatal(err, names)
	}
	out := map[string][]byte{}
	for _, n := range names {
		if out[n], err = schemas.FS.ReadFile(n); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// written is a schema for editors, the kinds it is for, and examples that use all of it.
type written struct {
	schema, examples string
	kinds            []string
}

func all() []written {
	return []written{
		{"registry.schema.json", "examples/*.yaml", []string{KindHolidays, KindCalendar, KindSupplier, KindCustomer, KindService, KindStore, KindTerminal}},
		{"agreement.schema.json", "examples/agreements/*.yaml", []string{KindAgreement, KindSLI, KindSLO, KindAlertPolicy}},
	}
}

// schemaOf is that of a document.
func schemaOf(doc any) string {
	m := doc.(map[string]any)
	for _, w := range all() {
		if slices.Contains(w.kinds, m["kind"].(string)) && (m["apiVersion"] != "openslo/v1" || m["kind"] != KindService) {
			return w.schema
		}
	}
	return "agreement.schema.json" // a Service of OpenSLO
}

func rawSchema(t *testing.T, name string) (raw []byte, root map[string]any) {
	t.Helper()
	raw, err := schemas.FS.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(raw, &root)
	}
	if err != nil {
		t.Fatal(err)
	}
	return raw, root
}

// plain is a YAML node as an editor's YAML 1.2 has it: dates are text.
func plain(n *yaml.Node) any {
	switch n.Kind {
	case yaml.DocumentNode:
		return plain(n.Content[0])
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plain(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		l := []any{}
		for _, e := range n.Content {
			l = append(l, plain(e))
		}
		return l
	}
	if n.Tag == "!!bool" {
		return n.Value == "true"
	}
	if n.Tag == "!!int" {
		if i, err := strconv.Atoi(n.Value); err == nil {
			return json.Number(strconv.Itoa(i))
		}
	}
	return n.Value
}

func documents(t *testing.T, text []byte) []any {
	t.Helper()
	var out []any
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var n yaml.Node
		if err := d.Decode(&n); err != nil {
			return out
		}
		out = append(out, plain(&n))
	}
}

func setOf(objects []*Object) Set { return SetOf(objects) }

func compiled(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	raw, _ := rawSchema(t, name)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestExamples(t *testing.T) {
	for _, w := range all() {
		var objects []*Object
		for name, text := range examples(t, w.examples) {
			for _, d := range documents(t, text) {
				if err := compiled(t, schemaOf(d)).Validate(d); err != nil {
					t.Errorf("%s against its schema: %v", name, err)
				}
			}
			found, problems := Read(name, text)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			objects = append(objects, found...)
		}
		set := setOf(objects)
		if err := set.Check(); err != nil {
			t.Error(err)
		}
		want, err := set.Resolve()
		if err != nil {
			t.Error(err)
		}
		kept := Set{} // and what is kept is what was read
		for k, o := range set {
			text, err := o.Document()
			if err != nil {
				t.Fatal(err)
			}
			if kept[k], err = Parse(k.Kind, text); err != nil {
				t.Fatal(err)
			}
		}
		if changes, err := Diff(set, kept); err != nil || len(changes) > 0 {
			t.Errorf("%s changes when it is kept: %v %v", w.examples, changes, err)
		}
		got, err := kept.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-read +kept):\n%s", w.examples, d)
		}
		if d := cmp.Diff(texts(t, set), texts(t, kept)); d != "" {
			t.Errorf("%s (-read +kept):\n%s", w.examples, d)
		}
	}
}

// texts are all texts of all agreements, as JSON.
func texts(t *testing.T, s Set) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name := range s.Book().Agreements {
		all, err := s.Book().Stretches(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range all {
			out[name+" "+x.First.String()] = string(x.Canonical())
		}
	}
	return out
}

// The first line of an invalid example says at which line and key it is wrong.
func TestInvalidExamples(t *testing.T) {
	for name, text := range examples(t, "examples/invalid/*.yaml") {
		first, _, _ := strings.Cut(string(text), "\n")
		line, key, _ := strings.Cut(strings.TrimPrefix(first, "# "), ": ")
		objects, problems := Read(name, text)
		set := setOf(objects)
		if len(problems) == 0 {
			if err := set.Check(); err != nil {
				problems = append(problems, err)
			} else if _, err := set.Resolve(); err != nil {
				problems = append(problems, err)
			}
		}
		want := name + ":" + line + ": " + key + ": "
		if len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), want) {
			t.Errorf("%s: %v, want one that begins with %s", path.Base(name), problems, want)
		}
	}
}

// The Go types and the schemas name the same fields, at every depth, and the examples use all of them.
func TestFieldsOfTypesSchemaAndExamples(t *testing.T) {
	for _, w := range all() {
		_, root := rawSchema(t, w.schema)
		inTypes, inSchema, inExamples := map[string]bool{}, map[string]bool{}, map[string]bool{}
		typeFields(reflect.TypeFor[Metadata](), "metadata.", inTypes)
		if w.schema == "agreement.schema.json" {
			delete(inTypes, "metadata.display_name")
			inTypes["metadata.displayName"] = true
		}
		schemaFields(root, root["$defs"].(map[string]any)["metadata"].(map[string]any), "metadata.", inSchema)
		defOf := func(kind string) string {
			if _, ok := specOf(kind).(*Party); ok {
				return "Party"
			}
			return kind
		}
		for _, kind := range w.kinds {
			typeFields(reflect.TypeOf(specOf(kind)).Elem(), defOf(kind)+".", inTypes)
			schemaFields(root, root["$defs"].(map[string]any)[defOf(kind)].(map[string]any), defOf(kind)+".", inSchema)
		}
		for _, text := range examples(t, w.examples) {
			for _, d := range documents(t, text) {
				m := d.(map[string]any)
				valueFields(m["metadata"], "metadata.", inExamples)
				valueFields(m["spec"], defOf(m["kind"].(string))+".", inExamples)
			}
		}
		if d := cmp.Diff(slices.Sorted(maps.Keys(inSchema)), slices.Sorted(maps.Keys(inTypes))); d != "" {
			t.Errorf("%s (-schema +Go):\n%s", w.schema, d)
		}
		used := map[string]bool{} // by the field and what it is in: blocks occur in several places, and it is enough that one of those uses it
		for name := range inExamples {
			used[last(name)] = true
		}
		for name := range inSchema {
			if !used[last(name)] && !strings.HasSuffix(name, ".final") { // final is taken everywhere
				t.Errorf("no example of %s has %s", w.schema, name)
			}
		}
	}
}

// Editors explain every key: where it is, or where what it takes is.
func TestKeysAreExplained(t *testing.T) {
	for _, w := range all() {
		_, root := rawSchema(t, w.schema)
		defs := root["$defs"].(map[string]any)
		for def, d := range defs {
			properties, _ := d.(map[string]any)["properties"].(map[string]any)
			for name, p := range properties {
				explained := p.(map[string]any)["description"] != nil
				if ref, ok := p.(map[string]any)["$ref"].(string); ok && !explained {
					explained = defs[path.Base(ref)].(map[string]any)["description"] != nil
				}
				if !explained {
					t.Errorf("%s does not explain %s of %s", w.schema, name, def)
				}
			}
		}
	}
}

// What a field takes is the same in the schema.
func TestEnumsOfSchema(t *testing.T) {
	_, root := rawSchema(t, "agreement.schema.json")
	n := 0
	for _, kind := range all()[1].kinds {
		n += sameEnums(t, root, root["$defs"].(map[string]any)[kind].(map[string]any), reflect.TypeOf(specOf(kind)).Elem(), kind)
	}
	if n < 50 {
		t.Errorf("only %d were found", n)
	}
}

func sameEnums(t *testing.T, root, schema map[string]any, typ reflect.Type, path string) (n int) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if ref, ok := schema["$ref"].(string); ok {
		schema = root["$defs"].(map[string]any)[ref[len("#/$defs/"):]].(map[string]any)
	}
	if items, ok := schema["items"].(map[string]any); ok {
		return sameEnums(t, root, items, typ, path)
	}
	if typ.Kind() != reflect.Struct || reflect.PointerTo(typ).Implements(textType) {
		return 0
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Anonymous {
			n += sameEnums(t, root, schema, f.Type, path)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		property, _ := schema["properties"].(map[string]any)[name].(map[string]any)
		if takes := agreement.Enums[f.Tag.Get("takes")]; takes != nil {
			n++
			if items, ok := property["items"].(map[string]any); ok {
				property = items
			}
			var got []string
			for _, v := range property["enum"].([]any) {
				got = append(got, v.(string))
			}
			if d := cmp.Diff(takes, got); d != "" {
				t.Errorf("%s.%s (-Go +schema):\n%s", path, name, d)
			}
			continue
		}
		n += sameEnums(t, root, property, f.Type, path+"."+name)
	}
	return n
}

// last are the last two names of a path.
func last(path string) string {
	names := strings.Split(strings.ReplaceAll(path, ".versions.", "."), ".")
	return strings.Join(names[len(names)-2:], ".")
}

func typeFields(t reflect.Type, prefix string, into map[string]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return
	}
	fields := map[string]reflect.Value{}
	fieldsOf(reflect.New(t).Elem(), fields)
	for name, v := range fields {
		into[prefix+name] = true
		typeFields(v.Type(), prefix+name+".", into)
	}
}

func schemaFields(root, s map[string]any, prefix string, into map[string]bool) {
	if ref, ok := s["$ref"].(string); ok {
		s = root["$defs"].(map[string]any)[path.Base(ref)].(map[string]any)
	}
	if items, ok := s["items"].(map[string]any); ok {
		schemaFields(root, items, prefix, into)
	}
	properties, _ := s["properties"].(map[string]any)
	for name, p := range properties {
		into[prefix+name] = true
		schemaFields(root, p.(map[string]any), prefix+name+".", into)
	}
}

func valueFields(v any, prefix string, into map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			valueFields(x, prefix, into)
		}
	case map[string]any:
		for name, x := range v {
			into[prefix+name] = true
			valueFields(x, prefix+name+".", into)
		}
	}
}
