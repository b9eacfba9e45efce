//go:build measure

package clickhouse

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

func oldViews(t *testing.T, conn driver.Conn) {
	exec(t, conn, "DROP DATABASE IF EXISTS old SYNC")
	exec(t, conn, "CREATE DATABASE old")
	text, _ := os.ReadFile("0022_impact_kept.sql")
	for _, s := range (Migration{SQL: string(text)}).Statements() {
		if !strings.HasPrefix(s, "CREATE OR REPLACE VIEW") {
			continue
		}
		for _, n := range []string{"impact_kept", "outages_to_reckon", "outage_parts", "outage_days", "outage_sums", "outage_impact_of", "outage_impact_now"} {
			s = regexp.MustCompile(`tillstream\.`+n+`\b`).ReplaceAllString(s, "old."+n)
		}
		s = strings.ReplaceAll(strings.ReplaceAll(s, "pos.outage_impact", "old.outage_impact"), "DEFINER = CURRENT_USER SQL SECURITY DEFINER", "")
		exec(t, conn, s)
	}
}

func TestScratchCompare(t *testing.T) {
	conn, _, _ := chain(t)
	oldViews(t, conn)
	comp := func(what string) {
		cols := "* REPLACE (round(expected_transactions, 6) AS expected_transactions, round(level, 9) AS level)"
		w := " WHERE resolved_at < now() - INTERVAL 1 HOUR OR resolved_at IS NULL AND NOT estimated"
		a := query(t, conn, "SELECT "+cols+" FROM pos.outage_impact"+w+" EXCEPT SELECT "+cols+" FROM old.outage_impact"+w)
		b := query(t, conn, "SELECT "+cols+" FROM old.outage_impact"+w+" EXCEPT SELECT "+cols+" FROM pos.outage_impact"+w)
		n := query(t, conn, "SELECT count(), countIf(refreshed_at IS NOT NULL), countIf(resolved_at IS NULL), sum(lost_net), countIf(estimated), uniqExact(method) FROM pos.outage_impact")
		m := query(t, conn, "SELECT count(), countIf(refreshed_at IS NOT NULL), countIf(resolved_at IS NULL), sum(lost_net), countIf(estimated), uniqExact(method) FROM old.outage_impact")
		runs := query(t, conn, "SELECT count() FROM (SELECT CAST(store_id,'String'), CAST(terminal_id,'String'), from_ms, if(ended AND to_ms < 1000*toInt64(toUnixTimestamp(now())) - 3600000, to_ms, 0), ended, outage_id FROM tillstream.outage_runs WHERE from_ms >= (SELECT ms FROM tillstream.impact_from) EXCEPT SELECT store_id, r.1, r.2, if(r.4 AND r.3 < 1000*toInt64(toUnixTimestamp(now())) - 3600000, r.3, 0), r.4, r.5 FROM tillstream.store_runs ARRAY JOIN runs AS r)")
		t.Log(what, n, m, runs)
		if len(a)+len(b) > 0 || runs[0] != "0" {
			for _, x := range a[:min(len(a), 5)] {
				t.Log("new", x)
			}
			for _, x := range b[:min(len(b), 5)] {
				t.Log("old", x)
			}
			t.Errorf("%s: differ", what)
		}
	}
	comp("chain")
	for seed := range 2 {
		rnd := rand.New(rand.NewPCG(uint64(seed), 9))
		now := time.Now().UnixMilli()
		var rows []string
		for _, s := range []string{"city", "night", "always", "free", "none"} {
			for i := range 4 {
				at := now - int64(rnd.IntN(120))*86400000
				for at < now && rnd.IntN(30) > 0 {
					d := int64(rnd.ExpFloat64() * []float64{4e3, 60e3, 3.6e6, 4e6, 86e6, 3e8}[rnd.IntN(6)])
					end := fmt.Sprint(at + d)
					if at+d > now || rnd.IntN(15) == 0 {
						end = "NULL"
					}
					rows = append(rows, fmt.Sprintf("('', '%s', '%c%d', %d, %d, '%s/%d/%d', %s, 1, 1)", s, s[0], i+1, at, 1, s, seed, len(rows), end))
					at += d + int64(rnd.ExpFloat64()*[]float64{5e3, 3e4, 4e4, 1e7, 3e8}[rnd.IntN(5)]) - int64(rnd.IntN(2)*rnd.IntN(100000))
					if rnd.IntN(3) == 0 {
						at += 86400000
					}
				}
			}
			exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, first_seen, last_seen, holds_until, registered) VALUES ('', '%s', '%c%d', %d, '%s', %d, %d, %d, %d)",
				s, s[0], 1+rnd.IntN(4), 10+seed, []string{"up", "down", "withdrawn", "silent"}[rnd.IntN(4)], now-int64(rnd.IntN(100))*86400000, now-int64(rnd.IntN(60))*86400000, now, rnd.IntN(2)))
		}
		exec(t, conn, "INSERT INTO tillstream.outages (lane, store_id, terminal_id, started_at, version, outage_id, resolved_at, repair_ms, service_ms) SETTINGS max_partitions_per_insert_block = 100 VALUES "+strings.Join(rows, ","))
		comp(fmt.Sprint("seed ", seed, " rows ", len(rows)))
		generation := uint64(time.Now().UnixMilli()) - uint64(rnd.IntN(3)*rnd.IntN(20*86400000))
		exec(t, conn, RefreshStatement("outage_impact", generation))
		exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.refreshes (name, generation) VALUES ('outage_impact', %d)", generation))
		comp(fmt.Sprint("refreshed ", seed))
	}
}
