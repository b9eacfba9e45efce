-- Degraded tills that cannot sell are told apart from those that can.
ALTER TABLE tillstream.status_intervals
  ADD COLUMN IF NOT EXISTS disabled UInt8 CODEC(ZSTD);

-- What agreements came to: one row for each revision of a statement, of which none is ever deleted. A statement is of an agreement, a part of a period (as
-- far as one text was in force), an objective and a scope. While it is provisional (revision 0) the newest row holds; of a later revision the first
-- that was written does: rank says so. Ratios are kept as the fractions they are, of 0 is none; amounts in minor units; unit is share or ms.
CREATE TABLE IF NOT EXISTS tillstream.sla_statements (
  period_start Date,
  contract LowCardinality(String),
  objective LowCardinality(String),
  scope String CODEC(ZSTD),
  store_id LowCardinality(String),
  version UInt32,
  part_from DateTime64(3, 'UTC'),
  revision UInt32,
  rank UInt64 CODEC(ZSTD),
  scope_kind LowCardinality(String),
  period LowCardinality(String),
  period_end Date,
  period_from DateTime64(3, 'UTC'),
  period_to DateTime64(3, 'UTC'),
  part_to DateTime64(3, 'UTC'),
  type LowCardinality(String),
  level LowCardinality(String),
  provider LowCardinality(String),
  customer LowCardinality(String),
  hash LowCardinality(String),
  indicator LowCardinality(String),
  unit LowCardinality(String),
  op LowCardinality(String),
  weight LowCardinality(String),
  target Tuple(part Int64, of Int64) CODEC(ZSTD),
  actual Tuple(part Int64, of Int64) CODEC(ZSTD),
  raw Tuple(part Int64, of Int64) CODEC(ZSTD),
  low Tuple(part Int64, of Int64) CODEC(ZSTD),
  high Tuple(part Int64, of Int64) CODEC(ZSTD),
  coverage Tuple(part Int64, of Int64) CODEC(ZSTD),
  previous Tuple(part Int64, of Int64) CODEC(ZSTD),
  verdict LowCardinality(String),
  few UInt8,
  min_coverage Float64 CODEC(ZSTD),
  committed_ms Int64 CODEC(ZSTD),
  excluded_ms Int64 CODEC(ZSTD),
  counted_ms Int64 CODEC(ZSTD),
  unknown_ms Int64 CODEC(ZSTD),
  down_ms Int64 CODEC(ZSTD),
  doubt_ms Int64 CODEC(ZSTD),
  raw_unknown_ms Int64 CODEC(ZSTD),
  raw_down_ms Int64 CODEC(ZSTD),
  ahead_ms Int64 CODEC(ZSTD),
  running UInt8,
  outages Int64 CODEC(ZSTD),
  events Int64 CODEC(ZSTD),
  budget_ms Float64 CODEC(ZSTD),
  credit Int64 CODEC(ZSTD),
  due Int64 CODEC(ZSTD),
  pending UInt8,
  earned_back Int64 CODEC(ZSTD),
  currency LowCardinality(String),
  claim LowCardinality(String),
  claim_until Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  closes_at DateTime64(3, 'UTC'),
  review_due Nullable(Date),
  stage LowCardinality(String),
  reason String CODEC(ZSTD),
  note String CODEC(ZSTD),
  as_of DateTime64(3, 'UTC'),
  sources Tuple(evidence UInt64, decisions UInt64, registry UInt64) CODEC(ZSTD)
) ENGINE = ReplacingMergeTree(rank)
ORDER BY (period_start, contract, objective, scope, store_id, version, part_from, revision)
SETTINGS non_replicated_deduplication_window = 10000;

-- Why: of each revision of a statement its evidence, as arrays, so that it changes as a whole. Instants are ms since 1970, 0 where there is none.
CREATE TABLE IF NOT EXISTS tillstream.sla_evidence (
  period_start Date,
  contract LowCardinality(String),
  objective LowCardinality(String),
  scope String CODEC(ZSTD),
  store_id LowCardinality(String),
  version UInt32,
  part_from DateTime64(3, 'UTC'),
  revision UInt32,
  rank UInt64 CODEC(ZSTD),
  kind Array(LowCardinality(String)) CODEC(ZSTD),
  ref Array(String) CODEC(ZSTD),
  started Array(Int64) CODEC(ZSTD),
  ended Array(Int64) CODEC(ZSTD),
  counted_ms Array(Int64) CODEC(ZSTD),
  counted_events Array(Int64) CODEC(ZSTD),
  party Array(LowCardinality(String)) CODEC(ZSTD),
  decision Array(LowCardinality(String)) CODEC(ZSTD),
  rule Array(LowCardinality(String)) CODEC(ZSTD),
  decided_by Array(String) CODEC(ZSTD),
  decided Array(Int64) CODEC(ZSTD),
  note Array(String) CODEC(ZSTD)
) ENGINE = ReplacingMergeTree(rank)
ORDER BY (period_start, contract, objective, scope, store_id, version, part_from, revision)
SETTINGS non_replicated_deduplication_window = 10000;

-- How fast budgets burn, as far as they do or it is not known: where there is no row the rate is 0 and the coverage 1.
CREATE TABLE IF NOT EXISTS tillstream.sla_burn (
  contract LowCardinality(String),
  objective LowCardinality(String),
  scope String CODEC(ZSTD),
  store_id LowCardinality(String),
  window LowCardinality(String),
  rank UInt64 CODEC(ZSTD),
  version UInt32,
  scope_kind LowCardinality(String),
  burn_rate Float64 CODEC(ZSTD),
  coverage Float64 CODEC(ZSTD),
  counted_ms Int64 CODEC(ZSTD),
  unknown_ms Int64 CODEC(ZSTD),
  down_ms Int64 CODEC(ZSTD)
) ENGINE = ReplacingMergeTree(rank)
ORDER BY (contract, objective, scope, store_id, window)
SETTINGS non_replicated_deduplication_window = 10000;

-- The newest revision of every statement.
CREATE OR REPLACE VIEW pos.sla_compliance
(
  contract String,
  version UInt32,
  level LowCardinality(String),
  objective String,
  scope String,
  period LowCardinality(String),
  period_start DateTime('UTC'),
  period_end DateTime('UTC'),
  target Float64,
  actual Float64,
  raw_actual Float64,
  coverage Float64,
  met UInt8,
  verdict LowCardinality(String),
  budget_total Float64,
  budget_spent Float64,
  excluded_ms UInt64,
  credit Decimal(18,4),
  credit_currency LowCardinality(String),
  revision UInt32,
  final UInt8,
  stage LowCardinality(String),
  low Nullable(Float64),
  high Nullable(Float64),
  committed_ms UInt64,
  counted_ms UInt64,
  unknown_ms UInt64,
  down_ms UInt64,
  doubt_ms UInt64,
  outages UInt64,
  events UInt64,
  unit LowCardinality(String),
  op LowCardinality(String),
  indicator LowCardinality(String),
  weight LowCardinality(String),
  scope_kind LowCardinality(String),
  store_id String,
  type LowCardinality(String),
  provider String,
  customer String,
  hash String,
  starts_at DateTime64(3,'UTC'),
  ends_at DateTime64(3,'UTC'),
  period_starts_at DateTime64(3,'UTC'),
  period_ends_at DateTime64(3,'UTC'),
  running UInt8,
  has_figure UInt8,
  few UInt8,
  believed UInt8,
  credit_due Decimal(18,4),
  credit_pending UInt8,
  earned_back Decimal(18,4),
  claim LowCardinality(String),
  claim_until Nullable(DateTime64(3,'UTC')),
  closes_at DateTime64(3,'UTC'),
  review_due Nullable(Date),
  previous_actual Nullable(Float64),
  difference Nullable(Float64),
  reason String,
  note String,
  as_of DateTime64(3,'UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  (r) -> if(tupleElement(r, 2) > 0, tupleElement(r, 1) / tupleElement(r, 2), NULL) AS value,
  multiIf(
    s.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), toInt64(10000),
    s.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), toInt64(10),
    s.currency IN ('CLF', 'UYW'), toInt64(1),
    toInt64(100)) AS scale
SELECT
  CAST(contract, 'String') AS contract,
  version,
  s.level AS level,
  CAST(objective, 'String') AS objective,
  scope,
  s.period AS period,
  toDateTime(t.first_day, 'UTC') AS period_start,
  toDateTime(s.period_end, 'UTC') AS period_end,
  ifNull(value(s.target), 0) AS target,
  ifNull(value(s.actual), 0) AS actual,
  ifNull(value(s.raw), 0) AS raw_actual,
  ifNull(value(s.coverage), 1) AS coverage,
  toUInt8(s.verdict = 'met') AS met,
  s.verdict AS verdict,
  s.budget_ms / 1000 AS budget_total,
  s.down_ms / 1000 AS budget_spent,
  toUInt64(s.excluded_ms) AS excluded_ms,
  s.credit * scale * toDecimal64('0.0001', 4) AS credit,
  s.currency AS credit_currency,
  s.revision AS revision,
  toUInt8(s.stage != 'provisional') AS final,
  s.stage AS stage,
  value(s.low) AS low,
  value(s.high) AS high,
  toUInt64(s.committed_ms) AS committed_ms,
  toUInt64(s.counted_ms) AS counted_ms,
  toUInt64(s.unknown_ms) AS unknown_ms,
  toUInt64(s.down_ms) AS down_ms,
  toUInt64(s.doubt_ms) AS doubt_ms,
  toUInt64(s.outages) AS outages,
  toUInt64(s.events) AS events,
  s.unit AS unit,
  s.op AS op,
  s.indicator AS indicator,
  s.weight AS weight,
  s.scope_kind AS scope_kind,
  CAST(store_id, 'String') AS store_id,
  s.type AS type,
  CAST(s.provider, 'String') AS provider,
  CAST(s.customer, 'String') AS customer,
  CAST(s.hash, 'String') AS hash,
  part_from AS starts_at,
  s.part_to AS ends_at,
  s.period_from AS period_starts_at,
  s.period_to AS period_ends_at,
  s.running AS running,
  toUInt8(tupleElement(s.actual, 2) > 0) AS has_figure,
  s.few AS few,
  toUInt8(tupleElement(s.actual, 2) > 0 AND ifNull(value(s.coverage), 1) >= s.min_coverage) AS believed,
  s.due * scale * toDecimal64('0.0001', 4) AS credit_due,
  s.pending AS credit_pending,
  s.earned_back * scale * toDecimal64('0.0001', 4) AS earned_back,
  s.claim AS claim,
  s.claim_until AS claim_until,
  s.closes_at AS closes_at,
  s.review_due AS review_due,
  value(s.previous) AS previous_actual,
  value(s.actual) - value(s.previous) AS difference,
  s.reason AS reason,
  s.note AS note,
  s.as_of AS as_of
FROM
(
  SELECT
    period_start AS first_day, contract, objective, scope, store_id, version, part_from,
    argMax(tuple(
      revision, scope_kind, period, period_end, period_from, period_to, part_to, type, level, provider, customer, hash, indicator, unit, op, weight,
      target, actual, raw, low, high, coverage, previous, verdict, few, min_coverage,
      committed_ms, excluded_ms, counted_ms, unknown_ms, down_ms, doubt_ms, running, outages, events, budget_ms,
      credit, due, pending, earned_back, currency, claim, claim_until, closes_at, review_due, stage, reason, note, as_of
    )::Tuple(
      revision UInt32, scope_kind String, period String, period_end Date, period_from DateTime64(3,'UTC'), period_to DateTime64(3,'UTC'), part_to DateTime64(3,'UTC'),
      type String, level String, provider String, customer String, hash String, indicator String, unit String, op String, weight String,
      target Tuple(Int64, Int64), actual Tuple(Int64, Int64), raw Tuple(Int64, Int64), low Tuple(Int64, Int64), high Tuple(Int64, Int64),
      coverage Tuple(Int64, Int64), previous Tuple(Int64, Int64), verdict String, few UInt8, min_coverage Float64,
      committed_ms Int64, excluded_ms Int64, counted_ms Int64, unknown_ms Int64, down_ms Int64, doubt_ms Int64, running UInt8, outages Int64, events Int64,
      budget_ms Float64, credit Int64, due Int64, pending UInt8, earned_back Int64, currency String, claim String, claim_until Nullable(DateTime64(3,'UTC')),
      closes_at DateTime64(3,'UTC'), review_due Nullable(Date), stage String, reason String, note String, as_of DateTime64(3,'UTC')
    ), (revision, rank)) AS s
  FROM tillstream.sla_statements
  GROUP BY period_start, contract, objective, scope, store_id, version, part_from
) AS t;

CREATE OR REPLACE VIEW pos.sla_burn
(
  contract String,
  objective String,
  scope String,
  window LowCardinality(String),
  burn_rate Float64,
  coverage Float64,
  at DateTime('UTC'),
  version UInt32,
  scope_kind LowCardinality(String),
  store_id String,
  counted_ms UInt64,
  unknown_ms UInt64,
  down_ms UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  CAST(t.contract, 'String') AS contract,
  CAST(t.objective, 'String') AS objective,
  t.scope,
  t.window,
  t.burn_rate,
  t.coverage,
  toDateTime(intDiv(t.rank, 1000), 'UTC') AS at,
  t.version,
  t.scope_kind,
  CAST(t.store_id, 'String') AS store_id,
  toUInt64(t.counted_ms) AS counted_ms,
  toUInt64(t.unknown_ms) AS unknown_ms,
  toUInt64(t.down_ms) AS down_ms
FROM tillstream.sla_burn AS t FINAL;

-- The evidence of the newest revision of every statement.
CREATE OR REPLACE VIEW pos.sla_evidence
(
  contract String,
  version UInt32,
  objective String,
  period_start DateTime('UTC'),
  kind LowCardinality(String),
  ref String,
  started_at DateTime64(3,'UTC'),
  ended_at DateTime64(3,'UTC'),
  counted_ms Int64,
  counted_events Int64,
  party LowCardinality(String),
  decision LowCardinality(String),
  rule String,
  decided_by String,
  decided_at DateTime64(3,'UTC'),
  note String,
  scope String,
  store_id String,
  revision UInt32,
  starts_at DateTime64(3,'UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  CAST(contract, 'String') AS contract,
  version,
  CAST(objective, 'String') AS objective,
  toDateTime(first_day, 'UTC') AS period_start,
  e.1 AS kind,
  e.2 AS ref,
  fromUnixTimestamp64Milli(e.3, 'UTC') AS started_at,
  fromUnixTimestamp64Milli(e.4, 'UTC') AS ended_at,
  e.5 AS counted_ms,
  e.6 AS counted_events,
  e.7 AS party,
  e.8 AS decision,
  e.9 AS rule,
  e.10 AS decided_by,
  fromUnixTimestamp64Milli(e.11, 'UTC') AS decided_at,
  e.12 AS note,
  scope,
  CAST(store_id, 'String') AS store_id,
  newest AS revision,
  part_from AS starts_at
FROM
(
  SELECT
    period_start AS first_day, contract, objective, scope, store_id, version, part_from, max(revision) AS newest,
    argMax(arrayZip(kind::Array(String), ref, started, ended, counted_ms, counted_events, party::Array(String), decision::Array(String), rule::Array(String), decided_by, decided, note), (revision, rank)) AS all
  FROM tillstream.sla_evidence
  GROUP BY period_start, contract, objective, scope, store_id, version, part_from
)
ARRAY JOIN all AS e;
