package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tillstream/tillstream/deploy/embedded"
	"github.com/tillstream/tillstream/processor/clv"
	"github.com/tillstream/tillstream/processor/event"
)

// engineOnly is a pipeline without Kafka, with the schema.
func engineOnly(t *testing.T) *pipeline {
	t.Helper()
	p := &pipeline{t: t, data: t.TempDir()}
	t.Cleanup(holdEngine(t, p.data))
	var ok bool
	if p.dsn, ok = embedded.Running(t.Context(), engineDir(p.data)); !ok {
		t.Fatal("the engine does not answer")
	}
	p.do("migrate", "--dsn", p.dsn)
	return p
}

func (p *pipeline) sql(query string) [][]string {
	p.t.Helper()
	rows, err := csv.NewReader(strings.NewReader(p.do("sql", "--dsn", p.dsn, "--format", "csv", query))).ReadAll()
	if err != nil {
		p.t.Fatal(err)
	}
	return rows
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// buyers are customers who buy at a rate and leave at a chance of their own, for two years until 40 days ago, so that the day of the test does not matter.
const buyers = `INSERT INTO tillstream.customer_days (lane, customer, business_date, store_id, channel, currency, transactions, net)
	WITH (n, i) -> -log((1 + cityHash64(n, i) %% 1000000) / 1000001) AS exponential
	SELECT '', n + 1, d, 's1', 'store', '%s', 1, toInt64(500 + 2000 * exponential(n, 'mean') * exponential(n, d)) FROM (
		SELECT number AS n, today() - 770 + n %% 600 AS first, exponential(n, 'rate') / 25 + 0.0005 AS rate, toUInt32(least(80, exponential(n, 'lives') / (0.03 + (cityHash64(n, 'p') %% 200) / 1000))) AS lives,
			arrayCumSum(arrayMap(i -> if(i = 0, 0., exponential(n, i) / rate), range(1 + lives))) AS times,
			arrayJoin(arrayDistinct(arrayFilter(d -> d <= today() - 40, arrayMap(t -> first + toUInt32(least(t, 5000.)), times)))) AS d
		FROM numbers(%d)) SETTINGS max_partitions_per_insert_block = 0`

func TestCLV(t *testing.T) {
	t.Parallel()
	p := engineOnly(t)
	var out strings.Builder
	fails := func(code int, says string, args ...string) {
		t.Helper()
		if got, stderr := tillstream(t, &out, append(args, "--dsn", p.dsn)...); got != code || !strings.Contains(stderr, says) {
			t.Errorf("%v exited %d: %s", args, got, stderr)
		}
	}
	fails(exitFailed, "no customer has bought anything yet", "clv")
	p.sql(fmt.Sprintf(buyers, "JPY", 90))
	fails(exitFailed, "bg_nbd cannot be fitted: there are 90 customers, and it takes 100", "clv")
	p.sql(fmt.Sprintf(buyers, "EUR", 4000))
	p.sql("INSERT INTO tillstream.sales_hourly (lane, business_date) VALUES ('', today() - 40)")
	fails(exitUsage, "customers bought in EUR, JPY: say which with --currency", "clv")
	fails(exitUsage, "--horizon 0", "clv", "--horizon", "0")
	fails(exitUsage, "--discount -1", "clv", "--discount=-1")
	fails(exitUsage, "--penalty -1", "clv", "--penalty=-1")
	fails(exitUsage, "--holdout -1", "clv", "--holdout=-1")

	var rows []struct {
		Part, Name, Note string
		Value            float64
	}
	if err := json.Unmarshal([]byte(p.do("clv", "--dsn", p.dsn, "--currency", "EUR", "--horizon", "180", "--discount", "0.2", "--by", "ann", "--format", "json", "--write")), &rows); err != nil {
		t.Fatal(err)
	}
	said := map[string]float64{}
	for _, r := range rows {
		said[r.Part+" "+r.Name] = r.Value
	}
	if said["data customers"] != 4000 || said["holdout days"] != 90 || math.Abs(said["holdout expected"]/said["holdout actual"]-1) > 0.2 || said["holdout rmse"] <= 0 || said["bg_nbd r"] <= 0 {
		t.Errorf("%+v", said)
	}
	p.do("clv", "--dsn", p.dsn, "--currency", "EUR", "--holdout", "0") // keeps nothing
	models := p.sql("SELECT p.1 AS name, p.2 AS value, holdout_days, by, current, as_of = (SELECT max(business_date) FROM tillstream.sales_hourly) FROM pos.clv_models ARRAY JOIN parameters AS p")
	fitted := map[string]float64{}
	for _, r := range models[1:] {
		fitted[r[0]] = number(t, r[1])
		if r[2] != "90" || r[3] != "ann" || r[4] != "1" || r[5] != "1" {
			t.Errorf("%v", r)
		}
	}
	// What is kept is what the models of these parameters say of the days, customer by customer.
	m, g := clv.BGNBD{R: fitted["r"], Alpha: fitted["alpha"], A: fitted["a"], B: fitted["b"]}, clv.GammaGamma{P: fitted["p"], Q: fitted["q"], Gamma: fitted["gamma"]}
	kept := p.sql(`SELECT expected_purchases, p_alive, expected_spend, clv, count() - 1 AS x, max(d.business_date) - min(d.business_date) AS t_x, as_of - min(d.business_date) AS T,
		if(x > 0, toFloat64(sum(d.net) - argMin(d.net, d.business_date)) / x, 0) AS m
		FROM pos.clv AS c JOIN (SELECT * FROM pos.customer_days WHERE currency = 'EUR') AS d USING customer GROUP BY customer, expected_purchases, p_alive, expected_spend, clv, as_of ORDER BY customer`)
	if len(kept) != 4001 {
		t.Fatalf("%d rows", len(kept))
	}
	h := clv.Horizon{Ahead: 180, Step: 30, Discount: math.Log(1.2) / 365}
	for _, r := range kept[1:] {
		v := make([]float64, len(r))
		for i := range r {
			v[i] = number(t, r[i])
		}
		want := m.Predict(h, v[4], v[5], v[6])
		spend := g.Mean(v[4], v[7])
		for i, w := range []float64{want.Purchases, want.Alive, spend, spend * want.Discounted} {
			if math.Abs(v[i]-w) > 1e-9+6e-5*math.Abs(w) && math.Abs(v[i]-w) > 6e-5 { // amounts have four digits
				t.Fatalf("%v, want %v as number %d", v, w, i)
			}
		}
	}
	checkAudience(t, p)
}

// checkAudience takes customers out of what TestCLV left, and finds them again.
func checkAudience(t *testing.T, p *pipeline) {
	t.Helper()
	dir := t.TempDir()
	secret := []byte("0123456789abcdef")
	writeText(t, filepath.Join(dir, "key"), string(secret)+"\n")
	var members []string
	mapping := "id,email\n"
	for i := range 40 {
		members = append(members, fmt.Sprintf("(%d, %d)", event.Pseudonym(secret, "loyalty", fmt.Sprint("m", i)), i))
		mapping += fmt.Sprintf("m%d,m%d@example.org\n", i, i)
	}
	writeText(t, filepath.Join(dir, "members.csv"), mapping)
	p.sql(`CREATE OR REPLACE VIEW pos.buyer_profiles AS SELECT customer, 'EUR' AS currency, 'loyal' AS segment, 'food' AS top_category, toUInt8(6) AS usual_dow, toUInt8(n % 24) AS usual_hour, '0042' AS usual_store,
		'card' AS usual_method, 7. AS median_interval_days, now('UTC') AS last_at, ['store'] AS channels, toDecimal64(n, 4) AS net_365d FROM values('customer UInt64, n UInt32', ` + strings.Join(members, ", ") + `)`)
	p.sql("CREATE OR REPLACE VIEW pos.rfm AS SELECT customer, currency, toUInt32(1) AS recency_days, toUInt32(2) AS frequency, toDecimal64(3, 4) AS monetary, toUInt8(1) AS r, toUInt8(1) AS f, toUInt8(1) AS m FROM pos.buyer_profiles")
	p.sql("INSERT INTO tillstream.customer_consent (lane, customer, latest) SELECT '', customer, '01767225600000marketing' FROM pos.buyer_profiles WHERE net_365d < 30")

	file := filepath.Join(dir, "out.csv")
	export := func(args ...string) (int, string) {
		t.Helper()
		var out strings.Builder
		return tillstream(t, &out, append([]string{"audience", "--dsn", p.dsn, "--out", file, "--by", "ann"}, args...)...)
	}
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{exitUsage, "--where: at byte 1 of the condition, customer is neither a column", []string{"--where", "customer = 1"}},
		{exitUsage, "--order:", []string{"--where", "true", "--order", "customer"}},
		{exitUsage, "--k 1: it takes at least 10, which privacy.min_group says", []string{"--where", "true", "--k", "1"}},
		{exitUsage, "--limit 5: an audience of fewer than 10", []string{"--where", "true", "--limit", "5"}},
		{exitUsage, "--purpose is empty", []string{"--where", "true", "--purpose", " "}},
		{exitFailed, "fewer than 10 customers fulfil the condition", []string{"--where", "net_365d < 9"}},
		{exitFailed, `20 customers fulfil the condition, but fewer than 11 of them agreed to "marketing"`, []string{"--where", "net_365d >= 20 AND net_365d < 40", "--k", "11", "--purpose", "marketing"}},
		{exitFailed, "no such file", []string{"--where", "true", "--out", filepath.Join(dir, "none", "x.csv")}},
	} {
		if code, stderr := export(c.args...); code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("%v exited %d: %s", c.args, code, stderr)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("what was refused left %v, %v", left, err)
	}
	if got := p.sql("SELECT count() FROM pos.audience_exports"); got[1][0] != "0" {
		t.Errorf("what was refused is on record %v times", got[1])
	}
	if code, stderr := export("--where", "usual_store = '0042' AND usual_dow = 6 AND net_365d >= 10", "--reason", "apology, outage of Saturday"); code != exitDone || !strings.Contains(stderr, "20 customers in "+file+"; 10 more fulfil the condition and did not agree") {
		t.Fatalf("exited %d: %s", code, stderr)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	joined := filepath.Join(dir, "joined.csv")
	var out strings.Builder
	code, stderr := tillstream(t, &out, "audience", "join", "--audience", file, "--mapping", filepath.Join(dir, "members.csv"), "--secret", filepath.Join(dir, "key"), "--out", joined)
	if code != exitDone || !strings.Contains(stderr, "20 of 20 customers of the audience are in the mapping of 40 rows") {
		t.Fatalf("exited %d: %s", code, stderr)
	}
	if got := readText(t, joined); strings.Count(got, "\n") != 21 || !strings.Contains(got, "m10,m10@example.org,\"apology, outage of Saturday\"\n") || strings.Contains(got, "m30,") || strings.Contains(got, "m9,") {
		t.Errorf("%s", got)
	}
	writeText(t, filepath.Join(dir, "key"), "another secret of theirs")
	if code, stderr := tillstream(t, &out, "audience", "join", "--audience", file, "--mapping", filepath.Join(dir, "members.csv"), "--secret", filepath.Join(dir, "key"), "--out", joined); code != exitFailed || !strings.Contains(stderr, "is it the secret that tillstream run uses") {
		t.Errorf("exited %d: %s", code, stderr)
	}
	if code, stderr := export("--where", "true", "--basis", "contract", "--order", "net_365d desc", "--limit", "12", "--format", "json"); code != exitDone {
		t.Fatalf("exited %d: %s", code, stderr)
	}
	var chosen []struct{ Customer, Reason string }
	if err := json.Unmarshal([]byte(readText(t, file)), &chosen); err != nil || len(chosen) != 12 || chosen[0].Reason != "true" || chosen[0].Customer != fmt.Sprint(event.Pseudonym(secret, "loyalty", "m39")) {
		t.Errorf("%+v %v", chosen, err)
	}
	for i, want := range []string{
		"ann|usual_store = '0042' AND usual_dow = 6 AND net_365d >= 10|apology, outage of Saturday|consent|marketing|20|10|0|10|csv",
		"ann|true|true|contract||12|0|12|10|json",
	} {
		got := p.sql("SELECT by, predicate, reason, basis, purpose, customers, left_out, most, k, format, length(sha256) FROM pos.audience_exports ORDER BY at")
		if len(got) != 3 || strings.Join(got[i+1], "|") != want+"|64" {
			t.Errorf("%v, want %s", got, want)
		}
	}

	// What the configuration says of how long customers' rows stay is said once, and asked for once.
	cfg := writeConfig(t, "127.0.0.1:1", p.dsn, "retention: {customers: 500}")
	for _, want := range []string{"customer_days keeps rows 500 days (before: for good)", ""} {
		out.Reset()
		if code, stderr := tillstream(t, &out, "migrate", "--config", cfg); code != exitDone || !strings.Contains(out.String(), want) || want == "" && strings.Contains(out.String(), "keeps") {
			t.Errorf("exited %d, %s, said %s", code, stderr, out.String())
		}
	}
}
