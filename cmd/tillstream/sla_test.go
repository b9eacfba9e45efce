package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// agreements is where the examples are.
var agreements = filepath.Join("..", "..", "schemas", "agreements", "examples", "agreements")

func sla(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out strings.Builder
	code, stderr = tillstream(t, &out, append([]string{"sla"}, args...)...)
	return code, out.String(), stderr
}

func TestSLACheck(t *testing.T) {
	code, said, stderr := sla(t, "check", "-f", agreements)
	if code != exitDone || !strings.HasPrefix(said, "nothing is wrong with ") {
		t.Errorf("exit %d: %s%s", code, said, stderr)
	}
	if stderr != "" {
		t.Errorf("of the examples not all is measured: %s", stderr)
	}
	dir := t.TempDir()
	text := readText(t, filepath.Join(agreements, "acme-gold.yaml"))
	text = strings.Replace(text, "period: month ", "period: monthly ", 1)
	writeText(t, filepath.Join(dir, "a.yaml"), strings.Replace(text, "below: 0.995", "below: 99.5%", 1))
	code, said, stderr = sla(t, "check", "-f", dir)
	if code != exitUsage || said != "" {
		t.Errorf("exit %d: %s", code, said)
	}
	says(t, stderr, filepath.Join(dir, "a.yaml")+":34: spec.versions[0].remedies.credits[0].tiers[0].below: ", "99.5 % is 0.995")
	// What could be read is checked as well, but not for what it refers to.
	writeText(t, filepath.Join(dir, "b.yaml"), "apiVersion: tillstream/v1\nkind: Agreement\nmetadata: {name: b}\nspec: {type: ola, level: service, inherits: [acme-gold], versions: [{version: 2, from: 2026-01-01}]}\n")
	_, _, stderr = sla(t, "check", "-f", dir)
	says(t, stderr, "a.yaml:34: ", "b.yaml:4: spec.versions[0].version: it must be 1")
	if strings.Contains(stderr, "there is no") {
		t.Error(stderr)
	}
	if err := os.Remove(filepath.Join(dir, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	writeText(t, filepath.Join(dir, "a.yaml"), text)
	code, _, stderr = sla(t, "check", "-f", dir)
	if code != exitUsage {
		t.Errorf("exit %d", code)
	}
	says(t, stderr, "a.yaml:19: spec.versions[0].period: \"monthly\" is not one of day, week", "a.yaml:9: spec.inherits[0]: there is no Agreement till-standard", "a.yaml:10: spec.parties.customer: there is no Customer acme")
}

func TestSLAResolve(t *testing.T) {
	code, said, stderr := sla(t, "resolve", "-f", agreements, "acme-gold", "--on", "2026-03-01", "--format", "json")
	if code != exitDone {
		t.Fatal(code, stderr)
	}
	var got struct {
		Version int
		Until   string
		Hash    string
		Text    json.RawMessage
		Origins map[string]string
	}
	if err := json.Unmarshal([]byte(said), &got); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(got.Text)
	if got.Hash != "sha256:"+hex.EncodeToString(sum[:]) || got.Version != 1 || got.Until != "2026-07-01" {
		t.Errorf("%+v", got)
	}
	if o := got.Origins["measurement.merge_gap"]; o != "corporate-2026, "+filepath.Join(agreements, "corporate-2026.yaml")+":15" {
		t.Errorf("merge_gap is said in %s", o)
	}
	_, said, _ = sla(t, "resolve", "-f", agreements, "acme-gold", "--on", "2026-03-01")
	says(t, said, got.Hash, "review due on 2026-07-01, changes to be announced by 2026-06-01", "target: 0.9995 ", "corporate-2026.yaml:15")

	// The text as printed is the text: as an agreement that inherits nothing it comes to the same terms.
	_, terms, _ := strings.Cut(said, "level: customer\n")
	alone := "apiVersion: tillstream/v1\nkind: Agreement\nmetadata: {name: acme-gold}\nspec:\n  type: sla\n  level: customer\n  versions:\n  - version: 1\n    from: 2026-01-01\n    to: 2026-07-01\n"
	for line := range strings.Lines(terms) {
		alone += "    " + line
	}
	dir := t.TempDir()
	for _, name := range []string{"parties.yaml", "openslo.yaml", "telco-x-line.yaml"} {
		writeText(t, filepath.Join(dir, name), readText(t, filepath.Join(agreements, name)))
	}
	writeText(t, filepath.Join(dir, "alone.yaml"), alone)
	code, said, stderr = sla(t, "resolve", "-f", dir, "acme-gold", "--on", "2026-03-01", "--format", "json")
	if code != exitDone || !strings.Contains(said, got.Hash) {
		t.Errorf("exit %d: %s%s\nof\n%s", code, stderr, said, alone)
	}

	code, _, stderr = sla(t, "resolve", "-f", agreements, "acme-gold", "--on", "2025-12-31")
	if code != exitFailed || !strings.Contains(stderr, "no version is in force of acme-gold on 2025-12-31; its versions are in force from 2026-01-01 to 2026-07-01, from 2026-07-01 on") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	code, _, stderr = sla(t, "resolve", "-f", agreements, "acme")
	if code != exitUsage || !strings.Contains(stderr, "there is no Agreement acme; the files have acme-gold, ") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestSLAExport(t *testing.T) {
	code, said, stderr := sla(t, "export", "-f", agreements, "--on", "2026-03-01")
	if code != exitDone {
		t.Fatal(code, stderr)
	}
	says(t, stderr, "acme-gold, store-can-sell: OpenSLO cannot say backedBy, exclusions, measurement, objectives.per, objectives.weight, parties, remedies, revision, scope, service_hours")
	says(t, said, "    tillstream.dev/lost: backedBy, exclusions, measurement, objectives.per, objectives.weight, parties, remedies, revision, scope, service_hours\n")
	if strings.Contains(said, "corporate-2026-") {
		t.Error("a text for others to inherit is exported")
	}
	code, _, stderr = sla(t, "export", "-f", agreements, "corporate-2026", "--on", "2026-03-01")
	if code != exitUsage || !strings.Contains(stderr, "it is there to be inherited") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// Agreements are kept as the registry is, by whom and why; what was in force cannot be changed, what is to come can.
func TestPipelineApplyAgreements(t *testing.T) {
	p := newPipeline(t)
	cfg := writeConfig(t, p.broker, p.dsn, "")
	p.do("migrate", "--dsn", p.dsn)
	dir := filepath.Join(t.TempDir(), "agreements")
	if err := os.CopyFS(dir, os.DirFS(agreements)); err != nil {
		t.Fatal(err)
	}
	apply := []string{"apply", "--config", cfg, "-f", dir, "--yes", "--by", "ann", "--reason", "signed"}
	says(t, p.do(append(apply, "--dry-run")...), "+ Agreement acme-gold", "    + spec.versions[0].remedies.at_risk: 0.12", "+ SLO terminal-availability", "dry run: nothing was changed")
	says(t, p.do(apply...), "revision 1 is in force; the lanes of 1 stores were told")
	if said := p.do(apply...); said != "nothing changes\n" {
		t.Errorf("a second time: %s", said)
	}
	if n := p.number("SELECT toInt64(count()) AS n FROM tillstream.registry WHERE kind = 'Agreement' AND by = 'ann' AND reason = 'signed' AND revision = 1"); n != 6 {
		t.Errorf("%d agreements are kept", n)
	}

	file := filepath.Join(dir, "acme-gold.yaml")
	text := readText(t, file)
	writeText(t, file, strings.Replace(text, "at_risk: 0.12", "at_risk: 0.2", 1))
	code, stderr := tillstream(t, &strings.Builder{}, apply...)
	if code != exitUsage {
		t.Errorf("exit %d", code)
	}
	says(t, stderr, file+`:32: spec.versions[0].remedies.at_risk: version 1 of acme-gold has been in force since 2026-01-01 with remedies.at_risk "0.12", not "0.2"`, "append a version from ")

	next := time.Now().AddDate(0, 0, 40).Format(time.DateOnly)
	writeText(t, file, text+"  - version: 3\n    from: "+next+"\n    timezone: Europe/Paris\n    period: quarter\n    objectives: [{name: terminal-availability, indicator: uptime, target: 0.99}]\n")
	says(t, p.do(apply...), "~ Agreement acme-gold", "    + spec.versions[2].from: "+next, "revision 2 is in force; the lanes of 0 stores were told")
	writeText(t, file, text)
	says(t, p.do(apply...), "    - spec.versions[2].from: "+next, "revision 3 is in force") // it was not in force yet

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if said := p.do(apply...); said != "nothing changes\n" {
		t.Errorf("what is not in the files: %s", said)
	}
	code, stderr = tillstream(t, &strings.Builder{}, append(apply, "--prune")...)
	if code != exitUsage || !strings.Contains(stderr, "version 1 of acme-gold has been in force since 2026-01-01: it cannot be removed; end it with a version that has to: a day to come") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
