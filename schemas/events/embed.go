// Package events holds the canonical events as JSON Schema (2020-12), with examples: those in examples are accepted, those in
// examples/invalid are rejected with the reason that their name begins with. A test holds them, the Go types and the decoder together.
package events

import "embed"

// FS has *.schema.json, examples/*.json and examples/invalid/*.json.
//
//go:embed *.schema.json examples
var FS embed.FS
