// Package evaluation comes to verdicts: what agreements promise, of whom, in which periods, what of it was kept, and what is to be published. It
// brings together the texts in force (package agreement), what is registered (package registry), what was measured, and the algebra (package
// sla). It does no I/O and knows no time but what it is given: the same facts give the same statements.
//
// # The way of a verdict
//
//	Compile      the texts of an agreement, turned into what is computed with: a Contract
//	Parts        the periods of a contract that may still be published, each cut where the text changes
//	Measure      one store, one part: cells, which add up. A cell is an objective and a scope
//	Lines        the cells of all stores of a part, added up: one line for each objective and scope, with its Result
//	Settle       money, over all lines of a period: repeats, the pool at risk, the minimum, earn-back
//	Publish      what of it is news, by sla.LateData.Next against what was published
//
// # Scope
//
// A terminal is in scope while it lives in its store, belongs to the customer and to one of the services, and its store is of an area and a format that
// are meant. A terminal that moved has a scope in each store. A store's quorum is of all its tills, in scope or not, while one of them is.
//
// # What cannot be measured
//
// An objective that contradicts itself is not_applicable, and its line says why. Of what facts are not kept, since it was folded by an older version, everything is possible:
// it is in the bounds. It is never guessed.
package evaluation
