package clickhouse

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Retention is after how many days rows go, from the date they are of; 0 keeps them. The batches' own rows always stay: recovery asks for them.
type Retention struct {
	Customers int // what known customers did
	Sales     int // sales, products, baskets, payments, promotions and returns, in which nobody is known
	Orders    int // orders, from their first step
}

// kept are the tables that Retention is about, and the date of a row. All but order_journeys have a partition a month of it.
var kept = []struct {
	table, date string
	days        func(Retention) int
}{
	{"customer_days", "business_date", Retention.customers},
	{"customer_hours", "business_date", Retention.customers},
	{"customer_items", "business_date", Retention.customers},
	{"sales_hourly", "business_date", Retention.sales},
	{"product_sales", "business_date", Retention.sales},
	{"basket_pairs", "business_date", Retention.sales},
	{"payment_days", "business_date", Retention.sales},
	{"promotion_days", "business_date", Retention.sales},
	{"returns", "business_date", Retention.sales},
	{"payments_hourly", "toDate(hour)", Retention.sales},
	{"terminal_payments", "toDate(hour)", Retention.sales},
	{"terminal_sales", "toDate(hour)", Retention.sales},
	{"order_journeys", "toDate(intDiv(first_ms, 86400000))", Retention.orders},
}

func (r Retention) customers() int { return r.Customers }
func (r Retention) sales() int     { return r.Sales }
func (r Retention) orders() int    { return r.Orders }

// RetentionChange is a table whose rows go at another time than before. Days are 0 where they stay.
type RetentionChange struct {
	Table       string
	Before, Now int
}

// rule is the TTL of a table, as the server spells it.
func rule(date string, days int) string {
	return fmt.Sprintf("TTL %s + toIntervalDay(%d) WHERE lane = ''", date, days)
}

// Retain sets after how long rows go, and says what that changes; where nothing does, nothing is asked of the server. What is too old goes in the background: the parts are
// rewritten once when days change, later as they are merged. A TTL that somebody else gave one of the tables is an error, where days are asked for.
func (s *Sink) Retain(ctx context.Context, r Retention) (changes []RetentionChange, err error) {
	before, err := s.retained(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range kept {
		now, was := k.days(r), before[k.table]
		if was == now {
			continue
		}
		sql := fmt.Sprintf("ALTER TABLE tillstream.%s REMOVE TTL", k.table)
		switch {
		case was < 0 && now == 0:
			continue
		case was < 0:
			return changes, fmt.Errorf("tillstream.%s has a TTL that tillstream did not give it: ALTER TABLE tillstream.%[1]s REMOVE TTL, or set retention of its rows to 0", k.table)
		case now > 0:
			sql = fmt.Sprintf("ALTER TABLE tillstream.%s MODIFY %s", k.table, rule(k.date, now))
		}
		if err := s.exec(ctx, sql); err != nil {
			return changes, fmt.Errorf("setting how long tillstream.%s keeps rows: %w", k.table, err)
		}
		changes = append(changes, RetentionChange{k.table, was, now})
	}
	return changes, nil
}

// retained are the days of each table that has a TTL; -1 where it is none of ours.
func (s *Sink) retained(ctx context.Context) (map[string]int, error) {
	days := map[string]int{}
	err := s.rows(ctx, func(r driver.Rows) error {
		var table, ddl string
		if err := r.Scan(&table, &ddl); err != nil {
			return err
		}
		for _, k := range kept {
			if k.table != table {
				continue
			}
			days[table] = -1
			_, after, _ := strings.Cut(ddl, "toIntervalDay(")
			number, _, _ := strings.Cut(after, ")")
			if n, err := strconv.Atoi(number); err == nil && strings.Contains(ddl, rule(k.date, n)) {
				days[table] = n
			}
		}
		return nil
	}, "SELECT name, engine_full FROM system.tables WHERE database = {database:String} AND position(engine_full, ' TTL ') > 0", ch.Named("database", s.database))
	if err != nil {
		return nil, fmt.Errorf("asking how long tables keep rows: %w", err)
	}
	return days, nil
}

// expired is the newest month (yyyymm) of each table in which rows may have gone.
func (s *Sink) expired(ctx context.Context) (map[string]uint32, error) {
	days, err := s.retained(ctx)
	if err != nil {
		return nil, err
	}
	months := map[string]uint32{}
	for table, n := range days {
		if n > 0 { // a day more: a server's date may be a day ahead
			day := s.now().UTC().AddDate(0, 0, 1-n)
			months[table] = uint32(100*day.Year() + int(day.Month()))
		}
	}
	return months, nil
}
