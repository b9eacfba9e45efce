package purchase

import (
	"github.com/tillstream/tillstream/processor/event"
	"github.com/tillstream/tillstream/processor/rollup"
	"github.com/tillstream/tillstream/processor/table"
)

type promotionKey struct {
	store, product, category, currency, promotion uint32
	date                                          int32
}

func (k *promotionKey) hash() uint64 {
	h := table.Mix(table.Pack(k.store, k.product), table.Pack(k.category, k.currency))
	return table.Mix(h, table.Pack(k.promotion, uint32(k.date)))
}

type promotionSums struct{ units, revenue, discount int64 }

// promotionID names a promotion: by its coupon where it has no id of its own.
func promotionID(p *event.Promotion) string {
	if p.PromotionID == "" {
		return p.CouponCode
	}
	return p.PromotionID
}

// promote adds a line to each of its promotions, once. What one took off is its amount, or all that the line says if it is the only one and
// has none; both have the sign of the line.
func (f *Fold) promote(l *event.Line, product, category uint32, at *place, a *amounts) {
next:
	for i := range l.Promotions {
		p := &l.Promotions[i]
		id := promotionID(p)
		if id == "" {
			continue
		}
		off := max(p.Amount, -p.Amount)
		for j := range l.Promotions {
			if j != i && promotionID(&l.Promotions[j]) == id {
				if j < i {
					continue next
				}
				off += max(l.Promotions[j].Amount, -l.Promotions[j].Amount)
			}
		}
		switch {
		case off == 0 && len(l.Promotions) == 1:
			off = a.discount
		case a.units < 0 || a.units == 0 && at.sign < 0:
			off = -off
		}
		k := promotionKey{at.store, product, category, at.currency, f.names.ID(id), at.date}
		_, s := f.promotions.At(k.hash(), k)
		s.units += a.units
		s.revenue += a.net
		s.discount += off
	}
}

func (f *Fold) sealPromotions(blocks []*rollup.Block, ranks []uint32) []*rollup.Block {
	entries := f.promotions.Entries()
	rows := make([]table.Row, len(entries))
	var m months
	for i := range entries {
		k := &entries[i].Key
		rows[i] = table.Row{Month: m.of(k.date), Index: int32(i), Key: [3]uint64{
			table.Pack(table.Signed(k.date), ranks[k.promotion]), table.Pack(ranks[k.store], ranks[k.product]), table.Pack(ranks[k.category], ranks[k.currency]),
		}}
	}
	for month, rows := range table.Months(rows) {
		b := rollup.NewBlock("promotion_days", month, len(rows))
		date, promotion, store := b.PartitionDays("business_date"), b.String("promotion_id"), b.String("store_id")
		product, category, currency := b.String("product_id"), b.String("category"), b.String("currency")
		units, revenue, discount := b.SumInt64("units"), b.SumInt64("revenue"), b.SumInt64("discount")
		for i, r := range rows {
			k, s := &entries[r.Index].Key, &entries[r.Index].Value
			date[i], promotion[i], store[i] = rollup.Days(k.date), f.names.String(k.promotion), f.names.String(k.store)
			product[i], category[i], currency[i] = f.names.String(k.product), f.names.String(k.category), f.names.String(k.currency)
			units[i], revenue[i], discount[i] = s.units, s.revenue, s.discount
		}
		blocks = append(blocks, b.Seal())
	}
	return blocks
}
