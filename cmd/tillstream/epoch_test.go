package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"

	"github.com/tillstream/tillstream/deploy/embedded"
	"github.com/tillstream/tillstream/processor/commit"
)

// chain is a small simulated chain of stores, in so many files of canonical events.
func chain(t *testing.T, files int) []string {
	t.Helper()
	dir := t.TempDir()
	all := filepath.Join(dir, "all.jsonl")
	if code, stderr := tillstream(t, io.Discard, "simulate", "--stores", "3", "--days", "1", "--until", "2026-11-02T12:00:00Z", "--out", all); code != exitDone {
		t.Fatalf("simulate exited %d: %s", code, stderr)
	}
	text, err := os.ReadFile(all)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	names := make([]string, files)
	for i := range names {
		names[i] = filepath.Join(dir, fmt.Sprintf("%d.jsonl", i))
		part := bytes.Join(lines[i*len(lines)/files:(i+1)*len(lines)/files], nil)
		if err := os.WriteFile(names[i], part, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// siteTopics are what members read, but for the registry.
var siteTopics = []string{"pos.transactions", "pos.health", "pos.incidents", "pos.orders"}

// site is a Kafka with four partitions a topic, and a ClickHouse.
type site struct {
	t                 *testing.T
	data, broker, dsn string
	client            *kafka.Client
	release           func()
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, data: t.TempDir(), broker: ownKafka(t).Addr()}
	s.release = holdEngine(t, s.data)
	var ok bool
	if s.dsn, ok = embedded.Running(t.Context(), engineDir(s.data)); !ok {
		t.Fatal("the engine does not answer")
	}
	s.client = &kafka.Client{Addr: kafka.TCP(s.broker), Transport: &kafka.Transport{DialTimeout: patience}, Timeout: patience}
	t.Cleanup(s.client.Transport.(*kafka.Transport).CloseIdleConnections)
	s.create(siteTopics...)
	return s
}

func (s *site) create(topics ...string) {
	s.t.Helper()
	for _, topic := range topics {
		res, err := s.client.CreateTopics(s.t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 4, ReplicationFactor: 1}}})
		if err != nil || res.Errors[topic] != nil {
			s.t.Fatal(err, res)
		}
	}
}

// config is a configuration with so many lanes; 0 are any.
func (s *site) config(lanes int) string {
	s.t.Helper()
	path := writeConfig(s.t, s.broker, s.dsn, "")
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("processor: {"), []byte("processor: {lanes: "+strconv.Itoa(lanes)+", "), 1)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *site) ingest(file string) {
	s.t.Helper()
	if code, stderr := tillstream(s.t, io.Discard, "ingest", "--config", s.config(0), file); code != exitDone {
		s.t.Fatalf("ingest exited %d: %s", code, stderr)
	}
}

// ask gives the first column of a query's first row; "" where there is none, or no table yet.
func (s *site) ask(query string) string {
	var out strings.Builder
	code, _ := tillstream(s.t, &out, "sql", "--dsn", s.dsn, "--format", "csv", query)
	rows := strings.Split(strings.TrimSpace(out.String()), "\n")
	if code != exitDone || len(rows) < 2 {
		return ""
	}
	return strings.Trim(rows[1], `"`)
}

// until waits for a query to give a value.
func (s *site) until(query, want string) {
	s.t.Helper()
	var got string
	until(s.t, query+" to give "+want, func() bool {
		got = s.ask(query)
		return got == want
	}, func() string { return "it gives " + got })
}

// ends is how many offsets the topics have.
func (s *site) ends() (n int64) {
	s.t.Helper()
	for _, end := range s.partitions() {
		n += end
	}
	return n
}

// partitions are the ends of all partitions.
func (s *site) partitions() map[commit.TopicPartition]int64 {
	s.t.Helper()
	req := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	for _, topic := range siteTopics {
		for p := range 4 {
			req.Topics[topic] = append(req.Topics[topic], kafka.LastOffsetOf(p))
		}
	}
	res, err := s.client.ListOffsets(s.t.Context(), req)
	if err != nil {
		s.t.Fatal(err)
	}
	ends := map[commit.TopicPartition]int64{}
	for topic, partitions := range res.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				s.t.Fatal(p.Error)
			}
			ends[commit.TopicPartition{Topic: topic, Partition: int32(p.Partition)}] = p.LastOffset
		}
	}
	return ends
}

const passed = "SELECT toInt64(sum(records + duplicates + rejected + gaps)) FROM pos.ledger"

// fold runs a member until all is folded.
func (s *site) fold(lanes int) {
	s.t.Helper()
	m, want, got := startMember(s.t, s.config(lanes)), fmt.Sprint(s.ends()), ""
	until(s.t, want+" offsets", func() bool {
		got = s.ask(passed)
		return got == want
	}, func() string { return fmt.Sprintf("%s were folded; the member said:\n%s", got, m.tail(8000)) })
	m.stop()
}

func (s *site) audit() {
	s.t.Helper()
	if code, said := audit(s.t, s.data); code != exitDone {
		s.t.Errorf("audit exited %d: %s", code, said)
	}
}

// processor.lanes changes between starts, also while two members start at once: the rows are those of a run without the change.
func TestPipelineLanesChange(t *testing.T) {
	t.Parallel()
	files := chain(t, 4)
	rows := func(f func(s *site)) map[string]string {
		s := newSite(t)
		f(s)
		s.audit()
		s.release()
		return snapshot(t, s.data)
	}
	want := rows(func(s *site) {
		for _, f := range files {
			s.ingest(f)
		}
		s.fold(2)
	})
	got := rows(func(s *site) {
		s.ingest(files[0])
		s.fold(2)
		s.ingest(files[1])
		s.fold(3)
		s.until("SELECT concat(toString(max(epoch)), ' ', argMax(reason, epoch)) FROM tillstream.streams", "2 processor.lanes was changed from 2 to 3")
		s.ingest(files[2])
		one, other := startMember(s.t, s.config(4)).stop, startMember(s.t, s.config(4)).stop
		s.until(passed, fmt.Sprint(s.ends()))
		// They agree on one epoch: the third, or a later one, where one that began it got no turn for so long that the other took that for cut short.
		const last = "SELECT concat(toString(max(epoch)), ' ', toString(argMax(lanes, epoch))) FROM tillstream.streams"
		agreed := s.ask(last)
		if epoch, lanes, _ := strings.Cut(agreed, " "); epoch < "3" || lanes != "4" {
			t.Errorf("two that started at once are in epoch %s with %s lanes", epoch, lanes)
		}

		third := startMember(s.t, s.config(2)) // beside others it works as they do; alone it would begin an epoch of its own
		until(s.t, "the third member to find the others", func() bool { return third.said("processor.lanes takes effect at a start when no other member runs") }, func() string { return third.tail(4000) })
		s.ingest(files[3])
		s.until(passed, fmt.Sprint(s.ends()))
		one()
		other()
		third.stop()
		s.fold(0)
		if now := s.ask(last); now != agreed {
			t.Errorf("the newest epoch and its lanes are %s, and were %s", now, agreed)
		}
	})
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rows (-one epoch +three):\n%s", d)
	}
}

// state is the newest epoch, its lanes and why it began.
const state = "SELECT concat(toString(epoch), ' ', toString(lanes), ' ', reason) FROM tillstream.streams FINAL ORDER BY epoch DESC LIMIT 1"

// commit sets the committed offset of every partition to where ClickHouse ends, with metadata for a partition that ends there in Kafka.
func (s *site) commit(meta func(end int64) commit.Metadata) {
	s.t.Helper()
	ends := s.partitions()
	req := &kafka.OffsetCommitRequest{GroupID: "tests", GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{}}
	for _, topic := range siteTopics {
		for p := range 4 {
			at, err := strconv.ParseInt(s.ask(fmt.Sprintf("SELECT max(to_offset) FROM pos.ledger WHERE topic = '%s' AND partition = %d", topic, p)), 10, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			req.Topics[topic] = append(req.Topics[topic], kafka.OffsetCommit{Partition: p, Offset: at, Metadata: meta(ends[commit.TopicPartition{Topic: topic, Partition: int32(p)}]).String()})
		}
	}
	res, err := s.client.OffsetCommit(s.t.Context(), req)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, partitions := range res.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				s.t.Fatal(p.Error)
			}
		}
	}
}

// check runs tillstream epoch --check.
func (s *site) check() (int, string) {
	s.t.Helper()
	var out strings.Builder
	code, stderr := tillstream(s.t, &out, "epoch", "--config", s.config(0), "--check")
	return code, out.String() + stderr
}

func TestEpochWaitsForABatchUnderWay(t *testing.T) {
	t.Parallel()
	files := chain(t, 2)
	s := newSite(t)
	defer s.release()
	s.ingest(files[0])
	s.fold(1)
	if code, said := s.check(); code != exitDone || !strings.Contains(said, "lane tests/0: at rest after batch ") {
		t.Errorf("a clean stop: check exited %d: %s", code, said)
	}
	mark, err := commit.ParseMark(s.ask("SELECT max(mark) FROM tillstream.state WHERE lane = 'tests/0'"))
	if err != nil {
		t.Fatal(err)
	}
	// As a member leaves it that is killed when it has just begun a batch.
	s.ingest(files[1])
	s.commit(func(end int64) commit.Metadata {
		return commit.Metadata{Epoch: 1, Batch: mark.Batch + 1, Pending: true, Partitions: 4 * len(siteTopics), To: end, Deadline: 1, Fingerprint: "0badcafe"}
	})
	if code, said := s.check(); code != exitFailed || !strings.Contains(said, "batch "+fmt.Sprint(mark.Batch+1)+" begun by") || !strings.Contains(said, "1 lanes are not at rest") {
		t.Errorf("a batch under way: check exited %d: %s", code, said)
	}
	code, stderr := tillstream(t, io.Discard, "epoch", "--config", s.config(0), "--lanes", "3", "--reason", "more")
	if code != exitFailed || !strings.Contains(stderr, fmt.Sprintf("lane tests/0 has batch %d begun by the version or configuration with fingerprint 0badcafe", mark.Batch+1)) ||
		!strings.Contains(stderr, "start tillstream run once as it was (processor.lanes: 1)") {
		t.Errorf("an epoch over a batch under way exited %d: %s", code, stderr)
	}
	stop := startMember(t, s.config(3)).stop // finishes the batch first, with the lanes that it has
	s.until(passed, fmt.Sprint(s.ends()))
	if code, said := s.check(); code != exitFailed || !strings.Contains(said, "has members (tillstream at") {
		t.Errorf("a member at work: check exited %d: %s", code, said)
	}
	stop()
	var out strings.Builder
	if code, stderr := tillstream(t, &out, "epoch", "--config", s.config(0), "--lanes", "3", "--reason", "more"); code != exitDone {
		t.Fatalf("epoch exited %d: %s", code, stderr)
	}
	s.until(state, "2 3 more")

	// As a change leaves it that is killed between Kafka and ClickHouse.
	s.commit(func(int64) commit.Metadata { return commit.Metadata{Epoch: 3} })
	s.ingest(files[0])
	s.fold(0)
	s.until(state, "4 3 a change of epoch was cut short")
	s.audit()
}
