// Package fetch reads record batches from Kafka through kafka-go's Transport: checked against their CRC, without the records of
// aborted transactions, and with every offset accounted for.
//
// A Fetcher asks the leaders of many partitions at once and hands out Chunks: whole, checked batches as the broker sent them. A
// Walker decompresses a chunk and calls back for each record. The two are apart so that a lane can ask for more while it folds.
//
// kafka-go's own ways of reading do not fit: Reader and Conn.ReadBatch deliver records whose checksum is wrong (segmentio/kafka-go#913),
// all of them deliver aborted records under read_committed (#1332), and Client.Fetch, which does check, takes three times the CPU.
//
// What Kafka's checksum covers is the batch from its attributes on. The frame around it (a batch's first offset, the list of aborted
// transactions, error codes) is covered by TCP's checksum only; here batches must follow each other and end below the last stable
// offset, and an offset is out of range only if a second question says so too. Use TLS where the network is not to be trusted.
package fetch
