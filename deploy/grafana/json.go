package grafana

import (
	"bytes"
	"encoding/json"
)

// What Grafana's dashboards are made of, as far as it is used here (schema version 41).
type (
	object map[string]any
	list   []any
)

const (
	panelHeight = 8
	statHeight  = 4
	columns     = 24
)

// JSON is the dashboard as Grafana imports it.
func (d Dashboard) JSON() ([]byte, error) {
	variables := list{}
	asks := map[string]bool{}
	for _, p := range d.Panels {
		asks[p.source()] = true
	}
	for _, s := range []struct{ name, kind, label string }{{"prometheus", "prometheus", "Prometheus"}, {"clickhouse", "grafana-clickhouse-datasource", "ClickHouse"}} {
		if asks[s.name] {
			variables = append(variables, object{"name": s.name, "label": s.label, "type": "datasource", "query": s.kind, "hide": 0})
		}
	}
	if d.Stores {
		variables = append(variables, object{
			"name": "stores", "label": "Stores", "type": "query", "datasource": source("clickhouse"), "query": StoresSQL, "definition": StoresSQL, "refresh": 2, "sort": 1,
			"multi": true, "includeAll": true, "current": object{"text": list{"All"}, "value": list{"$__all"}},
		})
	}
	var panels list
	x, y, row := 0, 0, 0
	for i, p := range d.Panels {
		height := panelHeight
		if p.Kind == "stat" {
			height = statHeight
		}
		if x+p.Width > columns {
			x, y, row = 0, y+row, 0
		}
		panels = append(panels, p.json(i+1, object{"x": x, "y": y, "w": p.Width, "h": height}))
		x, row = x+p.Width, max(row, height)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(object{
		"uid": d.UID, "title": d.Title, "description": d.About, "tags": list{"tillstream"}, "schemaVersion": 41, "editable": true, "refresh": "30s", "timezone": "browser",
		"time": object{"from": d.From, "to": "now"}, "templating": object{"list": variables}, "panels": panels,
	})
	return b.Bytes(), err
}

// StoresSQL fills the variable $stores.
const StoresSQL = "SELECT DISTINCT store_id FROM pos.store_status ORDER BY store_id"

func (p *Panel) source() string {
	if p.SQL != "" {
		return "clickhouse"
	}
	return "prometheus"
}

func source(name string) object {
	kind := name
	if name == "clickhouse" {
		kind = "grafana-clickhouse-datasource"
	}
	return object{"type": kind, "uid": "${" + name + "}"}
}

func (p *Panel) json(id int, at object) object {
	var targets list
	for i, q := range p.Prom {
		targets = append(targets, object{"refId": string(rune('A' + i)), "datasource": source("prometheus"), "expr": q.Expr, "legendFormat": q.Legend, "instant": p.Kind == "stat"})
	}
	if p.SQL != "" {
		// Formats of the plugin: 0 is a series over time, 1 a table.
		format, kind := 1, "table"
		if p.Kind == "timeseries" {
			format, kind = 0, "timeseries"
		}
		targets = list{object{"refId": "A", "datasource": source("clickhouse"), "editorType": "sql", "rawSql": p.SQL, "format": format, "queryType": kind}}
	}
	defaults := object{}
	if p.Unit != "" {
		defaults["unit"] = p.Unit
	}
	return object{
		"id": id, "title": p.Title, "description": p.About, "type": p.Kind, "gridPos": at, "datasource": source(p.source()), "targets": targets,
		"fieldConfig": object{"defaults": defaults, "overrides": list{}},
	}
}
