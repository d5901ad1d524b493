// Package reactor runs sessions on the connections of event loops. It handles bytes, time, TLS and
// connections, and knows nothing of HTTP.
//
// A Loop owns its connections, timers, inbox and counters. An engine polls sockets and runs the Loop's turns; it
// can be replaced, and the Loop continues. "On the loop" in a comment means: on the goroutine that runs the Loop's
// turns. State of a Loop is accessed on the loop only, by code that owns the Loop ("owned"). User code runs
// between Loop.Lend and Loop.Reclaim.
//
// A turn handles one read from one connection, or the tasks of the inbox. At its end each touched connection is
// asked for output once, and written to once. A turn has a budget of work, see Loop.Spent; the remaining work
// continues in a later turn, after input of other connections was read.
package reactor
