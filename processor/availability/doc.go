// Package availability folds what is heard of tills into timelines: availability_hourly, status_intervals, outages and
// terminal_status.
//
// # Evidence
//
// Two things tell that a till lives: a health report (a status, and how long it holds) and a sale. Any transaction that is not
// a test counts as a sale: a return, a void, an opened drawer or a sign-on takes a working till just as well. The status at
// an instant x is a function of the set of evidence alone, so neither order nor repetition matters. Let r be the last report at
// or before x (of several in one millisecond the one with the highest sequence, then the greatest content) and s the last sale
// at or before x that is later than r:
//
//	r is            at x                                                                 for at most
//	none            up until s+hold, then silent                                         RetireAfter since the last evidence
//	up, degraded    that until r+hold, then up until s+hold, then silent                 the same
//	closing         (switched off on purpose) up until s+hold, else silent               the same
//	down            down                                                                 366 days since the last evidence
//	maintenance     maintenance                                                          366 days since the last evidence
//	another value   unknown; once there is an s up until s+hold, then silent             RetireAfter since the last evidence
//
// A sale also proves up backwards, from its start (at most an hour) to its end, wherever the rules above say silent, unknown or
// nothing; never over what was reported down or in maintenance. After the last column, and before the first evidence, nothing is
// known: no hours, no intervals. The views close what is open by the same rules, as of now.
//
// The hold of a report is Config.HeartbeatTimeout, else three times the interval that it announces, else three minutes; the
// hold of a sale is that of r. Instants are milliseconds since 1970 UTC, stretches of time half-open.
//
// # State
//
// A terminal (of a store: one that moved begins a new life) keeps its evidence from Config.Window, and one hour for the sales
// that reach back, before its newest evidence on, in chunks of one hour, a few bytes a report (chunk.go; packed once it is over: pack.go, cold.go); and a [snapshot]
// of what held where they begin. What is older than the window was before the batch is stale: it is not used, and counted.
// Sealing a batch evaluates a touched terminal twice, with and without what is new, from the last snapshot before the earliest
// change, and writes the rows that differ. Those are absolute: the highest version of a key holds.
package availability
