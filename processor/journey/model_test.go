package journey

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // of the test's own: the program embeds it too

	diff "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table/tabletest"
)

// begin is on the eve of a spring night without an hour from two to three.
var begin = time.Date(2026, 3, 28, 15, 0, 0, 0, time.UTC)

// told is an event of a run as the model has it: its fields, no code of the package.
type told struct {
	object
	at       int // minute
	store    string
	kind     string // order, sale, void, registry
	customer string
}

func instantOf(minute int, offset string) string {
	at := begin.Add(time.Duration(minute) * time.Minute)
	if offset == "Z" {
		return at.Format(time.RFC3339)
	}
	zone, _ := time.Parse("-07:00", offset)
	return at.In(zone.Location()).Format(time.RFC3339)
}

func reversed(all []told) []told {
	all = slices.Clone(all)
	slices.Reverse(all)
	return all
}

func drawn[T any](t *rapid.T, what string, all ...T) T { return rapid.SampledFrom(all).Draw(t, what) }

var shops = []string{"s1", "s1", "s2"}

// someEvents draws orders, sales, voids and revisions of a registry, over at most a day and a half, so that ties are common and nothing is ever too late.
func someEvents(t *rapid.T) []told {
	var all []told
	minute := func() int {
		return drawn(t, "hour", 0, 60, 120, 600, 660, 1500) + drawn(t, "minute", 0, 10, 20, 30, 40, 50, rapid.IntRange(0, 59).Draw(t, "any minute"))
	}
	person := func() string { return drawn(t, "customer", "", "ann", "bob", "bob") }
	for n := range rapid.IntRange(1, 30).Draw(t, "n") {
		x := told{at: minute(), store: drawn(t, "store", shops...), customer: person()}
		x.object = object{"id": fmt.Sprintf("e%d", n), "source": "shop", "store_id": x.store, "time": instantOf(x.at, drawn(t, "offset", "Z", "+01:00", "-05:00"))}
		if x.customer != "" {
			x.object["customer"] = object{"id": x.customer, "type": "loyalty"}
		}
		maybe := func(name string, draw func() any) {
			if rapid.IntRange(0, 2).Draw(t, name+"?") == 0 {
				x.object[name] = draw()
			}
		}
		order := func() any { return drawn(t, "order", "o1", "o2", "o3") }
		someID := func() any { return fmt.Sprintf("e%d", rapid.IntRange(0, 30).Draw(t, "id")) }
		switch x.kind = drawn(t, "kind", "order", "order", "order", "sale", "sale", "void"); x.kind {
		case "order":
			x.object["type"], x.object["order_id"] = event.TypeOrder, order()
			x.object["step"] = drawn(t, "step", "placed", "reserved", "ready", "ready", "collected", "collected", "partially_collected", "cancelled", "returned", "beamed")
			maybe("mode", func() any { return drawn(t, "mode", "locker", "curbside") })
			maybe("reason", func() any { return drawn(t, "reason", "no stock", "late") })
			maybe("transaction_id", someID)
			maybe("promised_at", func() any { return instantOf(minute(), "Z") })
			maybe("expires_at", func() any { return instantOf(minute(), "Z") })
			maybe("amount", func() any {
				x.object["currency"] = drawn(t, "currency", "EUR", "CHF")
				return rapid.IntRange(0, 9).Draw(t, "amount")
			})
			maybe("lines", func() any {
				return []object{{"product_id": "p", "quantity": rapid.IntRange(1, 4).Draw(t, "quantity"), "picked": drawn[any](t, "picked", nil, 0, 1.5)}}
			})
		case "sale":
			gross := rapid.IntRange(1, 500).Draw(t, "gross")
			x.object["type"], x.object["kind"], x.object["currency"] = event.TypeTransaction, "sale", drawn(t, "currency", "EUR", "EUR", "CHF")
			x.object["terminal_id"], x.object["sequence"] = "t1", n
			x.object["lines"] = []object{{"line": 1, "product_id": "p", "quantity": 1, "gross": gross}, {"line": 2, "product_id": "p", "quantity": 1, "gross": 7, "voided": true}}
			x.object["totals"] = object{"gross": gross, "net": gross}
			maybe("order_id", order)
			maybe("channel", func() any { return drawn(t, "channel", "store", "web") })
			maybe("ended_at", func() any { x.at++; return instantOf(x.at, "Z") })
		case "void":
			x.object["type"], x.object["kind"], x.object["terminal_id"] = event.TypeTransaction, "void", "t1"
			x.object["original"] = drawn(t, "original", object{"transaction_id": someID()}, object{"sequence": rapid.IntRange(0, 30).Draw(t, "sequence")})
		}
		all = append(all, x)
	}
	for revision := range rapid.IntRange(0, 2).Draw(t, "revisions") {
		all = append(all, told{kind: "registry", store: "s1", at: revision, object: object{
			"id": fmt.Sprintf("r%d", revision), "source": "x", "type": event.TypeRegistry, "time": instantOf(0, "Z"), "store_id": "s1", "revision": revision,
			"store": object{"versions": []object{{
				"timezone": "Europe/Paris", "business_day_cutoff": "03:30",
				"calendar": object{"week": object{"sat": []string{drawn(t, "hours", "09:00-18:00", "20:00-04:00")}, "sun": []string{"10:00-17:00"}, "mon": []string{"07:00-20:00"}}},
			}}},
		}})
	}
	return all
}

// model is what the orders come to, by the definitions, from all events at once.
func model(t *rapid.T, all []told, text *registry.Store) map[string]seen {
	ms := func(minute int) int64 { return begin.Add(time.Duration(minute) * time.Minute).UnixMilli() }
	orders := map[string][]told{} // by key, in the order of their time
	for _, x := range all {
		if x.kind == "order" {
			key := fmt.Sprintf("%s/%s", x.store, x.object["order_id"])
			orders[key] = append(orders[key], x)
		}
	}
	out := map[string]seen{}
	type collection struct {
		key, store, customer string
		order                any
		at                   int
		named                bool
	}
	var collections []collection
	named := map[string]bool{}
	for key, steps := range orders {
		slices.SortStableFunc(steps, func(a, b told) int { return cmp.Compare(a.at, b.at) })
		x := seen{map[string]int64{"first": ms(steps[0].at)}, map[string]string{}, map[string]string{}}
		c := collection{key: key, store: steps[0].store, order: steps[0].object["order_id"], at: -1}
		earliest := map[string]told{}
		latest := map[string]int{}
		say := func(s told, name, value string, first bool) {
			was, is := latest[name]
			if old := x.Said[name]; !is || !first && (s.at > was || s.at == was && value > old) || first && s.at == was && value > old {
				x.Said[name], latest[name] = value, s.at
			}
		}
		for _, s := range steps {
			step := s.object["step"].(string)
			if step != "beamed" {
				if e, is := earliest[step]; !is || s.at == e.at && offsetOf(s) < offsetOf(e) {
					earliest[step] = s
					x.At[step] = ms(s.at)
				}
			}
			if s.customer != "" {
				say(s, "customer", fmt.Sprint(event.Pseudonym(secret, "loyalty", s.customer)), false)
			}
			for _, name := range []string{"mode", "reason"} {
				if v, is := s.object[name]; is {
					say(s, name, v.(string), false)
				}
			}
			if v, is := s.object["transaction_id"]; is {
				say(s, "transaction", v.(string), false)
				named[s.store+"/"+v.(string)] = true
				c.named = true
			}
			if v, is := s.object["promised_at"]; is {
				at, _ := time.Parse(time.RFC3339, v.(string))
				say(s, "promise", fmt.Sprintf("%d 0", at.UnixMilli()), true)
			}
			if v, is := s.object["expires_at"]; is {
				at, _ := time.Parse(time.RFC3339, v.(string))
				say(s, "expiry", fmt.Sprint(at.UnixMilli()), false)
			}
			if v, is := s.object["amount"]; is {
				say(s, "money", fmt.Sprintf("%s %d", s.object["currency"], v), false)
			}
			if v, is := s.object["lines"]; is {
				l := v.([]object)[0]
				say(s, "ordered", fmt.Sprint(l["quantity"].(int)*1000), true)
				switch p := l["picked"].(type) {
				case int:
					say(s, "picked", "0 0", false)
				case float64:
					say(s, "picked", fmt.Sprintf("%d 0", int(p*1000)), false)
				}
			}
		}
		c.customer = x.Said["customer"]
		for _, step := range []string{"collected", "partially_collected"} {
			if s, is := earliest[step]; is && (c.at < 0 || s.at < c.at) {
				c.at = s.at
			}
		}
		if c.at >= 0 {
			collections = append(collections, c)
		}
		registered := text
		if c.store != "s1" {
			registered = nil
		}
		day := func(s told) string {
			at := begin.Add(time.Duration(s.at) * time.Minute)
			zone, cutoff := time.FixedZone("", offsetOf(s)), 4*time.Hour
			if registered != nil {
				zone, cutoff = paris(), 3*time.Hour+30*time.Minute
			}
			y, m, d := at.In(zone).Add(-cutoff).Date()
			if registered != nil { // on its clock, whatever was set in between
				local := at.In(zone)
				shown := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), 0, 0, time.UTC)
				y, m, d = shown.Add(-cutoff).Date()
			}
			return fmt.Sprint(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
		}
		from, placed := earliest["placed"]
		if r, is := earliest["reserved"]; is && (!placed || r.at < from.at || r.at == from.at && offsetOf(r) < offsetOf(from)) {
			from, placed = r, true
		}
		if placed {
			x.Held["placed_day"] = day(from)
		}
		if to, is := earliest["ready"]; is {
			x.Held["ready_day"] = day(to)
			if placed && from.at <= to.at && registered != nil {
				open := int64(0)
				for m := from.at; m < to.at; m++ { // minute by minute, on the clock on the wall
					if isOpen(registered, begin.Add(time.Duration(m)*time.Minute).In(paris())) {
						open += 60_000
					}
				}
				x.Held["lead"] = fmt.Sprintf("%d %d", ms(from.at), open)
			}
		}
		out[key] = x
	}

	type sum struct{ net, n int64 }
	sums := map[string]map[string]*sum{}
	for _, s := range all {
		if s.kind != "sale" || s.object["channel"] == "web" || named[s.store+"/"+s.object["id"].(string)] || slices.ContainsFunc(all, func(v told) bool {
			o, _ := v.object["original"].(object)
			return v.kind == "void" && v.store == s.store && (o["transaction_id"] == s.object["id"] || o["sequence"] == s.object["sequence"])
		}) {
			continue
		}
		var best *collection
		for i := range collections {
			c := &collections[i]
			far, than := abs(int64(c.at-s.at)), int64(0)
			if c.store != s.store || far > 30 {
				continue
			}
			if order, is := s.object["order_id"]; is {
				if order == c.order && c.named {
					best = c
				}
				continue
			}
			if s.customer == "" || c.customer != fmt.Sprint(event.Pseudonym(secret, "loyalty", s.customer)) {
				continue
			}
			if best != nil {
				than = abs(int64(best.at - s.at))
			}
			if best == nil || cmp.Or(cmp.Compare(far, than), cmp.Compare(c.at, best.at), cmp.Compare(c.key, best.key)) < 0 {
				best = c
			}
		}
		if best == nil {
			continue
		}
		if sums[best.key] == nil {
			sums[best.key] = map[string]*sum{"EUR": {}, "CHF": {}}
		}
		x := sums[best.key][s.object["currency"].(string)]
		x.net += int64(s.object["totals"].(object)["net"].(int))
		x.n++
	}
	for key, by := range sums {
		said := out[key].Said["money"]
		for _, currency := range []string{"CHF", "EUR"} {
			if x := by[currency]; x.n > 0 && (said == "" || said[:3] == currency) {
				out[key].Held["added"] = fmt.Sprintf("%s %d %d", currency, x.net, x.n)
				break
			}
		}
	}
	return out
}

func paris() *time.Location {
	zone, _ := time.LoadLocation("Europe/Paris")
	return zone
}

func offsetOf(x told) int {
	at, _ := time.Parse(time.RFC3339, x.object["time"].(string))
	_, offset := at.Zone()
	return offset
}

// isOpen looks at the opening hours of the day, and of the night before.
func isOpen(s *registry.Store, at time.Time) bool {
	minute := at.Hour()*60 + at.Minute()
	week := s.Versions[0].Calendar.Week
	for back := range 2 {
		for _, w := range week.On(at.AddDate(0, 0, -back).Weekday()) {
			if m := minute + back*1440; int(w.Open) <= m && m < int(w.Close) {
				return true
			}
		}
	}
	return false
}

// Any order, any repetition, any cut into batches, restarts in between: what the definitions say of the set of events.
func TestOrdersAreWhatTheDefinitionsSay(t *testing.T) {
	schema := tabletest.Load(t)
	cfg := Config{BusinessDayCutoff: 4 * time.Hour}
	rapid.Check(t, func(t *rapid.T) {
		all := someEvents(t)
		known := stores{}
		f, got, st := New(cfg, known), content{}, state{}
		v := rollup.Version{Epoch: 1}
		seal := func() {
			v.Batch++
			s := f.Seal(v)
			got.add(t, schema, s)
			st.apply(t, s.State)
		}
		var wrong []string // ids of what is corrected at some time
		for _, x := range all {
			twin := func(o told) bool {
				return o.kind == "void" && o.store == x.store && o.at == x.at && fmt.Sprint(o.object["original"]) == fmt.Sprint(x.object["original"])
			}
			if x.kind == "sale" || x.kind == "void" && slices.IndexFunc(all, twin) == len(all)-1-slices.IndexFunc(reversed(all), twin) {
				if rapid.IntRange(0, 4).Draw(t, "corrected?") == 0 {
					wrong = append(wrong, x.object["id"].(string))
				}
			}
		}
		again := slices.Concat(all, rapid.SliceOfN(rapid.SampledFrom(all), 0, 5).Draw(t, "repeats"))
		for _, id := range wrong {
			again = append(again, told{kind: "correction", object: object{"id": id}})
		}
		came := map[string]*event.Event{} // nil: it does not count any more
		for _, x := range rapid.Permutation(again).Draw(t, "order") {
			id := x.object["id"].(string)
			old, seen := came[id]
			if x.kind == "correction" {
				if came[id] = nil; old != nil {
					old.Sequence = event.Opt[uint64]{} // it is not kept
					f.Add(old, rollup.Input{Partition: 3}, -1)
				}
				continue
			}
			if seen && old == nil {
				continue
			}
			e := decode(t, x.object)
			came[id] = e
			if text, ok := e.Body.(*registry.Store); ok && (known["s1"] == nil || text.Newer(known["s1"])) {
				known["s1"] = text
			}
			f.Fold(e, rollup.Input{Partition: 3})
			switch rapid.IntRange(0, 4).Draw(t, "then") {
			case 0:
				seal()
			case 1:
				seal()
				f = st.load(t, cfg, known)
			}
		}
		seal()
		right := slices.DeleteFunc(slices.Clone(all), func(x told) bool { return slices.Contains(wrong, x.object["id"].(string)) })
		if d := diff.Diff(model(t, right, known["s1"]), got.seen()); d != "" {
			t.Fatalf("orders (-definitions +rows):\n%s", d)
		}
	})
}
