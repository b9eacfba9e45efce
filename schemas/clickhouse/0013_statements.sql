-- Statements as they were published: the links of the chain of each agreement, by number. Of two links with one number the first that was written stays: rank
-- falls with time. statement is the canonical JSON of which hash is the SHA-256; it is written once and never made again.
CREATE TABLE IF NOT EXISTS tillstream.sla_documents (
  contract LowCardinality(String),
  number UInt64,
  period LowCardinality(String),
  period_start Date,
  revision UInt32,
  stage LowCardinality(String),
  published_at DateTime64(3, 'UTC'),
  as_of DateTime64(3, 'UTC'),
  hash String,
  previous String,
  replaces String,
  rank UInt64,
  statement String CODEC(ZSTD(6))
) ENGINE = ReplacingMergeTree(rank)
ORDER BY (contract, number)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE OR REPLACE VIEW pos.sla_statements
(
  contract String,
  number UInt64,
  period String,
  period_start Date,
  revision UInt32,
  stage LowCardinality(String),
  published_at DateTime64(3,'UTC'),
  hash String,
  previous String,
  replaces String,
  statement String,
  as_of DateTime64(3,'UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  CAST(t.contract, 'String') AS contract,
  t.number,
  CAST(t.period, 'String') AS period,
  t.period_start,
  t.revision,
  t.stage,
  t.published_at,
  t.hash,
  t.previous,
  t.replaces,
  t.statement,
  t.as_of
FROM tillstream.sla_documents AS t FINAL;
