package clickhouse

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// refreshed are the statements that refresh all.
func refreshed() (statements []string) {
	generation := uint64(time.Now().UnixMilli())
	for _, table := range Refreshed() {
		statements = append(statements, RefreshStatement(table, generation), fmt.Sprintf("INSERT INTO tillstream.refreshes (name, generation) VALUES ('%s', %d)", table, generation))
	}
	return statements
}

// marketing are the queries of marketing on a hundred customers in five groups: the better a group, the more often, the later and the dearer it bought.
// Group sizes are such that the borders of the quintiles are the values of the first four.
var marketing = answer{
	tables: []string{
		"sales_hourly", "product_sales", "customer_days", "customer_items", "customer_hours", "payment_days", "basket_pairs", "promotion_days", "refreshes", "settings",
	},
	insert: func(c calendar) []string {
		var days, items, hours []string
		for _, b := range buyers(c) {
			for i, back := range b.visits {
				channel := "store"
				if b.group == 2 && i == 0 {
					channel = "web"
				}
				days = append(days, fmt.Sprintf("('', %d, '%s', '%s', '%s', 'EUR', 1, %d, '%[2]s %[6]d:30:00', '%[2]s %[6]d:30:00')", b.id, c.date(back), b.store, channel, b.net(i), b.hour))
				hours = append(hours, fmt.Sprintf("('', '%s', %d, '%s', '%s', 'EUR', %d, 'card', 1)", c.date(back), b.id, b.store, channel, b.hour))
				if b.group == 5 && b.number == 0 && i == 0 { // pays in two currencies, and is one member all the same
					days = append(days, fmt.Sprintf("('', %d, '%s', '%s', '%s', 'USD', 1, 100, '%[2]s %[5]d:30:00', '%[2]s %[5]d:30:00')", b.id, c.date(back), b.store, channel, b.hour))
					hours = append(hours, fmt.Sprintf("('', '%s', %d, '%s', '%s', 'USD', %d, 'card', 1)", c.date(back), b.id, b.store, channel, b.hour))
				}
				for product, units := range map[string]int{"espresso": 2000, fmt.Sprint("once-", b.id): 9000, fmt.Sprint("group-", b.group): 1000} {
					items = append(items, fmt.Sprintf("('', '%s', %d, '%s', '%s', 'EUR', 'coffee', '%s', %d, 10)", c.date(back), b.id, b.store, channel, product, units))
				}
			}
		}
		// a sale that was taken back again, and a return long after: neither is a visit
		days = append(days, fmt.Sprintf("('', 900, '%s', 's2', 'store', 'EUR', 1, 500, 0, 0)", c.date(9)), fmt.Sprintf("('', 900, '%s', 's2', 'store', 'EUR', 18446744073709551615, -500, 0, 0)", c.date(9)))
		var sold, products, promoted []string
		sale := func(store string, back, hour, transactions, net int) {
			sold = append(sold, fmt.Sprintf("('', '%s', '%s', '%[2]s %02[3]d:00:00', %d, 'store', 'EUR', %d, %d)", store, c.date(back), hour, hour, transactions, net))
		}
		first := int(monday(c.day(8)).Weekday()) // 1
		last := 1
		for c.day(last).Weekday() != time.Weekday(first) {
			last++
		}
		sale("0042", last, 9, 10, 10000)
		sale("0042", last+7, 9, 20, 20000)
		sale("0042", last+7, 10, 6, 6000)
		sale("0042", last+91, 9, 900, 900000) // too long ago
		sale("0042", 0, 9, 999, 999999)       // today is not over
		for store := range 6 {
			for back := 1; back <= 56; back++ {
				name := fmt.Sprint("p", store)
				sale(name, back, 12, 5, 100)
				units, other := 10, 20
				if back <= 7 {
					units, other = 30, 15
					for _, currency := range []string{"EUR", "USD"}[:1+store/5] {
						promoted = append(promoted, fmt.Sprintf("('', '%s', 'spring', '%s', 'tart', 'cake', '%s', %d, 300)", c.date(back), name, currency, 1000*units))
					}
				}
				for _, currency := range []string{"EUR", "USD"}[:1+store/5] { // the last store sells for dollars, too
					products = append(products, fmt.Sprintf("('', '%s', '%s', 'tart', 'cake', '%s', %d)", name, c.date(back), currency, 1000*units), fmt.Sprintf("('', '%s', '%s', 'cheesecake', 'cake', '%s', %d)", name, c.date(back), currency, 1000*other))
				}
			}
		}
		pair := func(left, right string, baskets int) string {
			return fmt.Sprintf("('', '%s', 's%d', 'category', '%s', '%s', %d)", c.date(1+baskets%90), baskets%3, left, right, baskets)
		}
		month, before := c.day(0).AddDate(0, 0, 1-c.day(0).Day()), c.day(0).AddDate(0, -1, 1-c.day(0).Day())
		mix := func(day time.Time, method, mode, wallet string, n int) string {
			return fmt.Sprintf("('', '%s', 's', '%s', '%s', '%s', 'EUR', %d)", day.Format(time.DateOnly), method, mode, wallet, n)
		}
		insert := func(table, columns string, values ...string) string {
			return "INSERT INTO tillstream." + table + " (lane, " + columns + ") SETTINGS max_partitions_per_insert_block = 1000 VALUES " + strings.Join(values, ", ")
		}
		return append([]string{
			insert("customer_days", "customer, business_date, store_id, channel, currency, transactions, net, first_at, last_at", days...),
			insert("customer_hours", "business_date, customer, store_id, channel, currency, local_hour, method, transactions", hours...),
			insert("customer_items", "business_date, customer, store_id, channel, currency, category, product_id, units, revenue", items...),
			insert("sales_hourly", "store_id, business_date, hour, local_hour, channel, currency, transactions, net", sold...),
			insert("product_sales", "store_id, business_date, product_id, category, currency, units", products...),
			insert("promotion_days", "business_date, promotion_id, store_id, product_id, category, currency, units, discount", promoted...),
			insert("basket_pairs", "business_date, store_id, level, left, right, baskets", pair("", "", 600), pair("", "", 400), pair("coffee", "", 200), pair("cake", "", 100), pair("milk", "", 500), pair("filter", "", 40), pair("sugar", "", 50),
				pair("cake", "coffee", 60), pair("coffee", "milk", 50), pair("coffee", "filter", 40), pair("coffee", "sugar", 29)),
			insert("payment_days", "business_date, store_id, method, entry_mode, wallet, currency, payments", mix(month, "cash", "", "", 4), mix(month, "card", "contactless", "", 3), mix(month, "card", "contactless", "apple_pay", 1),
				mix(before, "cash", "", "", 1), mix(before, "card", "icc", "", 1)),
		}, refreshed()...)
	},
	want: func(c calendar) map[string][]string {
		rate := func(x float64) string { return strconv.FormatFloat(math.Round(1000*x)/1000, 'f', -1, 64) }
		all := buyers(c)
		cohorts, slipping, inputs := map[string]map[int]int{}, []string{}, []string{}
		var worth float64
		recent := 0 // visits of a champion
		for _, back := range all[len(all)-1].visits {
			if back <= 30 {
				recent++
			}
		}
		for _, b := range all {
			begin := c.day(b.visits[len(b.visits)-1])
			cohort := begin.Format("2006-01") + "-01"
			if cohorts[cohort] == nil {
				cohorts[cohort] = map[int]int{}
			}
			seen := map[int]bool{}
			var net, later int
			for i, back := range b.visits {
				month := 12*(c.day(back).Year()-begin.Year()) + int(c.day(back).Month()) - int(begin.Month())
				if !seen[month] {
					seen[month] = true
					cohorts[cohort][month]++
				}
				net += b.net(i)
				if i < len(b.visits)-1 {
					later += b.net(i)
				}
			}
			if b.group != 2 {
				worth += float64(net) / 100 / 80
			}
			if b.group == 4 {
				at := c.day(b.visits[0]).Add(time.Duration(b.hour)*time.Hour + 30*time.Minute)
				slipping = append([]string{fmt.Sprintf("%d potential_loyalists %s 7 %s", b.id, at.Format(time.DateTime), strconv.FormatFloat(float64(b.visits[0])/7, 'f', -1, 64))}, slipping...)
			}
			x, mean := len(b.visits)-1, 0.0
			if x > 0 {
				mean = math.Round(100*float64(later)/float64(x)) / 10000
			}
			inputs = append(inputs, fmt.Sprintf("%d %d %d %d %s", b.id, x, b.visits[x]-b.visits[0], b.visits[x], strconv.FormatFloat(mean, 'f', -1, 64)))
		}
		var curves []string
		for cohort, active := range cohorts {
			begin, _ := time.Parse(time.DateOnly, cohort)
			var curve []string
			for k := range 12*(c.day(0).Year()-begin.Year()) + int(c.day(0).Month()) - int(begin.Month()) { // months that are over
				curve = append(curve, fmt.Sprintf("(%d,%s)", k, rate(float64(active[k])/float64(active[0]))))
			}
			if active[0] >= 10 && len(curve) > 0 {
				curves = append(curves, cohort+" ["+strings.Join(curve, ",")+"] EUR")
			}
		}
		slices.Sort(curves)
		slices.Sort(inputs)
		month, before := c.day(0).AddDate(0, 0, 1-c.day(0).Day()), c.day(0).AddDate(0, -1, 1-c.day(0).Day())
		return map[string][]string{
			"M1":  {"potential_loyalists 40 ~5000 EUR", "champions 19 4750 EUR", "loyal_customers 20 800 EUR", "lost 21 210 EUR"},
			"M2":  curves,
			"M4":  slipping,
			"M5":  inputs,
			"M7":  {"filter 40 0.2 ~5", "cake 60 0.3 ~3"},
			"M8":  {"spring 1260 420 2 210 126 EUR", "spring 210 70 2 35 21 USD"},
			"M9":  {fmt.Sprint("espresso ", 38*recent), fmt.Sprint("group-5 ", 19*recent)}, // "once" was bought by one
			"M10": {"6 11 19"},
			"M12": {before.Format(time.DateOnly) + " 0 0", month.Format(time.DateOnly) + " 0.5 0.125"},
			"M13": {"[7,7,10,20]"},
			"M14": {"omnichannel 20 40", fmt.Sprintf("store 80 ~%v", worth)},
			"M15": {"19"},
			"D10": {"1 9 15 150 EUR", "1 10 3 30 EUR"},
		}
	},
}

// buyer is a customer of marketing: visits are days ago, the newest first.
type buyer struct {
	id, group, hour, number int
	store                   string
	visits                  []int
}

// net of a visit in cents. The fourth group differs by a cent, so that they have an order.
func (b buyer) net(visit int) int {
	if b.group == 4 && visit == 0 {
		return 4000 + b.number
	}
	return 1000 * b.group
}

func buyers(c calendar) (all []buyer) {
	saturday := 1
	for c.day(saturday).Weekday() != time.Saturday {
		saturday++
	}
	for i, n := range []int{21, 20, 20, 20, 19} {
		for number := range n {
			b := buyer{id: 100*(i+1) + number, group: i + 1, hour: 17, number: number, store: "s2"}
			if b.group == 5 {
				b.hour, b.store = 11, "0042"
			}
			for k := range b.group {
				b.visits = append(b.visits, saturday+[]int{100, 40, 21, 14, 0}[i]+k*[]int{0, 20, 10, 7, 7}[i])
			}
			all = append(all, b)
		}
	}
	return all
}

// Promotions with a known effect are sold at random: their intervals must hold it, and so must the sum of what they took from the products beside them.
func TestPromotionUplift(t *testing.T) {
	conn := fresh(t)
	random := rand.New(rand.NewPCG(1, 2))
	const stores, runs, length = 40, 20, 14
	poisson := func(mean float64) (n int) {
		for p := random.ExpFloat64(); p < mean; p += random.ExpFloat64() {
			n++
		}
		return n
	}
	type plan struct{ uplift, taken float64 }
	var plans []plan
	var sold, products, promoted []string
	today := time.Now().UTC().Truncate(24 * time.Hour)
	date := func(back int) string { return today.AddDate(0, 0, -back).Format(time.DateOnly) }
	for store := range stores {
		for back := 1; back <= 80; back++ {
			if store%7 == 3 && today.AddDate(0, 0, -back).Weekday() == time.Sunday {
				continue // closed
			}
			sold = append(sold, fmt.Sprintf("('', 's%d', '%s', '%[2]s 12:00:00', 12, 'store', 'EUR', 1)", store, date(back)))
		}
	}
	for run := range runs {
		p := plan{0.2 + 2*random.Float64(), 3 * random.Float64()}
		plans = append(plans, p)
		from := 15 + random.IntN(10) // days ago
		for store := range stores {
			size := 0.3 + 2*random.Float64()
			for back := 1; back <= 80; back++ {
				day := today.AddDate(0, 0, -back).Weekday()
				if store%7 == 3 && day == time.Sunday {
					continue
				}
				busy := size
				if day == time.Saturday {
					busy *= 2
				}
				own, other := 3*busy, 8*busy
				on := back <= from && back > from-length
				if on {
					own, other = own*(1+p.uplift), other-p.taken*busy
				}
				a, b := poisson(own), poisson(other)
				products = append(products, fmt.Sprintf("('', 's%d', '%s', 'own', 'c%d', 'EUR', %d), ('', 's%[1]d', '%[2]s', 'other', 'c%[3]d', 'EUR', %[5]d)", store, date(back), run, 1000*a, 1000*b))
				if on && a > 0 {
					promoted = append(promoted, fmt.Sprintf("('', '%s', 'promo-%02d', 's%d', 'own', 'c%[2]d', 'EUR', %[4]d, %[4]d)", date(back), run, store, 1000*a))
				}
			}
		}
	}
	const insert = " SETTINGS max_partitions_per_insert_block = 100 VALUES "
	exec(t, conn, "INSERT INTO tillstream.sales_hourly (lane, store_id, business_date, hour, local_hour, channel, currency, transactions)"+insert+strings.Join(sold, ", "))
	exec(t, conn, "INSERT INTO tillstream.product_sales (lane, store_id, business_date, product_id, category, currency, units)"+insert+strings.Join(products, ", "))
	exec(t, conn, "INSERT INTO tillstream.promotion_days (lane, business_date, promotion_id, store_id, product_id, category, currency, units, discount)"+insert+strings.Join(promoted, ", "))
	for _, s := range refreshed() {
		exec(t, conn, s)
	}
	rows := query(t, conn, "SELECT any(uplift_low), any(uplift_high), any(uplift_all), sum(promoted_units) / sum(baseline_units) - 1, sum(cannibalised_units), sum(baseline_units), count() FROM pos.promotion_uplift GROUP BY promotion_id ORDER BY promotion_id")
	if len(rows) != runs {
		t.Fatalf("%d promotions, want %d", len(rows), runs)
	}
	within, width, takenAll, want := 0, 0.0, 0.0, 0.0
	for i, row := range rows {
		var low, high, all, summed, taken, baseline, n float64
		fmt.Sscan(row, &low, &high, &all, &summed, &taken, &baseline, &n)
		if low < plans[i].uplift && plans[i].uplift < high {
			within++
		}
		if math.Abs(all-summed) > 1e-9 || n != stores {
			t.Errorf("promotion %d: an uplift of %v in all, %v summed, in %v stores", i, all, summed, n)
		}
		width += (high - low) / (1 + plans[i].uplift) / runs
		takenAll += taken
		want += baseline / 3 * plans[i].taken
	}
	if within < runs-2 || width > 0.2 {
		t.Errorf("%d of %d planted effects are within their intervals, which are %.2f of the effect wide", within, runs, width)
	}
	if off := takenAll/want - 1; math.Abs(off) > 0.05 {
		t.Errorf("what was taken from other products is %+.1f%% off", 100*off)
	}
}
