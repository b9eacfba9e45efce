-- What is kept for corrections, many transactions in a row: those of one till in a batch, as parallel arrays. It was a row each in tillstream.transactions, under a hash of the
-- transaction, and half of what ClickHouse spent on a sale. Nothing is written there any more; what is, is found as long as it is kept.
--
-- till is XXH64 of topic, NUL, store_id, NUL and terminal_id; offset the first of offsets, at the newest of at_ms: the newest Kafka timestamps of the partition when each came. contents is what
-- the folds read (processor/correction), without a clear id of anybody. What corrects others, or is superseded, is the only transaction of its row. A month goes when the last of its rows
-- may: keep_days after it was written. contents are most of the bytes, and are compressed anew by every merge: that is why they are LZ4.
CREATE TABLE IF NOT EXISTS tillstream.transaction_packs (
  lane LowCardinality(String),
  till UInt64 CODEC(ZSTD),
  at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  version UInt64 CODEC(ZSTD),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  topic LowCardinality(String),
  partition Int32 CODEC(ZSTD),
  offset Int64 CODEC(ZSTD),
  store_id LowCardinality(String),
  terminal_id LowCardinality(String),
  corrects Array(String) CODEC(ZSTD),
  superseded UInt8 CODEC(ZSTD),
  ids Array(String) CODEC(ZSTD),
  offsets Array(Int64) CODEC(Delta, ZSTD),
  at_ms Array(Int64) CODEC(Delta, ZSTD),
  customers Array(UInt64) CODEC(ZSTD),
  contents Array(String) CODEC(LZ4),
  events SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD),
  keep_days UInt32 CODEC(ZSTD),
  written_on Date DEFAULT today() CODEC(ZSTD)
) ENGINE = SummingMergeTree((events, mark))
PARTITION BY toYYYYMM(at)
PRIMARY KEY (lane, till, partition, offset)
ORDER BY (lane, till, partition, offset, ids)
TTL written_on + toIntervalDay(keep_days)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1, ttl_only_drop_parts = 1,
  merge_selector_base = 15, index_granularity_bytes = 1048576;

-- Corrections as long as they are kept. waits_for are the ids that they name of which nothing has come so far. What two versions wrote of one batch, one into each table, is one.
CREATE OR REPLACE VIEW pos.corrections
(
  store_id String,
  terminal_id String,
  event_id String,
  corrects Array(String),
  received_at DateTime64(3,'UTC'),
  waits_for Array(String)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  t -> xxHash64(concat(t.1, char(0), t.2, char(0), t.3)) AS key_of,
  named AS (
    SELECT key_of((store_id, terminal_id, arrayJoin(corrects))) AS key FROM tillstream.transactions WHERE lane = '' AND notEmpty(corrects)
    UNION ALL
    SELECT key_of((store_id, terminal_id, arrayJoin(corrects))) AS key FROM tillstream.transaction_packs WHERE lane = '' AND notEmpty(corrects)
  ),
  (SELECT groupUniqArray(key) FROM (
    SELECT key FROM tillstream.transactions WHERE lane = '' AND key IN (SELECT key FROM named)
    UNION ALL
    SELECT key_of((store_id, terminal_id, arrayJoin(ids))) AS key FROM tillstream.transaction_packs
    WHERE lane = '' AND till IN (
      SELECT key_of((topic, store_id, terminal_id)) FROM tillstream.transactions WHERE lane = '' AND notEmpty(corrects)
      UNION ALL
      SELECT till FROM tillstream.transaction_packs WHERE lane = '' AND notEmpty(corrects)
    )
  ) WHERE key IN (SELECT key FROM named)) AS came
SELECT
  c.store_id,
  c.terminal_id,
  c.event_id,
  c.corrects,
  c.at AS received_at,
  arrayFilter(i -> NOT has(came, key_of((c.store_id, c.terminal_id, i))), c.corrects) AS waits_for
FROM (
  SELECT topic, partition, offset, toString(store_id) AS store_id, toString(terminal_id) AS terminal_id, id AS event_id, corrects, at FROM tillstream.transactions WHERE lane = '' AND notEmpty(corrects)
  UNION DISTINCT
  SELECT topic, partition, offset, toString(store_id), toString(terminal_id), ids[1], corrects, at FROM tillstream.transaction_packs WHERE lane = '' AND notEmpty(corrects)
) AS c;
