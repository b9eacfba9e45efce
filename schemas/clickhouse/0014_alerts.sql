-- Every transition of every alert, written before it is sent. Of two of one id and sequence (two members judged at once) either will do.
CREATE TABLE IF NOT EXISTS tillstream.alerts (
  rule LowCardinality(String),
  scope String CODEC(ZSTD),
  alert_id String CODEC(ZSTD),
  sequence UInt32,
  at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  transition LowCardinality(String),
  state LowCardinality(String),
  severity LowCardinality(String),
  store_id String CODEC(ZSTD),
  terminal_id String CODEC(ZSTD),
  contract String CODEC(ZSTD),
  objective String CODEC(ZSTD),
  started_at DateTime64(3, 'UTC') CODEC(ZSTD),
  since DateTime64(3, 'UTC') CODEC(ZSTD),
  ended_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  value Float64 CODEC(ZSTD),
  threshold Float64 CODEC(ZSTD),
  summary String CODEC(ZSTD),
  reason String CODEC(ZSTD)
) ENGINE = ReplacingMergeTree
ORDER BY (rule, scope, alert_id, sequence)
SETTINGS non_replicated_deduplication_window = 10000;

-- Up to which transition of an alert a receiver was told.
CREATE TABLE IF NOT EXISTS tillstream.alerts_sent (
  receiver LowCardinality(String),
  alert_id String CODEC(ZSTD),
  sequence UInt32,
  at DateTime64(3, 'UTC') CODEC(Delta, ZSTD)
) ENGINE = ReplacingMergeTree(sequence)
ORDER BY (receiver, alert_id)
SETTINGS non_replicated_deduplication_window = 10000;

-- One row an alert, as its newest transition left it.
CREATE OR REPLACE VIEW pos.alerts
(
  alert_id String,
  rule LowCardinality(String),
  severity LowCardinality(String),
  state LowCardinality(String),
  scope String,
  started_at DateTime64(3,'UTC'),
  ended_at Nullable(DateTime64(3,'UTC')),
  value Float64,
  threshold Float64,
  contract String,
  summary String,
  objective String,
  store_id String,
  terminal_id String,
  reason String,
  sequence UInt32,
  updated_at DateTime64(3,'UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  alert_id, rule, a.2 AS severity, a.3 AS state, scope, a.4 AS started_at, a.5 AS ended_at, a.6 AS value, a.7 AS threshold, a.8 AS contract, a.9 AS summary,
  a.10 AS objective, a.11 AS store_id, a.12 AS terminal_id, a.13 AS reason, a.1 AS sequence, a.14 AS updated_at
FROM
(
  SELECT
    alert_id, rule, scope,
    argMax(tuple(sequence, severity, state, started_at, ended_at, value, threshold, contract, summary, objective, store_id, terminal_id, reason, at), sequence) AS a
  FROM tillstream.alerts
  GROUP BY rule, scope, alert_id
);
