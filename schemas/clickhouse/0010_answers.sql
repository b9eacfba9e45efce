-- What the queries of users need to be right: maintenance counts while nothing is heard, too; a terminal that was moved is where it is now; an incident that
-- was cancelled, or came back after more than a day, is in no mean with the time that is nobody's.

-- The time that approved maintenance takes out, by store, with the terminals that it is about (none: the store as a whole). Open ends last 366 days at most.
CREATE OR REPLACE VIEW tillstream.exclusions AS
SELECT
  store_id,
  groupArrayArray(arrayFilter(e -> e.3 > toUnixTimestamp64Milli(now64(3)) - 367 * 86400000, arrayMap((x, y) -> (terminals, x, y), excluded_from, excluded_to))) AS spans
FROM tillstream.maintenance FINAL
WHERE lane = '' AND notEmpty(excluded_from)
GROUP BY store_id;

-- awaited: only the registry knows the terminal, and no hour of it is written.
-- out is the union of what is taken out of a terminal's time since its status began: sorted, and each span without what those before it reach over.
CREATE OR REPLACE VIEW tillstream.open_ends AS
WITH
  arraySort(arrayMap(e -> (e.2, e.3), arrayFilter(e -> e.3 > toUnixTimestamp64Milli(t.since) AND e.2 < t.at AND (empty(e.1) OR has(e.1, t.terminal_id)), x.spans))) AS spans,
  arrayReduceInRanges('max', arrayMap(i -> (1, i), range(length(spans))), spans.2) AS reached
SELECT
  t.store_id AS store_id,
  t.terminal_id AS terminal_id,
  t.status AS status,
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

-- As before, less what is excluded: service_held_ms and service_silent_ms are counted time.
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
    toUInt64(t.service_unknown_ms + o.service_unknown_ms) AS service_unknown_ms, toUInt64(t.disabled_ms) AS disabled_ms
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
    service_ms, service_down_ms, excluded_ms, 0, 0, 0, service_unknown_ms, 0
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
  multiIf(t.status = 'withdrawn', seen, t.status = 'up', least(greatest(toUnixTimestamp64Milli(t.holds_until), seen), until), until) AS held,
  arrayFilter(e -> e.1 < e.2, arrayMap((e, r) -> (greatest(e.1, r), e.2), spans, reached)) AS out
FROM (SELECT * FROM tillstream.store_status FINAL WHERE lane = '') AS t
LEFT ANY JOIN tillstream.exclusions AS x ON t.store_id = x.store_id
SETTINGS join_use_nulls = 0;

CREATE OR REPLACE VIEW tillstream.open_store_hours AS
WITH
  (x, y) -> if(o.registered, arraySum((a, b) -> greatest(least(toInt64(toUnixTimestamp(b)) * 1000, y) - greatest(toInt64(toUnixTimestamp(a)) * 1000, x), 0), w.opens, w.closes), greatest(y - x, 0)) AS open,
  (x, y) -> arraySum(e -> open(greatest(e.1, x), least(e.2, y)), o.out) AS taken
SELECT
  o.store_id AS store_id,
  toDateTime(intDiv(o.hour_ms, 1000), 'UTC') AS hour,
  o.hour_ms <= o.seen AS newest,
  o.hour_ms + 3600000 AS hour_end,
  toUInt64(open(greatest(o.seen, o.hour_ms), least(o.until, hour_end))) AS service_ms,
  toUInt64(taken(greatest(o.seen, o.hour_ms), least(o.until, hour_end))) AS excluded_ms,
  toUInt64(open(greatest(o.seen, o.hour_ms), least(o.held, hour_end)) - taken(greatest(o.seen, o.hour_ms), least(o.held, hour_end))) AS held_ms,
  toUInt64(open(greatest(o.held, o.hour_ms), least(o.until, hour_end)) - taken(greatest(o.held, o.hour_ms), least(o.until, hour_end))) AS lapsed_ms,
  if(o.status = 'down', held_ms, 0) AS quorum_down_ms,
  lapsed_ms + if(o.status = 'unknown', held_ms, 0) AS unknown_ms
FROM
(
  SELECT *, toStartOfMonth(toDateTime(intDiv(hour_ms, 1000), 'UTC')) AS month
  FROM (SELECT *, arrayJoin(range(intDiv(seen, 3600000) * 3600000, greatest(until, seen + 1), 3600000)) AS hour_ms FROM tillstream.open_stores WHERE status != 'withdrawn')
) AS o
LEFT ANY JOIN (SELECT store_id, month, opens, closes FROM tillstream.service_windows FINAL WHERE lane = '') AS w ON o.store_id = w.store_id AND o.month = w.month
SETTINGS join_use_nulls = 0;

-- Hours in which a store is closed, or turned out to be, are no rows.
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
  SELECT CAST(store_id, 'String'), hour, toUInt64(service_ms), toUInt64(quorum_down_ms), toUInt64(excluded_ms), toUInt64(unknown_ms) FROM tillstream.open_store_hours
)
GROUP BY store_id, hour
HAVING service_ms > 0;

-- A registered terminal that was moved is shown in the store where it is; its life in the other one is over.
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
      WITH
        (a, b) -> if(o.registered, arraySum((c, d) -> greatest(least(toInt64(toUnixTimestamp(d)) * 1000, b) - greatest(toInt64(toUnixTimestamp(c)) * 1000, a), 0), w.opens, w.closes), greatest(b - a, 0)) AS service
      SELECT
        t.store_id AS store_id,
        t.terminal_id AS terminal_id,
        t.outage_id AS outage_id,
        t.cause AS cause,
        toUnixTimestamp64Milli(t.started_at) AS x,
        t.resolved_at IS NULL AND o.at > 0 AS open,
        if(open, greatest(o.until, x), ifNull(toUnixTimestamp64Milli(t.resolved_at), x)) AS y,
        t.resolved_at IS NOT NULL OR open AND o.until = o.retires AS ended,
        if(
          NOT open, toInt64(t.service_ms),
          service(x, y) - arraySum(e -> service(greatest(e.1, x), least(e.2, y)), o.out)) AS service_ms
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

-- outage_id can be NULL for the sake of outer joins: counted there, what is not there must not count as one.
CREATE OR REPLACE VIEW pos.outages
(
  outage_id Nullable(String),
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
  (a, b) -> if(o.registered, arraySum((c, d) -> greatest(least(toInt64(toUnixTimestamp(d)) * 1000, b) - greatest(toInt64(toUnixTimestamp(c)) * 1000, a), 0), w.opens, w.closes), greatest(b - a, 0)) AS service,
  toUnixTimestamp64Milli(t.started_at) AS x,
  t.resolved_at IS NULL AND o.at > 0 AS open,
  greatest(o.until, x) AS y
SELECT
  t.outage_id AS outage_id,
  CAST(t.store_id, 'String') AS store_id,
  t.started_at AS started_at,
  t.resolved_at AS resolved_at,
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

-- resolved_at and resolve_ms are NULL of one that was cancelled; paused_ms is all of [started, resolved) that does not count for resolve_ms.
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
  if(t.cancelled_at IS NULL, t.resolved_at, NULL) AS resolved_at,
  multiIf(
    t.resolved_at IS NOT NULL, toUInt64(greatest(dateDiff('millisecond', t.started_at, assumeNotNull(t.resolved_at)) - toInt64(t.resolve_ms), 0)),
    t.paused_since IS NULL, t.paused_ms,
    t.paused_ms + toUInt64(greatest(dateDiff('millisecond', greatest(assumeNotNull(t.paused_since), t.started_at), now64(3)), 0))) AS paused_ms,
  toUInt16(least(t.reopened, 65535)) AS reopened,
  t.party AS party,
  t.cause AS cause,
  t.status AS status,
  if(t.resolved_at IS NULL OR t.cancelled_at IS NOT NULL, NULL, t.resolve_ms) AS resolve_ms,
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
