// Package purchase folds transactions into the purchase rollups: sales_hourly, product_sales, customer_days, payments_hourly, terminal_payments
// (the attempts of each till by the second, and what answers took, for agreements), and terminal_sales, what each till sold by quarter-hour, of which the views make what is to be expected of it; and, for marketing, into payment_days,
// basket_pairs, customer_items, customer_hours and promotion_days.
//
// The rules, in the words of the tables:
//
//   - A sale with a line that is not voided counts in transactions. Returns and exchanges count in returns, voids in voids. The
//     other kinds (no_sale, cash_in, layaway, …) touch no rollup of sales; their tenders count as payments.
//   - Sales, returns and exchanges add their lines, but for the voided ones. A void of a finished transaction (it names the
//     original) takes its lines off again; a void before payment adds nothing.
//   - A returned line, one of a return or of a negative quantity, counts negative whichever sign the sender gave it: units by
//     -|quantity|, amounts negated if its gross is positive. So do the lines of a void of a finished transaction.
//   - Units are those of items; fees, tips, deposits and the like are in the amounts of sales_hourly and customer_days only.
//   - The quarter-hours of terminal_sales add up to transactions and net of sales_hourly. It is made here, and not by a fold of its own,
//     because what a transaction is worth is found here, line by line.
//   - Tax is the sum of the lines' taxes, or that of the totals if no line has one.
//
// For marketing:
//
//   - A basket is a sale's products that were not brought back. What is in it together is counted once a sale, by category, and by product for those that
//     are watched.
//   - A line counts in each of its promotions, once. customer_items has whatever touches the units of product_sales, customer_hours sales only.
//   - All columns are plain sums, so that a transaction can be taken off again.
//
// Rows are deltas of one batch, all of which ClickHouse adds up; a fold has no state.
//
// Sums do not overflow: package event takes no amount or quantity beyond 1e12, and a net that it derives is at most twice that. To
// pass an int64, one hour of one store needs 4.6 million lines of ten thousand million each: about 270 MB of records.
package purchase
