-- What marketing asks of purchases (domain 3.6 and 3.8; docs/marketing.md). First five tables of deltas, plain sums all of them: what is taken back is added
-- with the other sign.

-- Approved payments by business date.
CREATE TABLE IF NOT EXISTS tillstream.payment_days (
  lane LowCardinality(String),
  business_date Date CODEC(Delta, ZSTD),
  store_id LowCardinality(String),
  method LowCardinality(String),
  entry_mode LowCardinality(String),
  wallet LowCardinality(String),
  currency LowCardinality(String),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  payments SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  amount SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(business_date)
ORDER BY (lane, business_date, store_id, method, entry_mode, wallet, currency)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

-- Baskets with at least two different categories (level category), or products (level product): all of a day where left and right are empty, those with
-- left where right is empty, else those with both, left before right. At level product left and right are on the watch list. huge are baskets of so many that
-- they were not looked at.
CREATE TABLE IF NOT EXISTS tillstream.basket_pairs (
  lane LowCardinality(String),
  business_date Date CODEC(Delta, ZSTD),
  store_id LowCardinality(String),
  level LowCardinality(String),
  left LowCardinality(String),
  right LowCardinality(String),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  baskets SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  huge SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(business_date)
ORDER BY (lane, business_date, store_id, level, left, right)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

-- What known customers bought and brought back, line by line of customer_days. By date, because the last months are what is asked for.
CREATE TABLE IF NOT EXISTS tillstream.customer_items (
  lane LowCardinality(String),
  business_date Date CODEC(Delta, ZSTD),
  customer UInt64 CODEC(ZSTD),
  store_id LowCardinality(String),
  channel LowCardinality(String),
  currency LowCardinality(String),
  category LowCardinality(String),
  product_id String CODEC(ZSTD),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  units SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  revenue SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(business_date)
ORDER BY (lane, business_date, customer, store_id, channel, currency, category, product_id)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

-- When known customers bought, and how they paid: by the method of the largest approved payment of a sale.
CREATE TABLE IF NOT EXISTS tillstream.customer_hours (
  lane LowCardinality(String),
  business_date Date CODEC(Delta, ZSTD),
  customer UInt64 CODEC(ZSTD),
  store_id LowCardinality(String),
  channel LowCardinality(String),
  currency LowCardinality(String),
  local_hour UInt8,
  method LowCardinality(String),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  transactions SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(business_date)
ORDER BY (lane, business_date, customer, store_id, channel, currency, local_hour, method)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

-- Lines with a promotion, in each of theirs.
CREATE TABLE IF NOT EXISTS tillstream.promotion_days (
  lane LowCardinality(String),
  business_date Date CODEC(Delta, ZSTD),
  promotion_id String CODEC(ZSTD),
  store_id LowCardinality(String),
  product_id String CODEC(ZSTD),
  category LowCardinality(String),
  currency LowCardinality(String),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  units SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  revenue SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  discount SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(business_date)
ORDER BY (lane, business_date, promotion_id, store_id, product_id, category, currency)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

-- Where the views of customers and promotions stand. as_of is today, or, of data that ended more than 31 days ago, its last business date; a setting of that
-- name, in days since 1970, goes before. last_day is the last date that is over.
CREATE OR REPLACE VIEW tillstream.marketing_days AS
SELECT
  ifNull(toDate(set), if(newest = toDate(0) OR newest >= today() - 31, today(), newest)) AS as_of,
  least(as_of, today() - 1) AS last_day
FROM
(
  SELECT
    (SELECT max(business_date) FROM tillstream.sales_hourly WHERE lane = '' AND business_date <= today()) AS newest,
    (SELECT max(value) FROM tillstream.settings FINAL WHERE name = 'as_of' HAVING count() > 0) AS set
)
SETTINGS aggregate_functions_null_for_empty = 0;

-- Below, a table that is refreshed holds what its view *_now said at `generation`, in ms since 1970. The newest generation that is in refreshes is shown: it
-- is written when the table has all of it. Later changes, late data among them, are in the next one.
CREATE TABLE IF NOT EXISTS tillstream.refreshes (
  name LowCardinality(String),
  generation UInt64,
  rows UInt64,
  took_ms UInt64
) ENGINE = MergeTree
ORDER BY (name, generation)
TTL toDateTime(intDiv(generation, 1000)) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 100;

CREATE OR REPLACE VIEW tillstream.generations AS
SELECT name, max(generation) AS generation FROM tillstream.refreshes GROUP BY name;

CREATE OR REPLACE VIEW pos.refreshes
(
  view LowCardinality(String),
  refreshed_at DateTime64(3,'UTC'),
  took_ms UInt64,
  rows UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT t.name AS view, fromUnixTimestamp64Milli(toInt64(t.generation), 'UTC') AS refreshed_at, t.took_ms AS took_ms, t.rows AS rows
FROM tillstream.refreshes AS t;

-- Hours of the registry in those 91 days, on the stores' clocks. date is the calendar's: the hours after midnight are the next day's.
CREATE OR REPLACE VIEW tillstream.opening_hours AS
WITH toDateTime(toString(hour, tz), 'UTC') AS there
SELECT store_id, hour, toDate(there) AS date, toUInt8(toHour(there)) AS local_hour
FROM
(
  SELECT w.store_id AS store_id, w.hour AS hour, arrayLast(x -> x.1 <= toDate(w.hour), z.zones).2 AS tz
  FROM
  (
    SELECT DISTINCT store_id, toDateTime(arrayJoin(range(3600 * intDiv(toInt64(toUnixTimestamp(w.1)), 3600), toInt64(toUnixTimestamp(w.2)), 3600)), 'UTC') AS hour
    FROM
    (
      SELECT CAST(store_id, 'String') AS store_id, arrayJoin(arrayZip(opens, closes)) AS w
      FROM tillstream.service_windows FINAL
      WHERE lane = '' AND month >= toStartOfMonth((SELECT last_day FROM tillstream.marketing_days) - 91) AND month <= (SELECT last_day FROM tillstream.marketing_days)
    )
  ) AS w
  INNER JOIN tillstream.store_zones AS z ON w.store_id = z.store_id
)
WHERE date > (SELECT last_day FROM tillstream.marketing_days) - 91 AND date <= (SELECT last_day FROM tillstream.marketing_days)
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

CREATE OR REPLACE VIEW pos.payment_mix
(
  store_id String,
  business_date Date,
  method LowCardinality(String),
  entry_mode LowCardinality(String),
  wallet LowCardinality(String),
  currency LowCardinality(String),
  payments UInt64,
  amount Decimal(18,4)
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
  t.business_date AS business_date,
  t.method AS method,
  t.entry_mode AS entry_mode,
  t.wallet AS wallet,
  t.currency AS currency,
  toUInt64(greatest(t.payments, 0)) AS payments,
  least(greatest(t.amount, -most), most) * scale * toDecimal64('0.0001', 4) AS amount
FROM tillstream.payment_days AS t FINAL
WHERE t.lane = ''
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- Each pair both ways round.
CREATE OR REPLACE VIEW pos.basket_pairs
(
  business_date Date,
  store_id String,
  left String,
  right String,
  baskets UInt64,
  level LowCardinality(String)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  t.business_date AS business_date,
  CAST(t.store_id, 'String') AS store_id,
  CAST(if(back, t.right, t.left), 'String') AS left,
  CAST(if(back, t.left, t.right), 'String') AS right,
  toUInt64(greatest(t.baskets, 0)) AS baskets,
  t.level AS level
FROM tillstream.basket_pairs AS t FINAL
ARRAY JOIN [0, 1] AS back
WHERE t.lane = '' AND t.right != ''
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW tillstream.affinity_items AS
SELECT CAST(level, 'String') AS level, CAST(left, 'String') AS item, sum(baskets) AS baskets
FROM tillstream.basket_pairs
WHERE lane = '' AND right = '' AND business_date > (SELECT as_of FROM tillstream.marketing_days) - 91 AND business_date <= (SELECT as_of FROM tillstream.marketing_days)
GROUP BY level, left
HAVING baskets > 0
SETTINGS aggregate_functions_null_for_empty = 0;

-- What goes with what in the baskets of all stores in the 91 days up to as_of, by the formulas of mlxtend.
CREATE OR REPLACE VIEW tillstream.affinity_now AS
WITH
  s.all AS total,
  p.baskets / total AS together,
  l.baskets / total AS with_left,
  r.baskets / total AS with_right,
  p.baskets / l.baskets AS share
SELECT
  p.level AS level,
  p.x AS left,
  p.y AS right,
  toUInt64(p.baskets) AS baskets,
  together AS support,
  share AS confidence,
  share / with_right AS lift,
  together - with_left * with_right AS leverage,
  if(p.baskets = l.baskets, inf, (1 - with_right) / (1 - share)) AS conviction,
  toUInt64(total) AS all_baskets
FROM
(
  SELECT level, if(back, right, left) AS x, if(back, left, right) AS y, baskets
  FROM
  (
    SELECT CAST(level, 'String') AS level, CAST(left, 'String') AS left, CAST(right, 'String') AS right, sum(baskets) AS baskets
    FROM tillstream.basket_pairs
    WHERE lane = '' AND right != '' AND business_date > (SELECT as_of FROM tillstream.marketing_days) - 91 AND business_date <= (SELECT as_of FROM tillstream.marketing_days)
    GROUP BY level, left, right
    HAVING baskets > 0
  )
  ARRAY JOIN [0, 1] AS back
) AS p
INNER JOIN tillstream.affinity_items AS l ON p.level = l.level AND p.x = l.item
INNER JOIN tillstream.affinity_items AS r ON p.level = r.level AND p.y = r.item
INNER JOIN (SELECT level, baskets AS all FROM tillstream.affinity_items WHERE item = '') AS s ON p.level = s.level
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

-- A product's place among those of its store and day, by units (returns are taken off on their day).
CREATE OR REPLACE VIEW pos.best_sellers
(
  store_id String,
  category LowCardinality(String),
  product_id String,
  currency LowCardinality(String),
  business_date Date,
  units Decimal(18,3),
  revenue Decimal(18,4),
  rank UInt32,
  baskets UInt64,
  rank_revenue UInt32,
  rank_baskets UInt32,
  rank_category UInt32
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  multiIf(
    currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), toInt64(10000),
    currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), toInt64(10),
    currency IN ('CLF', 'UYW'), toInt64(1),
    toInt64(100)) AS scale,
  intDiv(999999999999999999, scale) AS most
SELECT
  CAST(store_id, 'String') AS store_id,
  category,
  product_id,
  currency,
  business_date,
  units_of * toDecimal64('0.001', 3) AS units,
  least(greatest(revenue_of, -most), most) * scale * toDecimal64('0.0001', 4) AS revenue,
  toUInt32(rank() OVER day_units) AS rank,
  baskets,
  toUInt32(rank() OVER day_revenue) AS rank_revenue,
  toUInt32(rank() OVER day_baskets) AS rank_baskets,
  toUInt32(rank() OVER category_units) AS rank_category
FROM
(
  SELECT store_id, category, product_id, currency, business_date, units AS units_of, revenue AS revenue_of, baskets
  FROM tillstream.product_sales FINAL
  WHERE lane = ''
  SETTINGS do_not_merge_across_partitions_select_final = 1
)
WINDOW
  day_units AS (PARTITION BY store_id, business_date, currency ORDER BY units_of DESC),
  day_revenue AS (PARTITION BY store_id, business_date, currency ORDER BY revenue_of DESC),
  day_baskets AS (PARTITION BY store_id, business_date, currency ORDER BY baskets DESC),
  category_units AS (PARTITION BY store_id, business_date, currency, category ORDER BY units_of DESC);

-- What an hour of the week brings, on average of those in which the store was open, in the 91 days up to the last one that is over. Open are the hours of
-- the registry and those in which something was sold; of a store without any, all the dates on which it sold. customers are the known ones.
CREATE OR REPLACE VIEW pos.peak_hours
(
  store_id String,
  dow UInt8,
  local_hour UInt8,
  transactions_avg Float64,
  net_avg Decimal(18,4),
  customers_avg Float64,
  currency LowCardinality(String),
  open_hours UInt32
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  multiIf(
    currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), toInt64(10000),
    currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), toInt64(10),
    currency IN ('CLF', 'UYW'), toInt64(1),
    toInt64(100)) AS scale,
  intDiv(999999999999999999, scale) AS most
SELECT
  store_id,
  dow,
  slot.1 AS local_hour,
  slot.3 / open_hours AS transactions_avg,
  toInt64(round(least(greatest(slot.4 * scale / open_hours, -9.9e17), 9.9e17))) * toDecimal64('0.0001', 4) AS net_avg,
  slot.5 / open_hours AS customers_avg,
  slot.2 AS currency,
  toUInt32(if(has_hours, arrayCount(x -> x.1 = slot.1, hours), dates)) AS open_hours
FROM
(
  SELECT
    store_id, dow,
    groupArray((local_hour, coin, transactions, net, customers)) AS slots,
    groupUniqArrayArray(slot_hours) AS hours,
    length(groupUniqArrayArray(days)) AS dates,
    store_id IN (SELECT store_id FROM tillstream.opening_hours) AS has_hours
  FROM
  (
    SELECT
      store_id, dow, local_hour, coin,
      sum(t) AS transactions, sum(n) AS net, sum(c) AS customers,
      groupUniqArrayIf((local_hour, hour), hour > toDateTime(0, 'UTC')) AS slot_hours,
      groupUniqArrayIf(day, day > toDate(0)) AS days
    FROM
    (
      SELECT
        CAST(store_id, 'String') AS store_id, toUInt8(toDayOfWeek(business_date)) AS dow, local_hour, CAST(currency, 'String') AS coin,
        if(t > 0, utc, toDateTime(0, 'UTC')) AS hour, if(t > 0, business_date, toDate(0)) AS day, t, n, toUInt64(0) AS c
      FROM
      (
        SELECT store_id, business_date, hour AS utc, local_hour, currency, toInt64(sum(transactions)) AS t, sum(net) AS n
        FROM tillstream.sales_hourly
        WHERE lane = '' AND business_date > (SELECT last_day FROM tillstream.marketing_days) - 91 AND business_date <= (SELECT last_day FROM tillstream.marketing_days)
        GROUP BY store_id, business_date, utc, local_hour, currency
      )
      UNION ALL
      SELECT store_id, toUInt8(toDayOfWeek(date)), local_hour, '', hour, toDate(0), 0, 0, 0
      FROM tillstream.opening_hours
      UNION ALL
      SELECT store_id, dow, local_hour, coin, toDateTime(0, 'UTC'), toDate(0), 0, 0, count()
      FROM
      (
        SELECT CAST(store_id, 'String') AS store_id, toUInt8(toDayOfWeek(business_date)) AS dow, business_date, local_hour, CAST(currency, 'String') AS coin, customer
        FROM tillstream.customer_hours
        WHERE lane = '' AND business_date > (SELECT last_day FROM tillstream.marketing_days) - 91 AND business_date <= (SELECT last_day FROM tillstream.marketing_days)
        GROUP BY store_id, business_date, local_hour, currency, customer
        HAVING sum(transactions) > 0
      )
      GROUP BY store_id, dow, local_hour, coin
    )
    GROUP BY store_id, dow, local_hour, coin
  )
  GROUP BY store_id, dow
)
ARRAY JOIN slots AS slot
WHERE slot.2 != '' AND open_hours > 0
SETTINGS aggregate_functions_null_for_empty = 0, union_default_mode = 'ALL';

-- What every known customer did in the 365 days up to as_of, by currency: visits are dates and stores with a sale.
CREATE OR REPLACE VIEW tillstream.rfm_figures AS
SELECT
  customer,
  currency,
  toUInt32((SELECT as_of FROM tillstream.marketing_days) - maxIf(business_date, sales > 0)) AS recency_days,
  toUInt32(countIf(sales > 0)) AS frequency,
  sum(net_of) AS net
FROM
(
  SELECT customer, CAST(currency, 'String') AS currency, business_date, store_id, toInt64(sum(transactions)) AS sales, sum(net) AS net_of
  FROM tillstream.customer_days
  WHERE lane = '' AND business_date > (SELECT as_of FROM tillstream.marketing_days) - 365 AND business_date <= (SELECT as_of FROM tillstream.marketing_days)
  GROUP BY customer, currency, business_date, store_id
)
GROUP BY customer, currency
HAVING frequency > 0
SETTINGS aggregate_functions_null_for_empty = 0;

-- Scores of 1 to 5: one more than the number of quintile borders that a figure is beyond, so that equal ones share the lower score. Segments are those of
-- the R package rfm, the first that fits.
CREATE OR REPLACE VIEW tillstream.rfm_now AS
WITH
  toUInt8(1 + arrayCount(x -> -toInt64(c.recency_days) > x, q.by_r)) AS r,
  toUInt8(1 + arrayCount(x -> c.frequency > x, q.by_f)) AS f,
  toUInt8(1 + arrayCount(x -> c.net > x, q.by_m)) AS m
SELECT
  c.customer AS customer,
  c.currency AS currency,
  c.recency_days AS recency_days,
  c.frequency AS frequency,
  c.net AS net,
  r,
  f,
  m,
  multiIf(
    r = 5 AND f = 5 AND m = 5, 'champions',
    r >= 3 AND f >= 3 AND m >= 2, 'potential_loyalists',
    r BETWEEN 2 AND 4 AND f BETWEEN 2 AND 4 AND m BETWEEN 2 AND 4, 'loyal_customers',
    r BETWEEN 3 AND 4 AND f <= 3 AND m >= 3, 'promising',
    r >= 4 AND f <= 3, 'new_customers',
    r <= 2 AND f BETWEEN 3 AND 4 AND m >= 4, 'cant_lose_them',
    r <= 2 AND f >= 2 AND m >= 4, 'at_risk',
    r <= 3 AND f >= 3 AND m >= 3, 'need_attention',
    r BETWEEN 2 AND 3 AND f <= 3 AND m <= 4, 'about_to_sleep',
    r = 1, 'lost',
    'others') AS segment
FROM tillstream.rfm_figures AS c
INNER JOIN
(
  SELECT
    currency,
    quantilesExact(0.2, 0.4, 0.6, 0.8)(-toInt64(recency_days)) AS by_r,
    quantilesExact(0.2, 0.4, 0.6, 0.8)(frequency) AS by_f,
    quantilesExact(0.2, 0.4, 0.6, 0.8)(net) AS by_m
  FROM tillstream.rfm_figures
  GROUP BY currency
) AS q ON c.currency = q.currency
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

CREATE TABLE IF NOT EXISTS tillstream.rfm (
  customer UInt64 CODEC(ZSTD),
  currency LowCardinality(String),
  recency_days UInt32 CODEC(T64, ZSTD),
  frequency UInt32 CODEC(T64, ZSTD),
  net Int64 CODEC(T64, ZSTD),
  r UInt8,
  f UInt8,
  m UInt8,
  segment LowCardinality(String),
  generation UInt64
) ENGINE = MergeTree
PARTITION BY generation
ORDER BY customer
SETTINGS non_replicated_deduplication_window = 100;

CREATE OR REPLACE VIEW pos.rfm
(
  customer UInt64,
  currency LowCardinality(String),
  recency_days UInt32,
  frequency UInt32,
  monetary Decimal(18,4),
  r UInt8,
  f UInt8,
  m UInt8,
  segment LowCardinality(String),
  refreshed_at DateTime64(3,'UTC')
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
  t.customer AS customer,
  t.currency AS currency,
  t.recency_days AS recency_days,
  t.frequency AS frequency,
  least(greatest(t.net, -most), most) * scale * toDecimal64('0.0001', 4) AS monetary,
  t.r AS r,
  t.f AS f,
  t.m AS m,
  t.segment AS segment,
  fromUnixTimestamp64Milli(toInt64(t.generation), 'UTC') AS refreshed_at
FROM tillstream.rfm AS t
WHERE t.generation = (SELECT generation FROM tillstream.generations WHERE name = 'rfm');

-- Customers by the month of their first purchase ever, which is since history_from, in each currency by itself; every month since, those without a
-- purchase too.
CREATE OR REPLACE VIEW tillstream.cohorts_now AS
WITH (SELECT min(business_date) FROM tillstream.customer_days WHERE lane = '') AS history
SELECT
  cohort,
  currency,
  toUInt16(arrayJoin(range(0, toUInt16(dateDiff('month', cohort, assumeNotNull((SELECT as_of FROM tillstream.marketing_days))) + 1)))) AS period,
  customers,
  toUInt64(active.2[indexOf(active.1, period)]) AS active,
  worth.2[indexOf(worth.1, period)] AS net,
  toUInt8(addMonths(cohort, period + 1) <= assumeNotNull((SELECT last_day FROM tillstream.marketing_days)) + 1) AS complete,
  history AS history_from
FROM
(
  SELECT
    cohort, currency,
    count() AS customers,
    sumMap(arrayMap(x -> x.1, since), arrayMap(x -> toUInt64(x.2 > 0), since)) AS active,
    sumMap(arrayMap(x -> x.1, since), arrayMap(x -> x.3, since)) AS worth
  FROM
  (
    SELECT
      customer, currency,
      minIf(month, visits > 0) AS cohort,
      arrayFilter(x -> x.1 >= 0, arrayMap(x -> (toInt32(dateDiff('month', cohort, x.1)), x.2, x.3), groupArray((month, visits, net_of)))) AS since
    FROM
    (
      SELECT customer, CAST(currency, 'String') AS currency, toStartOfMonth(business_date) AS month, toInt64(sum(transactions)) AS visits, sum(net) AS net_of
      FROM tillstream.customer_days
      WHERE lane = '' AND business_date <= (SELECT as_of FROM tillstream.marketing_days)
      GROUP BY customer, currency, month
    )
    GROUP BY customer, currency
    HAVING countIf(visits > 0) > 0
  )
  GROUP BY cohort, currency
)
SETTINGS aggregate_functions_null_for_empty = 0;

CREATE TABLE IF NOT EXISTS tillstream.cohorts (
  cohort Date,
  currency LowCardinality(String),
  period UInt16,
  customers UInt64,
  active UInt64,
  net Int64,
  complete UInt8,
  history_from Date,
  generation UInt64
) ENGINE = MergeTree
PARTITION BY generation
ORDER BY (cohort, currency, period)
SETTINGS non_replicated_deduplication_window = 100;

CREATE OR REPLACE VIEW pos.cohorts
(
  cohort Date,
  period UInt16,
  customers UInt64,
  active UInt64,
  retention Float64,
  net Decimal(18,4),
  currency LowCardinality(String),
  complete UInt8,
  history_from Date,
  refreshed_at DateTime64(3,'UTC')
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
  t.cohort AS cohort,
  t.period AS period,
  t.customers AS customers,
  t.active AS active,
  t.active / t.customers AS retention,
  least(greatest(t.net, -most), most) * scale * toDecimal64('0.0001', 4) AS net,
  t.currency AS currency,
  t.complete AS complete,
  t.history_from AS history_from,
  fromUnixTimestamp64Milli(toInt64(t.generation), 'UTC') AS refreshed_at
FROM tillstream.cohorts AS t
WHERE t.generation = (SELECT generation FROM tillstream.generations WHERE name = 'cohorts');

-- The dates on which a customer bought, ascending, and what was net on all those after the first.
CREATE OR REPLACE VIEW tillstream.buying_days AS
SELECT
  customer, currency,
  arraySort(arrayMap(x -> x.1, arrayFilter(x -> x.2 > 0, dates))) AS days,
  arraySum(x -> if(x.1 > days[1], x.3, 0), dates) AS net_later
FROM
(
  SELECT customer, currency, groupArray((business_date, sales, net_of)) AS dates
  FROM
  (
    SELECT customer, CAST(currency, 'String') AS currency, business_date, toInt64(sum(transactions)) AS sales, sum(net) AS net_of
    FROM tillstream.customer_days
    WHERE lane = '' AND business_date <= (SELECT as_of FROM tillstream.marketing_days)
    GROUP BY customer, currency, business_date
  )
  GROUP BY customer, currency
  HAVING countIf(sales > 0) > 0
)
SETTINGS aggregate_functions_null_for_empty = 0;

-- x, t_x and T as the Python package lifetimes has them, in days.
CREATE OR REPLACE VIEW tillstream.clv_inputs_now AS
SELECT
  customer,
  currency,
  toUInt32(length(days) - 1) AS x,
  toUInt32(days[-1] - days[1]) AS t_x,
  toUInt32((SELECT as_of FROM tillstream.marketing_days) - days[1]) AS T,
  net_later
FROM tillstream.buying_days;

CREATE TABLE IF NOT EXISTS tillstream.clv_inputs (
  customer UInt64 CODEC(ZSTD),
  currency LowCardinality(String),
  x UInt32 CODEC(T64, ZSTD),
  t_x UInt32 CODEC(T64, ZSTD),
  T UInt32 CODEC(T64, ZSTD),
  net_later Int64 CODEC(T64, ZSTD),
  generation UInt64
) ENGINE = MergeTree
PARTITION BY generation
ORDER BY customer
SETTINGS non_replicated_deduplication_window = 100;

CREATE OR REPLACE VIEW pos.clv_inputs
(
  customer UInt64,
  currency LowCardinality(String),
  x UInt32,
  t_x UInt32,
  T UInt32,
  m Decimal(18,4),
  refreshed_at DateTime64(3,'UTC')
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
  t.customer AS customer,
  t.currency AS currency,
  t.x AS x,
  t.t_x AS t_x,
  t.T AS T,
  toInt64(round(least(greatest(if(t.x = 0, 0, t.net_later * scale / t.x), -9.9e17), 9.9e17))) * toDecimal64('0.0001', 4) AS m,
  fromUnixTimestamp64Milli(toInt64(t.generation), 'UTC') AS refreshed_at
FROM tillstream.clv_inputs AS t
WHERE t.generation = (SELECT generation FROM tillstream.generations WHERE name = 'clv_inputs');

-- Days between two dates on which a customer bought, whatever the currency.
CREATE OR REPLACE VIEW tillstream.purchase_gaps_now AS
SELECT toUInt32(gap) AS gap_days, count() AS times
FROM
(
  SELECT arrayJoin(arrayPopFront(arrayDifference(arrayMap(x -> toInt32(x), arraySort(groupArray(business_date)))))) AS gap
  FROM
  (
    SELECT customer, business_date
    FROM tillstream.customer_days
    WHERE lane = '' AND business_date <= (SELECT as_of FROM tillstream.marketing_days)
    GROUP BY customer, business_date
    HAVING toInt64(sum(transactions)) > 0
  )
  GROUP BY customer
)
GROUP BY gap;

CREATE TABLE IF NOT EXISTS tillstream.purchase_gaps (
  gap_days UInt32,
  times UInt64,
  generation UInt64
) ENGINE = MergeTree
PARTITION BY generation
ORDER BY gap_days
SETTINGS non_replicated_deduplication_window = 100;

CREATE OR REPLACE VIEW pos.purchase_gaps
(
  gap_days UInt32,
  times UInt64,
  refreshed_at DateTime('UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT t.gap_days AS gap_days, t.times AS times, toDateTime(intDiv(t.generation, 1000), 'UTC') AS refreshed_at
FROM tillstream.purchase_gaps AS t
WHERE t.generation = (SELECT generation FROM tillstream.generations WHERE name = 'purchase_gaps');

-- Of the customers in rfm what is usual in the same 365 days: the most frequent, of equal ones the first.
CREATE OR REPLACE VIEW tillstream.buyer_profiles_now AS
SELECT
  r.customer AS customer,
  r.currency AS currency,
  r.segment AS segment,
  i.top_category AS top_category,
  h.usual_dow AS usual_dow,
  h.usual_hour AS usual_hour,
  h.usual_store AS usual_store,
  h.usual_method AS usual_method,
  d.median_interval AS median_interval_days,
  d.last_at AS last_at,
  d.channels AS channels,
  r.net AS net
FROM (SELECT * FROM tillstream.rfm WHERE generation = (SELECT generation FROM tillstream.generations WHERE name = 'rfm')) AS r
LEFT ANY JOIN
(
  SELECT customer, currency, argMin(category, (-revenue, category)) AS top_category
  FROM
  (
    SELECT customer, CAST(currency, 'String') AS currency, CAST(category, 'String') AS category, sum(revenue) AS revenue
    FROM tillstream.customer_items
    WHERE lane = '' AND category != '' AND business_date > (SELECT as_of FROM tillstream.marketing_days) - 365 AND business_date <= (SELECT as_of FROM tillstream.marketing_days)
    GROUP BY customer, currency, category
    HAVING revenue > 0
  )
  GROUP BY customer, currency
) AS i ON r.customer = i.customer AND r.currency = i.currency
LEFT ANY JOIN
(
  WITH m -> arraySort(x -> (-x.2, x.1), arrayZip(m.1, m.2))[1].1 AS usual
  SELECT
    customer, currency,
    usual(sumMap([toUInt8(toDayOfWeek(business_date))], [n])) AS usual_dow,
    usual(sumMap([local_hour], [n])) AS usual_hour,
    usual(sumMap([store_id], [n])) AS usual_store,
    usual(sumMap([method], [n])) AS usual_method
  FROM
  (
    SELECT customer, CAST(currency, 'String') AS currency, business_date, local_hour, CAST(store_id, 'String') AS store_id, CAST(method, 'String') AS method, sum(transactions) AS n
    FROM tillstream.customer_hours
    WHERE lane = '' AND business_date > (SELECT as_of FROM tillstream.marketing_days) - 365 AND business_date <= (SELECT as_of FROM tillstream.marketing_days)
    GROUP BY customer, currency, business_date, local_hour, store_id, method
    HAVING n > 0
  )
  GROUP BY customer, currency
) AS h ON r.customer = h.customer AND r.currency = h.currency
LEFT ANY JOIN
(
  WITH arrayPopFront(arrayDifference(arrayMap(x -> toInt32(x), arraySort(groupUniqArray(business_date))))) AS gaps
  SELECT
    customer, currency,
    if(length(gaps) >= 3, arrayReduce('quantileExactInclusive(0.5)', gaps), 0) AS median_interval,
    max(last_at) AS last_at,
    arraySort(groupUniqArray(channel)) AS channels
  FROM
  (
    SELECT customer, CAST(currency, 'String') AS currency, business_date, CAST(channel, 'String') AS channel, max(last_at) AS last_at
    FROM tillstream.customer_days
    WHERE lane = '' AND business_date > (SELECT as_of FROM tillstream.marketing_days) - 365 AND business_date <= (SELECT as_of FROM tillstream.marketing_days)
    GROUP BY customer, currency, business_date, channel
    HAVING toInt64(sum(transactions)) > 0
  )
  GROUP BY customer, currency
) AS d ON r.customer = d.customer AND r.currency = d.currency
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

CREATE TABLE IF NOT EXISTS tillstream.buyer_profiles (
  customer UInt64 CODEC(ZSTD),
  currency LowCardinality(String),
  segment LowCardinality(String),
  top_category LowCardinality(String),
  usual_dow UInt8,
  usual_hour UInt8,
  usual_store LowCardinality(String),
  usual_method LowCardinality(String),
  median_interval_days Float64 CODEC(ZSTD),
  last_at DateTime('UTC') CODEC(ZSTD),
  channels Array(String) CODEC(ZSTD),
  net Int64 CODEC(T64, ZSTD),
  generation UInt64
) ENGINE = MergeTree
PARTITION BY generation
ORDER BY (usual_store, customer)
SETTINGS non_replicated_deduplication_window = 100;

CREATE OR REPLACE VIEW pos.buyer_profiles
(
  customer UInt64,
  segment LowCardinality(String),
  top_category LowCardinality(String),
  usual_dow UInt8,
  usual_hour UInt8,
  usual_store String,
  usual_method LowCardinality(String),
  median_interval_days Float64,
  last_at DateTime('UTC'),
  channels Array(String),
  net_365d Decimal(18,4),
  currency LowCardinality(String),
  refreshed_at DateTime64(3,'UTC')
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
  t.customer AS customer,
  t.segment AS segment,
  t.top_category AS top_category,
  t.usual_dow AS usual_dow,
  t.usual_hour AS usual_hour,
  CAST(t.usual_store, 'String') AS usual_store,
  t.usual_method AS usual_method,
  t.median_interval_days AS median_interval_days,
  t.last_at AS last_at,
  t.channels AS channels,
  least(greatest(t.net, -most), most) * scale * toDecimal64('0.0001', 4) AS net_365d,
  t.currency AS currency,
  fromUnixTimestamp64Milli(toInt64(t.generation), 'UTC') AS refreshed_at
FROM tillstream.buyer_profiles AS t
WHERE t.generation = (SELECT generation FROM tillstream.generations WHERE name = 'buyer_profiles');

-- What the customers of a segment, as it is now, bought on each of the 91 days up to as_of.
CREATE OR REPLACE VIEW tillstream.segment_products_now AS
SELECT
  r.segment AS segment, i.category AS category, i.product_id AS product_id, i.business_date AS business_date, i.currency AS currency,
  sum(i.units_of) AS units, sum(i.revenue_of) AS revenue, uniqExactIf(i.customer, i.units_of > 0) AS customers
FROM
(
  SELECT business_date, customer, CAST(currency, 'String') AS currency, CAST(category, 'String') AS category, product_id, sum(units) AS units_of, sum(revenue) AS revenue_of
  FROM tillstream.customer_items
  WHERE lane = '' AND business_date > (SELECT as_of FROM tillstream.marketing_days) - 91 AND business_date <= (SELECT as_of FROM tillstream.marketing_days)
  GROUP BY business_date, customer, currency, category, product_id
) AS i
INNER JOIN
(
  SELECT customer, CAST(currency, 'String') AS currency, CAST(segment, 'String') AS segment
  FROM tillstream.rfm
  WHERE generation = (SELECT generation FROM tillstream.generations WHERE name = 'rfm')
) AS r ON i.customer = r.customer AND i.currency = r.currency
GROUP BY segment, category, product_id, business_date, currency
HAVING units != 0 OR revenue != 0 OR customers > 0
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

CREATE TABLE IF NOT EXISTS tillstream.segment_products (
  segment LowCardinality(String),
  category LowCardinality(String),
  product_id String CODEC(ZSTD),
  business_date Date CODEC(Delta, ZSTD),
  currency LowCardinality(String),
  units Int64 CODEC(T64, ZSTD),
  revenue Int64 CODEC(T64, ZSTD),
  customers UInt64 CODEC(T64, ZSTD),
  generation UInt64
) ENGINE = MergeTree
PARTITION BY generation
ORDER BY (segment, business_date, product_id, currency)
SETTINGS non_replicated_deduplication_window = 100;

CREATE OR REPLACE VIEW pos.segment_products
(
  segment LowCardinality(String),
  category LowCardinality(String),
  product_id String,
  business_date Date,
  currency LowCardinality(String),
  units Decimal(18,3),
  revenue Decimal(18,4),
  customers UInt64,
  refreshed_at DateTime64(3,'UTC')
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
  t.segment AS segment,
  t.category AS category,
  t.product_id AS product_id,
  t.business_date AS business_date,
  t.currency AS currency,
  t.units * toDecimal64('0.001', 3) AS units,
  least(greatest(t.revenue, -most), most) * scale * toDecimal64('0.0001', 4) AS revenue,
  t.customers AS customers,
  fromUnixTimestamp64Milli(toInt64(t.generation), 'UTC') AS refreshed_at
FROM tillstream.segment_products AS t
WHERE t.generation = (SELECT generation FROM tillstream.generations WHERE name = 'segment_products');

-- A run of a promotion: from the first to the last day it was seen in any store, without a gap of more than a week; of the last 400 days.
CREATE OR REPLACE VIEW tillstream.promotion_runs AS
SELECT promotion_id, run[1] AS from_day, run[-1] AS to_day
FROM
(
  SELECT promotion_id, arrayJoin(arraySplit((d, gap) -> gap > 7, days, arrayDifference(arrayMap(d -> toInt32(d), days)))) AS run
  FROM
  (
    SELECT promotion_id, arraySort(groupArray(business_date)) AS days
    FROM
    (
      SELECT promotion_id, business_date
      FROM tillstream.promotion_days
      WHERE lane = '' AND business_date > (SELECT last_day FROM tillstream.marketing_days) - 400 AND business_date <= (SELECT last_day FROM tillstream.marketing_days)
      GROUP BY promotion_id, business_date
      HAVING sum(units) > 0
    )
    GROUP BY promotion_id
  )
);

-- What was sold in a run with the promotion: by store and product.
CREATE OR REPLACE VIEW tillstream.promotion_sales_now AS
SELECT
  r.promotion_id AS promotion_id, r.from_day AS from_day, any(r.to_day) AS to_day,
  p.store_id AS store_id, p.product_id AS product_id, p.category AS category, p.currency AS currency,
  sum(p.units) AS flagged, sum(p.discount) AS discount
FROM
(
  SELECT promotion_id, business_date, CAST(store_id, 'String') AS store_id, product_id, CAST(category, 'String') AS category, CAST(currency, 'String') AS currency, units, discount
  FROM tillstream.promotion_days
  WHERE lane = '' AND business_date > (SELECT last_day FROM tillstream.marketing_days) - 400 AND business_date <= (SELECT last_day FROM tillstream.marketing_days)
) AS p
INNER JOIN tillstream.promotion_runs AS r ON p.promotion_id = r.promotion_id
WHERE p.business_date BETWEEN r.from_day AND r.to_day
GROUP BY promotion_id, from_day, store_id, product_id, category, currency
HAVING flagged > 0
SETTINGS join_use_nulls = 0;

-- Steps towards promotion_uplift are refreshed too: a view of all of them would take seconds to plan, and read the sales twice.
CREATE TABLE IF NOT EXISTS tillstream.promotion_sales (
  promotion_id String,
  from_day Date,
  to_day Date,
  store_id String,
  product_id String,
  category String,
  currency String,
  flagged Int64,
  discount Int64,
  generation UInt64
) ENGINE = MergeTree
PARTITION BY generation
ORDER BY (promotion_id, from_day, store_id, product_id)
SETTINGS non_replicated_deduplication_window = 100;

-- The products of a run.
CREATE OR REPLACE VIEW tillstream.promotion_products AS
SELECT DISTINCT promotion_id, from_day, to_day, product_id, category, currency
FROM tillstream.promotion_sales
WHERE generation = (SELECT generation FROM tillstream.generations WHERE name = 'promotion_sales');

-- The runs that a product was in while a run went on or in the twelve weeks before it.
CREATE OR REPLACE VIEW tillstream.promotion_beside AS
SELECT a.promotion_id AS promotion_id, a.from_day AS from_day, a.category AS category, b.product_id AS product_id, b.from_day AS other_from, b.to_day AS other_to, b.promotion_id AS other
FROM (SELECT DISTINCT promotion_id, from_day, to_day, category FROM tillstream.promotion_products) AS a
INNER JOIN (SELECT DISTINCT promotion_id, from_day, to_day, category, product_id FROM tillstream.promotion_products) AS b ON a.category = b.category
WHERE b.from_day <= a.to_day AND b.to_day >= a.from_day - 84
SETTINGS join_use_nulls = 0;

-- The days of a run in each store that took part, and those that they are compared with: the last eight of the same type (weekday, Saturday, Sunday) of the
-- twelve weeks before on which the store sold and no product of the run was promoted. times is how often a day counts: a run's own once, the others as often
-- as the run has days of their type for each of them. Without four for each type that the run has, a store is left out.
CREATE OR REPLACE VIEW tillstream.promotion_slots AS
WITH
  d -> transform(toDayOfWeek(d), [6, 7], [2, 3], 1) AS day_type,
  arrayMap(t -> arrayCount(d -> day_type(d) = t, own), [1, 2, 3]) AS days_of,
  arrayMap(t -> arraySlice(arrayReverseSort(arrayFilter(d -> day_type(d) = t, before)), 1, 8), [1, 2, 3]) AS compared_of
SELECT
  promotion_id, from_day, store_id,
  arrayJoin(arrayConcat(
    arrayMap(d -> (d, toUInt8(1), toFloat64(1)), own),
    arrayFlatten(arrayMap((n, compared) -> arrayMap(d -> (d, toUInt8(0), n / length(compared)), compared), days_of, compared_of)))) AS slot,
  slot.1 AS day,
  slot.2 AS promoted,
  slot.3 AS times
FROM
(
  SELECT
    s.promotion_id AS promotion_id, s.from_day AS from_day, s.store_id AS store_id,
    arrayFilter(d -> d >= s.from_day AND d <= s.to_day, o.open) AS own,
    arrayFilter(d -> d >= s.from_day - 84 AND d < s.from_day AND NOT arrayExists(x -> d >= x.1 AND d <= x.2, b.runs), o.open) AS before
  FROM
  (
    SELECT DISTINCT promotion_id, from_day, to_day, store_id
    FROM tillstream.promotion_sales
    WHERE generation = (SELECT generation FROM tillstream.generations WHERE name = 'promotion_sales')
  ) AS s
  INNER JOIN
  (
    SELECT store_id, groupArray(business_date) AS open
    FROM
    (
      SELECT CAST(store_id, 'String') AS store_id, business_date
      FROM tillstream.sales_hourly
      WHERE lane = '' AND business_date > (SELECT last_day FROM tillstream.marketing_days) - 484 AND business_date <= (SELECT last_day FROM tillstream.marketing_days)
      GROUP BY store_id, business_date
      HAVING toInt64(sum(transactions)) > 0
    )
    GROUP BY store_id
  ) AS o ON s.store_id = o.store_id
  LEFT ANY JOIN
  (
    SELECT p.promotion_id AS promotion_id, p.from_day AS from_day, groupUniqArray((b.other_from, b.other_to)) AS runs
    FROM tillstream.promotion_products AS p
    INNER JOIN tillstream.promotion_beside AS b ON p.promotion_id = b.promotion_id AND p.from_day = b.from_day AND p.product_id = b.product_id
    WHERE (b.other, b.other_from) != (p.promotion_id, p.from_day)
    GROUP BY promotion_id, from_day
  ) AS b ON s.promotion_id = b.promotion_id AND s.from_day = b.from_day
)
WHERE notEmpty(own) AND arrayAll((n, compared) -> n = 0 OR length(compared) >= 4, days_of, compared_of)
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

-- Units in thousandths, with and without a run: of each product of it, and, as product '', of those of the same category that no promotion touched.
CREATE OR REPLACE VIEW tillstream.promotion_units_now AS
SELECT
  s.promotion_id AS promotion_id, s.from_day AS from_day, s.store_id AS store_id, p.category AS category, p.currency AS currency,
  if((s.promotion_id, s.from_day, p.product_id, p.category) IN (SELECT promotion_id, from_day, product_id, category FROM tillstream.promotion_products), p.product_id, '') AS product,
  sumIf(p.units * s.times, s.promoted = 0) AS usual,
  sumIf(p.units, s.promoted = 1) AS sold
FROM
(
  SELECT business_date, CAST(store_id, 'String') AS store_id, product_id, CAST(category, 'String') AS category, CAST(currency, 'String') AS currency, units
  FROM tillstream.product_sales
  WHERE lane = '' AND business_date > (SELECT last_day FROM tillstream.marketing_days) - 484 AND business_date <= (SELECT last_day FROM tillstream.marketing_days)
    AND category IN (SELECT category FROM tillstream.promotion_products)
) AS p
INNER JOIN
(
  SELECT s.promotion_id AS promotion_id, s.from_day AS from_day, s.store_id AS store_id, s.day AS day, s.promoted AS promoted, s.times AS times, c.category AS category
  FROM tillstream.promotion_slots AS s
  INNER JOIN (SELECT DISTINCT promotion_id, from_day, category FROM tillstream.promotion_products) AS c ON s.promotion_id = c.promotion_id AND s.from_day = c.from_day
) AS s ON p.store_id = s.store_id AND p.business_date = s.day AND p.category = s.category
WHERE product != '' OR (s.promotion_id, s.from_day, p.product_id, p.category) NOT IN (SELECT promotion_id, from_day, product_id, category FROM tillstream.promotion_beside)
GROUP BY promotion_id, from_day, store_id, category, currency, product
SETTINGS join_use_nulls = 0;

CREATE TABLE IF NOT EXISTS tillstream.promotion_units (
  promotion_id String,
  from_day Date,
  store_id String,
  category String,
  currency String,
  product String,
  usual Float64,
  sold Int64,
  generation UInt64
) ENGINE = MergeTree
PARTITION BY generation
ORDER BY (promotion_id, from_day, store_id, product)
SETTINGS non_replicated_deduplication_window = 100;

-- By run, store and product: what was sold, what was to be expected, and the share of what the rest of the category fell short. Also of stores in which a
-- product did not sell: to leave them out would flatter it.
CREATE OR REPLACE VIEW tillstream.promotion_rows AS
WITH
  (SELECT generation FROM tillstream.generations WHERE name = 'promotion_sales') AS sales,
  (SELECT generation FROM tillstream.generations WHERE name = 'promotion_units') AS units
SELECT
  p.promotion_id AS promotion_id, p.from_day AS from_day, p.to_day AS to_day, s.store_id AS store_id, p.product_id AS product_id, p.category AS category, p.currency AS currency,
  u.usual / 1000 AS baseline,
  u.sold / 1000 AS sold_units,
  sum(baseline) OVER (PARTITION BY promotion_id, from_day, store_id, category, currency) AS all_baseline,
  count() OVER (PARTITION BY promotion_id, from_day, store_id, category, currency) AS all_products,
  (o.usual - o.sold) / 1000 * if(all_baseline > 0, baseline / all_baseline, 1 / all_products) AS cannibalised,
  d.flagged AS flagged,
  d.discount AS discount
FROM tillstream.promotion_products AS p
INNER JOIN
(
  SELECT DISTINCT promotion_id, from_day, store_id, currency
  FROM tillstream.promotion_sales
  WHERE generation = sales AND (promotion_id, from_day, store_id) IN (SELECT promotion_id, from_day, store_id FROM tillstream.promotion_units WHERE generation = units)
) AS s ON p.promotion_id = s.promotion_id AND p.from_day = s.from_day AND p.currency = s.currency
LEFT ANY JOIN (SELECT * FROM tillstream.promotion_units WHERE generation = units AND product != '') AS u
  ON p.promotion_id = u.promotion_id AND p.from_day = u.from_day AND s.store_id = u.store_id AND p.category = u.category AND p.currency = u.currency AND p.product_id = u.product
LEFT ANY JOIN (SELECT * FROM tillstream.promotion_units WHERE generation = units AND product = '') AS o
  ON p.promotion_id = o.promotion_id AND p.from_day = o.from_day AND s.store_id = o.store_id AND p.category = o.category AND p.currency = o.currency
LEFT ANY JOIN (SELECT * FROM tillstream.promotion_sales WHERE generation = sales) AS d
  ON p.promotion_id = d.promotion_id AND p.from_day = d.from_day AND s.store_id = d.store_id AND p.category = d.category AND p.currency = d.currency AND p.product_id = d.product_id
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

-- The interval is that of the product in all stores of the run: 200 times the stores are drawn anew, each as often as a hash of its name says (Poisson with
-- mean 1), so that the same data give the same interval.
CREATE OR REPLACE VIEW tillstream.promotion_uplift_now AS
SELECT
  r.promotion_id AS promotion_id, r.store_id AS store_id, r.product_id AS product_id, r.from_day AS period_start, r.to_day AS period_end,
  r.baseline AS baseline_units, r.sold_units AS promoted_units, r.cannibalised AS cannibalised_units, r.discount AS discount, r.currency AS currency,
  r.category AS category, r.flagged AS flagged, b.uplift AS uplift_all, b.low AS uplift_low, b.high AS uplift_high, toUInt32(b.stores) AS stores
FROM tillstream.promotion_rows AS r
INNER JOIN
(
  WITH
    w -> multiIf(w < 0.3678794412, 0, w < 0.7357588823, 1, w < 0.9196986029, 2, w < 0.9810118432, 3, w < 0.9963401532, 4, w < 0.9994058152, 5, 6) AS poisson,
    arrayMap(i -> poisson(cityHash64(store_id, i) / 18446744073709551616), range(200)) AS weights,
    arrayFilter(x -> isFinite(x), arrayMap((a, b) -> a / b - 1, sumForEach(arrayMap(w -> w * sold_units, weights)), sumForEach(arrayMap(w -> w * baseline, weights)))) AS drawn
  SELECT
    promotion_id, from_day, product_id, category, currency,
    count() AS stores,
    sum(sold_units) / sum(baseline) - 1 AS uplift,
    if(stores >= 5 AND notEmpty(drawn), arrayReduce('quantilesExactInclusive(0.025, 0.975)', drawn), [nan, nan]) AS interval,
    interval[1] AS low,
    interval[2] AS high
  FROM tillstream.promotion_rows
  GROUP BY promotion_id, from_day, product_id, category, currency
) AS b ON r.promotion_id = b.promotion_id AND r.from_day = b.from_day AND r.product_id = b.product_id AND r.category = b.category AND r.currency = b.currency
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

CREATE TABLE IF NOT EXISTS tillstream.promotion_uplift (
  promotion_id String,
  store_id LowCardinality(String),
  product_id String,
  period_start Date,
  period_end Date,
  baseline_units Float64,
  promoted_units Float64,
  cannibalised_units Float64,
  discount Int64,
  currency LowCardinality(String),
  category LowCardinality(String),
  flagged Int64,
  uplift_all Float64,
  uplift_low Float64,
  uplift_high Float64,
  stores UInt32,
  generation UInt64
) ENGINE = MergeTree
PARTITION BY generation
ORDER BY (promotion_id, period_start, store_id, product_id)
SETTINGS non_replicated_deduplication_window = 100;

CREATE OR REPLACE VIEW pos.promotion_uplift
(
  promotion_id String,
  store_id String,
  product_id String,
  period_start Date,
  period_end Date,
  baseline_units Float64,
  promoted_units Float64,
  uplift Float64,
  uplift_low Float64,
  uplift_high Float64,
  cannibalised_units Float64,
  discount Decimal(18,4),
  currency LowCardinality(String),
  category LowCardinality(String),
  flagged_units Decimal(18,3),
  uplift_all Float64,
  stores UInt32,
  refreshed_at DateTime64(3,'UTC')
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
  t.promotion_id AS promotion_id,
  CAST(t.store_id, 'String') AS store_id,
  t.product_id AS product_id,
  t.period_start AS period_start,
  t.period_end AS period_end,
  t.baseline_units AS baseline_units,
  t.promoted_units AS promoted_units,
  t.promoted_units / t.baseline_units - 1 AS uplift,
  t.uplift_low AS uplift_low,
  t.uplift_high AS uplift_high,
  t.cannibalised_units AS cannibalised_units,
  least(greatest(t.discount, -most), most) * scale * toDecimal64('0.0001', 4) AS discount,
  t.currency AS currency,
  t.category AS category,
  t.flagged * toDecimal64('0.001', 3) AS flagged_units,
  t.uplift_all AS uplift_all,
  t.stores AS stores,
  fromUnixTimestamp64Milli(toInt64(t.generation), 'UTC') AS refreshed_at
FROM tillstream.promotion_uplift AS t
WHERE t.generation = (SELECT generation FROM tillstream.generations WHERE name = 'promotion_uplift');

CREATE TABLE IF NOT EXISTS tillstream.affinity (
  level LowCardinality(String),
  left String,
  right String,
  baskets UInt64,
  support Float64,
  confidence Float64,
  lift Float64,
  leverage Float64,
  conviction Float64,
  all_baskets UInt64,
  generation UInt64
) ENGINE = MergeTree
PARTITION BY generation
ORDER BY (left, right)
SETTINGS non_replicated_deduplication_window = 100;

-- store_id is '': all stores together.
CREATE OR REPLACE VIEW pos.affinity
(
  store_id String,
  left String,
  right String,
  baskets UInt64,
  support Float64,
  confidence Float64,
  lift Float64,
  leverage Float64,
  conviction Float64,
  level LowCardinality(String),
  all_baskets UInt64,
  refreshed_at DateTime64(3,'UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  '' AS store_id,
  t.left AS left,
  t.right AS right,
  t.baskets AS baskets,
  t.support AS support,
  t.confidence AS confidence,
  t.lift AS lift,
  t.leverage AS leverage,
  t.conviction AS conviction,
  t.level AS level,
  t.all_baskets AS all_baskets,
  fromUnixTimestamp64Milli(toInt64(t.generation), 'UTC') AS refreshed_at
FROM tillstream.affinity AS t
WHERE t.generation = (SELECT generation FROM tillstream.generations WHERE name = 'affinity');
