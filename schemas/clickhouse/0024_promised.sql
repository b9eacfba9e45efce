-- What agreements promise of single tills and of short times.
--
-- Attempts to pay otherwise than in cash, by till and hour: tries has the second of the hour, how many attempts ended in it and how many of them failed (a
-- batch says twice the second, and one more if it failed); auth_counts how often hosts took exactly so many ms. All are sums, so that what is taken off again is added with the sign -1.
CREATE TABLE IF NOT EXISTS tillstream.terminal_payments (
  lane LowCardinality(String),
  store_id LowCardinality(String),
  hour DateTime('UTC') CODEC(Delta, ZSTD),
  terminal_id LowCardinality(String),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  attempts SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  failed SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  tries_in Array(UInt32) EPHEMERAL,
  tries_out Array(UInt32) EPHEMERAL,
  auth_in Array(UInt32) EPHEMERAL,
  auth_out Array(UInt32) EPHEMERAL,
  tries SimpleAggregateFunction(sumMap, Tuple(Array(UInt16), Array(Int64), Array(Int64))) DEFAULT CAST(arrayReduce('sumMap',
    arrayMap(x -> [toUInt16(intDiv(x, 2))], arrayConcat(tries_in, tries_out)),
    arrayMap((x, i) -> [if(i <= length(tries_in), toInt64(1), toInt64(-1))], arrayConcat(tries_in, tries_out), arrayEnumerate(arrayConcat(tries_in, tries_out))),
    arrayMap((x, i) -> [toInt64(x % 2) * if(i <= length(tries_in), 1, -1)], arrayConcat(tries_in, tries_out), arrayEnumerate(arrayConcat(tries_in, tries_out)))),
    'Tuple(Array(UInt16), Array(Int64), Array(Int64))') CODEC(ZSTD),
  auth_counts SimpleAggregateFunction(sumMap, Tuple(Array(UInt32), Array(Int64))) DEFAULT CAST(arrayReduce('sumMap',
    arrayMap(x -> [x], arrayConcat(auth_in, auth_out)),
    arrayMap((x, i) -> [if(i <= length(auth_in), toInt64(1), toInt64(-1))], arrayConcat(auth_in, auth_out), arrayEnumerate(arrayConcat(auth_in, auth_out)))),
    'Tuple(Array(UInt32), Array(Int64))') CODEC(ZSTD)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (lane, store_id, hour, terminal_id)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

-- responses are the response times of the hour's reports, in order: rows that were written before have none. unheard_until and unheard_ms are times in which
-- nothing was heard of a till and which are longer than is usual (90 s, or half of what its reports hold, if that is less): when something was heard again,
-- ms into the hour, and how long it had been, ms. cardless is a degraded till that cannot take cards, and can sell.
ALTER TABLE tillstream.availability_hourly
  ADD COLUMN IF NOT EXISTS responses Array(UInt32) CODEC(T64, ZSTD),
  ADD COLUMN IF NOT EXISTS unheard_until Array(UInt32) CODEC(T64, ZSTD),
  ADD COLUMN IF NOT EXISTS unheard_ms Array(UInt64) CODEC(T64, ZSTD);

ALTER TABLE tillstream.status_intervals
  ADD COLUMN IF NOT EXISTS cardless UInt8 CODEC(ZSTD);

-- Attempts of single tills; a second without any is not among the tries.
CREATE OR REPLACE VIEW pos.terminal_payments
(
  store_id String,
  terminal_id String,
  hour DateTime('UTC'),
  attempts UInt64,
  failed UInt64,
  tries Array(Tuple(second UInt16, attempts Int64, failed Int64)),
  answers Array(Tuple(ms UInt32, answers Int64))
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  CAST(t.store_id, 'String') AS store_id,
  CAST(t.terminal_id, 'String') AS terminal_id,
  t.hour,
  t.attempts,
  t.failed,
  arrayZip(t.tries.1, t.tries.2, t.tries.3) AS tries,
  arrayZip(t.auth_counts.1, t.auth_counts.2) AS answers
FROM tillstream.terminal_payments AS t FINAL
WHERE t.lane = '' AND t.attempts > 0
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- How long single tills took to answer, and when nothing was heard of them.
CREATE OR REPLACE VIEW pos.terminal_responses
(
  store_id String,
  terminal_id String,
  hour DateTime('UTC'),
  response_ms Array(UInt32),
  unheard Array(Tuple(until DateTime64(3, 'UTC'), ms UInt64))
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  CAST(t.store_id, 'String') AS store_id,
  CAST(t.terminal_id, 'String') AS terminal_id,
  t.hour,
  t.responses AS response_ms,
  arrayZip(arrayMap(ms -> fromUnixTimestamp64Milli(toInt64(toUnixTimestamp(t.hour)) * 1000 + ms, 'UTC'), t.unheard_until), t.unheard_ms) AS unheard
FROM tillstream.availability_hourly AS t FINAL
WHERE t.lane = '' AND (notEmpty(t.responses) OR notEmpty(t.unheard_ms))
SETTINGS do_not_merge_across_partitions_select_final = 1;
