package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/tillstream/tillstream/cmd/tillstream/config"
	"github.com/tillstream/tillstream/cmd/tillstream/manifest"
	"github.com/tillstream/tillstream/cmd/tillstream/simulator"
	roles "github.com/tillstream/tillstream/deploy/clickhouse"
	"github.com/tillstream/tillstream/deploy/embedded"
)

const (
	rigSecret = "a secret of many bytes"
	rigGroup  = "rig"
)

// rigTopics are those that members read.
var rigTopics = config.Default().Kafka.Topics

// rig is a Kafka and a ClickHouse with a wire before each, a simulated chain that feeds the one, and members: processes of the program,
// which know nothing but the wires. The test itself goes past them.
type rig struct {
	t      *testing.T
	rnd    *rand.Rand
	data   string // as of a demo
	config string

	broker              broker
	engine              *embedded.Engine
	kafka, clickhouse   *wire
	client              *kgo.Client
	partitions          int
	topics              []string                // that members read
	place               func(store int32) int32 // the partition of a store
	write               func(*kgo.Record)       // writes an event otherwise than as JSON
	keep                func(*kgo.Record) bool  // takes what is not to be sent yet
	stores              map[string]int32        // their number, in the order they were met
	sim                 *simulator.Simulator
	next                func() (simulator.Event, bool)
	ends                time.Time
	seed                maphash.Seed
	seen                map[uint64]bool // hashes of events that were sent
	repeats             int             // events that were sent before, byte for byte
	events, sent, extra int             // of the simulation; records that the test put beside them
	env                 []string        // of members
	members             []*member
}

// newRig starts Kafka and ClickHouse and makes the topics. tune changes the simulated chain: four stores in little more than a day. The
// test runs beside others: most of its time it waits for timeouts.
func newRig(t *testing.T, seed uint64, tune ...func(*simulator.Config)) *rig {
	t.Helper()
	t.Parallel()
	r := &rig{
		t: t, rnd: rand.New(rand.NewPCG(seed, 1)), data: t.TempDir(), broker: ownKafka(t), partitions: 4, topics: rigTopics, stores: map[string]int32{}, seed: maphash.MakeSeed(), seen: map[uint64]bool{},
		place: func(store int32) int32 { return store % 4 },
	}
	users := filepath.Join(engineDir(r.data), "users.d", "roles.xml")
	if err := errors.Join(os.MkdirAll(filepath.Dir(users), 0o700), os.WriteFile(users, []byte(roles.UsersXML()), 0o600)); err != nil {
		t.Fatal(err)
	}
	r.engine = openEngine(t, r.data)
	t.Cleanup(func() {
		if err := r.engine.Close(); err != nil {
			t.Error(err)
		}
	})
	r.kafka, r.clickhouse = newWire(t, r.broker.Addr(), true), newWire(t, r.engine.HTTPAddr(), false)
	r.config = filepath.Join(t.TempDir(), "tillstream.yaml")
	text := fmt.Sprintf(`
kafka: {brokers: [%q], group: %s, session_timeout: 10s, heartbeat_interval: 500ms, rebalance_timeout: 10s}
clickhouse: {dsn: "http://writer@%s/default"}
privacy: {secret: %s}
processor: {batch_records: 400, batch_age: 200ms}
listen: ""
`, r.kafka.addr, rigGroup, r.clickhouse.addr, rigSecret)
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	r.client, err = kgo.NewClient(kgo.SeedBrokers(r.broker.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(100*time.Millisecond),
		kgo.RetryTimeout(patience), kgo.RequestTimeoutOverhead(patience),
		kgo.MaxVersions(kversion.V3_0_0()), // newer requests name topics by their ids
		// An idempotent producer would have five requests under way. A broker that is started again has forgotten one whose records are dated as far
		// back as these (producer.id.expiration.ms): where the first is lost it takes the others, refuses the first, and all five are sent again.
		kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
	r.createTopics()

	cfg := rigChain(seed, tune...)
	count, err := simulator.New(cfg)
	if err == nil {
		r.sim, err = simulator.New(cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range count.Events() {
		r.events++
	}
	r.ends = cfg.End
	var stop func()
	r.next, stop = iter.Pull(r.sim.Events())
	t.Cleanup(stop)
	return r
}

// rigChain is the chain of a rig.
func rigChain(seed uint64, tune ...func(*simulator.Config)) simulator.Config {
	cfg := simulator.Default()
	cfg.Seed, cfg.Stores, cfg.Secret, cfg.Dirty, cfg.Faults = seed, 4, []byte(rigSecret), 0.002, 6
	cfg.End = time.Date(2026, 10, 27, 0, 0, 0, 0, time.UTC)
	cfg.Start = cfg.End.Add(-30 * time.Hour)
	for _, f := range tune {
		f(&cfg)
	}
	return cfg
}

// register tells the lanes of the chain, as of an instant after all that happens in it: apply would.
func (r *rig) register(at time.Time) {
	r.t.Helper()
	objects, wrong := manifest.Read("chain.yaml", r.sim.Registry())
	set := manifest.Set{}
	for _, o := range objects {
		set[o.Key()] = o
	}
	documents, err := set.Resolve()
	if err = errors.Join(append(wrong, err)...); err != nil {
		r.t.Fatal(err)
	}
	var batch []*kgo.Record
	for _, id := range slices.Sorted(maps.Keys(documents)) {
		value, err := manifest.Event(id, 1, at, documents[id])
		if err != nil {
			r.t.Fatal(err)
		}
		record := r.record(simulator.Event{Topic: "pos.registry", Key: []byte(id), Value: value, Arrival: at.UnixMilli()})
		if r.keep != nil && r.keep(record) {
			continue
		}
		batch = append(batch, record)
		r.extra++
	}
	r.produce(batch)
}

func (r *rig) createTopics() {
	r.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = int32(patience.Milliseconds())
	for _, topic := range r.topics {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = topic, int32(r.partitions), 1
		for name, value := range map[string]string{"message.timestamp.type": "CreateTime", "retention.ms": "-1"} {
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			c.Name, c.Value = name, &value
			t.Configs = append(t.Configs, c)
		}
		req.Topics = append(req.Topics, t)
	}
	res, err := req.RequestWith(r.t.Context(), r.client)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, t := range res.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil && err != kerr.TopicAlreadyExists { //nolint:errorlint // as it is made
			r.t.Fatalf("creating %s: %v", t.Topic, err)
		}
	}
}

// feed sends events until this share of all was sent, and before the first the registry.
func (r *rig) feed(share float64) {
	r.t.Helper()
	if r.extra == 0 && r.sent == 0 && share > 0 {
		r.register(r.ends)
	}
	var batch []*kgo.Record
	for r.sent < int(share*float64(r.events)) {
		ev, ok := r.next()
		if !ok {
			break
		}
		r.sent++
		if h := maphash.Bytes(r.seed, ev.Value); ev.Dirty == "" && r.seen[h] {
			r.repeats++
		} else {
			r.seen[h] = true
		}
		record := r.record(ev)
		if r.keep != nil && r.keep(record) {
			r.extra--
			continue
		}
		if r.write != nil {
			r.write(record)
		}
		batch = append(batch, record)
	}
	r.produce(batch)
	if r.sent == r.events {
		r.next() // now there is a truth
	}
}

func (r *rig) produce(batch []*kgo.Record) {
	r.t.Helper()
	ctx, cancel := patient(r.t)
	defer cancel()
	if err := r.client.ProduceSync(ctx, batch...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

// record puts each store into a partition of its own, as far as they go.
func (r *rig) record(ev simulator.Event) *kgo.Record {
	store := string(ev.Key)
	n, ok := r.stores[store]
	if !ok {
		n = int32(len(r.stores))
		r.stores[store] = n
	}
	return &kgo.Record{Topic: ev.Topic, Partition: r.place(n), Key: ev.Key, Value: ev.Value, Timestamp: time.UnixMilli(ev.Arrival)}
}

// ask runs a query past the wire; "" while ClickHouse does not answer.
func (r *rig) ask(query string) string {
	text, err := r.post(query)
	if err != nil {
		return ""
	}
	return text
}

// exec runs a statement that must work.
func (r *rig) exec(statement string) {
	r.t.Helper()
	if _, err := r.post(statement); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) post(statement string) (string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience} // ClickHouse waits for open ones when it ends
	res, err := client.Post("http://"+r.engine.HTTPAddr()+"/", "text/plain", strings.NewReader(statement))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", statement, text)
	}
	return strings.TrimSpace(string(text)), err
}

// passed is how many offsets the books know of.
func (r *rig) passed() int {
	n, _ := strconv.Atoi(r.ask("SELECT toInt64(sum(records + duplicates + rejected + gaps)) FROM pos.ledger"))
	return n
}

// until polls a condition for as long as a fault may at most last, and a little longer.
func (r *rig) until(what string, condition func() bool) {
	r.t.Helper()
	until(r.t, what, condition, func() string {
		for i, m := range r.members {
			r.t.Logf("member %d said:\n%s", i, m.tail(4000))
		}
		return fmt.Sprintf("%d of %d events were sent, %d offsets passed", r.sent, r.events, r.passed())
	})
}

// patience is for how long tests wait: longer than a busy machine takes, also where a process gets no turn for half a minute.
const patience = 4 * time.Minute

// patient is a context for what must come to an end, whatever it takes.
func patient(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), patience)
}

// until looks again and again until done; seen says what there is instead.
func until(t *testing.T, what string, done func() bool, seen func() string) {
	t.Helper()
	if !eventually(t, done) {
		t.Fatalf("waited in vain for %s; %s", what, seen())
	}
}

// eventually is until for goroutines, which cannot end a test. It looks again after a tenth of the time that it has waited: a look at the books takes some milliseconds of CPU.
func eventually(t *testing.T, done func() bool) bool {
	ctx, cancel := patient(t)
	defer cancel()
	for begun := time.Now(); !done(); {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(min(max(time.Since(begun)/10, 50*time.Millisecond), 500*time.Millisecond)):
		}
	}
	return true
}

// advance waits until n more offsets have passed, or all that there are.
func (r *rig) advance(n int) {
	r.t.Helper()
	want := min(r.passed()+n, r.sent+r.extra)
	r.until(fmt.Sprintf("%d offsets", want), func() bool { return r.passed() >= want })
}

// start starts a member. It needs a ClickHouse that answers, so as not to end at once.
func (r *rig) start() *member {
	r.t.Helper()
	r.until("ClickHouse", func() bool { return r.ask("SELECT 1") == "1" })
	m := startMember(r.t, r.config, r.env...)
	r.members = append(r.members, m)
	return m
}

// settle sends what is left, waits until all of it is folded, ends the members and compares everything with the truth.
func (r *rig) settle() {
	r.t.Helper()
	r.feed(1)
	r.until("the end", func() bool { return r.passed() >= r.sent+r.extra && r.rests() })
	for _, m := range r.members {
		m.stop()
		if said := m.tail(1 << 20); strings.Contains(said, "lane stopped") {
			r.t.Errorf("a lane stopped:\n%s", said)
		}
	}
	// A producer that heard no answer sends again: that must have been counted as duplicates. That no more was accepted, the truth says.
	duplicates, _ := strconv.Atoi(r.ask("SELECT toInt64(sum(duplicates)) FROM pos.ledger"))
	if again := r.passed() - r.sent - r.extra; again != 0 && again != duplicates-r.repeats {
		r.t.Errorf("%d offsets passed, %d records sent; %d duplicates counted, %d sent", r.passed(), r.sent+r.extra, duplicates, r.repeats)
	}
	compareTruth(r.t, r.sim.Truth(), "--dsn", r.engine.DSN())
	if code, said := r.audit(); code != exitDone {
		r.t.Errorf("audit exited %d: %s", code, said)
	}
}

// rests says whether the end of every partition is committed, which comes after the state of the last batch.
func (r *rig) rests() bool {
	for _, topic := range r.topics {
		for p := range int32(r.partitions) {
			if max(r.committed(topic, p), 0) < r.end(topic, p) {
				return false
			}
		}
	}
	return true
}

func (r *rig) audit() (int, string) { return auditOf(r.t, "--dsn", r.engine.DSN()) }

// killEngine kills the process of ClickHouse, which its supervisor starts again.
func (r *rig) killEngine() {
	r.t.Helper()
	r.signalEngine(syscall.SIGKILL)
}

func (r *rig) signalEngine(s syscall.Signal) {
	r.t.Helper()
	mine := "--config-file=" + filepath.Join(engineDir(r.data), "config.xml") + "\x00"
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, name := range all {
		if line, err := os.ReadFile(name); err != nil || !bytes.Contains(line, []byte(mine)) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err := syscall.Kill(pid, s); err != nil {
			r.t.Fatal(err)
		}
		return
	}
	r.t.Log("no process of ClickHouse: it is just being started again")
}

// member is a process of the program.
type member struct {
	t     *testing.T
	cmd   *exec.Cmd
	spoke chan struct{} // closed when it has logged something: before that nothing catches SIGTERM
	done  chan struct{} // closed when it has ended
	gone  bool          // killed or stopped by the test

	mu  sync.Mutex
	log bytes.Buffer
}

func startMember(t *testing.T, config string, env ...string) *member {
	t.Helper()
	m := &member{t: t, cmd: exec.CommandContext(t.Context(), os.Args[0], "run", "--config", config), spoke: make(chan struct{}), done: make(chan struct{})}
	m.cmd.Env = append(append(os.Environ(), asProgram+"=1"), env...)
	m.cmd.Stderr = m
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = m.cmd.Wait()
		close(m.done)
	}()
	t.Cleanup(m.kill)
	return m
}

// Write takes what it logs.
func (m *member) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.log.Len() == 0 && len(p) > 0 {
		close(m.spoke)
	}
	return m.log.Write(p)
}

// tail is the end of what it logged.
func (m *member) tail(n int) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.log.Bytes()
	return string(b[max(0, len(b)-n):])
}

func (m *member) said(what string) bool { return strings.Contains(m.tail(1<<20), what) }

func (m *member) signal(s syscall.Signal) { _ = m.cmd.Process.Signal(s) }

// kill ends it at once.
func (m *member) kill() {
	m.signal(syscall.SIGKILL)
	<-m.done
	m.gone = true
}

// stop asks it to end, which must go well. One that the test has ended already stays so.
func (m *member) stop() {
	m.t.Helper()
	if m.gone {
		return
	}
	m.gone = true
	select {
	case <-m.spoke:
	case <-m.done:
	}
	m.signal(syscall.SIGTERM)
	<-m.done
	if code := m.cmd.ProcessState.ExitCode(); code != exitDone {
		m.t.Errorf("a member exited %d: %s", code, m.tail(4000))
	}
}
