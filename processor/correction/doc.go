// Package correction decides which transactions count: an event that names others in `corrects` takes their place, and every rollup must be as
// if it had been right at first.
//
// # What counts
//
// An id stands for the events of one till (store and terminal) that bear it.
//
//   - An event that corrects nothing counts unless a correction names it, whichever of the two comes first.
//   - Corrections that name one another, or the same event, are a family: versions of one thing. One of them counts: of those that no other of the
//     family names, the one that was declared last (recorded_at, else time), then the one with the greater id. If each is named by another, all of
//     them stand for election.
//   - A correction of the same id as one before is a repeat.
//
// So the order in which events come does not matter, nor how they are cut into batches; a model that knows nothing of order says so in a test.
//
// # How
//
// Purchase rows are deltas, so what ceases to count is folded once more with the sign -1. That needs what was in it: every transaction is kept in
// tillstream.transaction_packs, many of a till in a row, written with the batch like all other rows; content (codec.go) has what the folds read and
// nothing else. Corrections wait for the end of their batch (Await, Look, Check, Correct); then the [Finder] is asked for what they name: in the batches before,
// as of the batch that is open, and so a replay finds the same. The open batch is searched here. Why so: docs/adr/0013-corrections-wait-for-their-batch.md.
//
// The corrections themselves are remembered in the lane's state (graph.go), with their names: an event that is named before it comes is not
// folded when it does.
//
// # The window
//
// Time is the partition's clock: the newest timestamp that Kafka gave a transaction of it so far. It does not go back, and is state. Kept rows and
// corrections count for [Config.Window] and an hour. A correction that names something that is neither kept nor remembered may be early, or late.
// It is early if the time that it gives is within the window, for then what it names cannot have come before that; and it is a dead letter
// ([event.ReasonCorrectionTooLate]) otherwise, since what it names may have been folded long ago and would count beside it. The same where the
// partition was not kept from its beginning (since): after an upgrade, or where partitions were added and stores moved.
package correction
