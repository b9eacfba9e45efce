// Package events holds the canonical events as JSON Schema (2020-12), and those that tills send as Avro and Protobuf too, with examples: those in examples are accepted, those in
// examples/invalid are rejected with the reason that their name begins with. A test holds them, the Go types and the decoder together.
package events

import "embed"

// FS has *.schema.json, *.avsc, pos.v1.proto, examples/*.json and examples/invalid/*.json.
//
//go:embed *.schema.json *.avsc *.proto examples
var FS embed.FS
