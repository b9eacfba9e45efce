package console

import (
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A chain of 10,000 stores with ten tills each: of every thousand tills one is down, one silent, one runs without being able to sell. What the page says is what
// arithmetic says, the worst come first, and what is sent stays small.
func TestNowOfAHundredThousandTills(t *testing.T) {
	r := newRig(t)
	r.exec(`INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, since, first_seen, last_seen, holds_until, disabled)
SELECT '', leftPad(toString(intDiv(number, 10)), 5, '0'), 'T' || leftPad(toString(number), 6, '0'), 1,
  multiIf(number % 1000 = 0, 'down', number % 1000 = 2, 'degraded', 'up'), now64(3) - INTERVAL 3 HOUR, now64(3) - INTERVAL 9 DAY, now64(3) - INTERVAL 2 HOUR,
  if(number % 1000 = 1, now64(3) - INTERVAL 1 HOUR, toDateTime64('2299-12-31', 3, 'UTC')), number % 1000 = 2
FROM numbers(100000)`)
	r.exec(`INSERT INTO tillstream.store_status (lane, store_id, version, status, since, last_seen, holds_until, tills, tills_able, sell_quorum)
SELECT '', leftPad(toString(number), 5, '0'), 1, if(number = 4200, 'down', 'up'), now64(3) - INTERVAL 3 HOUR, now64(3), toDateTime64('2299-12-31', 3, 'UTC'), 10, 10, 1
FROM numbers(10000)`)
	page := r.look("/console/now?lang=en")
	want := map[string]string{"In service": "100,000", "Can sell": "99,700", "Down": "100", "Silent": "100", "Run, cannot sell": "100", "Maintenance": "0", "Unknown": "0", "Closed": "0"}
	if d := cmp.Diff(want, tiles(t, page, "tills")); d != "" {
		t.Errorf("tills (-want +got):\n%s", d)
	}
	if d := cmp.Diff(map[string]string{"Can sell": "9,999", "Cannot sell": "1", "Unknown": "0", "Closed": "0"}, tiles(t, page, "shops")); d != "" {
		t.Errorf("stores (-want +got):\n%s", d)
	}
	board := cells(t, page, "board")
	if len(board) != pageRows || !strings.HasPrefix(board[0], "04200|no|") || !strings.HasPrefix(board[1], "00000|yes||1|1|1|7|10|") || !strings.HasPrefix(board[2], "00100|yes||1|1|1|7|10|") {
		t.Errorf("%d rows of stores: %q", len(board), board[:3])
	}
	if n := len(page); n > 200_000 {
		t.Errorf("the page has %d bytes", n)
	}
	// The pages together show each store in trouble once, and then the others.
	seen := map[string]int{}
	for range 3 {
		for _, row := range cells(t, page, "board") {
			store, _, _ := strings.Cut(row, "|")
			seen[store]++
		}
		links := linkPattern.FindAllStringSubmatch(section(t, page, "board"), -1)
		next := html.UnescapeString(links[len(links)-1][1])
		if !strings.Contains(next, "stores=") {
			t.Fatalf("%s does not lead on", next)
		}
		page = r.look(strings.TrimSuffix(next, "#main"))
	}
	for i := range 100 {
		if store := fmt.Sprintf("%05d", i*100); seen[store] != 1 {
			t.Errorf("store %s is on %d of three pages", store, seen[store])
		}
	}
	if len(seen) != 3*pageRows {
		t.Errorf("%d stores on three pages", len(seen))
	}
	troubled := cells(t, r.look("/console/now?store=00100"), "troubled")
	if len(troubled) != 3 || !strings.HasPrefix(troubled[0], "00100|T001000|down|") || !strings.Contains(strings.Join(troubled, "\n"), "|T001001|silent|") || !strings.Contains(strings.Join(troubled, "\n"), "|T001002|cannot sell|") {
		t.Errorf("%q", troubled)
	}
}

// The books of the page are those of the ledger; what does not balance is said.
func TestBooks(t *testing.T) {
	r := newRig(t)
	r.lanes = []Lane{{Number: 0, State: "running", Behind: 12345}, {Number: 1, State: "stopped", Stopped: true, Trouble: "offset 7 is gone; run tillstream adopt"}}
	r.exec(`INSERT INTO tillstream.ledger (lane, topic, partition, epoch, day, from_offset, to_offset, records, duplicates, rejected, gaps, written_at) VALUES
		('g/0', 'pos.health', 0, 1, '2026-11-01', 0, 100, 90, 5, 3, 2, '2026-11-01 10:00:00'), ('g/0', 'pos.health', 0, 1, '2026-11-02', 100, 1500, 1400, 0, 0, 0, '2026-11-02 10:00:00'),
		('g/1', 'pos.health', 0, 2, '2026-11-02', 1600, 1700, 100, 0, 0, 0, '2026-11-02 11:00:00'),
		('g/1', 'pos.transactions', 1, 1, '2026-11-02', 10, 20, 9, 0, 0, 0, '2026-11-02 11:00:00')`)
	page := r.look("/console/now?lang=en&zone=Europe/Paris")
	want := []string{
		"pos.health|1,600|1,590|5|3|2|yes|2026-11-02 12:00",
		"pos.transactions|10|9|0|0|0|no: run tillstream audit|2026-11-02 12:00",
	}
	if d := cmp.Diff(want, cells(t, page, "books")); d != "" {
		t.Errorf("books (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"0|12,345|running|–", "1|0|stopped|offset 7 is gone; run tillstream adopt"}, cells(t, page, "lanes")); d != "" {
		t.Errorf("lanes (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"0|12\u202f345|en marche|–", "1|0|arrêtée|offset 7 is gone; run tillstream adopt"}, cells(t, r.look("/console/now?lang=fr"), "lanes")); d != "" {
		t.Errorf("lanes in French (-want +got):\n%s", d)
	}
}

// Names come from tills. Whatever they are, they are text on a page, a link leads to what it names, and the SQL that is shown runs.
func TestNamesAreText(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `it's \n \ {store:String} '; DROP TABLE x --`, "a&b=c#d é\t1\n2"} {
		r.exec("TRUNCATE TABLE tillstream.terminal_status")
		if err := r.conn.Exec(t.Context(), "INSERT INTO tillstream.terminal_status (lane, store_id, terminal_id, version, status, since, first_seen, last_seen, holds_until) SELECT '', ?, ?, 1, 'down', now64(3), now64(3), now64(3), toDateTime64('2299-12-31', 3, 'UTC')", name, "T"+name); err != nil {
			t.Fatal(err)
		}
		page := r.look("/console/now")
		if strings.Contains(page, "<script>alert") || strings.Contains(page, "<img") {
			t.Errorf("%q is markup", name)
		}
		link := linkPattern.FindStringSubmatch(section(t, page, "board"))[1]
		store := r.look(html.UnescapeString(link))
		if u, _ := url.Parse(html.UnescapeString(link)); u.Query().Get("store") != name {
			t.Errorf("%q: the link leads to %q", name, link)
		}
		if got := tiles(t, store, "tills")["Down"]; got != "1" {
			t.Errorf("%q: the page of the store has %q tills down", name, got)
		}
		// What is shown, run as it stands: SET first, then the query, as clickhouse-client does.
		shown := html.UnescapeString(codePattern.FindStringSubmatch(section(t, store, "tills"))[1])
		set, sql, ok := strings.Cut(shown, ";\n")
		value, known := strings.CutPrefix(set, "SET param_store = ")
		if !ok || !known {
			t.Fatalf("%q is shown", shown)
		}
		var literal string
		if err := r.conn.QueryRow(t.Context(), "SELECT "+value).Scan(&literal); err != nil {
			t.Fatalf("%v in %s", err, value)
		}
		if literal != strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`).Replace(name) {
			t.Errorf("%q: the parameter is %q", name, literal)
		}
		if !strings.HasPrefix(sql, "SELECT") {
			t.Errorf("%q: %q", name, sql)
		}
	}
}
