package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/cmd/tillstream/simulator"
)

// table is a rollup as text: key columns joined, then the figures.
type table map[string]string

func (t table) put(figures []any, key ...any) {
	t[strings.TrimSuffix(fmt.Sprintln(key...), "\n")] = strings.TrimSuffix(fmt.Sprintln(figures...), "\n")
}

// asked is a query's rows: the first n columns are the key.
func asked(t *testing.T, data string, n int, query string) table {
	t.Helper()
	return askedOf(t, []string{"--data", data}, n, query)
}

func askedOf(t *testing.T, target []string, n int, query string) table {
	t.Helper()
	out := table{}
	var csv strings.Builder
	if code, stderr := tillstream(t, &csv, append([]string{"sql", "--format", "csv", query}, target...)...); code != exitDone {
		t.Fatalf("%s: exit %d: %s", query, code, stderr)
	}
	for i, line := range strings.Split(strings.TrimSpace(strings.ReplaceAll(csv.String(), "\r", "")), "\n") {
		if i == 0 {
			continue
		}
		fields := strings.Split(line, ",")
		out[strings.Join(fields[:n], " ")] = strings.Join(fields[n:], " ")
	}
	return out
}

// A simulated chain with all its dirt, against the simulator's own ground truth: sales, products, customers, payments, every till's
// hours, outages, duplicates, holes and dead letters.
func TestPipelineTruth(t *testing.T) {
	t.Parallel()
	s := simulation{Seed: 7, Stores: 5, Days: 4, End: time.Date(2026, 10, 27, 0, 0, 0, 0, time.UTC)} // over a clock change
	data := shown(t, s, testKafka(t))
	defer holdEngine(t, data)()
	if code, said := audit(t, data); code != exitDone {
		t.Errorf("audit exited %d: %s", code, said)
	}

	secret, err := os.ReadFile(filepath.Join(data, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Privacy.Secret = config.Secret(secret)
	sim, err := simulator.New(s.config(cfg))
	if err != nil {
		t.Fatal(err)
	}
	for range sim.Events() { //nolint:revive // the truth is there when the events are through
	}
	if empty := compareTruth(t, sim.Truth(), "--data", data); len(empty) > 0 {
		t.Errorf("the truth of %v is empty", empty)
	}
}

// shown is the data directory of a demo that has shown a simulation once, on its own Kafka or on another.
func shown(t *testing.T, s simulation, kafka string) (data string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "simulation.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stderr := tillstream(t, io.Discard, append(onKafka(kafka), "--once", "--data", data)...); code != exitDone {
		t.Fatalf("demo exited %d: %s", code, stderr)
	}
	return data
}

// d5 is the query of the users about parties, over all time.
var d5 = "SELECT party, count() AS n, avg(dateDiff('second', opened_at, acknowledged_at)) AS mtta_s, avg(dateDiff('millisecond', started_at, resolved_at) - toInt64(paused_ms)) / 1000 AS mttr_s " +
	"FROM pos.incidents WHERE resolved_at IS NOT NULL GROUP BY party"

// whole makes a whole number of a mean of at most twelve.
const whole = 27720

// instants are columns as ms since 1970, 0 where there is none.
func instants(columns ...string) string {
	for i, c := range columns {
		columns[i] = "ifNull(toUnixTimestamp64Milli(" + c + "), 0)"
	}
	return strings.Join(columns, ", ")
}

// compareTruth compares what the views hold with what a simulation says of itself, and names that of which it says nothing.
func compareTruth(t *testing.T, truth *simulator.Truth, target ...string) (empty []string) {
	t.Helper()
	type comparison struct {
		name  string
		keys  int
		query string
		want  table
	}
	const minor = "toInt64(sum(%s) * transform(toString(currency), ['JPY','TND'], [1, 1000], 100))"
	money := func(columns ...string) string {
		for i, c := range columns {
			columns[i] = fmt.Sprintf(minor, c)
		}
		return strings.Join(columns, ", ")
	}
	units := "toInt64(sum(units) * 1000)"
	all := []comparison{
		{"sales", 4, "SELECT store_id, toString(business_date) AS d, channel, currency, sum(transactions), sum(returns), sum(voids), " + units + ", " + money("gross", "discount", "tax", "net") + " FROM pos.sales_hourly GROUP BY store_id, d, channel, currency", table{}},
		{"hours", 2, "SELECT store_id, toUnixTimestamp(hour) * 1000 AS h, sum(transactions) AS n FROM pos.sales_hourly GROUP BY store_id, h HAVING n > 0", table{}},
		{"products", 3, "SELECT product_id, toString(business_date) AS d, currency, " + units + ", " + money("revenue") + " FROM pos.product_sales GROUP BY product_id, d, currency", table{}},
		{"customers", 2, "SELECT toString(customer) AS c, currency, uniqExactIf((business_date, store_id), transactions > 0), sum(transactions), " + units + ", " + money("net", "discount") + " FROM pos.customer_days GROUP BY c, currency", table{}},
		{"payments of tills", 1, "SELECT store_id, sum(attempts), sum(failed), sum(arraySum(x -> x.attempts, tries)), sum(arraySum(x -> x.failed, tries)) FROM pos.terminal_payments GROUP BY store_id", table{}},
		{"payments", 3, "SELECT store_id, method, currency, sum(attempts), sum(approved), sum(declined), sum(failed), sum(offline), " + money("amount") + " FROM pos.payments_hourly GROUP BY store_id, method, currency", table{}},
		{"till hours", 3, "SELECT store_id, terminal_id, toUnixTimestamp(hour) * 1000 AS h, up_ms, degraded_ms, down_ms, silent_ms, maintenance_ms, disabled_ms, unknown_ms, service_ms, service_down_ms, excluded_ms, service_unknown_ms FROM tillstream.availability_hourly FINAL WHERE lane = '' AND evidence + up_ms + degraded_ms + down_ms + silent_ms + maintenance_ms + unknown_ms > 0", table{}},
		{"outages", 3, "SELECT store_id, terminal_id, toUnixTimestamp64Milli(started_at) AS s, ifNull(toUnixTimestamp64Milli(resolved_at), 0), service_ms FROM tillstream.outages FINAL WHERE lane = ''", table{}},
		{"store hours", 2, "SELECT store_id, toUnixTimestamp(hour) * 1000 AS h, service_ms, quorum_down_ms, excluded_ms, unknown_ms FROM tillstream.store_availability_hourly FINAL WHERE lane = '' AND service_ms > 0", table{}},
		{"incidents", 2, "SELECT store_id, incident_id, " + instants("started_at", "detected_at", "opened_at", "acknowledged_at", "resolved_at", "cancelled_at") + ", ifNull(resolve_ms, 0), reopened, party FROM pos.incidents", table{}},
		{"parties", 1, fmt.Sprintf("SELECT party, n, toInt64(round(ifNull(mtta_s, 0) * %d)), toInt64(round(mttr_s * %[1]d000)) FROM (%s)", whole, d5), table{}},
		{"maintenance", 2, "SELECT store_id, maintenance_id, arraySum((x, y) -> y - x, excluded_from, excluded_to) FROM tillstream.maintenance FINAL WHERE lane = ''", table{}},
		{"orders", 2, "SELECT store_id, order_id, customer, " + instants("accepted_at", "ready_at", "notified_at", "collected_at", "partially_collected_at", "cancelled_at", "expired_at", "returned_at", "delivered_at", "promised_at") +
			", if(expired_at IS NULL AND rejected_at IS NULL AND delivered_at IS NULL, ifNull(toUnixTimestamp64Milli(expires_at), 0), 0), mode, reason, transaction_id, currency, " + strings.ReplaceAll(money("amount", "added_net"), "sum", "") +
			", added_sales, ifNull(lead_ms, -1), ifNull(lead_open_ms, -1), ifNull(toString(reserved_date), ''), ifNull(toString(ready_date), ''), toInt64(ifNull(ordered_units * 1000, -1)), toInt64(ifNull(picked_units * 1000, -1)), toInt64(ifNull(substituted_units * 1000, -1)) FROM pos.order_journeys", table{}},
		{"funnel", 2, "SELECT store_id, business_date, reserved, accepted, ready, ready_in_time, collected, cancelled, expired, added_on FROM pos.omnichannel_funnel", table{}},
		{"deliveries", 2, "SELECT topic, terminal_id, sum(accepted), sum(test), sum(missing), sum(pan_masked) FROM pos.data_quality WHERE terminal_id != '' GROUP BY topic, terminal_id HAVING sum(accepted) > 0", table{}},
		{"dead letters", 2, "SELECT topic, reason, count() FROM pos.dead_letters GROUP BY topic, reason", table{}},
	}
	into := map[string]table{}
	for _, c := range all {
		into[c.name] = c.want
	}
	for _, x := range truth.Sales {
		into["sales"].put([]any{x.Transactions, x.Returns, x.Voids, x.Units, x.Gross, x.Discount, x.Tax, x.Net}, x.Store, x.Date, x.Channel, x.Currency)
	}
	for _, x := range truth.Hours {
		into["hours"].put([]any{x.Transactions}, x.Store, x.Hour)
	}
	for _, x := range truth.Products {
		into["products"].put([]any{x.Units, x.Revenue}, x.Product, x.Date, x.Currency)
	}
	for _, x := range truth.Customers {
		into["customers"].put([]any{x.Visits, x.Sales, x.Units, x.Net, x.Discount}, x.Pseudonym, x.Currency)
	}
	tried := map[string][2]int64{} // attempts otherwise than in cash, and those that failed
	for _, x := range truth.Payments {
		into["payments"].put([]any{x.Attempts, x.Approved, x.Declined, x.Failed, x.Offline, x.Amount}, x.Store, x.Method, x.Currency)
		if n := tried[x.Store]; x.Method != "cash" {
			tried[x.Store] = [2]int64{n[0] + int64(x.Attempts), n[1] + int64(x.Failed)}
		}
	}
	for store, n := range tried {
		into["payments of tills"].put([]any{n[0], n[1], n[0], n[1]}, store)
	}
	for _, x := range truth.TillHours {
		into["till hours"].put([]any{x.Up, x.Degraded, x.Down, x.Silent, x.Maintenance, x.Disabled, 0, x.Service, x.ServiceDown, x.Excluded, x.ServiceUnknown}, x.Store, x.Terminal, x.Hour)
	}
	for _, x := range truth.Outages {
		into["outages"].put([]any{x.End, x.Service}, x.Store, x.Terminal, x.Start)
	}
	for _, x := range truth.StoreHours {
		if x.Service == 0 {
			continue // closed: a row of zeros is as good as none
		}
		into["store hours"].put([]any{x.Service, x.QuorumDown, x.Excluded, x.Unknown}, x.Store, x.Hour)
	}
	for _, x := range truth.Incidents {
		if x.Cancelled != 0 {
			x.Resolved, x.Resolve = 0, 0
		}
		into["incidents"].put([]any{x.Started, x.Detected, x.Opened, x.Acknowledged, x.Resolved, x.Cancelled, x.Resolve, x.Reopened, x.Party}, x.Store, x.ID)
	}
	for _, x := range truth.Parties {
		into["parties"].put([]any{x.N, int64(math.Round(x.MTTA * whole)), int64(math.Round(x.MTTR * whole * 1000))}, x.Party)
	}
	for _, x := range truth.Work {
		into["maintenance"].put([]any{x.Excluded}, x.Store, x.ID)
	}
	for _, x := range truth.Orders {
		off := x.Steps["cancelled"]
		if r := x.Steps["rejected"]; r != 0 {
			off = r
		}
		if x.Steps["expired"]+x.Steps["rejected"]+x.Steps["delivered"] != 0 {
			x.Expires = 0
		}
		into["orders"].put([]any{
			x.Customer, x.Steps["accepted"], x.Steps["ready"], x.Steps["notified"], x.Steps["collected"], x.Steps["partially_collected"], off, x.Steps["expired"], x.Steps["returned"], x.Steps["delivered"], x.Promised,
			x.Expires, x.Mode, x.Reason, x.Transaction, x.Currency, x.Amount, x.AddedNet, x.AddedSales, x.Lead, x.LeadOpen, x.ReservedDate, x.ReadyDate, x.Ordered, x.Picked, x.Substituted,
		}, x.Store, x.ID)
	}
	for _, x := range truth.Funnel {
		into["funnel"].put([]any{x.Reserved, x.Accepted, x.Ready, x.InTime, x.Collected, x.Cancelled, x.Expired, x.AddedOn}, x.Store, x.Date)
	}
	for _, x := range truth.Deliveries {
		into["deliveries"].put([]any{x.Accepted, x.Test, x.Missing, x.Masked}, x.Topic, x.Terminal)
	}
	for _, x := range truth.Dead {
		into["dead letters"].put([]any{x.Records}, x.Topic, x.Reason)
	}
	for _, c := range all {
		if len(c.want) == 0 {
			empty = append(empty, c.name)
		}
		if d := cmp.Diff(c.want, askedOf(t, target, c.keys, c.query)); d != "" {
			if len(d) > 3000 {
				d = d[:3000] + "…"
			}
			t.Errorf("%s (-truth +views):\n%s", c.name, d)
		}
	}
	return empty
}

// All that a chain sends in a day, in any order and some of it twice, through Kafka and ClickHouse: the rows are those of the truth.
func TestPipelineShuffled(t *testing.T) {
	tune := func(c *simulator.Config) { c.Faults, c.HeartbeatInterval = 2, 5*time.Minute }
	seed := uint64(40)
	for unfit := true; unfit; { // who counts from 1 again without saying so must not be shuffled
		seed++
		unfit = false
		cfg := rigChain(seed, tune)
		sim, err := simulator.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for ev := range sim.Events() {
			unfit = unfit || strings.Contains(string(ev.Value[:min(len(ev.Value), 40)]), "-t2-")
		}
		unfit = unfit || len(sim.Truth().Work) == 0
	}
	r := newRig(t, seed, tune)
	var all []simulator.Event
	arrived := map[string]int64{} // the first copy, which tells the till's clock: shuffled, another may be first
	for ev, ok := r.next(); ok; ev, ok = r.next() {
		if first, repeated := arrived[string(ev.Value)]; repeated {
			ev.Arrival = first
		}
		arrived[string(ev.Value)] = ev.Arrival
		all = append(all, ev)
	}
	for _, ev := range all[:len(all):len(all)] {
		if ev.Dirty == "" && r.rnd.IntN(20) == 0 {
			all = append(all, ev)
		}
	}
	r.events = len(all)
	r.rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	r.next = func() (ev simulator.Event, ok bool) {
		if len(all) == 0 {
			return ev, false
		}
		ev, all = all[0], all[1:]
		return ev, true
	}
	r.start()
	r.settle()
}
