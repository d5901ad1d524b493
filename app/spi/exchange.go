package spi

import "github.com/gatewheel/gatewheel/app"

// Exchange is the server's side of one request and its response. All methods
// are called on the loop, from user code, unless they say otherwise.
//
// A callback named ready runs on the loop as user code, at most once for each
// call that announced it, and never from inside a method of Exchange. It is
// also run when the exchange has failed meanwhile; the further call then gives
// the error.
//
// It is an alias of an unnamed interface, which package app has too: that does not
// import this one.
type Exchange = interface {
	// Loop is the loop that owns the connection. Any goroutine.
	Loop() app.Loop
	// Pool is where Offload runs its work. Any goroutine.
	Pool() app.Pool
	// ReadBody copies what has arrived of the request's content into p. (0, nil)
	// says that nothing is there yet: ready is called when a further call would
	// give something. io.EOF is the end and may come along with n > 0. Not
	// reading stops the peer.
	ReadBody(p []byte, ready func()) (n int, err error)
	// Trailers are the request's trailer fields, known after io.EOF.
	Trailers() app.Fields
	// Inform sends an interim response (1xx, RFC 9110 section 15.2).
	Inform(status int, fields app.Fields) error
	// Write takes as much of p as there is room for; the bytes are copied. With
	// n < len(p) and no error, ready is called when there is room again.
	Write(p []byte, ready func()) (n int, err error)
	// Finish ends a streamed response; with err != nil it is aborted, in a way
	// that the peer can tell from a complete one.
	Finish(trailers app.Fields, err error)
}

// Spawner is an Exchange that wants to know the goroutines of blocking handlers,
// to count them or to wait for them. Any goroutine.
type Spawner interface {
	// Go runs f in a goroutine.
	Go(f func())
	// Park says that one of these goroutines begins to wait for the loop, Unpark
	// that the loop has set it going again.
	Park()
	Unpark()
}

// Drainer is an Exchange whose server can be about to stop. Any goroutine.
type Drainer interface {
	// Draining says that the server is about to stop. It does not become false
	// again, and is true before the server calls Drain.
	Draining() bool
}

// Guard is an app.Loop, or an Exchange for its loop, that can be taken away from user
// code that blocks it. What app itself keeps for a loop it touches between Enter
// and Leave only. They nest.
type Guard interface {
	// Enter is false when the calling goroutine has lost the loop; then there is
	// no Leave.
	Enter() bool
	Leave()
}

// Budget is an app.Loop whose turns have a budget of work: what has spent it leaves the
// rest to a task that it posts. On the loop.
type Budget interface {
	// Charge counts work that was done, in units of about a microsecond.
	Charge(units int)
	// Spent reports whether the budget is used up.
	Spent() bool
}

// Memory is a Wire that bounds the memory in which messages are collected. Any
// goroutine.
type Memory interface {
	// Reserve takes most bytes, or fewer, but at least least. It returns how many; 0
	// if there are not even least.
	Reserve(least, most int) int
	// Release gives them back.
	Release(n int)
}
