package alert

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Pair is a pair of windows of counted time: when both burn at least so fast that in the long one Share of a period's budget goes, it is told. The
// short one makes it stop soon after the trouble does.
type Pair struct {
	Severity    Severity
	Share       float64       // of the budget, 0 to 1
	Rate        float64       // the burn rate itself, in place of Share
	Above       bool          // it must burn faster than that, not just as fast
	Long, Short string        // as pos.sla_burn names them; Short may be empty, then the long one alone decides
	For         time.Duration // how long it must burn so
	Target      string        // whom to tell, a label of the alert; empty: as the others
}

// windows are those that are measured, shortest first.
var windows = []struct {
	name   string
	length time.Duration
}{
	{"5m", 5 * time.Minute},
	{"30m", 30 * time.Minute},
	{"1h", time.Hour},
	{"2h", 2 * time.Hour},
	{"6h", 6 * time.Hour},
	{"1d", 24 * time.Hour},
	{"3d", 72 * time.Hour},
}

func length(window string) time.Duration {
	for _, w := range windows {
		if w.name == window {
			return w.length
		}
	}
	return 0
}

// IsWindow says whether burn rates are measured over a window of that name.
func IsWindow(name string) bool { return length(name) > 0 }

// WindowNames lists the windows over which burn rates are measured.
func WindowNames() string { return "5m, 30m, 1h, 2h, 6h, 1d and 3d" }

// String writes what ParsePair reads.
func (p Pair) String() string {
	if p.Rate > 0 {
		return fmt.Sprintf("%s at %v over %s", p.Severity, p.Rate, p.Long)
	}
	return fmt.Sprintf("%s %s%% %s %s", p.Severity, strconv.FormatFloat(100*p.Share, 'f', -1, 64), p.Long, p.Short)
}

// ParsePair reads "page 2% 1h 5m".
func ParsePair(text string) (Pair, error) {
	f := strings.Fields(text)
	if len(f) != 4 {
		return Pair{}, fmt.Errorf(`%q is not severity, share of the budget, long and short window, as in "page 2%% 1h 5m"`, text)
	}
	p := Pair{Severity: Severity(f[0]), Long: f[2], Short: f[3]}
	if p.Severity != Page && p.Severity != Ticket {
		return Pair{}, fmt.Errorf("%q: the severity is page or ticket, not %q", text, f[0])
	}
	percent, ok := strings.CutSuffix(f[1], "%")
	share, err := strconv.ParseFloat(percent, 64)
	if !ok || err != nil || !(share > 0 && share <= 100) {
		return Pair{}, fmt.Errorf("%q: the share of the budget is above 0%% and at most 100%%, not %q", text, f[1])
	}
	p.Share = share / 100
	for _, w := range []string{p.Long, p.Short} {
		if length(w) == 0 {
			return Pair{}, fmt.Errorf("%q: there is no window %q; there are %s", text, w, WindowNames())
		}
	}
	if length(p.Short) >= length(p.Long) {
		return Pair{}, fmt.Errorf("%q: the first window is the long one, and %s is not longer than %s", text, p.Long, p.Short)
	}
	return p, nil
}

// Factor is the burn rate at which the share is gone after the long window: share x period / long (Sloth). 14.4 for 2 % in 1 h of 30 days.
func (p Pair) Factor(period time.Duration) float64 {
	if p.Rate > 0 {
		return p.Rate
	}
	return p.Share * float64(period) / float64(length(p.Long))
}

// Possible says why a pair cannot be used with a target (0 to 1) in such a period, if it cannot.
func (p Pair) Possible(target float64, period time.Duration) error {
	if target >= 1 || target <= 0 {
		return fmt.Errorf("a target of %v%% leaves no budget that could burn; use one below 100%%", 100*target)
	}
	factor, most := p.Factor(period), 1/(1-target)
	days := strconv.FormatFloat(period.Hours()/24, 'f', -1, 64)
	switch {
	case factor > most*(1+1e-9) && p.Rate > 0:
		return fmt.Errorf("%s: with a target of %v%% nothing burns faster than %.4g, even if all is down: lower the threshold", p, 100*target, most)
	case factor > most*(1+1e-9):
		return fmt.Errorf("%s: of %s days this is a burn rate of %.4g, but with a target of %v%% nothing burns faster than %.4g, even if all is down: lower the share or take a longer window",
			p, days, factor, 100*target, most)
	case factor < 1-1e-9 && p.Rate == 0:
		return fmt.Errorf("%s: of %s days this is a burn rate of %.4g, and at less than 1 the budget lasts: raise the share or take a shorter window", p, days, factor)
	}
	return nil
}

// Usable are the pairs that can be used, and why the others cannot.
func Usable(pairs []Pair, target float64, period time.Duration) (usable []Pair, refused error) {
	var errs []error
	for _, p := range pairs {
		if err := p.Possible(target, period); err != nil {
			errs = append(errs, err)
			continue
		}
		usable = append(usable, p)
	}
	return usable, errors.Join(errs...)
}

// Rate is how one window burns.
type Rate struct{ Burn, Coverage float64 }

// burns says whether a burn rate is one to tell of.
func (p Pair) burns(rate float64, period time.Duration) bool {
	if p.Above {
		return rate > p.Factor(period)
	}
	return rate >= p.Factor(period)
}

// governing is the milder of the two windows of a pair. A window that is not told of does not burn, and was all measured.
func (p Pair) governing(rates map[string]Rate) (r Rate) {
	r = Rate{Coverage: 1}
	long, okLong := rates[p.Long]
	short, okShort := rates[p.Short]
	if p.Short == "" {
		short, okShort = long, okLong
	}
	if okLong && okShort {
		r.Burn = min(long.Burn, short.Burn)
	}
	for _, w := range []struct {
		Rate
		ok bool
	}{{long, okLong}, {short, okShort}} {
		if w.ok {
			r.Coverage = min(r.Coverage, w.Coverage)
		}
	}
	return r
}
