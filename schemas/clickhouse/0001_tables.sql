-- The tables of the machine. Readers are granted the views of database pos, never these.
--
-- lane is '' in data rows. A batch leaves one more row in every table it writes, in the same INSERT and so in the same part: lane says
-- whose it is, mark which batch, and the sums are control totals of the batch's data rows. Key and partition begin so that these rows
-- stand apart and are found at once.
--
-- Times are UTC, amounts minor units of `currency`, quantities thousandths. *_in columns are EPHEMERAL: raw values of one batch, out of
-- which the server builds the sketch beside them. Partitions nobody has written to for a day are merged to one part, which makes FINAL
-- in the views cheap.
CREATE TABLE IF NOT EXISTS tillstream.sales_hourly (
  lane LowCardinality(String),
  store_id LowCardinality(String),
  business_date Date CODEC(Delta, ZSTD),
  hour DateTime('UTC') CODEC(Delta, ZSTD),
  local_hour UInt8,
  channel LowCardinality(String),
  currency LowCardinality(String),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  transactions SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  returns SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  voids SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  units SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  gross SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  discount SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  tax SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  net SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  loyalty_transactions SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  identified_transactions SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  offline_transactions SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  customers_in Array(UInt64) EPHEMERAL,
  customers AggregateFunction(uniqCombined64(12), UInt64) DEFAULT arrayReduce('uniqCombined64State(12)', customers_in) CODEC(ZSTD),
  baskets_in Array(Int64) EPHEMERAL,
  baskets AggregateFunction(quantilesDD(0.01, 0.5, 0.95), Int64) DEFAULT arrayReduce('quantilesDDState(0.01, 0.5, 0.95)', baskets_in) CODEC(ZSTD),
  INDEX ix_hour hour TYPE minmax GRANULARITY 1
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(business_date)
ORDER BY (lane, business_date, store_id, hour, local_hour, channel, currency)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS tillstream.product_sales (
  lane LowCardinality(String),
  store_id LowCardinality(String),
  business_date Date CODEC(Delta, ZSTD),
  product_id String CODEC(ZSTD),
  category LowCardinality(String),
  currency LowCardinality(String),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  units SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  revenue SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  discount SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  baskets SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  returned_units SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  promoted_units SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(business_date)
ORDER BY (lane, business_date, store_id, product_id, category, currency)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS tillstream.customer_days (
  lane LowCardinality(String),
  customer UInt64 CODEC(ZSTD),
  business_date Date,
  store_id LowCardinality(String),
  channel LowCardinality(String),
  currency LowCardinality(String),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  transactions SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  units SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  net SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  discount SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  first_at SimpleAggregateFunction(min, DateTime('UTC')) CODEC(ZSTD),
  last_at SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(business_date)
ORDER BY (lane, customer, business_date, store_id, channel, currency)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS tillstream.payments_hourly (
  lane LowCardinality(String),
  store_id LowCardinality(String),
  hour DateTime('UTC') CODEC(Delta, ZSTD),
  service LowCardinality(String),
  method LowCardinality(String),
  entry_mode LowCardinality(String),
  currency LowCardinality(String),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  attempts SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  approved SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  declined SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  failed SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  offline SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  amount SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  auth_ms SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  auth_n SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  auth_in Array(UInt32) EPHEMERAL,
  auth AggregateFunction(quantilesTiming(0.5, 0.95, 0.99), UInt32) DEFAULT arrayReduce('quantilesTimingState(0.5, 0.95, 0.99)', auth_in) CODEC(ZSTD)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (lane, store_id, hour, service, method, entry_mode, currency)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

-- One row an hour from a terminal's first evidence to its newest: absolute, the highest version holds. Milliseconds.
CREATE TABLE IF NOT EXISTS tillstream.availability_hourly (
  lane LowCardinality(String),
  store_id LowCardinality(String),
  terminal_id LowCardinality(String),
  hour DateTime('UTC') CODEC(Delta, ZSTD),
  version UInt64 CODEC(ZSTD),
  mark String CODEC(ZSTD),
  up_ms UInt32 CODEC(ZSTD),
  degraded_ms UInt32 CODEC(ZSTD),
  down_ms UInt32 CODEC(ZSTD),
  silent_ms UInt32 CODEC(ZSTD),
  maintenance_ms UInt32 CODEC(ZSTD),
  unknown_ms UInt32 CODEC(ZSTD),
  service_ms UInt32 CODEC(ZSTD),
  service_down_ms UInt32 CODEC(ZSTD),
  excluded_ms UInt32 CODEC(ZSTD),
  response_ms_avg Float32 CODEC(ZSTD),
  response_ms_p95 Float32 CODEC(ZSTD),
  evidence UInt32 CODEC(ZSTD)
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(hour)
ORDER BY (lane, store_id, terminal_id, hour)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

-- holds_until is set only in the last, open interval of a terminal that is up or degraded: then it lapses into silence.
CREATE TABLE IF NOT EXISTS tillstream.status_intervals (
  lane LowCardinality(String),
  store_id LowCardinality(String),
  terminal_id LowCardinality(String),
  started_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  version UInt64 CODEC(ZSTD),
  deleted UInt8,
  mark String CODEC(ZSTD),
  status LowCardinality(String),
  ended_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  holds_until Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  cause LowCardinality(String)
) ENGINE = ReplacingMergeTree(version, deleted)
PARTITION BY toYYYYMM(started_at)
ORDER BY (lane, store_id, terminal_id, started_at)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS tillstream.outages (
  lane LowCardinality(String),
  store_id LowCardinality(String),
  terminal_id LowCardinality(String),
  started_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  version UInt64 CODEC(ZSTD),
  deleted UInt8,
  mark String CODEC(ZSTD),
  outage_id String CODEC(ZSTD),
  resolved_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
  repair_ms UInt64 CODEC(ZSTD),
  service_ms UInt64 CODEC(ZSTD),
  cause LowCardinality(String),
  party LowCardinality(String)
) ENGINE = ReplacingMergeTree(version, deleted)
PARTITION BY toYYYYMM(started_at)
ORDER BY (lane, store_id, terminal_id, started_at)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

-- The newest of every terminal. hours, intervals and outages are control totals: how many live rows it has in those tables.
CREATE TABLE IF NOT EXISTS tillstream.terminal_status (
  lane LowCardinality(String),
  store_id LowCardinality(String),
  terminal_id String,
  version UInt64 CODEC(ZSTD),
  mark String CODEC(ZSTD),
  status LowCardinality(String),
  since DateTime64(3, 'UTC'),
  first_seen DateTime64(3, 'UTC'),
  last_seen DateTime64(3, 'UTC'),
  holds_until DateTime64(3, 'UTC'),
  hours UInt64,
  intervals UInt64,
  outages UInt64,
  software_version LowCardinality(String),
  service_next Array(DateTime('UTC')),
  offline_backlog UInt32,
  oldest_unsent_at Nullable(DateTime64(3, 'UTC')),
  battery_pct Nullable(UInt8),
  printer LowCardinality(String),
  card_reader LowCardinality(String),
  scanner LowCardinality(String)
) ENGINE = ReplacingMergeTree(version)
ORDER BY (lane, store_id, terminal_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS tillstream.data_quality (
  lane LowCardinality(String),
  topic LowCardinality(String),
  terminal_id LowCardinality(String),
  business_date Date CODEC(Delta, ZSTD),
  mark SimpleAggregateFunction(max, String) CODEC(ZSTD),
  accepted SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  duplicates SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  missing SimpleAggregateFunction(sum, Int64) CODEC(T64, ZSTD),
  rejected SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  late SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  test SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  unbalanced SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  pan_masked SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  stale SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  other SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
  late_in Array(UInt32) EPHEMERAL,
  late_s AggregateFunction(quantilesDD(0.02, 0.95), UInt32) DEFAULT arrayReduce('quantilesDDState(0.02, 0.95)', late_in) CODEC(ZSTD),
  skew_min SimpleAggregateFunction(min, Int64) CODEC(ZSTD),
  skew_max SimpleAggregateFunction(max, Int64) CODEC(ZSTD)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(business_date)
ORDER BY (lane, topic, terminal_id, business_date)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS tillstream.dead_letters (
  lane LowCardinality(String),
  topic LowCardinality(String),
  partition Int32,
  offset Int64 CODEC(Delta, ZSTD),
  at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  mark String CODEC(ZSTD),
  reason LowCardinality(String),
  field String CODEC(ZSTD),
  expected String CODEC(ZSTD)
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (lane, topic, partition, offset)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

-- The books: what became of every offset. lane is set in data rows too; topic is '' in the batch's own row.
CREATE TABLE IF NOT EXISTS tillstream.ledger (
  lane LowCardinality(String),
  topic LowCardinality(String),
  partition Int32,
  epoch UInt64,
  day Date,
  mark SimpleAggregateFunction(max, String),
  from_offset SimpleAggregateFunction(min, Int64),
  to_offset SimpleAggregateFunction(max, Int64),
  records SimpleAggregateFunction(sum, UInt64),
  duplicates SimpleAggregateFunction(sum, UInt64),
  rejected SimpleAggregateFunction(sum, UInt64),
  gaps SimpleAggregateFunction(sum, UInt64),
  written_at SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (lane, topic, partition, epoch, day)
SETTINGS non_replicated_deduplication_window = 10000, min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

-- What a lane must remember. lane is "group#partition" in state rows, "group/lane" in the batch's own row.
CREATE TABLE IF NOT EXISTS tillstream.state (
  lane LowCardinality(String),
  kind LowCardinality(String),
  key String CODEC(ZSTD),
  version UInt64 CODEC(ZSTD),
  deleted UInt8,
  mark String CODEC(ZSTD),
  value String CODEC(ZSTD)
) ENGINE = ReplacingMergeTree(version, deleted)
ORDER BY (lane, kind, key)
SETTINGS non_replicated_deduplication_window = 10000;

-- How a group reads its topics. An epoch is one number of lanes: partition p belongs to lane p mod lanes.
CREATE TABLE IF NOT EXISTS tillstream.streams (
  `group` String,
  epoch UInt64,
  lanes UInt32,
  partitions UInt32,
  topics Array(String),
  cluster_id String,
  created_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(created_at)
ORDER BY (`group`, epoch);

-- What the views must know of the configuration. retire_after_ms: how long silence counts, 31 days where it is not set.
CREATE TABLE IF NOT EXISTS tillstream.settings (
  name String,
  value Int64,
  changed_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(changed_at)
ORDER BY name;
