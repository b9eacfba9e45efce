package clickhouse

import "fmt"

// Refreshed are the tables of database tillstream that hold what the view of their name and _now said a while ago, in the order in which they must be
// written: a later one reads earlier ones. Views of database pos with the same names show the newest generation that is whole.
func Refreshed() []string {
	return []string{
		"rfm", "cohorts", "clv_inputs", "purchase_gaps", "affinity", "buyer_profiles", "segment_products", "segment_sales", "promotion_sales", "promotion_units", "promotion_uplift",
		"outage_impact",
	}
}

// RefreshStatement writes a generation of a refreshed table, as if it had been empty: outage_impact_now leaves out what the table keeps. Groups that do not fit
// into memory go to disk.
func RefreshStatement(table string, generation uint64) string {
	return fmt.Sprintf("INSERT INTO tillstream.%s SELECT *, toUInt64(%d) FROM tillstream.%[1]s_now SETTINGS additional_table_filters = {'tillstream.%[1]s': '0'}, max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000, async_insert = 0",
		table, generation)
}
