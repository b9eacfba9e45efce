// Command bench compares tillstream with what one could take instead, on one machine, and writes docs/benchmarks.md. make bench-peers runs it.
//
// Each peer reads the same topic of one real Apache Kafka and keeps the same rollup in the same real ClickHouse: lines, quantity and amount by store,
// product and day (or hour). The Java peers are in java/, Benthos in benthos/, tillstream is the program as it is, with everything on. One line of defence
// holds all figures together: after a run the sums and the number of keys in ClickHouse must be those that the harness reckoned from the events with
// encoding/json, or the run has failed, is told and counts nowhere.
//
// # How it is measured
//
// Runs are interleaved: each round runs every peer once, so that what else the machine does hits all alike. Medians of the rounds are given with the least
// and the most. Slow peers that -once names have their turn in the first round only, as the column of runs shows. On one core a peer is pinned to core 0, and Kafka, ClickHouse and the harness to core 1; on two all share both. Time goes from the first record
// that a peer has to the moment when all is committed in Kafka and queryable in ClickHouse. Start-up is told apart, without what is done once (tillstream's
// migrations, the tables of the others). The rate of the second half is what is left of it when compilers have warmed up. CPU and memory come from /proc: of
// the peer's process, of Kafka's and of ClickHouse's, in which are also the harness's questions for totals at the end.
//
// Freshness is another run: events come at a steady rate, and every so often one of a product that nobody else sells. From before it is given to the
// producer until a query, asked again and again, shows its row. Loads are the same for all, and half of what each peer took on one core. -loads and -peers find how far one can go:
//
//	make bench-peers BENCH='-peers=tillstream -loads=50000,150000 -fresh-flush=1s,200ms -runs=1 -out=/tmp/freshness.md'
package main
