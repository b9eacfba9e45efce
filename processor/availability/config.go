package availability

import (
	"time"

	"github.com/tillstream/tillstream/processor/registry"
)

const (
	hourMilli = int64(time.Hour / time.Millisecond)

	defaultWindow      = 48 * time.Hour
	defaultRetireAfter = 31 * 24 * time.Hour
	defaultHold        = 3 * time.Minute

	// proofLimit is how far back a sale proves its till up: longer ones were parked, not rung up.
	proofLimit = hourMilli
	// reportedFor ends a status that holds until the next report, if none ever comes: a till's row of hours must end somewhere. ms.
	reportedFor = 366 * 24 * hourMilli
	// maxHold bounds every duration (some four years), so that no sum overflows and no state asks for hours without end. ms.
	maxHold = 1 << 37
	// heartbeats that may be missed before a till is silent.
	heartbeats = 3
)

// Config decides the rows; change it only between batches of different fingerprints. The zero value is usable.
type Config struct {
	// HeartbeatTimeout is how long a report holds; 0: three times the interval that it announces, or 3 min if it has none.
	HeartbeatTimeout time.Duration
	// Window is how late evidence may be, counted from the terminal's newest; 0: 48 h.
	Window time.Duration
	// RetireAfter is how long after its last evidence a till counts as silent; then it is taken as withdrawn. 0: 31 days. No less
	// than Window + 2 h is used, so that late evidence can shorten no silence that has been written as hours.
	RetireAfter time.Duration
	// Recall says that rows of rollup.KindPast can be read again: see Fold.Wants. Without it all evidence of the window is kept in memory.
	Recall bool
	// BusinessDayCutoff is when a day of trade ends, after midnight. It dates stale evidence, nothing else.
	BusinessDayCutoff time.Duration
}

// rules is Config in milliseconds, defaults filled in.
type rules struct {
	timeout, window, retire, cutoff int64              // timeout 0: what the report announces
	hold                            int64              // of what announces nothing
	registered                      *registry.Terminal // nil: the registry does not know it
	recall                          bool
}

// lacks is a component type that a till lacks, by the cause of its report, and without which it cannot sell, by what the registry says as of an
// instant; "" if there is none.
func (r *rules) lacks(cause string, at int64) string {
	if r.registered == nil {
		return ""
	}
	for _, kind := range r.registered.At(at).SellNeeds {
		if broken(cause, kind) {
			return kind
		}
	}
	return ""
}

// changes is when the registry next says something else.
func (r *rules) changes(after int64) int64 {
	if r.registered != nil {
		for i := range r.registered.Versions {
			if from := r.registered.Versions[i].From; i > 0 && int64(*from) > after {
				return int64(*from)
			}
		}
	}
	return Open
}

func newRules(c Config) rules {
	r := rules{
		timeout: max(c.HeartbeatTimeout, 0).Milliseconds(), window: c.Window.Milliseconds(),
		retire: c.RetireAfter.Milliseconds(), cutoff: c.BusinessDayCutoff.Milliseconds(), recall: c.Recall,
	}
	if r.window <= 0 {
		r.window = defaultWindow.Milliseconds()
	}
	if r.retire <= 0 {
		r.retire = defaultRetireAfter.Milliseconds()
	}
	r.window = min(r.window, maxHold-2*hourMilli)
	r.retire = min(max(r.retire, r.window+2*hourMilli), maxHold)
	r.timeout = min(r.timeout, r.retire)
	if r.hold = r.timeout; r.hold == 0 {
		r.hold = min(defaultHold.Milliseconds(), r.retire)
	}
	return r
}

// of are the rules for a terminal that the registry may know: then it says when a report lapses, and only the registry withdraws a terminal
// that is silent.
func (r *rules) of(t *registry.Terminal) *rules {
	if t == nil {
		return r
	}
	own := *r
	own.registered, own.retire = t, max(r.retire, reportedFor)
	return &own
}

// holdOf is how long a report holds that announces the next one within so many seconds; 0: it does not say.
func (r *rules) holdOf(intervalSeconds uint32) int64 {
	if r.timeout > 0 || intervalSeconds == 0 {
		return r.hold
	}
	return min(heartbeats*int64(intervalSeconds)*1000, r.retire)
}

// edge is where the kept evidence begins when the newest is at the given instant.
func (r *rules) edge(newest int64) int64 { return floorHour(newest-r.window) - proofLimit }

func floorHour(ms int64) int64 {
	h := ms % hourMilli
	if h < 0 {
		h += hourMilli
	}
	return ms - h
}
