// Package registry is what a lane knows of a store beyond its events: when it is open, how many tills it needs to sell, which terminals it
// has and when. It comes as one self-contained document per store (pos.registry.v1), keyed by the store as its events are; the highest
// revision wins, so order and repetition do not matter. tillstream apply makes the documents.
//
// Opening hours are written as local wall time and become instants day by day, in the zone in force that day:
//
//   - A day is opened by the windows that begin on it; a window whose end is not after its beginning ends on the next day.
//   - A wall time that occurs twice: a beginning takes the earlier one, an end the later one.
//   - A wall time that does not exist (the clock jumped over it): the first instant after it.
//   - A day that does not exist (Apia had no 30 December 2011) has no windows.
//   - A date begins at the first instant that bears it: 00:00, or later where the clock jumps over that.
//
// The package does no I/O and knows no time but what it is given.
package registry
