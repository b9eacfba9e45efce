// Package mapping makes canonical events of a retailer's own payloads, by a mapping in Bloblang (https://docs.redpanda.com/redpanda-connect/guides/bloblang/about).
//
// An event must be the same whenever its record is read again, so a mapping has none of the functions that give another value each time or look at the machine:
// what there is is a closed list.
package mapping
