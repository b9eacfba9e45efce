package audience

import (
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tillstream/tillstream/processor/event"
)

func TestCheck(t *testing.T) {
	for _, good := range []string{
		"true",
		"segment = 'at_risk' AND net_365d > 200.50 AND currency = 'EUR'",
		"usual_store='0042' AND usual_dow=6 AND usual_hour BETWEEN 10 AND 13",
		"segment in ('champions', 'loyal') and not (usual_hour >= 22 or usual_hour in [1,2,3])",
		"has(channels, 'web') AND length(channels) > 1",
		"last_at < now() - INTERVAL 30 DAY AND toDayOfWeek(last_at) != 7",
		"clv is not null and clv / net_365d > 0.5 * p_alive % 2",
		"top_category like 'it''s ; -- /* select %' or top_category = 'é {a:String}'",
		"coalesce(risk, 0) >= 2 AND (r, f) IN ((1, 2), (1, 3))",
		"greatest(r, f) * -1 < -3",
	} {
		if err := Check(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, says := range map[string]string{
		"  ":                           "is empty",
		strings.Repeat("r", 5000):      "5000 bytes",
		"customer = 7":                 "customer is neither a column",
		"r = 1; DROP TABLE x":          "at byte 6 of the condition, ; is not allowed",
		"r = 1) OR (1 = 1":             "at byte 6 of the condition, ) closes no bracket",
		"(r = 1]":                      "] closes no bracket",
		"(r = 1":                       "1 brackets are still open",
		"r IN (SELECT 1)":              "SELECT is not allowed in the list of an IN",
		"r IN (clv)":                   "clv is not allowed in the list of an IN",
		"r IN ((1, clv))":              "clv is not allowed in the list of an IN",
		"r IN clv":                     "a list of values in brackets must follow IN",
		"r in":                         "a list of values must follow IN",
		"r = (SELECT max(r) FROM rfm)": "SELECT is neither a column",
		"r = 1 UNION ALL r":            "UNION is neither a column",
		"r = 1 SETTINGS readonly = 0":  "SETTINGS is neither a column",
		"file('/etc/passwd') = ''":     "file is neither a column",
		"dictGet('d', 'a', 1) = 1":     "dictGet is neither a column",
		"pos.rfm.r = 1":                "pos is neither a column",
		"r.r = 1":                      ". is not allowed",
		"r = 1 -- x":                   "a comment is not allowed",
		"r = 1 /* x":                   "a comment is not allowed",
		"`r` = 1":                      "` is not allowed; texts stand in single quotes",
		`"customer" = 1`:               `" is not allowed`,
		"segment = 'a":                 "the text has no end",
		`segment = 'a\' OR 1 = 1`:      "backslashes",
		"segment = 'a\x00'":            "control characters",
		"r = {purpose:String}":         "{ is not allowed",
		"r = ?":                        "? is not allowed",
		"r = @purpose":                 "@ is not allowed",
		"r = $1":                       "$ is not allowed",
		"r = 0x1F":                     "x1F is neither",
		"r = 1\x00":                    `'\x00' is not allowed`,
		"r\u00a0= 1":                   "is not allowed",
		"coalesce(*) = 1":              "* is only a sign of multiplication",
		"(r, *) = 1":                   "* is only a sign of multiplication",
		"* = 1":                        "* is only a sign of multiplication",
		"now = 1":                      "the arguments of now must follow it in brackets",
		"r > now":                      "the arguments of now must follow it",
		"R = 1":                        "R is neither a column", // names of columns are case-sensitive
	} {
		if err := Check(bad); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %s", bad, err, says)
		}
	}
	for order, good := range map[string]bool{"clv": true, "clv desc": true, " net_365d  ASC": true, "": false, "customer": false, "clv desc, r": false, "clv down": false, "1": false} {
		if err := CheckOrder(order); (err == nil) != good {
			t.Errorf("order %q: %v", order, err)
		}
	}
}

// docs/audiences.md names every column, by view.
func TestColumnsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/audiences.md")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| (\\w+) \\| `(.*)` \\|$").FindAllStringSubmatch(string(text), -1) {
		for _, c := range strings.Fields(m[2]) {
			got[c] = m[1]
		}
	}
	if want := Columns(); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestJoin(t *testing.T) {
	secret := []byte("a secret of the owner")
	p := func(kind, id string) string { return strconv.FormatUint(event.Pseudonym(secret, kind, id), 10) }
	chosen := "customer,reason\r\n" + p("loyalty", "m1") + ",\"sorry, outage\"\r\n" + p("account", "m2") + ",sorry\r\n" + p("loyalty", "gone") + ",sorry\r\n"
	join := func(audience, mapping string) (string, Joined, error) {
		var out strings.Builder
		j, err := Join(secret, "loyalty", strings.NewReader(audience), strings.NewReader(mapping), &out)
		return out.String(), j, err
	}
	out, j, err := join(chosen, "\ufeffid,email\nm1,a@b\nm2,c@d\nm3,e@f\nm1,again@b\n")
	if err != nil || out != "id,email,reason\nm1,a@b,\"sorry, outage\"\nm1,again@b,\"sorry, outage\"\n" || j != (Joined{Audience: 3, Matched: 1, Rows: 4}) {
		t.Errorf("%q %+v %v", out, j, err)
	}
	out, j, err = join(chosen, "email,type,id\nc@d,account,m2\na@b,account,m1\n")
	if err != nil || out != "email,type,id,reason\nc@d,account,m2,sorry\n" || j != (Joined{Audience: 3, Matched: 1, Rows: 2}) {
		t.Errorf("%q %+v %v", out, j, err)
	}
	for _, c := range []struct{ audience, mapping, says string }{
		{"", "id\nm1\n", "reading the audience: EOF"},
		{"customer\n1\n", "id\nm1\n", "the audience, line 1: it needs columns customer and reason"},
		{"customer,reason\n1,x\nx,y\n", "id\nm1\n", `the audience, line 3: "x" is not a pseudonym`},
		{chosen, "email\na@b\n", "the mapping, line 1: it needs a column id"},
		{chosen, "id,email\nm1\n", "wrong number of fields"},
	} {
		if _, _, err := join(c.audience, c.mapping); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %s", err, c.says)
		}
	}
}
