// Package statement is what both sides of an agreement get of a period: one document with every figure, what was promised, the verdict, the evidence and
// the money. It is pure: the same input gives the same bytes.
//
// # The document
//
// [Document] is JSON. What is signed is its canonical form ([Document.Canonical]): keys sorted, no blanks, UTF-8. Figures are exact: a ratio of two
// whole numbers beside its nine digits, amounts as decimals with the digits of their currency (ISO 4217), lengths in whole ms, instants RFC 3339 in the zone of
// the agreement. A document lists the scopes and the evidence that weigh most; of the rest it has the sums, and the digest of all rows ([Digest]).
//
// # The chain
//
// Statements of one agreement that are final or restated are numbered in the order in which they were published. Each carries the hash of the text that it
// judges by, the hash of the statement before it, and, if it is restated, the hash of the one it replaces. So nothing that was published
// can be changed, left out or put in between without all that follows: [Verify] says where. Provisional statements replace each other and are in no
// chain; they carry the hash of its end.
//
// # The page
//
// [Page] renders a document as one HTML file without scripts and without anything from outside, in English or French. It adds nothing to the document:
// every number in it is one of the document's, rounded for reading, never across what was promised.
package statement
