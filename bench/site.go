package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/deploy/embedded"
	"github.com/tillstream/tillstream/deploy/embedded/realkafka"
)

const (
	partitions = 4
	secret     = "a secret of many bytes"
)

// site is the Kafka and the ClickHouse that all peers share.
type site struct {
	dir       string
	broker    *realkafka.Kafka
	engine    *embedded.Engine
	client    *kafka.Client
	producer  *kgo.Client
	http      *http.Client
	kafkaPID  int
	clickPID  int
	following int // numbers what must have names of its own
}

func openSite(ctx context.Context, dir, kafkaHeap string) (s *site, err error) {
	s = &site{dir: dir, http: &http.Client{Timeout: 10 * time.Minute}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	// The broker is one as in production: G1 and the optimising compiler.
	if s.broker, err = realkafka.Start(ctx, realkafka.Config{Dir: filepath.Join(dir, "kafka"), JVM: []string{"-Xms" + kafkaHeap, "-Xmx" + kafkaHeap, "-XX:+UseG1GC"}}); err != nil {
		return nil, err
	}
	if s.engine, err = embedded.StartEngine(ctx, embedded.EngineConfig{Dir: filepath.Join(dir, "clickhouse"), Log: zap.NewNop()}); err != nil {
		return nil, err
	}
	s.client = &kafka.Client{Addr: kafka.TCP(s.broker.Addr()), Timeout: 30 * time.Second}
	if s.producer, err = kgo.NewClient(kgo.SeedBrokers(s.broker.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(5*time.Millisecond),
		kgo.MaxBufferedRecords(200_000), kgo.ProducerBatchCompression(kgo.Lz4Compression())); err != nil {
		return nil, err
	}
	s.kafkaPID, s.clickPID = childWith("kafka.Kafka\x00"), childWith("--config-file="+filepath.Join(dir, "clickhouse", "config.xml")+"\x00")
	if s.kafkaPID == 0 || s.clickPID == 0 {
		return nil, errors.New("looking for the processes of Kafka and ClickHouse: they are not among our children")
	}
	return s, nil
}

func (s *site) close() {
	if s.producer != nil {
		s.producer.Close()
	}
	s.http.CloseIdleConnections()
	if s.engine != nil {
		_ = s.engine.Close() // all that is left is to remove what they kept
	}
	if s.broker != nil {
		_ = s.broker.Close()
	}
}

func (s *site) next() int { s.following++; return s.following }

// topics are those that a topic of sales comes with for tillstream, which reads more than sales.
func topics(sales string) []string {
	prefix := strings.TrimSuffix(sales, "transactions")
	return []string{sales, prefix + "health", prefix + "incidents", prefix + "registry", prefix + "orders"}
}

// createTopics keep the time that the producer gives.
func (s *site) createTopics(ctx context.Context, names []string) error {
	req := &kafka.CreateTopicsRequest{}
	for _, name := range names {
		req.Topics = append(req.Topics, kafka.TopicConfig{Topic: name, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: []kafka.ConfigEntry{
			{ConfigName: "message.timestamp.type", ConfigValue: "CreateTime"}, {ConfigName: "retention.ms", ConfigValue: "-1"},
		}})
	}
	res, err := s.client.CreateTopics(ctx, req)
	if err != nil {
		return fmt.Errorf("creating topics: %w", err)
	}
	for name, err := range res.Errors {
		if err != nil {
			return fmt.Errorf("creating topic %s: %w", name, err)
		}
	}
	return nil
}

func (s *site) deleteTopics(ctx context.Context, names []string) error {
	_, err := s.client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: names})
	return err
}

// load sends events and reckons what they come to; copy, if not nil, gets them too, one a line.
func (s *site) load(ctx context.Context, topic string, events iter.Seq[event], copy io.Writer) (*oracle, error) {
	o := newOracle()
	failed := make(chan error, 1)
	for e := range events {
		if err := o.add(e.value); err != nil {
			return nil, err
		}
		if copy != nil {
			if _, err := fmt.Fprintf(copy, "%s\n", e.value); err != nil {
				return nil, fmt.Errorf("writing the events to a file: %w", err)
			}
		}
		s.send(ctx, topic, e, failed)
	}
	if err := s.producer.Flush(ctx); err != nil {
		return nil, fmt.Errorf("sending events: %w", err)
	}
	select {
	case err := <-failed:
		return nil, fmt.Errorf("sending events: %w", err)
	default:
		return o, nil
	}
}

// send hands an event to the producer; the first failure goes to failed.
func (s *site) send(ctx context.Context, topic string, e event, failed chan<- error) {
	r := &kgo.Record{Topic: topic, Partition: int32(e.store % partitions), Key: bytes.Clone(e.key), Value: bytes.Clone(e.value), Timestamp: e.time}
	s.producer.Produce(ctx, r, func(_ *kgo.Record, err error) {
		if err != nil {
			select {
			case failed <- err:
			default:
			}
		}
	})
}

// committed is how many records of a topic a group is done with.
func (s *site) committed(ctx context.Context, group, topic string) (n int64, err error) {
	all := make([]int, partitions)
	for i := range all {
		all[i] = i
	}
	res, err := s.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: all}})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return 0, fmt.Errorf("reading the offsets of group %s: %w", group, err)
	}
	for _, p := range res.Topics[topic] {
		n += max(0, p.CommittedOffset)
	}
	return n, nil
}

func (s *site) address() string { return "http://" + s.engine.HTTPAddr() + "/" }

// ask runs a statement in ClickHouse, with body after it if that is not nil.
func (s *site) ask(ctx context.Context, statement string, body io.Reader, settings ...string) (string, error) {
	to := s.address()
	query := url.Values{}
	for i := 0; i+1 < len(settings); i += 2 {
		query.Set(settings[i], settings[i+1])
	}
	if body == nil {
		body = strings.NewReader(statement)
	} else {
		query.Set("query", statement)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to+"?"+query.Encode(), body)
	if err != nil {
		return "", err
	}
	res, err := s.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("ClickHouse answered to %q: %s", statement, text)
	}
	return strings.TrimSpace(string(text)), err
}

// execute runs statements, one after the other.
func (s *site) execute(ctx context.Context, statements ...string) error {
	for _, q := range statements {
		if _, err := s.ask(ctx, q, nil); err != nil {
			return err
		}
	}
	return nil
}

// totals asks for four columns: lines, quantity, amount, keys.
func (s *site) totals(ctx context.Context, query string) (t totals, err error) {
	text, err := s.ask(ctx, "SELECT toString(l), toString(q), toString(a), toString(k) FROM ("+query+") FORMAT JSONCompact", nil)
	if err != nil {
		return t, err
	}
	var answer struct{ Data [][]json.Number }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Data) != 1 || len(answer.Data[0]) != 4 {
		return t, fmt.Errorf("ClickHouse answered %q to a question for totals", text)
	}
	for i, to := range []*int64{&t.Lines, &t.Quantity, &t.Amount, &t.Keys} {
		if *to, err = answer.Data[0][i].Int64(); err != nil {
			return t, fmt.Errorf("reading totals: %w", err)
		}
	}
	return t, nil
}

// bytes is what databases take on disk when all is merged, and the table that takes most of it.
func (s *site) bytes(ctx context.Context, databases []string) (total int64, largest string, err error) {
	in := "('" + strings.Join(databases, "', '") + "')"
	text, err := s.ask(ctx, "SELECT concat(database, '.', name) FROM system.tables WHERE database IN "+in+" AND engine LIKE '%MergeTree' AND total_rows > 0", nil)
	if err != nil {
		return 0, "", err
	}
	for table := range strings.FieldsSeq(text) {
		if err := s.execute(ctx, "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
			return 0, "", err
		}
	}
	text, err = s.ask(ctx, "SELECT toString(sum(b)), argMax(table, b), toString(max(b)) FROM (SELECT table, sum(bytes_on_disk) AS b FROM system.parts WHERE active AND database IN "+in+" GROUP BY table)", nil)
	if err != nil {
		return 0, "", err
	}
	var share int64
	if _, err := fmt.Sscan(text, &total, &largest, &share); err != nil {
		return 0, "", fmt.Errorf("reading sizes: %w", err)
	}
	return total, fmt.Sprintf("%.0f %% in %s", 100*float64(share)/float64(max(1, total)), largest), nil
}

// scratch is a new directory.
func (s *site) scratch(name string) (string, error) {
	dir := filepath.Join(s.dir, fmt.Sprintf("%s-%d", name, s.next()))
	return dir, os.MkdirAll(dir, 0o755)
}
