// Package alert says what is wrong with tills, stores, agreements and the pipeline itself, once, and when it is over.
//
// The core is pure. Rules look at a Snapshot, which is what pos shows at an instant, and give an Observation: what is true, and what cannot be judged.
// A State, which is the newest alert of each rule and scope, makes Transitions of it: firing, repeated, frozen, resumed and resolved.
//
// The id of an alert is a hash of rule, scope and the instant at which its fact began, and of the alert before it where that began no earlier. It
// depends on no clock, so after a restart or a replay, or where two members judge at once, the same page has the same id. An alert that is open
// stays the same one for as long as its rule finds something wrong with its scope, even where late evidence moves the beginning.
//
// What cannot be seen is neither fired nor resolved: while the pipeline is blind, that is all but the rules about the pipeline; where too little of a
// scope of an agreement was measured, those about that scope; where a question went unanswered, the rules that asked it.
//
// The Loop writes transitions before it sends them and notes what each receiver has taken: a member that dies between is made up for by its successor.
package alert
