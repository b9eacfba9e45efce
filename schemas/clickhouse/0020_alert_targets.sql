-- Whom an alert is for, where an agreement's own AlertPolicy names somebody.
ALTER TABLE tillstream.alerts
  ADD COLUMN IF NOT EXISTS target String CODEC(ZSTD);

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
  updated_at DateTime64(3,'UTC'),
  target String
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  alert_id, rule, a.2 AS severity, a.3 AS state, scope, a.4 AS started_at, a.5 AS ended_at, a.6 AS value, a.7 AS threshold, a.8 AS contract, a.9 AS summary,
  a.10 AS objective, a.11 AS store_id, a.12 AS terminal_id, a.13 AS reason, a.1 AS sequence, a.14 AS updated_at, a.15 AS target
FROM
(
  SELECT
    alert_id, rule, scope,
    argMax(tuple(sequence, severity, state, started_at, ended_at, value, threshold, contract, summary, objective, store_id, terminal_id, reason, at, target), sequence) AS a
  FROM tillstream.alerts
  GROUP BY rule, scope, alert_id
);
