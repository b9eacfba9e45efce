//go:build realkafka

package realkafka

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

// patience is for how long tests wait: longer than a busy machine takes.
const patience = 4 * time.Minute

// parentEnv makes the test binary start a broker on a directory and wait to be killed.
const parentEnv = "TILLSTREAM_TEST_KAFKA_PARENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(parentEnv); dir != "" {
		k, err := Start(context.Background(), Config{Dir: dir})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(k.process.Pid())
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
	goleak.VerifyTestMain(m)
}

func start(t *testing.T, dir string) *Kafka {
	t.Helper()
	k, err := Start(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // once more does nothing
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func client(t *testing.T, addr string) *kafka.Client {
	t.Helper()
	transport := &kafka.Transport{DialTimeout: patience}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(addr), Transport: transport, Timeout: patience}
}

// eventually repeats what a new cluster may refuse at first.
func eventually(t *testing.T, what string, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for err := try(ctx); err != nil; err = try(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-tick.C:
		}
	}
}

// holds fails unless the broker has the message and the committed offset with its metadata.
func holds(t *testing.T, addr string) {
	t.Helper()
	c := client(t, addr)
	eventually(t, "reading what was kept", func(ctx context.Context) error {
		res, err := c.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: "g", Topics: map[string][]int{"t": {0}}})
		if err != nil {
			return err
		}
		if res.Error != nil || len(res.Topics["t"]) != 1 { // the coordinator is not there yet
			return fmt.Errorf("fetching the offset: %w, topics %v", res.Error, res.Topics)
		}
		if got := res.Topics["t"][0]; got.Error != nil {
			return got.Error
		} else if got.CommittedOffset != 1 || got.Metadata != "intent" {
			t.Fatalf("committed %+v, want 1 with its metadata", got)
		}
		got, err := c.Fetch(ctx, &kafka.FetchRequest{Topic: "t", Partition: 0, Offset: 0, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
		if err = errors.Join(err, fetchError(got)); err != nil {
			return err
		}
		rec, err := got.Records.ReadRecord()
		if err != nil {
			return err
		}
		if value, err := io.ReadAll(rec.Value); err != nil || string(value) != "kept" {
			t.Fatalf("read %q, %v", value, err)
		}
		return nil
	})
}

func fetchError(r *kafka.FetchResponse) error {
	if r == nil {
		return nil
	}
	return r.Error
}

func TestBrokerKeepsItsWordThroughKillRestartAndReopening(t *testing.T) {
	dir := t.TempDir()
	k := start(t, dir)
	c := client(t, k.Addr())
	made, err := c.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: "t", NumPartitions: 1, ReplicationFactor: 1}}})
	if err != nil || made.Errors["t"] != nil {
		t.Fatal(err, made)
	}
	w := &kafka.Writer{Addr: c.Addr, Topic: "t", Transport: c.Transport, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond}
	if err := errors.Join(w.WriteMessages(t.Context(), kafka.Message{Value: []byte("kept")}), w.Close()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "committing", func(ctx context.Context) error {
		res, err := c.OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: "g", GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{"t": {{Offset: 1, Metadata: "intent"}}}})
		if err != nil {
			return err
		}
		return res.Topics["t"][0].Error
	})
	holds(t, k.Addr())

	k.Kill()
	addr := k.Addr()
	if err := k.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if k.Addr() != addr {
		t.Errorf("the address was %s and is %s", addr, k.Addr())
	}
	holds(t, k.Addr())
	if err := k.Restart(t.Context()); err != nil { // while it runs
		t.Fatal(err)
	}
	holds(t, k.Addr())
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	holds(t, start(t, dir).Addr()) // on other ports
}

func TestTransactions(t *testing.T) {
	k := start(t, filepath.Join(t.TempDir(), "a b,c")) // a directory no property could hold
	c := client(t, k.Addr())
	made, err := c.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: "t", NumPartitions: 1, ReplicationFactor: 1}}})
	if err != nil || made.Errors["t"] != nil {
		t.Fatal(err, made)
	}
	p, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()), kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for value, how := range map[string]kgo.TransactionEndTry{"committed": kgo.TryCommit, "aborted": kgo.TryAbort} {
		if err := p.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := p.ProduceSync(t.Context(), kgo.StringRecord(value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := p.EndTransaction(t.Context(), how); err != nil {
			t.Fatal(err)
		}
	}
	r, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()), kgo.ConsumeTopics("t"), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var read []string
	for controls := 0; controls < 2; { // each transaction ends with one
		fetches := r.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for _, rec := range fetches.Records() {
			if rec.Attrs.IsControl() {
				controls++
				continue
			}
			read = append(read, string(rec.Value))
		}
	}
	if strings.Join(read, " ") != "committed" {
		t.Errorf("read %q, want the committed one alone", read)
	}
}

func TestBrokerEndsWithItsParent(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), parentEnv+"="+t.TempDir())
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	eventually(t, "the broker's end", func(context.Context) error {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) || strings.Contains(string(stat), ") Z ") {
			return nil
		}
		return fmt.Errorf("process %d lives, %w", pid, err)
	})
}

func TestASecondBrokerOnOneDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	k := start(t, dir)
	if _, err := Start(t.Context(), Config{Dir: dir}); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v", err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if err := k.Restart(t.Context()); err == nil {
		t.Error("a closed broker was started again")
	}
	// What holds the data is refused by the broker itself, and its log has the reason.
	if err := os.WriteFile(filepath.Join(dir, "data", "meta.properties"), []byte("version=7"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "meta.properties") || !strings.Contains(err.Error(), "kafka.log") {
		t.Errorf("with a broken data directory: %v", err)
	}
}
