// Package agreements holds what people write (YAML) as JSON Schema (2020-12), for editors, with examples: those in examples are accepted,
// those in examples/invalid are not. A test holds them and the Go types together.
package agreements

import "embed"

// FS has *.schema.json; of the registry examples/*.yaml and examples/invalid/*.yaml; of agreements examples/agreements/*.yaml.
//
//go:embed *.schema.json examples
var FS embed.FS
