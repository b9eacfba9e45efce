// Package sla is the pure algebra of agreements: what was promised, what was measured, what follows. It does no I/O, knows no clock and
// decides nothing in floating point: instants and lengths are whole milliseconds, targets are billionths, money is minor units, and
// what must be compared is compared as the fraction it is. docs/agreements-measuring.md says the same for those who are measured, with a worked
// agreement.
//
// The way of a figure: the resolved text (package agreement) becomes rules ([RulesOf], [ExclusionsOf], [CreditsOf], [LateDataOf]); [Exclude] decides
// what does not count, [NewTime] what does; [Hold] has silence begin when the agreement says; [Rules.Read] reads the history of a terminal, [Rules.Store] those of a store's; [Measure] makes
// [Figures], and these a [Result]. Objectives that are not about time come to a Result by [Counts], [Sums], [Slices], [Durations], [Together] and
// [Mix]. [Credit.Due] and [Pool] say what a Result costs, [LateData.Next] what is published, [Explain] why.
//
// What is shared is reckoned once: one Time for the terminals of a store, one State for all periods and windows of a terminal under the same rules.
//
// # Availability (domain 3.1)
//
// Sets of instants; |A| is a length. All spans are half-open.
//
//	P  period                                L  life of the terminal in its store
//	V  version of the agreement in force     S  service hours of the store
//	T = P ∩ V ∩ L ∩ S                        committed time
//	X = T ∩ what is excluded                 Q = T \ X  counted time
//	U = Q ∩ unknown                          D = Q ∩ outages, minus U
//	coverage = 1 - |U|/|Q|                   availability = 1 - |D| / (|Q|-|U|)
//	low      = 1 - (|D|+|U|+|E|)/|Q|         high = 1 - |D|/|Q|
//	raw      = availability with X = ∅       budget = (1-target)·|Q|, spent = |D|
//
// [Time] is the left column, [State] what is known of a terminal or a store, [Measure] brings both together.
//
// What a terminal is at an instant: withdrawn, outside hours, excluded, reported down, sold, reported up, silent, unknown; the first that
// holds. Degraded is up, unless the objective says that it is down or needs what the till cannot do any more. A till that says it is in
// maintenance serves nobody: what of that is not excluded is down.
//
// # Outages
//
// An outage is a stretch of down as it was in the world, whatever the hours, the period and the exclusions: stretches less than
// merge_gap apart are one; one shorter than min_outage is kept as evidence and not counted. Hours, periods and exclusions are cut out afterwards.
// So a measurement may be split at any instant and its parts add up, the same outage is as long in two agreements, and
// excluding more never shortens what remains of an outage below min_outage.
//
// E is what an outage would gain if the unknown time beside it were down too: a short one that would be long, an interval of up that would be
// bridged. Without merge_gap and min_outage it is empty. It makes low what it says: whatever happened while nobody knew, it was not worse. High needs
// no such care. With better evidence low never falls and high never rises.
//
// # Silence
//
// The clock of a silence runs in service time: a till that is switched off at night has been silent for no time when the store
// opens. Until [Silence].After a silence is First, from then on Then, except where the whole store is silent, which is First. A sale ends a
// silence; what is silent after it is a new one.
package sla
