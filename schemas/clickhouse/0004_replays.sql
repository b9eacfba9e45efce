-- Which dead letters were sent again (tillstream deadletters replay), so that nobody sends them twice without wanting to.
CREATE TABLE IF NOT EXISTS tillstream.dead_letter_replays (
  topic LowCardinality(String),
  partition Int32,
  offset Int64 CODEC(Delta, ZSTD),
  replayed_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  replayed_by LowCardinality(String)
) ENGINE = ReplacingMergeTree(replayed_at)
ORDER BY (topic, partition, offset);

CREATE OR REPLACE VIEW pos.dead_letters
(
  topic LowCardinality(String),
  partition Int32,
  offset Int64,
  reason LowCardinality(String),
  at DateTime64(3,'UTC'),
  field String,
  expected String,
  replayed_at Nullable(DateTime64(3,'UTC'))
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  t.topic,
  t.partition,
  t.offset,
  t.reason,
  t.at,
  t.field,
  t.expected,
  nullIf(r.replayed_at, toDateTime64(0, 3, 'UTC')) AS replayed_at
FROM
(
  SELECT * FROM tillstream.dead_letters AS t FINAL
  WHERE t.lane = ''
  SETTINGS do_not_merge_across_partitions_select_final = 1
) AS t
LEFT ANY JOIN (SELECT topic, partition, offset, replayed_at FROM tillstream.dead_letter_replays FINAL) AS r
ON t.topic = r.topic AND t.partition = r.partition AND t.offset = r.offset
SETTINGS join_use_nulls = 0;
