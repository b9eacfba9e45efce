package alert

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits are from when on a rule tells. Durations are in ms.
type Limits struct {
	Off         []Rule // not looked at
	Pages       []Rule // the others are tickets; of burn rates Pairs says it
	Pairs       []Pair
	TerminalFor int64 // how long a till must be down or silent
	StoreFor    int64
	Blind       int64   // the pipeline is blind if what Kafka held so long ago is not folded
	BlindFor    int64   // and that is told when it has been so for so long
	Coverage    float64 // of the scope of an agreement, 0 to 1
	Backlog     int64   // age of the oldest sale that a till holds back
	Letters     int     // dead letters of one topic and reason in an hour
	Lag         int64   // offsets
	Deadline    int64   // how long before it a deadline is told
}

// Judge is what the rules find. refused says of lines of agreements which pairs of windows cannot be used for them, and why.
func Judge(l *Limits, s *Snapshot) (o Observation, refused map[Cell]error) {
	j := &judging{Limits: l, s: s, low: map[string]bool{}, unknown: map[string]bool{}, certain: map[Key]bool{}, refused: map[Cell]error{}}
	blind := s.At-s.Watermark > l.Blind
	j.stores()
	j.agreements()
	j.burns()
	j.trade()
	j.pipeline(blind)
	o = Observation{At: s.At, Facts: j.facts, Announce: !blind || s.At-s.Watermark > l.Blind+l.BlindFor}
	o.Unseen = func(k Key) string {
		switch own := k.Rule == PipelineBlind || k.Rule == PipelineLag; {
		case s.Unanswered[k.Rule] != "":
			return s.Unanswered[k.Rule]
		case blind && !own:
			return "the pipeline is behind"
		case k.Rule == StoreOutage && j.unknown[k.Scope]:
			return "nobody knows whether the store can sell"
		case k.Rule != CoverageLow && j.low[k.Scope] && !j.certain[k]:
			return "too little of it was measured"
		}
		return ""
	}
	return o, j.refused
}

type judging struct {
	*Limits
	s       *Snapshot
	facts   []Fact
	low     map[string]bool // scopes of agreements that were measured too little
	unknown map[string]bool // stores
	certain map[Key]bool    // true however little was measured
	refused map[Cell]error
}

func (j *judging) add(f Fact) {
	if slices.Contains(j.Off, f.Rule) {
		return
	}
	if f.Severity == "" {
		f.Severity = Ticket
		if slices.Contains(j.Pages, f.Rule) {
			f.Severity = Page
		}
	}
	j.facts = append(j.facts, f)
}

// inPeriod is the scope of an alert about a line in a period: each period has its own, since the next one begins while the one before is not closed.
func (a *Agreement) inPeriod() string { return a.Cell.String() + "/" + day(a.PeriodStart) }

func day(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.DateOnly) }

// TerminalScope is the scope of an alert about a terminal.
func TerminalScope(store, terminal string) string { return store + "/" + terminal }

// String is the scope of an alert about the line.
func (c Cell) String() string {
	s := c.Contract + "/" + c.Objective + "/" + c.Scope
	if c.Store != "" && c.Store != c.Scope {
		s += "@" + c.Store
	}
	return s
}

// muted says why nobody is told about a terminal, or about a whole store if terminal is empty.
func (j *judging) muted(store, terminal string) string {
	for _, m := range j.s.Maintenance {
		if m.Store == store && (len(m.Terminals) == 0 || terminal != "" && slices.Contains(m.Terminals, terminal)) {
			return "maintenance " + m.ID
		}
	}
	return ""
}

// stores: where a whole store cannot sell, that is one alert which names its tills, and none about them. Silence is believed as of the watermark: what
// Kafka held when a till fell silent must be folded, else its report may be on its way.
func (j *judging) stores() {
	for _, s := range j.s.Stores {
		bad := len(s.Bad)
		s.Bad = slices.DeleteFunc(slices.Clone(s.Bad), func(t Till) bool { return t.Status == "silent" && t.Since > j.s.Watermark })
		s.Able += bad - len(s.Bad)
		all := s.Tills > 0 && s.Able == 0 && len(s.Bad) > 0
		var names []string
		since, maintained := int64(0), 0
		for _, t := range s.Bad {
			names = append(names, t.ID)
			since = max(since, t.Since)
			if j.muted(s.ID, t.ID) != "" {
				maintained++
			}
		}
		slices.Sort(names)
		j.unknown[s.ID] = s.Unknown && !all
		out := all || s.Down
		if out {
			if s.Down {
				since = s.Since
			}
			muted := j.muted(s.ID, "")
			if muted == "" && maintained > 0 && maintained == len(s.Bad) {
				muted = "all of its tills that are out are maintained"
			}
			j.add(Fact{
				Key: Key{StoreOutage, s.ID}, Store: s.ID, Since: since, For: j.StoreFor, Value: float64(s.Able), Threshold: float64(max(s.SellNeed, 1)), Muted: muted,
				Summary: fmt.Sprintf("Store %s cannot sell: %d of %d tills in service can; out are %s", s.ID, s.Able, s.Tills, list(names)),
			})
		}
		for _, t := range s.Bad {
			muted := j.muted(s.ID, t.ID)
			if muted == "" && out && !slices.Contains(j.Off, StoreOutage) {
				muted = "part of the outage of store " + s.ID
			}
			j.add(Fact{
				Key: Key{TerminalOutage, TerminalScope(s.ID, t.ID)}, Store: s.ID, Terminal: t.ID, Since: t.Since, For: j.TerminalFor,
				Value: seconds(j.s.At - t.Since), Threshold: seconds(j.TerminalFor), Muted: muted,
				Summary: fmt.Sprintf("Till %s of store %s is %s", t.ID, s.ID, t.Status),
			})
		}
	}
}

const named = 20 // tills in a summary

func list(names []string) string {
	if len(names) > named {
		return strings.Join(names[:named], ", ") + " and " + strconv.Itoa(len(names)-named) + " more"
	}
	if len(names) == 0 {
		return "none that is known"
	}
	return strings.Join(names, ", ")
}

func seconds(ms int64) float64 { return float64(ms) / 1000 }

func (j *judging) agreements() {
	for _, a := range j.s.Agreements {
		scope := a.inPeriod()
		fact := func(r Rule, value, threshold float64, format string, args ...any) Key {
			k := Key{r, scope}
			j.add(Fact{
				Key: k, Store: a.Store, Contract: a.Contract, Objective: a.Objective, Since: a.PeriodStart, Value: value, Threshold: threshold,
				Summary: fmt.Sprintf("Agreement %s, objective %s, %s, period from %s: ", a.Contract, a.Objective, a.Scope, day(a.PeriodStart)) + fmt.Sprintf(format, args...),
			})
			return k
		}
		if a.Coverage < j.Coverage {
			j.low[scope] = true
			fact(CoverageLow, a.Coverage, j.Coverage, "only %s of the time was measured", percent(a.Coverage))
		}
		switch a.Verdict {
		case "breached": // it would be, if all that is not known had been up
			j.certain[fact(Breach, a.Actual, a.Target, "breached, %s of %s", percent(a.Actual), percent(a.Target))] = true
		case "at_risk":
			fact(AtRisk, a.Actual, a.Target, "at risk, %s of %s", percent(a.Actual), percent(a.Target))
		}
		if a.Total > 0 && a.Spent >= a.Total { // by what was seen to be down
			j.certain[fact(BudgetExhausted, a.Spent, a.Total, "the error budget is spent")] = true
		}
	}
	for _, d := range j.s.Deadlines {
		if j.s.At < d.By-j.Deadline || d.Rule == ClaimDeadline && j.s.At >= d.By {
			continue
		}
		f := Fact{Key: Key{d.Rule, d.Contract}, Contract: d.Contract, Since: d.By - j.Deadline, Value: seconds(d.By - j.s.At), Threshold: seconds(j.Deadline)}
		by := time.UnixMilli(d.By).UTC().Format(time.RFC3339)
		if d.Rule == ClaimDeadline {
			f.Scope += "/" + day(d.PeriodStart)
			f.Summary = fmt.Sprintf("Agreement %s: a credit of %s for the period from %s can be claimed until %s", d.Contract, d.Credit, day(d.PeriodStart), by)
		} else {
			f.Summary = fmt.Sprintf("Agreement %s: its revision is due by %s", d.Contract, by)
		}
		j.add(f)
	}
}

func percent(ratio float64) string { return strconv.FormatFloat(100*ratio, 'f', 3, 64) + " %" }

// burns: of each line the fastest pair of each severity. While it pages there is no ticket for it.
func (j *judging) burns() {
	for _, b := range j.s.Burns {
		own := b.Pairs
		if own == nil {
			own = j.Pairs
		}
		pairs, refused := Usable(own, b.Target, b.Period)
		if refused != nil {
			j.refused[b.Cell] = refused
		}
		scope, muted := b.Cell.String(), ""
		for _, r := range []struct {
			rule     Rule
			severity Severity
		}{{BurnFast, Page}, {BurnSlow, Ticket}} {
			var hit *Pair
			var rate Rate
			for i, p := range pairs {
				g := p.governing(b.Rates)
				if p.Severity != r.severity {
					continue
				}
				if g.Coverage < j.Coverage {
					j.low[scope] = true
				}
				if p.burns(g.Burn, b.Period) && (hit == nil || p.Factor(b.Period) > hit.Factor(b.Period)) {
					hit, rate = &pairs[i], g
				}
			}
			if hit == nil {
				continue
			}
			j.add(Fact{
				Key: Key{r.rule, scope}, Severity: r.severity, Store: b.Store, Contract: b.Contract, Objective: b.Objective,
				Value: rate.Burn, Threshold: hit.Factor(b.Period), Muted: muted, For: hit.For.Milliseconds(), Target: hit.Target,
				Summary: fmt.Sprintf("Agreement %s, objective %s, %s: the budget burns %.3g times as fast as it lasts, over %s of counted time",
					b.Contract, b.Objective, b.Scope, rate.Burn, strings.TrimSuffix(hit.Long+" and "+hit.Short, " and ")),
			})
			muted = "it pages"
		}
	}
}

func (j *judging) trade() {
	for _, x := range j.s.Silences {
		j.add(Fact{
			Key: Key{SalesSilence, x.Store}, Store: x.Store, Since: x.Since, Value: 0, Threshold: x.Least, Muted: j.muted(x.Store, ""),
			Summary: fmt.Sprintf("Store %s is open, its tills say that they work, and it has sold nothing since %s; %.1f sales were to be expected (an estimate)",
				x.Store, time.UnixMilli(x.Since).UTC().Format(time.RFC3339), x.Expected),
		})
	}
	for _, x := range j.s.Backlogs {
		if age := j.s.At - x.Oldest; age >= j.Backlog {
			j.add(Fact{
				Key: Key{Backlog, TerminalScope(x.Store, x.Terminal)}, Store: x.Store, Terminal: x.Terminal, Since: x.Oldest, Value: seconds(age),
				Threshold: seconds(j.Backlog), Muted: j.muted(x.Store, x.Terminal),
				Summary: fmt.Sprintf("Till %s of store %s holds %d sales back, the oldest of %s", x.Terminal, x.Store, x.Count, time.UnixMilli(x.Oldest).UTC().Format(time.RFC3339)),
			})
		}
	}
	var shared []string
	since := j.s.At
	for _, x := range j.s.Holes {
		if x.Shared {
			shared, since = append(shared, x.Terminal), min(since, x.Since)
			continue
		}
		j.add(Fact{
			Key: Key{SequenceHoles, x.Terminal}, Terminal: x.Terminal, Since: x.Since, Value: float64(x.Missing),
			Summary: fmt.Sprintf("Till %s: %d of its transactions since %s never came", x.Terminal, x.Missing, time.UnixMilli(x.Since).UTC().Format(time.DateOnly)),
		})
	}
	if len(shared) > 0 {
		j.add(Fact{
			Key: Key{SequenceHoles, "shared"}, Since: since, Value: float64(len(shared)),
			Summary: fmt.Sprintf("%d tills skip so many numbers every day that these are hardly their own, as where tills share a counter: what is lost of them cannot be told by their numbers: %s",
				len(shared), list(shared)),
		})
	}
}

func (j *judging) pipeline(blind bool) {
	for _, x := range j.s.Letters {
		if x.Count >= j.Letters {
			j.add(Fact{
				Key: Key{DeadLetters, x.Topic + "/" + x.Reason}, Value: float64(x.Count), Threshold: float64(j.Letters),
				Summary: fmt.Sprintf("%d events of %s could not be folded within an hour: %s", x.Count, x.Topic, x.Reason),
			})
		}
	}
	if j.s.Behind >= j.Lag {
		j.add(Fact{Key: Key{PipelineLag, "pipeline"}, Value: float64(j.s.Behind), Threshold: float64(j.Lag), Summary: fmt.Sprintf("%d offsets are not folded yet", j.s.Behind)})
	}
	if blind {
		what := "since this member judges"
		if j.s.Watermark > 0 {
			what = "since " + time.UnixMilli(j.s.Watermark).UTC().Format(time.RFC3339)
		}
		j.add(Fact{
			Key: Key{PipelineBlind, "pipeline"}, For: j.BlindFor, Threshold: seconds(j.Blind), Value: seconds(j.s.At - cmp.Or(j.s.Watermark, j.s.At)),
			Summary: "Not all that is in Kafka is folded " + what + ": other alerts are frozen",
		})
	}
}

// Validate says what limits cannot be used.
func (l *Limits) Validate() error {
	var errs []error
	for _, r := range append(slices.Clone(l.Off), l.Pages...) {
		if !slices.Contains(Rules(), r) {
			errs = append(errs, fmt.Errorf("there is no rule %q; the rules are %v", r, Rules()))
		}
	}
	return errors.Join(errs...)
}
