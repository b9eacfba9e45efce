// Package journey folds the steps of omnichannel orders (pos.order.v1) and the sales of tills into order_journeys, one row an order of its
// collecting store.
//
// # What is said of an order
//
// The instant of a step is the earliest that was said of it. Everything else that steps say is of the latest step that says it (of several in one
// millisecond, the greatest text), but for the promise and what was ordered: those are of the earliest, since they are what the customer was told.
// All of it is the least or the greatest of what came, column by column, in the table as well as in memory. So neither order nor repetition
// matters, and a step of an order that memory has let go of is a row that the table merges with what it has.
//
// # What is reckoned
//
// Three things take more than one event, and are reckoned from memory, anew whenever one of those events comes:
//
//   - the business days on which an order was placed and became ready, by the zone and the cutoff that the registry has of the store; else by the
//     event's own offset;
//   - the lead in store hours: the service time, by the store's calendar, from placed to ready. NULL where the registry does not know the store;
//   - the added sales.
//
// An added sale is a sale of goods in the collecting store, not in training, not voided and not corrected afterwards, in a channel of the store itself (not web, app, phone,
// marketplace or click_and_collect), at most 30 min before or after the order was first collected, in whole or part, and which is
//
//   - of the order's customer and names no order; or
//   - names the order in order_id, where steps name other transactions as those of the collection.
//
// The sale of the collection itself is none: it is the one that a step of any order of the store names in transaction_id, or, of an order of which no step
// names one, the one that names the order. A customer who collects several orders adds a sale to one of them only: that collected nearest to it, the
// earlier if two are as near, then the one with the smaller id. The amount is the net of its lines in the order's currency; sales in another currency do not
// count. (domain.md 3.8.)
//
// # State
//
// Sales to known customers, and voids, are kept until the store's newest is Config.Window past the end of their hour: so much later than the sale a step may
// come. A finished order (collected, cancelled, rejected, expired, delivered or returned) is kept until both the store's sales and its orders are that
// far, and two hours, past its last step, in whole hours: however far one topic is read ahead of the other, as when a history is loaded, they meet. Others, and those of
// stores that sell nothing to known customers, leave when the store's orders are Config.RetireAfter past their last step; beyond 65,536 of a store the oldest do.
// What comes later still is in the row, by the rules above; only what is reckoned stays what it was.
//
// What is kept is packed, in memory as in the state: some 250 bytes an order (600 in memory, with its indices), 35 a sale. Which orders and sales are kept is judged when a batch is sealed, so
// a history in one batch is folded exactly.
package journey
