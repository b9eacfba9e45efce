package availability

import (
	"cmp"

	"github.com/tillstream/tillstream/processor/interval"
	"github.com/tillstream/tillstream/processor/rollup"
)

// storeRows are what a batch has to say of stores.
type storeRows struct {
	storeHours   []storeHour
	storeOutages []storeOutage
	storeStatus  []storeStatusRow
	windows      []windowsRow
}

func (r *storeRows) reset() {
	r.storeHours, r.storeOutages, r.storeStatus, r.windows = r.storeHours[:0], r.storeOutages[:0], r.storeStatus[:0], r.windows[:0]
}

type storeHour struct {
	*store
	storeTime
}

type storeOutage struct {
	*store
	start           int64
	end             rollup.NullMillis
	repair, service uint64
	deleted         bool
}

type storeStatusRow struct {
	*store
	run
	tally tally
	holds int64
}

// windowsRow is a store's service time in one month.
type windowsRow struct {
	*store
	month int
	hours interval.Set
}

func (r *windowsRow) compare(o *windowsRow) int {
	return cmp.Or(cmp.Compare(r.id, o.id), cmp.Compare(r.month, o.month))
}

func storeHoursBlock(v rollup.Version, month uint32, all []storeHour, rows []int32) *rollup.Block {
	b := rollup.NewBlock("store_availability_hourly", month, len(rows))
	store, hour := b.String("store_id"), b.PartitionSeconds("hour")
	b.Version(v)
	service, down := b.Uint32("service_ms"), b.Uint32("quorum_down_ms")
	excluded, unknown := b.Uint32("excluded_ms"), b.Uint32("unknown_ms")
	for i, n := range rows {
		r := &all[n]
		store[i], hour[i] = r.id, rollup.Seconds(r.start/1000)
		service[i], down[i], excluded[i], unknown[i] = r.service, r.down, r.excluded, r.unknown
	}
	return b.Seal()
}

func storeOutagesBlock(v rollup.Version, month uint32, all []storeOutage, rows []int32) *rollup.Block {
	b := rollup.NewBlock("store_outages", month, len(rows))
	store, started := b.String("store_id"), b.PartitionMillis("started_at")
	b.Version(v)
	deleted, id, resolved := b.Uint8("deleted"), b.String("outage_id"), b.NullMillis("resolved_at")
	repair, service := b.Uint64("repair_ms"), b.Uint64("service_ms")
	for i, n := range rows {
		r := &all[n]
		store[i], started[i], deleted[i] = r.id, rollup.Millis(r.start), flag(r.deleted)
		id[i], resolved[i], repair[i], service[i] = outageID("store:"+r.id, r.start), r.end, r.repair, r.service
	}
	return b.Seal()
}

func storeStatusBlock(v rollup.Version, all []storeStatusRow) *rollup.Block {
	b := rollup.NewBlock("store_status", 0, len(all))
	store := b.String("store_id")
	b.Version(v)
	status, since, last, holds := b.String("status"), b.Millis("since"), b.Millis("last_seen"), b.Millis("holds_until")
	tills, able, unknown, quorum := b.Uint32("tills"), b.Uint32("tills_able"), b.Uint32("tills_unknown"), b.Uint32("sell_quorum")
	registered := b.Uint8("registered")
	for i := range all {
		r := &all[i]
		store[i], status[i], since[i] = r.id, r.status.String(), rollup.Millis(r.start)
		if r.status == None {
			status[i] = "withdrawn"
		}
		last[i], holds[i], registered[i] = rollup.Millis(r.seen), rollup.Millis(r.holds), flag(r.text != nil)
		tills[i], able[i], unknown[i], quorum[i] = uint32(r.tally.tills), uint32(r.tally.able), uint32(r.tally.unknown), uint32(r.tally.quorum)
	}
	return b.Seal()
}

func windowsBlock(v rollup.Version, all []windowsRow) *rollup.Block {
	b := rollup.NewBlock("service_windows", 0, len(all))
	store, month := b.String("store_id"), b.Days("month")
	b.Version(v)
	opens, closes := b.Uint32s("opens"), b.Uint32s("closes")
	for i := range all {
		r := &all[i]
		store[i], month[i] = r.id, rollup.Days(monthStart(r.month).Unix()/86400)
		opens[i], closes[i] = make([]uint32, len(r.hours)), make([]uint32, len(r.hours))
		for k, x := range r.hours {
			opens[i][k], closes[i][k] = uint32(x.From/1000), uint32(x.To/1000)
		}
	}
	return b.Seal()
}
