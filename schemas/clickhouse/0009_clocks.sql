-- Tills whose clock is wrong: what was measured with a till's newest evidence, and by how much its time was corrected.
ALTER TABLE tillstream.terminal_status
  ADD COLUMN IF NOT EXISTS clock_skew_ms Int64,
  ADD COLUMN IF NOT EXISTS clock_shift_ms Int64;

-- As before, but without hours of no time and no evidence: what was in them has turned out to belong elsewhere.
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
      AND t.up_ms + t.degraded_ms + t.down_ms + t.silent_ms + t.maintenance_ms + t.unknown_ms + t.evidence > 0
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
  clock_shift_ms Int64
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
  t.clock_shift_ms AS clock_shift_ms
FROM (SELECT * FROM tillstream.terminal_status FINAL WHERE lane = '') AS t
LEFT ANY JOIN (SELECT store_id, opens, closes FROM tillstream.service_windows FINAL WHERE lane = '' AND month = toStartOfMonth(now('UTC'))) AS w ON t.store_id = w.store_id
SETTINGS join_use_nulls = 0;
