package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/tillstream/tillstream/processor/event"
)

// shop makes the events of two stores in which somebody buys who will want to be forgotten.
type shop struct {
	lines      []string
	sequence   map[string]int
	identified map[string]int // sales of others who are known, by store
	sales      map[string]int // of all
}

type fields map[string]any

func (s *shop) add(e fields) {
	line, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	s.lines = append(s.lines, string(line))
}

// sale is one of a customer, "" if nobody knows whose. The till numbers it.
func (s *shop) sale(store string, at time.Time, customer string, more fields) (id string) {
	till := store + "-t1"
	s.sequence[till]++
	gross := 100 + s.sequence[till]%11
	id = fmt.Sprintf("%s/%d", till, s.sequence[till])
	e := fields{
		"id": id, "source": till, "type": "pos.transaction.v1", "time": at.Format(time.RFC3339), "store_id": store, "terminal_id": till, "sequence": s.sequence[till], "kind": "sale", "currency": "EUR",
		"lines":   []fields{{"line": 1, "product_id": fmt.Sprint("p", s.sequence[till]%7), "category": "food", "quantity": 1, "gross": gross}},
		"tenders": []fields{{"method": "card", "amount": gross, "result": "approved"}}, "totals": fields{"gross": gross, "net": gross},
	}
	if customer != "" {
		e["customer"] = fields{"id": customer, "type": "loyalty", "consent": []string{"marketing"}}
	}
	for name, v := range more {
		e[name] = v
	}
	s.sales[store]++
	if customer != "" && customer != forgetful {
		s.identified[store]++
	}
	s.add(e)
	return id
}

func (s *shop) step(order, step string, at time.Time, more fields) {
	e := fields{
		"id": order + "/" + step, "source": "web", "type": "pos.order.v1", "time": at.Format(time.RFC3339), "store_id": "s1", "terminal_id": "web", "order_id": order, "step": step,
		"customer": fields{"id": forgetful, "type": "loyalty"}, "currency": "EUR", "amount": 1000,
	}
	for name, v := range more {
		e[name] = v
	}
	s.add(e)
}

func (s *shop) file(t *testing.T) (path string, n int64) {
	t.Helper()
	path, n = filepath.Join(t.TempDir(), "events.jsonl"), int64(len(s.lines))
	if err := os.WriteFile(path, []byte(strings.Join(s.lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	s.lines = nil
	return path, n
}

// forgetful will want to be forgotten.
const forgetful = "member-4711"

// A customer is erased while members work: found in every place before, in none after, not in the bytes of a single file; also after the customer buys again, old sales are corrected, orders go on, and
// all is folded once more from Kafka. What is not about the customer stays as it was, and the books balance.
func TestPipelineForget(t *testing.T) {
	t.Parallel()
	p := newPipeline(t)
	cfg := missedSoon(t, edited(t, writeConfig(t, p.broker, p.dsn, ""), "processor: {", "processor: {timeline_window: 120h, ")) // half a session is how long forget waits for members
	secret := []byte("a secret of many bytes")
	pseudonym := event.Pseudonym(secret, "loyalty", forgetful)

	now := time.Now().UTC().Truncate(24 * time.Hour)
	day := func(ago, hour, minute int) time.Time {
		return now.AddDate(0, 0, -ago).Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
	}
	s := &shop{sequence: map[string]int{}, identified: map[string]int{}, sales: map[string]int{}}
	// Hours with a sketch of one, of few, of some and of many customers; in two months.
	s.sale("s1", day(40, 9, 0), forgetful, nil)
	for i := range 4 {
		s.sale("s1", day(40, 10, i), fmt.Sprint("other-", i), nil)
	}
	s.sale("s1", day(40, 10, 30), forgetful, nil)
	for i := range 60 {
		s.sale("s2", day(3, 10, i), fmt.Sprint("other-", i), nil)
	}
	s.sale("s2", day(3, 10, 59), forgetful, nil)
	for i := range 700 {
		s.sale("s2", day(3, 11, i%60), fmt.Sprint("other-", i), nil)
	}
	s.sale("s2", day(3, 11, 59), forgetful, nil)
	s.sale("s2", day(3, 12, 0), "", nil)
	first := s.sale("s1", day(2, 9, 0), forgetful, nil)
	second := s.sale("s1", day(2, 9, 5), forgetful, nil)
	s.sale("s1", day(2, 15, 0), forgetful, fields{"kind": "return", "original": fields{"transaction_id": first, "reason": "broken"}})
	s.sales["s1"]--
	s.sale("s1", day(2, 16, 0), forgetful, fields{"corrects": fields{"ids": []string{second}, "reason": "mistyped"}, "time": day(2, 9, 5).Format(time.RFC3339), "recorded_at": day(2, 16, 0).Format(time.RFC3339)})
	s.sales["s1"]--
	s.sale("s1", day(2, 17, 0), forgetful, fields{"lines": "not lines"}) // a dead letter
	s.sales["s1"]--
	s.step("order-1", "placed", day(2, 8, 0), nil)
	s.step("order-1", "ready", day(2, 10, 0), nil)
	s.step("order-1", "collected", day(2, 12, 0), nil)
	s.sale("s1", day(2, 12, 10), forgetful, nil) // added to it
	s.step("order-2", "placed", day(2, 13, 0), nil)
	file, n := s.file(t)
	p.do("ingest", "--config", cfg, file)
	p.fold(cfg, n)
	p.do("refresh", "--dsn", p.dsn)
	p.do("sql", "--dsn", p.dsn, "INSERT INTO tillstream.clv (model, customer) SELECT DISTINCT 'm', customer FROM tillstream.rfm")
	p.do("sql", "--dsn", p.dsn, fmt.Sprintf("INSERT INTO tillstream.transactions (lane, id, customer, at, events, keep_days) VALUES ('', 'old', %d, now(), 1, 99), ('throughput/0', '', 0, now(), 1, 99)", pseudonym))
	// Hours of older versions have a sketch of their customers besides.
	p.do("sql", "--dsn", p.dsn, `INSERT INTO tillstream.sales_hourly (store_id, business_date, hour, local_hour, channel, currency, customers)
		SELECT store_id, business_date, any(hour), local_hour, channel, currency, uniqCombined64State(12)(customer) FROM tillstream.sales_hourly AS h
		INNER JOIN (SELECT * FROM tillstream.customer_hours WHERE lane = '' AND transactions > 0) AS c USING (store_id, business_date, local_hour, channel, currency) WHERE h.lane = '' GROUP BY ALL`)

	look := newSearch(t, p, pseudonym)
	found := look.rows()
	for _, table := range []string{"transaction_packs", "transactions", "sales_hourly", "customer_days", "customer_items", "customer_hours", "customer_consent", "order_journeys", "state", "clv", "rfm", "clv_inputs", "buyer_profiles"} {
		if found[table] == 0 {
			t.Errorf("before: nothing of the customer in %s: the search is blind, or the test is", table)
		}
	}
	if len(look.files()) == 0 {
		t.Error("before: nothing of the customer in files")
	}
	before := p.figures()

	refused := func(says string, args ...string) {
		t.Helper()
		p.refused(says, append([]string{"forget", "--config", cfg}, args...)...)
	}
	refused("say whom")
	refused("--reason is empty", "--customer", fmt.Sprint(pseudonym))
	refused("the 1. one: not a pseudonym", "--customer", forgetful, "--reason", "x")
	refused("line 1: not a pseudonym", "--from", file, "--reason", "x")
	p.refused("under another privacy.secret", "forget", "--config", edited(t, cfg, "a secret of many bytes", "another secret of theirs"), "--customer", fmt.Sprint(pseudonym), "--reason", "x")
	if said := p.do("forget", "--config", cfg, "--customer", fmt.Sprint(pseudonym), "--dry-run"); !strings.Contains(said, "tillstream.customer_days") {
		t.Errorf("a dry run should say what would go: %s", said)
	}
	if d := cmp.Diff(before, p.figures()); d != "" || look.rows()["customer_days"] == 0 {
		t.Errorf("a dry run changed something: %s", d)
	}

	// Members work, and the customer buys, while it runs.
	member := startMember(t, cfg)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for i := range 12 {
			s.sale("s1", day(1, 9, i), forgetful, nil)
			s.sale("s2", day(1, 9, i), "other-1", nil)
			s.sale("s2", day(1, 10, i), forgetful, nil)
			more, k := s.file(t)
			n += k
			if code, said := tillstream(t, io.Discard, "ingest", "--config", cfg, more); code != exitDone {
				t.Errorf("ingest exited %d: %s", code, said)
			}
			if !eventually(t, func() bool { return p.accounted() >= n }) {
				t.Errorf("the events of round %d were not folded", i)
			}
		}
	}()
	ids := filepath.Join(t.TempDir(), "ids")
	writeText(t, ids, forgetful+"\n")
	cut := &cutter{at: "waiting"}
	cutCtx, cancel := context.WithCancel(t.Context())
	cut.cut = cancel
	if code := run(&env{ctx: cutCtx, environ: os.Environ(), stdin: strings.NewReader(""), stdout: io.Discard, stderr: cut}, []string{"forget", "--config", cfg, "--ids", ids, "--reason", "DSR-1", "--by", "ann"}); code != exitFailed || cutCtx.Err() == nil {
		t.Fatalf("to be cut short, it exited %d: %s", code, &cut.said)
	}
	refused("finish it with --resume", "--customer", "9999999999999999999", "--reason", "x")
	if said := p.do("forget", "--config", cfg, "--resume"); !strings.Contains(said, "nothing of 1 customers is left") {
		t.Errorf("%s", said)
	}
	<-stopped
	// An old sale is corrected, an order goes on, and the customer comes back.
	s.sale("s1", day(1, 16, 0), forgetful, fields{"corrects": fields{"ids": []string{first}, "reason": "mistyped"}, "time": day(2, 9, 0).Format(time.RFC3339), "recorded_at": day(1, 16, 0).Format(time.RFC3339)})
	s.sales["s1"]--
	s.step("order-2", "ready", day(1, 13, 0), nil)
	s.step("order-2", "collected", day(1, 14, 0), nil)
	s.sale("s1", day(1, 14, 10), forgetful, nil)
	more, k := s.file(t)
	n += k
	p.do("ingest", "--config", cfg, more)
	p.until(n)
	member.stop()
	if strings.Contains(member.tail(1<<20), "lane stopped") {
		t.Errorf("a lane stopped:\n%s", member.tail(4000))
	}
	p.do("refresh", "--dsn", p.dsn)
	look.nothing("after")
	if !p.balanced() {
		t.Error("after: the books do not balance")
	}
	for store, want := range s.sales {
		got := p.sql("SELECT sum(transactions), sum(identified_transactions), sum(loyalty_transactions) - sum(identified_transactions) FROM pos.sales_hourly WHERE store_id = '" + store + "'")
		forgottenOnes := p.number("SELECT toInt64(sum(loyalty_transactions) - sum(identified_transactions)) AS n FROM pos.sales_hourly WHERE store_id = '" + store + "'")
		if got[1][0] != strconv.Itoa(want) || got[1][1] != strconv.Itoa(s.identified[store]) || forgottenOnes == 0 {
			t.Errorf("store %s: %v sales, known, and known before; want %d and %d", store, got[1], want, s.identified[store])
		}
	}
	// Of what was there before, nothing changed that is not about the customer.
	after := p.figures()
	for name, rows := range before {
		for line := range strings.Lines(rows) {
			if !strings.Contains(after[name], line) && !strings.HasPrefix(line, fmt.Sprint(pseudonym)) && !strings.Contains(line, day(2, 9, 0).Format("2006-01-02")) { // of that day a sale was corrected since
				t.Errorf("%s lacks %s", name, line)
			}
		}
	}
	record := p.sql("SELECT by, reason, customers, completed_at IS NOT NULL, tables['tillstream.customer_days'] > 0, (SELECT count() FROM tillstream.forgotten), (SELECT count() FROM tillstream.forgetting) FROM pos.erasures")
	if d := cmp.Diff([]string{"ann", "DSR-1", "1", "1", "1", "1", "0"}, record[1]); d != "" {
		t.Errorf("on record: %s", d)
	}

	// All is folded once more from Kafka, and is the same.
	folded := p.rows()
	p.do("rebuild", "--config", cfg, "--yes")
	rebuilt := p.rows()
	for _, rows := range []map[string]string{folded, rebuilt} { // in an hour of many customers the one who is forgotten bought, too
		if !strings.Contains(rows["sales_hourly"], ",701,700,0,700,") {
			t.Errorf("there is no hour of many customers: %s", rows["sales_hourly"])
		}
	}
	if d := cmp.Diff(folded, rebuilt); d != "" {
		t.Errorf("rebuilt: rows (-erased +made anew):\n%s", d)
	}
	if !p.balanced() {
		t.Error("rebuilt: the books do not balance")
	}
	look.nothing("rebuilt")
}

// cutter ends something when it is told a word.
type cutter struct {
	at   string
	cut  func()
	said strings.Builder
}

func (c *cutter) Write(b []byte) (int, error) {
	c.said.Write(b)
	if strings.Contains(string(b), c.at) {
		c.cut()
	}
	return len(b), nil
}

// figures are rows that are not about a customer, but for how many were known.
func (p *pipeline) figures() map[string]string {
	p.t.Helper()
	out := map[string]string{}
	for name, query := range map[string]string{
		"sales":    "SELECT * EXCEPT (identified_transactions, customers) FROM pos.sales_hourly ORDER BY ALL",
		"products": "SELECT * FROM pos.product_sales ORDER BY ALL",
		"payments": "SELECT * FROM pos.payments_hourly ORDER BY ALL",
		"mix":      "SELECT * FROM pos.payment_mix ORDER BY ALL",
		"returns":  "SELECT * FROM pos.returns ORDER BY ALL",
		"others":   "SELECT * FROM pos.customer_days ORDER BY ALL",
		"orders":   "SELECT order_id, reserved_at, amount, currency FROM pos.order_journeys ORDER BY ALL",
	} {
		out[name] = p.do("sql", "--dsn", p.dsn, "--format", "csv", query)
	}
	return out
}

// search looks for somebody in bytes: of every column of every table as the server gives them, and of every file that it has.
type search struct {
	t       *testing.T
	p       *pipeline
	trace   string
	needles [][]byte
}

func newSearch(t *testing.T, p *pipeline, pseudonym uint64) *search {
	s := &search{t: t, p: p}
	s.needles = [][]byte{binary.LittleEndian.AppendUint64(nil, pseudonym), binary.BigEndian.AppendUint64(nil, pseudonym), []byte(strconv.FormatUint(pseudonym, 10)), []byte(forgetful)}
	// What a sketch of one has of the customer is what stands in the sketch of an hour in which nobody else bought; and likewise for the counts.
	s.needles = append(s.needles, s.get("SELECT substring(CAST(customers AS String), 3, 8) FROM tillstream.sales_hourly FINAL WHERE lane = '' AND identified_transactions = 1 AND toHour(hour) = 9 AND store_id = 's1' ORDER BY business_date LIMIT 1 FORMAT RawBLOB"))
	s.trace = string(s.get("SELECT customer_counts.1[1] FROM tillstream.sales_hourly WHERE lane = '' AND identified_transactions = 1 AND toHour(hour) = 9 AND store_id = 's1' ORDER BY business_date LIMIT 1 FORMAT TSV"))
	if len(s.needles[4]) != 8 || len(s.trace) < 5 {
		t.Fatalf("%x %s", s.needles[4], s.trace)
	}
	return s
}

func (s *search) get(query string) []byte {
	s.t.Helper()
	return posted(s.t, s.p.dsn, "", query)
}

func (s *search) in(b []byte) (n int) {
	for _, needle := range s.needles {
		n += bytes.Count(b, needle)
	}
	return n
}

// rows counts the places by table.
func (s *search) rows() map[string]int {
	s.t.Helper()
	found := map[string]int{}
	for table := range strings.FieldsSeq(string(s.get("SELECT concat(database, '.', name) FROM system.tables WHERE database IN ('tillstream', 'pos') AND engine NOT LIKE '%View' FORMAT TSV"))) {
		if n := s.in(s.get("SELECT * FROM " + table + " FORMAT RowBinary")); n > 0 {
			found[strings.TrimPrefix(table, "tillstream.")] = n
		}
	}
	if n, _ := strconv.Atoi(strings.TrimSpace(string(s.get("SELECT count() FROM tillstream.sales_hourly WHERE has(customer_counts.1, " + strings.TrimSpace(s.trace) + ") FORMAT TSV")))); n > 0 {
		found["sales_hourly.customer_counts"] = n
	}
	return found
}

// files are those that have the customer's bytes, as they are or uncompressed.
func (s *search) files() (found []string) {
	s.t.Helper()
	root := engineDir(s.p.data)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // it goes while one looks
		}
		b, err := os.ReadFile(path)
		if err == nil && s.in(b)+s.in(s.uncompressed(b)) > 0 {
			found = append(found, strings.TrimPrefix(path, root))
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

// uncompressed is what a file of ClickHouse's compressed blocks has in it, one after the other: a checksum, the method, the sizes with and without that header, the data.
func (s *search) uncompressed(b []byte) (all []byte) {
	s.t.Helper()
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer decoder.Close()
	for len(b) >= 25 {
		method, size, plain := b[16], int(binary.LittleEndian.Uint32(b[17:])), int(binary.LittleEndian.Uint32(b[21:]))
		if size < 9 || 16+size > len(b) || plain > 1<<28 {
			return all
		}
		data := b[25 : 16+size]
		if method == 0x91 && len(data) > int(data[0])+10 { // several, the last of which is outside
			method, data = data[data[0]], data[1+int(data[0]):]
			plain, data = int(binary.LittleEndian.Uint32(data[5:])), data[9:]
		}
		switch method {
		case 0x02:
			all = append(all, data...)
		case 0x82:
			out := make([]byte, plain)
			if n, err := lz4.UncompressBlock(data, out); err == nil {
				all = append(all, out[:n]...)
			}
		case 0x90:
			if out, err := decoder.DecodeAll(data, nil); err == nil {
				all = append(all, out...)
			}
		}
		b = b[16+size:]
	}
	return all
}

// nothing checks that there is no byte of the customer.
func (s *search) nothing(when string) {
	s.t.Helper()
	if found := s.rows(); len(found) > 0 {
		s.t.Errorf("%s: the customer is in %v", when, found)
	}
	if found := s.files(); len(found) > 0 {
		s.t.Errorf("%s: the customer is in files %v", when, found)
	}
}
