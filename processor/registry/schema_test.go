package registry

import (
	"bytes"
	"encoding"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tillstream/tillstream/processor/event"
	schemas "github.com/tillstream/tillstream/schemas/events"
	"github.com/tillstream/tillstream/schemas/events/eventstest"
)

// The Go types and the schema name the same fields, at every depth, the example uses all of them, and it is read.
func TestFieldsOfTypesSchemaAndExample(t *testing.T) {
	schema, root := eventstest.Schema(t, event.TypeRegistry)
	example, err := schemas.FS.ReadFile("examples/registry/every-field.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(example))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Error(err)
	}
	if _, r := decode(string(example)); r != nil {
		t.Error(r)
	}

	inTypes, inSchema, inExample := map[string]bool{}, map[string]bool{}, map[string]bool{}
	typeFields(reflect.TypeFor[Document](), "store.", inTypes)
	schemaFields(root, root["properties"].(map[string]any)["store"].(map[string]any), "store.", inSchema)
	valueFields(value.(map[string]any)["store"], "store.", inExample)
	delete(inExample, "store.versions.calendar.days.2026-12-24")
	if d := cmp.Diff(slices.Sorted(maps.Keys(inSchema)), slices.Sorted(maps.Keys(inTypes))); d != "" {
		t.Errorf("(-schema +Go):\n%s", d)
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(inSchema)), slices.Sorted(maps.Keys(inExample))); d != "" {
		t.Errorf("(-schema +example):\n%s", d)
	}
}

func typeFields(t reflect.Type, prefix string, into map[string]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			into[prefix+name] = true
			typeFields(f.Type, prefix+name+".", into)
		}
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
