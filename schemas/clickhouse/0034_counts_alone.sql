-- Three sketches stood beside counts by value that tell the same, and more exactly: since 0021 views asked the counts where something had been taken off a row, and the sketches elsewhere.
-- Now they ask the counts, and no sketch is made any more, which was half of what an INSERT into sales_hourly and a merge of it took. Rows older than the counts have theirs.

ALTER TABLE tillstream.sales_hourly
  MODIFY COLUMN customers DEFAULT arrayReduce('uniqCombined64State(12)', emptyArrayUInt64());

ALTER TABLE tillstream.sales_hourly
  MODIFY COLUMN baskets DEFAULT arrayReduce('quantilesDDState(0.01, 0.5, 0.95)', emptyArrayInt64());

ALTER TABLE tillstream.payments_hourly
  MODIFY COLUMN auth DEFAULT arrayReduce('quantilesTimingState(0.5, 0.95, 0.99)', emptyArrayUInt32());

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
  arraySum(t.basket_counts.2) = t.transactions AS counted, -- not so where rows are older than the counts
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
  if(arraySum(t.customer_counts.2) = t.identified_transactions, toUInt64(arrayCount(c -> c > 0, t.customer_counts.2)), finalizeAggregation(t.customers)) AS customers,
  toDecimal64(least(greatest(ifNotFinite(if(counted, worth(bucket(0.5)), finalizeAggregation(t.baskets)[1]), 0) * scale / 10000, -9.9e13), 9.9e13), 4) AS basket_value_p50,
  toDecimal64(least(greatest(ifNotFinite(if(counted, worth(bucket(0.95)), finalizeAggregation(t.baskets)[2]), 0) * scale / 10000, -9.9e13), 9.9e13), 4) AS basket_value_p95
FROM tillstream.sales_hourly AS t FINAL
WHERE t.lane = '' AND (t.corrections = 0 OR t.transactions + t.returns + t.voids > 0)
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
  arraySum(t.auth_counts.2) = t.auth_n AS counted, -- not so where rows are older than the counts
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
