package agreement

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/registry"
)

// between is an agreement between two whose versions are written as JSON; the terms that all need are added.
func between(t interface{ Fatal(...any) }, versions ...string) Book {
	a := &Agreement{Type: "sla", Level: "customer", Standing: Standing{Parties: Contracts{Provider: "p", Customer: "c"}}}
	for i, text := range versions {
		v := Version{Version: i + 1}
		const all = `{"timezone":"Europe/Paris","period":"month","objectives":[{"name":"up","indicator":"uptime","per":"terminal"}]}`
		for _, x := range []string{all, text} {
			if err := json.Unmarshal([]byte(x), &v); err != nil {
				t.Fatal(err, x)
			}
		}
		a.Versions = append(a.Versions, v)
	}
	return Book{Agreements: map[string]*Agreement{"a": a}}
}

const signed = `,"signed":{"on":"2026-05-02","by":["ann","bob"],"document":"sha256:60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"}`

func target(of string) string {
	return `,"objectives":[{"name":"up","indicator":"uptime","per":"terminal","target":"` + of + `"}]`
}

func amendment(from, to, of string) string {
	if to != "" {
		to = `,"to":"` + to + `"`
	}
	return `{"from":"` + from + `"` + to + `,"amends":{"version":1,"reason":"r"}` + signed + target(of) + `}`
}

// On each day the newest version holds that is for it, and amendments before what they amend.
func TestAmendmentsInForce(t *testing.T) {
	b := between(t, `{"from":"2026-01-16"`+target("0.9")+`}`, `{"from":"2026-07-01"`+target("0.8")+`}`, amendment("2026-03-01", "2026-06-01", "0.7"), amendment("2026-05-01", "", "0.6"))
	if problems := b.Check(); len(problems) > 0 {
		t.Fatal(problems)
	}
	for on, want := range map[string]string{
		"2026-02-28": "0.9 v1 a0", "2026-03-01": "0.7 v1 a3", "2026-04-30": "0.7 v1 a3", "2026-05-01": "0.6 v1 a4", "2026-06-30": "0.6 v1 a4", "2026-07-01": "0.8 v2 a0",
	} {
		r, err := b.Resolve("a", *date(on))
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Terms.Objectives[0].Target.String() + " v" + string(rune('0'+r.Version)) + " a" + string(rune('0'+r.Amendment)); got != want {
			t.Errorf("on %s: %s, not %s", on, got, want)
		}
		if r.Amendment == 4 && on == "2026-05-01" && (r.Amended.Amendment != 3 || r.Amended.Amended.Amendment != 0) {
			t.Errorf("it amends %+v", r.Amended)
		}
	}
}

func TestMistakesOfAmendments(t *testing.T) {
	first := `{"from":"2026-01-16"` + target("0.9") + `}`
	for _, x := range []struct{ name, second, says string }{
		{"unsigned", `{"from":"2026-03-01","amends":{"version":1,"reason":"r"}` + target("0.8") + `}`, "both parties sign it"},
		{"signed by one", strings.Replace(amendment("2026-03-01", "", "0.8"), `"ann","bob"`, `"ann"`, 1), "both parties sign it"},
		{"without a reason", strings.Replace(amendment("2026-03-01", "", "0.8"), `"reason":"r"`, `"reason":""`, 1), "spec.versions[1].amends.reason: it is needed"},
		{"of itself", strings.Replace(amendment("2026-03-01", "", "0.8"), `"version":1`, `"version":2`, 1), "an earlier version that is no amendment"},
		{"before", amendment("2026-01-01", "", "0.8"), "on 2026-01-01 version 1 is not in force"},
		{"of a part of a period", amendment("2026-03-15", "", "0.8"), "2026-03-15 is the first day of no month"},
		{"until within a period", amendment("2026-03-01", "2026-04-15", "0.8"), "2026-04-15 is the first day of no month"},
		{"with other periods", strings.Replace(amendment("2026-03-01", "", "0.8"), `,"objectives"`, `,"period":"week","objectives"`, 1), "keeps the periods"},
	} {
		b := between(t, first, x.second)
		var said []string
		for _, p := range b.Check() {
			said = append(said, p.Error())
		}
		if !strings.Contains(strings.Join(said, "\n"), x.says) {
			t.Errorf("%s: %q does not say %q", x.name, said, x.says)
		}
	}
	if problems := between(t, first, amendment("2026-01-16", "2026-02-01", "0.8")).Check(); len(problems) > 0 {
		t.Errorf("from the first day of what it amends: %v", problems)
	}
	b := between(t, first, amendment("2026-03-01", "", "0.8"))
	b.Agreements["a"].Parties, b.Agreements["a"].Level = Contracts{}, "service"
	if problems := b.Check(); !slices.ContainsFunc(problems, func(p *Problem) bool { return strings.Contains(p.What, "who inherits has not signed it") }) {
		t.Errorf("of a text to be inherited: %v", problems)
	}
}

// An amendment may be appended at any time, and changes nothing but what it says it does: whatever else is changed with it is found. Once applied it stays.
func TestAmendmentsAndThePast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := []string{`{"from":"2026-01-01"` + target("0.9") + `}`, `{"from":"2026-07-01"` + target("0.8") + `}`}
		for range rapid.IntRange(0, 2).Draw(t, "applied before") {
			texts = append(texts, amendment("2026-02-01", "2026-04-01", rapid.SampledFrom([]string{"0.7", "0.71"}).Draw(t, "was")))
		}
		was := between(t, texts...)
		is := between(t, append(slices.Clone(texts), amendment("2026-03-01", "2026-06-01", "0.5"))...)
		now := registry.Wall(time.UTC, *date("2026-08-01"), 0)
		if problems, err := Past(was, is, now); err != nil || len(problems) > 0 {
			t.Fatal(err, problems)
		}
		edited := rapid.IntRange(0, len(texts)-1).Draw(t, "edited")
		hidden := Book{Agreements: maps.Clone(is.Agreements)}
		a := *is.Agreements["a"]
		a.Versions = slices.Clone(a.Versions)
		var v Version
		if err := json.Unmarshal([]byte(`{"objectives":[{"name":"up","indicator":"uptime","per":"terminal","target":"0.123"}]}`), &v); err != nil {
			t.Fatal(err)
		}
		a.Versions[edited].Objectives = v.Objectives
		hidden.Agreements["a"] = &a
		if problems, err := Past(was, hidden, now); err != nil || len(problems) == 0 {
			t.Fatalf("version %d was edited below an amendment, and nothing is said: %v", edited+1, err)
		}
		if problems, err := Past(is, was, now); err != nil || len(problems) == 0 {
			t.Fatalf("an amendment was taken back, and nothing is said: %v", err)
		}
	})
}

// What is decided by time slices is made of times, and a percentile costs what a share can cost.
func TestWhatCannotBeReckonedIsRefused(t *testing.T) {
	for objectives, says := range map[string]string{
		`[{"name":"up","indicator":"uptime","per":"customer","target":"0.9"},{"name":"fast","indicator":"authorisation_ms","statistic":"share_below","value":"1500","target":"0.9","per":"customer"},
			{"name":"both","indicator":"composite","of":{"up":"1","fast":"1"},"method":"timeslices","target":"0.9"}]`: "composed of fast by time slices, which only uptime and store_quorum have",
		`[{"name":"fast","indicator":"authorisation_ms","statistic":"p90","op":"gte","value":"1500","per":"customer"}]`: "p90 of authorisation_ms takes lt or lte",
		`[{"name":"fast","indicator":"authorisation_ms","statistic":"p90","op":"lte","value":"1500","per":"customer"}],
			"remedies":{"base":{"amount":100,"currency":"EUR","per":"month"},"credits":[{"objective":"fast","tiers":[{"above":"1500","credit":"0.1"}]}]}`: "its breach costs a fixed amount",
	} {
		b := between(t, `{"from":"2026-01-01","objectives":`+objectives+`}`)
		if problems := b.Check(); len(problems) != 1 || !strings.Contains(problems[0].What, says) {
			t.Errorf("%v does not say %q", problems, says)
		}
	}
}
