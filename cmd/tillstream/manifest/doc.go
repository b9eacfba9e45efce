// Package manifest reads what people write of a chain (stores, terminals, calendars, holidays, customers, services, suppliers: YAML, one
// object a document, schemas/agreements/registry.schema.json), says file, line and key of what is wrong, shows what would change, and turns
// the whole into one self-contained document per store, as processor/registry reads it.
package manifest
