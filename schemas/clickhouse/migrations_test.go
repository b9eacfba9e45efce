package clickhouse

import (
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestReadRefusesHolesAndOddNames(t *testing.T) {
	for want, names := range map[string][]string{
		"expected number 0002":     {"0001_a.sql", "0003_b.sql"},
		"expected number 0001":     {"0002_a.sql"},
		"must be NNNN_name.sql":    {"1_a.sql"},
		"expected number 0002 ":    {"0001_a.sql", "0001_b.sql"},
		"0001.sql: its name must ": {"0001.sql"},
	} {
		fsys := fstest.MapFS{}
		for _, n := range names {
			fsys[n] = &fstest.MapFile{Data: []byte("SELECT 1;\n")}
		}
		if _, err := Read(fsys); err == nil || !strings.Contains(err.Error()+" ", want) {
			t.Errorf("%v: got %v, want %q", names, err, want)
		}
	}
}

func TestStatements(t *testing.T) {
	m := Migration{SQL: "-- a; comment\n-- more\nSELECT ';', 1;\n\n  -- only a comment\nSELECT 2 -- inside\n, 3;\n-- the end\n"}
	if diff := cmp.Diff([]string{"SELECT ';', 1", "SELECT 2 -- inside\n, 3"}, m.Statements()); diff != "" {
		t.Error(diff)
	}
}

// Every statement of a migration must be safe to run twice.
func TestEmbeddedMigrationsAreIdempotent(t *testing.T) {
	ms, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	const nested = `\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)` // parentheses, three deep
	alter := regexp.MustCompile(`^ALTER TABLE tillstream\.\w+\s+(MODIFY SETTING [^,]+|MODIFY TTL .+ DELETE WHERE [^,]+|ADD COLUMN IF NOT EXISTS ([^,(]|` + nested + `)+(,\s+ADD COLUMN IF NOT EXISTS ([^,(]|` + nested + `)+)*)$`)
	// A default may be any expression; but nothing else may be altered in the same statement.
	defaulted := regexp.MustCompile(`^ALTER TABLE tillstream\.\w+\n  MODIFY COLUMN \w+ DEFAULT .+(\n    .+)*$`)
	computed := regexp.MustCompile(`^ALTER TABLE tillstream\.\w+\n(  ADD COLUMN IF NOT EXISTS .+(\n    .+)*(,\n|$))+$`)
	indexed := regexp.MustCompile(`^ALTER TABLE tillstream\.\w+ (ADD INDEX IF NOT EXISTS \w+ \w+ TYPE minmax GRANULARITY 1|MATERIALIZE INDEX \w+)(, (ADD INDEX IF NOT EXISTS \w+ \w+ TYPE minmax GRANULARITY 1|MATERIALIZE INDEX \w+))*$`)
	for _, m := range ms {
		for _, s := range m.Statements() {
			if indexed.MatchString(s) || defaulted.MatchString(s) || computed.MatchString(s) && !regexp.MustCompile(`\b(DROP|MODIFY|RENAME|UPDATE|DELETE|CLEAR)\b`).MatchString(s) {
				continue
			}
			if !strings.HasPrefix(s, "CREATE TABLE IF NOT EXISTS ") && !strings.HasPrefix(s, "CREATE OR REPLACE VIEW ") && !alter.MatchString(s) {
				t.Errorf("%04d_%s: %.60q", m.Version, m.Name, s)
			}
		}
	}
}
