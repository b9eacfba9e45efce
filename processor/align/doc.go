// Package align puts what a lane reads into the order of time, as far as it can be known.
//
// # Why
//
// The partitions of a lane are read by bytes: of a topic with few records an answer of the broker spans weeks, of a busy one minutes. A lane that is
// up to date does not notice. One that works off a backlog would fold the sales of five days before the health reports of the second, and
// those would then be too late: evidence is judged against the newest of its till in the batches before (docs/adr/0003).
//
// # The rule
//
// A lane holds a chunk of each partition that has something to read, and folds next of the one whose next record is the oldest, by Kafka's timestamps, until
// that is a [Order] step ahead of the others; a record batch may be folded in several turns. What is not held counts like this:
//
//   - A partition that was read to its last stable offset, as last heard, holds nobody back: what comes there will be new. So a lane that is up to date never
//     waits for a quiet topic.
//   - A partition that is known to have more, which is on its way, holds back what is more than a step later than its newest record that was folded. Where
//     nothing of it was folded yet it holds back everything: nobody knows how old it is.
//   - One that does not come for [Patience] is in trouble (no leader, damaged, forbidden …). It holds back only what is more than the slack later, since what runs
//     further ahead would lose it its evidence. If nothing of it was folded yet, it counts as being where the lane is.
//
// What a partition says that comes first (the registry: it holds for what was before it, too) is folded as soon as it is there, and as long as there is more of it
// when a lane begins, nothing else is.
//
// A step is a 48th of the window in which late evidence is used (an hour), the slack a quarter of it. Timestamps in the future count as now: a wrong one is
// not waited for.
//
// # What does not depend on it
//
// Nothing that is written: batches are ranges of offsets, and rows do not depend on the order within a batch. A batch that is folded again may take its
// partitions in any order.
package align
