-- Planning what outages cost took longer than reckoning it. Views with parameters are analysed once more at every level that they are nested in: there are none
-- now. And what is reckoned reads the runs of outages gathered by store, only as far back as they matter and without their service time.

-- Until when a terminal's status counts, and when it is taken to be gone.
CREATE OR REPLACE VIEW tillstream.terminal_ends AS
SELECT
  store_id,
  terminal_id,
  first_seen,
  toUnixTimestamp64Milli(now64(3)) AS at,
  toUnixTimestamp64Milli(last_seen) AS seen,
  if(toUnixTimestamp64Milli(retires_at) > 0, toUnixTimestamp64Milli(retires_at),
    seen + if(status IN ('down', 'maintenance'), toInt64(366 * 86400000), ifNull((SELECT value FROM tillstream.settings FINAL WHERE name = 'retire_after_ms'), toInt64(31 * 86400000)))) AS retires,
  if(status = 'withdrawn', seen, greatest(seen, least(at, retires))) AS until
FROM tillstream.terminal_status FINAL
WHERE lane = '';

-- The runs of pos.outages (outage_runs) by store, of those that reach into the 86 days before impact_from or later: terminal, from and to in ms, whether it ended,
-- outage_id, when the terminal was first seen.
CREATE OR REPLACE VIEW tillstream.store_runs AS
SELECT
  store_id,
  groupArrayArray(arrayMap(r -> (terminal_id, r[1].1, arrayMax(r.2), r[-1].3, r[1].4, first_seen), arraySplit((r, gap) -> gap >= 30000, spells, gaps))) AS runs
FROM
(
  SELECT
    CAST(t.store_id, 'String') AS store_id,
    CAST(t.terminal_id, 'String') AS terminal_id,
    toUnixTimestamp64Milli(e.first_seen) AS first_seen,
    arrayMap(s -> (s.1, multiIf(s.2 IS NOT NULL, assumeNotNull(s.2), e.at > 0, greatest(e.until, s.1), s.1), s.2 IS NOT NULL OR e.at > 0 AND e.until = e.retires, s.3), t.told) AS spells,
    arrayMap((x, y) -> x - y, spells.1, arrayPushFront(arrayPopBack(spells.2), toInt64(0))) AS gaps
  FROM
  (
    SELECT store_id, terminal_id, arraySort(groupArray((toUnixTimestamp64Milli(started_at), toUnixTimestamp64Milli(resolved_at), outage_id))) AS told
    FROM tillstream.outages FINAL
    WHERE lane = '' AND (resolved_at IS NULL OR resolved_at >= (SELECT day FROM tillstream.impact_from) - INTERVAL 87 DAY)
    GROUP BY store_id, terminal_id
    SETTINGS do_not_merge_across_partitions_select_final = 1
  ) AS t
  LEFT ANY JOIN tillstream.terminal_ends AS e ON t.store_id = e.store_id AND t.terminal_id = e.terminal_id
)
GROUP BY store_id
SETTINGS join_use_nulls = 0;

-- What the newest refresh keeps: it holds as long as the outage has that end.
CREATE OR REPLACE VIEW tillstream.impact_kept AS
SELECT *, toUnixTimestamp64Milli(started_at) AS from_ms, toUnixTimestamp64Milli(assumeNotNull(resolved_at)) AS to_ms
FROM tillstream.outage_impact
WHERE generation = (SELECT max(generation) FROM tillstream.refreshes WHERE name = 'outage_impact') AND resolved_at IS NOT NULL AND to_ms + 10800000 < toInt64(generation);

-- beside are the runs of the till in the 86 days before, and those of other tills of the store that meet the outage or the two hours before it.
CREATE OR REPLACE VIEW tillstream.outages_to_reckon AS
SELECT
  r.5 AS outage_id, store_id, r.1 AS terminal_id, r.2 AS from_ms, r.3 AS to_ms, r.4 AS ended, r.6 AS first_seen,
  arrayFilter(x -> x.2 < to_ms AND x.3 > from_ms - if(x.1 = terminal_id, 86 * toInt64(86400000), 7200000), runs) AS beside
FROM
(
  SELECT s.store_id AS store_id, s.runs AS runs, arrayFilter(x -> x.2 >= (SELECT ms FROM tillstream.impact_from) AND NOT has(k.keys, cityHash64(x.5, x.2, x.3)), s.runs) AS open
  FROM tillstream.store_runs AS s
  LEFT ANY JOIN (SELECT store_id, groupArray(cityHash64(outage_id, from_ms, to_ms)) AS keys FROM tillstream.impact_kept GROUP BY store_id) AS k ON s.store_id = k.store_id
)
ARRAY JOIN open AS r
SETTINGS join_use_nulls = 0;

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
      r.outage_id AS outage_id, r.store_id AS store_id, r.terminal_id AS terminal_id, r.from_ms AS from_ms, r.to_ms AS to_ms, r.first_seen AS first_seen, r.beside AS beside,
      z.registered AS registered, z.shift AS shift,
      arrayMap(d -> toInt64(toUInt16(d)), z.holidays) AS holidays,
      arrayLast(x -> x.1 <= toDate(intDiv(r.from_ms, 1000)), z.zones).2 AS tz,
      arrayFilter(x -> x.2 > r.from_ms - 7200000 AND x.1 < r.to_ms + 3600000, if(z.registered, w.windows, [(r.from_ms - 10800000, r.to_ms + 7200000)])) AS open
    FROM (SELECT * FROM tillstream.outages_to_reckon WHERE to_ms > from_ms AND to_ms - from_ms <= 14 * 86400000) AS r
    INNER JOIN tillstream.store_zones AS z ON r.store_id = z.store_id
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
      AND store_id IN (SELECT store_id FROM tillstream.outages_to_reckon)
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

-- An outage has a row for each currency that its till sold in, else one.
CREATE OR REPLACE VIEW tillstream.outage_impact_of AS
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
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

CREATE OR REPLACE VIEW tillstream.outage_impact_now AS
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
FROM tillstream.store_zones AS z
RIGHT JOIN tillstream.outages_to_reckon AS r ON z.store_id = r.store_id
LEFT JOIN tillstream.outage_impact_of AS e ON r.outage_id = e.outage_id AND r.store_id = e.store_id
SETTINGS join_use_nulls = 0, aggregate_functions_null_for_empty = 0;

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
  lost_net_high Nullable(Decimal(18,4)),
  refreshed_at Nullable(DateTime64(3,'UTC'))
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT *, NULL AS refreshed_at FROM tillstream.outage_impact_now
UNION ALL
SELECT * EXCEPT (generation, from_ms, to_ms), fromUnixTimestamp64Milli(toInt64(generation), 'UTC') AS refreshed_at
FROM tillstream.impact_kept
WHERE (outage_id, from_ms, to_ms) IN (SELECT r.5, r.2, r.3 FROM tillstream.store_runs ARRAY JOIN runs AS r WHERE r.4 AND r.2 >= (SELECT ms FROM tillstream.impact_from));
