// Package quality folds data_quality: of each topic, terminal and business date what came, what did not, what was refused, and how
// late and by which clock it was sent.
//
// Unlike the other folds it hears of everything: of accepted events by Fold, of the others by a method for each fate. Rows are
// deltas of one batch; missing is a delta too, negative where a hole was filled.
package quality
