-- Where an epoch begins, and why: the next offset of every partition that an older epoch has read; what is not named is read from the
-- start of the log. hold, if not empty, says who holds the group and what to do: its lanes must not run. The deduplication window makes
-- the first of two rows of a new epoch the one that stays.
ALTER TABLE tillstream.streams
  ADD COLUMN IF NOT EXISTS start_topics Array(String),
  ADD COLUMN IF NOT EXISTS start_partitions Array(Int32),
  ADD COLUMN IF NOT EXISTS start_offsets Array(Int64),
  ADD COLUMN IF NOT EXISTS reason String,
  ADD COLUMN IF NOT EXISTS created_by String,
  ADD COLUMN IF NOT EXISTS hold String;

ALTER TABLE tillstream.streams MODIFY SETTING non_replicated_deduplication_window = 10000;

-- Offsets [from_offset,to_offset) that somebody decided to go without when an epoch began. to_offset is below from_offset where the topic
-- was made anew and is read again from there: how many the old one still had, nobody knows.
CREATE TABLE IF NOT EXISTS tillstream.losses (
  `group` String,
  epoch UInt64,
  topic LowCardinality(String),
  partition Int32,
  from_offset Int64,
  to_offset Int64,
  reason String,
  decided_by String,
  decided_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(decided_at)
ORDER BY (`group`, epoch, topic, partition);

-- Losses of epochs that began: one that was cut short has no row in streams.
CREATE OR REPLACE VIEW pos.losses
(
  topic LowCardinality(String),
  partition Int32,
  epoch UInt64,
  from_offset Int64,
  to_offset Int64,
  offsets UInt64,
  reason String,
  decided_by String,
  decided_at DateTime64(3,'UTC'),
  consumer_group String
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  t.topic,
  t.partition,
  t.epoch,
  t.from_offset,
  t.to_offset,
  toUInt64(greatest(t.to_offset - t.from_offset, 0)) AS offsets,
  t.reason,
  t.decided_by,
  t.decided_at,
  t.`group` AS consumer_group
FROM tillstream.losses AS t FINAL
WHERE (t.`group`, t.epoch) IN (SELECT s.`group`, s.epoch FROM tillstream.streams AS s);
