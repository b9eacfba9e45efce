// Package sequence tells new events from repeats, and counts those that never came.
//
// A till numbers its transactions. Of each terminal (of a topic and a partition) a [Set] keeps the lowest and the highest number
// seen and the holes between them, as intervals: exact however late and in whatever order the numbers come, and small where
// holes are few. A number above, below or in a hole is new; any other is a repeat. The first number ever seen is not the first
// that was sent, so nothing is missing below it until a smaller one comes.
//
// A hole counts as missing on the business date of the event that revealed it, and is taken off the same date when it fills.
//
// # Epochs
//
// A till that is reinstalled counts from 1 again. If it says so (sequence_epoch), each of its epochs has numbers of its own. If
// it does not, time tells: a repeat has the time it always had, so a known number whose time is later than the newest seen
// begins a new epoch. Epochs then follow each other in time without touching, [start, newest], and an event belongs to the last
// one that began before it. Between two epochs, where the old one has been silent and the new one has not been heard yet, a
// number that the old one knows belongs to the new one, which then began earlier than was thought; any other to the old one.
//
// Two rules hold at all times, and the tests check them: the same number with the same time is never new twice, and what is new
// in the epoch it belongs to is never called a repeat.
//
// # Many holes
//
// Where the tills of a store share one counter, nearly every sale of a till has a hole before it. Of an epoch the highest holes,
// fewer than 64, are in the terminal's own row of state, and all that are lower in pages of 512: packed, a byte a hole mostly, and
// with a row of state each, written when a hole of it came or was filled. So a sale writes some 80 bytes however many holes there are.
// Which holes are in which page follows from the events alone, so that a table of state made anew is the same.
//
// # Bounds
//
// A terminal has at most 4,096 holes and 8 epochs of each sort. Beyond that the lowest holes and the oldest epochs are forgotten
// and counted; a number from there can no longer be judged, and See says [Forgotten].
//
// Events without a number are told by their id: a repeat is one of the terminal's last 1,024, by a hash of 64 bits.
package sequence
