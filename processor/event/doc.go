// Package event is the canonical events of tills: types, decoder, validation.
//
// An event is one JSON object (schemas/events describes it). A [Decoder] fills a reused [Event] in one pass over the bytes, without
// allocating; strings alias the input. Before anything is kept card numbers are masked and customers become pseudonyms. Enums
// are open: a value that is not known is kept and counted in Notes.Other. What cannot be accepted is a [Rejection] with a [Reason]
// from a closed list and what would have been accepted; it never stops the events behind it.
//
// The decoder is fast where events are as they mostly are, and right everywhere. A sender writes its events in one way, so the first thing that is tried is the skeleton of
// those before (skeleton.go): what stood between the values, compared whole, and learned from events that were accepted (learn.go). It knows the fields from a table
// (schema.go). It takes an event altogether or not at all. What it does not take is read from the beginning by the decoder itself, which knows nothing of skeletons, says what is wrong
// with an event, and masks: so all that skeletons do is save time, and a test has each event read with them and without.
//
// The decoder itself tries the two keys that followed before first, each as two words compared at once (keys.go); only another one is looked up by name. There is one pass: a string tells, as its end
// is looked for eight bytes at a time, whether it has escapes and whether anything is past ASCII, which is validated at the end then; only strings of
// fourteen bytes and more are looked at for card numbers (pan.go). Numbers of a few digits and times in the usual forms have a short way, which leaves all else,
// errors too, to the long one.
//
// Amounts are minor units of the event's currency, quantities thousandths, times milliseconds since 1970 with the sender's offset.
package event
