package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tillstream/tillstream/processor/sla/statement"
)

// checkStatements looks at what TestVerdicts issued: January, February, March and March again.
func checkStatements(t *testing.T, p *pipeline, cfg string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, args ...string) []byte {
		t.Helper()
		file := filepath.Join(dir, name)
		p.do(append([]string{"sla", "statement", "acme-gold", "--dsn", p.dsn, "--out", file}, args...)...)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var files []string
	read := func(name string, args ...string) *statement.Document {
		t.Helper()
		s, err := statement.ReadFile(write(name, append(args, "--format", "json")...))
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.Document()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, "--file", filepath.Join(dir, name))
		return d
	}
	read("1.json", "--period", "2026-01")
	read("2.json", "--period", "2026-02")
	final := read("3.json", "--period", "2026-03", "--revision", "1")
	restated := read("4.json", "--period", "2026-03")
	if d := final; d.Stage != "final" || d.Chain.Number != 3 || d.Summary.Money.Paid != "216.00" || d.Summary.Money.Due != "348.00" || d.Summary.Money.Limit != "216.00" || d.Summary.Verdict != "breached" {
		t.Errorf("the statement of March: %+v %+v %+v", d.Stage, d.Chain, d.Summary.Money)
	}
	if d := restated; d.Stage != "restated" || d.Chain.Number != 4 || d.Revision != 2 || d.Reason != "incidents, maintenance or parties were decided otherwise" {
		t.Errorf("the restated one: %s %+v %d %q", d.Stage, d.Chain, d.Revision, d.Reason)
	}
	for i := range final.Objectives {
		o := &final.Objectives[i]
		if o.Name != "terminal-availability" {
			continue
		}
		if s := o.Scopes[0]; s.ID != "s1/t1" || s.Actual.Value != "0.990207715" || s.Time.Down != 9_900_000 || s.Credit.Due != "180.00" {
			t.Errorf("t1 in the statement of March: %+v", s)
		}
		var down, unknown, excluded int64
		for _, d := range o.Days {
			down, unknown, excluded = down+d.Down, unknown+d.Unknown, excluded+d.Excluded
		}
		if down != 10_800_000 || unknown != 7_800_000 || excluded != 14_400_000 { // of both
			t.Errorf("the days come to %d, %d, %d", down, unknown, excluded)
		}
		for _, d := range o.Days { // 17th, 19:00 to 20:00, and 18th, 9:00 to 10:00, were excluded, and nothing between them
			if (d.Date == "2026-03-17" || d.Date == "2026-03-18") && d.Excluded != 3_600_000 {
				t.Errorf("on %s %d were excluded", d.Date, d.Excluded)
			}
		}
	}

	page := write("en.html", "--period", "2026-03")
	if !bytes.Equal(page, write("again.html", "--period", "2026-03")) {
		t.Error("two runs gave other bytes")
	}
	if fr := write("fr.html", "--period", "2026-03", "--lang", "fr"); !bytes.Contains(fr, []byte(`<html lang="fr">`)) || !bytes.Contains(fr, []byte("rectifié")) {
		t.Error("the French page is not")
	}
	if d := read("april.json", "--period", "2026-04"); d.Stage != "provisional" || d.Chain.Number != 0 || d.Chain.Previous == "" {
		t.Errorf("April is %s, %+v", d.Stage, d.Chain)
	}
	files = files[:len(files)-2]

	if said := p.do("sla", "verify", "acme-gold", "--dsn", p.dsn); !strings.Contains(said, "the chain of acme-gold holds: statements 1 to 4") {
		t.Error(said)
	}
	reader, err := url.Parse(p.dsn)
	if err != nil {
		t.Fatal(err)
	}
	reader.User = url.User("reader") // may read pos alone
	var seen strings.Builder
	if code, stderr := tillstream(t, &seen, "sla", "verify", "acme-gold", "--dsn", reader.String()); code != exitDone || !strings.Contains(seen.String(), "statements 1 to 4") || !strings.Contains(stderr, "may not read database tillstream") {
		t.Errorf("a reader verified with %d: %s%s", code, seen.String(), stderr)
	}
	if said := p.do(append([]string{"sla", "verify", "acme-gold"}, files...)...); !strings.Contains(said, "statements 1 to 4") {
		t.Error(said)
	}
	said := p.do("sla", "explain", "acme-gold", "--dsn", p.dsn, "--period", "2026-03", "--objective", "terminal-availability", "--scope", "s1/t1")
	for _, want := range []string{"breached: figure", "outage t1/2026-03-26T09:00:00.000Z of s1/t1", "s1/t1 was down: 2026-03-26 10:00:00.000 – 2026-03-26 10:15:00.000", "written by batch", "topic pos.health, partition ", "M-2"} {
		if !strings.Contains(said, want) {
			t.Errorf("explain does not say %q:\n%s", want, said)
		}
	}

	checkRecords(t, p, cfg)
	checkSQL(t, p)

	var out strings.Builder
	fails := func(code int, says string, args ...string) {
		t.Helper()
		if got, stderr := tillstream(t, &out, append([]string{"sla"}, args...)...); got != code || !strings.Contains(stderr, says) {
			t.Errorf("%v exited %d: %s", args, got, stderr)
		}
	}
	fails(exitUsage, "is no period", "statement", "acme-gold", "--dsn", p.dsn, "--period", "2026-13")
	fails(exitUsage, "the periods of agreement acme-gold are by month", "statement", "acme-gold", "--dsn", p.dsn, "--period", "2026-Q1")
	fails(exitUsage, "there are acme-gold", "statement", "nobody", "--dsn", p.dsn, "--period", "2026-03")
	fails(exitFailed, "revision 7 was issued", "statement", "acme-gold", "--dsn", p.dsn, "--period", "2026-03", "--revision", "7")
	fails(exitFailed, "did the period begin", "statement", "acme-gold", "--dsn", p.dsn, "--period", "2027-03")
	fails(exitFailed, "statement 2 is missing", append([]string{"verify", "acme-gold"}, append(files[:2:2], files[4:]...)...)...)
	fails(exitFailed, "nothing was published", "explain", "acme-gold", "--dsn", p.dsn, "--period", "2026-03", "--objective", "terminal-availability", "--scope", "s1/t9")
	fails(exitFailed, "the chain breaks at its end", "verify", "acme-gold", "--dsn", p.dsn, "--head", "sha256:00")

	options, err := ch.ParseDSN(p.dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ch.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	exec := func(sql string) {
		t.Helper()
		if err := conn.Exec(t.Context(), sql+" SETTINGS mutations_sync = 2"); err != nil {
			t.Fatal(err)
		}
	}
	exec("ALTER TABLE tillstream.sla_statements UPDATE down_ms = down_ms - 1000 WHERE objective = 'terminal-availability' AND scope = 't1' AND period_start = '2026-02-01'")
	fails(exitFailed, "statement 2 (2026-02) stands, but its verdicts", "verify", "acme-gold", "--dsn", p.dsn)
	exec(`ALTER TABLE tillstream.sla_documents UPDATE statement = replaceOne(statement, '"paid":"111', '"paid":"011') WHERE number = 3`)
	fails(exitFailed, "the chain breaks at statement 3 (2026-03): its content has the hash", "verify", "acme-gold", "--dsn", p.dsn)

	var sent struct{ Hash string }
	b := write("3.json", "--period", "2026-03", "--revision", "1", "--format", "json")
	if err := json.Unmarshal(b, &sent); err != nil || sent.Hash == "" {
		t.Errorf("%v: %.100s", err, b)
	}
}

// checkRecords fetches, as an auditor would, what explain names as the records that began and ended an outage and a silence, with another client.
func checkRecords(t *testing.T, p *pipeline, cfg string) {
	t.Helper()
	said := p.do("sla", "explain", "acme-gold", "--dsn", p.dsn, "--config", cfg, "--period", "2026-03", "--objective", "terminal-availability", "--scope", "s1/t1", "--rows", "30")
	client, err := kgo.NewClient(kgo.SeedBrokers(p.broker))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	record := regexp.MustCompile(`topic (\S+), partition (\d+), offset (\d+)`)
	for _, want := range []struct{ status, began, status1, at1, ended, status2, at2 string }{
		{"s1/t1 was down: 2026-03-26 10:00:00.000", "began with: report of down", "down", "2026-03-26T09:00:00Z", "ended with: report of up", "up", "2026-03-26T09:15:00Z"},
		{"s1/t1 was maintenance: 2026-03-24 09:00:00.000", "began with: report of maintenance", "maintenance", "2026-03-24T08:00:00Z", "ended with: report of up", "up", "2026-03-24T11:00:00Z"},
		{"s1/t1 was silent: 2026-03-12 14:00:00.000", "heard last before it: report of up", "up", "2026-03-12T12:30:00Z", "ended with: report of up", "up", "2026-03-12T13:40:00Z"},
	} {
		_, after, ok := strings.Cut(said, want.status)
		lines := strings.SplitN(after, "\n", 4)
		if !ok || len(lines) < 4 || !strings.Contains(lines[1], want.began) || !strings.Contains(lines[2], want.ended) {
			t.Errorf("explain does not say %q, %q, %q:\n%s", want.status, want.began, want.ended, said)
			continue
		}
		for i, is := range [][2]string{{want.status1, want.at1}, {want.status2, want.at2}} {
			m := record.FindStringSubmatch(lines[i+1])
			if m == nil {
				t.Errorf("no record in %s", lines[i+1])
				continue
			}
			partition, _ := strconv.Atoi(m[2])
			offset, _ := strconv.ParseInt(m[3], 10, 64)
			client.AddConsumePartitions(map[string]map[int32]kgo.Offset{m[1]: {int32(partition): kgo.NewOffset().At(offset)}})
			records := client.PollRecords(t.Context(), 1).Records()
			client.RemoveConsumePartitions(map[string][]int32{m[1]: {int32(partition)}})
			if len(records) != 1 || records[0].Offset != offset {
				t.Errorf("Kafka has %v at %s", records, m[0])
				continue
			}
			var report struct {
				ID, Type, Status, Time string
				Terminal               string `json:"terminal_id"`
			}
			if err := json.Unmarshal(records[0].Value, &report); err != nil || report.Terminal != "t1" || report.Type != "pos.health.v1" || report.Status != is[0] || report.Time != is[1] || !strings.Contains(lines[i+1], ", id "+report.ID+": ") {
				t.Errorf("%s is %s, want %v", m[0], records[0].Value, is)
			}
		}
	}
}

// checkSQL asks what docs/statements.md tells auditors to ask, of March as it is after the restatement.
func checkSQL(t *testing.T, p *pipeline) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "statements.md"))
	if err != nil {
		t.Fatal(err)
	}
	queries := strings.Split(string(text), "```sql\n")[1:]
	want := []string{
		"1,2026-01,1,final,1,1\n2,2026-02,1,final,1,1\n3,2026-03,1,final,1,1\n4,2026-03,2,restated,1,1",
		"t1,1029600,18000,1011600,4200,6300,0.993746278,0.989620403,0.993772242,1\nt2,1029600,0,1029600,3600,900,0.999122807,0.995629371,0.999125874,1",
		"counted,3,6300\nnot_counted,1,50\nnot_removed,1,3600\nremoved,3,18000\nunknown,2,4200",
		"1029600",
		"t1/2026-03-10T09:00:00.000Z,3600,3600,customer\nt1/2026-03-11T11:00:00.000Z,50,50,provider\nt1/2026-03-17T18:10:00.000Z,52800,6000,provider\nt1/2026-03-26T09:00:00.000Z,900,900,third_party",
		"terminal-availability,s1/t1,breached,0.990207715\nterminal-availability,s1/t2,met,0.999122807",
		"19,23", // of beta-tills
		"2,3",
	}
	if len(queries) != len(want) {
		t.Fatalf("docs/statements.md has %d queries, want %d", len(queries), len(want))
	}
	for i, q := range queries {
		q, _, _ = strings.Cut(q, "```")
		_, got, _ := strings.Cut(strings.NewReplacer("\r", "", `"`, "").Replace(p.do("sql", "--dsn", p.dsn, "--format", "csv", q)), "\n")
		if got = strings.TrimSpace(got); got != want[i] {
			t.Errorf("query %d gave\n%s", i+1, got)
		}
	}
}
