// Package engine polls the sockets of one event loop. An Engine tells a Handler what happens to them; the Handler is
// the loop, which outlives its engines. The only implementation for production, New, runs on gnet, and everything that is
// needed only because of gnet is in this package. Package enginetest has one for tests.
//
// # Goroutines
//
// An engine has one goroutine, called the loop, on which it calls Started, Accepted, Adopted, Rejected, Input,
// Displaced, Closed and Woken. The calls never overlap, and Started is the first. Died comes last and on another
// goroutine. A Handler may end the loop's goroutine by runtime.Goexit from within a call; the engine then makes no
// further call, and Done is closed. Methods of Engine are for the loop or for any goroutine, as each says.
//
// # Descriptors and bytes
//
// The engine owns the descriptor of a socket that it polls, from Accepted or Adopted until Close or Closed. The
// Handler may write to it, read its options and duplicate it meanwhile, and must not close it. The engine reads it,
// with level-triggered readiness, and lends the bytes to Handler.Input until that returns; it keeps none. It never
// writes. The descriptor of an Arrival is not the engine's: it polls a duplicate.
//
// # Failures
//
// The end of one socket costs that socket (Closed). A socket that cannot be polled stays with its Arrival
// (Rejected). An accept that fails for lack of descriptors is reported (AcceptFailed) and costs nothing. A failure that
// the engine cannot survive, such as a broken epoll set, ends the engine and closes none of its sockets: Died reports
// it, and the Handler takes them to another engine by Release and Abandon. An engine whose loop does not return from a
// call is abandoned in the same way; it may end later, or never.
package engine
