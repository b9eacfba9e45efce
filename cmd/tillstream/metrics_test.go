package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"
	"go.yaml.in/yaml/v3"

	"github.com/tillstream/tillstream/deploy/grafana"
	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/alert"
)

// metric is one of those that run offers.
type metric struct {
	name, help string
	kind       dto.MetricType
	labels     []string
}

// metrics are all that run registers but those of Go and of the process, as Registerer that only looks at what it is given.
type metrics []metric

func allMetrics() metrics {
	var all metrics
	processor.New(processor.Config{}, processor.Deps{Registerer: &all})
	alert.NewMetrics(&all)
	newSLAMetrics(&all)
	newRenewals(&all, zap.NewNop())
	return all
}

var description = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: ("(?:[^"\\]|\\.)*"), (?:unit: "\w*", )?constLabels: \{.*\}, variableLabels: \{(.*)\}\}$`)

func (all *metrics) MustRegister(collectors ...prometheus.Collector) {
	for _, c := range collectors {
		x := metric{kind: dto.MetricType_GAUGE}
		switch c.(type) {
		case *prometheus.HistogramVec, prometheus.Histogram:
			x.kind = dto.MetricType_HISTOGRAM
		case *prometheus.GaugeVec, prometheus.Gauge: // before Counter, of whose methods a Gauge has all
		case *prometheus.CounterVec, prometheus.Counter:
			x.kind = dto.MetricType_COUNTER
		}
		descs := make(chan *prometheus.Desc, 1)
		c.Describe(descs)
		m := description.FindStringSubmatch((<-descs).String())
		x.name = m[1]
		x.help, _ = strconv.Unquote(m[2])
		if m[3] != "" {
			x.labels = strings.Split(m[3], ",")
		}
		*all = append(*all, x)
	}
}

func (all *metrics) Register(c prometheus.Collector) error {
	all.MustRegister(c)
	return nil
}

func (*metrics) Unregister(prometheus.Collector) bool { return false }

// series are the names that can be asked for, with their labels.
func (all metrics) series() map[string][]string {
	out := map[string][]string{"process_resident_memory_bytes": nil, "process_cpu_seconds_total": nil, "up": nil}
	for _, m := range all {
		if m.kind != dto.MetricType_HISTOGRAM {
			out[m.name] = m.labels
			continue
		}
		out[m.name+"_bucket"] = append(slices.Clone(m.labels), "le")
		out[m.name+"_sum"], out[m.name+"_count"] = m.labels, m.labels
	}
	return out
}

// docs/metrics.md is made of the code, and each metric is named and said as it should be.
func TestMetricsAreDocumented(t *testing.T) {
	all := allMetrics()
	var b strings.Builder
	b.WriteString(`# Metrics

What ` + "`/metrics`" + ` of [listen](configuration.md) offers to Prometheus; this page is made of the code by ` + "`make docs`" + `. Beside these are those of Go (` + "`go_…`" + `) and of the process
(` + "`process_…`" + `). A lane is shown by the member that has it; what another member counted of it before stays with that one.
[alerts.yaml](../deploy/prometheus/alerts.yaml) has rules that use them, [deploy/grafana](../deploy/grafana/tillstream-operations.json) a dashboard.

| metric | kind | labels | meaning |
|---|---|---|---|
`)
	var families []*dto.MetricFamily
	for _, m := range all {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, strings.ToLower(m.kind.String()), strings.Join(m.labels, ", "), strings.ReplaceAll(m.help, "|", `\|`))
		families = append(families, &dto.MetricFamily{Name: &m.name, Help: &m.help, Type: &m.kind})
		if !strings.HasPrefix(m.name, "tillstream_") || !strings.HasSuffix(m.help, ".") {
			t.Errorf("%s: %q", m.name, m.help)
		}
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	path := filepath.Join("..", "..", "docs", "metrics.md")
	if os.Getenv("TILLSTREAM_WRITE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(got), b.String()); d != "" {
		t.Errorf("%s is stale, run make docs:\n%s", path, d)
	}
}

// asksWhatThereIs parses PromQL and looks for every metric and label of it among those there are.
func asksWhatThereIs(t *testing.T, where, expr string) {
	t.Helper()
	parsed, err := metricsql.Parse(expr)
	if err != nil {
		t.Errorf("%s: %v: %s", where, err, expr)
		return
	}
	there := allMetrics().series()
	known := []string{"instance", "job"}
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		if m, ok := e.(*metricsql.MetricExpr); ok {
			for _, filters := range m.LabelFilterss {
				name := filters[0].Value
				labels, ok := there[name]
				if filters[0].Label != "__name__" || !ok {
					t.Errorf("%s: there is no metric %s: %s", where, name, expr)
				}
				known = append(known, labels...)
				for _, f := range filters[1:] {
					if !slices.Contains(labels, f.Label) {
						t.Errorf("%s: %s has no label %s: %s", where, name, f.Label, expr)
					}
				}
			}
		}
	})
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		if a, ok := e.(*metricsql.AggrFuncExpr); ok {
			for _, l := range a.Modifier.Args {
				if !slices.Contains(known, l) {
					t.Errorf("%s: nothing there has the label %s: %s", where, l, expr)
				}
			}
		}
	})
}

// The alerts on ourselves are rules as Prometheus takes them, ask what there is, and are those of the Helm chart, which can only hold a copy.
func TestAlertsOnOurselves(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "prometheus", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if chart, err := os.ReadFile(filepath.Join("..", "..", "deploy", "helm", "tillstream", "files", "alerts.yaml")); err != nil || !bytes.Equal(chart, text) {
		t.Errorf("the chart's files/alerts.yaml is not deploy/prometheus/alerts.yaml: copy it (%v)", err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, r := range file.Groups[0].Rules {
		asksWhatThereIs(t, r.Alert, r.Expr)
		if said[r.Alert] || !regexp.MustCompile(`^(\d+[mhd])?$`).MatchString(r.For) || !slices.Contains([]string{"page", "ticket"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%+v", r)
		}
		// What "a and b" gives is a.
		if value, _, _ := strings.Cut(r.Expr, " and "); strings.Contains(r.Annotations["summary"], "humanizeDuration") && !strings.Contains(value, "_seconds") {
			t.Errorf("%s: %s is no duration", r.Alert, value)
		}
		said[r.Alert] = true
	}
	if len(said) < 10 {
		t.Errorf("%d alerts", len(said))
	}
}

func TestDashboardsAskForMetricsThereAre(t *testing.T) {
	n := 0
	for _, d := range grafana.Dashboards() {
		for _, p := range d.Panels {
			if (len(p.Prom) > 0) == (p.SQL != "") || p.Width <= 0 || p.Width > 24 {
				t.Errorf("%s: %s", d.Title, p.Title)
			}
			for _, q := range p.Prom {
				asksWhatThereIs(t, p.Title, q.Expr)
				n++
			}
		}
	}
	if n == 0 {
		t.Error("no dashboard asks Prometheus")
	}
}

// askDashboards asks what every panel asks of ClickHouse, with the plugin's macros as it fills them for all time, and returns the titles of those that have no rows.
func askDashboards(t *testing.T, data string) (empty []string) {
	t.Helper()
	macro := regexp.MustCompile(`\$__(time|date)Filter\((\w+)\)`)
	for _, d := range grafana.Dashboards() {
		for _, p := range d.Panels {
			if p.SQL == "" {
				continue
			}
			sql := macro.ReplaceAllStringFunc(p.SQL, func(m string) string {
				x := macro.FindStringSubmatch(m)
				if x[1] == "date" {
					return fmt.Sprintf("%s >= toDate('2000-01-01') AND %[1]s <= toDate('2100-01-01')", x[2])
				}
				return fmt.Sprintf("%s >= toDateTime(946684800) AND %[1]s <= toDateTime(4102444800)", x[2])
			})
			if d.Stores {
				sql = strings.ReplaceAll(sql, "$stores", grafana.StoresSQL)
			}
			if strings.Contains(sql, "$") {
				t.Errorf("%s: a macro is left: %s", p.Title, sql)
			}
			if len(ask(t, data, sql)) == 0 {
				empty = append(empty, p.Title)
			}
		}
	}
	return empty
}
