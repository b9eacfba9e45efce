package journey

import (
	"fmt"
	"math"
	"time"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/registry"
	"github.com/tillstream/tillstream/processor/rollup"
)

// row is an order as it is written. What is in it is merged with what the table has.
type row struct {
	store, id string
	facts
	placedDay, readyDay string // days since 1970
	lead                string // ms of placed, ms of service until ready; nothing where the registry does not know the store
	add                 string // currency, net, sales

	given bool // add was something at some time
}

// row tells an order.
func (f *Fold) row(st *store, r *record, text *registry.Store) row {
	o := r.open
	x := row{store: st.id, id: r.id, facts: o.facts, given: o.added.given}
	if at := o.placed(); at.ms != 0 {
		x.placedDay = fields(f.day(at, text))
	}
	if at := o.at[ready]; at.ms != 0 {
		x.readyDay = fields(f.day(at, text))
		if from := o.placed().ms; from != 0 && from <= at.ms && text != nil {
			x.lead = fields(from, text.Service(interval.Span{From: from, To: at.ms}).Length())
		}
	}
	if o.added.sales > 0 {
		x.add = fields(string(o.added.currency[:]), o.added.net, o.added.sales)
	}
	return x
}

// day is the business date of an instant: by the store's zone and cutoff, else by the sender's clock.
func (f *Fold) day(at instant, text *registry.Store) int64 {
	cutoff := f.cutoff
	if text != nil {
		if v := text.At(at.ms); v != nil {
			_, offset := time.UnixMilli(at.ms).In(text.Zone(at.ms)).Zone()
			at.offset = int32(offset)
			if clock, err := time.Parse("15:04", v.BusinessDayCutoff); err == nil {
				cutoff = time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute
			}
		}
	}
	return localDay(at, cutoff)
}

// never is an instant that there is not: later than all that there are.
const never = math.MaxInt64

func orNever(at instant) int64 {
	if at == (instant{}) {
		return never
	}
	return at.ms
}

// held is what holds of a stamp by the newest batch that says it: of two the table keeps the greater.
func held(stamp string, v rollup.Version, text string) string {
	return fmt.Sprintf("%s%020d%s", stamp, v.Uint64(), text)
}

// block has a row for each order that the batch changed, in the order of the table's key.
func block(v rollup.Version, all []row) *rollup.Block {
	b := rollup.NewBlock("order_journeys", 0, len(all))
	store, id, first := b.String("store_id"), b.String("order_id"), b.Int64("first_ms")
	var at [len(kinds)][]int64
	for k, name := range kinds {
		at[k] = b.Int64(name + "_ms")
	}
	var said [attributes][]string
	for k, name := range [attributes]string{"customer", "mode", "reason", "origin", "money", "expiry", "transaction", "picked", "promise", "ordered"} {
		said[k] = b.String(name + "_said")
	}
	placedDay, readyDay, lead, add := b.String("placed_day_held"), b.String("ready_day_held"), b.String("lead_held"), b.String("added_held")
	for i := range all {
		x := &all[i]
		store[i], id[i], first[i] = x.store, x.id, orNever(x.first)
		for k := range kinds {
			at[k][i] = orNever(x.at[k])
		}
		for k := range attributes {
			said[k][i] = x.said[k]
		}
		if from := x.placed(); from.ms != 0 {
			placedDay[i] = held(stamp(from.ms, true), v, x.placedDay)
		}
		if to := x.at[ready]; to.ms != 0 {
			readyDay[i], lead[i] = held(stamp(to.ms, true), v, x.readyDay), held(stamp(to.ms, true), v, x.lead)
		}
		if x.given {
			add[i] = held(stamp(0, false), v, x.add)
		}
	}
	return b.Seal()
}
