package doctor

import (
	"fmt"
	"strings"
)

// Level says how a thing stands.
type Level string

// Levels. What is skipped could not be looked at, because of something that failed above it.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
	Skip Level = "skip"
)

// Finding is one thing that was looked at.
type Finding struct {
	Area  string `json:"area"`  // kafka, topic, group, clickhouse, registry, service or config
	Check string `json:"check"` // what was looked at; stable, for programs
	Level Level  `json:"level"`
	Found string `json:"found"`        // how it is
	Do    string `json:"do,omitempty"` // what to do next
}

// Examine judges a set-up: every thing that was looked at, in a stable order.
func Examine(f *Facts) []Finding {
	r := &report{}
	r.config(f)
	r.kafka(f)
	r.topics(f)
	r.clickHouse(f)
	r.group(f)
	r.registry(f)
	r.services(f)
	return r.all
}

// Count is how many findings are of a level.
func Count(all []Finding, level Level) (n int) {
	for _, f := range all {
		if f.Level == level {
			n++
		}
	}
	return n
}

type report struct {
	area string
	all  []Finding
}

func (r *report) add(check string, level Level, do, found string, args ...any) {
	if len(args) > 0 {
		found = fmt.Sprintf(found, args...)
	}
	if level == OK || level == Skip {
		do = ""
	}
	r.all = append(r.all, Finding{Area: r.area, Check: check, Level: level, Found: found, Do: do})
}

func (r *report) ok(check, found string, args ...any) { r.add(check, OK, "", found, args...) }

// err says that something failed by an error, which says itself what to do, or that it is fine.
func (r *report) err(check string, err error, found string) {
	if err != nil {
		r.add(check, Fail, "", "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	r.ok(check, "%s", found)
}

// worst is warn, or fail where something is as bad as that.
func worst(fails bool) Level {
	if fails {
		return Fail
	}
	return Warn
}

// plural counts things.
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
