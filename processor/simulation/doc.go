// Package simulation runs the real Processor against models of Kafka and ClickHouse and breaks them by a seed.
//
// # How
//
// A [World] lives in a bubble of testing/synctest, so hours pass in milliseconds. Members of the group are real Processors with their real
// lanes, writers and folds; what they are given as Kafka, Source, Offsets, Sink, Streams and DeadLetters are models
// (coordinator.go, broker.go, clickhouse.go). A model does nothing by itself: every call waits (calls.go) until the one scheduler
// (world.go), which has waited for all goroutines to block, draws what happens next: which call is answered and how (done, refused, done but the
// answer lost, under way and done later), how much time passes, or which fault comes (faults.go): members killed, stopped, paused beyond
// their session and woken, joining; ClickHouse or the coordinator away; metadata erased; a customer forgotten (forget.go), a schema registry that learns (schemas.go), where a run is to have that.
//
// Since one goroutine draws everything from the seed, and only when everything else stands still, a seed and a commit give the same run;
// [Result.Hash] says so. Each fault of a run has a number and can be left out: a failing seed is shrunk to the few that matter (shrink.go).
//
// # The oracle
//
// When all events are in and the faults have ended, the members must come to rest within minutes of simulated time. Then (check.go)
// the ledger must cover every offset of every partition once; every row of every table, merged by the rules of the real DDL
// (merge.go), must equal the row that one undisturbed batch makes of the same log; and the sums that events.go predicted when it made the events must be
// there. A lane may have stopped instead only where two versions would each have written a part of a batch; not for erased metadata, nor for an
// INSERT that outlived its deadline.
//
// What the models promise is what was measured of the real ones (docs/guarantees.md); that a broken protocol is caught is proved by mutants
// of the real code (mutants_test.go).
package simulation
