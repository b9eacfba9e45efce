package simulator

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// shaped is a chain whose shape can be seen: two weeks of transactions, and few heartbeats.
func shaped(t *testing.T) (*Simulator, []*decoded) {
	t.Helper()
	c := Default()
	c.Start = time.Date(2026, 10, 19, 0, 0, 0, 0, time.UTC) // Paris, London and New York set their clocks back
	c.End = c.Start.AddDate(0, 0, 14)
	c.HeartbeatInterval, c.TransactionsPerStoreDay, c.Customers = time.Hour, 250, 1500
	s := simulate(t, c)
	seen := map[string]bool{}
	var all []*decoded
	for ev := range s.Events() {
		if ev.Dirty != "" || ev.Topic != topicNames[transactions] {
			continue
		}
		d := decode(t, ev.Value)
		if !seen[d.ID] {
			seen[d.ID] = true
			all = append(all, d)
		}
	}
	return s, all
}

func TestShape(t *testing.T) {
	s, all := shaped(t)
	t.Run("opening hours", func(t *testing.T) { checkHours(t, s, all) })
	t.Run("daily and weekly curve", func(t *testing.T) { checkCurve(t, s, all) })
	t.Run("volume", func(t *testing.T) { checkVolume(t, s, all) })
	t.Run("products", func(t *testing.T) { checkZipf(t, s, all) })
	t.Run("customers", func(t *testing.T) { checkCustomers(t, s, all) })
	t.Run("variety", func(t *testing.T) { checkVariety(t, all) })
}

func storeOf(s *Simulator, id string) *store {
	i := slices.IndexFunc(s.chain.stores, func(st *store) bool { return st.id == id })
	return s.chain.stores[i]
}

// monday is the weekday as the formats count it.
func monday(t time.Time) int { return (int(t.Weekday()) + 6) % 7 }

// checkHours reads the wall clock out of the event, with time.LoadLocation, and the opening hours out of the table.
func checkHours(t *testing.T, s *Simulator, all []*decoded) {
	const grace = 20 // minutes: eight of queueing, four of a wrong clock, the basket
	for _, d := range all {
		st := storeOf(s, d.StoreID)
		zone, err := time.LoadLocation(st.place.zone)
		if err != nil {
			t.Fatal(err)
		}
		at := d.Time.In(zone)
		if _, want := at.Zone(); want != offsetOf(d.Time) {
			t.Fatalf("%s: offset of %d s, %s has %d s at %v", d.ID, offsetOf(d.Time), st.place.zone, want, at)
		}
		if slices.Contains([]string{"sign_on", "sign_off", "cash_in", "cash_out"}, d.Kind) {
			continue
		}
		open := false
		for _, back := range []int{0, 1} { // today's hours, and yesterday's after midnight
			h := st.format.hours[(monday(at)+7-back)%7]
			m := at.Hour()*60 + at.Minute() + back*1440
			open = open || h[0] < h[1] && m >= h[0]-5 && m <= h[1]+grace
		}
		if !open {
			t.Errorf("%s (%s): %s at %v", d.ID, st.format.name, d.Kind, at)
		}
	}
}

func offsetOf(t time.Time) int {
	_, o := t.Zone()
	return o
}

// checkCurve correlates the customers of each hour of the week with what the format promises.
func checkCurve(t *testing.T, s *Simulator, all []*decoded) {
	got := map[string]*[7][24]float64{}
	for _, d := range all {
		if d.Kind == "sale" {
			st := storeOf(s, d.StoreID)
			if got[st.format.name] == nil {
				got[st.format.name] = new([7][24]float64)
			}
			got[st.format.name][monday(d.Time)][d.Time.Hour()]++
		}
	}
	if len(got) != len(formats) {
		t.Fatalf("%d types of stores, want %d", len(got), len(formats))
	}
	for i := range formats {
		f := &formats[i]
		var x, y []float64
		for day := range 7 {
			for h := range 24 {
				want := 0.0
				for _, m := range []int{0, 15, 30, 45} {
					if a := f.hours[day]; h*60+m >= a[0] && h*60+m < a[1] {
						want += f.curve[h] * f.weekday[day]
					}
					before := (day + 6) % 7
					if a := f.hours[before]; h*60+m+1440 < a[1] {
						want += f.curve[h] * f.weekday[before]
					}
				}
				x, y = append(x, want), append(y, got[f.name][day][h])
			}
		}
		if r := correlation(x, y); r < 0.93 {
			t.Errorf("%s: correlation of %.3f with its curve", f.name, r)
		}
	}
}

func correlation(x, y []float64) float64 {
	n := float64(len(x))
	var sx, sy, sxx, syy, sxy float64
	for i := range x {
		sx, sy, sxx, syy, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], syy+y[i]*y[i], sxy+x[i]*y[i]
	}
	return (n*sxy - sx*sy) / math.Sqrt((n*sxx-sx*sx)*(n*syy-sy*sy))
}

func checkVolume(t *testing.T, s *Simulator, all []*decoded) {
	sales := map[string]int{}
	for _, d := range all {
		if d.Kind == "sale" {
			sales[d.StoreID]++
		}
	}
	for _, st := range s.chain.stores {
		want := 14 * 250 * st.format.size
		if n := float64(sales[st.id]); n < 0.8*want || n > 1.1*want {
			t.Errorf("%s (%s): %.0f sales in 14 days, about %.0f were asked for", st.id, st.format.name, n, want)
		}
	}
}

// checkZipf fits a line through rank and frequency on logarithmic axes: Zipf's law says -1; the head is flattened, and favourites and
// the appeal of a kind of store blur it.
func checkZipf(t *testing.T, s *Simulator, all []*decoded) {
	counts := map[string]float64{}
	for _, d := range all {
		if storeOf(s, d.StoreID).format.name == "supermarket" {
			for _, l := range d.Lines {
				if l.Kind == "" {
					counts[strings.TrimPrefix(l.ProductID, "P")]++
				}
			}
		}
	}
	var sorted []float64
	for _, n := range counts {
		sorted = append(sorted, n)
	}
	slices.SortFunc(sorted, func(a, b float64) int { return int(b - a) })
	var sx, sy, sxx, sxy, n float64
	for rank := 5; rank <= 300; rank++ {
		x, y := math.Log(float64(rank)), math.Log(sorted[rank-1])
		sx, sy, sxx, sxy, n = sx+x, sy+y, sxx+x*x, sxy+x*y, n+1
	}
	if slope := (n*sxy - sx*sy) / (n*sxx - sx*sx); slope < -1.15 || slope > -0.7 {
		t.Errorf("slope %.3f of %d products", slope, len(sorted))
	}
}

// checkCustomers: people come to their store, at their time of day.
func checkCustomers(t *testing.T, s *Simulator, all []*decoded) {
	stores, hours := map[string]map[string]int{}, map[string][]float64{}
	sales, identified := 0, 0
	for _, d := range all {
		if d.Kind != "sale" || d.Test {
			continue
		}
		sales++
		if d.Customer == nil || d.Customer.Type == "payment_token" {
			continue
		}
		identified++
		if stores[d.Customer.ID] == nil {
			stores[d.Customer.ID] = map[string]int{}
		}
		stores[d.Customer.ID][d.StoreID]++
		if st := storeOf(s, d.StoreID); st.format.name == "supermarket" {
			hours[d.Customer.ID] = append(hours[d.Customer.ID], float64(d.Time.Hour())+float64(d.Time.Minute())/60)
		}
	}
	if share := float64(identified) / float64(sales); share < 0.15 || share > 0.45 {
		t.Errorf("%.2f of the sales have a customer", share)
	}
	for id, at := range stores {
		if len(at) > 1 {
			t.Errorf("%s shops in %v, which take different money", id, at)
		}
	}
	near, visits := 0, 0
	for _, h := range hours {
		if len(h) < 3 {
			continue
		}
		slices.Sort(h)
		for _, x := range h {
			visits++
			if math.Abs(x-h[len(h)/2]) < 1.5 {
				near++
			}
		}
	}
	if visits < 100 || float64(near) < 0.7*float64(visits) {
		t.Errorf("%d of %d visits within 90 min of the customer's usual time", near, visits)
	}
}

// checkVariety: whatever a fold has a rule for must happen.
func checkVariety(t *testing.T, all []*decoded) {
	seen := map[string]bool{}
	for _, d := range all {
		seen["kind "+d.Kind] = true
		seen["currency "+d.Currency] = true
		seen["training"] = seen["training"] || d.Test
		seen["no sequence"] = seen["no sequence"] || d.Sequence == nil
		seen["sequence epoch"] = seen["sequence epoch"] || d.SequenceEpoch != nil
		seen["no business date"] = seen["no business date"] || d.BusinessDate == nil
		seen["no channel"] = seen["no channel"] || d.Channel == nil
		seen["no start"] = seen["no start"] || d.StartedAt == nil
		seen["two tenders"] = seen["two tenders"] || len(d.Tenders) > 1
		if d.Kind == "void" {
			seen["void after payment"] = seen["void after payment"] || d.Original != nil && (d.Original.TransactionID != "" || d.Original.Sequence != nil)
			seen["void before payment"] = seen["void before payment"] || len(d.Tenders) == 0
		}
		if d.Customer != nil {
			seen["customer "+d.Customer.Type] = true
		}
		if d.Offline != nil {
			seen["offline "+d.Offline.Mode] = true
		}
		voided := len(d.Lines) > 0
		for _, l := range d.Lines {
			seen["line "+l.Kind] = true
			seen["voided line"] = seen["voided line"] || l.Voided
			seen["fraction"] = seen["fraction"] || thousandths(l.Quantity)%1000 != 0
			seen["discount"] = seen["discount"] || l.Discount > 0
			seen["positive return"] = seen["positive return"] || d.Kind == "return" && l.Gross > 0
			seen["negative return"] = seen["negative return"] || d.Kind == "return" && l.Gross < 0
			voided = voided && l.Voided
		}
		seen["all lines voided"] = seen["all lines voided"] || voided && d.Kind == "sale"
		for _, p := range d.Tenders {
			seen["method "+p.Method] = true
			seen["result "+p.Result] = true
			seen["error "+p.Error] = true
		}
	}
	for _, want := range []string{
		"kind sale", "kind return", "kind exchange", "kind void", "kind no_sale", "kind cash_in", "kind cash_out", "kind sign_on", "kind sign_off",
		"kind price_lookup", "kind layaway", "kind order_pickup", "kind raffle", "training", "void after payment", "void before payment",
		"currency EUR", "currency TND", "currency JPY", "currency NPR", "currency USD", "currency GBP", "currency BRL", "currency AUD",
		"no sequence", "sequence epoch", "no business date", "no channel", "no start", "two tenders",
		"customer loyalty", "customer account", "customer household", "customer payment_token", "offline saf",
		"line ", "line deposit", "line gift_card", "voided line", "all lines voided", "fraction", "discount", "positive return", "negative return",
		"method cash", "method card", "method mobile", "method stored_value", "method voucher",
		"result approved", "result approved_offline", "result declined", "result failed", "result cancelled", "result timeout",
		"error Refusal", "error WrongPIN", "error InvalidCard", "error UnreachableHost", "error Cancel", "error Aborted",
	} {
		if !seen[want] {
			t.Errorf("never: %s", want)
		}
	}
}

// Whatever stands in a table goes into JSON as it is.
func TestTablesNeedNoEscapes(t *testing.T) {
	for _, c := range categories {
		if strings.ContainsAny(c.name, "\"\\\n") {
			t.Errorf("%q", c.name)
		}
	}
	for _, n := range []struct {
		quantity int64
		want     string
	}{{1000, "1"}, {1500, "1.5"}, {482, "0.482"}, {20, "0.02"}, {-2000, "-2"}, {-250, "-0.25"}, {0, "0"}, {1001, "1.001"}} {
		if got := string(appendQuantity(nil, n.quantity)); got != n.want {
			t.Errorf("%d thousandths are %s, want %s", n.quantity, got, n.want)
		}
	}
	for _, at := range []int64{0, -1, 951782400000, 951868799999, 1582934400123, 1790000000000, 4107542400000} {
		for _, offset := range []int{0, 20700, -12600, 49500, -5 * 3600} {
			want := time.UnixMilli(at).In(time.FixedZone("", offset)).Format("2006-01-02T15:04:05.999-07:00")
			got := string(appendTime(nil, at, int64(offset)*second))
			if x, err := time.Parse(time.RFC3339, got); err != nil || x.UnixMilli() != at || !strings.HasPrefix(got, want[:19]) || got[len(got)-6:] != want[len(want)-6:] {
				t.Errorf("%d at %d is %s, want %s", at, offset, got, want)
			}
		}
	}
}

func TestQueueSorts(t *testing.T) {
	r := newRandom(1, 1)
	var q queue
	var want []int64
	for i := range 5000 {
		if len(q) > 0 && r.chance(0.4) {
			if got := q.pop(); got.arrival != want[0] {
				t.Fatalf("popped %d, want %d", got.arrival, want[0])
			}
			want = want[1:]
			continue
		}
		at := r.Int64N(500)
		q.push(item{arrival: at, order: uint64(i)})
		n, _ := slices.BinarySearch(want, at)
		want = slices.Insert(want, n, at)
	}
}
