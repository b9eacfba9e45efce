-- Customers who were forgotten (docs/forget.md): a keyed hash of each pseudonym, and a hash of nobody's by which the key is told. Rows are only ever added, so that their number is the list's
-- version.
CREATE TABLE IF NOT EXISTS tillstream.forgotten (
  hash FixedString(16),
  key FixedString(16),
  erasure String,
  at DateTime64(3, 'UTC')
) ENGINE = MergeTree
ORDER BY hash;

-- Who had how many forgotten, when and why, and in how many rows they were named; not whom.
CREATE TABLE IF NOT EXISTS tillstream.erasures (
  id String,
  at DateTime64(3, 'UTC'),
  by String,
  reason String,
  customers UInt64,
  tables Map(String, UInt64),
  completed_at Nullable(DateTime64(3, 'UTC')),
  version UInt8
) ENGINE = ReplacingMergeTree(version)
ORDER BY (at, id);

CREATE OR REPLACE VIEW pos.erasures
(
  id String,
  at DateTime64(3,'UTC'),
  by String,
  reason String,
  customers UInt64,
  tables Map(String, UInt64),
  completed_at Nullable(DateTime64(3,'UTC'))
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT id, at, by, reason, customers, tables, completed_at FROM tillstream.erasures FINAL;

-- Whom a run of tillstream forget is erasing, until it is done: statements and mutations ask here, so that no log has a pseudonym for it, and a mutation that a restart
-- interrupts goes on with the same customers. trace is what customer_counts has of a customer, sketched what a sketch of few has. part numbers the portions that one search takes.
CREATE TABLE IF NOT EXISTS tillstream.forgetting (
  run String,
  by String,
  reason String,
  since DateTime64(3, 'UTC'),
  part UInt32,
  customer UInt64,
  trace UInt32 DEFAULT toUInt32(cityHash64(customer)),
  sketched String DEFAULT substring(CAST(arrayReduce('uniqCombined64State(12)', [customer]) AS String), 3),
  decimal String DEFAULT toString(customer),
  little String DEFAULT unhex(hex(reinterpret(customer, 'FixedString(8)'))),
  big String DEFAULT reverse(little)
) ENGINE = MergeTree
PARTITION BY run
ORDER BY customer;

-- Values of the state that name them, and what stays of each.
CREATE TABLE IF NOT EXISTS tillstream.forgetting_values (
  run String,
  old String,
  new String
) ENGINE = MergeTree
PARTITION BY run
ORDER BY old;
