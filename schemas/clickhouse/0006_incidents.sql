-- Incidents and maintenance: one row each, absolute, the highest version holds. They have no months: what is said of one later may move all
-- of its times. decided_by, decided_at and reason are those of the step that said the party, by the rule.
CREATE TABLE IF NOT EXISTS tillstream.incidents (
  lane LowCardinality(String),
  store_id LowCardinality(String),
  incident_id String CODEC(ZSTD),
  version UInt64 CODEC(ZSTD),
  mark String CODEC(ZSTD),
  status LowCardinality(String),
  severity LowCardinality(String),
  terminals Array(String) CODEC(ZSTD),
  services Array(String) CODEC(ZSTD),
  started_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  detected_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  opened_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  acknowledged_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  resolved_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  closed_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  cancelled_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  paused_since Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  paused_ms UInt64 CODEC(ZSTD),
  resolve_ms UInt64 CODEC(ZSTD),
  reopened UInt32,
  party LowCardinality(String),
  supplier LowCardinality(String),
  cause LowCardinality(String),
  rule LowCardinality(String),
  decided_by String CODEC(ZSTD),
  decided_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  reason String CODEC(ZSTD),
  ticket String CODEC(ZSTD),
  detected_by LowCardinality(String),
  disordered UInt8,
  steps UInt32
) ENGINE = ReplacingMergeTree(version)
ORDER BY (lane, store_id, incident_id)
SETTINGS non_replicated_deduplication_window = 10000;

-- The evidence: every step, as it was said. scoped tells a scope of the whole store from none.
CREATE TABLE IF NOT EXISTS tillstream.incident_steps (
  lane LowCardinality(String),
  store_id LowCardinality(String),
  incident_id String CODEC(ZSTD),
  at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  sequence UInt64 CODEC(ZSTD),
  source LowCardinality(String),
  event_id String CODEC(ZSTD),
  version UInt64 CODEC(ZSTD),
  deleted UInt8,
  mark String CODEC(ZSTD),
  step LowCardinality(String),
  by String CODEC(ZSTD),
  reason String CODEC(ZSTD),
  party LowCardinality(String),
  supplier LowCardinality(String),
  cause LowCardinality(String),
  severity LowCardinality(String),
  started_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  detected_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  detected_by LowCardinality(String),
  ticket String CODEC(ZSTD),
  scoped UInt8,
  terminals Array(String) CODEC(ZSTD),
  services Array(String) CODEC(ZSTD)
) ENGINE = ReplacingMergeTree(version, deleted)
ORDER BY (lane, store_id, incident_id, at, sequence, source, event_id)
SETTINGS non_replicated_deduplication_window = 10000;

-- [excluded_from, excluded_to) are milliseconds since 1970.
CREATE TABLE IF NOT EXISTS tillstream.maintenance (
  lane LowCardinality(String),
  store_id LowCardinality(String),
  maintenance_id String CODEC(ZSTD),
  version UInt64 CODEC(ZSTD),
  mark String CODEC(ZSTD),
  status LowCardinality(String),
  kind LowCardinality(String),
  terminals Array(String) CODEC(ZSTD),
  services Array(String) CODEC(ZSTD),
  announced_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  notice_given_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  approved_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  approved_by String CODEC(ZSTD),
  started_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  ended_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  cancelled_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  window_start Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  window_end Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  rrule String CODEC(ZSTD),
  duration_ms UInt64 CODEC(ZSTD),
  timezone LowCardinality(String),
  excluded_from Array(Int64) CODEC(ZSTD),
  excluded_to Array(Int64) CODEC(ZSTD),
  excluded_ms UInt64 CODEC(ZSTD),
  by String CODEC(ZSTD),
  reason String CODEC(ZSTD)
) ENGINE = ReplacingMergeTree(version)
ORDER BY (lane, store_id, maintenance_id)
SETTINGS non_replicated_deduplication_window = 10000;

-- Who says whose an outage is: one row for each terminal that it is about ('' is the whole store). [from_ms, to_ms) is in milliseconds since
-- 1970, with 15 minutes of tolerance at both ends; what has not ended ends in 2299. Of several that fit an outage what is decided goes before
-- what is undetermined, then the lower rank (domain 2.7: an incident says so; maintenance), then the latest decision.
CREATE OR REPLACE VIEW tillstream.incident_claims AS
SELECT
  CAST(t.store_id, 'String') AS store_id,
  arrayJoin(if(empty(t.terminals), [''], t.terminals)) AS terminal_id,
  t.incident_id AS incident_id,
  toUnixTimestamp64Milli(t.started_at) - 900000 AS from_ms,
  ifNull(toUnixTimestamp64Milli(t.resolved_at) + 900000, 10413705600000) AS to_ms,
  CAST(t.party, 'String') AS party,
  CAST(t.supplier, 'String') AS supplier,
  CAST(t.rule, 'String') AS rule,
  t.decided_by AS decided_by,
  t.decided_at AS decided_at,
  toUInt8(1) AS rank
FROM tillstream.incidents AS t FINAL
WHERE t.lane = '' AND t.cancelled_at IS NULL
UNION ALL
SELECT
  CAST(t.store_id, 'String'),
  arrayJoin(if(empty(t.terminals), [''], t.terminals)),
  t.maintenance_id,
  e.1 - 900000,
  e.2 + 900000,
  if(t.kind = 'customer_requested', 'customer', 'provider'),
  '',
  concat('maintenance:', if(t.kind = '', 'planned', t.kind)),
  t.approved_by,
  t.approved_at,
  toUInt8(2)
FROM tillstream.maintenance AS t FINAL
ARRAY JOIN arrayZip(t.excluded_from, t.excluded_to) AS e
WHERE t.lane = '';

-- terminal_id and service are empty where there are several, or none; terminals and services have them all. The outages of an incident are
-- those of its terminals that began before it ended and ended after it began, give or take 15 minutes.
CREATE OR REPLACE VIEW pos.incidents
(
  incident_id String,
  store_id String,
  terminal_id String,
  service LowCardinality(String),
  severity LowCardinality(String),
  started_at DateTime64(3,'UTC'),
  detected_at Nullable(DateTime64(3,'UTC')),
  opened_at DateTime64(3,'UTC'),
  acknowledged_at Nullable(DateTime64(3,'UTC')),
  resolved_at Nullable(DateTime64(3,'UTC')),
  paused_ms UInt64,
  reopened UInt16,
  party LowCardinality(String),
  cause LowCardinality(String),
  status LowCardinality(String),
  resolve_ms Nullable(UInt64),
  outages UInt64,
  terminals Array(String),
  services Array(String),
  supplier LowCardinality(String),
  ticket String,
  detected_by LowCardinality(String),
  closed_at Nullable(DateTime64(3,'UTC')),
  cancelled_at Nullable(DateTime64(3,'UTC')),
  rule String,
  assigned_by String,
  assigned_at Nullable(DateTime64(3,'UTC')),
  reason String,
  disordered UInt8,
  steps UInt32
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  toUnixTimestamp64Milli(t.started_at) - 900000 AS from_ms,
  ifNull(toUnixTimestamp64Milli(t.resolved_at) + 900000, 10413705600000) AS to_ms
SELECT
  t.incident_id AS incident_id,
  CAST(t.store_id, 'String') AS store_id,
  if(length(t.terminals) = 1, t.terminals[1], '') AS terminal_id,
  if(length(t.services) = 1, t.services[1], '') AS service,
  t.severity AS severity,
  t.started_at AS started_at,
  t.detected_at AS detected_at,
  t.opened_at AS opened_at,
  t.acknowledged_at AS acknowledged_at,
  t.resolved_at AS resolved_at,
  t.paused_ms + if(t.paused_since IS NULL, 0, toUInt64(greatest(dateDiff('millisecond', greatest(assumeNotNull(t.paused_since), t.started_at), now64(3)), 0))) AS paused_ms,
  toUInt16(least(t.reopened, 65535)) AS reopened,
  t.party AS party,
  t.cause AS cause,
  t.status AS status,
  if(t.resolved_at IS NULL, NULL, t.resolve_ms) AS resolve_ms,
  arrayCount(o -> o.2 < to_ms AND o.3 > from_ms AND (empty(t.terminals) OR has(t.terminals, o.1)), o.all) AS outages,
  t.terminals AS terminals,
  t.services AS services,
  t.supplier AS supplier,
  t.ticket AS ticket,
  t.detected_by AS detected_by,
  t.closed_at AS closed_at,
  t.cancelled_at AS cancelled_at,
  CAST(t.rule, 'String') AS rule,
  t.decided_by AS assigned_by,
  t.decided_at AS assigned_at,
  t.reason AS reason,
  t.disordered AS disordered,
  t.steps AS steps
FROM (SELECT * FROM tillstream.incidents FINAL WHERE lane = '') AS t
LEFT ANY JOIN
(
  SELECT
    store_id,
    groupArray((CAST(terminal_id, 'String'), toUnixTimestamp64Milli(started_at), ifNull(toUnixTimestamp64Milli(resolved_at), 10413705600000))) AS all
  FROM tillstream.outages FINAL
  WHERE lane = ''
  GROUP BY store_id
  SETTINGS do_not_merge_across_partitions_select_final = 1
) AS o ON t.store_id = o.store_id
SETTINGS join_use_nulls = 0;

CREATE OR REPLACE VIEW pos.incident_steps
(
  incident_id String,
  store_id String,
  at DateTime64(3,'UTC'),
  step LowCardinality(String),
  by String,
  reason String,
  party LowCardinality(String),
  supplier LowCardinality(String),
  cause LowCardinality(String),
  severity LowCardinality(String),
  started_at Nullable(DateTime64(3,'UTC')),
  detected_at Nullable(DateTime64(3,'UTC')),
  detected_by LowCardinality(String),
  ticket String,
  terminals Nullable(String),
  source String,
  event_id String
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  t.incident_id,
  CAST(t.store_id, 'String') AS store_id,
  t.at,
  t.step,
  t.by,
  t.reason,
  t.party,
  t.supplier,
  t.cause,
  t.severity,
  t.started_at,
  t.detected_at,
  t.detected_by,
  t.ticket,
  if(t.scoped, arrayStringConcat(t.terminals, ', '), NULL) AS terminals,
  CAST(t.source, 'String') AS source,
  t.event_id
FROM tillstream.incident_steps AS t FINAL
WHERE t.lane = '';

CREATE OR REPLACE VIEW pos.maintenance
(
  maintenance_id String,
  store_id String,
  status LowCardinality(String),
  kind LowCardinality(String),
  terminals Array(String),
  services Array(String),
  announced_at Nullable(DateTime64(3,'UTC')),
  notice_given_at Nullable(DateTime64(3,'UTC')),
  notice_ms Nullable(Int64),
  approved_at Nullable(DateTime64(3,'UTC')),
  approved_by String,
  started_at Nullable(DateTime64(3,'UTC')),
  ended_at Nullable(DateTime64(3,'UTC')),
  cancelled_at Nullable(DateTime64(3,'UTC')),
  window_start Nullable(DateTime64(3,'UTC')),
  window_end Nullable(DateTime64(3,'UTC')),
  rrule String,
  duration_ms UInt64,
  timezone LowCardinality(String),
  excluded Array(Tuple(started_at DateTime64(3,'UTC'), ended_at DateTime64(3,'UTC'))),
  excluded_ms UInt64,
  by String,
  reason String
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  t.maintenance_id,
  CAST(t.store_id, 'String') AS store_id,
  t.status,
  t.kind,
  t.terminals,
  t.services,
  t.announced_at,
  t.notice_given_at,
  dateDiff('millisecond', t.notice_given_at, ifNull(t.started_at, t.window_start)) AS notice_ms,
  t.approved_at,
  t.approved_by,
  t.started_at,
  t.ended_at,
  t.cancelled_at,
  t.window_start,
  t.window_end,
  t.rrule,
  t.duration_ms,
  t.timezone,
  arrayMap(x -> (fromUnixTimestamp64Milli(least(x.1, now), 'UTC'), fromUnixTimestamp64Milli(least(x.2, now), 'UTC')), arrayFilter(x -> x.1 < now, arrayZip(t.excluded_from, t.excluded_to))) AS excluded,
  toUInt64(arraySum(x -> greatest(least(x.2, now) - x.1, 0), arrayZip(t.excluded_from, t.excluded_to))) AS excluded_ms,
  t.by,
  t.reason
FROM (SELECT *, toUnixTimestamp64Milli(now64(3)) AS now FROM tillstream.maintenance FINAL WHERE lane = '') AS t;

-- One row a month of resolution (UTC), store, party and severity with incidents resolved in it, in milliseconds; in the current month also
-- where some are open. Cancelled ones are in none.
CREATE OR REPLACE VIEW pos.incident_kpis
(
  month Date,
  store_id String,
  party LowCardinality(String),
  severity LowCardinality(String),
  n UInt64,
  mtta_ms Nullable(Float64),
  mttr_ms Nullable(Float64),
  resolve_ms_p50 Nullable(Float64),
  resolve_ms_p90 Nullable(Float64),
  detect_ms Nullable(Float64),
  few UInt8,
  open UInt64,
  oldest_open_ms Nullable(Int64),
  disordered UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  toStartOfMonth(ifNull(t.resolved_at, now64(3))) AS month,
  CAST(t.store_id, 'String') AS store_id,
  t.party AS party,
  t.severity AS severity,
  countIf(t.resolved_at IS NOT NULL) AS n,
  avgOrNullIf(toInt64(dateDiff('millisecond', t.opened_at, t.acknowledged_at)), t.resolved_at IS NOT NULL) AS mtta_ms,
  avgOrNullIf(t.resolve_ms, t.resolved_at IS NOT NULL) AS mttr_ms,
  quantileExactInclusiveOrNullIf(0.5)(t.resolve_ms, t.resolved_at IS NOT NULL) AS resolve_ms_p50,
  quantileExactInclusiveOrNullIf(0.9)(t.resolve_ms, t.resolved_at IS NOT NULL) AS resolve_ms_p90,
  avgOrNullIf(toInt64(dateDiff('millisecond', t.started_at, t.detected_at)), t.resolved_at IS NOT NULL) AS detect_ms,
  n < 5 AS few,
  countIf(t.resolved_at IS NULL) AS open,
  maxOrNullIf(dateDiff('millisecond', t.started_at, now64(3)), t.resolved_at IS NULL) AS oldest_open_ms,
  countIf(t.disordered = 1 AND t.resolved_at IS NOT NULL) AS disordered
FROM (SELECT * FROM tillstream.incidents FINAL WHERE lane = '' AND cancelled_at IS NULL) AS t
GROUP BY month, store_id, party, severity;
