// Package format makes canonical events of records, whatever they are written in.
//
// Canonical JSON goes to package event as it is, and costs one look at its first byte. Every other format is made canonical JSON first and then
// read, checked, masked and pseudonymised by the same decoder, so that an event is the same event however it was sent. What a record is
// written in follows from its topic's configuration, its headers and its first byte, so a replay reads alike.
package format
