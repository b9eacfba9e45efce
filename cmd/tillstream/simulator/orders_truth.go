package simulator

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tillstream/tillstream/processor/event"
)

// OrderTruth is an order as far as its steps arrived: pos.order_journeys. Lead and LeadOpen are -1 where there is none.
type OrderTruth struct {
	Store        string           `json:"store"`
	ID           string           `json:"order_id"`
	Customer     uint64           `json:"customer,string"` // 0 without Config.Secret
	Steps        map[string]int64 `json:"steps"`
	Mode         string           `json:"mode"`
	Reason       string           `json:"reason"`
	Transaction  string           `json:"transaction_id"`
	Currency     string           `json:"currency"`
	Amount       int64            `json:"amount"`
	Promised     int64            `json:"promised"`
	Expires      int64            `json:"expires"`
	Lead         int64            `json:"lead_ms"`
	LeadOpen     int64            `json:"lead_open_ms"`
	ReservedDate string           `json:"reserved_date"`
	ReadyDate    string           `json:"ready_date"`
	Ordered      int64            `json:"ordered_units"`
	Picked       int64            `json:"picked_units"`
	Substituted  int64            `json:"substituted_units"`
	AddedNet     int64            `json:"added_net"`
	AddedSales   int64            `json:"added_sales"`

	buyer     buyer
	collected int64 // first, in whole or part
}

// FunnelTruth is a business date of a store: pos.omnichannel_funnel.
type FunnelTruth struct {
	Store     string `json:"store"`
	Date      string `json:"date"`
	Reserved  int64  `json:"reserved"`
	Accepted  int64  `json:"accepted"`
	Ready     int64  `json:"ready"`
	InTime    int64  `json:"ready_in_time"`
	Collected int64  `json:"collected"`
	Cancelled int64  `json:"cancelled"`
	Expired   int64  `json:"expired"`
	AddedOn   int64  `json:"added_on"`
}

// truth tells what the store's orders come to: see docs/orders.md.
func (p *shop) truth(t *Truth) {
	s := p.store
	all := map[string][]orderStep{}
	for _, x := range p.orders {
		all[x.id] = append(all[x.id], x.steps...)
	}
	named := map[receiptKey]bool{}
	var mine []*OrderTruth
	for id, steps := range all {
		slices.SortFunc(steps, func(a, b orderStep) int { return cmp.Compare(a.at, b.at) })
		x := &OrderTruth{Store: s.id, ID: id, Steps: map[string]int64{}, Lead: -1, LeadOpen: -1, Ordered: -1, Picked: -1, Substituted: -1}
		for i := range steps {
			st := &steps[i]
			if x.Steps[st.kind] == 0 {
				x.Steps[st.kind] = st.at
			}
			if st.buyer != (buyer{}) {
				x.buyer = st.buyer
			}
			if st.currency != "" {
				x.Currency, x.Amount = st.currency, st.amount
			}
			x.Mode, x.Reason, x.Expires = cmp.Or(st.mode, x.Mode), cmp.Or(st.reason, x.Reason), cmp.Or(st.expires, x.Expires)
			x.Transaction, x.Promised = cmp.Or(st.transaction, x.Transaction), cmp.Or(x.Promised, st.promised)
			named[st.named] = true
			if n := int64(len(st.products)); n > 0 {
				if x.Ordered < 0 {
					x.Ordered = 2000 * n
				}
				if st.picked >= 0 {
					if x.Picked, x.Substituted = st.picked*n, 0; st.substitute != nil {
						x.Substituted = 2000
					}
				}
			}
		}
		if x.buyer != (buyer{}) && len(s.cfg.Secret) > 0 {
			x.Customer = event.Pseudonym(s.cfg.Secret, x.buyer.kind, x.buyer.id)
		}
		placed, ready := earliest(x.Steps["placed"], x.Steps["reserved"]), x.Steps["ready"]
		date := func(at int64) string {
			return string(appendDate(nil, int32(floorDiv(s.wall.local(at)-s.cfg.BusinessDayCutoff.Milliseconds(), day))))
		}
		if placed != 0 {
			x.ReservedDate = date(placed)
		}
		if ready != 0 {
			if x.ReadyDate = date(ready); placed != 0 {
				x.Lead, x.LeadOpen = ready-placed, s.hours(span{placed, ready}).Length()
			}
		}
		x.collected = earliest(x.Steps["collected"], x.Steps["partially_collected"])
		mine = append(mine, x)
	}
	slices.SortFunc(mine, func(a, b *OrderTruth) int { return cmp.Compare(a.ID, b.ID) })
	for i := range p.sales {
		b := &p.sales[i]
		if named[b.receiptKey] || p.voided[b.receiptKey] {
			continue
		}
		far := func(x *OrderTruth) int64 { return max(x.collected-b.at, b.at-x.collected) }
		var best *OrderTruth
		for _, x := range mine {
			if x.collected == 0 || x.buyer != b.buyer || far(x) > 30*minute {
				continue
			}
			if best == nil || far(x) < far(best) || far(x) == far(best) && x.collected < best.collected {
				best = x
			}
		}
		if best != nil && (best.Currency == "" || best.Currency == s.place.currency) {
			best.AddedNet += b.net
			best.AddedSales++
			best.Currency = s.place.currency
		}
	}
	days := map[string]*FunnelTruth{}
	on := func(date string) *FunnelTruth {
		f := entry(days, date)
		f.Store, f.Date = s.id, date
		return f
	}
	for _, x := range mine {
		t.Orders = append(t.Orders, *x)
		if x.ReservedDate != "" {
			f := on(x.ReservedDate)
			f.Reserved++
			f.Accepted += min(x.Steps["accepted"], 1)
		}
		ready, off := x.Steps["ready"], earliest(x.Steps["cancelled"], x.Steps["rejected"])
		if ready == 0 || x.Mode == "ship_from_store" || off != 0 && off < ready {
			continue
		}
		f := on(x.ReadyDate)
		f.Ready++
		if x.Promised != 0 && ready <= x.Promised {
			f.InTime++
		}
		switch {
		case x.collected != 0:
			f.Collected++
			f.AddedOn += min(x.AddedSales, 1)
		case off != 0:
			f.Cancelled++
		case x.Steps["expired"] != 0:
			f.Expired++
		}
	}
	for _, date := range slices.Sorted(maps.Keys(days)) {
		t.Funnel = append(t.Funnel, *days[date])
	}
}

// earliest is the earlier of two instants that there are.
func earliest(a, b int64) int64 {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}
