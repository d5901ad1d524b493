//go:build linux

// Package reactor turns sockets into sessions on event loops. It knows bytes, time, TLS and
// connections, and has never heard of HTTP.
//
// A Loop owns its connections, timers, inbox and counters. An engine with a single event loop only turns
// it; the engine can be replaced, the Loop stays. What belongs to a Loop is touched on its loop only, by its
// owner; user code runs between Loop.Lend and Loop.Reclaim.
//
// A turn is one read from one connection, or one drain of the inbox. At its end each connection that was
// touched is asked for output once, and written to once. A turn has a budget of work, see Loop.Spent: what
// exceeds it continues in another turn, after input of other connections was read.
package reactor
