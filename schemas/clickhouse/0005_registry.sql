-- What is registered, one row an object and revision: the newest revision of an object is in force, deleted says that it is none. document is
-- the object as it was declared; of kind Document, what it comes to for one store (name is its store_id), as its lane is told. A revision is one
-- INSERT, and the deduplication window makes the first of two that are written under one number the one that stays.
CREATE TABLE IF NOT EXISTS tillstream.registry (
  kind LowCardinality(String),
  name String,
  revision UInt64,
  at DateTime64(3, 'UTC'),
  by String,
  reason String,
  document String CODEC(ZSTD),
  deleted UInt8
) ENGINE = ReplacingMergeTree(at)
ORDER BY (kind, name, revision)
SETTINGS non_replicated_deduplication_window = 10000;

-- Revisions of which Kafka has all.
CREATE TABLE IF NOT EXISTS tillstream.registry_sent (
  revision UInt64,
  at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(at)
ORDER BY revision;

-- One row a store and version: what is registered now.
CREATE OR REPLACE VIEW pos.stores
(
  store_id String,
  valid_from Nullable(Date),
  valid_to Nullable(Date),
  timezone String,
  currency String,
  format String,
  area String,
  sell_quorum UInt32,
  has_hours UInt8,
  business_day_cutoff String,
  line_supplier String,
  opened_on Nullable(Date),
  closed_on Nullable(Date),
  terminals UInt32,
  revision UInt64,
  changed_at DateTime64(3,'UTC'),
  changed_by String,
  reason String
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  name AS store_id,
  toDateOrNull(JSONExtractString(version, 'from')) AS valid_from,
  toDateOrNull(JSONExtractString(next, 'from')) AS valid_to,
  JSONExtractString(version, 'timezone') AS timezone,
  JSONExtractString(version, 'currency') AS currency,
  JSONExtractString(version, 'format') AS format,
  JSONExtractString(version, 'area') AS area,
  toUInt32(greatest(JSONExtractUInt(version, 'sell_quorum'), 1)) AS sell_quorum,
  toUInt8(JSONHas(version, 'calendar')) AS has_hours,
  JSONExtractString(version, 'business_day_cutoff') AS business_day_cutoff,
  JSONExtractString(version, 'line_supplier') AS line_supplier,
  toDateOrNull(JSONExtractString(document, 'opened_on')) AS opened_on,
  toDateOrNull(JSONExtractString(document, 'closed_on')) AS closed_on,
  toUInt32(JSONLength(document, 'terminals')) AS terminals,
  revision,
  at AS changed_at,
  by AS changed_by,
  reason
FROM
(
  SELECT name, revision, at, by, reason, document, JSONExtractArrayRaw(document, 'versions') AS versions
  FROM (SELECT * FROM tillstream.registry FINAL WHERE kind = 'Document' ORDER BY revision DESC LIMIT 1 BY name)
  WHERE deleted = 0
)
ARRAY JOIN versions AS version, arrayPushBack(arrayPopFront(versions), '{}') AS next;

-- One row a terminal, life in a store, and version during it: what is registered now.
CREATE OR REPLACE VIEW pos.terminals
(
  terminal_id String,
  store_id String,
  valid_from Nullable(DateTime64(3,'UTC')),
  valid_to Nullable(DateTime64(3,'UTC')),
  role String,
  model String,
  components Array(String),
  sell_needs Array(String),
  heartbeat_timeout_ms Nullable(UInt64),
  customer String,
  services Array(String),
  line_supplier String,
  revision UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  parseDateTime64BestEffortOrNull(JSONExtractString(life, 'from'), 3, 'UTC') AS life_from,
  parseDateTime64BestEffortOrNull(JSONExtractString(life, 'to'), 3, 'UTC') AS life_to,
  parseDateTime64BestEffortOrNull(JSONExtractString(version, 'from'), 3, 'UTC') AS version_from,
  parseDateTime64BestEffortOrNull(JSONExtractString(next, 'from'), 3, 'UTC') AS version_to
SELECT
  JSONExtractString(terminal, 'id') AS terminal_id,
  name AS store_id,
  if(life_from IS NULL OR version_from IS NULL, ifNull(life_from, version_from), greatest(life_from, version_from)) AS valid_from,
  if(life_to IS NULL OR version_to IS NULL, ifNull(life_to, version_to), least(life_to, version_to)) AS valid_to,
  JSONExtractString(version, 'role') AS role,
  JSONExtractString(version, 'model') AS model,
  JSONExtract(version, 'components', 'Array(String)') AS components,
  JSONExtract(version, 'sell_needs', 'Array(String)') AS sell_needs,
  nullIf(JSONExtractUInt(version, 'heartbeat_timeout'), 0) AS heartbeat_timeout_ms,
  JSONExtractString(version, 'customer') AS customer,
  JSONExtract(version, 'services', 'Array(String)') AS services,
  JSONExtractString(version, 'line_supplier') AS line_supplier,
  revision
FROM
(
  SELECT name, revision, terminal, life, JSONExtractArrayRaw(terminal, 'versions') AS versions
  FROM
  (
    SELECT name, revision, arrayJoin(JSONExtractArrayRaw(document, 'terminals')) AS terminal
    FROM (SELECT * FROM tillstream.registry FINAL WHERE kind = 'Document' ORDER BY revision DESC LIMIT 1 BY name)
    WHERE deleted = 0
  )
  ARRAY JOIN JSONExtractArrayRaw(terminal, 'lives') AS life
)
ARRAY JOIN versions AS version, arrayPushBack(arrayPopFront(versions), '{}') AS next
WHERE valid_from IS NULL OR valid_to IS NULL OR valid_from < valid_to;
