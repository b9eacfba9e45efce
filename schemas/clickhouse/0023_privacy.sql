-- What role marketing reads (docs/privacy.md): groups of people, none of fewer than k, where k is privacy.min_group.
--
-- Counts of people are rounded to multiples of k. Of a breakdown, where a cell is below k, the smallest of those that are not is hidden with it (complementary
-- suppression), so that a hidden one may as well be large: which of equal ones depends on who is in them, for if it could be foreseen it would tell. What is
-- within a hidden group is hidden, too. Nothing is shown of a day, week or month that goes on. A count of some in a group is shown where those others, too, are none or at least k. Averages have two digits, and are NULL where one or two customers make
-- up most of them (the p% rule, p = 20). LIMIT, which cuts nothing off, keeps conditions of readers from being looked at before a group is hidden: an error would tell of it.

-- min_group is at least 5, and 10 where it was never set.
CREATE OR REPLACE VIEW pos.privacy
(
  min_group UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT toUInt64(greatest(5, if(n = 0, 10, set))) AS min_group
FROM (SELECT count() AS n, max(value) AS set FROM tillstream.settings FINAL WHERE name = 'min_group')
SETTINGS aggregate_functions_null_for_empty = 0;

-- Customers of the segments, and whether they may be shown. of_largest are those of the two with the most, negative.
CREATE OR REPLACE VIEW tillstream.segment_groups AS
SELECT
  segment, currency, n, net, turnover, of_largest, generation,
  n >= k AND (least >= k OR place > 1) AS shown
FROM
(
  SELECT
    *,
    assumeNotNull((SELECT min_group FROM pos.privacy)) AS k,
    min(n) OVER (PARTITION BY currency) AS least,
    row_number() OVER (PARTITION BY currency, n >= k ORDER BY n, lot) AS place
  FROM
  (
    SELECT CAST(segment, 'String') AS segment, CAST(currency, 'String') AS currency, count() AS n, sum(t.net) AS net, sum(abs(t.net)) AS turnover, groupArraySorted(2)(-toInt64(abs(t.net))) AS of_largest, groupBitXor(cityHash64(t.customer)) AS lot, any(t.generation) AS generation
    FROM tillstream.rfm AS t
    WHERE t.generation = (SELECT generation FROM tillstream.generations WHERE name = 'rfm')
    GROUP BY segment, currency
  )
)
SETTINGS aggregate_functions_null_for_empty = 0;

CREATE OR REPLACE VIEW pos.marketing_segments
(
  segment LowCardinality(String),
  currency LowCardinality(String),
  customers UInt64,
  net_per_customer Nullable(Decimal(18,4)),
  refreshed_at DateTime64(3,'UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  assumeNotNull((SELECT min_group FROM pos.privacy)) AS k,
  multiIf(
    currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), 1,
    currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), 1000,
    currency IN ('CLF', 'UYW'), 10000,
    100) AS minor,
  x -> exp10(floor(log10(greatest(abs(x), 0.0001))) - 1) AS digit
SELECT
  segment,
  currency,
  k * intDiv(2 * n + k, 2 * k) AS customers,
  if(turnover + of_largest[1] + of_largest[2] < 0.2 * -of_largest[1], NULL, toDecimal64(digit(net / n / minor) * round(net / n / minor / digit(net / n / minor)), 4)) AS net_per_customer,
  fromUnixTimestamp64Milli(toInt64(generation), 'UTC') AS refreshed_at
FROM tillstream.segment_groups
WHERE shown
LIMIT 1000000000;

-- When the customers of a segment usually come.
CREATE OR REPLACE VIEW pos.marketing_hours
(
  segment LowCardinality(String),
  usual_dow UInt8,
  usual_hour UInt8,
  currency LowCardinality(String),
  customers UInt64,
  refreshed_at DateTime64(3,'UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT segment, usual_dow, usual_hour, currency, k * intDiv(2 * n + k, 2 * k) AS customers, fromUnixTimestamp64Milli(toInt64(generation), 'UTC') AS refreshed_at
FROM
(
  SELECT
    *,
    assumeNotNull((SELECT min_group FROM pos.privacy)) AS k,
    min(n) OVER (PARTITION BY segment, currency) AS least,
    row_number() OVER (PARTITION BY segment, currency, n >= k ORDER BY n, lot) AS place
  FROM
  (
    SELECT CAST(segment, 'String') AS segment, usual_dow, usual_hour, CAST(currency, 'String') AS currency, count() AS n, groupBitXor(cityHash64(t.customer)) AS lot, any(t.generation) AS generation
    FROM tillstream.buyer_profiles AS t
    WHERE t.generation = (SELECT generation FROM tillstream.generations WHERE name = 'buyer_profiles')
    GROUP BY segment, usual_dow, usual_hour, currency
  )
)
WHERE n >= k AND (least >= k OR place > 1) AND (segment, currency) IN (SELECT segment, currency FROM tillstream.segment_groups WHERE shown)
LIMIT 1000000000
SETTINGS aggregate_functions_null_for_empty = 0;

-- Customers by the channel that they use, or omnichannel for those who use several.
CREATE OR REPLACE VIEW pos.marketing_channels
(
  channel LowCardinality(String),
  currency LowCardinality(String),
  customers UInt64,
  net_per_customer Nullable(Decimal(18,4)),
  refreshed_at DateTime64(3,'UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  multiIf(
    currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), 1,
    currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), 1000,
    currency IN ('CLF', 'UYW'), 10000,
    100) AS minor,
  x -> exp10(floor(log10(greatest(abs(x), 0.0001))) - 1) AS digit
SELECT
  channel,
  currency,
  k * intDiv(2 * n + k, 2 * k) AS customers,
  if(turnover + of_largest[1] + of_largest[2] < 0.2 * -of_largest[1], NULL, toDecimal64(digit(net / n / minor) * round(net / n / minor / digit(net / n / minor)), 4)) AS net_per_customer,
  fromUnixTimestamp64Milli(toInt64(generation), 'UTC') AS refreshed_at
FROM
(
  SELECT
    *,
    assumeNotNull((SELECT min_group FROM pos.privacy)) AS k,
    min(n) OVER (PARTITION BY currency) AS least,
    row_number() OVER (PARTITION BY currency, n >= k ORDER BY n, lot) AS place
  FROM
  (
    SELECT
      if(length(channels) > 1, 'omnichannel', CAST(channels[1], 'String')) AS channel, CAST(currency, 'String') AS currency, count() AS n,
      sum(t.net) AS net, sum(abs(t.net)) AS turnover, groupArraySorted(2)(-toInt64(abs(t.net))) AS of_largest, groupBitXor(cityHash64(t.customer)) AS lot, any(t.generation) AS generation
    FROM tillstream.buyer_profiles AS t
    WHERE t.generation = (SELECT generation FROM tillstream.generations WHERE name = 'buyer_profiles')
    GROUP BY channel, currency
  )
)
WHERE n >= k AND (least >= k OR place > 1)
LIMIT 1000000000
SETTINGS aggregate_functions_null_for_empty = 0;

-- What the customers of a segment bought in the 30 days up to as_of.
CREATE OR REPLACE VIEW tillstream.segment_sales_now AS
SELECT
  r.segment AS segment, i.category AS category, i.product_id AS product_id, i.currency AS currency,
  count() AS customers, sum(i.units_of) AS units, groupArraySorted(2)(-toInt64(i.units_of)) AS of_largest
FROM
(
  SELECT customer, CAST(currency, 'String') AS currency, CAST(category, 'String') AS category, product_id, sum(units) AS units_of
  FROM tillstream.customer_items
  WHERE lane = '' AND business_date > (SELECT as_of FROM tillstream.marketing_days) - 30 AND business_date <= (SELECT as_of FROM tillstream.marketing_days)
  GROUP BY customer, currency, category, product_id
  HAVING units_of > 0
) AS i
INNER JOIN
(
  SELECT customer, CAST(currency, 'String') AS currency, CAST(segment, 'String') AS segment
  FROM tillstream.rfm
  WHERE generation = (SELECT generation FROM tillstream.generations WHERE name = 'rfm')
) AS r ON i.customer = r.customer AND i.currency = r.currency
GROUP BY segment, category, product_id, currency
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

CREATE TABLE IF NOT EXISTS tillstream.segment_sales (
  segment LowCardinality(String),
  category LowCardinality(String),
  product_id String CODEC(ZSTD),
  currency LowCardinality(String),
  customers UInt64,
  units Int64,
  of_largest Array(Int64),
  generation UInt64
) ENGINE = MergeTree
PARTITION BY generation
ORDER BY (segment, currency, category, product_id)
SETTINGS non_replicated_deduplication_window = 100;

CREATE OR REPLACE VIEW pos.marketing_products
(
  segment LowCardinality(String),
  category LowCardinality(String),
  product_id String,
  currency LowCardinality(String),
  customers UInt64,
  units_per_customer Nullable(Decimal(18,3)),
  refreshed_at DateTime64(3,'UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  assumeNotNull((SELECT min_group FROM pos.privacy)) AS k,
  x -> exp10(floor(log10(x)) - 1) AS digit,
  t.units / t.customers / 1000 AS mean
SELECT
  t.segment AS segment,
  t.category AS category,
  t.product_id AS product_id,
  t.currency AS currency,
  k * intDiv(2 * t.customers + k, 2 * k) AS customers,
  if(t.units + t.of_largest[1] + t.of_largest[2] < 0.2 * -t.of_largest[1], NULL, toDecimal64(digit(mean) * round(mean / digit(mean)), 3)) AS units_per_customer,
  fromUnixTimestamp64Milli(toInt64(t.generation), 'UTC') AS refreshed_at
FROM tillstream.segment_sales AS t
INNER JOIN (SELECT segment, currency, n FROM tillstream.segment_groups WHERE shown) AS s ON t.segment = s.segment AND t.currency = s.currency
WHERE t.generation = (SELECT generation FROM tillstream.generations WHERE name = 'segment_sales') AND t.customers >= k AND (s.n = t.customers OR s.n >= t.customers + k)
LIMIT 1000000000
SETTINGS join_use_nulls = 0;

-- Months that are over. What is missing is of fewer than k, or of all but fewer than k.
CREATE OR REPLACE VIEW pos.marketing_cohorts
(
  cohort Date,
  period UInt16,
  currency LowCardinality(String),
  customers UInt64,
  active UInt64,
  retention Float64,
  history_from Date,
  refreshed_at DateTime64(3,'UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  assumeNotNull((SELECT min_group FROM pos.privacy)) AS k,
  (SELECT generation FROM tillstream.generations WHERE name = 'cohorts') AS newest
SELECT
  t.cohort AS cohort,
  t.period AS period,
  t.currency AS currency,
  k * intDiv(2 * t.customers + k, 2 * k) AS customers,
  k * intDiv(2 * t.active + k, 2 * k) AS active,
  active / customers AS retention,
  t.history_from AS history_from,
  fromUnixTimestamp64Milli(toInt64(t.generation), 'UTC') AS refreshed_at
FROM tillstream.cohorts AS t
WHERE t.generation = newest AND t.complete AND (t.active = t.customers OR (t.active >= k AND t.customers >= t.active + k)) AND (t.cohort, CAST(t.currency, 'String')) IN
(
  SELECT cohort, currency
  FROM
  (
    SELECT
      *,
      min(n) OVER (PARTITION BY currency) AS least,
      row_number() OVER (PARTITION BY currency, n >= k ORDER BY n, lot) AS place
    FROM (SELECT cohort, CAST(currency, 'String') AS currency, customers AS n, cityHash64(cohort, net) AS lot FROM tillstream.cohorts WHERE generation = newest AND period = 0 AND complete)
  )
  WHERE n >= k AND (least >= k OR place > 1)
)
LIMIT 1000000000;

-- New customers and those who had bought before, of the 13 weeks up to the last that is over.
CREATE OR REPLACE VIEW pos.marketing_weeks
(
  week Date,
  new UInt64,
  returning UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH assumeNotNull((SELECT min_group FROM pos.privacy)) AS k
SELECT week, k * intDiv(2 * n + k, 2 * k) AS new, k * intDiv(2 * r + k, 2 * k) AS returning
FROM
(
  SELECT arrayJoin(weeks) AS week, countIf(first >= week) AS n, countIf(first < week) AS r
  FROM
  (
    SELECT groupUniqArrayIf(toMonday(business_date), business_date > (SELECT last_day FROM tillstream.marketing_days) - 97) AS weeks, min(business_date) AS first
    FROM tillstream.customer_days FINAL
    WHERE lane = '' AND transactions > 0
    GROUP BY customer
    SETTINGS do_not_merge_across_partitions_select_final = 1
  )
  WHERE week + 6 <= (SELECT last_day FROM tillstream.marketing_days) AND week + 97 > (SELECT last_day FROM tillstream.marketing_days)
  GROUP BY week
)
WHERE (n = 0 OR n >= k) AND (r = 0 OR r >= k)
LIMIT 1000000000
SETTINGS aggregate_functions_null_for_empty = 0;

-- Of how many sales in stores the customer was known by a card, of the same weeks, where at least k customers were known.
CREATE OR REPLACE VIEW pos.marketing_loyalty
(
  store_id String,
  week Date,
  transactions UInt64,
  penetration Float64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH assumeNotNull((SELECT min_group FROM pos.privacy)) AS k
SELECT store_id, week, k * intDiv(2 * t + k, 2 * k) AS transactions, round(l / t, 2) AS penetration
FROM
(
  SELECT CAST(store_id, 'String') AS store_id, toMonday(business_date) AS week, toUInt64(greatest(toInt64(sum(transactions)), 0)) AS t, toUInt64(greatest(toInt64(sum(loyalty_transactions)), 0)) AS l
  FROM tillstream.sales_hourly
  WHERE lane = '' AND channel = 'store' AND business_date > (SELECT last_day FROM tillstream.marketing_days) - 97 AND business_date <= (SELECT last_day FROM tillstream.marketing_days)
  GROUP BY store_id, week
)
WHERE week + 6 <= (SELECT last_day FROM tillstream.marketing_days) AND week + 97 > (SELECT last_day FROM tillstream.marketing_days) AND t >= k AND (l = 0 OR l >= k) AND (t = l OR t >= l + k) AND (store_id, week) IN
(
  SELECT store_id, week
  FROM
  (
    SELECT CAST(store_id, 'String') AS store_id, toMonday(business_date) AS week, customer
    FROM tillstream.customer_days
    WHERE lane = '' AND channel = 'store' AND business_date > (SELECT last_day FROM tillstream.marketing_days) - 97 AND business_date <= (SELECT last_day FROM tillstream.marketing_days)
    GROUP BY store_id, week, customer
    HAVING toInt64(sum(transactions)) > 0
  )
  GROUP BY store_id, week
  HAVING count() >= (SELECT min_group FROM pos.privacy)
)
LIMIT 1000000000
SETTINGS aggregate_functions_null_for_empty = 0;

-- Orders to be collected by the month in which they became ready, as in omnichannel_funnel. Who is not known counts as somebody with each order. A share is NULL
-- where it is one of fewer than k, or of all but fewer than k.
CREATE OR REPLACE VIEW pos.marketing_orders
(
  store_id String,
  month Date,
  ready UInt64,
  pickup_rate Nullable(Float64),
  kept_promise Nullable(Float64),
  attach_rate Nullable(Float64),
  lead_min_p50 Nullable(Float64)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  assumeNotNull((SELECT min_group FROM pos.privacy)) AS k,
  (a, b) -> (a = 0 OR a >= k) AND (b = 0 OR b >= k) AS may
SELECT
  store_id,
  month,
  k * intDiv(2 * n + k, 2 * k) AS ready,
  if(may(came_by, lapsed_by), round(came / nullIf(came + lapsed, 0), 2), NULL) AS pickup_rate,
  if(may(kept_by, broken_by), round(kept / nullIf(kept + broken, 0), 2), NULL) AS kept_promise,
  if(may(added_by, bare_by), round(added / nullIf(came, 0), 2), NULL) AS attach_rate,
  if(lead_by >= k, 5 * round(lead / 300000), NULL) AS lead_min_p50
FROM
(
  SELECT
    store_id, toStartOfMonth(day) AS month, uniqExact(person) AS people, count() AS n,
    countIf(collected) AS came, uniqExactIf(person, collected) AS came_by,
    countIf(gone) AS lapsed, uniqExactIf(person, gone) AS lapsed_by,
    countIf(promise_kept = 1) AS kept, uniqExactIf(person, promise_kept = 1) AS kept_by,
    countIf(promise_kept = 0) AS broken, uniqExactIf(person, promise_kept = 0) AS broken_by,
    countIf(collected AND added_sales > 0) AS added, uniqExactIf(person, collected AND added_sales > 0) AS added_by,
    uniqExactIf(person, collected AND added_sales = 0) AS bare_by,
    quantileExactIf(0.5)(toFloat64(assumeNotNull(lead_ms)), ifNull(lead_ms >= 0, 0)) AS lead, uniqExactIf(person, ifNull(lead_ms >= 0, 0)) AS lead_by
  FROM
  (
    SELECT
      store_id, ifNull(promise_kept, 2) AS promise_kept, added_sales, lead_ms,
      assumeNotNull(coalesce(ready_date, toDate(ready_at))) AS day,
      if(customer = 0, cityHash64(store_id, order_id), customer) AS person,
      collected_at IS NOT NULL OR partially_collected_at IS NOT NULL AS collected,
      NOT collected AND (cancelled_at IS NOT NULL OR expired_at IS NOT NULL) AS gone
    FROM pos.order_journeys
    WHERE mode NOT IN ('ship_from_store', 'return_in_store') AND ready_at IS NOT NULL AND ifNull(cancelled_at >= ready_at, 1)
  )
  GROUP BY store_id, month
)
WHERE people >= k AND addMonths(month, 1) <= (SELECT last_day FROM tillstream.marketing_days) + 1
LIMIT 1000000000
SETTINGS aggregate_functions_null_for_empty = 0;

-- Approved payments of all stores in months that are over: payments, not people, who are not known of them.
CREATE OR REPLACE VIEW pos.marketing_payments
(
  month Date,
  method LowCardinality(String),
  entry_mode LowCardinality(String),
  wallet LowCardinality(String),
  currency LowCardinality(String),
  payments UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT month, means.1 AS method, means.2 AS entry_mode, means.3 AS wallet, currency, k * intDiv(2 * n + k, 2 * k) AS payments
FROM
(
  SELECT
    *,
    assumeNotNull((SELECT min_group FROM pos.privacy)) AS k,
    min(n) OVER (PARTITION BY month, currency) AS least,
    row_number() OVER (PARTITION BY month, currency, n >= k ORDER BY n, lot) AS place
  FROM
  (
    SELECT toStartOfMonth(business_date) AS month, (CAST(method, 'String'), CAST(entry_mode, 'String'), CAST(wallet, 'String')) AS means, CAST(currency, 'String') AS currency, toUInt64(greatest(sum(payments), 0)) AS n, cityHash64(means, sum(amount)) AS lot
    FROM tillstream.payment_days
    WHERE lane = ''
    GROUP BY month, means, currency
    HAVING n > 0 AND addMonths(month, 1) <= (SELECT last_day FROM tillstream.marketing_days) + 1
  )
)
WHERE n >= k AND (least >= k OR place > 1)
LIMIT 1000000000
SETTINGS aggregate_functions_null_for_empty = 0;

-- Days between two dates on which somebody bought, of all customers who bought on two: one row, or none of fewer than k.
CREATE OR REPLACE VIEW pos.marketing_rhythm
(
  customers UInt64,
  days_p25 Float64,
  days_p50 Float64,
  days_p75 Float64,
  days_p90 Float64,
  refreshed_at DateTime64(3,'UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH assumeNotNull((SELECT min_group FROM pos.privacy)) AS k
SELECT k * intDiv(2 * n + k, 2 * k) AS customers, q[1] AS days_p25, q[2] AS days_p50, q[3] AS days_p75, q[4] AS days_p90, fromUnixTimestamp64Milli(toInt64(generation), 'UTC') AS refreshed_at
FROM
(
  SELECT
    (SELECT uniqExact(customer) FROM tillstream.clv_inputs WHERE generation = (SELECT generation FROM tillstream.generations WHERE name = 'clv_inputs') AND x > 0) AS n,
    quantilesExactWeighted(0.25, 0.5, 0.75, 0.9)(gap_days, times) AS q,
    any(t.generation) AS generation
  FROM tillstream.purchase_gaps AS t
  WHERE t.generation = (SELECT generation FROM tillstream.generations WHERE name = 'purchase_gaps')
)
WHERE n >= k
LIMIT 1000000000
SETTINGS aggregate_functions_null_for_empty = 0;

-- What goes with what in at least 30 baskets, and k. Baskets, not people, who are not known of most.
CREATE OR REPLACE VIEW pos.marketing_affinity
(
  left String,
  right String,
  level LowCardinality(String),
  baskets UInt64,
  confidence Float64,
  lift Float64,
  refreshed_at DateTime64(3,'UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH assumeNotNull((SELECT min_group FROM pos.privacy)) AS k
SELECT
  t.left AS left, t.right AS right, t.level AS level, k * intDiv(2 * t.baskets + k, 2 * k) AS baskets, round(t.confidence, 2) AS confidence, round(t.lift, 1) AS lift,
  fromUnixTimestamp64Milli(toInt64(t.generation), 'UTC') AS refreshed_at
FROM tillstream.affinity AS t
WHERE t.generation = (SELECT generation FROM tillstream.generations WHERE name = 'affinity') AND t.baskets >= greatest(30, k)
LIMIT 1000000000;
