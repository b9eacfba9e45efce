-- Service time, stores as a whole, and whose an outage is. disabled_ms is the part of degraded_ms in which the till could not sell. retires_at is when nothing
-- is known of a terminal any more if it is not heard of again; 1970 in rows of older versions.
ALTER TABLE tillstream.availability_hourly
  ADD COLUMN IF NOT EXISTS disabled_ms UInt32 CODEC(ZSTD),
  ADD COLUMN IF NOT EXISTS service_unknown_ms UInt32 CODEC(ZSTD);

ALTER TABLE tillstream.terminal_status
  ADD COLUMN IF NOT EXISTS retires_at DateTime64(3, 'UTC'),
  ADD COLUMN IF NOT EXISTS registered UInt8;

CREATE TABLE IF NOT EXISTS tillstream.store_availability_hourly (
  lane LowCardinality(String),
  store_id LowCardinality(String),
  hour DateTime('UTC') CODEC(Delta, ZSTD),
  version UInt64 CODEC(ZSTD),
  mark String CODEC(ZSTD),
  service_ms UInt32 CODEC(ZSTD),
  quorum_down_ms UInt32 CODEC(ZSTD),
  excluded_ms UInt32 CODEC(ZSTD),
  unknown_ms UInt32 CODEC(ZSTD)
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(hour)
ORDER BY (lane, store_id, hour)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS tillstream.store_outages (
  lane LowCardinality(String),
  store_id LowCardinality(String),
  started_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  version UInt64 CODEC(ZSTD),
  deleted UInt8,
  mark String CODEC(ZSTD),
  outage_id String CODEC(ZSTD),
  resolved_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  repair_ms UInt64 CODEC(ZSTD),
  service_ms UInt64 CODEC(ZSTD)
) ENGINE = ReplacingMergeTree(version, deleted)
PARTITION BY toYYYYMM(started_at)
ORDER BY (lane, store_id, started_at)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS tillstream.store_status (
  lane LowCardinality(String),
  store_id LowCardinality(String),
  version UInt64 CODEC(ZSTD),
  mark String CODEC(ZSTD),
  status LowCardinality(String),
  since DateTime64(3, 'UTC'),
  last_seen DateTime64(3, 'UTC'),
  holds_until DateTime64(3, 'UTC'),
  tills UInt32,
  tills_able UInt32,
  tills_unknown UInt32,
  sell_quorum UInt32,
  registered UInt8
) ENGINE = ReplacingMergeTree(version)
ORDER BY (lane, store_id)
SETTINGS non_replicated_deduplication_window = 10000;

-- A registered store's opening hours, month by month of UTC: opens[i] to closes[i], cut at the ends of the month.
CREATE TABLE IF NOT EXISTS tillstream.service_windows (
  lane LowCardinality(String),
  store_id LowCardinality(String),
  month Date,
  version UInt64 CODEC(ZSTD),
  mark String CODEC(ZSTD),
  opens Array(DateTime('UTC')) CODEC(ZSTD),
  closes Array(DateTime('UTC')) CODEC(ZSTD)
) ENGINE = ReplacingMergeTree(version)
ORDER BY (lane, store_id, month)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE OR REPLACE VIEW pos.service_hours
(
  store_id String,
  opens_at DateTime('UTC'),
  closes_at DateTime('UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT CAST(t.store_id, 'String') AS store_id, w.1 AS opens_at, w.2 AS closes_at
FROM tillstream.service_windows AS t FINAL
ARRAY JOIN arrayZip(t.opens, t.closes) AS w
WHERE t.lane = '';

CREATE OR REPLACE VIEW tillstream.open_ends AS
SELECT
  store_id,
  terminal_id,
  status,
  registered,
  at,
  toUnixTimestamp64Milli(last_seen) AS seen,
  if(toUnixTimestamp64Milli(retires_at) > 0, toUnixTimestamp64Milli(retires_at), seen + if(status IN ('down', 'maintenance'), toInt64(366 * 86400000), retire_after)) AS retires,
  if(status = 'withdrawn', seen, greatest(seen, least(at, retires))) AS until,
  multiIf(status IN ('up', 'degraded'), least(greatest(toUnixTimestamp64Milli(holds_until), seen), until), status = 'silent', seen, until) AS held
FROM
(
  SELECT
    *,
    toUnixTimestamp64Milli(now64(3)) AS at,
    ifNull((SELECT value FROM tillstream.settings FINAL WHERE name = 'retire_after_ms'), toInt64(31 * 86400000)) AS retire_after
  FROM tillstream.terminal_status FINAL
  WHERE lane = ''
);

-- The open ends, cut into hours, in wall time and in the service time of the store. An hour in which a terminal retires is filled up with unknown: only its
-- first and newest are short. Of a store without opening hours all known time is service.
CREATE OR REPLACE VIEW tillstream.open_hours AS
WITH
  (x, y) -> if(o.registered, arraySum((a, b) -> greatest(least(toInt64(toUnixTimestamp(b)) * 1000, y) - greatest(toInt64(toUnixTimestamp(a)) * 1000, x), 0), w.opens, w.closes), greatest(y - x, 0)) AS open
SELECT
  o.store_id AS store_id,
  o.terminal_id AS terminal_id,
  toDateTime(intDiv(o.hour_ms, 1000), 'UTC') AS hour,
  o.hour_ms <= o.seen AS newest,
  o.hour_ms + 3600000 AS hour_end,
  toUInt64(greatest(least(o.held, hour_end) - greatest(o.seen, o.hour_ms), 0)) AS held_ms,
  toUInt64(greatest(least(o.until, hour_end) - greatest(o.held, o.hour_ms), 0)) AS silent_ms,
  toUInt64(greatest(least(o.at, hour_end) - o.until, 0)) AS retired_ms,
  if(o.status = 'up', held_ms, 0) AS up_ms,
  if(o.status = 'degraded', held_ms, 0) AS degraded_ms,
  if(o.status = 'down', held_ms, 0) AS down_ms,
  if(o.status = 'maintenance', held_ms, 0) AS maintenance_ms,
  if(o.status IN ('up', 'degraded', 'down', 'maintenance'), 0, held_ms) + retired_ms AS unknown_ms,
  toUInt64(open(greatest(o.seen, o.hour_ms), least(o.held, hour_end))) AS service_held_ms,
  toUInt64(open(greatest(o.held, o.hour_ms), least(o.until, hour_end))) AS service_silent_ms,
  service_held_ms + service_silent_ms + if(o.registered, 0, retired_ms) AS service_ms,
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
    toUInt64(t.service_down_ms + o.service_down_ms) AS service_down_ms, toUInt64(t.excluded_ms) AS excluded_ms,
    toFloat64(t.response_ms_avg) AS response_ms_avg, toFloat64(t.response_ms_p95) AS response_ms_p95,
    t.evidence AS evidence,
    toUInt64(t.service_unknown_ms + o.service_unknown_ms) AS service_unknown_ms, toUInt64(t.disabled_ms) AS disabled_ms
  FROM
  (
    SELECT * FROM tillstream.availability_hourly AS t FINAL
    WHERE t.lane = '' AND t.up_ms + t.degraded_ms + t.down_ms + t.silent_ms + t.maintenance_ms + t.unknown_ms != 3600000
    SETTINGS do_not_merge_across_partitions_select_final = 1
  ) AS t
  LEFT ANY JOIN (SELECT * FROM tillstream.open_hours WHERE newest) AS o
  ON t.store_id = o.store_id AND t.terminal_id = o.terminal_id AND t.hour = o.hour
  SETTINGS join_use_nulls = 0
  UNION ALL
  SELECT
    CAST(store_id, 'String'), terminal_id, hour, up_ms, degraded_ms, down_ms, silent_ms, maintenance_ms, unknown_ms,
    service_ms, service_down_ms, 0, 0, 0, 0, service_unknown_ms, 0
  FROM tillstream.open_hours
  WHERE NOT newest
);

-- A store is up until so many of its tills' reports have lapsed that nobody knows whether enough can sell.
CREATE OR REPLACE VIEW tillstream.open_stores AS
SELECT
  store_id,
  status,
  registered,
  toUnixTimestamp64Milli(now64(3)) AS at,
  toUnixTimestamp64Milli(last_seen) AS seen,
  greatest(seen, least(at, seen + toInt64(if(registered OR status = 'down', 366, 31)) * 86400000)) AS until,
  multiIf(status = 'withdrawn', seen, status = 'up', least(greatest(toUnixTimestamp64Milli(holds_until), seen), until), until) AS held
FROM tillstream.store_status FINAL
WHERE lane = '';

CREATE OR REPLACE VIEW tillstream.open_store_hours AS
WITH
  (x, y) -> if(o.registered, arraySum((a, b) -> greatest(least(toInt64(toUnixTimestamp(b)) * 1000, y) - greatest(toInt64(toUnixTimestamp(a)) * 1000, x), 0), w.opens, w.closes), greatest(y - x, 0)) AS open
SELECT
  o.store_id AS store_id,
  toDateTime(intDiv(o.hour_ms, 1000), 'UTC') AS hour,
  o.hour_ms <= o.seen AS newest,
  o.hour_ms + 3600000 AS hour_end,
  toUInt64(open(greatest(o.seen, o.hour_ms), least(o.held, hour_end))) AS held_ms,
  toUInt64(open(greatest(o.held, o.hour_ms), least(o.until, hour_end))) AS lapsed_ms,
  held_ms + lapsed_ms AS service_ms,
  if(o.status = 'down', held_ms, 0) AS quorum_down_ms,
  lapsed_ms + if(o.status = 'unknown', held_ms, 0) AS unknown_ms
FROM
(
  SELECT *, toStartOfMonth(toDateTime(intDiv(hour_ms, 1000), 'UTC')) AS month
  FROM (SELECT *, arrayJoin(range(intDiv(seen, 3600000) * 3600000, greatest(until, seen + 1), 3600000)) AS hour_ms FROM tillstream.open_stores WHERE status != 'withdrawn')
) AS o
LEFT ANY JOIN (SELECT store_id, month, opens, closes FROM tillstream.service_windows FINAL WHERE lane = '') AS w ON o.store_id = w.store_id AND o.month = w.month
SETTINGS join_use_nulls = 0;

CREATE OR REPLACE VIEW pos.store_availability_hourly
(
  store_id String,
  hour DateTime('UTC'),
  service_ms UInt64,
  quorum_down_ms UInt64,
  excluded_ms UInt64,
  unknown_ms UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  store_id, hour, sum(service_ms) AS service_ms, sum(quorum_down_ms) AS quorum_down_ms, sum(excluded_ms) AS excluded_ms, sum(unknown_ms) AS unknown_ms
FROM
(
  SELECT
    CAST(store_id, 'String') AS store_id, hour, toUInt64(service_ms) AS service_ms, toUInt64(quorum_down_ms) AS quorum_down_ms,
    toUInt64(excluded_ms) AS excluded_ms, toUInt64(unknown_ms) AS unknown_ms
  FROM tillstream.store_availability_hourly FINAL
  WHERE lane = ''
  SETTINGS do_not_merge_across_partitions_select_final = 1
  UNION ALL
  SELECT CAST(store_id, 'String'), hour, toUInt64(service_ms), toUInt64(quorum_down_ms), toUInt64(0), toUInt64(unknown_ms) FROM tillstream.open_store_hours
)
GROUP BY store_id, hour;

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
WITH t.status = 'up' AND t.holds_until <= now64(3) AS lapsed
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
  registered UInt8
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
  t.registered AS registered
FROM (SELECT * FROM tillstream.terminal_status FINAL WHERE lane = '') AS t
LEFT ANY JOIN (SELECT store_id, opens, closes FROM tillstream.service_windows FINAL WHERE lane = '' AND month = toStartOfMonth(now('UTC'))) AS w ON t.store_id = w.store_id
SETTINGS join_use_nulls = 0;

-- Outages as the tables have them, ended as of now, those of a terminal that lie less than 30 s apart as one (a till that flaps). In milliseconds.
CREATE OR REPLACE VIEW tillstream.outage_runs AS
SELECT
  store_id,
  terminal_id,
  min(x) AS from_ms,
  max(y) AS to_ms,
  argMax(ended, x) AS ended,
  sum(service_ms) + if(sum(service_ms) > 0, to_ms - from_ms - sum(y - x), 0) AS service_ms,
  argMin(outage_id, x) AS outage_id,
  argMin(cause, x) AS cause,
  count() AS flaps
FROM
(
  SELECT *, sum(apart) OVER (PARTITION BY store_id, terminal_id ORDER BY x) AS run
  FROM
  (
    SELECT *, x - lagInFrame(y, 1, x - 30000) OVER (PARTITION BY store_id, terminal_id ORDER BY x ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) >= 30000 AS apart
    FROM
    (
      SELECT
        t.store_id AS store_id,
        t.terminal_id AS terminal_id,
        t.outage_id AS outage_id,
        t.cause AS cause,
        toUnixTimestamp64Milli(t.started_at) AS x,
        t.resolved_at IS NULL AND o.at > 0 AS open,
        if(open, greatest(o.until, x), ifNull(toUnixTimestamp64Milli(t.resolved_at), x)) AS y,
        t.resolved_at IS NOT NULL OR open AND o.until = o.retires AS ended,
        multiIf(
          NOT open, toInt64(t.service_ms),
          o.registered, arraySum((a, b) -> greatest(least(toInt64(toUnixTimestamp(b)) * 1000, y) - greatest(toInt64(toUnixTimestamp(a)) * 1000, x), 0), w.opens, w.closes),
          y - x) AS service_ms
      FROM (SELECT * FROM tillstream.outages FINAL WHERE lane = '' SETTINGS do_not_merge_across_partitions_select_final = 1) AS t
      LEFT ANY JOIN tillstream.open_ends AS o ON t.store_id = o.store_id AND t.terminal_id = o.terminal_id
      LEFT ANY JOIN
      (
        SELECT store_id, groupArrayArray(opens) AS opens, groupArrayArray(closes) AS closes
        FROM tillstream.service_windows FINAL
        WHERE lane = '' AND store_id IN (SELECT store_id FROM tillstream.outages FINAL WHERE lane = '' AND resolved_at IS NULL)
        GROUP BY store_id
      ) AS w ON t.store_id = w.store_id
      SETTINGS join_use_nulls = 0
    )
  )
)
GROUP BY store_id, terminal_id, run;

-- Whose an outage is (domain 2.7, in this order): an incident or a maintenance says so; at least two tills and all of the store went down within two minutes;
-- nine tenths of the tills of one software version went down within ten minutes, three at least and in two stores; the cause is a condition of nexo that
-- tells; else it is one till, and the provider's.
CREATE OR REPLACE VIEW pos.outages
(
  outage_id String,
  terminal_id String,
  store_id String,
  started_at DateTime64(3,'UTC'),
  resolved_at Nullable(DateTime64(3,'UTC')),
  repair_ms UInt64,
  service_ms UInt64,
  cause LowCardinality(String),
  party LowCardinality(String),
  party_rule String,
  incident_id String,
  supplier String,
  decided_by String,
  flaps UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  arrayFirst(c -> c.1 IN ('', r.terminal_id) AND c.3 < r.to_ms AND c.4 > r.from_ms AND c.5 != '' AND c.5 != 'undetermined', claims.all) AS claim,
  arrayFirst(c -> c.1 IN ('', r.terminal_id) AND c.3 < r.to_ms AND c.4 > r.from_ms AND c.9 = 1, claims.all).2 AS incident,
  claim.5 != '' AS claimed,
  r.tills >= 2 AND r.together >= r.tills AS store_cut,
  r.version != '' AND r.same_version >= 3 AND r.version_stores >= 2 AND 10 * r.same_version >= 9 * r.version_tills AS version_down,
  transform(r.cause, ['UnreachableHost', 'UnavailableService'], ['third_party', 'third_party'], '') AS told
SELECT
  r.outage_id AS outage_id,
  CAST(r.terminal_id, 'String') AS terminal_id,
  CAST(r.store_id, 'String') AS store_id,
  fromUnixTimestamp64Milli(r.from_ms, 'UTC') AS started_at,
  if(r.ended, fromUnixTimestamp64Milli(r.to_ms, 'UTC'), NULL) AS resolved_at,
  toUInt64(r.to_ms - r.from_ms) AS repair_ms,
  toUInt64(greatest(r.service_ms, 0)) AS service_ms,
  r.cause AS cause,
  CAST(multiIf(claimed, claim.5, store_cut, 'third_party', version_down, 'provider', told != '', told, 'provider'), 'LowCardinality(String)') AS party,
  multiIf(claimed, claim.7, store_cut, 'store_cut', version_down, concat('software_version:', r.version), told != '', concat('cause:', r.cause), 'one_till') AS party_rule,
  incident AS incident_id,
  claim.6 AS supplier,
  claim.8 AS decided_by,
  r.flaps AS flaps
FROM
(
  SELECT
    *,
    uniqExact(terminal_id) OVER (PARTITION BY store_id ORDER BY from_ms RANGE BETWEEN 120000 PRECEDING AND 120000 FOLLOWING) AS together,
    uniqExact((store_id, terminal_id)) OVER (PARTITION BY version ORDER BY from_ms RANGE BETWEEN 600000 PRECEDING AND 600000 FOLLOWING) AS same_version,
    uniqExact(store_id) OVER (PARTITION BY version ORDER BY from_ms RANGE BETWEEN 600000 PRECEDING AND 600000 FOLLOWING) AS version_stores
  FROM
  (
    SELECT o.*, s.version AS version, s.tills AS tills, s.version_tills AS version_tills
    FROM tillstream.outage_runs AS o
    LEFT ANY JOIN
    (
      SELECT
        store_id, terminal_id, software_version AS version, count() OVER (PARTITION BY store_id) AS tills, count() OVER (PARTITION BY software_version) AS version_tills
      FROM tillstream.terminal_status FINAL
      WHERE lane = '' AND status != 'withdrawn'
    ) AS s ON o.store_id = s.store_id AND o.terminal_id = s.terminal_id
    SETTINGS join_use_nulls = 0
  )
) AS r
LEFT ANY JOIN
(
  SELECT
    store_id,
    arraySort(c -> (c.9, -c.10), groupArray((terminal_id, incident_id, from_ms, to_ms, party, supplier, rule, decided_by, rank, ifNull(toUnixTimestamp64Milli(decided_at), 0)))) AS all
  FROM tillstream.incident_claims
  GROUP BY store_id
) AS claims ON r.store_id = claims.store_id
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
  toUnixTimestamp64Milli(t.started_at) AS x,
  t.resolved_at IS NULL AND o.at > 0 AS open,
  greatest(o.until, x) AS y
SELECT
  t.outage_id AS outage_id,
  CAST(t.store_id, 'String') AS store_id,
  t.started_at AS started_at,
  t.resolved_at AS resolved_at,
  if(open, toUInt64(y - x), t.repair_ms) AS repair_ms,
  toUInt64(multiIf(
    NOT open, toInt64(t.service_ms),
    o.registered, arraySum((a, b) -> greatest(least(toInt64(toUnixTimestamp(b)) * 1000, y) - greatest(toInt64(toUnixTimestamp(a)) * 1000, x), 0), w.opens, w.closes),
    y - x)) AS service_ms
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
