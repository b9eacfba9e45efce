package clickhouse

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Whose an outage is follows from those that begin near it, as they are counted here one by one; and tillstream.outages_since says the same of those that reach an instant
// without what was before it.
func TestWhoseOutagesAre(t *testing.T) {
	conn := fresh(t)
	const stores, perStore, second = 4, 4, int64(1000)
	type spell struct{ from, to int64 } // to is 0 of one that lasts
	type run struct {
		store, till, version string
		from, to             int64
		flaps                int
	}
	rules := map[string]int{}
	for seed := range uint64(3) {
		for _, table := range []string{"outages", "terminal_status"} {
			exec(t, conn, "TRUNCATE TABLE tillstream."+table)
		}
		rnd := rand.New(rand.NewPCG(seed, 1))
		end := time.Now().UTC().Truncate(time.Hour).UnixMilli()
		start := end - 40*3_600_000
		var all []run
		var spells, status []string
		versionTills := map[string]int{}
		events := make([]int64, 12) // in which whole stores, or versions, go down
		for i := range events {
			events[i] = start + rnd.Int64N(40*360-120)*10*second
		}
		for s := range stores {
			for k := range perStore {
				store, till, version := fmt.Sprint("s", s), fmt.Sprint("t", k), []string{"", "v1", "v2", "v2"}[(s+k)%4]
				versionTills[version]++
				status = append(status, fmt.Sprintf("('', '%s', '%s', 1, 'down', %d, %d, '%s')", store, till, end, end, version))
				var begins []int64
				for range 25 {
					begins = append(begins, start+rnd.Int64N(40*360)*10*second)
				}
				for i, at := range events {
					if i%3 == 0 && s == i%stores || i%3 > 0 && version == []string{"", "v1", "v2"}[i%3] {
						jitter := rnd.Int64N([]int64{13, 61, 61}[i%3])
						if i%3 > 0 && s < 2 { // ten minutes apart, or a little more
							jitter = int64(s) * (60 + rnd.Int64N(2))
						}
						begins = append(begins, at+10*jitter*second)
					}
				}
				slices.Sort(begins)
				begins = slices.Compact(begins)
				var mine []spell
				for i, from := range begins {
					until := end
					if i+1 < len(begins) {
						until = begins[i+1]
					}
					// up to the next one, or to some seconds before it, or for some minutes
					to := []int64{until - rnd.Int64N(5)*10*second, from + (1+rnd.Int64N(60))*10*second}[rnd.IntN(2)]
					to = max(from, min(to, until))
					if i+1 == len(begins) && rnd.IntN(4) == 0 {
						to = 0
					}
					mine = append(mine, spell{from, to})
				}
				for i, x := range mine {
					resolved := "NULL"
					if x.to != 0 {
						resolved = fmt.Sprint(x.to)
					}
					spells = append(spells, fmt.Sprintf("('', '%s', '%s', %d, 1, '%s%s-%d', %s, 'Crash')", store, till, x.from, store, till, x.from, resolved))
					if i > 0 && x.from-mine[i-1].to < 30*second {
						last := &all[len(all)-1]
						last.to, last.flaps = x.to, last.flaps+1
						continue
					}
					all = append(all, run{store, till, version, x.from, x.to, 1})
				}
			}
		}
		exec(t, conn, "INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, since, last_seen, software_version) VALUES "+strings.Join(status, ", "))
		exec(t, conn, "INSERT INTO tillstream.outages (lane, store_id, terminal_id, started_at, version, outage_id, resolved_at, cause) VALUES "+strings.Join(spells, ", "))
		rule := func(x run) string {
			together, same, sameStores := map[string]bool{}, map[string]bool{}, map[string]bool{}
			for _, o := range all {
				apart := max(o.from-x.from, x.from-o.from)
				if o.store == x.store && apart <= 120*second {
					together[o.till] = true
				}
				if o.version == x.version && apart <= 600*second {
					same[o.store+o.till], sameStores[o.store] = true, true
				}
			}
			switch {
			case len(together) == perStore:
				return "store_cut"
			case x.version != "" && len(same) >= 3 && len(sameStores) >= 2 && 10*len(same) >= 9*versionTills[x.version]:
				return "software_version:" + x.version
			}
			return "one_till"
		}
		said := func(since int64, view string) []string {
			return query(t, conn, fmt.Sprintf(`SELECT outage_id, toUnixTimestamp64Milli(started_at), ifNull(toUnixTimestamp64Milli(resolved_at), 0) AS y, party_rule, flaps FROM %s
				WHERE y = 0 OR y > %d ORDER BY outage_id`, view, since))
		}
		instants := []int64{0, end}
		for _, at := range events {
			instants = append(instants, at+rnd.Int64N(90)*10*second)
		}
		for _, since := range instants {
			var want []string
			for _, x := range all {
				if x.to == 0 || x.to > since {
					want = append(want, fmt.Sprintf("%s%s-%d\t%d\t%d\t%s\t%d", x.store, x.till, x.from, x.from, x.to, rule(x), x.flaps))
				}
			}
			slices.Sort(want)
			if since == 0 {
				if d := cmp.Diff(want, said(since, "pos.outages")); d != "" {
					t.Fatalf("seed %d (-want +got)\n%s", seed, d)
				}
				for _, x := range all {
					rules[rule(x)]++
				}
			}
			if d := cmp.Diff(want, said(since, fmt.Sprintf("tillstream.outages_since(since = %d)", since))); d != "" {
				t.Fatalf("seed %d, since %d (-want +got)\n%s", seed, since, d)
			}
		}
	}
	if rules["store_cut"] < 5 || rules["software_version:v1"] < 5 {
		t.Errorf("too few of some: %v", rules)
	}
	// One that lasts, and others after it: the folds do not write that, but what is said of it must not depend on who asks.
	exec(t, conn, `INSERT INTO tillstream.outages (lane, store_id, terminal_id, started_at, version, outage_id, resolved_at) VALUES ('', 's', 't', '2026-01-01 10:00:00', 1, 'o1', NULL),
		('', 's', 't', '2026-01-01 11:00:00', 1, 'o2', '2026-01-01 11:10:00'), ('', 's', 't', '2026-01-01 12:00:00', 1, 'o3', '2026-01-01 12:10:00')`)
	exec(t, conn, "INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, last_seen) VALUES ('', 's', 't', 1, 'down', now64(3))")
	of := func(view string) []string {
		return query(t, conn, "SELECT outage_id, started_at, flaps FROM "+view+" WHERE store_id = 's' AND repair_ms > 86400000")
	}
	if d := cmp.Diff([]string{"o1\t2026-01-01 10:00:00.000\t2"}, of("pos.outages")); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if d := cmp.Diff(of("pos.outages"), of("tillstream.outages_since(since = 1780000000000)")); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
