package fetch

import (
	"time"

	"go.uber.org/zap"
)

// trouble is what is known of a partition that could not be read at some time.
type trouble struct {
	offset  int64
	times   int // in a row; 0 when it is over
	corrupt int // how many of them because of damaged batches
	until   time.Time
	told    bool      // whether this one was logged
	logged  time.Time // when one was logged last
}

const logEvery = 10 * time.Second // for each partition

// ready returns the positions that may be asked now, and how long it is until another one may, MaxWait if there is none.
func (f *Fetcher) ready(at []Position) (ready []Position, pause time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, pause := f.now(), f.cfg.MaxWait
	for _, p := range at {
		t := f.troubles[p.TopicPartition]
		if t == nil || t.times == 0 || !now.Before(t.until) {
			ready = append(ready, p)
		} else {
			pause = min(pause, t.until.Sub(now))
		}
	}
	return ready, pause
}

// note writes down that a position could not be read, and leaves it alone for a while.
func (f *Fetcher) note(p Position, why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trouble(p, why)
}

// noteCorrupt is note for damaged batches; it returns how often the position came damaged in a row.
func (f *Fetcher) noteCorrupt(p Position, why error) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.trouble(p, why)
	t.corrupt++
	return t.corrupt
}

func (f *Fetcher) trouble(p Position, why error) *trouble {
	t := f.troubles[p.TopicPartition]
	if t == nil {
		t = &trouble{}
		f.troubles[p.TopicPartition] = t
	}
	if t.times == 0 || t.offset != p.Offset {
		*t = trouble{offset: p.Offset, logged: t.logged}
	}
	pause := f.cfg.MinBackoff
	for i := 0; i < t.times && pause < f.cfg.MaxBackoff; i++ {
		pause *= 2
	}
	now := f.now()
	t.until = now.Add(min(pause, f.cfg.MaxBackoff))
	t.times++
	if now.Sub(t.logged) >= logEvery {
		t.told, t.logged = true, now
		f.log.Warn("reading a partition is delayed", zap.String("topic", p.Topic), zap.Int32("partition", p.Partition),
			zap.Int64("offset", p.Offset), zap.Int("times", t.times), zap.Error(why))
	}
	return t
}

// fine ends the trouble with a partition.
func (f *Fetcher) fine(tp TopicPartition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.troubles[tp]
	if t == nil || t.times == 0 {
		return
	}
	if t.told {
		f.log.Info("reading a partition goes on", zap.String("topic", tp.Topic), zap.Int32("partition", tp.Partition), zap.Int("times", t.times))
	}
	*t = trouble{logged: t.logged}
}
