package clickhouse

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/tillstream/tillstream/deploy/embedded"
	"github.com/tillstream/tillstream/processor/clv"
	schema "github.com/tillstream/tillstream/schemas/clickhouse"
	sink "github.com/tillstream/tillstream/sinks/clickhouse"
)

func TestMain(m *testing.M) {
	embedded.RunChildIfAsked()
	os.Exit(m.Run())
}

// server is a ClickHouse with a user for each role, that writes down who needed which right.
func server(t *testing.T) *embedded.Engine {
	t.Helper()
	dir := t.TempDir()
	for file, text := range map[string]string{
		"users.d/roles.xml": UsersXML(),
		"config.d/log.xml":  "<clickhouse><query_log><database>system</database><table>query_log</table></query_log><access_control_improvements><settings_constraints_replace_previous>true</settings_constraints_replace_previous></access_control_improvements></clickhouse>",
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(file)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	engine, err := embedded.StartEngine(t.Context(), embedded.EngineConfig{Dir: dir, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	return engine
}

// sinkAs is the program's own connection, as a user who has a role.
func sinkAs(t *testing.T, engine *embedded.Engine, role string) *sink.Sink {
	t.Helper()
	s, err := sink.Open(sink.Config{DSN: sink.DSN("http://" + role + "@" + engine.HTTPAddr() + "/default?log_queries=1")}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// asking gives a function that asks as a user.
func asking(t *testing.T, engine *embedded.Engine, user string) func(sql string) ([]string, error) {
	t.Helper()
	conn, err := ch.Open(&ch.Options{Addr: []string{engine.HTTPAddr()}, Protocol: ch.HTTP, Auth: ch.Auth{Username: user}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func(sql string) ([]string, error) { return lines(t, conn, sql) }
}

func lines(t *testing.T, conn driver.Conn, sql string) ([]string, error) {
	t.Helper()
	r, err := conn.QueryFormat(t.Context(), "TabSeparated", sql)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"), nil
}

func denied(err error) bool {
	return err != nil && strings.Contains(err.Error(), "Not enough privileges")
}

// TestRoles asks a real server, where every role has a user with its grants. The roles themselves cannot be made here: the embedded engine keeps no users of its own, so their
// statements are only parsed.
func TestRoles(t *testing.T) {
	engine := server(t)
	writer := sinkAs(t, engine, "writer")
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := writer.Migrate(t.Context(), sink.MigrateOptions{Binary: "test"}); err != nil {
		t.Fatal(err)
	}
	admin := asking(t, engine, "default")
	ask := func(sql string) []string {
		t.Helper()
		rows, err := admin(sql)
		if err != nil {
			t.Fatalf("%v\n%s", err, sql)
		}
		return rows
	}

	t.Run("statements can be read, and what they name is there", func(t *testing.T) {
		there := ask("SELECT concat(database, '.', name) FROM system.tables WHERE database IN ('pos', 'tillstream') UNION ALL SELECT concat(database, '.', table, '.', name) FROM system.columns WHERE database IN ('pos', 'tillstream', 'system')")
		object := regexp.MustCompile(`^(?:GRANT|REVOKE) [A-Z ]+(?:\(([\w, ]+)\))? ON (?:(\w+)\.(\w+)|MergeTree|\w+MergeTree|\w+\.(?:\*|_tmp_replace_\*|canary_\*)|.*) (?:TO|FROM) \w+$`)
		for _, s := range statements() {
			if _, err := admin("EXPLAIN AST " + s); err != nil {
				t.Errorf("%s: %v", s, err)
			}
			m := object.FindStringSubmatch(s)
			if m == nil || m[3] == "" || strings.Contains(s, "_*") {
				continue
			}
			if name := m[2] + "." + m[3]; m[2] != "system" && !slices.Contains(there, name) {
				t.Errorf("%s: there is no %s", s, name)
			}
			for c := range strings.SplitSeq(m[1], ", ") {
				if name := m[2] + "." + m[3] + "." + c; c != "" && !slices.Contains(there, name) {
					t.Errorf("%s: there is no %s", s, name)
				}
			}
		}
		for _, table := range append(schema.Refreshed(), "clv") {
			if !slices.Contains(Grants("writer"), "GRANT ALTER DELETE ON tillstream."+table) {
				t.Errorf("writer may not drop old generations of %s", table)
			}
		}
	})

	t.Run("writer", func(t *testing.T) {
		must("check", writer.Check(t.Context()))
		must("settings", writer.PutMinGroup(t.Context(), 10))
		_, err := writer.Retain(t.Context(), sink.Retention{Customers: 400})
		must("retention", err)
		_, err = writer.Retain(t.Context(), sink.Retention{})
		must("retention", err)
		for _, table := range schema.Refreshed() { // a generation that goes
			ask("INSERT INTO tillstream." + table + " (generation) VALUES (1)")
		}
		_, err = writer.Refresh(t.Context())
		must("refresh", err)
		for range 2 {
			_, _, err := writer.WriteCLV(t.Context(), &sink.CLVModel{CLVInputs: sink.CLVInputs{Currency: "EUR", AsOf: time.Now()}, Purchases: &clv.Fit{}, Spend: &clv.Fit{}}, func(yield func(sink.CLVRow, error) bool) { yield(sink.CLVRow{Customer: 1}, nil) })
			must("clv", err)
		}
		ask := asking(t, engine, "writer")
		for _, sql := range []string{
			"DROP TABLE tillstream.sales_hourly", "DROP TABLE tillstream.rfm", "TRUNCATE TABLE tillstream.state", "DROP DATABASE pos", "ALTER TABLE tillstream.customer_days DELETE WHERE 1",
			"ALTER TABLE tillstream.ledger UPDATE records = 0 WHERE 1", "CREATE TABLE default.x (a Int8) ENGINE = MergeTree ORDER BY a", "SELECT * FROM system.parts",
		} {
			if _, err := ask(sql); !denied(err) {
				t.Errorf("%s: %v", sql, err)
			}
		}
	})

	t.Run("operator", func(t *testing.T) {
		s := sinkAs(t, engine, "operator")
		must("rebuild", s.CheckExchange(t.Context()))
		must("rebuild", s.CreateShadow(t.Context()))
		ask("INSERT INTO tillstream.outages (lane, outage_id, started_at) VALUES ('', 'o', '2026-01-01 00:00:00')")
		must("rebuild", s.KeepMonths(t.Context(), "outages", 203001, 203001))
		must("rebuild", s.PutSwap(t.Context(), sink.Swap{}, []string{"outages"}))
		must("rebuild", s.Exchange(t.Context(), "outages"))
		must("rebuild", s.DropShadow(t.Context()))
	})

	t.Run("eraser", func(t *testing.T) {
		const customer = 1 << 40
		for _, sql := range []string{
			"customer_days (lane, customer, business_date, transactions) VALUES ('', %d, '2026-01-01', 1)",
			"customer_consent (lane, customer, latest, lists) VALUES ('', %d, '01767225600000marketing', 1)",
			"sales_hourly (lane, store_id, business_date, transactions, identified_transactions, customers_in) VALUES ('', 's', '2026-01-01', 1, 1, [%d])",
			"order_journeys (lane, store_id, order_id, customer_said) VALUES ('', 's', 'o', '01767225600000%d')",
			"transactions (store_id, id, customer, events, keep_days) VALUES ('s', 't', %d, 1, 30)",
			"transaction_packs (store_id, ids, customers, events, keep_days) VALUES ('s', ['t'], [%d], 1, 30)",
		} {
			ask("INSERT INTO tillstream." + fmt.Sprintf(sql, uint64(customer)))
		}
		s, secret := sinkAs(t, engine, "eraser"), []byte("a secret of many bytes")
		must("members know", s.PutForgetKey(t.Context(), secret))
		_, _, err := s.IsForgetKey(t.Context(), secret)
		must("members know", err)
		begun, err := s.Erasure(t.Context(), "ann", "DSR", []uint64{customer}, false)
		if err != nil {
			t.Fatal(err)
		}
		x, err := s.Resume(t.Context())
		if err != nil || x.ID != begun.ID {
			t.Fatalf("%v, %v", x, err)
		}
		before, err := x.Search(t.Context())
		must("search", err)
		if len(before) != 6 {
			t.Errorf("found in %v, want six tables", before)
		}
		must("list", x.List(t.Context(), secret))
		_, err = s.Rebuilding(t.Context())
		must("rebuilding", err)
		must("erase", x.Erase(t.Context()))
		at, err := x.Clock(t.Context())
		must("clock", err)
		_, _, err = x.Outdated(t.Context(), at)
		must("outdated", err)
		left, err := x.Search(t.Context())
		must("search", err)
		if len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		must("record", x.Record(t.Context(), before))
		must("close", x.Close(t.Context()))
		eraser := asking(t, engine, "eraser")
		for _, sql := range []string{"DROP TABLE tillstream.customer_days", "TRUNCATE TABLE tillstream.customer_days", "ALTER TABLE pos.customer_days DELETE WHERE 1", "DROP DATABASE tillstream"} {
			if _, err := eraser(sql); !denied(err) {
				t.Errorf("%s: %v", sql, err)
			}
		}
	})

	t.Run("auditor", func(t *testing.T) {
		_, err := sinkAs(t, engine, "auditor").Audit(t.Context())
		must("audit", err)
		auditor := asking(t, engine, "auditor")
		personal := ask(`SELECT concat(name, ' FROM tillstream.', table) FROM system.columns WHERE database = 'tillstream' AND table IN (SELECT name FROM system.tables WHERE database = 'tillstream' AND engine LIKE '%MergeTree')
			AND default_kind != 'EPHEMERAL' AND (name = 'customer' AND type = 'UInt64' OR name IN ('customer_said', 'customer_counts', 'content') OR table = 'state' AND name = 'value' OR type LIKE '%(uniq%')`)
		for _, c := range personal {
			if _, err := auditor("SELECT " + c); !denied(err) {
				t.Errorf("auditors read %s: %v", c, err)
			}
		}
		if len(personal) != 15 {
			t.Errorf("%d columns of people, want 15: is one gone?", len(personal))
		}
	})

	t.Run("exporter", func(t *testing.T) {
		a := sink.Audience{Where: "net_365d > 1", Purpose: "marketing"}
		s := sinkAs(t, engine, "exporter")
		_, _, err := s.CountAudience(t.Context(), a)
		must("audience", err)
		_, err = s.MinGroup(t.Context())
		must("audience", err)
		must("audience", s.PutExport(t.Context(), &sink.Export{ID: "e", Audience: a}))
		if err := sinkAs(t, engine, "analyst").PutExport(t.Context(), &sink.Export{ID: "e", Audience: a}); !denied(err) {
			t.Errorf("analysts write down exports: %v", err)
		}
	})

	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "privacy.md"))
	if err != nil {
		t.Fatal(err)
	}
	readers := []string{"analyst", "exporter", "auditor", "marketing"}

	may := map[string]func(what string) bool{}
	for _, r := range readers {
		ask := asking(t, engine, r)
		may[r] = func(what string) bool {
			rows, err := ask("CHECK GRANT SELECT" + what)
			must(what, err)
			return len(rows) == 1 && rows[0] == "1"
		}
	}

	t.Run("who may read what is what docs/privacy.md says", func(t *testing.T) {
		var want, got []string
		for _, m := range regexp.MustCompile("(?m)^\\| `pos\\.(\\w+)` \\| ([^|]+) \\|").FindAllStringSubmatch(string(text), -1) {
			want = append(want, m[1]+" "+m[2])
		}
		for _, view := range ask("SELECT name FROM system.tables WHERE database = 'pos' ORDER BY name") {
			var who []string
			for _, r := range readers {
				switch {
				case may[r](" ON pos." + view):
					who = append(who, r)
				case may[r]("(" + ask("SELECT name FROM system.columns WHERE database = 'pos' AND table = '" + view + "' AND position = 1")[0] + ") ON pos." + view):
					who = append(who, r+" in part")
				}
			}
			got = append(got, view+" "+strings.Join(who, ", "))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-docs +server)\n%s", d)
		}
		for _, r := range readers {
			ask := asking(t, engine, r)
			for _, sql := range []string{"INSERT INTO tillstream.settings (name) VALUES ('min_group')", "SELECT customer FROM tillstream.customer_days", "SELECT * FROM url('http://127.0.0.1/', CSV, 'a String')", "CREATE VIEW pos.x AS SELECT 1"} {
				if _, err := ask(sql); !denied(err) {
					t.Errorf("%s: %s: %v", r, sql, err)
				}
			}
		}
		for _, c := range ask("SELECT concat(table, '.', name) FROM system.columns WHERE database = 'pos' AND type LIKE '%AggregateFunction%'") {
			t.Errorf("pos.%s is the state of a sketch", c)
		}
	})

	t.Run("marketing sees no hidden group, by whatever condition", func(t *testing.T) {
		const newest = "4102444800000"
		for _, sql := range []string{
			"INSERT INTO tillstream.rfm (customer, currency, segment, generation) SELECT number, 'EUR', if(number < 7, 'hidden', if(number < 20, 'second', 'shown')), " + newest + " FROM numbers(40)",
			"INSERT INTO tillstream.segment_sales (segment, product_id, currency, customers, units, of_largest, generation) VALUES ('shown', 'hidden', 'EUR', 3, 3000, [-1, -1], " + newest + "), ('shown', 'shown', 'EUR', 20, 20000, [-1, -1], " + newest + ")",
			"INSERT INTO tillstream.cohorts (cohort, currency, customers, active, complete, generation) VALUES ('2020-01-01', 'EUR', 3, 3, 1, " + newest + "), ('2020-02-01', 'EUR', 13, 13, 1, " + newest + "), ('2020-03-01', 'EUR', 20, 20, 1, " + newest + ")",
			"INSERT INTO tillstream.affinity (left, right, baskets, generation) VALUES ('hidden', 'x', 29, " + newest + "), ('shown', 'x', 30, " + newest + ")",
			"INSERT INTO tillstream.refreshes (name, generation) SELECT arrayJoin(['rfm', 'segment_sales', 'cohorts', 'affinity']), " + newest,
		} {
			ask(sql)
		}
		marketing := asking(t, engine, "marketing")
		for view, hidden := range map[string]string{"segments": "segment = 'hidden'", "products": "product_id = 'hidden'", "cohorts": "cohort = '2020-01-01'", "affinity": "left = 'hidden'"} {
			rows, err := marketing("SELECT * FROM pos.marketing_" + view + " WHERE NOT throwIf(" + hidden + ")")
			if err != nil || len(rows) != 1 {
				t.Errorf("%s: %q, %v", view, rows, err)
			}
			for _, setting := range []string{"additional_table_filters = {'tillstream.rfm': 'customer < 15'}", "read_overflow_mode = 'break', max_rows_to_read = 15"} {
				if _, err := marketing("SELECT * FROM pos.marketing_" + view + " SETTINGS " + setting); err == nil || !strings.Contains(err.Error(), "in readonly mode") {
					t.Errorf("%s with %s: %v", view, setting, err)
				}
			}
		}
	})

	t.Run("docs/privacy.md says of every table how long it keeps rows", func(t *testing.T) {
		for _, table := range ask("SELECT name FROM system.tables WHERE database = 'tillstream' AND engine LIKE '%MergeTree'") {
			if n := strings.Count(string(text), "`"+table+"`"); n == 0 {
				t.Errorf("%s is not there", table)
			}
		}
	})

	t.Run("the users' queries", func(t *testing.T) {
		queries, err := os.ReadFile(filepath.Join("..", "..", "schemas", "clickhouse", "testdata", "queries.sql"))
		if err != nil {
			t.Fatal(err)
		}
		marketing := asking(t, engine, "marketing")
		var can []string
		all := regexp.MustCompile(`(?m)^-- (\w+) .*\n(.*)$`).FindAllStringSubmatch(string(queries), -1)
		for _, m := range all {
			for _, view := range regexp.MustCompile(`(?:FROM|JOIN) (pos\.\w+)`).FindAllStringSubmatch(m[2], -1) {
				if !may["analyst"](" ON " + view[1]) {
					t.Errorf("analysts cannot ask %s", m[1])
				}
			}
			if _, err := marketing(m[2]); err == nil {
				can = append(can, m[1])
			} else if !denied(err) {
				t.Errorf("%s: %v", m[1], err)
			}
		}
		if len(all) != 45 {
			t.Errorf("there are %d queries, want 45", len(all))
		}
		if d := cmp.Diff([]string{"M8"}, can); d != "" {
			t.Errorf("what marketing can ask as it stands (-want +got)\n%s", d)
		}
		instead := regexp.MustCompile("(?m)^\\| (\\w+) \\| .*`(SELECT .*)` \\|$").FindAllStringSubmatch(string(text), -1)
		if len(instead) < 11 {
			t.Errorf("docs/privacy.md has %d queries for marketing", len(instead))
		}
		for _, m := range instead {
			if _, err := marketing(m[2]); err != nil {
				t.Errorf("instead of %s: %v", m[1], err)
			}
		}
	})

	t.Run("no right that is not needed", func(t *testing.T) {
		ask("SYSTEM FLUSH LOGS")
		for _, role := range []string{"writer", "operator", "eraser"} {
			var used []string
			for _, row := range ask("SELECT DISTINCT p FROM system.query_log ARRAY JOIN used_privileges AS p WHERE user = '" + role + "'") {
				// "SELECT(a, b), INSERT ON tillstream.x"
				rights, object, _ := strings.Cut(row, " ON ")
				for right := range strings.SplitSeq(regexp.MustCompile(`\([^)]*\)`).ReplaceAllString(rights, ""), ", ") {
					used = append(used, right+" ON "+object)
				}
			}
			for _, g := range Grants(role)[len(Grants(map[string]string{"operator": "writer", "eraser": "writer"}[role])):] {
				rights, object, _ := strings.Cut(strings.TrimPrefix(g, "GRANT "), " ON ")
				for right := range strings.SplitSeq(regexp.MustCompile(`\([^)]*\)`).ReplaceAllString(rights, ""), ", ") {
					if !slices.ContainsFunc(used, func(u string) bool {
						prefix, wild := strings.CutSuffix(right+" ON "+object, "*")
						return u == prefix || wild && strings.HasPrefix(u, prefix)
					}) {
						t.Errorf("%s does not need %s ON %s", role, right, object)
					}
				}
			}
		}
	})
}
