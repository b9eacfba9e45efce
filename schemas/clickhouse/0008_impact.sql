-- What each till sold, by quarter-hour: a row has the four of one UTC hour, which makes a quarter of the rows. Hour first, because what is
-- asked for are the same hours of a few days, of all stores. last_at is of the newest sale, 1970 where there were only returns.
CREATE TABLE IF NOT EXISTS tillstream.terminal_sales (
  lane LowCardinality(String),
  hour DateTime('UTC') CODEC(Delta, ZSTD),
  store_id LowCardinality(String),
  terminal_id LowCardinality(String),
  currency LowCardinality(String),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  transactions_00 SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  transactions_15 SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  transactions_30 SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  transactions_45 SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  net_00 SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  net_15 SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  net_30 SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  net_45 SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  last_at SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (lane, hour, store_id, terminal_id, currency)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

CREATE OR REPLACE VIEW pos.terminal_sales
(
  store_id String,
  terminal_id String,
  currency LowCardinality(String),
  quarter DateTime('UTC'),
  transactions UInt64,
  net Decimal(18,4)
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
  t.currency AS currency,
  t.hour + 900 * q.1 AS quarter,
  q.2 AS transactions,
  least(greatest(q.3, -most), most) * scale * toDecimal64('0.0001', 4) AS net
FROM tillstream.terminal_sales AS t FINAL
ARRAY JOIN arrayZip([0, 1, 2, 3], [t.transactions_00, t.transactions_15, t.transactions_30, t.transactions_45], [t.net_00, t.net_15, t.net_30, t.net_45]) AS q
WHERE t.lane = '' AND (q.2 > 0 OR q.3 != 0)
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- Where a store is in time. tz is its zone by local date, from the registry; of a store that is not registered UTC, and shift is how far its tills' clocks
-- are from that. holidays are those of its calendar, and its special days, about now.
CREATE OR REPLACE VIEW tillstream.store_zones AS
SELECT
  s.store_id AS store_id,
  s.registered AS registered,
  if(empty(d.zones), [(toDate(0), 'UTC')], d.zones) AS zones,
  if(empty(d.zones), h.shift, 0) AS shift,
  d.holidays AS holidays,
  if(d.currency != '', d.currency, h.currency) AS currency
FROM (SELECT CAST(store_id, 'String') AS store_id, registered FROM tillstream.store_status FINAL WHERE lane = '') AS s
LEFT ANY JOIN
(
  WITH
    (SELECT groupUniqArray(time_zone) FROM system.time_zones) AS known,
    arrayMap(v -> if(has(known, JSONExtractString(v, 'timezone')), JSONExtractString(v, 'timezone'), 'UTC'), versions) AS names,
    arrayMap((v, i) -> if(i = 1, toDate(0), toDateOrZero(JSONExtractString(v, 'from'))), versions, arrayEnumerate(versions)) AS froms,
    arrayMap(y -> toString(toYear(now('UTC')) + y), [-2, -1, 0, 1]) AS years
  SELECT
    name AS store_id,
    arrayZip(froms, names) AS zones,
    arrayFlatten(arrayMap((v, from, to) -> arrayFilter(d -> d >= from AND d < to,
      arrayMap(x -> toDateOrZero(x), arrayFilter(x -> toString(toDateOrZero(x)) = x, arrayConcat( -- 29 February
        JSONExtract(v, 'calendar', 'holidays', 'Array(String)'),
        JSONExtractKeys(v, 'calendar', 'days'),
        arrayFlatten(arrayMap(y -> arrayMap(m -> concat(y, '-', m), JSONExtract(v, 'calendar', 'yearly', 'Array(String)')), years)))))),
      versions, froms, arrayMap(i -> if(i < length(froms), froms[i + 1], toDate('2149-06-06')), arrayEnumerate(froms)))) AS holidays,
    JSONExtractString(versions[-1], 'currency') AS currency
  FROM
  (
    SELECT name, JSONExtractArrayRaw(document, 'versions') AS versions
    FROM (SELECT name, document, deleted FROM tillstream.registry FINAL WHERE kind = 'Document' ORDER BY revision DESC LIMIT 1 BY name)
    WHERE deleted = 0
  )
) AS d ON s.store_id = d.store_id
LEFT ANY JOIN
(
  SELECT
    CAST(store_id, 'String') AS store_id,
    3600 * ((argMax(local_hour - toHour(hour), hour) + 34) % 24 - 10) AS shift,
    CAST(argMax(currency, (transactions, hour)), 'String') AS currency
  FROM tillstream.sales_hourly
  WHERE lane = '' AND business_date >= today() - 92
  GROUP BY store_id
) AS h ON s.store_id = h.store_id
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

-- How far back the views of what was to be expected go: whole months before this one. It is what their time grows with.
CREATE OR REPLACE VIEW tillstream.impact_from AS
SELECT
  toDateTime(toStartOfMonth(now('UTC') - toIntervalMonth(ifNull((SELECT value FROM tillstream.settings FINAL WHERE name = 'impact_months'), 1))), 'UTC') AS day,
  1000 * toInt64(toUnixTimestamp(day)) AS ms;

-- opens in seconds, closes in milliseconds: of registered stores, 88 days more than impact_from back.
CREATE OR REPLACE VIEW tillstream.opening_windows AS
SELECT CAST(t.store_id, 'String') AS store_id, toInt64(toUnixTimestamp(w.1)) AS opens, 1000 * toInt64(toUnixTimestamp(w.2)) AS closes
FROM tillstream.service_windows AS t FINAL
ARRAY JOIN arrayZip(t.opens, t.closes) AS w
WHERE t.lane = '' AND t.month >= toStartOfMonth((SELECT day FROM tillstream.impact_from) - INTERVAL 88 DAY) AND t.month <= toStartOfMonth(now('UTC') + INTERVAL 9 DAY);

-- Hours in which a store is open, from impact_from to eight days ahead. open is in ms, open_from and open_to the first and last moment in s of the hour.
CREATE OR REPLACE VIEW tillstream.open_store_time AS
SELECT
  store_id,
  toDateTime(h, 'UTC') AS hour,
  any(registered) AS registered,
  toUInt64(sum(least(closes, 1000 * (h + 3600)) - greatest(1000 * opens, 1000 * h))) AS open,
  min(greatest(opens - h, 0)) AS open_from,
  max(least(intDiv(closes, 1000) - h, 3600)) AS open_to
FROM
(
  SELECT *, arrayJoin(range(3600 * intDiv(opens, 3600), intDiv(closes, 1000), 3600)) AS h
  FROM
  (
    SELECT w.store_id AS store_id, toUInt8(1) AS registered, greatest(w.opens, intDiv((SELECT ms FROM tillstream.impact_from), 1000)) AS opens, least(w.closes, 1000 * (toInt64(toUnixTimestamp(now())) + 8 * 86400)) AS closes
    FROM tillstream.opening_windows AS w
    UNION ALL
    SELECT
      CAST(s.store_id, 'String'), toUInt8(0),
      greatest(intDiv((SELECT ms FROM tillstream.impact_from), 1000), toInt64(toUnixTimestamp(toStartOfHour(toDateTime(f.first_seen, 'UTC'))))),
      3600000 * intDiv(toInt64(toUnixTimestamp(now())) + 8 * 86400, 3600)
    FROM (SELECT store_id FROM tillstream.store_status FINAL WHERE lane = '' AND NOT registered) AS s
    INNER JOIN (SELECT store_id, min(first_seen) AS first_seen FROM tillstream.terminal_status FINAL WHERE lane = '' GROUP BY store_id) AS f ON s.store_id = f.store_id
  )
  WHERE 1000 * opens < closes
)
GROUP BY store_id, h
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

-- Outages since impact_from that lasted 14 days at most, a row for each local date (a part) with opening hours in them. hours are those of UTC that matter:
-- the outage's own and, before the first part and after the last one, two hours and one more. Each has its local time and, by quarter, which share of the
-- opening hours is in the outage, before it, and after it. back are the dates of the same type before this one, counted in days: twelve and 84 days at most.
-- beside are the runs of the till in that time, and those of other tills of the store that meet the outage or the two hours before it.
CREATE OR REPLACE VIEW tillstream.outage_parts AS
WITH
  u -> toInt64(toUnixTimestamp(toDateTime(toString(toDateTime(u, 'UTC'), tz), 'UTC'))) + shift AS local,
  (h, a, b) -> arrayMap(q -> arraySum(w -> greatest(least(w.2, b, 1000 * (h + q + 900)) - greatest(w.1, a, 1000 * (h + q)), 0), open), [0, 900, 1800, 2700]) AS within,
  (h, a, b) -> arrayMap((part, whole) -> if(whole > 0, part / whole, 0), within(h, a, b), within(h, 1000 * h, 1000 * h + 3600000)) AS shares,
  d -> if(has(feasts, d), 4, transform(toDayOfWeek(toDate(d)), [6, 7], [2, 3], 1)) AS day_type,
  intDiv(local(3600 * intDiv(from_ms, 3600000)), 86400) AS first_date,
  intDiv(local(3600 * intDiv(to_ms - 1, 3600000)), 86400) AS last_date
SELECT
  outage_id, store_id, terminal_id, from_ms, to_ms, tz, shift, registered, first_seen, beside,
  date,
  date = first_date AS first,
  arrayFilter(w -> w.1 < w.2, arrayMap(w -> (greatest(w.1, from_ms, 1000 * own_hours[1].1), least(w.2, to_ms, 1000 * own_hours[-1].1 + 3600000)), open)) AS served,
  served[1].1 AS open_from,
  served[-1].2 AS open_to,
  arraySlice(arrayFilter(k -> day_type(date - k) = day_type(date), range(1, 85)), 1, 12) AS back,
  hours
FROM
(
  SELECT
    *,
    arrayJoin(range(first_date, last_date + 1)) AS date,
    arrayFilter(d -> d > date - 85 AND d <= date, holidays) AS feasts,
    arrayFilter(x -> arraySum(x.3) + arraySum(x.4) + arraySum(x.5) > 0, arrayMap(x -> (
        x.1,
        x.2,
        shares(x.1, from_ms, to_ms),
        shares(x.1, from_ms - 7200000, from_ms),
        shares(x.1, to_ms, to_ms + 3600000)),
      arrayFilter(x -> least(greatest(intDiv(x.2, 86400), first_date), last_date) = date,
        arrayMap(h -> (h, local(h)), range(3600 * intDiv(from_ms - 7200000, 3600000), intDiv(to_ms + 3600000 - 1, 1000) + 1, 3600))))) AS hours,
    arrayFilter(x -> arraySum(x.3) > 0, hours) AS own_hours
  FROM
  (
    SELECT
      r.outage_id AS outage_id, CAST(r.store_id, 'String') AS store_id, CAST(r.terminal_id, 'String') AS terminal_id, r.from_ms AS from_ms, r.to_ms AS to_ms,
      z.registered AS registered, z.shift AS shift,
      arrayMap(d -> toInt64(toUInt16(d)), z.holidays) AS holidays,
      arrayLast(x -> x.1 <= toDate(intDiv(r.from_ms, 1000)), z.zones).2 AS tz,
      toUnixTimestamp64Milli(s.first_seen) AS first_seen,
      arrayFilter(x -> x.2 > r.from_ms - 7200000 AND x.1 < r.to_ms + 3600000, if(z.registered, w.windows, [(r.from_ms - 10800000, r.to_ms + 7200000)])) AS open,
      arrayFilter(x -> x.2 < r.to_ms AND x.3 > r.from_ms - if(x.1 = r.terminal_id, 86 * toInt64(86400000), 7200000), d.runs) AS beside
    FROM
    (
      SELECT * FROM tillstream.outage_runs
      WHERE from_ms >= (SELECT ms FROM tillstream.impact_from) AND to_ms > from_ms AND to_ms - from_ms <= 14 * 86400000
    ) AS r
    INNER JOIN tillstream.store_zones AS z ON r.store_id = z.store_id
    LEFT ANY JOIN (SELECT store_id, terminal_id, first_seen FROM tillstream.terminal_status FINAL WHERE lane = '') AS s ON r.store_id = s.store_id AND r.terminal_id = s.terminal_id
    LEFT ANY JOIN
    (
      SELECT store_id, groupArray((CAST(terminal_id, 'String'), from_ms, to_ms)) AS runs
      FROM tillstream.outage_runs
      WHERE to_ms >= (SELECT ms FROM tillstream.impact_from) - 86 * toInt64(86400000)
      GROUP BY store_id
    ) AS d ON r.store_id = d.store_id
    LEFT ANY JOIN
    (
      SELECT store_id, groupArrayArray(arrayMap((a, b) -> (1000 * toInt64(toUnixTimestamp(a)), 1000 * toInt64(toUnixTimestamp(b))), opens, closes)) AS windows
      FROM (SELECT * FROM tillstream.service_windows FINAL WHERE lane = '' AND month >= toStartOfMonth((SELECT day FROM tillstream.impact_from) - INTERVAL 1 DAY) AND month <= toStartOfMonth(now('UTC')) ORDER BY store_id, month)
      GROUP BY store_id
    ) AS w ON r.store_id = w.store_id
  )
)
WHERE notEmpty(own_hours)
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

-- With each part the last eight of those dates on which the store was open at the outage's first and last moment of service and the till was there and
-- not down: days are (k, the hours k days back with the same local times). A time that the clocks skipped makes a date unfit.
CREATE OR REPLACE VIEW tillstream.outage_days AS
WITH u -> toInt64(toUnixTimestamp(toDateTime(toString(toDateTime(u, 'UTC'), tz), 'UTC'))) + shift AS local
SELECT
  outage_id, store_id, terminal_id, from_ms, date,
  any(to_ms) AS to_ms, any(first) AS first, any(hours) AS hours,
  any(beside) AS runs,
  arraySum(b -> greatest(least(b.3, to_ms) - greatest(b.2, from_ms), 0), runs) / (to_ms - from_ms) AS together,
  arrayMap(b -> cityHash64(b.1), arrayFilter(b -> b.2 < to_ms AND b.3 > from_ms AND b.1 != terminal_id, runs)) AS down_in,
  arrayMap(b -> cityHash64(b.1), arrayFilter(b -> b.2 < from_ms AND b.3 > from_ms - 7200000, runs)) AS down_before,
  arraySlice(arraySort(groupArrayIf((k, back_hours), fit)), 1, 8) AS days
FROM
(
  SELECT
    p.outage_id AS outage_id, p.store_id AS store_id, p.terminal_id AS terminal_id, p.from_ms AS from_ms, p.to_ms AS to_ms, p.date AS date, p.first AS first,
    p.hours AS hours, p.beside AS beside, p.k AS k, p.back_hours AS back_hours,
    p.there AND NOT arrayExists(x -> x.1 = p.terminal_id AND x.2 < p.back_to AND x.3 > p.back_from, p.beside)
      AND (p.registered = 0 OR a.closes > p.back_from AND b.closes >= p.back_to) AS fit
  FROM
  (
    SELECT
      *, k,
      arrayMap(x -> (x.2 - 86400 * k) - (local(x.1 - 86400 * k) - (x.1 - 86400 * k)), hours) AS back_hours,
      open_from + 1000 * (back_hours[arrayFirstIndex(x -> 1000 * x.1 + 3600000 > open_from, hours)] - hours[arrayFirstIndex(x -> 1000 * x.1 + 3600000 > open_from, hours)].1) AS back_from,
      open_to + 1000 * (back_hours[arrayFirstIndex(x -> 1000 * x.1 + 3600000 >= open_to, hours)] - hours[arrayFirstIndex(x -> 1000 * x.1 + 3600000 >= open_to, hours)].1) AS back_to,
      k > 0 AND first_seen <= back_from AND arrayAll((x, h) -> h % 3600 = 0 AND local(h) = x.2 - 86400 * k, hours, back_hours) AS there,
      intDiv(back_from, 1000) AS back_from_s,
      intDiv(back_to - 1, 1000) AS back_last_s
    FROM tillstream.outage_parts
    LEFT ARRAY JOIN back AS k
  ) AS p
  LEFT ASOF JOIN tillstream.opening_windows AS a ON p.store_id = a.store_id AND p.back_from_s >= a.opens
  LEFT ASOF JOIN tillstream.opening_windows AS b ON p.store_id = b.store_id AND p.back_last_s >= b.opens
)
GROUP BY outage_id, store_id, terminal_id, from_ms, date
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

-- What was sold in those hours, by part and currency: is on the day itself, was on the days that it is compared with, of which a day without any counts 0.
-- own is the till in the outage, other what was not down beside it, before is all that was not down in the two hours before, after the till in the hour
-- after. together is how many tills were down at a time, on average: so many share what the others sold more.
CREATE OR REPLACE VIEW tillstream.outage_sums AS
SELECT
  outage_id, store_id, date, currency,
  any(first) AS first,
  any(compared) AS compared,
  any(together) AS together,
  max(own_t != 0 OR own_n != 0) AS own_sold,
  sum(abs(other_n)) AS all_sold,
  sumIf(own_t, k = 0) AS own_t_is,
  sumIf(own_n, k = 0) AS own_n_is,
  sumIf(other_n, k = 0) AS other_n_is,
  sumIf(before_t, k = 0) AS before_t_is,
  sumIf(after_n, k = 0) AS after_n_is,
  arrayReduce('quantileExactInclusive(0.5)', arrayResize(groupArrayIf(own_t, k > 0), compared)) AS own_t_was,
  arrayReduce('quantilesExactInclusive(0.1, 0.5, 0.9)', arrayResize(groupArrayIf(own_n, k > 0), compared)) AS own_n_was,
  arrayReduce('quantileExactInclusive(0.5)', arrayResize(groupArrayIf(other_n, k > 0), compared)) AS other_n_was,
  arrayReduce('quantileExactInclusive(0.5)', arrayResize(groupArrayIf(before_t, k > 0), compared)) AS before_t_was,
  arrayReduce('quantileExactInclusive(0.5)', arrayResize(groupArrayIf(after_n, k > 0), compared)) AS after_n_was
FROM
(
  WITH
    s.till = d.till AS own,
    (s.transactions_00, s.transactions_15, s.transactions_30, s.transactions_45) AS transactions,
    (s.net_00, s.net_15, s.net_30, s.net_45) AS net
  SELECT
    d.outage_id AS outage_id, d.store_id AS store_id, d.date AS date, d.k AS k, s.currency AS currency,
    any(d.first) AS first,
    any(d.compared) AS compared,
    any(d.together) AS together,
    sumIf(dotProduct(transactions, d.own_share), own) AS own_t,
    sumIf(dotProduct(net, d.own_share), own) AS own_n,
    sumIf(dotProduct(net, d.share), NOT own AND NOT has(d.down_in, s.till)) AS other_n,
    sumIf(dotProduct(transactions, if(own, d.own_before, d.before)), NOT has(d.down_before, s.till)) AS before_t,
    sumIf(dotProduct(net, d.own_after), own) AS after_n
  FROM
  (
    SELECT
      cityHash64(store_id) AS store, cityHash64(terminal_id) AS till, currency, hour,
      transactions_00, transactions_15, transactions_30, transactions_45, net_00, net_15, net_30, net_45
    FROM tillstream.terminal_sales
    WHERE lane = '' AND hour >= (SELECT day FROM tillstream.impact_from) - INTERVAL 86 DAY
  ) AS s
  RIGHT JOIN
  (
    WITH
      w -> (w[1], w[2], w[3], w[4]) AS quarters,
      w -> arrayMap((part, out) -> if(out < 1, part / (1 - out), 0), w, x.3) AS while_up
    SELECT
      outage_id, store_id, store, till, from_ms, date, first, together, down_in, down_before, compared, day.1 AS k,
      toDateTime(h, 'UTC') AS hour,
      quarters(x.3) AS share,
      quarters(x.4) AS before,
      quarters(if(k > 0, x.3, arrayMap((part, q) -> toFloat64(part > 0 AND from_ms <= 1000 * (h + q) AND to_ms >= 1000 * (h + q + 900)), x.3, [0, 900, 1800, 2700]))) AS own_share,
      quarters(if(k > 0, x.4, while_up(x.4))) AS own_before,
      quarters(if(k > 0, x.5, while_up(x.5))) AS own_after
    FROM
    (
      SELECT
        outage_id, store_id, cityHash64(store_id) AS store, cityHash64(terminal_id) AS till,
        from_ms, to_ms, date, first, together, down_in, down_before, hours, length(days) AS compared,
        arrayJoin(arrayPushFront(days, (toUInt8(0), arrayMap(x -> x.1, hours)))) AS day
      FROM tillstream.outage_days
    )
    ARRAY JOIN hours AS x, day.2 AS h
  ) AS d ON s.store = d.store AND s.hour = d.hour
  GROUP BY outage_id, store_id, date, k, currency
)
GROUP BY outage_id, store_id, date, currency
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

-- What an outage cost (domain 3.7; docs/impact.md): an estimate. Every sum is taken over the same hours of the outage's day (k = 0) and of the days that
-- it is compared with: of the till in the outage, of the other tills in it, of all that was not down in the two hours before, of the till in the hour after.
-- Where the outage covers a quarter-hour in part, what the till sold in it was sold in the other part.
CREATE OR REPLACE VIEW pos.outage_impact
(
  outage_id String,
  store_id String,
  expected_transactions Float64,
  actual_transactions UInt64,
  expected_net Decimal(18,4),
  actual_net Decimal(18,4),
  diverted_net Decimal(18,4),
  lost_net Decimal(18,4),
  currency LowCardinality(String),
  method LowCardinality(String),
  terminal_id String,
  started_at DateTime64(3,'UTC'),
  resolved_at Nullable(DateTime64(3,'UTC')),
  estimated UInt8,
  comparable_days UInt8,
  level Nullable(Float64),
  late_net Nullable(Decimal(18,4)),
  expected_net_low Nullable(Decimal(18,4)),
  expected_net_high Nullable(Decimal(18,4)),
  lost_net_low Nullable(Decimal(18,4)),
  lost_net_high Nullable(Decimal(18,4))
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  multiIf(
    coin IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), 1,
    coin IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), 0.001,
    coin IN ('CLF', 'UYW'), 0.0001,
    0.01) AS unit,
  x -> toDecimal64(least(greatest(if(known, x, 0) * unit, -9.9e13), 9.9e13), 4) AS money,
  if(e.currency != '', CAST(e.currency, 'String'), z.currency) AS coin,
  notEmpty(z.zones) AND r.to_ms - r.from_ms <= 14 * 86400000 AND (e.parts = 0 OR e.days >= 4) AS known,
  e.expected - e.actual - e.diverted - e.late AS lost
SELECT
  r.outage_id AS outage_id,
  r.store_id AS store_id,
  if(known, e.expected_transactions, 0) AS expected_transactions,
  toUInt64(e.actual_transactions) AS actual_transactions,
  money(e.expected) AS expected_net,
  toDecimal64(least(greatest(e.actual * unit, -9.9e13), 9.9e13), 4) AS actual_net,
  money(e.diverted) AS diverted_net,
  money(greatest(lost, 0)) AS lost_net,
  coin AS currency,
  multiIf(
    r.to_ms - r.from_ms > 14 * 86400000, 'none: longer than 14 days',
    empty(z.zones), 'none: nothing is known of the store',
    e.parts = 0, 'estimate: no service time',
    e.days < 4, concat('none: ', toString(e.days), ' of 4 comparable days'),
    concat('estimate: median of ', toString(e.days), ' comparable days')) AS method,
  r.terminal_id AS terminal_id,
  fromUnixTimestamp64Milli(r.from_ms, 'UTC') AS started_at,
  if(r.ended, fromUnixTimestamp64Milli(r.to_ms, 'UTC'), NULL) AS resolved_at,
  known AS estimated,
  toUInt8(e.days) AS comparable_days,
  if(known AND e.parts > 0, e.level, NULL) AS level,
  if(known, money(e.late), NULL) AS late_net,
  if(known, money(e.low), NULL) AS expected_net_low,
  if(known, money(e.high), NULL) AS expected_net_high,
  if(known, money(greatest(lost - e.expected + e.low, 0)), NULL) AS lost_net_low,
  if(known, money(greatest(lost - e.expected + e.high, 0)), NULL) AS lost_net_high
FROM
(
  SELECT outage_id, CAST(store_id, 'String') AS store_id, CAST(terminal_id, 'String') AS terminal_id, from_ms, to_ms, ended
  FROM tillstream.outage_runs
  WHERE from_ms >= (SELECT ms FROM tillstream.impact_from)
) AS r
LEFT ANY JOIN tillstream.store_zones AS z ON r.store_id = z.store_id
LEFT JOIN
(
  SELECT
    outage_id, store_id, days, parts,
    arrayJoin(if(arrayExists(x -> x.2, coins), arrayFilter(x -> x.2, coins), [arraySort(x -> (-x.3, x.1), coins)[1]])) AS x,
    x.1 AS currency, x.4 AS level, x.5 AS actual_transactions, x.6 AS expected_transactions, x.7 AS actual, x.8 AS low, x.9 AS expected, x.10 AS high,
    x.11 AS diverted, x.12 AS late
  FROM
  (
    SELECT
      outage_id, store_id,
      min(fewest) AS days, max(dates) AS parts,
      groupArray((currency, own, sold, level, actual_transactions, expected_transactions, actual, low, expected, high, diverted, late)) AS coins
    FROM
    (
      SELECT
        outage_id, store_id, currency,
        max(own_sold) AS own,
        sum(all_sold) AS sold,
        count() AS dates,
        min(compared) AS fewest,
        least(greatest(ifNotFinite(sumIf(before_t_is, first) / sumIf(before_t_was, first), 1), 0.5), 2) AS level,
        sum(own_t_is) AS actual_transactions,
        level * sumIf(own_t_was, first) + sumIf(own_t_was, NOT first) AS expected_transactions,
        sum(own_n_is) AS actual,
        level * sumIf(own_n_was[1], first) + sumIf(own_n_was[1], NOT first) AS low,
        level * sumIf(own_n_was[2], first) + sumIf(own_n_was[2], NOT first) AS expected,
        level * sumIf(own_n_was[3], first) + sumIf(own_n_was[3], NOT first) AS high,
        greatest(sum(other_n_is) - level * sumIf(other_n_was, first) - sumIf(other_n_was, NOT first), 0) / any(together) AS diverted,
        greatest(sum(after_n_is) - level * sumIf(after_n_was, first) - sumIf(after_n_was, NOT first), 0) AS late
      FROM tillstream.outage_sums
      GROUP BY outage_id, store_id, currency
    )
    GROUP BY outage_id, store_id
  )
) AS e ON r.outage_id = e.outage_id AND r.store_id = e.store_id
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

-- The hours that pos.expected_sales tells of, with the hours that each is compared with: (k, that hour k local days back).
CREATE OR REPLACE VIEW tillstream.expected_days AS
SELECT
  store_id, hour, any(open) AS open, any(currency) AS currency,
  arraySlice(arraySort(groupArrayIf((k, back_hour), fit)), 1, 8) AS days
FROM
(
  SELECT
    p.store_id AS store_id, p.hour AS hour, p.open AS open, p.currency AS currency, p.k AS k, p.back_hour AS back_hour,
    p.there
      AND (p.registered = 0 OR a.closes > 1000 * (p.back_hour + p.open_from) AND b.closes >= 1000 * (p.back_hour + p.open_to))
      AND NOT arrayExists(x -> x.1 < p.back_hour + 3600 AND x.2 > p.back_hour, o.runs) AS fit
  FROM
  (
    WITH
      u -> toInt64(toUnixTimestamp(toDateTime(toString(toDateTime(u, 'UTC'), tz), 'UTC'))) + shift AS local,
      toInt64(toUnixTimestamp(now())) AS at
    SELECT
      store_id, hour, open, currency, registered, open_from, open_to, k,
      (here - 86400 * k) - (local(h - 86400 * k) - (h - 86400 * k)) AS back_hour,
      back_hour + open_from AS back_from,
      back_hour + open_to - 1 AS back_last,
      k > 0 AND back_hour + 3600 <= at AND back_hour >= first_seen AND back_hour % 3600 = 0 AND local(back_hour) = here - 86400 * k AS there
    FROM
    (
      WITH
        u -> toInt64(toUnixTimestamp(toDateTime(toString(toDateTime(u, 'UTC'), tz), 'UTC'))) + shift AS local,
        d -> if(has(feasts, d), 4, transform(toDayOfWeek(toDate(d)), [6, 7], [2, 3], 1)) AS day_type
      SELECT
        t.store_id AS store_id, t.hour AS hour, t.open AS open, t.open_from AS open_from, t.open_to AS open_to, t.registered AS registered,
        z.shift AS shift, z.currency AS currency, f.first_seen AS first_seen,
        toInt64(toUnixTimestamp(hour)) AS h,
        arrayLast(x -> x.1 <= toDate(hour), z.zones).2 AS tz,
        local(h) AS here,
        intDiv(here, 86400) AS date,
        arrayFilter(d -> d > date - 85 AND d <= date, arrayMap(d -> toInt64(toUInt16(d)), z.holidays)) AS feasts,
        arraySlice(arrayFilter(k -> day_type(date - k) = day_type(date), range(1, 85)), 1, 20) AS back
      FROM tillstream.open_store_time AS t
      INNER JOIN tillstream.store_zones AS z ON t.store_id = z.store_id
      LEFT ANY JOIN (SELECT store_id, toInt64(toUnixTimestamp(min(first_seen))) AS first_seen FROM tillstream.terminal_status FINAL WHERE lane = '' GROUP BY store_id) AS f ON t.store_id = f.store_id
    )
    LEFT ARRAY JOIN back AS k
  ) AS p
  LEFT ASOF JOIN tillstream.opening_windows AS a ON p.store_id = a.store_id AND p.back_from >= a.opens
  LEFT ASOF JOIN tillstream.opening_windows AS b ON p.store_id = b.store_id AND p.back_last >= b.opens
  LEFT ANY JOIN
  (
    SELECT store_id, groupArray((toInt64(toUnixTimestamp(started_at)), toInt64(toUnixTimestamp(ifNull(resolved_at, now64(3)))))) AS runs
    FROM pos.store_outages
    GROUP BY store_id
  ) AS o ON p.store_id = o.store_id
)
GROUP BY store_id, hour
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

-- By store and UTC hour with opening hours in it, from impact_from to eight days ahead: what the same local hour sold on the last eight days of the same
-- type that are over, on which the store was open and could sell. Fewer than four of them: no row.
CREATE OR REPLACE VIEW pos.expected_sales
(
  store_id String,
  hour DateTime('UTC'),
  open_ms UInt64,
  transactions_p50 Float64,
  transactions_p05 Float64,
  net_p50 Decimal(18,4),
  currency LowCardinality(String),
  net_p10 Decimal(18,4),
  net_p90 Decimal(18,4),
  comparable_days UInt8,
  method LowCardinality(String)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  multiIf(
    currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), 1,
    currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), 0.001,
    currency IN ('CLF', 'UYW'), 0.0001,
    0.01) AS unit,
  x -> toDecimal64(least(greatest(x * unit, -9.9e13), 9.9e13), 4) AS money,
  arrayReduce('quantilesExactInclusive(0.05, 0.5)', groupArray(sold)) AS transactions,
  arrayReduce('quantilesExactInclusive(0.1, 0.5, 0.9)', groupArray(worth)) AS net
SELECT
  store_id, hour,
  any(open) AS open_ms,
  transactions[2] AS transactions_p50,
  transactions[1] AS transactions_p05,
  money(net[2]) AS net_p50,
  any(currency_of) AS currency,
  money(net[1]) AS net_p10,
  money(net[3]) AS net_p90,
  toUInt8(count()) AS comparable_days,
  concat('estimate: median of ', toString(count()), ' comparable days') AS method
FROM
(
  SELECT
    d.store_id AS store_id, d.hour AS hour, d.k AS k,
    any(d.open) AS open, any(d.currency) AS currency_of,
    toFloat64(sum(s.transactions)) AS sold,
    toFloat64(sumIf(s.net, s.currency = d.currency)) AS worth
  FROM
  (
    SELECT CAST(store_id, 'String') AS store_id, hour, CAST(currency, 'String') AS currency, transactions, net
    FROM tillstream.sales_hourly
    WHERE lane = '' AND business_date >= (SELECT toDate(day) FROM tillstream.impact_from) - 88
  ) AS s
  RIGHT JOIN
  (
    SELECT store_id, hour, open, currency, day.1 AS k, toDateTime(day.2, 'UTC') AS then
    FROM (SELECT *, arrayJoin(days) AS day FROM tillstream.expected_days)
  ) AS d ON s.store_id = d.store_id AND s.hour = d.then
  GROUP BY store_id, hour, k
)
GROUP BY store_id, hour
HAVING count() >= 4
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

-- Stores that are open, able to sell, and sold nothing since counted_start, with the hours since then and the days to compare with, as in outage_days.
CREATE OR REPLACE VIEW tillstream.silent_days AS
SELECT
  store_id, any(last_at) AS last_at, any(counted_start) AS counted_start, any(counted_end) AS counted_end, any(healthy) AS healthy, any(hours) AS hours,
  arraySlice(arraySort(groupArrayIf((k, back_hours), fit)), 1, 8) AS days
FROM
(
  SELECT
    p.store_id AS store_id, p.last_at AS last_at, p.counted_start AS counted_start, p.counted_end AS counted_end, p.healthy AS healthy, p.hours AS hours,
    p.k AS k, p.back_hours AS back_hours,
    p.there
      AND (p.registered = 0 OR a.closes > 1000 * p.back_from AND b.closes >= 1000 * (p.back_last + 1))
      AND NOT arrayExists(x -> x.1 <= p.back_last AND x.2 > p.back_from, o.runs) AS fit
  FROM
  (
    WITH u -> toInt64(toUnixTimestamp(toDateTime(toString(toDateTime(u, 'UTC'), tz), 'UTC'))) + shift AS local
    SELECT
      store_id, last_at, counted_start, counted_end, healthy, hours, registered, k,
      arrayMap(x -> (x.2 - 86400 * k) - (local(x.1 - 86400 * k) - (x.1 - 86400 * k)), hours) AS back_hours,
      counted_start + back_hours[1] - hours[1].1 AS back_from,
      counted_end + back_hours[-1] - hours[-1].1 - 1 AS back_last,
      k > 0 AND first_seen <= back_from AND arrayAll((x, h) -> h % 3600 = 0 AND local(h) = x.2 - 86400 * k, hours, back_hours) AS there
    FROM
    (
      WITH
        u -> toInt64(toUnixTimestamp(toDateTime(toString(toDateTime(u, 'UTC'), tz), 'UTC'))) + shift AS local,
        d -> if(has(feasts, d), 4, transform(toDayOfWeek(toDate(d)), [6, 7], [2, 3], 1)) AS day_type,
        intDiv(local(counted_end), 86400) AS date,
        86400 * date - (local(counted_end) - counted_end) AS guess
      SELECT
        s.store_id AS store_id, s.registered AS registered, z.shift AS shift, f.first_seen AS first_seen, f.healthy AS healthy,
        if(l.sold_at > 0, l.last_at, NULL) AS last_at,
        s.seen AS counted_end,
        arrayLast(x -> x.1 <= toDate(counted_end), z.zones).2 AS tz,
        greatest(l.sold_at, s.able_since, if(s.registered, w.opens, 0), 86400 * date - (local(guess) - guess)) AS counted_start,
        arrayMap(h -> (h, local(h), arrayMap(q -> greatest(least(counted_end, h + q + 900) - greatest(counted_start, h + q), 0) / 900, [0, 900, 1800, 2700])),
          range(3600 * intDiv(counted_start, 3600), counted_end, 3600)) AS hours,
        arrayFilter(d -> d > date - 85 AND d <= date, arrayMap(d -> toInt64(toUInt16(d)), z.holidays)) AS feasts,
        arraySlice(arrayFilter(k -> day_type(date - k) = day_type(date), range(1, 85)), 1, 12) AS back
      FROM
      (
        SELECT CAST(store_id, 'String') AS store_id, registered, toInt64(toUnixTimestamp(since)) AS able_since, toInt64(toUnixTimestamp(last_seen)) AS seen
        FROM pos.store_status
        WHERE status = 'up' AND in_service
      ) AS s
      INNER JOIN tillstream.store_zones AS z ON s.store_id = z.store_id
      INNER JOIN
      (
        SELECT store_id, toInt64(toUnixTimestamp(min(first_seen))) AS first_seen, countIf(status IN ('up', 'degraded')) AS healthy
        FROM pos.terminal_status
        GROUP BY store_id
      ) AS f ON s.store_id = f.store_id
      LEFT ANY JOIN
      (
        SELECT CAST(store_id, 'String') AS store_id, max(t.last_at) AS last_at, toInt64(toUnixTimestamp(max(t.last_at))) AS sold_at
        FROM tillstream.terminal_sales AS t
        WHERE t.lane = '' AND t.hour >= now() - INTERVAL 2 DAY
        GROUP BY store_id
      ) AS l ON s.store_id = l.store_id
      LEFT ASOF JOIN tillstream.opening_windows AS w ON s.store_id = w.store_id AND s.seen >= w.opens
      WHERE f.healthy > 0 AND counted_start < counted_end
    )
    LEFT ARRAY JOIN back AS k
  ) AS p
  LEFT ASOF JOIN tillstream.opening_windows AS a ON p.store_id = a.store_id AND p.back_from >= a.opens
  LEFT ASOF JOIN tillstream.opening_windows AS b ON p.store_id = b.store_id AND p.back_last >= b.opens
  LEFT ANY JOIN
  (
    SELECT store_id, groupArray((toInt64(toUnixTimestamp(started_at)), toInt64(toUnixTimestamp(ifNull(resolved_at, now64(3)))))) AS runs
    FROM pos.store_outages
    GROUP BY store_id
  ) AS o ON p.store_id = o.store_id
)
GROUP BY store_id
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

-- Stores that are open and able to sell and have sold nothing for so long that on each of the days that this one is compared with something was sold in the
-- same time. It is counted from the last sale, or from when the store opened, could sell again, or the local date began; to the newest that was heard of the
-- store, so that where nothing arrives nothing is silent.
CREATE OR REPLACE VIEW pos.sales_silence
(
  store_id String,
  last_sale_at Nullable(DateTime('UTC')),
  counted_from DateTime('UTC'),
  counted_to DateTime('UTC'),
  expected_transactions Float64,
  expected_transactions_p05 Float64,
  probability Float64,
  comparable_days UInt8,
  tills_healthy UInt64,
  method LowCardinality(String)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH arrayReduce('quantilesExactInclusive(0.05, 0.5)', groupArray(sold)) AS expected
SELECT
  store_id,
  any(last_at) AS last_sale_at,
  toDateTime(any(counted_start), 'UTC') AS counted_from,
  toDateTime(any(counted_end), 'UTC') AS counted_to,
  expected[2] AS expected_transactions,
  expected[1] AS expected_transactions_p05,
  exp(-expected_transactions) AS probability,
  toUInt8(count()) AS comparable_days,
  any(healthy) AS tills_healthy,
  concat('estimate: median of ', toString(count()), ' comparable days; probability as of Poisson') AS method
FROM
(
  WITH (s.transactions_00, s.transactions_15, s.transactions_30, s.transactions_45) AS transactions
  SELECT
    d.store_id AS store_id, d.k AS k,
    any(d.last_at) AS last_at, any(d.counted_start) AS counted_start, any(d.counted_end) AS counted_end, any(d.healthy) AS healthy,
    sum(dotProduct(transactions, (d.share[1], d.share[2], d.share[3], d.share[4]))) AS sold
  FROM
  (
    SELECT CAST(store_id, 'String') AS store_id, hour, transactions_00, transactions_15, transactions_30, transactions_45
    FROM tillstream.terminal_sales
    WHERE lane = '' AND hour >= now() - INTERVAL 86 DAY
  ) AS s
  RIGHT JOIN
  (
    SELECT store_id, last_at, counted_start, counted_end, healthy, day.1 AS k, toDateTime(h, 'UTC') AS then, x.3 AS share
    FROM (SELECT *, arrayJoin(days) AS day FROM tillstream.silent_days)
    ARRAY JOIN hours AS x, day.2 AS h
  ) AS d ON s.store_id = d.store_id AND s.hour = d.then
  GROUP BY store_id, k
)
GROUP BY store_id
HAVING count() >= 4 AND expected_transactions_p05 >= 1
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;
