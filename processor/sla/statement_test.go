package sla

import (
	"testing"

	"pgregory.net/rapid"
)

func of1000(up, unknown int64) Statement {
	f := Figures{Counted: 1000, Unknown: unknown, Down: 1000 - up - unknown}
	return Statement{Result: f.Result(995_000_000)}
}

func TestStatements(t *testing.T) {
	late := LateData{Accept: 100, Close: 200, Restate: 300, MinChange: One / 200, Scale: Ratio{1, 1}}
	type look struct {
		at       int64
		now      Statement
		stage    Stage // "": nothing
		revision uint32
		figure   int64
	}
	for name, looks := range map[string][]look{
		"provisional follows, final stands, then restated": {
			{10, of1000(990, 0), Provisional, 0, 990},
			{20, of1000(990, 0), "", 0, 0},
			{30, of1000(980, 0), Provisional, 0, 980},
			{110, of1000(980, 0), Provisional, 0, 980}, // the one that stands
			{120, of1000(970, 0), "", 0, 0},
			{200, of1000(970, 0), Final, 1, 980},
			{210, of1000(976, 0), "", 0, 0}, // less than min_change
			{220, of1000(975, 0), Restated, 2, 975},
			{230, of1000(975, 0), "", 0, 0},
			{299, of1000(985, 0), Restated, 3, 985},
			{300, of1000(900, 0), "", 0, 0},
		},
		"first looked at as it closes":             {{200, of1000(990, 0), Final, 1, 990}},
		"looked at as acceptance ends: it stands":  {{90, of1000(990, 0), Provisional, 0, 990}, {100, of1000(980, 0), Provisional, 0, 980}, {101, of1000(970, 0), "", 0, 0}, {200, of1000(970, 0), Final, 1, 980}},
		"a bound changed a little, the figure not": {{250, of1000(990, 10), Final, 1, 990}, {260, of1000(992, 8), "", 0, 0}},
		"looked at late":                           {{110, of1000(990, 0), Provisional, 0, 990}, {150, of1000(980, 0), "", 0, 0}, {400, of1000(980, 0), Final, 1, 990}},
		"a look back, which sees less, from before it closed": {
			{250, of1000(990, 0), Final, 1, 990}, {199, of1000(900, 0), "", 0, 0}, {50, of1000(0, 990), "", 0, 0}, {200, of1000(900, 0), Restated, 2, 900},
		},
		"looked at when it is over":                  {{400, of1000(990, 0), Final, 1, 990}, {500, of1000(900, 0), "", 0, 0}},
		"never looked at between":                    {{50, of1000(990, 0), Provisional, 0, 990}, {250, of1000(980, 0), Final, 1, 980}},
		"what was unknown was up: the bound changed": {{250, of1000(990, 10), Final, 1, 990}, {260, of1000(1000, 0), Restated, 2, 1000}},
	} {
		t.Run(name, func(t *testing.T) {
			var published []Statement
			for _, x := range looks {
				s, ok := late.Next(published, x.now, x.at, "late evidence")
				if ok != (x.stage != "") || ok && (s.Stage != x.stage || s.Revision != x.revision || s.Result.Actual.Part != x.figure) {
					t.Fatalf("at %d: %v %+v, want %+v", x.at, ok, s, x)
				}
				if ok {
					if last := len(published); s.Stage == Restated && (s.Reason == "" || s.Was != published[last-1].Result.Actual) {
						t.Errorf("restated without a reason or a difference: %+v", s)
					}
					published = append(published, s)
				}
			}
		})
	}
	final := of1000(990, 0)
	final.Stage, final.Revision, final.At = Final, 1, 200
	now := final
	now.Credit = 500
	if s, ok := late.Next([]Statement{final}, now, 250, "third breach"); !ok || s.Credit != 500 {
		t.Errorf("the same figure costs otherwise: %v %+v", ok, s)
	}
}

// However often and whenever a period is looked at: revisions follow each other, what is final changes only as a restatement that is large
// enough and in time, and looking again with the same data publishes nothing.
func TestStatementsNeverSlip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		late := LateData{Accept: 100, Close: rapid.Int64Range(100, 200).Draw(t, "close"), Restate: 300, MinChange: Share(rapid.Int64Range(0, 20).Draw(t, "min change")) * (One / 1000), Scale: Ratio{1, 1}}
		var published []Statement
		at := int64(0)
		for range rapid.IntRange(1, 15).Draw(t, "looks") {
			at += rapid.Int64Range(0, 60).Draw(t, "later")
			unknown := rapid.Int64Range(0, 20).Draw(t, "unknown")
			now := of1000(rapid.Int64Range(960, 1000-unknown).Draw(t, "up"), unknown)
			s, ok := late.Next(published, now, at, "reason")
			if !ok {
				continue
			}
			if n := len(published); n > 0 {
				last := published[n-1]
				switch {
				case last.Stage == Provisional && s.Stage == Provisional && s.Revision == 0 && at < late.Close:
				case last.Stage == Provisional && s.Stage == Final && s.Revision == 1 && at >= late.Close:
				case last.Stage != Provisional && s.Stage == Restated && s.Revision == last.Revision+1 && at < late.Restate && s.Result != last.Result:
				default:
					t.Fatalf("after %+v came %+v", last, s)
				}
				if last.Stage == Provisional && last.At >= late.Accept && s.Result != last.Result {
					t.Fatalf("%+v stood, and became %+v", last, s)
				}
			}
			published = append(published, s)
			if again, ok := late.Next(published, s, at, "reason"); ok {
				t.Fatalf("the same again, after %+v: %+v", s, again)
			}
		}
	})
}
