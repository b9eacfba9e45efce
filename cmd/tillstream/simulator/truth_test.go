package simulator

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tillstream/tillstream/processor/availability"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/incident"
	"github.com/tillstream/tillstream/processor/journey"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/sequence"
	"github.com/tillstream/tillstream/schemas/events/eventstest"
)

// run collects what a chain sends, with the events that can be accepted decoded, each once.
type run struct {
	events   []Event
	accepted []*decoded
	truth    *Truth
	sim      *Simulator
}

func collect(t *testing.T, c Config) run {
	t.Helper()
	var r run
	s := simulate(t, c)
	seen := map[string]bool{}
	for ev := range s.Events() {
		r.events = append(r.events, ev)
		if ev.Dirty != "" {
			continue
		}
		d := decode(t, ev.Value)
		if ev.Topic != topicNames[transactions] && d.Type == event.TypeTransaction || string(ev.Key) != d.StoreID ||
			ev.Topic != topicNames[incidents] && ev.Topic != topicNames[orders] && !strings.HasPrefix(d.TerminalID, d.StoreID+"-T") && !(d.StoreID == "S002" && d.TerminalID == "S001-T3") {
			t.Fatalf("topic %s, key %s: %s", ev.Topic, ev.Key, ev.Value)
		}
		if !seen[d.ID] {
			seen[d.ID] = true
			d.arrival = ev.Arrival
			r.accepted = append(r.accepted, d)
		}
	}
	r.truth, r.sim = s.Truth(), s
	return r
}

// TestTruth holds the truth against a second computation, from the bytes and with the rules written again, and against parts of the
// processor that were written without it.
func TestTruth(t *testing.T) {
	c := small(11, 5)
	r := collect(t, c)
	t.Run("sales", func(t *testing.T) { checkSales(t, c, r) })
	t.Run("payments", func(t *testing.T) { checkPayments(t, r) })
	t.Run("decoder", func(t *testing.T) { checkDecoder(t, c, r) })
	t.Run("timelines", func(t *testing.T) { checkTimelines(t, r) })
	t.Run("schemas", func(t *testing.T) { checkSchemas(t, r) })
}

type (
	salesID    struct{ Store, Date, Channel, Currency string }
	productID  struct{ Product, Date, Currency string }
	customerID struct{ Type, ID, Currency string }
)

// counted are the accepted events that no other names.
func (r *run) counted() []*decoded {
	named := map[string]bool{}
	for _, d := range r.accepted {
		if d.Corrects != nil {
			for _, id := range d.Corrects.IDs {
				named[d.StoreID+" "+d.TerminalID+" "+id] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(r.accepted), func(d *decoded) bool { return named[d.StoreID+" "+d.TerminalID+" "+d.ID] })
}

// checkSales recounts from the bytes: signs are folded by factors, not by cases as the ledger does.
func checkSales(t *testing.T, c Config, r run) {
	type sums struct{ Sales, Returns, Voids, Units, Gross, Discount, Tax, Net int64 }
	sales, products, people, hours := map[salesID]sums{}, map[productID][2]int64{}, map[customerID]sums{}, map[StoreHour]int64{}
	visits := map[customerID]map[string]bool{}
	for _, d := range r.counted() {
		if d.Type != event.TypeTransaction || d.Test || !slices.Contains([]string{"sale", "return", "exchange", "void"}, d.Kind) {
			continue
		}
		when := d.Time
		if d.EndedAt != nil {
			when = *d.EndedAt
		}
		date := when.Add(-c.BusinessDayCutoff).Format(time.DateOnly)
		if d.BusinessDate != nil {
			date = *d.BusinessDate
		}
		back := d.Kind == "return" || d.Kind == "void"
		adds := d.Kind != "void" || d.Original != nil && (d.Original.TransactionID != "" || d.Original.Sequence != nil)
		var n sums
		lines, lineTax := 0, int64(0)
		for _, l := range d.Lines {
			if l.Voided {
				continue
			}
			lines++
			if !adds {
				continue
			}
			q, sign := thousandths(l.Quantity), int64(1)
			if back || q < 0 {
				q = -int64(math.Abs(float64(q)))
				if l.Gross > 0 {
					sign = -1
				}
			}
			net := l.Gross - l.Discount
			if l.Net != nil && *l.Net != net {
				t.Fatalf("%s: net %d of %d less %d", d.ID, *l.Net, l.Gross, l.Discount)
			}
			n.Gross += sign * l.Gross
			n.Discount += sign * l.Discount
			n.Net += sign * net
			lineTax += sign * l.Tax
			if l.Kind == "" {
				n.Units += q
				k := productID{l.ProductID, date, d.Currency}
				p := products[k]
				products[k] = [2]int64{p[0] + q, p[1] + sign*net}
			}
		}
		if n.Tax = lineTax; n.Tax == 0 && adds {
			n.Tax = d.Totals.Tax
			if back && d.Totals.Gross > 0 {
				n.Tax = -n.Tax
			}
		}
		switch {
		case d.Kind == "sale" && lines == 0:
			continue
		case d.Kind == "sale":
			n.Sales = 1
			hours[StoreHour{Store: d.StoreID, Hour: when.Truncate(time.Hour).UnixMilli()}]++
			if when.Truncate(time.Hour).UnixMilli()%hour != 0 {
				t.Fatal("an hour of UTC was expected")
			}
		case d.Kind == "void":
			n.Voids = 1
		default:
			n.Returns = 1
		}
		channel := "store"
		if d.Channel != nil {
			channel = *d.Channel
		}
		add := func(a, b sums) sums {
			return sums{
				a.Sales + b.Sales, a.Returns + b.Returns, a.Voids + b.Voids, a.Units + b.Units, a.Gross + b.Gross,
				a.Discount + b.Discount, a.Tax + b.Tax, a.Net + b.Net,
			}
		}
		k := salesID{d.StoreID, date, channel, d.Currency}
		sales[k] = add(sales[k], n)
		if d.Customer != nil {
			k := customerID{d.Customer.Type, d.Customer.ID, d.Currency}
			people[k] = add(people[k], n)
			if visits[k] == nil {
				visits[k] = map[string]bool{}
			}
			if n.Sales > 0 {
				visits[k][d.StoreID+date] = true
			}
		}
	}

	gotSales, gotProducts, gotPeople, gotHours := map[salesID]sums{}, map[productID][2]int64{}, map[customerID]sums{}, map[StoreHour]int64{}
	for _, x := range r.truth.Sales {
		gotSales[salesID{x.Store, x.Date, x.Channel, x.Currency}] = sums{x.Transactions, x.Returns, x.Voids, x.Units, x.Gross, x.Discount, x.Tax, x.Net}
	}
	for _, x := range r.truth.Products {
		gotProducts[productID{x.Product, x.Date, x.Currency}] = [2]int64{x.Units, x.Revenue}
	}
	for _, x := range r.truth.Hours {
		gotHours[StoreHour{Store: x.Store, Hour: x.Hour}] = x.Transactions
	}
	for _, x := range r.truth.Customers {
		k := customerID{x.Type, x.ID, x.Currency}
		w := people[k]
		gotPeople[k] = sums{x.Sales, w.Returns, w.Voids, x.Units, w.Gross, x.Discount, w.Tax, x.Net} // the truth has no more of a customer
		if x.Visits != int64(len(visits[k])) {
			t.Errorf("%v: %d visits, want %d", k, x.Visits, len(visits[k]))
		}
		if x.Pseudonym != event.Pseudonym(c.Secret, x.Type, x.ID) {
			t.Errorf("%v: pseudonym %d", k, x.Pseudonym)
		}
	}
	if len(sales) < 30 || len(products) < 1000 || len(people) < 500 || len(hours) < 200 {
		t.Errorf("hardly anything to compare: %d, %d, %d, %d", len(sales), len(products), len(people), len(hours))
	}
	for name, d := range map[string]string{
		"sales": cmp.Diff(sales, gotSales), "products": cmp.Diff(products, gotProducts), "customers": cmp.Diff(people, gotPeople),
	} {
		if d != "" {
			t.Errorf("%s (-bytes +truth):\n%.3000s", name, d)
		}
	}
	if d := cmp.Diff(hours, gotHours); d != "" {
		t.Errorf("hours (-bytes +truth):\n%.3000s", d)
	}
}

func checkPayments(t *testing.T, r run) {
	type key struct{ store, method string }
	want := map[key]PaymentTruth{}
	declines := map[string]bool{"Refusal": true, "WrongPIN": true, "InvalidCard": true, "PaymentRestriction": true, "InsertedCard": true}
	for _, d := range r.counted() {
		if d.Test {
			continue
		}
		var paid int64
		for _, p := range d.Tenders {
			k := key{d.StoreID, p.Method}
			w := want[k]
			w.Store, w.Method, w.Currency = d.StoreID, p.Method, d.Currency
			w.Attempts++
			bad := p.Result == "failed" || p.Result == "timeout"
			if p.Result == "approved" || p.Result == "approved_offline" {
				w.Approved++
				w.Amount += p.Amount
				paid += p.Amount
			}
			if p.Result == "approved_offline" {
				w.Offline++
			}
			if p.Result == "declined" || bad && declines[p.Error] {
				w.Declined++
			} else if bad && p.Error != "Cancel" && p.Error != "Aborted" {
				w.Failed++
			}
			want[k] = w
		}
		if len(d.Tenders) > 0 && paid != d.Totals.Paid {
			t.Fatalf("%s: tenders of %d, paid %d", d.ID, paid, d.Totals.Paid)
		}
	}
	got := map[key]PaymentTruth{}
	var offline, failed, declined int64
	for _, p := range r.truth.Payments {
		got[key{p.Store, p.Method}] = p
		offline, failed, declined = offline+p.Offline, failed+p.Failed, declined+p.Declined
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-bytes +truth):\n%s", d)
	}
	if offline < 20 || failed < 20 || declined < 20 {
		t.Errorf("%d offline, %d failed, %d declined: too few to mean anything", offline, failed, declined)
	}
}

// checkDecoder sends everything through the processor's decoder and its memory of numbers: what is good is accepted, what is spoiled is
// rejected for the reason that the truth gives, repeats and holes are as many as were made.
func checkDecoder(t *testing.T, c Config, r run) {
	type till struct{ topic, id string }
	missing, repeats, accepted, tests, masked := map[till]int64{}, map[till]int64{}, map[till]int64{}, map[till]int64{}, map[till]int64{}
	dead := map[[2]string]int64{}
	set := sequence.New(sequence.Config{Missing: func(topic, id string, _ int32, delta int64) { missing[till{topic, id}] += delta }})
	bodies := incident.Bodies()
	maps.Copy(bodies, journey.Bodies())
	decoder := event.NewDecoder(event.Options{Secret: c.Secret, Corrections: true, Bodies: bodies})
	var e event.Event
	for i, ev := range r.events {
		why := decoder.Decode(slices.Clone(ev.Value), &e)
		if why == nil {
			why = decoder.CheckTime(&e, ev.Arrival)
		}
		if (why != nil) != (ev.Dirty != "") {
			t.Fatalf("%q, but %v: %s", ev.Dirty, why, ev.Value)
		}
		if why != nil {
			dead[[2]string{ev.Topic, string(why.Reason)}]++
			continue
		}
		if e.Notes.Unbalanced {
			t.Fatalf("totals that do not add up: %s", ev.Value)
		}
		k := till{ev.Topic, e.TerminalID}
		switch set.See(&e, rollup.Input{Topic: ev.Topic, Offset: int64(i), Timestamp: ev.Arrival}, 0) {
		case sequence.Fresh:
			accepted[k]++
			if e.Test {
				tests[k]++
			}
			if e.Notes.PANMasked {
				masked[k]++
			}
		case sequence.Duplicate:
			repeats[k]++
		default:
			t.Fatalf("forgotten: %s", ev.Value)
		}
	}
	var lost, holes, rejected int64
	for _, d := range r.truth.Deliveries {
		k := till{d.Topic, d.Terminal}
		got := [...]int64{accepted[k], tests[k], repeats[k], missing[k], masked[k]}
		if want := [...]int64{d.Accepted, d.Test, d.Repeats, d.Missing, d.Masked}; got != want {
			t.Errorf("%v: processor has %v accepted, test, repeated, missing and masked; the truth is %v", k, got, want)
		}
		lost, holes, rejected = lost+d.Lost, holes+d.Missing, rejected+d.Rejected
	}
	if lost == 0 || holes == 0 || set.Stats().Restarts == 0 {
		t.Errorf("%d lost, %d missing, %d restarts: not a hard run", lost, holes, set.Stats().Restarts)
	}
	if share := float64(holes-lost) / float64(rejected); share < 0.3 || share > 0.6 {
		t.Errorf("%.2f of the spoiled events were never sent whole, half of them should be", share)
	}
	want := map[[2]string]int64{}
	reasons := map[string]bool{}
	for _, d := range r.truth.Dead {
		want[[2]string{d.Topic, d.Reason}] = d.Records
		reasons[d.Reason] = true
	}
	if d := cmp.Diff(want, dead); d != "" {
		t.Errorf("dead letters (-truth +decoder):\n%s", d)
	}
	if len(reasons) != 10 {
		t.Errorf("dead letters for %d reasons, want 10", len(reasons))
	}
}

// checkTimelines has package availability evaluate the same evidence.
func checkTimelines(t *testing.T, r run) {
	evidence := map[string][]availability.Evidence{}
	names := map[string]availability.Status{
		"up": availability.Up, "degraded": availability.Degraded, "down": availability.Down, "maintenance": availability.Maintenance, "closing": availability.Closing,
	}
	for _, d := range r.accepted {
		if d.Test || d.Corrects != nil || d.Type == event.TypeIncident || d.Type == event.TypeMaintenance {
			continue
		}
		e := availability.Evidence{Time: d.When(), Start: d.When()}
		if d.Sequence != nil {
			e.Sequence = *d.Sequence
		}
		if d.Type == event.TypeTransaction {
			e.Sale = true
			if d.StartedAt != nil {
				e.Start = min(d.StartedAt.UnixMilli(), e.Time)
			}
		} else {
			e.Status, e.Hold = names[d.Status], 3000*d.Interval
		}
		if d.SentAt != nil {
			behind := time.UnixMilli(d.arrival).Sub(*d.SentAt)
			if behind.Abs() > 2*time.Second {
				e.Skew = int32(math.Floor(behind.Seconds()))
				if late := d.SentAt.UnixMilli() - e.Time; late > minute || d.Offline != nil && d.Offline.Mode != "none" {
					e.Sent = int32(max(late/second, 1))
				}
			}
		}
		id := d.StoreID + " " + d.TerminalID
		evidence[id] = append(evidence[id], e)
	}
	type hourID struct {
		till string
		hour int64
	}
	want, got := map[hourID][5]int64{}, map[hourID][5]int64{}
	var wantOutages, gotOutages []Outage
	columns := map[availability.Status]int{
		availability.Up: 0, availability.Degraded: 1, availability.Down: 2, availability.Silent: 3, availability.Maintenance: 4,
	}
	wrong, late := 0, 0
	for _, till := range r.truth.Tills {
		cfg := availability.Config{HeartbeatTimeout: time.Duration(storeOf(r.sim, till.Store).terms.timeout) * time.Millisecond}
		id := till.Store + " " + till.Terminal
		for i := range evidence[id] {
			e := &evidence[id][i]
			if cfg.HeartbeatTimeout > 0 && !e.Sale {
				e.Hold = cfg.HeartbeatTimeout.Milliseconds()
			}
			if e.Skew < -20 || e.Skew > 20 {
				wrong++
				late += min(int(e.Sent), 1)
			}
		}
		for _, run := range availability.Timeline(cfg, evidence[id]) {
			column, ok := columns[run.Status]
			if !ok {
				t.Fatalf("%s is %v", till.Terminal, run.Status)
			}
			if run.Status == availability.Down {
				o := Outage{Store: till.Store, Terminal: till.Terminal, Start: run.Start, End: run.End}
				if run.End == availability.Open {
					o.End = 0
				}
				wantOutages = append(wantOutages, o)
			}
			for at := run.Start; at < min(run.End, till.Until); {
				h := at / hour * hour
				end := min(run.End, till.Until, h+hour)
				k := hourID{id, h}
				row := want[k]
				row[column] += end - at
				want[k] = row
				at = end
			}
		}
	}
	for _, h := range r.truth.TillHours {
		got[hourID{h.Store + " " + h.Terminal, h.Hour}] = [5]int64{h.Up, h.Degraded, h.Down, h.Silent, h.Maintenance}
	}
	for _, o := range r.truth.Outages {
		o.Service = 0 // not what this is about
		gotOutages = append(gotOutages, o)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("hours (-availability +truth):\n%.3000s", d)
	}
	if d := cmp.Diff(wantOutages, gotOutages); d != "" {
		t.Errorf("outages (-availability +truth):\n%.3000s", d)
	}
	var all [5]bool
	for _, h := range got {
		for i := range h {
			all[i] = all[i] || h[i] > 0
		}
	}
	if wrong < 1000 || late < 10 {
		t.Errorf("%d events of a wrong clock, %d of them sent later: not a hard run", wrong, late)
	}
	if all != [5]bool{true, true, true, true, true} || len(gotOutages) < 5 {
		t.Errorf("not a hard run: statuses %v, %d outages", all, len(gotOutages))
	}
}

// checkSchemas validates what can be accepted against the published schemas: all transactions that are not plain, and a share of the rest.
func checkSchemas(t *testing.T, r run) {
	schemas := map[string]*jsonschema.Schema{}
	for _, typ := range []string{event.TypeTransaction, event.TypeHealth, event.TypeIncident, event.TypeMaintenance, event.TypeOrder} {
		schemas[typ], _ = eventstest.Schema(t, typ)
	}
	plain, checked := 0, 0
	for _, ev := range r.events {
		if ev.Dirty != "" {
			continue
		}
		text := string(ev.Value)
		if strings.Contains(text, `"kind":"sale"`) || strings.Contains(text, `"kind":"heartbeat"`) {
			if plain++; plain%7 != 0 {
				continue
			}
		}
		var typ struct{ Type string }
		if err := json.Unmarshal(ev.Value, &typ); err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schemas[typ.Type].Validate(doc); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		checked++
	}
	if checked < 5000 {
		t.Errorf("only %d events checked", checked)
	}
}
