// Package clickhouse keeps rollups in ClickHouse: it writes blocks, says what the tables hold, migrates the schema, and proves that the
// books balance.
//
// Everything rests on one fact: an INSERT is atomic only if it makes exactly one part, and it makes one part only if it is one block into
// one partition. So [Sink.Insert] sends a rollup.Block as one block, whose first row is the batch's own: lane, mark and control totals.
// [Sink.Marks] reads those rows back to say what has landed, [Sink.Audit] compares the totals with the data. The
// insert_deduplication_token is the second belt; [Sink.Check] proves at start that the server honours it.
//
// Which tables there are, and what they sum, is read from the server: a new table needs a migration, and nothing here.
package clickhouse
