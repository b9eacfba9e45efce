package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/processor/alert"
	"github.com/tillstream/tillstream/processor/sla/openslo"
)

// The objective whose SLO has an AlertPolicy has the windows that it asks for, on days on which the agreement is in force; the others have those of the configuration.
func TestAlertPairs(t *testing.T) {
	set := Set{}
	files, err := filepath.Glob("../../../schemas/agreements/examples/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		objects, _ := Read(name, text) // some are of other kinds
		for _, o := range objects {
			set[o.Key()] = o
		}
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	want := []alert.Pair{{Severity: alert.Page, Rate: 14.4, Long: "1h", For: 5 * time.Minute, Target: "field-on-call"}}
	own := set.AlertPairs(at)
	if d := cmp.Diff(want, own[[2]string{"acme-gold", "terminal-availability"}]); d != "" {
		t.Errorf("%v: %s", own, d)
	}
	if len(own) != 1 {
		t.Errorf("others have some too: %v", own)
	}
	if own := set.AlertPairs(at.AddDate(-20, 0, 0)); len(own) != 0 {
		t.Errorf("there are windows before there is an agreement: %v", own)
	}
}

// What an AlertPolicy cannot be is said with its key.
func TestAlertPoliciesThatCannotBe(t *testing.T) {
	const good = `apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: burn}
spec:
  alertWhenNoData: false
  conditions: [{kind: AlertCondition, metadata: {name: c}, spec: {severity: ticket, condition: {kind: burnrate, op: gt, threshold: 2, lookbackWindow: 24h, alertAfter: 10m}}}]
  notificationTargets: [{targetRef: a}, {targetRef: b}]
`
	read := func(text string) ([]openslo.Flaw, *openslo.AlertPolicy) {
		objects, wrong := Read("burn.yaml", []byte(text))
		if len(wrong) > 0 || len(objects) != 1 {
			t.Fatal(wrong)
		}
		p := objects[0].Spec.(*openslo.AlertPolicy)
		return p.Check(), p
	}
	flaws, p := read(good)
	want := []alert.Pair{{Severity: alert.Ticket, Rate: 2, Above: true, Long: "1d", For: 10 * time.Minute, Target: "a,b"}}
	if d := cmp.Diff(want, p.Pairs()); d != "" || len(flaws) > 0 {
		t.Error(d, flaws)
	}
	for _, c := range [][3]string{
		{"severity: ticket", "severity: wake", "spec.conditions[0].spec.severity"},
		{"lookbackWindow: 24h", "lookbackWindow: 4h", "spec.conditions[0].spec.condition.lookbackWindow"},
		{"alertAfter: 10m", "alertAfter: 2d", "spec.conditions[0].spec.condition.alertAfter"},
		{"alertWhenNoData: false", "alertWhenNoData: true", "spec.alertWhenNoData"},
		{"alertWhenNoData: false", "alertWhenResolved: false", "spec.alertWhenResolved"},
	} {
		if flaws, _ := read(strings.Replace(good, c[0], c[1], 1)); len(flaws) != 1 || flaws[0].Path != c[2] {
			t.Errorf("%s: %v", c[1], flaws)
		}
	}
}
