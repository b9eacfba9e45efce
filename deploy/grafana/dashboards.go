package grafana

// Panel is one picture of a dashboard. It asks either Prometheus or ClickHouse.
type Panel struct {
	Title, About string
	Kind         string // of Grafana: timeseries, stat, table, heatmap or barchart
	Unit         string // of Grafana
	Width        int    // of 24 columns
	Prom         []Query
	SQL          string // with the plugin's macros $__timeFilter and $__dateFilter, and the dashboard's variables
}

// Query is one of Prometheus, with the name of its series.
type Query struct{ Expr, Legend string }

// Dashboard is a page of panels.
type Dashboard struct {
	UID, Title, About string
	From              string // of the time range at first
	Stores            bool   // has a variable of stores, $stores
	Panels            []Panel
}

// Dashboards are all of them.
func Dashboards() []Dashboard { return []Dashboard{operations(), availability(), sales()} }

func operations() Dashboard {
	return Dashboard{UID: "tillstream-operations", Title: "tillstream: operations", About: "Whether tillstream folds, how fresh it is, and what troubles it.", From: "now-6h", Panels: []Panel{
		{Title: "Lanes stopped", Kind: "stat", Width: 4, About: "Above 0 a person is needed.", Prom: []Query{{"sum(max by (lane) (tillstream_lane_stopped))", "stopped"}}},
		{Title: "Behind", Kind: "stat", Width: 5, About: "Offsets that are not folded yet.", Prom: []Query{{"sum(max by (lane) (tillstream_lag_offsets))", "offsets"}}},
		{Title: "Age of the newest data", Kind: "stat", Unit: "s", Width: 5, About: "Of the lane that is oldest; it grows where nothing is sent.", Prom: []Query{{"time() - min(max by (lane) (tillstream_written_time_seconds))", "age"}}},
		{Title: "Dead letters, one hour", Kind: "stat", Width: 5, Prom: []Query{{`sum(increase(tillstream_events_total{outcome="rejected"}[1h]))`, "events"}}},
		{Title: "Open alerts", Kind: "stat", Width: 5, Prom: []Query{{"sum(tillstream_alerts_open)", "alerts"}}},
		{Title: "Events", Kind: "timeseries", Unit: "ops", Width: 12, About: "By what became of them.", Prom: []Query{{"sum by (outcome) (rate(tillstream_events_total[5m]))", "{{outcome}}"}}},
		{Title: "Behind, by lane", Kind: "timeseries", Width: 12, Prom: []Query{{"max by (lane) (tillstream_lag_offsets)", "{{lane}}"}}},
		{Title: "Duration of an INSERT", Kind: "timeseries", Unit: "s", Width: 12, Prom: []Query{
			{"histogram_quantile(0.5, sum by (le) (rate(tillstream_insert_seconds_bucket[5m])))", "half"}, {"histogram_quantile(0.99, sum by (le) (rate(tillstream_insert_seconds_bucket[5m])))", "99 of 100"},
		}},
		{Title: "Rows", Kind: "timeseries", Unit: "ops", Width: 12, Prom: []Query{{"sum by (table) (rate(tillstream_rows_total[5m]))", "{{table}}"}}},
		{Title: "Trouble", Kind: "timeseries", Width: 12, About: "What failed and was tried again.", Prom: []Query{
			{"sum by (lane) (increase(tillstream_lane_retries_total[5m]))", "lane {{lane}}"}, {"sum by (table) (increase(tillstream_insert_failures_total[5m]))", "INSERT into {{table}}"},
		}},
		{Title: "Batches", Kind: "timeseries", Unit: "ops", Width: 12, Prom: []Query{{"sum by (lane) (rate(tillstream_batches_total[5m]))", "{{lane}}"}}},
		{Title: "Memory", Kind: "timeseries", Unit: "bytes", Width: 8, Prom: []Query{{"process_resident_memory_bytes", "{{instance}}"}}},
		{Title: "CPU", Kind: "timeseries", Unit: "percentunit", Width: 8, Prom: []Query{{"rate(process_cpu_seconds_total[5m])", "{{instance}}"}}},
		{Title: "Rounds of agreements", Kind: "timeseries", Unit: "s", Width: 8, Prom: []Query{{"histogram_quantile(0.95, sum by (le) (rate(tillstream_sla_round_seconds_bucket[15m])))", "95 of 100"}}},
	}}
}

func availability() Dashboard {
	return Dashboard{UID: "tillstream-availability", Title: "tillstream: availability", About: "Whether tills and stores can sell, for how long they could not, and whether agreements are kept.", From: "now-7d", Stores: true, Panels: []Panel{
		{Title: "Tills now", Kind: "table", Width: 6, SQL: "SELECT status, count() AS tills FROM pos.terminal_status WHERE in_service AND store_id IN ($stores) GROUP BY status ORDER BY tills DESC"},
		{Title: "What cannot sell now", Kind: "table", Width: 18, About: "Tills in service that are down or silent, the longest first.", SQL: "SELECT store_id, terminal_id, status, since, last_seen, printer, card_reader, scanner, offline_backlog FROM pos.terminal_status\n" +
			"WHERE in_service AND status IN ('down', 'silent') AND store_id IN ($stores) ORDER BY since LIMIT 100"},
		{Title: "Availability", Kind: "timeseries", Unit: "percentunit", Width: 12, About: "Of service time that is known, without maintenance.", SQL: "SELECT hour AS time, 1 - sum(service_down_ms) / nullIf(sum(service_ms) - sum(excluded_ms) - sum(service_unknown_ms), 0) AS availability\n" +
			"FROM pos.availability_hourly WHERE $__timeFilter(hour) AND store_id IN ($stores) GROUP BY hour ORDER BY hour"},
		{Title: "Hours of tills", Kind: "timeseries", Unit: "h", Width: 12, About: "What every hour of all tills was.", SQL: "SELECT hour AS time, sum(up_ms) / 3600000 AS up, sum(degraded_ms) / 3600000 AS degraded, sum(down_ms) / 3600000 AS down, sum(silent_ms) / 3600000 AS silent, sum(maintenance_ms) / 3600000 AS maintenance\n" +
			"FROM pos.availability_hourly WHERE $__timeFilter(hour) AND store_id IN ($stores) GROUP BY hour ORDER BY hour"},
		{Title: "Stores below their quorum", Kind: "table", Width: 12, About: "Hours in which fewer tills could sell than the store needs.", SQL: "SELECT store_id, round(sum(quorum_down_ms) / 60000) AS down_min, round(sum(unknown_ms) / 60000) AS unknown_min, round(100 * (1 - sum(quorum_down_ms) / nullIf(sum(service_ms) - sum(excluded_ms), 0)), 3) AS availability_pct\n" +
			"FROM pos.store_availability_hourly WHERE $__timeFilter(hour) AND store_id IN ($stores) GROUP BY store_id ORDER BY down_min DESC LIMIT 50"},
		{Title: "Outages by who caused them", Kind: "table", Width: 12, SQL: "SELECT party, cause, count() AS outages, round(sum(service_ms) / 3600000, 1) AS service_hours, round(avg(repair_ms) / 60000, 1) AS repair_min\n" +
			"FROM pos.outages WHERE $__timeFilter(started_at) AND store_id IN ($stores) GROUP BY party, cause ORDER BY service_hours DESC LIMIT 50"},
		{Title: "Agreements", Kind: "table", Width: 24, About: "Of the periods that run, the worst first.", SQL: "SELECT contract, objective, scope, round(actual, 5) AS actual, target, round(coverage, 3) AS coverage, verdict, round(budget_spent / nullIf(budget_total, 0), 3) AS spent, credit_due, credit_currency, as_of\n" +
			"FROM pos.sla_compliance WHERE running ORDER BY spent DESC NULLS LAST LIMIT 100"},
	}}
}

func sales() Dashboard {
	return Dashboard{UID: "tillstream-sales", Title: "tillstream: sales", About: "What is sold, when, and how it is paid.", From: "now-7d", Stores: true, Panels: []Panel{
		{Title: "Net sales", Kind: "timeseries", Width: 12, About: "A currency is a series: they are never added.", SQL: "SELECT hour AS time, currency, toFloat64(sum(net)) AS net FROM pos.sales_hourly WHERE $__timeFilter(hour) AND store_id IN ($stores) GROUP BY hour, currency ORDER BY hour"},
		{Title: "Transactions", Kind: "timeseries", Width: 12, SQL: "SELECT hour AS time, channel, sum(transactions) AS transactions FROM pos.sales_hourly WHERE $__timeFilter(hour) AND store_id IN ($stores) GROUP BY hour, channel ORDER BY hour"},
		{Title: "Hours of the day", Kind: "barchart", Width: 12, About: "Transactions an hour of the stores' own time.", SQL: "SELECT toString(local_hour) AS hour_of_day, sum(transactions) AS transactions FROM pos.sales_hourly WHERE $__dateFilter(business_date) AND store_id IN ($stores) GROUP BY local_hour ORDER BY local_hour"},
		{Title: "Best sellers", Kind: "table", Width: 12, SQL: "SELECT product_id, max(category) AS category, currency, sum(units) AS units, sum(revenue) AS revenue, sum(baskets) AS baskets\n" +
			"FROM pos.product_sales WHERE $__dateFilter(business_date) AND store_id IN ($stores) GROUP BY product_id, currency ORDER BY baskets DESC LIMIT 25"},
		{Title: "How it is paid", Kind: "table", Width: 12, SQL: "SELECT method, entry_mode, currency, sum(attempts) AS attempts, sum(approved) AS approved, sum(declined) AS declined, sum(failed) AS failed, sum(amount) AS amount\n" +
			"FROM pos.payments_hourly WHERE $__timeFilter(hour) AND store_id IN ($stores) GROUP BY method, entry_mode, currency ORDER BY attempts DESC LIMIT 25"},
		{Title: "Payments that failed", Kind: "timeseries", Unit: "percentunit", Width: 12, About: "Share of attempts that were neither approved nor declined.", SQL: "SELECT hour AS time, service, sum(failed) / nullIf(sum(attempts), 0) AS failed FROM pos.payments_hourly WHERE $__timeFilter(hour) AND store_id IN ($stores) GROUP BY hour, service ORDER BY hour"},
		{Title: "What did not arrive", Kind: "table", Width: 24, About: "Tills with holes in their numbers, or events that could not be folded.", SQL: "SELECT topic, terminal_id, sum(accepted) AS accepted, sum(missing) AS missing, sum(rejected) AS rejected, sum(duplicates) AS duplicates, sum(late) AS late\n" +
			"FROM pos.data_quality WHERE $__dateFilter(business_date) GROUP BY topic, terminal_id HAVING missing + rejected > 0 ORDER BY missing + rejected DESC LIMIT 50"},
	}}
}
