//go:build linux

// Package reactor turns sockets into sessions on event loops. It knows bytes, time, TLS and
// connections, and has never heard of HTTP.
//
// A Loop owns its connections, timers, inbox and counters. A gnet engine with a single event loop
// only turns it; the engine can be replaced, the Loop stays. Everything that belongs to a Loop is
// touched on its loop only, by whoever owns it: see Loop.Lend for how code of others is let in.
//
// A turn is one read from one connection, or one drain of the inbox. At its end each connection
// that was touched is asked for output, once, and written to, once.
package reactor
