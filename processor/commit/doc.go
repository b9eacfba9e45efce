// Package commit is the exactly-once protocol between Kafka's offsets and ClickHouse's tables, without any I/O.
//
// A lane writes its input in numbered batches. Batch n is a set of [Ranges], one half-open range of offsets for each of the
// lane's partitions, and is written in this order:
//
//	intent   OffsetCommit(a, metadata: [Intent]) on every partition, fenced by the group's generation
//	blocks   one INSERT a (table, month), each with a ledger row that carries the batch's [Mark]
//	verify   every block's mark is read back and must be ours
//	state    last of the inserts, with its own ledger row
//	commit   OffsetCommit(b, metadata: [Idle]), merged with the next intent when one is due
//
// Rows and mark of one INSERT become visible together or not at all, because an INSERT makes exactly one part. So a new owner
// asks what happened instead of guessing: [Recover] looks at the offsets, their metadata and the marks, and says where the lane
// stands, which batch must be finished and which of its blocks are there already; or it says, in words, why it cannot know.
//
// All of this happens within an epoch: one number of lanes, one place to begin for each partition. Marks and metadata of an older epoch
// say nothing in a newer one, so an epoch may begin only when all lanes of the old one are at rest ([NextStart]) or somebody decides what
// to give up ([Hold]). How two who begin one at once end in the same is in processor/epoch.go.
//
// The intent makes a new owner replay the very batch that a dead one may have in flight, under the same tokens. The generation
// fences commits but not INSERTs, so the intent also carries a deadline: its inserts are cancelled by then, and a new owner
// waits for it. The rules were tried in a random model before they were written here; the deviations it punishes (commit before
// insert, no token, another range on replay, state before the rollups) are kept as mutants of the simulation.
package commit
