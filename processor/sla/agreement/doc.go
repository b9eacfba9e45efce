// Package agreement is what parties agree on: texts with versions, at levels that inherit from each other. It knows who said what and what
// is in force when; it measures nothing. It does no I/O and knows no time but what it is given.
//
// # Levels
//
// A customer's agreement inherits from those of a service, and these from corporate ones (ITIL's multi-level SLA): each field is that of the
// nearest agreement which says it. Nearness is the order of `inherits`, and whoever inherits is nearer than what it inherits. Lists are
// inherited as a whole, except exclusions, objectives and credits, which are inherited entry by entry, by their key. Inheritance is
// associative (Text.Over). What is final above must not be said below.
//
// # Versions
//
// Versions are appended, and the one in force on a date decides. Inheritance is resolved on that date: what is inherited is the version of
// the ancestor in force then, and there must be one. So a later version, of the agreement or of an ancestor, leaves the text of earlier
// dates as it was, byte for byte, and with it the hash (Resolved.Hash), which statements carry.
package agreement
