-- What a month costs after a year, and an outage of a whole chain.

-- The outages of pos.outages that last until an instant (ms) or longer, without reading what was before: whose an outage is depends on those that begin within ten minutes
-- of it, and spells less than 30 s apart are one. So of what ended before the instant these are read, too: what ended in the twenty minutes before it; the spells that one
-- which reaches beyond it goes on from (chains), and all of a till of which one lasts; and those that began or ended near the beginning of one of these (near, in steps of 700 s: ten minutes, and the 30 s that a
-- spell before may be away). What else comes with these ends before the instant, and is not to be looked at.
CREATE OR REPLACE VIEW tillstream.outage_runs_since AS
WITH
  chains AS
  (
    SELECT store_id, terminal_id, started_at, toUnixTimestamp64Milli(started_at) AS x, y IS NULL OR y >= {since:Int64} OR next - y < 30000 AS goes_on
    FROM
    (
      SELECT
        store_id, terminal_id, started_at, toUnixTimestamp64Milli(resolved_at) AS y,
        toUnixTimestamp64Milli(leadInFrame(started_at, 1, toDateTime64('2299-12-31 00:00:00', 3, 'UTC')) OVER till) AS next,
        max(resolved_at IS NULL) OVER till AS lasts
      FROM tillstream.outages FINAL
      WHERE lane = '' AND (store_id, terminal_id) IN
      (
        SELECT store_id, terminal_id FROM tillstream.outages FINAL
        WHERE lane = '' AND toUnixTimestamp64Milli(started_at) < {since:Int64} + 30000 AND (resolved_at IS NULL OR toUnixTimestamp64Milli(resolved_at) >= {since:Int64})
        SETTINGS do_not_merge_across_partitions_select_final = 1
      )
      WINDOW till AS (PARTITION BY store_id, terminal_id ORDER BY started_at ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
      SETTINGS do_not_merge_across_partitions_select_final = 1
    )
    WHERE lasts OR goes_on
  ),
  near AS (SELECT DISTINCT arrayJoin([intDiv(x - 640000, 700000), intDiv(x, 700000), intDiv(x + 640000, 700000)]) AS step FROM chains WHERE goes_on)
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
      FROM
      (
        SELECT * FROM tillstream.outages FINAL
        WHERE lane = '' AND (resolved_at IS NULL OR toUnixTimestamp64Milli(resolved_at) >= {since:Int64} - 1300000
          OR (store_id, terminal_id, started_at) IN (SELECT store_id, terminal_id, started_at FROM chains)
          OR intDiv(toUnixTimestamp64Milli(started_at), 700000) IN (SELECT step FROM near) OR intDiv(toUnixTimestamp64Milli(resolved_at), 700000) IN (SELECT step FROM near))
        SETTINGS do_not_merge_across_partitions_select_final = 1
      ) AS t
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

-- How many tills and stores of a version had an outage begin within ten minutes of another was counted anew for each, which is the square of how many begin in an hour. Now
-- the outages of a till (of a store) of which each begins at most twenty minutes after the one before are a row: one of it begins within ten minutes of an instant if the row
-- begins by the end of these minutes and does not end before their beginning, and there is one such row of a till at most. So it is the rows begun less those ended.
CREATE OR REPLACE VIEW tillstream.outages_since AS
WITH
  arrayFirst(c -> (c.1 = '' OR c.1 = r.terminal_id) AND c.3 < r.to_ms AND c.4 > r.from_ms AND c.5 != '' AND c.5 != 'undetermined', claims.all) AS claim,
  arrayFirst(c -> (c.1 = '' OR c.1 = r.terminal_id) AND c.3 < r.to_ms AND c.4 > r.from_ms AND c.9 = 1, claims.all).2 AS incident,
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
    sum(till_begins) OVER so_far - sum(till_ends) OVER before AS same_version,
    sum(store_begins) OVER so_far - sum(store_ends) OVER before AS version_stores
  FROM
  (
    SELECT
      *,
      from_ms - lagInFrame(from_ms, 1, from_ms - 1200001) OVER till > 1200000 AS till_begins,
      leadInFrame(from_ms, 1, from_ms + 1200001) OVER till - from_ms > 1200000 AS till_ends,
      from_ms - lagInFrame(from_ms, 1, from_ms - 1200001) OVER store > 1200000 AS store_begins,
      leadInFrame(from_ms, 1, from_ms + 1200001) OVER store - from_ms > 1200000 AS store_ends
    FROM
    (
      SELECT o.*, s.version AS version, s.tills AS tills, s.version_tills AS version_tills
      FROM tillstream.outage_runs_since(since = {since:Int64}) AS o
      LEFT ANY JOIN
      (
        SELECT
          store_id, terminal_id, software_version AS version, count() OVER (PARTITION BY store_id) AS tills, count() OVER (PARTITION BY software_version) AS version_tills
        FROM tillstream.terminal_status FINAL
        WHERE lane = '' AND status != 'withdrawn'
      ) AS s ON o.store_id = s.store_id AND o.terminal_id = s.terminal_id
      SETTINGS join_use_nulls = 0
    )
    WINDOW
      till AS (PARTITION BY version, store_id, terminal_id ORDER BY from_ms ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING),
      store AS (PARTITION BY version, store_id ORDER BY from_ms ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
  )
  WINDOW
    so_far AS (PARTITION BY version ORDER BY from_ms RANGE BETWEEN UNBOUNDED PRECEDING AND 600000 FOLLOWING),
    before AS (PARTITION BY version ORDER BY from_ms RANGE BETWEEN UNBOUNDED PRECEDING AND 600001 PRECEDING)
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

-- outage_id can be NULL for the sake of outer joins: counted there, what is not there must not count as one.
-- The rest is as above: ClickHouse 25.8 cannot read a view with parameters in one of a definer, nor count what can be NULL by the view's word alone.
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
  arrayFirst(c -> (c.1 = '' OR c.1 = r.terminal_id) AND c.3 < r.to_ms AND c.4 > r.from_ms AND c.5 != '' AND c.5 != 'undetermined', claims.all) AS claim,
  arrayFirst(c -> (c.1 = '' OR c.1 = r.terminal_id) AND c.3 < r.to_ms AND c.4 > r.from_ms AND c.9 = 1, claims.all).2 AS incident,
  claim.5 != '' AS claimed,
  r.tills >= 2 AND r.together >= r.tills AS store_cut,
  r.version != '' AND r.same_version >= 3 AND r.version_stores >= 2 AND 10 * r.same_version >= 9 * r.version_tills AS version_down,
  transform(r.cause, ['UnreachableHost', 'UnavailableService'], ['third_party', 'third_party'], '') AS told
SELECT
  toNullable(r.outage_id) AS outage_id,
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
    sum(till_begins) OVER so_far - sum(till_ends) OVER before AS same_version,
    sum(store_begins) OVER so_far - sum(store_ends) OVER before AS version_stores
  FROM
  (
    SELECT
      *,
      from_ms - lagInFrame(from_ms, 1, from_ms - 1200001) OVER till > 1200000 AS till_begins,
      leadInFrame(from_ms, 1, from_ms + 1200001) OVER till - from_ms > 1200000 AS till_ends,
      from_ms - lagInFrame(from_ms, 1, from_ms - 1200001) OVER store > 1200000 AS store_begins,
      leadInFrame(from_ms, 1, from_ms + 1200001) OVER store - from_ms > 1200000 AS store_ends
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
    WINDOW
      till AS (PARTITION BY version, store_id, terminal_id ORDER BY from_ms ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING),
      store AS (PARTITION BY version, store_id ORDER BY from_ms ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
  )
  WINDOW
    so_far AS (PARTITION BY version ORDER BY from_ms RANGE BETWEEN UNBOUNDED PRECEDING AND 600000 FOLLOWING),
    before AS (PARTITION BY version ORDER BY from_ms RANGE BETWEEN UNBOUNDED PRECEDING AND 600001 PRECEDING)
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

-- When runs ended, of every 8,192 of them: those that reach into a month begin in few months before it.
ALTER TABLE tillstream.status_intervals ADD INDEX IF NOT EXISTS ended ended_at TYPE minmax GRANULARITY 1;

ALTER TABLE tillstream.status_intervals MATERIALIZE INDEX ended;

-- The same of statements, which are never cleared: until when they may change, and the ends of their periods.
ALTER TABLE tillstream.sla_statements ADD INDEX IF NOT EXISTS closes closes_at TYPE minmax GRANULARITY 1, ADD INDEX IF NOT EXISTS ends period_to TYPE minmax GRANULARITY 1;

ALTER TABLE tillstream.sla_statements MATERIALIZE INDEX closes, MATERIALIZE INDEX ends;
