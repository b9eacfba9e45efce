package clickhouse

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// shown are the ways in which docs/privacy.md may show a breakdown into cells of so many people: 0 is hidden. It is one but where the smallest that are not too small
// are equal, and one is to be hidden.
func shown(cells []int, k int) (ways [][]int) {
	all := make([]int, len(cells))
	small, least := false, 0
	for i, n := range cells {
		all[i] = rounded(n, k)
		switch {
		case n < k:
			small, all[i] = small || n > 0, 0
		case least == 0 || n < least:
			least = n
		}
	}
	if !small || least == 0 {
		return [][]int{all}
	}
	for i, n := range cells {
		if n == least {
			way := slices.Clone(all)
			way[i] = 0
			ways = append(ways, way)
		}
	}
	return ways
}

// rounded is the nearest multiple of k.
func rounded(n, k int) int { return (2*n + k) / (2 * k) * k }

// Whoever knows how groups are hidden, which cells there may be, and the sum of all of them, rounded as a group above shows it, can still not say of any cell, nor of
// any cells together, that they are more than none and fewer than k: among all breakdowns that would look the same is one in which they are none, or at least k. All
// breakdowns of up to so many people are tried.
func TestNobodyIsSingledOut(t *testing.T) {
	for _, x := range []struct{ k, cells, most int }{{5, 2, 40}, {5, 3, 22}, {6, 3, 20}, {4, 4, 13}} {
		type look struct {
			cells string
			sum   int
		}
		type span struct{ none, many bool }
		seen := map[look][]span{} // by subset of the cells
		worlds := [][]int{{}}
		for range x.cells {
			var longer [][]int
			for _, w := range worlds {
				for n := range x.most + 1 {
					longer = append(longer, append(slices.Clip(w), n))
				}
			}
			worlds = longer
		}
		sum := func(w []int, subset int) (n int) {
			for i, c := range w {
				if subset>>i&1 == 1 {
					n += c
				}
			}
			return n
		}
		all := 1<<x.cells - 1
		looks := func(w []int) (looks []look) {
			total := sum(w, all)
			if total < x.k { // the group above is hidden
				return nil
			}
			for _, way := range shown(w, x.k) {
				looks = append(looks, look{fmt.Sprint(way), rounded(total, x.k)})
			}
			return looks
		}
		for _, w := range worlds {
			for _, l := range looks(w) {
				if seen[l] == nil {
					seen[l] = make([]span, all+1)
				}
				for subset := range all + 1 {
					n := sum(w, subset)
					seen[l][subset].none = seen[l][subset].none || n == 0
					seen[l][subset].many = seen[l][subset].many || n >= x.k
				}
			}
		}
		for l, spans := range seen {
			for subset := 1; subset <= all; subset++ {
				if s := spans[subset]; !s.none && !s.many {
					t.Fatalf("k = %d: where %s of %d is shown, cells %b must be one to %d", x.k, l.cells, l.sum, subset, x.k-1)
				}
			}
		}
	}
}

// person is one of a random population: the customers of a currency, which no group goes beyond.
type person struct {
	Segment, Dow, Channels, Cohort int
	Months                         uint8 // since the cohort's, in which he bought
	Products                       uint8 // bought, a bit each
	Net                            int64
}

var people = rapid.Custom(func(t *rapid.T) person {
	return person{
		Segment: rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2}).Draw(t, "segment"), Dow: rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "dow"),
		Channels: rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2}).Draw(t, "channels"), Cohort: rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "cohort"),
		Months: rapid.Uint8Range(0, 3).Draw(t, "months")<<1 | 1, Products: rapid.SampledFrom([]uint8{0, 1, 1, 1, 3, 2}).Draw(t, "products"), Net: rapid.Int64Range(1, 9999).Draw(t, "net"),
	}
})

// group is a figure that marketing can ask for: how many people are in it, and what is said.
type group struct {
	name    string
	members map[int]bool
	said    int
}

// Random small populations, on the engine: it hides what shown hides; and of no two figures, the sums of a breakdown among them, does the difference say that there is a
// group of fewer than k.
func TestMarketingSeesGroups(t *testing.T) {
	conn := fresh(t)
	const count = 150
	var all [][]person
	for seed := range count {
		all = append(all, rapid.SliceOfN(people, 1+seed%100, -1).Example(seed))
	}
	insertPopulations(t, conn, all)
	for i, k := range []int{10, 5, 7} {
		if i > 0 { // 10 where it was never set
			exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.settings (name, value, changed_at) VALUES ('min_group', %d, fromUnixTimestamp64Milli(toInt64(%d)))", k, i))
		}
		said := sayings(t, conn)
		for c, people := range all {
			checkPopulation(t, k, fmt.Sprintf("C%03d", c), people, said)
		}
		if len(said) < count { // groups are seen at all
			t.Errorf("k = %d: only %d figures are shown", k, len(said))
		}
	}
	exec(t, conn, "INSERT INTO tillstream.settings (name, value, changed_at) VALUES ('min_group', 2, fromUnixTimestamp64Milli(toInt64(9)))")
	if got := query(t, conn, "SELECT min_group FROM pos.privacy"); got[0] != "5" {
		t.Errorf("of a setting of 2 comes a k of %s, want 5, the least", got[0])
	}
}

// sayings are what the views show of groups of a currency, by name.
func sayings(t *testing.T, conn driver.Conn) map[string]int {
	t.Helper()
	said := map[string]int{}
	for _, sql := range []string{
		"SELECT concat(currency, ' segment ', segment), customers FROM pos.marketing_segments",
		"SELECT concat(currency, ' segment ', segment, ' dow ', toString(usual_dow)), customers FROM pos.marketing_hours",
		"SELECT concat(currency, ' channel ', channel), customers FROM pos.marketing_channels",
		"SELECT concat(currency, ' segment ', segment, ' product ', product_id), customers FROM pos.marketing_products",
		"SELECT concat(currency, ' cohort ', toString(toMonth(cohort)), if(period = 0, '', concat(' active ', toString(period)))), if(period = 0, customers, active) FROM pos.marketing_cohorts",
	} {
		for _, row := range query(t, conn, sql) {
			name, value, _ := strings.Cut(row, "\t")
			var n int
			fmt.Sscan(value, &n)
			if _, twice := said[name]; twice {
				t.Errorf("%s is shown twice", name)
			}
			said[name] = n
		}
	}
	return said
}

var channelsOf = [][]string{{"store"}, {"web"}, {"store", "web"}}

func insertPopulations(t *testing.T, conn driver.Conn, all [][]person) {
	t.Helper()
	var rfm, profiles, cohorts, sales []string
	const generation = 4102444800000 // old ones go
	for c, people := range all {
		currency := fmt.Sprintf("C%03d", c)
		customers, active := map[int]int{}, map[[2]int]int{}
		buyers := map[[2]int]int{}
		for i, p := range people {
			rfm = append(rfm, fmt.Sprintf("(%d, '%s', %d, 's%d', %d)", i, currency, p.Net, p.Segment, generation))
			profiles = append(profiles, fmt.Sprintf("(%d, '%s', %d, 's%d', %d, 9, ['%s'], %d)", i, currency, p.Net, p.Segment, p.Dow, strings.Join(channelsOf[p.Channels], "', '"), generation))
			customers[p.Cohort]++
			for m := range 3 {
				active[[2]int{p.Cohort, m}] += int(p.Months >> m & 1)
			}
			for product := range 2 {
				buyers[[2]int{p.Segment, product}] += int(p.Products >> product & 1)
			}
		}
		for cohort, n := range customers {
			for m := range 4 { // the last one goes on
				cohorts = append(cohorts, fmt.Sprintf("('2020-0%d-01', '%s', %d, %d, %d, %d, %d)", 1+cohort, currency, m, n, active[[2]int{cohort, m}], min(3-m, 1), generation))
			}
		}
		for b, n := range buyers {
			if n > 0 {
				sales = append(sales, fmt.Sprintf("('s%d', 'p%d', '%s', %d, %d, [-1, -1], %d)", b[0], b[1], currency, n, 1000*n, generation))
			}
		}
	}
	for columns, values := range map[string][]string{
		"rfm (customer, currency, net, segment": rfm, "buyer_profiles (customer, currency, net, segment, usual_dow, usual_hour, channels": profiles,
		"cohorts (cohort, currency, period, customers, active, complete": cohorts, "segment_sales (segment, product_id, currency, customers, units, of_largest": sales,
	} {
		exec(t, conn, "INSERT INTO tillstream."+columns+", generation) VALUES "+strings.Join(values, ", "))
		name, _, _ := strings.Cut(columns, " ")
		exec(t, conn, fmt.Sprintf("INSERT INTO tillstream.refreshes (name, generation) VALUES ('%s', %d)", name, generation))
	}
}

func checkPopulation(t *testing.T, k int, currency string, people []person, said map[string]int) {
	t.Helper()
	members := func(in func(person) bool) map[int]bool {
		out := map[int]bool{}
		for i, p := range people {
			if in(p) {
				out[i] = true
			}
		}
		return out
	}
	var groups []group
	// breakdown is a table of the views; above says whether the group that it breaks down is shown.
	breakdown := func(above bool, cells []group) {
		var sizes []int
		for _, g := range cells {
			sizes = append(sizes, len(g.members))
		}
		sum := group{name: currency + " all of " + cells[0].name, members: map[int]bool{}}
		var seen []int
		for _, g := range cells {
			g.said = said[currency+" "+g.name]
			seen = append(seen, g.said)
			if g.said != 0 {
				groups = append(groups, g)
				for m := range g.members {
					sum.members[m] = true
				}
				sum.said += g.said
			}
		}
		groups = append(groups, sum)
		if ways := shown(sizes, k); above && !slices.ContainsFunc(ways, func(w []int) bool { return slices.Equal(w, seen) }) || !above && sum.said > 0 {
			t.Errorf("k = %d: %s of %v is shown as %v, want %v if what is above is shown (%v)", k, sum.name, sizes, seen, ways, above)
		}
	}
	var segments, channels, cohorts []group
	for s := range 3 {
		segments = append(segments, group{name: fmt.Sprintf("segment s%d", s), members: members(func(p person) bool { return p.Segment == s })})
		cohorts = append(cohorts, group{name: fmt.Sprintf("cohort %d", s+1), members: members(func(p person) bool { return p.Cohort == s })})
	}
	for c, name := range []string{"store", "web", "omnichannel"} {
		channels = append(channels, group{name: "channel " + name, members: members(func(p person) bool { return p.Channels == c })})
	}
	breakdown(true, segments)
	breakdown(true, channels)
	breakdown(true, cohorts)
	some := func(above, g group) {
		g.said = said[currency+" "+g.name]
		rest := len(above.members) - len(g.members)
		want := 0
		if n := len(g.members); said[currency+" "+above.name] != 0 && n >= k && (rest == 0 || rest >= k) {
			want = rounded(n, k)
		}
		if g.said != want {
			t.Errorf("k = %d: %s %s of %d, in %d, is shown as %d, want %d", k, currency, g.name, len(g.members), len(above.members), g.said, want)
		}
		if g.said != 0 {
			groups = append(groups, g)
		}
	}
	for s, above := range segments {
		var days []group
		for dow := 1; dow <= 3; dow++ {
			days = append(days, group{name: fmt.Sprintf("%s dow %d", above.name, dow), members: members(func(p person) bool { return p.Segment == s && p.Dow == dow })})
		}
		breakdown(said[currency+" "+above.name] != 0, days)
		for product := range 2 {
			some(above, group{name: fmt.Sprintf("%s product p%d", above.name, product), members: members(func(p person) bool { return p.Segment == s && p.Products>>product&1 == 1 })})
		}
	}
	for c, above := range cohorts {
		for m := 1; m < 3; m++ {
			some(above, group{name: fmt.Sprintf("%s active %d", above.name, m), members: members(func(p person) bool { return p.Cohort == c && p.Months>>m&1 == 1 })})
		}
	}
	for _, a := range groups {
		for _, b := range groups {
			rest, within := len(a.members)-len(b.members), true
			for m := range b.members {
				within = within && a.members[m]
			}
			if !within || rest == 0 || rest >= k {
				continue
			}
			// Figures may be off by less than k/2 each, sums by more: taken as exact, the difference is a multiple of k.
			if d := a.said - b.said; d > 0 && d < k {
				t.Errorf("k = %d: %s %s less %s says that there are %d", k, currency, a.name, b.name, d)
			}
		}
	}
}

// The views on the hundred customers of the users' queries.
func TestMarketingViews(t *testing.T) {
	conn := fresh(t)
	_, base := clock(t, conn)
	c := calendar{base}
	for _, s := range marketing.insert(c) {
		exec(t, conn, s)
	}
	before := c.day(0).AddDate(0, -1, 1-c.day(0).Day())
	was := before.Format(time.DateOnly)
	exec(t, conn, fmt.Sprintf(`INSERT INTO tillstream.payment_days (lane, business_date, store_id, method, entry_mode, wallet, currency, payments) VALUES
		('', '%s', 's', 'cash', '', '', 'EUR', 123), ('', '%[1]s', 's', 'card', 'contactless', 'apple_pay', 'EUR', 33), ('', '%[1]s', 's', 'card', 'contactless', '', 'EUR', 44)`, was))
	// 30 orders of as many unknown customers: 20 were collected, 12 with something else; 3 promises were broken.
	exec(t, conn, fmt.Sprintf(`INSERT INTO tillstream.order_journeys (lane, store_id, order_id, first_ms, placed_ms, reserved_ms, paid_ms, accepted_ms, rejected_ms, picking_ms, substituted_ms, ready_ms, notified_ms,
		arrived_ms, collected_ms, partially_collected_ms, expired_ms, cancelled_ms, returned_ms, shipped_ms, delivered_ms, promise_said, added_held, ready_day_held)
		SELECT '', 's', toString(number), at, at, x, x, x, x, x, x, at + 3600000, x, x, if(number < 20, at + 7200000, x), x, if(number < 20, x, at + 9000000), x, x, x, x,
			concat(leftPad('', 14, '0'), toString(at + if(number < 3, 0, 3700000)), ' 0'), if(number < 12, concat(leftPad('', 34, '0'), 'EUR 100 1'), ''), concat(leftPad('', 34, '0'), toString(toUInt16(toDate('%s'))))
		FROM (SELECT number, toUnixTimestamp64Milli(toDateTime64('%[1]s', 3, 'UTC')) AS at, toInt64(9223372036854775807) AS x FROM numbers(30))`, was))
	got := map[string][]string{}
	for view, columns := range map[string]string{
		"segments": "segment, currency, customers, net_per_customer", "hours": "segment, usual_dow, usual_hour, currency, customers", "channels": "channel, currency, customers, net_per_customer",
		"products": "segment, category, product_id, currency, customers, units_per_customer", "rhythm": "customers, days_p25, days_p50, days_p75, days_p90", "affinity": "left, right, baskets, confidence, lift",
		"payments": "month, method, entry_mode, wallet, payments", "orders": "*",
	} {
		for _, row := range query(t, conn, "SELECT "+columns+" FROM pos.marketing_"+view+" ORDER BY ALL") {
			got[view] = append(got[view], strings.ReplaceAll(row, "\t", " "))
		}
	}
	recent := 0 // visits of a champion
	for _, back := range buyers(c)[99].visits {
		if back < 30 {
			recent++
		}
	}
	got["products"] = slices.DeleteFunc(got["products"], func(row string) bool { return !strings.HasPrefix(row, "champions") })
	for i, row := range got["hours"] { // the others are on the day after a Saturday that is some number of visits ago
		if !strings.HasPrefix(row, "champions") {
			got["hours"][i] = strings.Split(row, " ")[0]
		}
	}
	want := map[string][]string{
		"segments": {"champions EUR 20 250", "lost EUR 20 10", "loyal_customers EUR 20 40", "potential_loyalists EUR 40 130"},
		"hours":    {"champions 6 11 EUR 20", "lost", "loyal_customers", "potential_loyalists", "potential_loyalists"},
		"channels": {"omnichannel EUR 20 40", "store EUR 80 120"},
		"products": {fmt.Sprintf("champions coffee espresso EUR 20 %d", 2*recent), fmt.Sprintf("champions coffee group-5 EUR 20 %d", recent)}, // what each bought for himself is not there
		"rhythm":   {"80 7 7 10 20"},
		"affinity": {"cake coffee 60 0.6 3", "coffee cake 60 0.3 3", "coffee filter 40 0.2 5", "coffee milk 50 0.25 0.5", "filter coffee 40 1 5", "milk coffee 50 0.1 0.5"},
		// one payment by chip is hidden, and with it the smallest of the others, 33
		"payments": {was + " card contactless  40", was + " cash   120"},
		"orders":   {"s " + was + ` 30 0.67 \N \N 60`},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	// Weeks: each of them is one that is over, of no fewer than k, and its customers are those of M3, rounded.
	weeks := query(t, conn, "SELECT week, new, returning FROM pos.marketing_weeks ORDER BY week")
	exact := query(t, conn, strings.ReplaceAll(usersQueries()["M3"], "AS returning", "AS r"))
	var rounds []string
	for _, row := range exact {
		var week string
		var n, r int
		fmt.Sscan(row, &week, &n, &r)
		day, _ := time.Parse(time.DateOnly, week)
		ok := func(n int) bool { return n == 0 || n >= 10 }
		if day.AddDate(0, 0, 6).Before(c.day(0)) && ok(n) && ok(r) {
			rounds = append(rounds, fmt.Sprintf("%s\t%d\t%d", week, rounded(n, 10), rounded(r, 10)))
		}
	}
	if d := cmp.Diff(rounds, weeks); d != "" || len(weeks) == 0 {
		t.Errorf("weeks (-M3, rounded +view)\n%s", d)
	}
	// A cohort says what M2's view does.
	cohorts := query(t, conn, "SELECT cohort, period FROM pos.cohorts WHERE customers >= 10 AND complete AND period = 0 ORDER BY ALL")
	if d := cmp.Diff(cohorts, query(t, conn, "SELECT cohort, period FROM pos.marketing_cohorts WHERE period = 0 ORDER BY ALL")); d != "" || len(cohorts) == 0 {
		t.Errorf("cohorts (-exact +view)\n%s", d)
	}
}
