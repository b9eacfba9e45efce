-- A till that runs and cannot sell is told from one that can as of now, too; and a store that cannot sell is that until so many of its tills have lapsed that
-- nobody knows.
ALTER TABLE tillstream.terminal_status
  ADD COLUMN IF NOT EXISTS disabled UInt8 CODEC(ZSTD);

CREATE OR REPLACE VIEW tillstream.open_ends AS
WITH
  arraySort(arrayMap(e -> (e.2, e.3), arrayFilter(e -> e.3 > toUnixTimestamp64Milli(t.since) AND e.2 < t.at AND (empty(e.1) OR has(e.1, t.terminal_id)), x.spans))) AS spans,
  arrayReduceInRanges('max', arrayMap(i -> (1, i), range(length(spans))), spans.2) AS reached
SELECT
  t.store_id AS store_id,
  t.terminal_id AS terminal_id,
  t.status AS status,
  t.disabled AS disabled,
  t.registered AS registered,
  t.at AS at,
  toUnixTimestamp64Milli(t.last_seen) AS seen,
  if(toUnixTimestamp64Milli(t.retires_at) > 0, toUnixTimestamp64Milli(t.retires_at), seen + if(t.status IN ('down', 'maintenance'), toInt64(366 * 86400000), t.retire_after)) AS retires,
  if(t.status = 'withdrawn', seen, greatest(seen, least(t.at, retires))) AS until,
  multiIf(t.status IN ('up', 'degraded'), least(greatest(toUnixTimestamp64Milli(t.holds_until), seen), until), t.status = 'silent', seen, until) AS held,
  arrayFilter(e -> e.1 < e.2, arrayMap((e, r) -> (greatest(e.1, r), e.2), spans, reached)) AS out,
  t.status = 'unknown' AND t.hours = 0 AS awaited
FROM
(
  SELECT
    *,
    toUnixTimestamp64Milli(now64(3)) AS at,
    ifNull((SELECT value FROM tillstream.settings FINAL WHERE name = 'retire_after_ms'), toInt64(31 * 86400000)) AS retire_after
  FROM tillstream.terminal_status FINAL
  WHERE lane = ''
) AS t
LEFT ANY JOIN tillstream.exclusions AS x ON t.store_id = x.store_id
SETTINGS join_use_nulls = 0;

CREATE OR REPLACE VIEW tillstream.open_hours AS
WITH
  (x, y) -> if(o.registered, arraySum((a, b) -> greatest(least(toInt64(toUnixTimestamp(b)) * 1000, y) - greatest(toInt64(toUnixTimestamp(a)) * 1000, x), 0), w.opens, w.closes), greatest(y - x, 0)) AS open,
  (x, y) -> arraySum(e -> open(greatest(e.1, x), least(e.2, y)), o.out) AS taken
SELECT
  o.store_id AS store_id,
  o.terminal_id AS terminal_id,
  toDateTime(intDiv(o.hour_ms, 1000), 'UTC') AS hour,
  NOT o.awaited AND o.hour_ms <= o.seen AS newest,
  o.hour_ms + 3600000 AS hour_end,
  toUInt64(greatest(least(o.held, hour_end) - greatest(o.seen, o.hour_ms), 0)) AS held_ms,
  toUInt64(greatest(least(o.until, hour_end) - greatest(o.held, o.hour_ms), 0)) AS silent_ms,
  toUInt64(greatest(least(o.at, hour_end) - o.until, 0)) AS retired_ms,
  if(o.status = 'up', held_ms, 0) AS up_ms,
  if(o.status = 'degraded', held_ms, 0) AS degraded_ms,
  if(o.disabled, degraded_ms, 0) AS disabled_ms,
  if(o.status = 'down', held_ms, 0) AS down_ms,
  if(o.status = 'maintenance', held_ms, 0) AS maintenance_ms,
  if(o.status IN ('up', 'degraded', 'down', 'maintenance'), 0, held_ms) + retired_ms AS unknown_ms,
  toUInt64(taken(greatest(o.seen, o.hour_ms), least(o.until, hour_end))) AS excluded_ms,
  toUInt64(open(greatest(o.seen, o.hour_ms), least(o.until, hour_end))) + if(o.registered, 0, retired_ms) AS service_ms,
  toUInt64(open(greatest(o.seen, o.hour_ms), least(o.held, hour_end)) - taken(greatest(o.seen, o.hour_ms), least(o.held, hour_end))) AS service_held_ms,
  toUInt64(open(greatest(o.held, o.hour_ms), least(o.until, hour_end)) - taken(greatest(o.held, o.hour_ms), least(o.until, hour_end))) AS service_silent_ms,
  if(o.status = 'down', service_held_ms, 0) AS service_down_ms,
  service_silent_ms + if(o.status IN ('up', 'degraded', 'down', 'maintenance'), 0, service_held_ms) + if(o.registered, 0, retired_ms) AS service_unknown_ms
FROM
(
  SELECT *, toStartOfMonth(toDateTime(intDiv(hour_ms, 1000), 'UTC')) AS month
  FROM (SELECT *, arrayJoin(range(intDiv(seen, 3600000) * 3600000, greatest(until, seen + 1), 3600000)) AS hour_ms FROM tillstream.open_ends)
) AS o
LEFT ANY JOIN (SELECT store_id, month, opens, closes FROM tillstream.service_windows FINAL WHERE lane = '') AS w ON o.store_id = w.store_id AND o.month = w.month
SETTINGS join_use_nulls = 0;

CREATE OR REPLACE VIEW pos.availability_hourly
(
  terminal_id String,
  store_id String,
  hour DateTime('UTC'),
  up_ms UInt64,
  degraded_ms UInt64,
  down_ms UInt64,
  silent_ms UInt64,
  maintenance_ms UInt64,
  unknown_ms UInt64,
  service_ms UInt64,
  service_down_ms UInt64,
  excluded_ms UInt64,
  availability Nullable(Float64),
  response_ms_avg Float64,
  response_ms_p95 Float64,
  evidence UInt32,
  service_unknown_ms UInt64,
  disabled_ms UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  terminal_id, store_id, hour, up_ms, degraded_ms, down_ms, silent_ms, maintenance_ms, unknown_ms, service_ms, service_down_ms, excluded_ms,
  1 - down_ms / nullIf(up_ms + degraded_ms + down_ms, 0) AS availability,
  response_ms_avg, response_ms_p95, evidence, service_unknown_ms, disabled_ms
FROM
(
  SELECT
    CAST(t.store_id, 'String') AS store_id, CAST(t.terminal_id, 'String') AS terminal_id, t.hour,
    toUInt64(t.up_ms) AS up_ms, toUInt64(t.degraded_ms) AS degraded_ms, toUInt64(t.down_ms) AS down_ms,
    toUInt64(t.silent_ms) AS silent_ms, toUInt64(t.maintenance_ms) AS maintenance_ms,
    toUInt64(t.unknown_ms) AS unknown_ms, toUInt64(t.service_ms) AS service_ms,
    toUInt64(t.service_down_ms) AS service_down_ms, toUInt64(t.excluded_ms) AS excluded_ms,
    toFloat64(t.response_ms_avg) AS response_ms_avg, toFloat64(t.response_ms_p95) AS response_ms_p95, t.evidence,
    toUInt64(t.service_unknown_ms) AS service_unknown_ms, toUInt64(t.disabled_ms) AS disabled_ms
  FROM tillstream.availability_hourly AS t FINAL
  WHERE t.lane = '' AND t.up_ms + t.degraded_ms + t.down_ms + t.silent_ms + t.maintenance_ms + t.unknown_ms = 3600000
  SETTINGS do_not_merge_across_partitions_select_final = 1
  UNION ALL
  SELECT
    CAST(t.store_id, 'String') AS store_id, CAST(t.terminal_id, 'String') AS terminal_id, t.hour AS hour,
    toUInt64(t.up_ms + o.up_ms) AS up_ms, toUInt64(t.degraded_ms + o.degraded_ms) AS degraded_ms,
    toUInt64(t.down_ms + o.down_ms) AS down_ms, toUInt64(t.silent_ms + o.silent_ms) AS silent_ms,
    toUInt64(t.maintenance_ms + o.maintenance_ms) AS maintenance_ms, toUInt64(t.unknown_ms + o.unknown_ms) AS unknown_ms,
    toUInt64(t.service_ms + o.service_ms) AS service_ms,
    toUInt64(t.service_down_ms + o.service_down_ms) AS service_down_ms, toUInt64(t.excluded_ms + o.excluded_ms) AS excluded_ms,
    toFloat64(t.response_ms_avg) AS response_ms_avg, toFloat64(t.response_ms_p95) AS response_ms_p95,
    t.evidence AS evidence,
    toUInt64(t.service_unknown_ms + o.service_unknown_ms) AS service_unknown_ms, toUInt64(t.disabled_ms + o.disabled_ms) AS disabled_ms
  FROM
  (
    SELECT * FROM tillstream.availability_hourly AS t FINAL
    WHERE t.lane = '' AND t.up_ms + t.degraded_ms + t.down_ms + t.silent_ms + t.maintenance_ms + t.unknown_ms != 3600000
      AND t.up_ms + t.degraded_ms + t.down_ms + t.silent_ms + t.maintenance_ms + t.unknown_ms + t.evidence > 0 -- what a registered life does not reach any more, or what turned out to belong elsewhere
    SETTINGS do_not_merge_across_partitions_select_final = 1
  ) AS t
  LEFT ANY JOIN (SELECT * FROM tillstream.open_hours WHERE newest) AS o
  ON t.store_id = o.store_id AND t.terminal_id = o.terminal_id AND t.hour = o.hour
  SETTINGS join_use_nulls = 0
  UNION ALL
  SELECT
    CAST(store_id, 'String'), terminal_id, hour, up_ms, degraded_ms, down_ms, silent_ms, maintenance_ms, unknown_ms,
    service_ms, service_down_ms, excluded_ms, 0, 0, 0, service_unknown_ms, disabled_ms
  FROM tillstream.open_hours
  WHERE NOT newest
);

CREATE OR REPLACE VIEW tillstream.open_stores AS
WITH
  arraySort(arrayMap(e -> (e.2, e.3), arrayFilter(e -> e.3 > toUnixTimestamp64Milli(t.since) AND e.2 < at AND empty(e.1), x.spans))) AS spans,
  arrayReduceInRanges('max', arrayMap(i -> (1, i), range(length(spans))), spans.2) AS reached
SELECT
  t.store_id AS store_id,
  t.status AS status,
  t.registered AS registered,
  toUnixTimestamp64Milli(now64(3)) AS at,
  toUnixTimestamp64Milli(t.last_seen) AS seen,
  greatest(seen, least(at, seen + toInt64(if(t.registered OR t.status = 'down', 366, 31)) * 86400000)) AS until,
  multiIf(t.status = 'withdrawn', seen, t.status IN ('up', 'down'), least(greatest(toUnixTimestamp64Milli(t.holds_until), seen), until), until) AS held,
  arrayFilter(e -> e.1 < e.2, arrayMap((e, r) -> (greatest(e.1, r), e.2), spans, reached)) AS out
FROM (SELECT * FROM tillstream.store_status FINAL WHERE lane = '') AS t
LEFT ANY JOIN tillstream.exclusions AS x ON t.store_id = x.store_id
SETTINGS join_use_nulls = 0;

CREATE OR REPLACE VIEW pos.store_status
(
  store_id String,
  status LowCardinality(String),
  since DateTime64(3,'UTC'),
  last_seen DateTime64(3,'UTC'),
  holds_until DateTime64(3,'UTC'),
  in_service UInt8,
  tills UInt32,
  tills_able UInt32,
  tills_unknown UInt32,
  sell_quorum UInt32,
  registered UInt8
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH t.status IN ('up', 'down') AND t.holds_until <= now64(3) AS lapsed
SELECT
  CAST(t.store_id, 'String') AS store_id,
  CAST(if(lapsed, 'unknown', t.status), 'LowCardinality(String)') AS status,
  if(lapsed, t.holds_until, t.since) AS since,
  t.last_seen AS last_seen,
  t.holds_until AS holds_until,
  toUInt8(t.status != 'withdrawn' AND (NOT t.registered OR arrayExists((a, b) -> a <= now() AND now() < b, w.opens, w.closes))) AS in_service,
  t.tills AS tills,
  t.tills_able AS tills_able,
  t.tills_unknown AS tills_unknown,
  t.sell_quorum AS sell_quorum,
  t.registered AS registered
FROM (SELECT * FROM tillstream.store_status FINAL WHERE lane = '') AS t
LEFT ANY JOIN (SELECT store_id, opens, closes FROM tillstream.service_windows FINAL WHERE lane = '' AND month = toStartOfMonth(now('UTC'))) AS w ON t.store_id = w.store_id
SETTINGS join_use_nulls = 0;

CREATE OR REPLACE VIEW pos.store_outages
(
  outage_id String,
  store_id String,
  started_at DateTime64(3,'UTC'),
  resolved_at Nullable(DateTime64(3,'UTC')),
  repair_ms UInt64,
  service_ms UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  (a, b) -> if(o.registered, arraySum((c, d) -> greatest(least(toInt64(toUnixTimestamp(d)) * 1000, b) - greatest(toInt64(toUnixTimestamp(c)) * 1000, a), 0), w.opens, w.closes), greatest(b - a, 0)) AS service,
  toUnixTimestamp64Milli(t.started_at) AS x,
  t.resolved_at IS NULL AND o.at > 0 AS open,
  greatest(o.held, x) AS y,
  open AND o.held < o.until AS lapsed -- nobody knows any more
SELECT
  t.outage_id AS outage_id,
  CAST(t.store_id, 'String') AS store_id,
  t.started_at AS started_at,
  if(lapsed, fromUnixTimestamp64Milli(y, 'UTC'), t.resolved_at) AS resolved_at,
  if(open, toUInt64(y - x), t.repair_ms) AS repair_ms,
  toUInt64(if(NOT open, toInt64(t.service_ms), service(x, y) - arraySum(e -> service(greatest(e.1, x), least(e.2, y)), o.out))) AS service_ms
FROM (SELECT * FROM tillstream.store_outages FINAL WHERE lane = '' SETTINGS do_not_merge_across_partitions_select_final = 1) AS t
LEFT ANY JOIN tillstream.open_stores AS o ON t.store_id = o.store_id
LEFT ANY JOIN
(
  SELECT store_id, groupArrayArray(opens) AS opens, groupArrayArray(closes) AS closes
  FROM tillstream.service_windows FINAL
  WHERE lane = '' AND store_id IN (SELECT store_id FROM tillstream.store_outages FINAL WHERE lane = '' AND resolved_at IS NULL)
  GROUP BY store_id
) AS w ON t.store_id = w.store_id
SETTINGS join_use_nulls = 0;

CREATE OR REPLACE VIEW pos.terminal_status
(
  terminal_id String,
  store_id String,
  status LowCardinality(String),
  since DateTime64(3,'UTC'),
  last_seen DateTime64(3,'UTC'),
  software_version String,
  in_service UInt8,
  offline_backlog UInt32,
  oldest_unsent_at Nullable(DateTime64(3,'UTC')),
  battery_pct Nullable(UInt8),
  printer LowCardinality(String),
  card_reader LowCardinality(String),
  scanner LowCardinality(String),
  first_seen DateTime64(3,'UTC'),
  holds_until DateTime64(3,'UTC'),
  registered UInt8,
  clock_skew_ms Int64,
  clock_shift_ms Int64,
  disabled UInt8
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  now64(3) AS at,
  ifNull((SELECT value FROM tillstream.settings FINAL WHERE name = 'retire_after_ms'), toInt64(31 * 86400000)) AS retire_after,
  t.status IN ('up', 'degraded') AND t.holds_until <= at AS lapsed,
  if(toUnixTimestamp64Milli(t.retires_at) > 0, t.retires_at, t.last_seen + toIntervalMillisecond(if(t.status IN ('down', 'maintenance'), toInt64(366 * 86400000), retire_after))) AS retires
SELECT
  t.terminal_id AS terminal_id,
  CAST(t.store_id, 'String') AS store_id,
  CAST(if(lapsed, 'silent', t.status), 'LowCardinality(String)') AS status,
  if(lapsed, t.holds_until, t.since) AS since,
  t.last_seen AS last_seen,
  CAST(t.software_version, 'String') AS software_version,
  toUInt8(t.status != 'withdrawn' AND at < retires AND (NOT t.registered OR arrayExists((a, b) -> a <= at AND at < b, w.opens, w.closes))) AS in_service,
  t.offline_backlog AS offline_backlog,
  t.oldest_unsent_at AS oldest_unsent_at,
  t.battery_pct AS battery_pct,
  t.printer AS printer,
  t.card_reader AS card_reader,
  t.scanner AS scanner,
  t.first_seen AS first_seen,
  t.holds_until AS holds_until,
  t.registered AS registered,
  t.clock_skew_ms AS clock_skew_ms,
  t.clock_shift_ms AS clock_shift_ms,
  toUInt8(t.disabled AND NOT lapsed) AS disabled
FROM (SELECT * FROM tillstream.terminal_status FINAL WHERE lane = '') AS t
LEFT ANY JOIN (SELECT store_id, opens, closes FROM tillstream.service_windows FINAL WHERE lane = '' AND month = toStartOfMonth(now('UTC'))) AS w ON t.store_id = w.store_id
LEFT ANY JOIN
(
  SELECT terminal_id, argMax(store_id, last_seen) AS store_id, count() AS lives
  FROM tillstream.terminal_status FINAL
  WHERE lane = '' AND registered
  GROUP BY terminal_id
  HAVING lives > 1
) AS m ON t.terminal_id = m.terminal_id
WHERE NOT (t.registered AND m.lives > 1 AND t.store_id != m.store_id AND at >= retires)
SETTINGS join_use_nulls = 0;
