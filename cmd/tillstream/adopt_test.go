package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// stops runs a member until one of its lanes stops, and gives the sentence.
func (s *site) stops(lanes int) string {
	s.t.Helper()
	ctx, cancel := patient(s.t)
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(&env{ctx: ctx, environ: os.Environ(), stdin: strings.NewReader(""), stdout: io.Discard, stderr: w}, []string{"run", "--config", s.config(lanes)})
		w.Close()
	}()
	sentence := ""
	log := make([]byte, 0, 1<<16)
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		log = append(log, buf[:n]...)
		// A lane that stopped, or a start that was refused.
		if m := regexp.MustCompile(`(?m)lane stopped\s.*"error": ".*$|^tillstream: .*$`).Find(log); m != nil && sentence == "" {
			sentence = string(m)
			cancel()
		}
		if err != nil {
			break
		}
	}
	if code := <-ended; sentence == "" {
		s.t.Fatalf("no lane stopped; exit %d: %s", code, log)
	}
	return sentence
}

// adopts are the commands that a sentence names.
func adopts(sentence string) (commands [][]string) {
	for _, m := range regexp.MustCompile(`tillstream (adopt [^;,]*?) --reason TEXT`).FindAllStringSubmatch(sentence, -1) {
		commands = append(commands, strings.Fields(m[1]))
	}
	return commands
}

// adopt runs a command as a sentence names it, first dry. It gives what was printed.
func (s *site) adopt(command []string, more ...string) string {
	s.t.Helper()
	command = append(append(command, "--reason", "because of a test", "--config", s.config(0)), more...)
	before := s.ask("SELECT count() FROM tillstream.streams")
	for _, dry := range []bool{true, false} {
		var out strings.Builder
		args := append(command[:len(command):len(command)], map[bool]string{true: "--dry-run", false: "--yes"}[dry])
		if code, stderr := tillstream(s.t, &out, args...); code != exitDone {
			s.t.Fatalf("%v exited %d: %s\n%s", args, code, stderr, out.String())
		}
		if !dry {
			return out.String()
		}
		if after := s.ask("SELECT count() FROM tillstream.streams"); after != before {
			s.t.Errorf("a dry run began an epoch")
		}
	}
	return ""
}

// busiest is a partition of a topic in which much was folded, and where ClickHouse ends in it.
func (s *site) busiest(topic string) (partition int, at int64) {
	s.t.Helper()
	_, err := fmt.Sscan(s.ask(fmt.Sprintf("SELECT concat(toString(argMax(partition, to_offset)), ' ', toString(max(to_offset))) FROM pos.ledger WHERE topic = '%s'", topic)), &partition, &at)
	if err != nil || at == 0 {
		s.t.Fatal(at, err)
	}
	return partition, at
}

// rows are what the views show of the settled tables, after an audit that must balance and say what was expected.
func (s *site) rows(says ...string) map[string]string {
	s.t.Helper()
	code, said := audit(s.t, s.data)
	if code != exitDone {
		s.t.Errorf("audit exited %d: %s", code, said)
	}
	for _, want := range says {
		if !strings.Contains(said, want) {
			s.t.Errorf("audit says %q, want %q in it", said, want)
		}
	}
	if len(says) == 0 && strings.Contains(said, "lost") {
		s.t.Errorf("audit speaks of losses: %s", said)
	}
	s.release()
	return snapshot(s.t, s.data)
}

// clean is what adopting must come to: the rows of two files that were folded undisturbed, once for all tests. The files are the same in each.
func clean(t *testing.T, files []string) map[string]string {
	t.Helper()
	undisturbed.Do(func() {
		s := newSite(t)
		for _, f := range files {
			s.ingest(f)
		}
		s.fold(2)
		undisturbed.rows = s.rows()
	})
	return maps.Clone(undisturbed.rows)
}

var undisturbed struct {
	sync.Once
	rows map[string]string
}

func TestAdoptRetentionPassedThePosition(t *testing.T) {
	t.Parallel()
	files := chain(t, 2)
	s := newSite(t)
	s.ingest(files[0])
	s.fold(2)
	s.ingest(files[1])
	partition, at := s.busiest("pos.health")
	admin, err := kgo.NewClient(kgo.SeedBrokers(s.broker))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "pos.health", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: int32(partition), Offset: at + 10}}}}
	res, err := req.RequestWith(t.Context(), admin)
	if err != nil || res.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatal(err, res)
	}

	sentence := s.stops(2)
	if !strings.Contains(sentence, fmt.Sprintf("offsets %d to %d of pos.health/%d were deleted", at, at+9, partition)) {
		t.Error(sentence)
	}
	commands := adopts(sentence)
	if len(commands) != 1 {
		t.Fatalf("commands %v in %s", commands, sentence)
	}
	said := s.adopt(commands[0])
	if !strings.Contains(said, fmt.Sprintf("LOST: %d to %d", at, at+9)) || !strings.Contains(said, "10 offsets are lost, 0 are read again") {
		t.Error(said)
	}
	stop := startMember(t, s.config(2)).stop
	s.until(passed, fmt.Sprint(s.ends()-10))
	stop()
	s.until("SELECT concat(topic, ' ', toString(partition), ' ', toString(offsets), ' ', reason) FROM pos.losses", fmt.Sprintf("pos.health %d 10 because of a test", partition))
	s.rows(fmt.Sprintf("10 offsets of pos.health:%d were lost, %d to %d (group tests, epoch 2, decided by ", partition, at, at+9), "because of a test", "the books balance")
}

func TestAdoptTopicMadeAnew(t *testing.T) {
	t.Parallel()
	files := chain(t, 2)
	s := newSite(t)
	s.ingest(files[0])
	s.ingest(files[1])
	s.fold(2)
	all := s.ends()
	if _, err := s.client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{"pos.transactions"}}); err != nil {
		t.Fatal(err)
	}
	s.create("pos.transactions")
	left := s.ends()

	sentence := s.stops(2)
	commands := adopts(sentence)
	if !strings.Contains(sentence, "is beyond its end 0") || len(commands) != 2 {
		t.Fatalf("commands %v in %s", commands, sentence)
	}
	said := s.adopt(commands[0])
	if lost := regexp.MustCompile(`(?m)^(pos\.\w+):.*LOST: whatever the old topic held from`).FindAllStringSubmatch(said, -1); len(lost) == 0 ||
		slices.ContainsFunc(lost, func(m []string) bool { return m[1] != "pos.transactions" }) {
		t.Error(said)
	}
	// The tills send everything once more: what is known by its number is a duplicate.
	s.ingest(files[0])
	s.ingest(files[1])
	again := s.ends() - left // of health too, once more
	stop := startMember(t, s.config(2)).stop
	s.until(passed, fmt.Sprint(all+again))
	stop()
	want, got := clean(t, files), s.rows("was made anew and is read again from offset 0")
	delete(want, "data_quality") // what is rejected has no number by which it is known
	delete(got, "data_quality")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rows (-clean +made anew):\n%s", d)
	}
}

func TestAdoptOffsetsMovedForward(t *testing.T) {
	t.Parallel()
	files := chain(t, 2)
	move := func(t *testing.T) (s *site, partition int, at int64, commands [][]string) {
		s = newSite(t)
		s.ingest(files[0])
		s.fold(2)
		s.ingest(files[1])
		partition, at = s.busiest("pos.transactions")
		_, err := s.client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{
			GroupID: "tests", GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{"pos.transactions": {{Partition: partition, Offset: at + 5}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		sentence := s.stops(2)
		commands = adopts(sentence)
		if !strings.Contains(sentence, fmt.Sprintf("was committed at offset %d, but ClickHouse holds it only up to %d", at+5, at)) || len(commands) != 2 {
			t.Fatalf("commands %v in %s", commands, sentence)
		}
		return s, partition, at, commands
	}
	t.Run("back", func(t *testing.T) {
		s, _, at, commands := move(t)
		if said := s.adopt(commands[0]); !strings.Contains(said, fmt.Sprintf("read again: %d to %d", at, at+4)) || !strings.Contains(said, "0 offsets are lost, 5 are read again") {
			t.Error(said)
		}
		s.fold(2)
		if d := cmp.Diff(clean(t, files), s.rows()); d != "" {
			t.Errorf("rows (-clean +mended):\n%s", d)
		}
	})
	t.Run("without", func(t *testing.T) {
		s, partition, at, commands := move(t)
		code, stderr := tillstream(t, io.Discard, "adopt", "--config", s.config(0), "--reason", "r", "--topic", "pos.transactions", "--partition", strconv.Itoa(partition), "--offset", "0", "--yes")
		if code != exitFailed || !strings.Contains(stderr, "would count twice") {
			t.Errorf("going back over what was folded exited %d: %s", code, stderr)
		}
		code, stderr = tillstream(t, io.Discard, "adopt", "--config", s.config(0), "--reason", "r", "--all-lanes")
		if code != exitUsage || !strings.Contains(stderr, "add --yes") {
			t.Errorf("without an answer it exited %d: %s", code, stderr)
		}
		s.adopt(commands[1])
		stop := startMember(t, s.config(2)).stop
		s.until(passed, fmt.Sprint(s.ends()-5))
		stop()
		s.rows(fmt.Sprintf("5 offsets of pos.transactions:%d were lost, %d to %d", partition, at, at+4))
	})
}

// ClickHouse is put back to where it was after the first file, by the backup of docs/operations.md, and once more to before anything.
func TestAdoptClickHouseOlderThanKafka(t *testing.T) {
	t.Parallel()
	files := chain(t, 2)
	s := newSite(t)
	s.ingest(files[0])
	s.fold(2)
	s.session("BACKUP DATABASE tillstream, DATABASE pos TO Memory('b')")
	s.ingest(files[1])
	s.fold(3) // in an epoch that the backup does not know
	drop := func() {
		s.session("DROP DATABASE pos SYNC")
		s.session("DROP DATABASE tillstream SYNC")
	}
	drop()
	s.session("RESTORE DATABASE tillstream, DATABASE pos FROM Memory('b')")

	sentence := s.stops(2)
	commands := adopts(sentence)
	if len(commands) != 1 {
		t.Fatalf("commands %v in %s", commands, sentence)
	}
	if said := s.adopt(commands[0]); !strings.Contains(said, "0 offsets are lost") || !strings.Contains(said, "read again: ") {
		t.Error(said)
	}
	s.fold(2)

	drop()
	sentence = s.stops(2)
	if commands = adopts(sentence); len(commands) != 1 {
		t.Fatalf("commands %v in %s", commands, sentence)
	}
	s.adopt(commands[0])
	s.fold(2)
	if d := cmp.Diff(clean(t, files), s.rows()); d != "" {
		t.Errorf("rows (-clean +restored and emptied):\n%s", d)
	}
}

// session runs a statement in the one session that knows of backups in memory.
func (s *site) session(statement string) {
	s.t.Helper()
	posted(s.t, s.dsn, "?session_id=backup&session_timeout=3600", statement)
}

// posted gives ClickHouse a statement as it is, with settings of the request, and gives its answer, byte by byte.
func posted(t *testing.T, dsn, settings, statement string) []byte {
	t.Helper()
	res, err := http.Post(strings.TrimSuffix(dsn, "/default")+settings, "text/plain", strings.NewReader(statement))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", statement, body, err)
	}
	return body
}
