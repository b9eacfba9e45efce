// Package event is the canonical events of tills: types, decoder, validation.
//
// An event is one JSON object (schemas/events describes it). A [Decoder] fills a reused [Event] in one pass over the bytes, without
// allocating; strings alias the input. Before anything is kept card numbers are masked and customers become pseudonyms. Enums
// are open: a value that is not known is kept and counted in Notes.Other. What cannot be accepted is a [Rejection] with a [Reason]
// from a closed list and what would have been accepted; it never stops the events behind it.
//
// The decoder is fast where events are as they mostly are, and right everywhere. A till writes its keys in one order, so the key that
// followed last time is tried first, as two words compared at once (keys.go); only another one is looked up by name. One look at the
// whole text, eight bytes at a time, tells whether it is ASCII without escapes and card numbers (pan.go): strings are then taken as they
// stand. Numbers of a few digits have a short way, which leaves all else, errors too, to the long one.
//
// Amounts are minor units of the event's currency, quantities thousandths, times milliseconds since 1970 with the sender's offset.
package event
