package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/tillstream/tillstream/processor/event"
)

// The real inputs lie beside the checkout; TILLSTREAM_SHARED says where else.
func sharedFile(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("TILLSTREAM_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	path, err := filepath.Abs(filepath.Join(dir, "data", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; the real inputs are expected beside the checkout in ../shared, or where TILLSTREAM_SHARED says", err)
	}
	return path
}

func eachLine(t *testing.T, path string, f func(line []byte)) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := zstd.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	s := bufio.NewScanner(z)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		f(s.Bytes())
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
}

// rawSale is a second, naive reading of a transaction, for the comparison only.
type rawSale struct {
	Kind       string `json:"kind"`
	Time       string `json:"time"`
	StoreID    string `json:"store_id"`
	TerminalID string `json:"terminal_id"`
	Customer   *struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	} `json:"customer"`
	Lines []struct {
		ProductID string      `json:"product_id"`
		Quantity  json.Number `json:"quantity"`
		Net       int64       `json:"net"`
		Discount  int64       `json:"discount"`
	} `json:"lines"`
}

// thousandths of a decimal number, through big enough floats for what the data holds.
func thousandths(t *testing.T, n json.Number) int64 {
	t.Helper()
	f, err := n.Float64()
	if err != nil {
		t.Fatal(err)
	}
	return int64(math.Round(f * 1000))
}

// realMonth is what the files say, computed without any of the program's code but the pseudonym.
type realMonth struct {
	stores    map[string][3]int64         // transactions, units in thousandths, net in cents
	products  map[string]int64            // net in cents
	customers map[string][2]int64         // pseudonym -> visits, net in cents
	down      map[string]map[string]int64 // terminal -> UTC day -> ms down
	sales     int
	reports   int
}

func computeRealMonth(t *testing.T, secret []byte) realMonth {
	t.Helper()
	m := realMonth{stores: map[string][3]int64{}, products: map[string]int64{}, customers: map[string][2]int64{}, down: map[string]map[string]int64{}}
	visits := map[string]bool{}
	eachLine(t, sharedFile(t, "transactions-2017-01.jsonl.zst"), func(line []byte) {
		var s rawSale
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		if s.Kind != "sale" {
			t.Fatalf("kind %s: this computation knows sales only", s.Kind)
		}
		m.sales++
		store := m.stores[s.StoreID]
		store[0]++
		var net int64
		for _, l := range s.Lines {
			store[1] += thousandths(t, l.Quantity)
			net += l.Net
			m.products[l.ProductID] += l.Net
		}
		store[2] += net
		m.stores[s.StoreID] = store
		if s.Customer != nil {
			who := strconv.FormatUint(event.Pseudonym(secret, s.Customer.Type, s.Customer.ID), 10)
			c := m.customers[who]
			c[1] += net
			if visit := who + s.StoreID + s.Time[:10]; !visits[visit] {
				visits[visit] = true
				c[0]++
			}
			m.customers[who] = c
		}
	})

	m.down, m.reports = realDowntime(t)
	return m
}

// realDowntime is the ms down by terminal and UTC day that the health file says, and how many reports it has.
func realDowntime(t *testing.T) (down map[string]map[string]int64, n int) {
	t.Helper()
	down = map[string]map[string]int64{}
	type report struct {
		at     int64
		status string
	}
	reports := map[string][]report{}
	eachLine(t, sharedFile(t, "health-2025-2026.jsonl.zst"), func(line []byte) {
		var h struct{ Time, TerminalID, Status string }
		var raw map[string]any
		if err := json.Unmarshal(line, &raw); err != nil {
			t.Fatal(err)
		}
		h.Time, h.TerminalID, h.Status = raw["time"].(string), raw["terminal_id"].(string), raw["status"].(string)
		at, err := time.Parse(time.RFC3339, h.Time)
		if err != nil {
			t.Fatal(err)
		}
		n++
		reports[h.TerminalID] = append(reports[h.TerminalID], report{at.UnixMilli(), h.Status})
	})
	for terminal, rs := range reports {
		slices.SortStableFunc(rs, func(a, b report) int { return int(a.at/1000 - b.at/1000) })
		days := map[string]int64{}
		for i := range len(rs) - 1 {
			if rs[i].status != "down" {
				continue
			}
			for at := rs[i].at; at < rs[i+1].at; {
				day := time.UnixMilli(at).UTC().Truncate(24 * time.Hour)
				end := min(rs[i+1].at, day.Add(24*time.Hour).UnixMilli())
				days[day.Format(time.DateOnly)] += end - at
				at = end
			}
		}
		if len(days) > 0 {
			down[terminal] = days
		}
	}
	return down, n
}

// docs/availability-check.md says how our minutes down differ from what was published: its table is what the files say now, and each day that
// differs by more than six minutes is named there. That the views say the same as the file is TestPipelineRealData's.
func TestPublishedMinutesDown(t *testing.T) {
	raw, err := os.ReadFile(sharedFile(t, "health-published.json"))
	if err != nil {
		t.Fatal(err)
	}
	var published []struct {
		Slug  string         `json:"slug"`
		Daily map[string]int `json:"dailyMinutesDown"`
	}
	if err := json.Unmarshal(raw, &published); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "availability-check.md"))
	if err != nil {
		t.Fatal(err)
	}
	down, _ := realDowntime(t)
	var want []string
	for _, shop := range published {
		first := slices.Min(slices.Collect(maps.Keys(shop.Daily)))
		days := map[string]bool{}
		for day := range shop.Daily {
			days[day] = true
		}
		for day := range down[shop.Slug] {
			days[day] = true
		}
		var said, ours, near, near6, n int64
		for day := range days {
			if day < first {
				continue
			}
			theirs, ms := int64(shop.Daily[day]), down[shop.Slug][day]
			n, said, ours = n+1, said+theirs, ours+ms
			switch d := theirs*60_000 - ms; {
			case max(d, -d) <= 60_000:
				near++
				near6++
			case max(d, -d) <= 6*60_000:
				near6++
			case !strings.Contains(string(text), day) && !strings.Contains(string(text), day[len("2026-"):]):
				t.Errorf("%s on %s: %d min published, %.1f from the reports, and the document does not say so", shop.Slug, day, theirs, float64(ms)/60_000)
			}
		}
		want = append(want, fmt.Sprintf("| %s | %s | %d | %s | %s | %d | %d |", shop.Slug, first, n, grouped(fmt.Sprint(said)), grouped(fmt.Sprintf("%.1f", float64(ours)/60_000)), near, near6))
	}
	slices.Sort(want)
	var got []string
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "| ") && strings.Contains(line, "-") && !strings.HasPrefix(line, "| shop") {
			got = append(got, line)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the table (-files +document)\n%s", d)
	}
}

// grouped puts a comma before the thousands.
func grouped(s string) string {
	whole, rest, _ := strings.Cut(s, ".")
	if n := len(whole) - 3; n > 0 {
		whole = whole[:n] + "," + whole[n:]
	}
	if rest != "" {
		rest = "." + rest
	}
	return whole + rest
}

// cents of a Decimal(18,4) as the program prints it.
func cents(t *testing.T, v any) int64 { return scaled(t, v, 100) }

func scaled(t *testing.T, v any, by float64) int64 {
	t.Helper()
	f, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	if err != nil {
		t.Fatal(err)
	}
	return int64(math.Round(f * by))
}

// held reads the same figures out of the program's views.
func heldRealMonth(t *testing.T, data string) realMonth {
	t.Helper()
	m := realMonth{stores: map[string][3]int64{}, products: map[string]int64{}, customers: map[string][2]int64{}, down: map[string]map[string]int64{}}
	for _, r := range ask(t, data, "SELECT store_id, sum(transactions) AS n, sum(units) AS u, sum(net) AS v FROM pos.sales_hourly GROUP BY store_id") {
		m.stores[r["store_id"].(string)] = [3]int64{scaled(t, r["n"], 1), scaled(t, r["u"], 1000), cents(t, r["v"])}
	}
	for _, r := range ask(t, data, "SELECT product_id, sum(revenue) AS v FROM pos.product_sales GROUP BY product_id") {
		m.products[r["product_id"].(string)] = cents(t, r["v"])
	}
	for _, r := range ask(t, data, "SELECT toString(customer) AS c, sum(visits) AS n, sum(net) AS v FROM pos.customer_days GROUP BY c") {
		m.customers[r["c"].(string)] = [2]int64{scaled(t, r["n"], 1), cents(t, r["v"])}
	}
	for _, r := range ask(t, data, "SELECT terminal_id, toString(toDate(hour)) AS day, sum(down_ms) AS ms FROM pos.availability_hourly GROUP BY terminal_id, day HAVING ms > 0") {
		terminal := r["terminal_id"].(string)
		if m.down[terminal] == nil {
			m.down[terminal] = map[string]int64{}
		}
		m.down[terminal][r["day"].(string)] = scaled(t, r["ms"], 1)
	}
	return m
}

func compareRealMonth(t *testing.T, want, got realMonth) {
	t.Helper()
	if d := cmp.Diff(want.stores, got.stores); d != "" {
		t.Errorf("stores (-file +views):\n%s", d)
	}
	if d := cmp.Diff(want.products, got.products); d != "" {
		t.Errorf("products (-file +views):\n%s", d)
	}
	if d := cmp.Diff(want.customers, got.customers); d != "" {
		t.Errorf("customers (-file +views):\n%s", d)
	}
	if d := cmp.Diff(want.down, got.down); d != "" {
		t.Errorf("ms down by shop and day (-file +views):\n%s", d)
	}
}

// ask runs a query through `tillstream sql`, as a program would.
func ask(t *testing.T, data, query string) []map[string]any {
	t.Helper()
	var out strings.Builder
	code, stderr := tillstream(t, &out, "sql", "--data", data, "--format", "json", query)
	if code != exitDone {
		t.Fatalf("sql exited %d: %s", code, stderr)
	}
	d := json.NewDecoder(strings.NewReader(out.String()))
	d.UseNumber()
	var rows []map[string]any
	if err := d.Decode(&rows); err != nil {
		t.Fatalf("reading %q: %v", out.String(), err)
	}
	return rows
}
