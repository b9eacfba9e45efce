// Package console is what people look at: server-rendered pages over database pos, with all that a page depends on in its address.
//
// A page is a list of figures. A figure is one question ([question]: the SQL, its parameters, how old an answer may be that several viewers
// share) and how its rows are drawn; the page shows the very SQL under each. What a page needs of the world is an [Asker] and a clock. A figure
// that has no answer says what to do next, and the others stand.
//
//	console.go    the handler: who may come (guard.go, users.go, who.go, login/), as what (roles.go), what the headers say, which page
//	view.go       what the address says: page, time range, time zone, language, store, till
//	figure.go     the shapes that figures have; templates/ draws them
//	ask.go        asking: shared answers, a bound of questions at a time
//	live.go       views that are drawn anew while somebody looks, once for all who do
//	replay.go     the only thing that one can have done here
//	messages.go   what is written, in every language
//
// and a file a page. There is no state but the shared answers and the views that are open; who somebody is, is in a cookie of his own.
package console
