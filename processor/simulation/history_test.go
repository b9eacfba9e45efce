package simulation

import (
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tillstream/tillstream/processor"
	"github.com/tillstream/tillstream/processor/fetch"
)

// A lane begins with five days of history: of reports each has a record batch of its own, of sales a batch has a day, so that one answer of the broker may
// be three days or less than an hour. No evidence may be too late for it, not even where the reports, or the sales, have no leader for a while.
func TestHistoryIsFoldedInTheOrderOfTime(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			toStart()
			rnd := rand.New(rand.NewPCG(seed, 1))
			traffic := newTraffic(rnd, 1, 0, 1)
			traffic.now = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
			reports, sales := fetch.TopicPartition{Topic: health}, fetch.TopicPartition{Topic: transactions}
			for day := range 5 {
				var messages []message
				for traffic.now.Before(time.Date(2026, 11, 25+day, 8, 0, 0, 0, time.UTC)) {
					store := rnd.IntN(2)
					traffic.batch(reports, store, 1)
					if rnd.IntN(2) == 0 {
						messages = append(messages, traffic.message(sales, store, traffic.ends[sales]+int64(len(messages))))
					}
				}
				traffic.send(sales, messages, false)
			}
			for _, h := range traffic.holes {
				traffic.want.missing[h.terminal]++
			}
			w := written(seed, traffic)
			if away := []fetch.TopicPartition{{}, reports, sales}[seed]; seed > 0 {
				w.dark = map[fetch.TopicPartition]time.Time{away: time.Now().Add(2 * time.Minute)}
			}
			isRight(t, seed, w, traffic)
		})
	}
}

// A line was cut for an hour, and a day later what its tills did meanwhile comes, in many batches: each wants of the past what the one before it has changed, and is
// just writing.
func TestBacklogOfManyBatches(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			toStart()
			traffic := newTraffic(rand.New(rand.NewPCG(seed, 1)), 1, 0, 1)
			reports := fetch.TopicPartition{Topic: health}
			for traffic.now.Before(began.Add(26 * time.Hour)) {
				traffic.batch(reports, 1, 1)
			}
			for i := range 100 {
				traffic.late = began.Add(time.Hour + time.Duration(i*35)*time.Second)
				traffic.batch(reports, 1, 1)
			}
			isRight(t, seed, written(seed, traffic), traffic)
		})
	}
}

// written is a world without faults whose log has all that is to come.
func written(seed uint64, traffic *traffic) *World {
	w := newWorld(Options{Seed: seed}, processor.Config{
		Group: "g", Topics: topics, Lanes: 1, BatchAge: time.Second, BatchRecords: 20, Memory: 1 << 30, SessionTimeout: 15 * time.Second, Heartbeat: 3 * time.Second,
		RebalanceTimeout: time.Minute, Secret: []byte("secret"), MaxEventBytes: 1 << 20, TimelineWindow: 48 * time.Hour, RetireAfter: 31 * 24 * time.Hour, CorrectionWindow: 8 * 24 * time.Hour,
	}, traffic, 1)
	for _, p := range traffic.out {
		w.append(p)
	}
	w.healed = true
	return w
}

func isRight(t *testing.T, seed uint64, w *World, traffic *traffic) {
	t.Helper()
	w.start()
	problem, _ := w.play()
	if problem != "" {
		t.Fatal(problem)
	}
	if wrong := w.check(traffic.want); len(wrong) > 0 {
		t.Errorf("seed %d is wrong in %d rows:\n%s", seed, len(wrong), strings.Join(wrong[:min(3, len(wrong))], "\n"))
	}
}
