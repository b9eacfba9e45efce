package simulation

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tillstream/tillstream/processor/commit"
	"github.com/tillstream/tillstream/processor/correction"
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/forget"
	"github.com/tillstream/tillstream/processor/journey"
	"github.com/tillstream/tillstream/processor/rollup"
)

// erasure is `tillstream forget` for one customer while members run: the list, a wait until nothing can be written any more that was folded under an older one, and then
// part after part, as mutations go. What is written after the wait must not name the customer, so only the parts of that moment are erased.
type erasure struct {
	pseudonym uint64
	waited    time.Time // when the wait ends
	left      []int     // numbers of parts; nil: still waiting
}

// forgetSomebody puts a customer on the list.
func (w *World) forgetSomebody() {
	name := fmt.Sprint("c", w.faultRnd.IntN(9))
	x := &erasure{pseudonym: event.Pseudonym(w.cfg.Secret, "loyalty", name), waited: time.Now().Add(w.cfg.SessionTimeout/2 + 2*time.Second)}
	w.erasure = x
	w.clickhouse.forgotten = append(w.clickhouse.forgotten, forget.NewHasher(w.cfg.Secret).Entry(x.pseudonym))
	w.clickhouse.amiss = true
	w.trace("%s is forgotten", name)
}

// expunge goes on with an erasure: one part now and then, in any order.
func (w *World) expunge() {
	x := w.erasure
	if x == nil || time.Now().Before(x.waited) {
		return
	}
	if x.left == nil {
		x.left = w.faultRnd.Perm(len(w.clickhouse.parts))
		clear(w.clickhouse.contents)
		w.clickhouse.amiss = false
	}
	if len(x.left) > 0 && (w.healed || w.faultRnd.IntN(4) == 0) {
		p := &w.clickhouse.parts[x.left[0]]
		x.left = x.left[1:]
		p.block = x.without(p.block)
	}
}

// expunged says that no erasure is under way.
func (w *World) expunged() bool {
	return w.erasure == nil || w.erasure.left != nil && len(w.erasure.left) == 0
}

// without is a block as tillstream forget leaves it. The block itself belongs to who wrote it.
func (x *erasure) without(b *rollup.Block) *rollup.Block {
	is := func(c uint64) bool { return c == x.pseudonym }
	out := *b
	out.Columns = slices.Clone(b.Columns)
	for i := range out.Columns {
		data := reflect.ValueOf(out.Columns[i].Data)
		out.Columns[i].Data = reflect.AppendSlice(reflect.MakeSlice(data.Type(), 0, data.Len()), data).Interface()
	}
	switch b.Table {
	case correction.Table:
		customers := column[[]uint64](&out, "customers")
		for i, all := range customers {
			customers[i] = slices.Clone(all)
			for j, c := range all {
				if is(c) {
					customers[i][j] = 0
				}
			}
		}
	case "sales_hourly":
		in, gone, identified := column[[]uint64](&out, "customers_in"), column[[]uint64](&out, "customers_out"), column[uint64](&out, "identified_transactions")
		for i := 1; i <= out.Rows; i++ {
			was := len(in[i]) - len(gone[i])
			in[i], gone[i] = slices.DeleteFunc(slices.Clone(in[i]), is), slices.DeleteFunc(slices.Clone(gone[i]), is)
			identified[i] -= uint64(was - len(in[i]) + len(gone[i]))
		}
	case "order_journeys":
		said := column[string](&out, "customer_said")
		for i, s := range said {
			if strings.HasSuffix(s, strconv.FormatUint(x.pseudonym, 10)) {
				said[i] = ""
			}
		}
	case commit.StateTable:
		value := column[string](&out, "value")
		for i, row := range stateRows(&out) {
			if less, changed, err := journey.Forget(row, is); err == nil && changed {
				value[i+1] = string(less)
			}
		}
	default:
		k := slices.IndexFunc(out.Columns, func(c rollup.Column) bool { return c.Name == "customer" })
		for i := out.Rows; k >= 0 && i > 0; i-- {
			if !is(out.Columns[k].Data.([]uint64)[i]) {
				continue
			}
			for j := range out.Columns {
				data := reflect.ValueOf(out.Columns[j].Data)
				out.Columns[j].Data = reflect.AppendSlice(data.Slice(0, i), data.Slice(i+1, data.Len())).Interface()
			}
			out.Rows--
		}
	}
	return &out
}

func stateRows(b *rollup.Block) (rows []rollup.StateRow) {
	kind, key, value := column[string](b, "kind"), column[string](b, "key"), column[string](b, "value")
	for i := 1; i <= b.Rows; i++ {
		rows = append(rows, rollup.StateRow{Kind: kind[i], Key: key[i], Value: []byte(value[i])})
	}
	return rows
}

// named are the rows that name the customer, by table: in a number, in a list of numbers, in digits, or in what lanes remember.
func (x *erasure) named(parts []part) (wrong []string) {
	digits := strconv.FormatUint(x.pseudonym, 10)
	rows := map[string]int{}
	for _, p := range parts {
		for _, c := range p.block.Columns {
			for i := 1; i <= p.block.Rows; i++ {
				switch v := reflect.ValueOf(c.Data).Index(i).Interface().(type) {
				case uint64:
					if v == x.pseudonym {
						rows[p.table]++
					}
				case []uint64:
					if slices.Contains(v, x.pseudonym) {
						rows[p.table]++
					}
				case string:
					if strings.Contains(v, digits) {
						rows[p.table]++
					}
				}
			}
		}
		if p.table != commit.StateTable {
			continue
		}
		for _, row := range stateRows(p.block) {
			if _, changed, err := journey.Forget(row, func(c uint64) bool { return c == x.pseudonym }); changed || err != nil {
				rows[p.table]++
			}
		}
	}
	for _, table := range slices.Sorted(maps.Keys(rows)) {
		wrong = append(wrong, fmt.Sprintf("%s: %d rows name a customer who was forgotten", table, rows[table]))
	}
	return wrong
}

func (s sink) ForgottenEntries(ctx context.Context) (n uint64, err error) {
	err = s.world.call(ctx, s.member, kindRead, "how many are forgotten", nil, func() error {
		n = uint64(len(s.world.clickhouse.forgotten))
		return nil
	})
	return n, err
}

func (s sink) Forgotten(ctx context.Context) (entries []forget.Entry, err error) {
	err = s.world.call(ctx, s.member, kindRead, "who is forgotten", nil, func() error {
		entries = slices.Clone(s.world.clickhouse.forgotten)
		return nil
	})
	return entries, err
}
