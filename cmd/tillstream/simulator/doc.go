// Package simulator makes what the tills of a chain of stores would send, with the dirt that real ones send, and says what the
// rollups of it must be.
//
// A [Simulator] is a deterministic function of its [Config]: time goes in steps of one hour, each store has a random generator of
// its own, and what it produces waits in a queue by the instant a broker would get it. So events come in the order of arrival, not
// of their time: stores lose their line and send later, tills send again, clocks are wrong. The chain does not know where the
// history ends: an endless run (zero Config.End) begins with the very bytes of one that ends.
//
// The chain is registered: [Simulator.Registry] gives its manifests, with hours over midnight, a holiday, quorums, and tills that come, go and move. What
// befalls tills and lines is followed by what people do about it: incidents and maintenance, whose steps do not come in order. Orders are not made yet.
//
// One sale in [Config.Mistyped] is mistyped, and corrected (corrects): what counts is the right one.
//
// The [Truth] is counted from the simulator's own model while it builds an event, never from its bytes and never by the folds of
// the processor; the rules, written a second time, are those of the public views. What arrives at or after Config.End is not part
// of it.
//
// Money is minor units, quantities thousandths, times milliseconds since 1970 UTC, days days since 1970.
package simulator
