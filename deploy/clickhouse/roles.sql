-- Roles for a ClickHouse that tillstream writes to (docs/privacy.md says why). Run it before the first start, and before each new version is started, as somebody who may grant:
--
--   clickhouse-client --user admin --multiquery < roles.sql
--
-- Then: CREATE USER tillstream IDENTIFIED … DEFAULT ROLE writer; GRANT writer TO tillstream; and so on. Running it twice does nothing. It takes nothing away either: what an
-- older version granted, and this one does not, is to be revoked by hand (REVOKE ALL ON *.* FROM marketing; then run it).
--
-- Views are defined by whoever ran the migrations, with that user's rights (SQL SECURITY DEFINER): keep that user, with role writer. Readers need no right on database
-- tillstream. On a cluster put ON CLUSTER behind each name of a role.

-- writer: tillstream run, migrate, apply, refresh, clv, sla, deadletters, incidents, epoch, adopt.
CREATE ROLE IF NOT EXISTS writer;
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP VIEW ON tillstream.* TO writer;
GRANT SELECT, INSERT, ALTER ADD COLUMN, ALTER MODIFY COLUMN, ALTER SETTINGS, ALTER TTL, ALTER ADD INDEX, ALTER MATERIALIZE INDEX ON tillstream.* TO writer;
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP VIEW, SELECT, INSERT ON pos.* TO writer;
-- A view that is replaced is made under such a name first; run proves with such a table that the server remembers deduplication tokens.
GRANT DROP TABLE ON pos._tmp_replace_* TO writer;
GRANT DROP TABLE ON tillstream._tmp_replace_* TO writer;
GRANT DROP TABLE ON tillstream.canary_* TO writer;
GRANT TABLE ENGINE ON MergeTree TO writer;
GRANT TABLE ENGINE ON AggregatingMergeTree TO writer;
GRANT TABLE ENGINE ON ReplacingMergeTree TO writer;
GRANT TABLE ENGINE ON SummingMergeTree TO writer;
-- Partitions that are dropped: older generations of what is refreshed, older models.
GRANT ALTER DELETE ON tillstream.rfm TO writer;
GRANT ALTER DELETE ON tillstream.cohorts TO writer;
GRANT ALTER DELETE ON tillstream.clv_inputs TO writer;
GRANT ALTER DELETE ON tillstream.purchase_gaps TO writer;
GRANT ALTER DELETE ON tillstream.affinity TO writer;
GRANT ALTER DELETE ON tillstream.buyer_profiles TO writer;
GRANT ALTER DELETE ON tillstream.segment_products TO writer;
GRANT ALTER DELETE ON tillstream.segment_sales TO writer;
GRANT ALTER DELETE ON tillstream.promotion_sales TO writer;
GRANT ALTER DELETE ON tillstream.promotion_units TO writer;
GRANT ALTER DELETE ON tillstream.promotion_uplift TO writer;
GRANT ALTER DELETE ON tillstream.outage_impact TO writer;
GRANT ALTER DELETE ON tillstream.clv TO writer;

-- clustered: beside writer (or operator, or eraser) where clickhouse.cluster is set: to define on all servers, and to have a replica catch up.
CREATE ROLE IF NOT EXISTS clustered;
GRANT CLUSTER ON *.* TO clustered;
GRANT SYSTEM SYNC REPLICA ON tillstream.* TO clustered;
GRANT SELECT(cluster, shard_num) ON system.clusters TO clustered;
GRANT TABLE ENGINE ON ReplicatedMergeTree TO clustered;
GRANT TABLE ENGINE ON ReplicatedAggregatingMergeTree TO clustered;
GRANT TABLE ENGINE ON ReplicatedReplacingMergeTree TO clustered;
GRANT TABLE ENGINE ON ReplicatedSummingMergeTree TO clustered;

-- operator: what writer may, and tillstream rebuild, which makes tables anew beside the others and swaps them. Give it for the time of a rebuild.
CREATE ROLE IF NOT EXISTS operator;
GRANT writer TO operator;
GRANT CREATE DATABASE, DROP DATABASE, CREATE TABLE, DROP TABLE, SELECT, INSERT, ALTER DELETE ON tillstream_rebuild.* TO operator;
GRANT DROP TABLE ON tillstream.* TO operator;
GRANT SELECT(database, table, partition_id, active) ON system.parts TO operator;

-- eraser: what writer may, and tillstream forget, which changes and deletes rows of customers, and looks for old parts of tables.
CREATE ROLE IF NOT EXISTS eraser;
GRANT writer TO eraser;
GRANT ALTER UPDATE, ALTER DELETE ON tillstream.* TO eraser;
GRANT SELECT ON system.parts TO eraser;
GRANT SELECT ON system.detached_parts TO eraser;
GRANT SELECT ON system.mutations TO eraser;
GRANT SELECT ON system.databases TO eraser;
GRANT SELECT ON system.tables TO eraser;
GRANT SELECT ON system.columns TO eraser;

-- auditor: tillstream audit, and what agreements and exports are judged by. No pseudonym of a customer, and not what a transaction or a state holds.
CREATE ROLE IF NOT EXISTS auditor;
GRANT SELECT ON tillstream.* TO auditor;
REVOKE SELECT(customer) ON tillstream.customer_days FROM auditor;
REVOKE SELECT(customer) ON tillstream.customer_hours FROM auditor;
REVOKE SELECT(customer) ON tillstream.customer_items FROM auditor;
REVOKE SELECT(customer) ON tillstream.customer_consent FROM auditor;
REVOKE SELECT(customer, content) ON tillstream.transactions FROM auditor;
REVOKE SELECT(customers, contents) ON tillstream.transaction_packs FROM auditor;
REVOKE SELECT(customer_said) ON tillstream.order_journeys FROM auditor;
REVOKE SELECT(customer) ON tillstream.rfm FROM auditor;
REVOKE SELECT(customer) ON tillstream.clv_inputs FROM auditor;
REVOKE SELECT(customer) ON tillstream.buyer_profiles FROM auditor;
REVOKE SELECT(customer) ON tillstream.clv FROM auditor;
REVOKE SELECT(value) ON tillstream.state FROM auditor;
REVOKE SELECT(customers, customer_counts) ON tillstream.sales_hourly FROM auditor;
REVOKE SELECT ON tillstream.forgetting FROM auditor;
REVOKE SELECT ON tillstream.forgetting_values FROM auditor;
REVOKE SELECT ON tillstream.forgotten FROM auditor;
GRANT SELECT ON pos.ledger TO auditor;
GRANT SELECT ON pos.losses TO auditor;
GRANT SELECT ON pos.data_quality TO auditor;
GRANT SELECT ON pos.dead_letters TO auditor;
GRANT SELECT ON pos.corrections TO auditor;
GRANT SELECT ON pos.refreshes TO auditor;
GRANT SELECT ON pos.privacy TO auditor;
GRANT SELECT ON pos.audience_exports TO auditor;
GRANT SELECT ON pos.erasures TO auditor;
GRANT SELECT ON pos.alerts TO auditor;
GRANT SELECT ON pos.stores TO auditor;
GRANT SELECT ON pos.terminals TO auditor;
GRANT SELECT ON pos.service_hours TO auditor;
GRANT SELECT ON pos.availability_hourly TO auditor;
GRANT SELECT ON pos.store_availability_hourly TO auditor;
GRANT SELECT ON pos.status_intervals TO auditor;
GRANT SELECT ON pos.terminal_status TO auditor;
GRANT SELECT ON pos.store_status TO auditor;
GRANT SELECT ON pos.outages TO auditor;
GRANT SELECT ON pos.store_outages TO auditor;
GRANT SELECT ON pos.outage_impact TO auditor;
GRANT SELECT ON pos.expected_sales TO auditor;
GRANT SELECT ON pos.sales_silence TO auditor;
GRANT SELECT ON pos.payments_hourly TO auditor;
GRANT SELECT ON pos.terminal_payments TO auditor;
GRANT SELECT ON pos.terminal_responses TO auditor;
GRANT SELECT ON pos.incidents TO auditor;
GRANT SELECT ON pos.incident_steps TO auditor;
GRANT SELECT ON pos.incident_kpis TO auditor;
GRANT SELECT ON pos.maintenance TO auditor;
GRANT SELECT ON pos.sla_compliance TO auditor;
GRANT SELECT ON pos.sla_burn TO auditor;
GRANT SELECT ON pos.sla_evidence TO auditor;
GRANT SELECT ON pos.sla_statements TO auditor;

-- analyst: every view but consent and the record of exports; exact figures and pseudonyms.
CREATE ROLE IF NOT EXISTS analyst;
GRANT SELECT ON pos.* TO analyst;
REVOKE SELECT ON pos.customer_consent FROM analyst;
REVOKE SELECT ON pos.audience_exports FROM analyst;
REVOKE SELECT ON pos.erasures FROM analyst;

-- exporter: tillstream audience, beside what analysts may: consent is asked, and what leaves is written down.
CREATE ROLE IF NOT EXISTS exporter;
GRANT SELECT ON pos.* TO exporter;
GRANT INSERT ON tillstream.exports TO exporter;

-- marketing: groups of at least privacy.min_group customers, and views of goods, in which there is no customer.
CREATE ROLE IF NOT EXISTS marketing;
GRANT SELECT ON pos.privacy TO marketing;
GRANT SELECT ON pos.marketing_segments TO marketing;
GRANT SELECT ON pos.marketing_hours TO marketing;
GRANT SELECT ON pos.marketing_channels TO marketing;
GRANT SELECT ON pos.marketing_products TO marketing;
GRANT SELECT ON pos.marketing_cohorts TO marketing;
GRANT SELECT ON pos.marketing_weeks TO marketing;
GRANT SELECT ON pos.marketing_loyalty TO marketing;
GRANT SELECT ON pos.marketing_orders TO marketing;
GRANT SELECT ON pos.marketing_payments TO marketing;
GRANT SELECT ON pos.marketing_rhythm TO marketing;
GRANT SELECT ON pos.marketing_affinity TO marketing;
GRANT SELECT ON pos.best_sellers TO marketing;
GRANT SELECT ON pos.promotion_uplift TO marketing;
GRANT SELECT(store_id, dow, local_hour, transactions_avg, currency, open_hours) ON pos.peak_hours TO marketing;
GRANT SELECT(view, refreshed_at) ON pos.refreshes TO marketing;
-- A setting such as additional_table_filters would choose whom groups are made of: none may be changed but the one that clients send for themselves. (The server's
-- access_control_improvements.settings_constraints_replace_previous must be true, as its config.xml has it.)
CREATE SETTINGS PROFILE IF NOT EXISTS marketing SETTINGS readonly = 1, max_execution_time = 60 MIN 1 MAX 600 CHANGEABLE_IN_READONLY TO marketing;
