-- Which batch a lane's number is: an owner writes it here, and reads it back, before it writes anything of the batch. The claims of one number have one
-- token, so that the first of them stays. Merged, it is one row a lane and epoch, its newest claim; that is never deleted.
CREATE TABLE IF NOT EXISTS tillstream.claims (
  lane LowCardinality(String),
  epoch UInt64 DEFAULT toUInt64OrZero(left(mark, 8)),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD)
) ENGINE = AggregatingMergeTree
ORDER BY (lane, epoch)
SETTINGS non_replicated_deduplication_window = 10000;
