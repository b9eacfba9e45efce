package processor_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tillstream/tillstream/cmd/tillstream/manifest"
	"github.com/tillstream/tillstream/cmd/tillstream/simulator"
	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/fetch"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/simulation"
)

// sent is a record on its way into a partition.
type sent struct {
	tp    fetch.TopicPartition
	at    int64
	value []byte
}

const shufflePartitions = 2

// again are events of a till that counts from 1 again without saying so: whoever reads them in another order cannot know.
var again = regexp.MustCompile(`^\{"id":"[^"]*-[th][2-9]-`)

// shuffleInput is a day and a half of a simulated chain: nothing is ever too late. The registry comes in two revisions, before the
// first event, while the chain is at work, or dated long after it.
func shuffleInput(t *testing.T, seed uint64) []sent {
	t.Helper()
	cfg := simulator.Default()
	cfg.Seed, cfg.Stores, cfg.TransactionsPerStoreDay, cfg.HeartbeatInterval = seed, 4, 60, 10*time.Minute
	cfg.Faults, cfg.Dirty, cfg.Products, cfg.Customers, cfg.Mistyped = 8, 0.003, 50, 200, 20
	cfg.Start = time.Date(2026, 3, 28, 10, 0, 0, 0, time.UTC) // over a change of clocks
	cfg.End = cfg.Start.Add(36 * time.Hour)
	sim, err := simulator.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	partition := func(store string) int32 { return int32(store[len(store)-1]-'0') % shufflePartitions }
	objects, wrong := manifest.Read("chain.yaml", sim.Registry())
	set := manifest.Set{}
	for _, o := range objects {
		set[o.Key()] = o
	}
	documents, err := set.Resolve()
	if err = errors.Join(append(wrong, err)...); err != nil {
		t.Fatal(err)
	}
	var all []sent
	for _, id := range slices.Sorted(maps.Keys(documents)) {
		first := strings.Replace(documents[id], `"sell_quorum":`, `"sell_quorum":1`, 1) // ten more
		for i, doc := range []string{first, documents[id]} {
			at := cfg.Start.Add([][2]time.Duration{
				{4 * time.Hour, -time.Hour}, {-3 * time.Hour, 5 * time.Hour}, {40 * time.Hour, 800 * time.Hour}, // the last: what is applied before a history is loaded
			}[seed%3][i])
			value, err := manifest.Event(id, uint64(i+1), at, doc)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, sent{fetch.TopicPartition{Topic: "pos.registry", Partition: partition(id)}, at.UnixMilli(), value})
		}
	}
	arrived := map[string]int64{} // the first copy, which tells the till's clock: shuffled, another may be first
	for ev := range sim.Events() {
		if first, repeated := arrived[string(ev.Value)]; repeated {
			ev.Arrival = first
		}
		arrived[string(ev.Value)] = ev.Arrival
		if ev.Dirty == "" && again.Match(ev.Value) && !strings.Contains(string(ev.Value), `"sequence_epoch"`) {
			continue
		}
		all = append(all, sent{fetch.TopicPartition{Topic: ev.Topic, Partition: partition(string(ev.Key))}, ev.Arrival, ev.Value})
	}
	return all
}

// fold feeds records, cut into batches, to a core that is now and then begun anew from the state it left.
func foldAll(t *testing.T, all []sent, rnd *rand.Rand, largest int) map[string]map[string]string {
	t.Helper()
	cfg := &processor.Config{Group: "g", Topics: []string{"pos.health", "pos.incidents", "pos.orders", "pos.registry", "pos.transactions"}, Secret: []byte("only for tests, only for tests"), CorrectionWindow: 8 * 24 * time.Hour}
	var blocks []*rollup.Block
	next := map[fetch.TopicPartition]int64{}
	for _, topic := range cfg.Topics {
		for p := range int32(shufflePartitions) {
			next[fetch.TopicPartition{Topic: topic, Partition: p}] = 0
		}
	}
	state := map[string]rollup.StateRow{}
	begin := func() processor.Core {
		core := processor.NewCore(cfg)
		for _, k := range slices.Sorted(maps.Keys(state)) {
			if err := core.Load(state[k]); err != nil {
				t.Fatal(err)
			}
		}
		for tp, offset := range next {
			core.Begin(tp, offset, offset == 0)
		}
		core.Find(func(q correction.Query, row func(correction.Row) error) error {
			for _, b := range blocks {
				if b.Table == correction.Table {
					if err := correction.Search(b, q, row); err != nil {
						return err
					}
				}
			}
			return nil
		})
		return core
	}
	core := begin()
	for batch := uint64(1); len(all) > 0; batch++ {
		n := len(all)
		if largest > 0 {
			n = min(n, 1+rnd.IntN(largest))
		}
		for _, r := range all[:n] {
			if err := core.Record(r.tp, fetch.Record{Offset: next[r.tp], Timestamp: r.at, Value: slices.Clone(r.value)}); err != nil {
				t.Fatal(err)
			}
			next[r.tp]++
		}
		all = all[n:]
		if err := core.Answer(func(k rollup.PastKey) rollup.StateRow {
			return state[fmt.Sprintf("g#%d\x00%s\x00%s", k.Partition, rollup.KindPast, k.Key)]
		}); err != nil {
			t.Fatal(err)
		}
		written, left := core.Close(batch)
		blocks = append(blocks, written...)
		keep(state, left)
		if largest > 0 && rnd.IntN(8) == 0 {
			core = begin()
		}
	}
	return shown(simulation.Rows(blocks))
}

// keep takes the rows of a block of state.
func keep(state map[string]rollup.StateRow, b *rollup.Block) {
	column := map[string]any{}
	for _, c := range b.Columns {
		column[c.Name] = c.Data
	}
	for i := 1; i <= b.Rows; i++ {
		owner := column["lane"].([]string)[i]
		_, partition, _ := strings.Cut(owner, "#")
		n, _ := strconv.Atoi(partition)
		row := rollup.StateRow{Partition: int32(n), Kind: column["kind"].([]string)[i], Key: column["key"].([]string)[i], Value: []byte(column["value"].([]string)[i])}
		key := owner + "\x00" + row.Kind + "\x00" + row.Key
		if delete(state, key); column["deleted"].([]uint8)[i] == 0 {
			state[key] = row
		}
	}
}

// purchases are the tables from which sales are taken off, and takenOff the columns that show it.
var (
	purchases = []string{
		"sales_hourly", "product_sales", "customer_days", "payments_hourly", "terminal_sales", "returns",
		"payment_days", "basket_pairs", "customer_items", "customer_hours", "promotion_days", "terminal_payments",
	}
	takenOff = regexp.MustCompile(`\b(corrections|first_at|last_at)=\S+ |\b\w+_(in|out)=\[[^]]*\] `)
)

// shown leaves out what may differ by how records came: the books; offsets of dead letters, and how often they came; when numbers were first missed,
// what was late and how late, how often anything was repeated or rejected.
func shown(all map[string]map[string]string) map[string]map[string]string {
	delete(all, "ledger")
	delete(all, correction.Table) // by the offsets of each
	number := regexp.MustCompile(`(\w+)=(-?\d+) `)
	sums := map[string]map[string]int64{}
	for key, row := range all["data_quality"] {
		key = regexp.MustCompile(`business_date=\S+ `).ReplaceAllString(key, "")
		if sums[key] == nil {
			sums[key] = map[string]int64{}
		}
		for _, m := range number.FindAllStringSubmatch(row, -1) {
			if slices.Contains([]string{"accepted", "missing", "test", "unbalanced", "pan_masked", "stale", "other"}, m[1]) {
				n, _ := strconv.ParseInt(m[2], 10, 64)
				sums[key][m[1]] += n
			}
		}
	}
	all["data_quality"] = map[string]string{}
	for key, s := range sums {
		if s["accepted"] > 0 {
			all["data_quality"][key] = fmt.Sprint(s)
		}
	}
	letters := map[string]string{}
	for key, row := range all["dead_letters"] {
		letters[regexp.MustCompile(`offset=\S+ `).ReplaceAllString(key, "")+row] = ""
	}
	all["dead_letters"] = letters
	for _, table := range purchases { // TestCorrectedAsIfRightAtFirst looks at samples
		for key, row := range all[table] {
			all[table][key] = takenOff.ReplaceAllString(row, "")
		}
	}
	for _, table := range append([]string{"availability_hourly", "store_availability_hourly"}, purchases...) { // rows of zeros are as good as none
		maps.DeleteFunc(all[table], func(_, row string) bool { return !strings.ContainsAny(strings.ReplaceAll(row, "p95", ""), "123456789") })
	}
	return all
}

// However the input is shuffled, cut into batches and sent again, every row is in the end what it is in order and at once.
func TestShufflingAndSendingAgainChangeNothing(t *testing.T) {
	for seed := range uint64(6) {
		input := shuffleInput(t, seed)
		want := foldAll(t, input, nil, 0)
		for _, table := range []string{"sales_hourly", "availability_hourly", "outages", "store_availability_hourly", "service_windows", "incidents", "order_journeys", "dead_letters"} {
			if len(want[table]) == 0 {
				t.Fatalf("seed %d: nothing in %s", seed, table)
			}
		}
		for variant := range uint64(4) {
			rnd := rand.New(rand.NewPCG(seed, variant))
			records := slices.Clone(input)
			for range len(records) / 10 {
				records = append(records, records[rnd.IntN(len(input))])
			}
			if variant > 0 { // in order, with repeats at the end; else in any
				rnd.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
			}
			if variant == 3 { // the registry last
				slices.SortStableFunc(records, func(a, b sent) int { return strings.Compare(last(a), last(b)) })
			}
			got := foldAll(t, records, rnd, []int{400, 40, 1500, 400}[variant])
			for _, x := range [][2]map[string]string{{want["service_windows"], got["service_windows"]}, {got["service_windows"], want["service_windows"]}} {
				maps.DeleteFunc(x[0], func(month, _ string) bool { return x[1][month] == "" }) // how far ahead they are written is as it comes
			}
			for _, table := range slices.Sorted(maps.Keys(want)) {
				if d := cmp.Diff(want[table], got[table]); d != "" {
					t.Errorf("seed %d, variant %d: %s (-in order +shuffled)\n%.1500s", seed, variant, table, d)
				}
			}
			if t.Failed() {
				return
			}
		}
	}
}

func last(r sent) string {
	if r.tp.Topic == "pos.registry" {
		return "1"
	}
	return "0"
}
