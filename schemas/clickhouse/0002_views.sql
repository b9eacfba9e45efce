-- The public interface. Names, columns, types and order of the views in pos never change; columns are only added at the end.
-- Readers need a grant on pos alone (SQL SECURITY DEFINER). Units: *_ms milliseconds, *_s seconds, amounts in major units of `currency`,
-- ratios 0 to 1, times UTC.
--
-- FINAL gives every key once, whatever has been merged; a key lives in one partition, so partitions are not merged with each other.
-- Amounts: 4 digits serve every exponent of ISO 4217. What Decimal(18,4) cannot hold is shown as its largest value, so that one absurd
-- amount does not make the view fail.

-- What is open, closed as of now, one row a terminal, in milliseconds since 1970: the newest status is known from seen until held, then
-- the terminal is silent, until `until`. up and degraded hold until they lapse, the others go on; none of them for ever. (Package
-- processor/availability evaluates what was heard by the same rules.)
CREATE OR REPLACE VIEW tillstream.open_ends AS
SELECT
  store_id,
  terminal_id,
  status,
  at,
  toUnixTimestamp64Milli(last_seen) AS seen,
  seen + if(status IN ('down', 'maintenance'), toInt64(366 * 86400000), retire_after) AS retires,
  greatest(seen, least(at, retires)) AS until,
  multiIf(status IN ('up', 'degraded'), least(greatest(toUnixTimestamp64Milli(holds_until), seen), until), status = 'silent', seen, until) AS held
FROM
(
  SELECT
    *,
    toUnixTimestamp64Milli(now64(3)) AS at,
    ifNull((SELECT value FROM tillstream.settings FINAL WHERE name = 'retire_after_ms'), toInt64(31 * 86400000)) AS retire_after
  FROM tillstream.terminal_status FINAL
  WHERE lane = ''
);

CREATE OR REPLACE VIEW pos.sales_hourly
(
  store_id String,
  channel LowCardinality(String),
  currency LowCardinality(String),
  hour DateTime('UTC'),
  business_date Date,
  local_hour UInt8,
  transactions UInt64,
  returns UInt64,
  voids UInt64,
  units Decimal(18,3),
  gross Decimal(18,4),
  discount Decimal(18,4),
  tax Decimal(18,4),
  net Decimal(18,4),
  loyalty_transactions UInt64,
  identified_transactions UInt64,
  offline_transactions UInt64,
  customers UInt64,
  basket_value_p50 Decimal(18,4),
  basket_value_p95 Decimal(18,4)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  multiIf(
    t.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), toInt64(10000),
    t.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), toInt64(10),
    t.currency IN ('CLF', 'UYW'), toInt64(1),
    toInt64(100)) AS scale,
  intDiv(999999999999999999, scale) AS most
SELECT
  CAST(t.store_id, 'String') AS store_id,
  t.channel,
  t.currency,
  t.hour,
  t.business_date,
  t.local_hour,
  t.transactions,
  t.returns,
  t.voids,
  t.units * toDecimal64('0.001', 3) AS units,
  least(greatest(t.gross, -most), most) * scale * toDecimal64('0.0001', 4) AS gross,
  least(greatest(t.discount, -most), most) * scale * toDecimal64('0.0001', 4) AS discount,
  least(greatest(t.tax, -most), most) * scale * toDecimal64('0.0001', 4) AS tax,
  least(greatest(t.net, -most), most) * scale * toDecimal64('0.0001', 4) AS net,
  t.loyalty_transactions,
  t.identified_transactions,
  t.offline_transactions,
  finalizeAggregation(t.customers) AS customers,
  toDecimal64(least(greatest(ifNotFinite(finalizeAggregation(t.baskets)[1], 0) * scale / 10000, -9.9e13), 9.9e13), 4) AS basket_value_p50,
  toDecimal64(least(greatest(ifNotFinite(finalizeAggregation(t.baskets)[2], 0) * scale / 10000, -9.9e13), 9.9e13), 4) AS basket_value_p95
FROM tillstream.sales_hourly AS t FINAL
WHERE t.lane = ''
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW pos.product_sales
(
  store_id String,
  product_id String,
  category LowCardinality(String),
  currency LowCardinality(String),
  business_date Date,
  units Decimal(18,3),
  revenue Decimal(18,4),
  discount Decimal(18,4),
  baskets UInt64,
  returned_units Decimal(18,3),
  promoted_units Decimal(18,3)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  multiIf(
    t.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), toInt64(10000),
    t.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), toInt64(10),
    t.currency IN ('CLF', 'UYW'), toInt64(1),
    toInt64(100)) AS scale,
  intDiv(999999999999999999, scale) AS most
SELECT
  CAST(t.store_id, 'String') AS store_id,
  t.product_id,
  t.category,
  t.currency,
  t.business_date,
  t.units * toDecimal64('0.001', 3) AS units,
  least(greatest(t.revenue, -most), most) * scale * toDecimal64('0.0001', 4) AS revenue,
  least(greatest(t.discount, -most), most) * scale * toDecimal64('0.0001', 4) AS discount,
  t.baskets,
  t.returned_units * toDecimal64('0.001', 3) AS returned_units,
  t.promoted_units * toDecimal64('0.001', 3) AS promoted_units
FROM tillstream.product_sales AS t FINAL
WHERE t.lane = ''
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- A visit is one business date in one store, however often the customer paid.
CREATE OR REPLACE VIEW pos.customer_days
(
  customer UInt64,
  store_id String,
  channel LowCardinality(String),
  currency LowCardinality(String),
  business_date Date,
  visits UInt32,
  units Decimal(18,3),
  net Decimal(18,4),
  discount Decimal(18,4),
  first_at DateTime('UTC'),
  last_at DateTime('UTC'),
  transactions UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  multiIf(
    t.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), toInt64(10000),
    t.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), toInt64(10),
    t.currency IN ('CLF', 'UYW'), toInt64(1),
    toInt64(100)) AS scale,
  intDiv(999999999999999999, scale) AS most
SELECT
  t.customer,
  CAST(t.store_id, 'String') AS store_id,
  t.channel,
  t.currency,
  t.business_date,
  toUInt32(t.transactions > 0) AS visits,
  t.units * toDecimal64('0.001', 3) AS units,
  least(greatest(t.net, -most), most) * scale * toDecimal64('0.0001', 4) AS net,
  least(greatest(t.discount, -most), most) * scale * toDecimal64('0.0001', 4) AS discount,
  t.first_at,
  t.last_at,
  t.transactions
FROM tillstream.customer_days AS t FINAL
WHERE t.lane = ''
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW pos.payments_hourly
(
  store_id String,
  service LowCardinality(String),
  method LowCardinality(String),
  entry_mode LowCardinality(String),
  currency LowCardinality(String),
  hour DateTime('UTC'),
  attempts UInt64,
  approved UInt64,
  declined UInt64,
  failed UInt64,
  offline UInt64,
  amount Decimal(18,4),
  authorisation_ms_avg Float64,
  authorisation_ms_p50 Float64,
  authorisation_ms_p95 Float64,
  authorisation_ms_p99 Float64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  multiIf(
    t.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'), toInt64(10000),
    t.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'), toInt64(10),
    t.currency IN ('CLF', 'UYW'), toInt64(1),
    toInt64(100)) AS scale,
  intDiv(999999999999999999, scale) AS most
SELECT
  CAST(t.store_id, 'String') AS store_id,
  t.service,
  t.method,
  t.entry_mode,
  t.currency,
  t.hour,
  t.attempts,
  t.approved,
  t.declined,
  t.failed,
  t.offline,
  least(greatest(t.amount, -most), most) * scale * toDecimal64('0.0001', 4) AS amount,
  ifNotFinite(t.auth_ms / t.auth_n, 0) AS authorisation_ms_avg,
  ifNotFinite(toFloat64(finalizeAggregation(t.auth)[1]), 0) AS authorisation_ms_p50,
  ifNotFinite(toFloat64(finalizeAggregation(t.auth)[2]), 0) AS authorisation_ms_p95,
  ifNotFinite(toFloat64(finalizeAggregation(t.auth)[3]), 0) AS authorisation_ms_p99
FROM tillstream.payments_hourly AS t FINAL
WHERE t.lane = ''
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- The open ends, cut into hours. An hour in which a terminal retires is filled up with unknown: only its first and newest are short.
CREATE OR REPLACE VIEW tillstream.open_hours AS
SELECT
  store_id,
  terminal_id,
  toDateTime(intDiv(hour_ms, 1000), 'UTC') AS hour,
  hour_ms <= seen AS newest,
  toUInt64(greatest(least(held, hour_ms + 3600000) - greatest(seen, hour_ms), 0)) AS held_ms,
  toUInt64(greatest(least(until, hour_ms + 3600000) - greatest(held, hour_ms), 0)) AS silent_ms,
  toUInt64(greatest(least(at, hour_ms + 3600000) - until, 0)) AS retired_ms,
  if(status = 'up', held_ms, 0) AS up_ms,
  if(status = 'degraded', held_ms, 0) AS degraded_ms,
  if(status = 'down', held_ms, 0) AS down_ms,
  if(status = 'maintenance', held_ms, 0) AS maintenance_ms,
  if(status IN ('up', 'degraded', 'down', 'maintenance'), 0, held_ms) + retired_ms AS unknown_ms,
  held_ms + silent_ms + retired_ms AS service_ms
FROM (SELECT *, arrayJoin(range(intDiv(seen, 3600000) * 3600000, greatest(until, seen + 1), 3600000)) AS hour_ms FROM tillstream.open_ends);

-- Three kinds of hours: complete ones as stored; the others, among them each terminal's newest, with what is open added; and those after it,
-- which nobody has written. Stored hours are read twice, which is a third of what joining all of them costs.
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
  evidence UInt32
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  terminal_id, store_id, hour, up_ms, degraded_ms, down_ms, silent_ms, maintenance_ms, unknown_ms, service_ms, service_down_ms, excluded_ms,
  1 - down_ms / nullIf(up_ms + degraded_ms + down_ms, 0) AS availability,
  response_ms_avg, response_ms_p95, evidence
FROM
(
  SELECT
    CAST(t.store_id, 'String') AS store_id, CAST(t.terminal_id, 'String') AS terminal_id, t.hour,
    toUInt64(t.up_ms) AS up_ms, toUInt64(t.degraded_ms) AS degraded_ms, toUInt64(t.down_ms) AS down_ms,
    toUInt64(t.silent_ms) AS silent_ms, toUInt64(t.maintenance_ms) AS maintenance_ms,
    toUInt64(t.unknown_ms) AS unknown_ms, toUInt64(t.service_ms) AS service_ms,
    toUInt64(t.service_down_ms) AS service_down_ms, toUInt64(t.excluded_ms) AS excluded_ms,
    toFloat64(t.response_ms_avg) AS response_ms_avg, toFloat64(t.response_ms_p95) AS response_ms_p95, t.evidence
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
    toUInt64(t.service_down_ms + o.down_ms) AS service_down_ms, toUInt64(t.excluded_ms) AS excluded_ms,
    toFloat64(t.response_ms_avg) AS response_ms_avg, toFloat64(t.response_ms_p95) AS response_ms_p95,
    t.evidence AS evidence
  FROM
  (
    SELECT * FROM tillstream.availability_hourly AS t FINAL
    WHERE t.lane = '' AND t.up_ms + t.degraded_ms + t.down_ms + t.silent_ms + t.maintenance_ms + t.unknown_ms != 3600000
    SETTINGS do_not_merge_across_partitions_select_final = 1
  ) AS t
  LEFT ANY JOIN (SELECT * FROM tillstream.open_hours WHERE newest) AS o
  ON t.store_id = o.store_id AND t.terminal_id = o.terminal_id AND t.hour = o.hour
  SETTINGS join_use_nulls = 0
  UNION ALL
  SELECT
    CAST(store_id, 'String'), terminal_id, hour, up_ms, degraded_ms, down_ms, silent_ms, maintenance_ms, unknown_ms,
    service_ms, down_ms, 0, 0, 0, 0
  FROM tillstream.open_hours
  WHERE NOT newest
);

-- An up or degraded interval that nothing has followed ends when it lapses, and silence follows it; every other ends when its terminal
-- retires.
CREATE OR REPLACE VIEW pos.status_intervals
(
  terminal_id String,
  store_id String,
  status LowCardinality(String),
  started_at DateTime64(3,'UTC'),
  ended_at Nullable(DateTime64(3,'UTC')),
  cause LowCardinality(String)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  CAST(t.terminal_id, 'String') AS terminal_id,
  CAST(t.store_id, 'String') AS store_id,
  t.status,
  t.started_at,
  t.ended_at,
  t.cause
FROM tillstream.status_intervals AS t FINAL
WHERE t.lane = '' AND t.ended_at IS NOT NULL
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT
  CAST(t.terminal_id, 'String'),
  CAST(t.store_id, 'String'),
  t.status,
  t.started_at,
  multiIf(
    t.holds_until <= fromUnixTimestamp64Milli(o.at, 'UTC'), t.holds_until,
    o.until = o.retires AND o.at > 0, fromUnixTimestamp64Milli(o.until, 'UTC'),
    NULL),
  t.cause
FROM
(
  SELECT * FROM tillstream.status_intervals AS t FINAL
  WHERE t.lane = '' AND t.ended_at IS NULL
  SETTINGS do_not_merge_across_partitions_select_final = 1
) AS t
LEFT ANY JOIN tillstream.open_ends AS o ON t.store_id = o.store_id AND t.terminal_id = o.terminal_id
SETTINGS join_use_nulls = 0
UNION ALL
SELECT
  terminal_id,
  CAST(store_id, 'String'),
  'silent',
  fromUnixTimestamp64Milli(held, 'UTC'),
  if(until = retires, fromUnixTimestamp64Milli(until, 'UTC'), NULL),
  ''
FROM tillstream.open_ends
WHERE status IN ('up', 'degraded') AND held < until;

-- An open outage lasts until now, or until its terminal retires. Without a registry of opening hours every hour is one of service.
CREATE OR REPLACE VIEW pos.outages
(
  outage_id String,
  terminal_id String,
  store_id String,
  started_at DateTime64(3,'UTC'),
  resolved_at Nullable(DateTime64(3,'UTC')),
  repair_ms UInt64,
  service_ms UInt64,
  cause LowCardinality(String),
  party LowCardinality(String)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  t.resolved_at IS NULL AND o.at > 0 AS open,
  toUInt64(greatest(o.until - toUnixTimestamp64Milli(t.started_at), 0)) AS lasted_ms
SELECT
  t.outage_id,
  CAST(t.terminal_id, 'String') AS terminal_id,
  CAST(t.store_id, 'String') AS store_id,
  t.started_at,
  if(open AND o.until = o.retires, fromUnixTimestamp64Milli(o.until, 'UTC'), t.resolved_at) AS resolved_at,
  if(open, lasted_ms, t.repair_ms) AS repair_ms,
  if(open, lasted_ms, t.service_ms) AS service_ms,
  t.cause,
  t.party
FROM
(
  SELECT * FROM tillstream.outages AS t FINAL
  WHERE t.lane = ''
  SETTINGS do_not_merge_across_partitions_select_final = 1
) AS t
LEFT ANY JOIN tillstream.open_ends AS o ON t.store_id = o.store_id AND t.terminal_id = o.terminal_id
SETTINGS join_use_nulls = 0;

-- service_next lists the instants at which service begins and ends by turns. A terminal that has retired is out of service.
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
  holds_until DateTime64(3,'UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
  now64(3) AS at,
  ifNull((SELECT value FROM tillstream.settings FINAL WHERE name = 'retire_after_ms'), toInt64(31 * 86400000)) AS retire_after,
  t.status IN ('up', 'degraded') AND t.holds_until <= at AS lapsed
SELECT
  t.terminal_id,
  CAST(t.store_id, 'String') AS store_id,
  CAST(if(lapsed, 'silent', t.status), 'LowCardinality(String)') AS status,
  if(lapsed, t.holds_until, t.since) AS since,
  t.last_seen,
  CAST(t.software_version, 'String') AS software_version,
  toUInt8(arrayCount(x -> x <= at, t.service_next) % 2 AND dateDiff('millisecond', t.last_seen, at) < if(t.status IN ('down', 'maintenance'), toInt64(366 * 86400000), retire_after)) AS in_service,
  t.offline_backlog,
  t.oldest_unsent_at,
  t.battery_pct,
  t.printer,
  t.card_reader,
  t.scanner,
  t.first_seen,
  t.holds_until
FROM tillstream.terminal_status AS t FINAL
WHERE t.lane = '';

-- missing falls when a hole is filled. clock_skew_ms is the largest deviation, either way; positive: the till is behind.
CREATE OR REPLACE VIEW pos.data_quality
(
  topic LowCardinality(String),
  terminal_id String,
  business_date Date,
  accepted UInt64,
  duplicates UInt64,
  missing UInt64,
  rejected UInt64,
  late UInt64,
  late_p95_s Float64,
  clock_skew_ms Int64,
  test UInt64,
  unbalanced UInt64,
  pan_masked UInt64,
  stale UInt64,
  other UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  t.topic,
  CAST(t.terminal_id, 'String') AS terminal_id,
  t.business_date,
  t.accepted,
  t.duplicates,
  toUInt64(greatest(t.missing, 0)) AS missing,
  t.rejected,
  t.late,
  ifNotFinite(toFloat64(finalizeAggregation(t.late_s)[1]), 0) AS late_p95_s,
  if(t.skew_max >= -t.skew_min, t.skew_max, t.skew_min) AS clock_skew_ms,
  t.test,
  t.unbalanced,
  t.pan_masked,
  t.stale,
  t.other
FROM tillstream.data_quality AS t FINAL
WHERE t.lane = ''
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW pos.dead_letters
(
  topic LowCardinality(String),
  partition Int32,
  offset Int64,
  reason LowCardinality(String),
  at DateTime64(3,'UTC'),
  field String,
  expected String
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  t.topic,
  t.partition,
  t.offset,
  t.reason,
  t.at,
  t.field,
  t.expected
FROM tillstream.dead_letters AS t FINAL
WHERE t.lane = ''
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- One row a day, partition and epoch: records + duplicates + rejected + gaps = offsets passed.
CREATE OR REPLACE VIEW pos.ledger
(
  topic LowCardinality(String),
  partition Int32,
  epoch UInt64,
  from_offset Int64,
  to_offset Int64,
  records UInt64,
  duplicates UInt64,
  rejected UInt64,
  gaps UInt64,
  written_at DateTime64(3,'UTC'),
  day Date,
  lane LowCardinality(String)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
  t.topic,
  t.partition,
  t.epoch,
  t.from_offset,
  t.to_offset,
  t.records,
  t.duplicates,
  t.rejected,
  t.gaps,
  t.written_at,
  t.day,
  t.lane
FROM tillstream.ledger AS t FINAL
WHERE t.topic != ''
SETTINGS do_not_merge_across_partitions_select_final = 1;
