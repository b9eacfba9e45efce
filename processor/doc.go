// Package processor is the stream processor: Kafka in, rollups out, each record counted once.
//
// # The way of one record
//
// A [Processor] is one member of a Kafka consumer group (group.go). What the group hands out are lanes: lane l of L owns the
// partitions p with p mod L = l of every topic, together (balancer.go), so that one lane sees all that happens in its stores.
//
// A lane (lane.go) begins with recovery: it asks Kafka for the committed offsets and their metadata and ClickHouse for the marks of its
// ledger rows, and package commit decides where it stands. It loads the state of its partitions, finishes the batch that was
// under way if there was one, and then runs three goroutines:
//
//	fetch   asks the leaders for raw record batches (package fetch: CRC checked, aborted transactions left out)
//	fold    walks the batches, of all partitions in the order of time (package align); every record is decoded and validated (package event), deduplicated by the till's own sequence
//	        number (package sequence) and given to the folds (quality, purchase, consent, incident, availability, journey), which add it to the open batch.
//	        What cannot be accepted becomes a dead letter with a reason. Health reports are decoded some at a time before the first is folded (ahead.go). This is folder.go: pure, no I/O.
//	write   takes closed batches and brings them in (writer.go): intent, claim, dead letters, one INSERT a (table, month), verification,
//	        state, commit. The order, and why, is in package commit.
//
// What a lane has in memory outlives its sessions and, where the lane stays with its owner, the group's generations (hand.go): it goes on without
// reading its state again, if Kafka and ClickHouse say that nobody else had it in between.
//
// Epochs (epoch.go) are how the number of lanes, positions and tables change hands between two times of work.
//
// While one batch is written the next is folded. When both are full the lane stops fetching: backpressure, never loss, and
// Config.Memory bounds what is held.
//
// # What must hold
//
//   - Rows depend on the state, the records, the pinned configuration and who was forgotten (package forget), on nothing else; not on the clock, not on the order between
//     partitions, not on how chunks were cut.
//   - But for one thing: evidence that is later than the window counts or not as batches were cut. So no partition runs ahead of another, as far as can be known.
//   - What a schema registry says of an id may change. So a batch hears it once, and writes down which ids were unknown before it writes anything else (schemas.go).
//   - For each partition: records + duplicates + rejected + gaps = offsets passed. They are written with the rows.
//   - Nothing is skipped. What Kafka no longer holds, what is corrupt, what contradicts itself stops the lane with a sentence that
//     says what to do; other lanes go on. Where it cannot read on, what comes before is written first.
package processor
