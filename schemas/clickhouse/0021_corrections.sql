-- Corrections: an event that names others in corrects takes their place (docs/corrections.md).
--
-- Every transaction is kept for a while, so that what was folded can be taken off again. key is XXH64 of store_id, NUL, terminal_id, NUL and id. at is the
-- newest Kafka timestamp of its partition when it came, content what the folds read (processor/correction), without a clear id of anybody. superseded ones came after
-- what corrects them. A month goes when the last of its rows may: keep_days after it was written, which is longer than it can be asked for.
CREATE TABLE IF NOT EXISTS tillstream.transactions (
  lane LowCardinality(String),
  key UInt64 CODEC(ZSTD),
  at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  version UInt64 CODEC(ZSTD),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  topic LowCardinality(String),
  partition Int32 CODEC(ZSTD),
  offset Int64 CODEC(ZSTD),
  store_id LowCardinality(String),
  terminal_id LowCardinality(String),
  id String CODEC(ZSTD),
  customer UInt64 CODEC(ZSTD),
  corrects Array(String) CODEC(ZSTD),
  superseded UInt8 CODEC(ZSTD),
  content String CODEC(ZSTD(3)),
  events SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD),
  keep_days UInt32 CODEC(ZSTD),
  written_on Date DEFAULT today() CODEC(ZSTD)
) ENGINE = SummingMergeTree((events, mark))
PARTITION BY toYYYYMM(at)
ORDER BY (lane, key, partition, offset)
TTL written_on + toIntervalDay(keep_days)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1, ttl_only_drop_parts = 1;

-- What was taken back, by the transaction that did it: lines that were returned, and those of finished transactions that were voided. Amounts are positive.
CREATE TABLE IF NOT EXISTS tillstream.returns (
  lane LowCardinality(String),
  business_date Date CODEC(Delta, ZSTD),
  store_id LowCardinality(String),
  terminal_id LowCardinality(String),
  transaction_id String CODEC(ZSTD),
  product_id String CODEC(ZSTD),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  category SimpleAggregateFunction(max, String) CODEC(ZSTD),
  currency SimpleAggregateFunction(max, String) CODEC(ZSTD),
  kind SimpleAggregateFunction(max, String) CODEC(ZSTD),
  returned_at SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD),
  original_transaction_id SimpleAggregateFunction(max, String) CODEC(ZSTD),
  original_store_id SimpleAggregateFunction(max, String) CODEC(ZSTD),
  original_terminal_id SimpleAggregateFunction(max, String) CODEC(ZSTD),
  original_sequence SimpleAggregateFunction(max, UInt64) CODEC(ZSTD),
  original_business_date SimpleAggregateFunction(max, Date) CODEC(ZSTD),
  reason SimpleAggregateFunction(max, String) CODEC(ZSTD),
  lines SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  units SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  net SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(business_date)
ORDER BY (lane, business_date, store_id, terminal_id, transaction_id, product_id)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

-- What is taken off again from a sum is added with the sign -1. Nothing can be taken off a sketch, a minimum or a maximum: they are right where corrections, what
-- was ever taken off a row, is 0, and elsewhere the views reckon them from counts by value, which are sums: of customers by 32 bits of a hash, of baskets by
-- the buckets of quantilesDD(0.01), of milliseconds as quantilesTiming has them, of the moments of a customer's day. A row of which nothing is left is not shown.

ALTER TABLE tillstream.sales_hourly
  ADD COLUMN IF NOT EXISTS corrections SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  ADD COLUMN IF NOT EXISTS customers_out Array(UInt64) EPHEMERAL,
  ADD COLUMN IF NOT EXISTS baskets_out Array(Int64) EPHEMERAL,
  ADD COLUMN IF NOT EXISTS customer_counts SimpleAggregateFunction(sumMap, Tuple(Array(UInt32), Array(Int64))) DEFAULT CAST(arrayReduce('sumMap',
    arrayMap(x -> [toUInt32(cityHash64(x))], arrayConcat(customers_in, customers_out)),
    arrayMap((x, i) -> [if(i <= length(customers_in), toInt64(1), toInt64(-1))], arrayConcat(customers_in, customers_out), arrayEnumerate(arrayConcat(customers_in, customers_out)))),
    'Tuple(Array(UInt32), Array(Int64))') CODEC(ZSTD),
  ADD COLUMN IF NOT EXISTS basket_counts SimpleAggregateFunction(sumMap, Tuple(Array(Int32), Array(Int64))) DEFAULT CAST(arrayReduce('sumMap',
    arrayMap(x -> [toInt32(if(x = 0, 0, sign(x) * (1 + ceil(log(abs(x)) / log(1.01 / 0.99)))))], arrayConcat(baskets_in, baskets_out)),
    arrayMap((x, i) -> [if(i <= length(baskets_in), toInt64(1), toInt64(-1))], arrayConcat(baskets_in, baskets_out), arrayEnumerate(arrayConcat(baskets_in, baskets_out)))),
    'Tuple(Array(Int32), Array(Int64))') CODEC(ZSTD);

ALTER TABLE tillstream.product_sales
  ADD COLUMN IF NOT EXISTS corrections SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  ADD COLUMN IF NOT EXISTS lines SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD);

ALTER TABLE tillstream.customer_days
  ADD COLUMN IF NOT EXISTS corrections SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  ADD COLUMN IF NOT EXISTS times_in Array(UInt32) EPHEMERAL,
  ADD COLUMN IF NOT EXISTS times_out Array(UInt32) EPHEMERAL,
  ADD COLUMN IF NOT EXISTS time_counts SimpleAggregateFunction(sumMap, Tuple(Array(UInt32), Array(Int64))) DEFAULT CAST(arrayReduce('sumMap',
    arrayMap(x -> [x], arrayConcat(times_in, times_out)),
    arrayMap((x, i) -> [if(i <= length(times_in), toInt64(1), toInt64(-1))], arrayConcat(times_in, times_out), arrayEnumerate(arrayConcat(times_in, times_out)))),
    'Tuple(Array(UInt32), Array(Int64))') CODEC(ZSTD);

ALTER TABLE tillstream.payments_hourly
  ADD COLUMN IF NOT EXISTS corrections SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  ADD COLUMN IF NOT EXISTS auth_out Array(UInt32) EPHEMERAL;

ALTER TABLE tillstream.payments_hourly
  MODIFY COLUMN auth_counts DEFAULT CAST(arrayReduce('sumMap',
    arrayMap(x -> [x], arrayConcat(auth_in, auth_out)),
    arrayMap((x, i) -> [if(i <= length(auth_in), toInt64(1), toInt64(-1))], arrayConcat(auth_in, auth_out), arrayEnumerate(arrayConcat(auth_in, auth_out)))),
    'Tuple(Array(UInt32), Array(Int64))');

ALTER TABLE tillstream.data_quality
  ADD COLUMN IF NOT EXISTS corrected SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD);

CREATE OR REPLACE VIEW pos.sales_hourly
(
  store_id String,
  channel LowCardinality(String),
  currency LowCardinality(String),
  hour DateTime('UTC'),
  business_date Date,
  local_hour UInt8,
  transactions UInt64,
  returns UInt64,
  voids UInt64,
  units Decimal(18,3),
  gross Decimal(18,4),
  discount Decimal(18,4),
  tax Decimal(18,4),
  net Decimal(18,4),
  loyalty_transactions UInt64,
  identified_transactions UInt64,
  offline_transactions UInt64,
  customers UInt64,
  basket_value_p50 Decimal(18,4),
  basket_value_p95 Decimal(18,4)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  multiIf(
    t.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), toInt64(10000),
    t.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), toInt64(10),
    t.currency IN ('CLF', 'UYW'), toInt64(1),
    toInt64(100)) AS scale,
  intDiv(999999999999999999, scale) AS most,
  arrayCumSum(t.basket_counts.2) AS cumulated,
  t.corrections > 0 AND arraySum(t.basket_counts.2) = t.transactions AS counted, -- not so where rows are older than the counts
  q -> t.basket_counts.1[arrayFirstIndex(c -> c > floor(q * (t.transactions - 1)), cumulated)] AS bucket,
  b -> sign(b) * 2 * pow(1.01 / 0.99, abs(b) - 1) / (1.01 / 0.99 + 1) AS worth
SELECT
  CAST(t.store_id, 'String') AS store_id,
  t.channel,
  t.currency,
  t.hour,
  t.business_date,
  t.local_hour,
  t.transactions,
  t.returns,
  t.voids,
  t.units * toDecimal64('0.001', 3) AS units,
  least(greatest(t.gross, -most), most) * scale * toDecimal64('0.0001', 4) AS gross,
  least(greatest(t.discount, -most), most) * scale * toDecimal64('0.0001', 4) AS discount,
  least(greatest(t.tax, -most), most) * scale * toDecimal64('0.0001', 4) AS tax,
  least(greatest(t.net, -most), most) * scale * toDecimal64('0.0001', 4) AS net,
  t.loyalty_transactions,
  t.identified_transactions,
  t.offline_transactions,
  if(t.corrections > 0 AND arraySum(t.customer_counts.2) = t.identified_transactions, toUInt64(arrayCount(c -> c > 0, t.customer_counts.2)), finalizeAggregation(t.customers)) AS customers,
  toDecimal64(least(greatest(ifNotFinite(if(counted, worth(bucket(0.5)), finalizeAggregation(t.baskets)[1]), 0) * scale / 10000, -9.9e13), 9.9e13), 4) AS basket_value_p50,
  toDecimal64(least(greatest(ifNotFinite(if(counted, worth(bucket(0.95)), finalizeAggregation(t.baskets)[2]), 0) * scale / 10000, -9.9e13), 9.9e13), 4) AS basket_value_p95
FROM tillstream.sales_hourly AS t FINAL
WHERE t.lane = '' AND (t.corrections = 0 OR t.transactions + t.returns + t.voids > 0)
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW pos.product_sales
(
  store_id String,
  product_id String,
  category LowCardinality(String),
  currency LowCardinality(String),
  business_date Date,
  units Decimal(18,3),
  revenue Decimal(18,4),
  discount Decimal(18,4),
  baskets UInt64,
  returned_units Decimal(18,3),
  promoted_units Decimal(18,3)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  multiIf(
    t.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), toInt64(10000),
    t.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), toInt64(10),
    t.currency IN ('CLF', 'UYW'), toInt64(1),
    toInt64(100)) AS scale,
  intDiv(999999999999999999, scale) AS most
SELECT
  CAST(t.store_id, 'String') AS store_id,
  t.product_id,
  t.category,
  t.currency,
  t.business_date,
  t.units * toDecimal64('0.001', 3) AS units,
  least(greatest(t.revenue, -most), most) * scale * toDecimal64('0.0001', 4) AS revenue,
  least(greatest(t.discount, -most), most) * scale * toDecimal64('0.0001', 4) AS discount,
  t.baskets,
  t.returned_units * toDecimal64('0.001', 3) AS returned_units,
  t.promoted_units * toDecimal64('0.001', 3) AS promoted_units
FROM tillstream.product_sales AS t FINAL
WHERE t.lane = '' AND (t.corrections = 0 OR t.lines != 0)
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- A visit is one business date in one store, however often the customer paid.
CREATE OR REPLACE VIEW pos.customer_days
(
  customer UInt64,
  store_id String,
  channel LowCardinality(String),
  currency LowCardinality(String),
  business_date Date,
  visits UInt32,
  units Decimal(18,3),
  net Decimal(18,4),
  discount Decimal(18,4),
  first_at DateTime('UTC'),
  last_at DateTime('UTC'),
  transactions UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  multiIf(
    t.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), toInt64(10000),
    t.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), toInt64(10),
    t.currency IN ('CLF', 'UYW'), toInt64(1),
    toInt64(100)) AS scale,
  intDiv(999999999999999999, scale) AS most,
  arrayFilter((x, c) -> c > 0, t.time_counts.1, t.time_counts.2) AS times
SELECT
  t.customer,
  CAST(t.store_id, 'String') AS store_id,
  t.channel,
  t.currency,
  t.business_date,
  toUInt32(t.transactions > 0) AS visits,
  t.units * toDecimal64('0.001', 3) AS units,
  least(greatest(t.net, -most), most) * scale * toDecimal64('0.0001', 4) AS net,
  least(greatest(t.discount, -most), most) * scale * toDecimal64('0.0001', 4) AS discount,
  if(t.corrections > 0 AND notEmpty(times), toDateTime(arrayMin(times), 'UTC'), t.first_at) AS first_at,
  if(t.corrections > 0 AND notEmpty(times), toDateTime(arrayMax(times), 'UTC'), t.last_at) AS last_at,
  t.transactions
FROM tillstream.customer_days AS t FINAL
WHERE t.lane = '' AND (t.corrections = 0 OR notEmpty(times) OR t.transactions > 0)
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW pos.payments_hourly
(
  store_id String,
  service LowCardinality(String),
  method LowCardinality(String),
  entry_mode LowCardinality(String),
  currency LowCardinality(String),
  hour DateTime('UTC'),
  attempts UInt64,
  approved UInt64,
  declined UInt64,
  failed UInt64,
  offline UInt64,
  amount Decimal(18,4),
  authorisation_ms_avg Float64,
  authorisation_ms_p50 Float64,
  authorisation_ms_p95 Float64,
  authorisation_ms_p99 Float64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  multiIf(
    t.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), toInt64(10000),
    t.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), toInt64(10),
    t.currency IN ('CLF', 'UYW'), toInt64(1),
    toInt64(100)) AS scale,
  intDiv(999999999999999999, scale) AS most,
  arrayCumSum(t.auth_counts.2) AS cumulated,
  t.corrections > 0 AND arraySum(t.auth_counts.2) = t.auth_n AS counted,
  q -> least(t.auth_counts.1[arrayFirstIndex(c -> c > floor(q * t.auth_n), cumulated)], 30000) AS ms -- as quantilesTiming has them
SELECT
  CAST(t.store_id, 'String') AS store_id,
  t.service,
  t.method,
  t.entry_mode,
  t.currency,
  t.hour,
  t.attempts,
  t.approved,
  t.declined,
  t.failed,
  t.offline,
  least(greatest(t.amount, -most), most) * scale * toDecimal64('0.0001', 4) AS amount,
  ifNotFinite(t.auth_ms / t.auth_n, 0) AS authorisation_ms_avg,
  ifNotFinite(toFloat64(if(counted, ms(0.5), finalizeAggregation(t.auth)[1])), 0) AS authorisation_ms_p50,
  ifNotFinite(toFloat64(if(counted, ms(0.95), finalizeAggregation(t.auth)[2])), 0) AS authorisation_ms_p95,
  ifNotFinite(toFloat64(if(counted, ms(0.99), finalizeAggregation(t.auth)[3])), 0) AS authorisation_ms_p99
FROM tillstream.payments_hourly AS t FINAL
WHERE t.lane = '' AND (t.corrections = 0 OR t.attempts > 0)
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- missing falls when a hole is filled. clock_skew_ms is the largest deviation, either way; positive: the till is behind. corrected events were accepted and do not count:
-- others took their place.
CREATE OR REPLACE VIEW pos.data_quality
(
  topic LowCardinality(String),
  terminal_id String,
  business_date Date,
  accepted UInt64,
  duplicates UInt64,
  missing UInt64,
  rejected UInt64,
  late UInt64,
  late_p95_s Float64,
  clock_skew_ms Int64,
  test UInt64,
  unbalanced UInt64,
  pan_masked UInt64,
  stale UInt64,
  other UInt64,
  corrected UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  t.topic,
  CAST(t.terminal_id, 'String') AS terminal_id,
  t.business_date,
  t.accepted,
  t.duplicates,
  toUInt64(greatest(t.missing, 0)) AS missing,
  t.rejected,
  t.late,
  ifNotFinite(toFloat64(finalizeAggregation(t.late_s)[1]), 0) AS late_p95_s,
  if(t.skew_max >= -t.skew_min, t.skew_max, t.skew_min) AS clock_skew_ms,
  t.test,
  t.unbalanced,
  t.pan_masked,
  t.stale,
  t.other,
  toUInt64(greatest(t.corrected, 0)) AS corrected
FROM tillstream.data_quality AS t FINAL
WHERE t.lane = ''
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- Lines that were taken back, with the sale that they are linked to as the till says; '', 0 or NULL where it does not.
CREATE OR REPLACE VIEW pos.returns
(
  store_id String,
  terminal_id String,
  transaction_id String,
  kind LowCardinality(String),
  business_date Date,
  returned_at DateTime('UTC'),
  product_id String,
  category LowCardinality(String),
  currency LowCardinality(String),
  units Decimal(18,3),
  net Decimal(18,4),
  reason String,
  original_transaction_id String,
  original_store_id String,
  original_terminal_id String,
  original_sequence UInt64,
  original_business_date Nullable(Date)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  multiIf(
    t.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), toInt64(10000),
    t.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), toInt64(10),
    t.currency IN ('CLF', 'UYW'), toInt64(1),
    toInt64(100)) AS scale,
  intDiv(999999999999999999, scale) AS most
SELECT
  CAST(t.store_id, 'String') AS store_id,
  CAST(t.terminal_id, 'String') AS terminal_id,
  t.transaction_id,
  t.kind,
  t.business_date,
  t.returned_at,
  t.product_id,
  t.category,
  t.currency,
  t.units * toDecimal64('0.001', 3) AS units,
  least(greatest(t.net, -most), most) * scale * toDecimal64('0.0001', 4) AS net,
  t.reason,
  t.original_transaction_id,
  t.original_store_id,
  t.original_terminal_id,
  t.original_sequence,
  nullIf(t.original_business_date, toDate(0)) AS original_business_date
FROM tillstream.returns AS t FINAL
WHERE t.lane = '' AND t.lines != 0
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- Corrections as long as they are kept. waits_for are the ids that they name of which nothing has come so far.
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
  (SELECT groupUniqArray(key) FROM tillstream.transactions WHERE lane = '' AND key IN
    (SELECT key_of((store_id, terminal_id, arrayJoin(corrects))) FROM tillstream.transactions WHERE lane = '' AND notEmpty(corrects))) AS came
SELECT
  CAST(t.store_id, 'String') AS store_id,
  CAST(t.terminal_id, 'String') AS terminal_id,
  t.id AS event_id,
  t.corrects,
  t.at AS received_at,
  arrayFilter(i -> NOT has(came, key_of((store_id, terminal_id, i))), t.corrects) AS waits_for
FROM tillstream.transactions AS t
WHERE t.lane = '' AND notEmpty(t.corrects);
