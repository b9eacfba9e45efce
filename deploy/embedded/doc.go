// Package embedded is a Kafka and a ClickHouse on one machine, for the demo, the tests and the first day. Neither has to be installed.
// Each keeps a directory, which one process at a time may have.
//
// # ClickHouse
//
// It is the real engine: libchdb.so out of npm, loaded without cgo by a child process, which is this very binary started again. It
// answers within 0.2 s and takes 225 MB when idle (two cores, November 2026). The child listens on loopback only, where any user of the
// machine may ask it, and because a client that hangs up in the head of a request, or greets wrongly on the native port, aborts it. What a
// user can reach goes through [Engine.Proxy]. The child is supervised: if it dies it is started again on the same ports, and whoever was
// writing recovers by the ledger. It ends when its parent ends, however that happens.
//
// It has no replication, no users made with SQL, no uniqTheta. Inserts are not synced to disk: they survive a kill, but perhaps not a power cut.
//
// # Kafka
//
// It is franz-go's kfake, in this process, with its data on disk. It has groups, commits with metadata that a generation fences,
// and transactions; kafka-go's writer gave it 400,000 messages a second (230 bytes of JSON, batches of 1,000, zstd), which took 39 bytes each on
// disk. What was acknowledged survives a kill; with [BrokerConfig.Sync] it is on the disk before. Its limits:
//
//   - One node, no replication: no place for data one cannot send again.
//   - Nothing is ever deleted unless a topic sets retention.ms or retention.bytes, and then by the hour; consumed messages fill the disk.
//   - A topic's message.timestamp.type is ignored: a record has the time its producer gave it.
//   - A free port at each start, unless one is given.
package embedded
