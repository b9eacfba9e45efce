package clickhouse

import (
	"github.com/tillstream/tillstream/processor/rollup"
)

// Blocks as the folds make them, of few rows.

type sale struct {
	store      string
	day        rollup.Days // since 2026-11-01
	net        int64
	customers  []uint64
	gross, tax int64
}

const november = 202611

const nov1 = rollup.Days(20758) // 2026-11-01

func salesBlock(rows ...sale) *rollup.Block {
	b := rollup.NewBlock("sales_hourly", november, len(rows))
	store, day, hour, local := b.String("store_id"), b.PartitionDays("business_date"), b.Seconds("hour"), b.Uint8("local_hour")
	channel, currency := b.String("channel"), b.String("currency")
	transactions := b.SumUint64("transactions")
	b.SumUint64("returns")
	b.SumUint64("voids")
	units, gross := b.SumInt64("units"), b.SumInt64("gross")
	b.SumInt64("discount")
	tax, net := b.SumInt64("tax"), b.SumInt64("net")
	b.SumUint64("loyalty_transactions")
	b.SumUint64("identified_transactions")
	b.SumUint64("offline_transactions")
	customers, baskets := b.Uint64s("customers_in"), b.Int64s("baskets_in")
	b.SumUint64("corrections")
	b.Uint64s("customers_out")
	b.Int64s("baskets_out")
	for i, r := range rows {
		store[i], day[i], hour[i], local[i] = r.store, nov1+r.day, rollup.Seconds(int64(nov1+r.day)*86400+9*3600), 10
		channel[i], currency[i] = "store", "EUR"
		transactions[i], units[i], gross[i], tax[i], net[i] = 1, 1000, r.gross, r.tax, r.net
		customers[i], baskets[i] = r.customers, []int64{r.net}
	}
	return b
}

func productBlock(stores ...string) *rollup.Block {
	b := rollup.NewBlock("product_sales", november, len(stores))
	store, day, product := b.String("store_id"), b.PartitionDays("business_date"), b.String("product_id")
	b.String("category")
	currency := b.String("currency")
	units, revenue := b.SumInt64("units"), b.SumInt64("revenue")
	b.SumInt64("discount")
	baskets := b.SumUint64("baskets")
	b.SumInt64("returned_units")
	b.SumInt64("promoted_units")
	b.SumInt64("lines")
	b.SumUint64("corrections")
	for i, s := range stores {
		store[i], day[i], product[i], currency[i] = s, nov1+2, "p1", "EUR"
		units[i], revenue[i], baskets[i] = 1000, 250, 1
	}
	return b
}

func agreedBlock(customers ...uint64) *rollup.Block {
	b := rollup.NewBlock("customer_consent", 0, len(customers))
	customer, latest, lists := b.Uint64("customer"), b.String("latest"), b.SumInt64("lists")
	for i, c := range customers {
		customer[i], latest[i], lists[i] = c, "01793700000000marketing", 1
	}
	return b
}

func customerBlock(stores ...string) *rollup.Block {
	b := rollup.NewBlock("customer_days", november, len(stores))
	store, customer, day := b.String("store_id"), b.Uint64("customer"), b.PartitionDays("business_date")
	channel, currency := b.String("channel"), b.String("currency")
	transactions, units, net := b.SumUint64("transactions"), b.SumInt64("units"), b.SumInt64("net")
	b.SumInt64("discount")
	first, last := b.Seconds("first_at"), b.Seconds("last_at")
	b.SumUint64("corrections")
	b.Uint32s("times_in")
	b.Uint32s("times_out")
	for i, s := range stores {
		store[i], customer[i], day[i], channel[i], currency[i] = s, uint64(i+1), nov1+2, "store", "EUR"
		transactions[i], units[i], net[i], first[i], last[i] = 1, 1000, 250, 1793700000, 1793700000
	}
	return b
}

func paymentBlock(stores ...string) *rollup.Block {
	b := rollup.NewBlock("payments_hourly", november, len(stores))
	store, hour, service, method := b.String("store_id"), b.PartitionSeconds("hour"), b.String("service"), b.String("method")
	b.String("entry_mode")
	currency := b.String("currency")
	attempts, approved := b.SumUint64("attempts"), b.SumUint64("approved")
	b.SumUint64("declined")
	b.SumUint64("failed")
	b.SumUint64("offline")
	amount, ms, n, in := b.SumInt64("amount"), b.SumUint64("auth_ms"), b.SumUint64("auth_n"), b.Uint32s("auth_in")
	b.SumUint64("corrections")
	b.Uint32s("auth_out")
	for i, s := range stores {
		store[i], hour[i], service[i], method[i], currency[i] = s, rollup.Seconds(int64(nov1+2)*86400), "acme", "card", "EUR"
		attempts[i], approved[i], amount[i], ms[i], n[i], in[i] = 1, 1, 250, 300, 1, []uint32{300}
	}
	return b
}

func tillBlock(stores ...string) *rollup.Block {
	b := rollup.NewBlock("terminal_sales", november, len(stores))
	hour, store, terminal, currency := b.PartitionSeconds("hour"), b.String("store_id"), b.String("terminal_id"), b.String("currency")
	for _, quarter := range []string{"_00", "_15", "_30", "_45"} {
		transactions, net := b.SumUint64("transactions"+quarter), b.SumInt64("net"+quarter)
		for i := range stores {
			transactions[i], net[i] = 1, 250
		}
	}
	last := b.Seconds("last_at")
	for i, s := range stores {
		hour[i], store[i], terminal[i], currency[i] = rollup.Seconds(int64(nov1+2)*86400), s, "t"+s[1:], "EUR"
		last[i] = hour[i] + 3599
	}
	return b
}

func triesBlock(stores ...string) *rollup.Block {
	b := rollup.NewBlock("terminal_payments", november, len(stores))
	store, hour, terminal := b.String("store_id"), b.PartitionSeconds("hour"), b.String("terminal_id")
	attempts, failed, tries, auth := b.SumUint64("attempts"), b.SumUint64("failed"), b.Uint32s("tries_in"), b.Uint32s("auth_in")
	triesOut, authOut := b.Uint32s("tries_out"), b.Uint32s("auth_out")
	for i, s := range stores {
		store[i], hour[i], terminal[i] = s, rollup.Seconds(int64(nov1+2)*86400), "t"+s[1:]
		attempts[i], failed[i] = 2, 1
		tries[i], auth[i] = []uint32{7200 - 2, 7200 - 1, 0, 0}, []uint32{300, 300, 40} // two in the last second, of which one failed; and two that
		triesOut[i], authOut[i] = []uint32{0, 0}, []uint32{40}                         // are taken off again
	}
	return b
}

func qualityBlock(terminals ...string) *rollup.Block {
	b := rollup.NewBlock("data_quality", november, len(terminals))
	topic, terminal, day := b.String("topic"), b.String("terminal_id"), b.PartitionDays("business_date")
	accepted := b.SumUint64("accepted")
	missing := b.SumInt64("missing")
	for _, name := range []string{"duplicates", "rejected", "late", "test", "unbalanced", "pan_masked", "stale", "other"} {
		b.SumUint64(name)
	}
	b.Uint32s("late_in")
	b.SumInt64("corrected")
	b.Int64("skew_min")
	skew := b.Int64("skew_max")
	for i, t := range terminals {
		topic[i], terminal[i], day[i], accepted[i], missing[i], skew[i] = "pos.transactions", t, nov1+2, 5, -1, 7
	}
	return b
}

// till is a terminal for availability blocks: two hours, of which the first and the newest are short; up, then down.
type till struct{ store, id string }

const (
	tillFirst = int64(nov1+2)*86_400_000 + 9*3_600_000 + 600_000 // 09:10
	tillSeen  = tillFirst + 3*3_600_000                          // 12:10
)

func hoursBlock(v rollup.Version, tills ...till) *rollup.Block {
	b := rollup.NewBlock("availability_hourly", november, 4*len(tills))
	store, terminal, hour := b.String("store_id"), b.String("terminal_id"), b.PartitionSeconds("hour")
	b.Version(v)
	up := b.Uint32("up_ms")
	for _, name := range []string{"degraded_ms", "down_ms", "silent_ms", "maintenance_ms", "unknown_ms", "service_ms", "service_down_ms", "excluded_ms", "disabled_ms", "service_unknown_ms"} {
		b.Uint32(name)
	}
	mean := b.Float32("response_ms_avg")
	b.Float32("response_ms_p95")
	evidence := b.Uint32("evidence")
	responses, until, unheard := b.Uint32s("responses"), b.Uint32s("unheard_until"), b.Uint64s("unheard_ms")
	for i := range store {
		t := tills[i/4]
		store[i], terminal[i], hour[i] = t.store, t.id, rollup.Seconds(tillFirst/3_600_000*3600+int64(i%4)*3600)
		up[i], mean[i], evidence[i] = [4]uint32{3_000_000, 3_600_000, 3_600_000, 600_000}[i%4], 12.5, 3
		responses[i], until[i], unheard[i] = []uint32{12, 13}, []uint32{3_599_999}, []uint64{1 << 40}
	}
	return b
}

func intervalsBlock(v rollup.Version, tills ...till) *rollup.Block {
	b := rollup.NewBlock("status_intervals", november, 2*len(tills))
	store, terminal, started := b.String("store_id"), b.String("terminal_id"), b.PartitionMillis("started_at")
	b.Version(v)
	b.Uint8("deleted")
	b.Uint8("disabled")
	cardless := b.Uint8("cardless")
	status, ended, holds := b.String("status"), b.NullMillis("ended_at"), b.NullMillis("holds_until")
	b.String("cause")
	for i := range store {
		t := tills[i/2]
		store[i], terminal[i], started[i] = t.store, t.id, rollup.Millis(tillFirst+int64(i%2)*3_600_001)
		status[i], ended[i], holds[i] = "up", rollup.NullMillis(tillFirst+3_600_001), rollup.Null
		if i%2 == 1 {
			status[i], ended[i], holds[i], cardless[i] = "degraded", rollup.Null, rollup.NullMillis(tillSeen+180_001), 1
		}
	}
	return b
}

func outagesBlock(v rollup.Version, tills ...till) *rollup.Block {
	b := rollup.NewBlock("outages", november, len(tills))
	store, terminal, started := b.String("store_id"), b.String("terminal_id"), b.PartitionMillis("started_at")
	b.Version(v)
	b.Uint8("deleted")
	id, resolved, repair, service := b.String("outage_id"), b.NullMillis("resolved_at"), b.Uint64("repair_ms"), b.Uint64("service_ms")
	b.String("cause")
	b.String("party")
	for i, t := range tills {
		store[i], terminal[i], started[i], id[i] = t.store, t.id, rollup.Millis(tillFirst-1), t.id+"/1"
		resolved[i], repair[i], service[i] = rollup.NullMillis(tillFirst), 1, 1
	}
	return b
}

func statusBlock(v rollup.Version, tills ...till) *rollup.Block {
	b := rollup.NewBlock("terminal_status", 0, len(tills))
	store, terminal := b.String("store_id"), b.String("terminal_id")
	b.Version(v)
	status, since, first, last, holds := b.String("status"), b.Millis("since"), b.Millis("first_seen"), b.Millis("last_seen"), b.Millis("holds_until")
	hours, intervals, outages := b.Uint64("hours"), b.Uint64("intervals"), b.Uint64("outages")
	b.String("software_version")
	next, backlog, oldest, battery := b.Uint32s("service_next"), b.Uint32("offline_backlog"), b.NullMillis("oldest_unsent_at"), b.NullUint8("battery_pct")
	b.Millis("retires_at")
	b.Uint8("registered")
	skew, shift := b.Int64("clock_skew_ms"), b.Int64("clock_shift_ms")
	b.Uint8("disabled")
	printer := b.String("printer")
	b.String("card_reader")
	b.String("scanner")
	for i, t := range tills {
		store[i], terminal[i], status[i] = t.store, t.id, "degraded"
		since[i], first[i], last[i], holds[i] = rollup.Millis(tillFirst), rollup.Millis(tillFirst), rollup.Millis(tillSeen), rollup.Millis(tillSeen+180_001)
		hours[i], intervals[i], outages[i] = 4, 2, 1
		skew[i], shift[i] = -61_000, -62_000
		next[i], backlog[i], printer[i] = []uint32{0, 1793700000}, 3, "ok"
		oldest[i], battery[i] = rollup.Null, -1
		if i%2 == 1 {
			oldest[i], battery[i] = rollup.NullMillis(tillSeen-5), 77
		}
	}
	return b
}

func ledgerBlock(lane string, epoch uint64, ranges ...[3]int64) *rollup.Block { // partition, from, to; one in ten is a duplicate
	b := rollup.NewBlock("ledger", november, len(ranges))
	lanes, topic, partition, epochs := b.String("lane"), b.String("topic"), b.Int32("partition"), b.Uint64("epoch")
	day, from, to := b.PartitionDays("day"), b.Int64("from_offset"), b.Int64("to_offset")
	records, duplicates := b.SumUint64("records"), b.SumUint64("duplicates")
	rejected := b.SumUint64("rejected")
	b.SumUint64("gaps")
	written := b.Millis("written_at")
	for i, r := range ranges {
		lanes[i], topic[i], partition[i], epochs[i] = lane, "pos.transactions", int32(r[0]), epoch
		day[i], from[i], to[i], written[i] = nov1+2, r[1], r[2], rollup.Millis(tillSeen)
		duplicates[i], rejected[i] = uint64(r[2]-r[1])/10, 1
		records[i] = uint64(r[2]-r[1]) - duplicates[i] - rejected[i]
	}
	return b
}

func lettersBlock(at ...[2]int64) *rollup.Block { // partition, offset
	b := rollup.NewBlock("dead_letters", november, len(at))
	topic, partition, offset, when := b.String("topic"), b.Int32("partition"), b.Int64("offset"), b.PartitionMillis("at")
	reason, field, expected := b.String("reason"), b.String("field"), b.String("expected")
	for i, r := range at {
		topic[i], partition[i], offset[i], when[i] = "pos.transactions", int32(r[0]), r[1], rollup.Millis(tillSeen)
		reason[i], field[i], expected[i] = "bad_time", "time", "RFC 3339"
	}
	return b
}

func stateBlock(group string, v rollup.Version, rows ...rollup.StateRow) *rollup.Block {
	b := rollup.NewBlock("state", 0, len(rows))
	lane, kind, key := b.String("lane"), b.String("kind"), b.String("key")
	b.Version(v)
	deleted, value := b.Uint8("deleted"), b.String("value")
	for i, r := range rows {
		lane[i], kind[i], key[i], value[i] = ownerOf(group, r.Partition), r.Kind, r.Key, string(r.Value)
		if r.Deleted {
			deleted[i] = 1
		}
	}
	return b
}
