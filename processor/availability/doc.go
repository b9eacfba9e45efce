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
// The hold of a report is what the registry said when it was made, else Config.HeartbeatTimeout, else three times the interval that it announces, else
// three minutes; the hold of a sale is that of r, or what the registry said then. Where r is up or degraded the till cannot sell if r says so
// (capability), or says nothing of that and lacks a component (error or absent) without which, as the registry says at x, it cannot: then it is
// degraded, and disabled; so is one that says that it cannot take cards, which is told apart too. Instants are milliseconds since 1970 UTC, stretches of time half-open.
//
// Agreements may say another hold. So beside the time that was spent in each status, hours have the times in which nothing was heard at all that are longer than usual
// ([Usual]), from which any hold that is longer can be told (package sla).
//
// # Wrong clocks
//
// Evidence that says when it was sent (sent_at) has the till's clock measured with it: Kafka's time of the record less that, of several copies of the
// first in the partition, which has the earliest time. Up to 2 s either way the clock is right. A greater deviation is kept with the evidence, in full
// seconds, and where it is stable ([clocks.place] says what that is) the evidence is placed where it belongs: at its time plus the deviation, for at
// most 24 h behind and 10 min ahead (what is further ahead is a dead letter), if it was sent within a day of its time. All other evidence stays where
// it says it was: a deviation that is not stable, the first reports of one that is not known to be stable yet, and tills that never say when they send.
// Where evidence belongs is a function of the set of evidence too, so it may move when more comes, and the hours, runs and outages that it made where
// it was go: an hour of which nothing is left is written as zeros.
//
// A wrong clock and a line that takes equally long for everything cannot be told apart, nor can an archive that is sent again at the pace at which it was
// written, less than 24 h later, to a lane that has not seen it. If the clock is put right while a till has no line, what it sends after that stays where
// it says it was. What a record's own clock would say is only known with LogAppendTime: where the sender stamps records with its own clock the deviation is none,
// and where it stamps them with the event's time nothing is measured.
//
// # State
//
// A terminal (of a store: one that moved begins a new life) keeps its evidence from Config.Window, and one hour for the sales
// that reach back, before its newest evidence on, in chunks of one hour, a few bytes a report (chunk.go; packed once it is over: pack.go, cold.go); and a [snapshot]
// of what held where they begin. With Config.Recall only the last hours of that are in memory (past.go). What is older than the window was before the batch is stale: it is not used, and counted.
// Both are told by the till's own, uncorrected clock, and a clock that is set back further than the window is not heard until it has caught up. Of a
// till with deviations evidence is kept an hour or two longer, and as much as was sent later: since so late may be what makes it move.
// Sealing a batch evaluates a touched terminal twice, with and without what is new, from the last snapshot before the earliest
// change, and writes the rows that differ. Those are absolute: the highest version of a key holds. What is later than all before, and of the same
// hour, is evaluated from how the timeline ended the last time (tip.go), which gives the same rows and the same state; so it is where a clock is wrong, by the same as before (lean.go).
package availability
