-- What customers will do (tillstream clv), what their rhythm says, what they agreed to, and who was taken out for an audience.

-- The predictions of a model, written by `tillstream clv --write`: a partition each, so that an old one goes without a trace. They count when the model stands in
-- clv_models, which is written last.
CREATE TABLE IF NOT EXISTS tillstream.clv (
  model String CODEC(ZSTD),
  currency LowCardinality(String),
  as_of Date CODEC(ZSTD),
  customer UInt64 CODEC(ZSTD),
  expected_purchases Float64 CODEC(ZSTD),
  p_alive Float64 CODEC(ZSTD),
  expected_spend Decimal(18, 4) CODEC(ZSTD),
  clv Decimal(18, 4) CODEC(ZSTD)
) ENGINE = MergeTree
PARTITION BY model
ORDER BY customer;

CREATE TABLE IF NOT EXISTS tillstream.clv_models (
  model String,
  currency LowCardinality(String),
  as_of Date,
  horizon_days UInt32,
  discount_rate Float64,
  penalty Float64,
  fitted_at DateTime64(3, 'UTC'),
  by String,
  customers UInt64,
  repeaters UInt64,
  parameters Array(Tuple(name String, value Float64, std_error Float64)),
  log_likelihood Float64,
  spend_customers UInt64,
  spend_log_likelihood Float64,
  spend_correlation Float64,
  holdout_days UInt32,
  holdout_customers UInt64,
  holdout_expected Float64,
  holdout_actual UInt64,
  holdout_rmse Float64,
  holdout_rmse_naive Float64
) ENGINE = MergeTree
ORDER BY (currency, fitted_at);

CREATE OR REPLACE VIEW pos.clv
(
  customer UInt64,
  currency LowCardinality(String),
  expected_purchases Float64,
  p_alive Float64,
  expected_spend Decimal(18,4),
  clv Decimal(18,4),
  as_of Date,
  model String
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT customer, currency, expected_purchases, p_alive, expected_spend, clv, as_of, model
FROM tillstream.clv
WHERE model IN (SELECT argMax(model, (fitted_at, model)) FROM tillstream.clv_models GROUP BY currency);

CREATE OR REPLACE VIEW pos.clv_models
(
  model String,
  currency LowCardinality(String),
  as_of Date,
  horizon_days UInt32,
  discount_rate Float64,
  penalty Float64,
  fitted_at DateTime64(3,'UTC'),
  by String,
  current UInt8,
  customers UInt64,
  repeaters UInt64,
  parameters Array(Tuple(name String, value Float64, std_error Float64)),
  log_likelihood Float64,
  spend_customers UInt64,
  spend_log_likelihood Float64,
  spend_correlation Float64,
  holdout_days UInt32,
  holdout_customers UInt64,
  holdout_expected Float64,
  holdout_actual UInt64,
  holdout_rmse Float64,
  holdout_rmse_naive Float64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  model, currency, as_of, horizon_days, discount_rate, penalty, fitted_at, by,
  toUInt8(model IN (SELECT argMax(model, (fitted_at, model)) FROM tillstream.clv_models GROUP BY currency)) AS current,
  customers, repeaters, parameters, log_likelihood, spend_customers, spend_log_likelihood, spend_correlation,
  holdout_days, holdout_customers, holdout_expected, holdout_actual, holdout_rmse, holdout_rmse_naive
FROM tillstream.clv_models;

-- Days with a sale, in order; the gaps between them; the middle one, or the mean of the two in the middle. As of today, or the last business date of data that
-- ended more than 31 days ago.
CREATE OR REPLACE VIEW pos.churn_risk
(
  customer UInt64,
  last_date Date,
  days_since UInt32,
  days UInt32,
  median_interval_days Float64,
  risk Float64,
  level LowCardinality(String)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH (SELECT if(max(business_date) = toDate(0) OR max(business_date) >= today() - 31, today(), max(business_date)) FROM tillstream.sales_hourly WHERE lane = '' AND business_date <= today()) AS as_of
SELECT
  customer,
  toDate(dates[n]) AS last_date,
  toUInt32(greatest(as_of - last_date, 0)) AS days_since,
  toUInt32(n) AS days,
  (gaps[intDiv(n, 2)] + gaps[intDiv(n + 1, 2)]) / 2 AS median_interval_days,
  days_since / median_interval_days AS risk,
  multiIf(risk <= 1, 'in_rhythm', risk < 2, 'late', risk <= 6, 'slipping', 'gone') AS level
FROM
(
  SELECT
    customer,
    arrayCompact(arraySort(groupArray(toUInt16(business_date)))) AS dates,
    length(dates) AS n,
    arraySort(arrayPopFront(arrayDifference(dates))) AS gaps
  FROM tillstream.customer_days FINAL
  WHERE lane = '' AND transactions > 0
  GROUP BY customer
  HAVING n >= 4
)
SETTINGS do_not_merge_across_partitions_select_final = 1, aggregate_functions_null_for_empty = 0;

-- What a customer agreed to, last. latest is the time (milliseconds since 1970 in 14 digits) and the purposes, in order, a line each: the largest is the newest.
CREATE TABLE IF NOT EXISTS tillstream.customer_consent (
  lane LowCardinality(String),
  customer UInt64 CODEC(ZSTD),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  latest SimpleAggregateFunction(max, String) CODEC(ZSTD)
) ENGINE = AggregatingMergeTree
ORDER BY (lane, customer)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE OR REPLACE VIEW pos.customer_consent
(
  customer UInt64,
  purposes Array(String),
  said_at DateTime64(3,'UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT customer, arrayFilter(p -> p != '', splitByChar('\n', substring(latest, 15))) AS purposes, fromUnixTimestamp64Milli(toInt64OrZero(substring(latest, 1, 14)), 'UTC') AS said_at
FROM tillstream.customer_consent FINAL
WHERE lane = '';

-- Who took which customers out, when, why and how many; not whom.
CREATE TABLE IF NOT EXISTS tillstream.exports (
  id String,
  at DateTime64(3, 'UTC'),
  by String,
  predicate String,
  reason String,
  basis LowCardinality(String),
  purpose LowCardinality(String),
  customers UInt64,
  left_out UInt64,
  most UInt64,
  k UInt32,
  format LowCardinality(String),
  sha256 String
) ENGINE = MergeTree
ORDER BY (at, id);

CREATE OR REPLACE VIEW pos.audience_exports
(
  id String,
  at DateTime64(3,'UTC'),
  by String,
  predicate String,
  reason String,
  basis LowCardinality(String),
  purpose LowCardinality(String),
  customers UInt64,
  left_out UInt64,
  most UInt64,
  k UInt32,
  format LowCardinality(String),
  sha256 String
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT id, at, by, predicate, reason, basis, purpose, customers, left_out, most, k, format, sha256 FROM tillstream.exports;
