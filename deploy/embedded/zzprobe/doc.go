// Package embedded is a Kafka and a ClickHouse on one machine, for the demo, the tests and the first day. Neither has to be installed.
//
// ClickHouse is the real engine: libchdb.so out of npm, loaded without cgo by a child process, which is this very binary started
// again. The child answers HTTP and native TCP on loopback only, because some malformed requests abort the engine; what a
// user can reach goes through [Engine.Proxy]. The child is supervised: if it dies it is started again on the same ports, and whoever was
// writing recovers by the ledger. It ends when its parent ends, however that happens.
//
// Kafka is franz-go's kfake with its data on disk. It has groups, fenced commits with metadata, transactions and log start offsets, but
// one node, no replication and no retention to speak of: fine for a demo, not a place for data one cannot send again.
package embedded
