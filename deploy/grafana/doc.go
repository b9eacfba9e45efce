// Package grafana holds dashboards as code: what operators watch of tillstream, from its metrics, and availability and sales, from the views in pos. The JSON files beside it are made from
// it (make docs) and can be imported as they are: Grafana asks which Prometheus and which ClickHouse (plugin grafana-clickhouse-datasource) to use.
package grafana
