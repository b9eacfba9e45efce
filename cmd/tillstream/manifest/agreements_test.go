package manifest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/sla/agreement"
	"github.com/tillstream/tillstream/processor/sla/openslo"
)

// problemsOf are all problems of a text, one a line.
func problemsOf(file, text string) []string {
	objects, problems := Read(file, []byte(text))
	if len(problems) == 0 {
		if err := setOf(objects).Check(); err != nil {
			problems = append(problems, err)
		}
	}
	var out []string
	for _, p := range problems {
		out = append(out, strings.Split(p.Error(), "\n")...)
	}
	return out
}

func dateOf(t *testing.T, s string) registry.Date {
	t.Helper()
	d, err := registry.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// a small set of which everything is right.
const right = `apiVersion: tillstream/v1
kind: Customer
metadata: {name: acme}
---
apiVersion: tillstream/v1
kind: Agreement
metadata: {name: corporate}
spec:
  type: sla
  level: corporate
  versions:
  - version: 1
    from: 2026-01-01
    measurement: {min_coverage: 0.9, final: true}
    exclusions: [{kind: force_majeure, effect: remove, final: true}]
---
apiVersion: tillstream/v1
kind: Agreement
metadata: {name: acme}
spec:
  type: sla
  level: customer
  inherits: [corporate]
  parties: {provider: us, customer: acme}
  versions:
  - version: 1
    from: 2026-01-01
    to: 2027-01-01
    timezone: Europe/Paris
    period: month
    measurement: {min_outage: 1m}
    exclusions:
    - {kind: planned_maintenance, effect: remove, notice: 72h, cap: 4h/month, within: "Sun 00:00-06:00"}
    objectives:
    - {name: up, indicator: uptime, per: terminal, target: 0.995}
    - {name: fast, indicator: authorisation_ms, statistic: mean, op: lte, value: 1500, per: service}
    - {name: soon, indicator: time_to_resolve, statistic: mean, op: lte, value: 4h, per: customer}
    - {name: pay, sloRef: pay, per: service}
    - {name: sell, indicator: store_quorum, per: store, target: 0.9995}
    - {name: all, indicator: composite, of: {up: 1, sell: 2}, per: customer, report: true}
    remedies:
      base: {amount: 100, currency: EUR, per: month}
      credits:
      - {objective: up, tiers: [{below: 0.995, credit: 0.1}, {below: 0.99, credit: 0.25}]}
      - {objective: soon, per_unit: {every: 1h, credit: 0.01}}
  - version: 2
    from: 2027-02-01
    timezone: Europe/Paris
    period: month
    objectives: [{name: up, indicator: uptime, per: terminal, target: 0.996}]
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: failures}
spec:
  ratioMetric:
    rawType: failure
    raw: {metricSource: {type: tillstream, spec: {indicator: payment_failures}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: pay}
spec:
  service: till
  indicatorRef: failures
  timeWindow: [{duration: 1M, calendar: {startTime: "2026-01-01 00:00:00", timeZone: Europe/Paris}}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
  alertPolicies: [{alertPolicyRef: burn}]
---
apiVersion: openslo/v1
kind: Service
metadata: {name: till}
spec: {}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: burn}
spec:
  conditions: [{kind: AlertCondition, metadata: {name: fast}, spec: {severity: page, condition: {kind: burnrate, op: gte, threshold: 14.4, lookbackWindow: 1h}}}]
  notificationTargets: [{targetRef: us}]
`

// Each mistake is explained once, at its line and key.
func TestMistakes(t *testing.T) {
	if got := problemsOf("a.yaml", right); len(got) > 0 {
		t.Fatal(strings.Join(got, "\n"))
	}
	line := func(of string) int { return strings.Count(right[:strings.Index(right, of)], "\n") + 1 }
	// Where the line is another one than that of what was changed, or where there are more problems than one.
	type other struct {
		at   string // the line of this
		more int
	}
	others := map[string]other{
		"level: corporate\n  versions:\n  - version: 1\n    from: 2026-03-01": {at: "inherits: [corporate]"},
		"parties: {provider: us}":            {at: "- version: 1\n    from: 2026-01-01\n    to", more: 1}, // each of the versions lacks it
		"party: provider, effect":            {more: 1},                                                   // and no fault is announced
		`00:00:00", timeZone: Europe/London`: {at: "sloRef: pay"},
		"budgetingMethod: RatioTimeslices":   {at: "[{target: 0.99}]"},
		"counter: true\n    good:":           {at: "raw: {metricSource"},
	}
	for _, c := range []struct{ was, is, key, says string }{
		// What YAML and types show.
		{`type: sla
  level: customer`, `type: slo
  level: customer`, "spec.type", `"slo" is not one of sla, ola, underpinning`},
		{`min_outage: 1m}`, `min_outages: 1m}`, "spec.versions[0].measurement.min_outages", "there is no such key"},
		{`min_outage: 1m}`, `min_outage: 1min}`, "spec.versions[0].measurement.min_outage", "is no duration"},
		{`min_outage: 1m}`, `min_outage: 1d}`, "spec.versions[0].measurement.min_outage", "1d depends on the calendar"},
		{`min_outage: 1m}`, `min_outage: 1M2h}`, "spec.versions[0].measurement.min_outage", "hours, days and months cannot be added"},
		{`min_outage: 1m}`, `min_outage: }`, "spec.versions[0].measurement.min_outage", "it has no value"},
		{`target: 0.995}`, `target: 99.5%}`, "spec.versions[0].objectives[0].target", "99.5 % is 0.995"},
		{`target: 0.995}`, `target: 99.5}`, "spec.versions[0].objectives[0].target", "99.5 is no share from 0 to 1"},
		{`target: 0.995}`, `target: 0.9999999999}`, "spec.versions[0].objectives[0].target", "more than 9 digits"},
		{`target: 0.995}`, `target: 9.95e-1}`, "spec.versions[0].objectives[0].target", "is no decimal number"},
		{`cap: 4h/month`, `cap: 4h`, "spec.versions[0].exclusions[0].cap", "is no cap such as 4h/month"},
		{`cap: 4h/month`, `cap: 1d/month`, "spec.versions[0].exclusions[0].cap", "is no cap such as 4h/month"},
		{`"Sun 00:00-06:00"`, `"Sunday 00:00-06:00"`, "spec.versions[0].exclusions[0].within", "does not begin with days of the week"},
		{`"Sun 00:00-06:00"`, `"Sun 0:00-6:00"`, "spec.versions[0].exclusions[0].within", "opening hours"},
		{`amount: 100`, `amount: 100.5`, "spec.versions[0].remedies.base.amount", "it takes a whole number"},
		{`report: true`, `report: yes`, "spec.versions[0].objectives[5].report", "it takes true or false"},
		{`timezone: Europe/Paris
    period: month
    measurement`, `timezone: Europe/Pari
    period: month
    measurement`, "spec.versions[0].timezone", "is no time zone"},
		{`currency: EUR`, `currency: euro`, "spec.versions[0].remedies.base.currency", "three capital letters"},
		// Versions.
		{`  - version: 2`, `  - version: 3`, "spec.versions[1].version", "it must be 2"},
		{`from: 2027-02-01`, `from: 2026-06-01`, "spec.versions[1].from", "2026-06-01 is before 2027-01-01, on which the version before is over"},
		{`from: 2027-02-01`, `from: 2025-06-01`, "spec.versions[1].from", "is not after 2026-01-01"},
		{`to: 2027-01-01`, `to: 2026-01-01`, "spec.versions[0].to", "it must be after from"},
		{`to: 2027-01-01`, `signed: {document: "sha256:12"}`, "spec.versions[0].signed.document", "64 hexadecimal digits"},
		// Inheritance.
		{`inherits: [corporate]`, `inherits: [corporat]`, "spec.inherits[0]", "there is no Agreement corporat"},
		{`inherits: [corporate]`, `inherits: [corporate, corporate]`, "spec.inherits[1]", "corporate is there twice"},
		{`inherits: [corporate]`, `inherits: [acme]`, "spec.inherits[0]", "it inherits itself: acme inherits acme"},
		{`{min_outage: 1m}`, `{min_coverage: 0.5}`, "spec.versions[0].measurement.min_coverage", "measurement.min_coverage is final in what it inherits: leave it out here, or agree on it there; the other place is a.yaml:14: spec.versions[0].measurement.min_coverage"},
		{`kind: planned_maintenance, effect: remove, notice: 72h, cap: 4h/month, within: "Sun 00:00-06:00"`, `kind: force_majeure, approval: both`, "spec.versions[0].exclusions[0]", "exclusions[force_majeure] is final in what it inherits"},
		{`level: corporate
  versions:
  - version: 1
    from: 2026-01-01`, `level: corporate
  versions:
  - version: 1
    from: 2026-03-01`, "spec.inherits[0]", "corporate has no version in force on 2026-01-01, when version 1 is; the other place is a.yaml:12: spec.versions"},
		// What is needed together.
		{`parties: {provider: us, customer: acme}`, `parties: {provider: us}`, "spec.versions[0].parties", "needs parties, with provider and customer"},
		{`parties: {provider: us, customer: acme}`, `parties: {provider: us, customer: acne}`, "spec.parties.customer", "there is no Customer acne"},
		{`{name: up, indicator: uptime, per: terminal, target: 0.995}`, `{name: up, indicator: uptime, per: terminal}`, "spec.versions[0].objectives[0].target", "objective up lacks target: uptime is a share of time and needs target"},
		{`{name: up, indicator: uptime, per: terminal, target: 0.995}`, `{name: up, indicator: uptime, target: 0.995}`, "spec.versions[0].objectives[0].per", "lacks per"},
		{`{name: up, indicator: uptime, per: terminal, target: 0.995}`, `{name: up, indicator: uptime, per: terminal, target: 0.995, statistic: mean}`, "spec.versions[0].objectives[0].statistic", "does not take it; it takes target, min_outage"},
		{`value: 1500`, `value: 1500ms`, "spec.versions[0].objectives[1].value", "it takes a number without unit"},
		{`op: lte, value: 4h`, `op: lte, value: 4`, "spec.versions[0].objectives[2].value", "it takes a duration such as 4h"},
		{`of: {up: 1, sell: 2}`, `of: {up: 1, sel: 2}`, "spec.versions[0].objectives[5].of", "sel, which is no objective of this text"},
		{`of: {up: 1, sell: 2}`, `of: {up: 0, sell: 2}`, "spec.versions[0].objectives[5].of.up", "a weight is above 0"},
		{`of: {up: 1, sell: 2}`, `of: {up: 1, fast: 2}`, "spec.versions[0].objectives[5].of", "which promises a value and no share"},
		{`per: customer, report: true`, `per: customer`, "spec.versions[0].objectives[5].target", "without one it can only be reported"},
		{`store_quorum, per: store`, `store_quorum, per: terminal`, "spec.versions[0].objectives[4].per", "store_quorum is of stores"},
		{`effect: remove, notice: 72h`, `notice: 72h`, "spec.versions[0].exclusions[0].effect", "effect is needed"},
		{`kind: planned_maintenance, effect`, `party: provider, effect`, "spec.versions[0].exclusions[0].party", `"provider" is not one of customer, third_party`},
		{`per_unit: {every: 1h, credit: 0.01}`, `fixed: 5, each: outage`, "spec.versions[0].remedies.credits[1].each", "time_to_resolve has no outages; write each: breach"},
		{`per_unit: {every: 1h, credit: 0.01}`, `fixed: 5, each: breach, per: base`, "spec.versions[0].remedies.credits[1].per", "is no share of a fee"},
		{`name: fast, indicator`, `name: up, indicator`, "spec.versions[0].objectives[1]", "up is there twice"},
		{`{objective: up, tiers`, `{objective: upp, tiers`, "spec.versions[0].remedies.credits[0].objective", "there is no objective upp in this text"},
		{`{objective: up, tiers`, `{objective: all, tiers`, "spec.versions[0].remedies.credits[0].objective", "is a key measurement or only reported"},
		{`{objective: up, tiers`, `{objective: up, fixed: 3, each: outage, tiers`, "spec.versions[0].remedies.credits[0].objective", "this one has 2 of them"},
		{`{below: 0.99, credit: 0.25}`, `{below: 0.996, credit: 0.25}`, "spec.versions[0].remedies.credits[0].tiers[1]", "tiers go from the slightest breach to the worst"},
		{`{below: 0.995, credit: 0.1}, `, `{below: 0.996, credit: 0.1}, `, "spec.versions[0].remedies.credits[0].tiers", "a tier below 0.996 would cost even where the target of 0.995 is kept"},
		{`{every: 1h, credit: 0.01}`, `{every: 1, credit: 0.01}`, "spec.versions[0].remedies.credits[1].per_unit", "must be of the kind of the objective's value, 4h"},
		{`{below: 0.995, credit: 0.1}, {below: 0.99, credit: 0.25}`, `{above: 4h, credit: 0.1}`, "spec.versions[0].remedies.credits[0].tiers", "objective up promises a share, so its tiers are below one, as {below: 0.995, credit: 0.1}"},
		{`per_unit: {every: 1h, credit: 0.01}`, `tiers: [{above: 4, credit: 0.1}]`, "spec.versions[0].remedies.credits[1].tiers", "so its tiers are above one of its kind, as {above: 4h, credit: 0.1}"},
		{`per_unit: {every: 1h, credit: 0.01}`, `off: false`, "spec.versions[0].remedies.credits[1].objective", "this one has 0 of them"},
		{`amount: 100, currency: EUR`, `amount: 100`, "spec.versions[0].remedies.base.currency", "credits need remedies.base.currency"},
		{`amount: 100, currency: EUR`, `from: invoice, amount: 100, currency: EUR`, "spec.versions[0].remedies.base.amount", "leave one of them out"},
		{`amount: 100, currency: EUR`, `currency: EUR`, "spec.versions[0].remedies.base", "a credit that is a share needs remedies.base"},
		// OpenSLO.
		{`sloRef: pay`, `sloRef: pai`, "spec.versions[0].objectives[3].sloRef", "there is no SLO pai"},
		{`indicatorRef: failures`, `indicatorRef: failure`, "spec.indicatorRef", "there is no SLI failure"},
		{`{duration: 1M, calendar: {startTime: "2026-01-01 00:00:00", timeZone: Europe/Paris}}`, `{duration: 28d, isRolling: true}`, "spec.timeWindow[0]", "a rolling window is not judged"},
		{`{duration: 1M, calendar`, `{duration: 2M, calendar`, "spec.timeWindow[0].duration", "2M is no period of agreements"},
		{`startTime: "2026-01-01 00`, `startTime: "2026-01-02 00`, "spec.timeWindow[0].calendar.startTime", "no month begins at 2026-01-02"},
		{`00:00:00", timeZone: Europe/Paris`, `00:00:00", timeZone: Europe/London`, "spec.versions[0].objectives[3].sloRef", "in Europe/London, the agreement in Europe/Paris"},
		{`budgetingMethod: Occurrences`, `budgetingMethod: RatioTimeslices`, "spec.objectives[0].timeSliceWindow", "it is of Timeslices and RatioTimeslices, which need it"},
		{`[{target: 0.99}]`, `[{target: 0.99}, {target: 0.999}]`, "spec.objectives", "takes one objective of an SLO, not 2"},
		{`[{target: 0.99}]`, `[{target: 1.0}]`, "spec.objectives[0].target", "not between 0 and 1"},
		{`[{target: 0.99}]`, `[{target: 0.99, indicatorRef: failures}]`, "spec.objectives[0].indicatorRef", "composite SLOs are not read"},
		{`rawType: failure
    raw:`, `counter: true
    good:`, "spec.ratioMetric.good", "write raw, with rawType"},
		{`type: tillstream`, `type: Prometheus`, "spec.ratioMetric.raw.metricSource.type", "it must be tillstream: it measures itself and reads no other source of data such as Prometheus"},
		{`rawType: failure`, `rawType: success`, "spec.ratioMetric.rawType", "payment_failures is a ratio of failure"},
		{`kind: SLI`, `kind: DataSource`, "kind", "a DataSource is not read"},
		{`alertPolicyRef: burn`, `alertPolicyRef: burnt`, "spec.alertPolicies[0].alertPolicyRef", "there is no AlertPolicy burnt"},
		{`conditions: [{kind: AlertCondition, metadata: {name: fast}, spec: {severity: page, condition: {kind: burnrate, op: gte, threshold: 14.4, lookbackWindow: 1h}}}]`, `conditions: [{conditionRef: fast}]`, "spec.conditions[0].conditionRef", "the kind AlertCondition is not read"},
	} {
		if strings.Count(right, c.was) != 1 {
			t.Errorf("%q is there %d times", c.was, strings.Count(right, c.was))
			continue
		}
		got := problemsOf("a.yaml", strings.Replace(right, c.was, c.is, 1))
		o := others[c.is]
		want := fmt.Sprintf("a.yaml:%d: %s: ", line(cmp.Or(o.at, c.was)), c.key)
		if len(got) != 1+o.more || !slices.ContainsFunc(got, func(p string) bool { return strings.HasPrefix(p, want) && strings.Contains(p, c.says) }) {
			t.Errorf("%s: want %d, with %s…%s…, got\n%s", c.is, 1+o.more, want, c.says, strings.Join(got, "\n"))
		}
	}
}

// shuffled writes documents in another order, with the keys of all mappings in another order.
func shuffled(t *testing.T, r *rand.Rand, text []byte) []byte {
	t.Helper()
	var docs []*yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var n yaml.Node
		if d.Decode(&n) != nil {
			break
		}
		docs = append(docs, &n)
	}
	var shuffle func(n *yaml.Node, path string)
	shuffle = func(n *yaml.Node, path string) {
		if n.Kind == yaml.MappingNode {
			var pairs [][2]*yaml.Node
			for i := 0; i+1 < len(n.Content); i += 2 {
				pairs = append(pairs, [2]*yaml.Node{n.Content[i], n.Content[i+1]})
			}
			r.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
			n.Content = nil
			for _, p := range pairs {
				n.Content = append(n.Content, p[0], p[1])
				shuffle(p[1], p[0].Value)
			}
			return
		}
		if n.Kind == yaml.SequenceNode && slices.Contains([]string{"objectives", "exclusions", "credits"}, path) {
			r.Shuffle(len(n.Content), func(i, j int) { n.Content[i], n.Content[j] = n.Content[j], n.Content[i] })
		}
		for _, c := range n.Content {
			shuffle(c, "")
		}
	}
	r.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	for _, n := range docs {
		shuffle(n, "")
		if err := e.Encode(n); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// A text is the same in whatever order files, keys, objectives, exclusions and credits stand.
func TestTextsDoNotDependOnOrder(t *testing.T) {
	var text []byte
	for _, b := range examples(t, "examples/agreements/*.yaml") {
		text = append(append(text, b...), "\n---\n"...)
	}
	objects, problems := Read("all.yaml", text)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := texts(t, setOf(objects))
	for seed := range uint64(20) {
		again := shuffled(t, rand.New(rand.NewPCG(seed, 1)), text)
		objects, problems := Read("all.yaml", again)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if err := setOf(objects).Check(); err != nil {
			t.Fatal(err)
		}
		if d := gocmp.Diff(want, texts(t, setOf(objects))); d != "" {
			t.Fatalf("%s\n%s", again, d)
		}
	}
}

// textOn is the text in force on a date.
func textOn(t *testing.T, text, name, on string) *agreement.Resolved {
	t.Helper()
	if got := problemsOf("a.yaml", text); len(got) > 0 {
		t.Fatal(strings.Join(got, "\n"))
	}
	objects, _ := Read("a.yaml", []byte(text))
	r, err := setOf(objects).Book().Resolve(name, dateOf(t, on))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The agreement of domain.md 2.8, word for word but for the hash of the signed document and quotes around a comma, with what it refers to.
func TestAgreementOfTheDomain(t *testing.T) {
	const text = `
apiVersion: openslo/v1            # Service, SLI, SLO, AlertPolicy: as in OpenSLO, readable by its SDK
kind: SLO
metadata: {name: terminal-availability, labels: {team: [field]}}
spec:
  service: till
  indicatorRef: terminal-uptime   # an SLI whose metricSource.type is tillstream
  timeWindow: [{duration: 1M, calendar: {startTime: "2026-01-01 00:00:00", timeZone: Europe/Paris}}]
  budgetingMethod: Timeslices
  objectives: [{displayName: gold, target: 0.995, timeSliceTarget: 1.0, timeSliceWindow: 1m}]
---
apiVersion: tillstream/v1         # what OpenSLO has no kind for
kind: Agreement
metadata: {name: acme-gold, displayName: "ACME, caisses or"}
spec:
  type: sla                       # sla | ola | underpinning  (SNOW)
  level: customer                 # corporate | service | customer
  inherits: [till-standard, corporate-2026]
  parties: {provider: tills-sa, customer: acme, suppliers: [telco-x, acquirer-y]}
  backedBy: [telco-x-line]        # underpinning agreements: their breach is shown beside ours
  scope: {customer: acme, stores: {area: [idf, paca]}, services: [till, payment]}
  versions:
  - version: 1
    from: "2026-01-01"
    to: "2026-07-01"
    signed: {on: "2025-12-12", by: [a.dupont, m.martin], document: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
    revision: {every: 6M, notice: 30d, triggers: [environment_change, three_breaches]}
    timezone: Europe/Paris
    period: month
    service_hours: {use: store_calendar, pad: {before: 15m, after: 15m}}
    measurement:
      heartbeat_timeout: 3m
      min_outage: 1m
      merge_gap: 30s
      silence: {first: unknown, after: 10m, then: down, unless: [sold, neighbours_silent]}
      min_coverage: 0.9
      min_events: 100
      low_evidence: customer
      late_data: {accept: 7d, close_after: 10d, restate: {until: 60d, min_change: 0.0001}}
    exclusions:
    - {kind: planned_maintenance, effect: remove, notice: 72h, cap: 4h/month, within: "Sun 00:00-06:00"}
    - {kind: customer_requested, effect: remove}
    - {kind: force_majeure, effect: remove, approval: both}
    - {party: customer, effect: remove}
    - {party: third_party, except: [telco-x], effect: remove}
    objectives:
    - {name: terminal-availability, sloRef: terminal-availability, per: terminal, weight: critical}
    - {name: store-can-sell, indicator: store_quorum, per: store, target: 0.9995, weight: critical}
    - {name: mean-response, indicator: authorisation_ms, statistic: mean, op: lte, value: 1500, per: service}
    - {name: p95-response, indicator: authorisation_ms, statistic: share_below, value: 2500, target: 0.95, per: service}
    - {name: mttr, indicator: time_to_resolve, statistic: mean, op: lte, value: 4h, severities: [p1], clock: service_hours, per: customer}
    - {name: error-rate, indicator: payment_failures, op: lte, value: 0.005, per: service}
    - {name: fleet, indicator: composite, of: {terminal-availability: 1, store-can-sell: 3}, report: true}
    remedies:
      base: {amount: 180000, currency: EUR, per: month}
      at_risk: 0.12
      credits:
      - {objective: terminal-availability, per: scope_fee, tiers: [{below: 0.995, credit: 0.10}, {below: 0.99, credit: 0.25}, {below: 0.95, credit: 0.50}]}
      - {objective: store-can-sell, fixed: 15000, each: outage, cap: 5}
      - {objective: mttr, per_unit: {every: 1h, over: 4h, credit: 0.01}}
      repeat: {times: 3, within: 6M, multiply: 2}
      earn_back: {months: 3, at_least: 0.998, share: 1.0}
      claim: {mode: automatic, within: 30d, minimum: 100}
      escalate: [{breaches: 3, within: 12M, right: terminate}]
---
{apiVersion: openslo/v1, kind: SLI, metadata: {name: terminal-uptime}, spec: {ratioMetric: {rawType: success, raw: {metricSource: {type: tillstream, spec: {indicator: uptime}}}}}}
---
{apiVersion: tillstream/v1, kind: Agreement, metadata: {name: till-standard}, spec: {type: sla, level: service, versions: [{version: 1, from: 2025-01-01}]}}
---
{apiVersion: tillstream/v1, kind: Agreement, metadata: {name: corporate-2026}, spec: {type: sla, level: corporate, versions: [{version: 1, from: 2026-01-01}]}}
---
{apiVersion: tillstream/v1, kind: Agreement, metadata: {name: telco-x-line}, spec: {type: underpinning, level: service, versions: [{version: 1, from: 2026-01-01}]}}
---
{apiVersion: tillstream/v1, kind: Customer, metadata: {name: acme}}
---
{apiVersion: tillstream/v1, kind: Supplier, metadata: {name: telco-x}}
---
{apiVersion: tillstream/v1, kind: Supplier, metadata: {name: acquirer-y}}
---
{apiVersion: tillstream/v1, kind: Service, metadata: {name: till}}
---
{apiVersion: tillstream/v1, kind: Service, metadata: {name: payment}}
`
	r := textOn(t, text, "acme-gold", "2026-03-01")
	o := r.Terms.Objectives[slices.IndexFunc(r.Terms.Objectives, func(o agreement.Objective) bool { return o.Name == "terminal-availability" })]
	if o.Indicator != agreement.Uptime || o.Target.String() != "0.995" || o.Budgeting != "timeslices" || o.Slice.String() != "1m" {
		t.Errorf("what the SLO says: %+v", o)
	}
	// The hash of a text never changes: statements carry it. A new key must not be in texts that do not have it.
	if h := r.Hash(); h != "sha256:8958412b2b0921f851129f14e7b27e0abe6cb75b50ec6c3fc260dece4925031c" {
		t.Errorf("the hash is %s of\n%s", h, r.Canonical())
	}
	if next, ok := r.Next(dateOf(t, "2026-03-01")); !ok || next.Due != dateOf(t, "2026-07-01") || next.Notice != dateOf(t, "2026-06-01") {
		t.Errorf("the review: %v", next)
	}
}

// The text of acme-gold, worked out by hand from the three levels.
func TestLevels(t *testing.T) {
	var text string
	for _, b := range examples(t, "examples/agreements/*.yaml") {
		text += string(b) + "\n---\n"
	}
	one, two := textOn(t, text, "acme-gold", "2026-06-30"), textOn(t, text, "acme-gold", "2026-07-01")
	for _, c := range []struct{ path, one, two string }{
		{"measurement.min_outage", `"1m"`, `"1m"`},        // corporate
		{"measurement.heartbeat_timeout", `"3m"`, `"3m"`}, // service
		{"measurement.min_events", `100`, ``},             // customer, in version 1
		{"objectives[store-can-sell].target", `"0.9995"`, `"0.999"`},
		{"objectives[store-can-sell].indicator", `"store_quorum"`, `"store_quorum"`},
		{"objectives[error-rate].value", `"0.005"`, `"0.01"`},
		{"objectives[fleet].report", `true`, ``},                  // off in version 2
		{"exclusions[customer_requested].effect", `"remove"`, ``}, // off in version 2
		{"exclusions[nights].within", ``, `["mon-fri 22:00-05:00",{"rrule":"FREQ=MONTHLY;BYDAY=1SU;BYHOUR=0","duration":"6h","timezone":"Europe/Paris"}]`},
		{"scope.stores", `{"area":["idf","paca"]}`, `{"area":["idf"],"format":["city"],"except":["pilot"]}`}, // as a whole
		{"parties.customer", `"acme"`, `"acme"`},
		{"parties.suppliers", `["telco-x","acquirer-y"]`, `["telco-x"]`},
		{"remedies.base.amount", `180000`, `170000`},
		{"remedies.base.currency", `"EUR"`, `"EUR"`},
		{"remedies.credits[mttr].per_unit", `{"every":"1h","over":"4h","credit":"0.01"}`, ``},
		{"objectives[mttr].value", `"4h"`, `"4h"`}, // of an SLO, in ms, in version 2
	} {
		if a, b := one.Values()[c.path], two.Values()[c.path]; a != c.one || b != c.two {
			t.Errorf("%s is %s, then %s, want %s, then %s", c.path, a, b, c.one, c.two)
		}
	}
}

func TestPastStays(t *testing.T) {
	read := func(text string) Set {
		if got := problemsOf("a.yaml", text); len(got) > 0 {
			t.Fatal(strings.Join(got, "\n"))
		}
		objects, _ := Read("a.yaml", []byte(text))
		return setOf(objects)
	}
	was := read(right)
	now := time.Date(2026, 5, 5, 12, 0, 0, 0, time.UTC)
	line := func(of string) int { return strings.Count(right[:strings.Index(right, of)], "\n") + 1 }
	without := func(name string) Set {
		s := maps.Clone(was)
		delete(s, Key{KindAgreement, name})
		return s
	}
	for _, c := range []struct{ was, is, want string }{
		{"", "", ""},
		{"target: 0.996", "target: 0.9", ""},         // not in force yet
		{"from: 2027-02-01", "from: 2027-01-01", ""}, // neither
		{"to: 2027-01-01", "to: 2026-06-01", ""},     // it ends earlier, but later than now
		{"target: 0.995}", "target: 0.9950}", ""},    // no other text
		{"timezone: Europe/Paris\n    period: month\n    measurement", "signed: {by: [me]}\n    timezone: Europe/Paris\n    period: month\n    measurement", ""}, // signed afterwards
		{"target: 0.995}", "target: 0.995, description: x}", fmt.Sprintf(`a.yaml:%d: spec.versions[0].objectives[0].description: version 1 of acme has been in force since 2026-01-01 with objectives[up].description not said, not "x"; what was agreed until now stays: append a version from 2026-05-06 or later`, line("{name: up"))},
		{"op: lte, value: 1500", "op: lte, value: 1600", fmt.Sprintf(`a.yaml:%d: spec.versions[0].objectives[1].value: version 1 of acme has been in force since 2026-01-01 with objectives[fast].value "1500", not "1600"; what`, line("{name: fast, indicator"))},
		{"[{target: 0.99}]", "[{target: 0.98}]", fmt.Sprintf(`a.yaml:%d: spec.objectives[0].target: version 1 of acme has been in force since 2026-01-01 with objectives[pay].value "0.01", not "0.02"`, line("[{target: 0.99}]"))},
		{"to: 2027-01-01", "to: 2026-04-01", fmt.Sprintf("a.yaml:%d: spec.versions: version 1 of acme has been in force since 2026-01-01, but not on 2026-04-01 any more: a version ends tomorrow (2026-05-06) or later", line("- version: 1\n    from: 2026-01-01\n    to"))},
		{"to: 2027-01-01\n", "to: 2026-05-01\n", "but not on 2026-05-01 any more"},
	} {
		err := read(strings.Replace(right, c.was, c.is, 1)).Past(was, now)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.is, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v\nwant %s", c.is, err, c.want)
		}
	}
	if err := without("acme").Past(was, now); err == nil || !strings.Contains(err.Error(), "it cannot be removed") {
		t.Errorf("removed: %v", err)
	}
	for until, want := range map[string]string{
		"60d": "",
		"30d": fmt.Sprintf("a.yaml:%d: spec.versions[2].from: the period that begins on 2026-03-01 cannot be restated any more: that ended on 2026-05-01", line("target: 0.996")+3),
	} {
		amendment := `
  - version: 3
    amends: {version: 1, reason: "a slip of the pen"}
    from: 2026-03-01
    signed: {on: 2026-05-02, by: [ann, bob], document: "sha256:60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"}
    timezone: Europe/Paris
    period: month
    measurement: {late_data: {accept: 1d, restate: {until: ` + until + `}}}
    objectives: [{name: up, indicator: uptime, per: terminal, target: 0.99}]
---`
		is := read(strings.Replace(right, "target: 0.996}]\n---", "target: 0.996}]"+amendment, 1))
		err := is.Past(was, now)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("amended: %v\nwant %s", err, want)
		}
		if parts := is.Amended(was, now)["acme"]; len(parts) != 3 || parts[0].Amendment != 3 || parts[0].Version != 1 { // March, April, and May, which runs
			t.Errorf("amended are %d periods", len(parts))
		}
	}
	if err := without("acme").Past(was, now.AddDate(-1, 0, 0)); err != nil {
		t.Errorf("removed before it was in force: %v", err)
	}
}

// What is exported of the examples is read, and says the same.
func TestExportIsRead(t *testing.T) {
	var text string
	for _, b := range examples(t, "examples/agreements/*.yaml") {
		text += string(b) + "\n---\n"
	}
	for _, name := range []string{"acme-gold", "globex-two-scopes", "initech-bad-minutes"} {
		r := textOn(t, text, name, "2026-03-01")
		docs, _ := openslo.Export(r, dateOf(t, "2026-03-01"))
		var out bytes.Buffer
		for _, d := range docs {
			if _, plain := d.Spec.(openslo.SLO); plain || d.Kind == KindService {
				out.WriteString("---\n")
				if err := WriteYAML(&out, d, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := problemsOf("out.yaml", out.String()); len(got) > 0 {
			t.Fatalf("%s\n%s", strings.Join(got, "\n"), out.String())
		}
		objects, _ := Read("out.yaml", out.Bytes())
		for _, d := range documents(t, out.Bytes()) {
			if err := compiled(t, "agreement.schema.json").Validate(d); err != nil {
				t.Errorf("%s against its schema: %v", name, err)
			}
		}
		slos := setOf(objects).Book().SLOs
		for _, o := range r.Terms.Objectives {
			if o.Indicator == agreement.Composite {
				continue
			}
			got := slos[name+"-"+o.Name].Objective
			got.Name, got.SLORef, got.Per, got.Weight, got.Report, got.Description = o.Name, o.SLORef, o.Per, o.Weight, o.Report, o.Description
			x, y := agreement.Text{Terms: agreement.Terms{Objectives: []agreement.Objective{o}}}, agreement.Text{Terms: agreement.Terms{Objectives: []agreement.Objective{got}}}
			if d := gocmp.Diff(x.Values(), y.Values()); d != "" {
				t.Errorf("%s, %s (-agreed +read):\n%s", name, o.Name, d)
			}
		}
	}
}
