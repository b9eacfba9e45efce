// Package commit is the exactly-once protocol between Kafka's offsets and ClickHouse's tables, without any I/O.
//
// A lane writes its input in numbered batches. Batch n is a set of [Ranges], one half-open range of offsets for each of the
// lane's partitions, and is written in this order:
//
//	intent   OffsetCommit(a, metadata: [Intent]) on every partition, fenced by the group's generation
//	claim    a mark without rows in [ClaimTable], read back and found to be ours ([Claimed]); then the dead letters go to Kafka
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
// The claim, and so inserts, begin only when every partition's intent is acknowledged. So an intent says how many partitions it covers: fewer, and nothing was
// written; all, and the batch may be in flight, even if the lane has got more partitions since. A commit without an answer may still happen, over
// one that was sent later: then the owner joins the group again, since a new generation keeps it out.
//
// The claim is what cannot be taken back. Another tool may erase an intent in Kafka, and a process may sleep over its deadline between the intent and its first INSERT:
// then a new owner finds neither intent nor mark, and gives the number to another batch. Of claims of one number ClickHouse keeps the first, and reading back comes
// after writing. So of two who claim a number for different batches only one can find its own, the other writes nothing ([ErrOvertaken]), and no block is ever of a batch
// that was not claimed:
//
//   - a new owner that finds the claim of the next number finishes exactly that batch, whatever the intents say;
//   - one that finds none may forget what was intended: its own claim takes the number, or it finds another's when it reads back, and recovers once more;
//   - what comes later than that, under a token that is known, is dropped.
//
// An INSERT that is acknowledged need not be there: ClickHouse may remember the token of one that failed before its part was ([Missing]), and then drops all that come under it.
// So nothing will come under it any more, and a block that was acknowledged and is found missing twice gets another token, which is drawn from the first, so that each owner comes to
// the same. Not so a claim, whose token is what decides between two: its lane waits for a person. And not where other replicas may have what one has not.
//
// The claim says, too, what the batch's rows depend on beside its records: of which schemas a registry said that it does not have them ([Unknown]). Who folds the batch again
// judges by that, whatever the registry has learned since. Before the claim nothing is written and no dead letter sent, so that until then it may be judged anew.
//
// ClickHouse's memory of tokens (10,000 of them) matters only as long as the lane stands at that number: once it has gone on, the higher one tells. An epoch
// ends with a claim of every lane's next number for nothing ([Plan.Closing]); an adoption, which cannot know that number, keeps older epochs out by one of the new ([Fence]).
//
// The intent makes a new owner replay the very batch that a dead one may have in flight, under the same tokens. The generation
// fences commits but not INSERTs, so the intent also carries a deadline: its inserts are cancelled by then, and a new owner
// waits for it. The rules were tried in a random model before they were written here; the deviations it punishes (commit before
// insert, no token, another range on replay, state before the rollups) are kept as mutants of the simulation.
package commit
