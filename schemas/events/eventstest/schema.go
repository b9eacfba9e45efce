// Package eventstest helps tests that hold events to their published schemas.
package eventstest

import (
	"bytes"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	schemas "github.com/tillstream/tillstream/schemas/events"
)

// Schema is the JSON Schema of a type of event, which asserts formats, too; and its text, read.
func Schema(t testing.TB, typ string) (*jsonschema.Schema, map[string]any) {
	t.Helper()
	raw, err := schemas.FS.ReadFile(typ + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(typ, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(typ)
	if err != nil {
		t.Fatal(err)
	}
	return s, doc.(map[string]any)
}
