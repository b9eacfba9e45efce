// Package audience decides what may be asked when customers are chosen for a campaign ([Check]), and finds the clear ids of those who were chosen, where the
// secret is ([Join]). It does no I/O of its own and never speaks to a database: clear ids and the secret stay with whoever calls it.
package audience
