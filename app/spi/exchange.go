package spi

import "github.com/gatewheel/gatewheel/app"

// Exchange is the server's side of a request and its response. Its methods are called
// on the loop, from user code, unless they say otherwise.
//
// A callback named ready runs on the loop as user code: once for each call that
// announces it, and never inside a method of the Exchange. It also runs if the exchange
// fails in the meantime; the next call then returns the error.
//
// Exchange is an alias of an unnamed interface, so that package app, which this package
// imports, can have the same one.
type Exchange = interface {
	// Loop returns the loop that owns the connection. Any goroutine.
	Loop() app.Loop
	// Pool returns the pool of app.Offload. Any goroutine.
	Pool() app.Pool
	// ReadBody copies available content of the request into p. After (0, nil), ready is
	// called when another call would return something. io.EOF is the end, and may be
	// returned with n > 0. Content that is not read stops the peer.
	ReadBody(p []byte, ready func()) (n int, err error)
	// Trailers returns the trailer fields of the request, after io.EOF.
	Trailers() app.Fields
	// Inform sends an interim response (RFC 9110 section 15.2).
	Inform(status int, fields app.Fields) error
	// Write copies as much of p as there is room for. After n < len(p) without an error,
	// ready is called when there is room again.
	Write(p []byte, ready func()) (n int, err error)
	// Finish ends a streamed response. A non-nil err aborts it, so that the peer can
	// tell it from a complete one.
	Finish(trailers app.Fields, err error)
}

// Spawner is an optional interface of an Exchange or a Wire that counts the goroutines
// of blocking handlers, or waits for them. Any goroutine.
type Spawner interface {
	// Go runs f in a goroutine.
	Go(f func())
	// Park is called before such a goroutine waits for the loop, Unpark before the loop
	// lets it continue.
	Park()
	Unpark()
}

// Caller is an optional interface of an Exchange whose server bounds blocking work apart
// from Pool. Any goroutine.
type Caller interface {
	// Call runs work of app.Go in a goroutine of its own. It returns app.ErrPoolFull if as
	// many as the server allows run already, and never blocks.
	Call(work func()) error
	// FilePool returns the pool for work on files.
	FilePool() app.Pool
}

// Reporter is an optional interface of an app.Loop whose server has a log. Any goroutine.
type Reporter interface {
	// ForRequest returns the request for which tasks that are posted to the Loop run, or nil.
	ForRequest() *app.Request
	// Report logs a failure or a panic of the application that no response shows. It is
	// called as user code.
	Report(err error)
	// Warn logs a mistake of the application that does not make its request fail.
	Warn(text string)
}

// Located is an optional interface of an app.Loop that recognises its own goroutine. Any
// goroutine.
type Located interface {
	// OnLoop reports whether the caller runs on the loop.
	OnLoop() bool
}

// Drainer is an optional interface of an Exchange, or an app.Loop, whose server can drain.
// Any goroutine.
type Drainer interface {
	// Draining reports whether the server drains. It does not return to false, and is
	// true before the server calls Drain.
	Draining() bool
}

// ConnValuer is an optional interface of an Exchange whose connection keeps a value for code
// that serves it.
type ConnValuer interface {
	// ConnValue returns the place of the value, which is nil at first. All requests of the
	// connection get the same one. On the loop, between Enter and Leave.
	ConnValue() *any
}

// ConnDrainer is an optional interface of an Exchange whose connection can be drained alone.
type ConnDrainer interface {
	// DrainConn asks the peer to send no more requests on the connection. Over HTTP/1 it does nothing: there a
	// Connection field of the response says so. On the loop, between Enter and Leave.
	DrainConn()
}

// Guard is an optional interface of an app.Loop, or of an Exchange for its loop, that
// can be taken from user code that blocks it. Package app and its siblings use what they
// keep for a loop only between Enter and Leave. Calls nest.
type Guard interface {
	// Enter reports false if the loop was taken from the calling goroutine. Then Leave
	// is not called.
	Enter() bool
	Leave()
}

// Budget is an optional interface of an app.Loop whose turns have a budget of work. Work
// beyond it is left to a posted task. On the loop.
type Budget interface {
	// Charge adds work to the turn, in units of about a microsecond.
	Charge(units int)
	// Spent reports whether the budget is used up.
	Spent() bool
}

// Memory is an optional interface of a Wire that limits the memory in which messages are
// collected. Any goroutine.
type Memory interface {
	// Reserve takes up to most bytes and returns how many: at least least, or 0 if fewer
	// are left.
	Reserve(least, most int) int
	// Release returns reserved bytes.
	Release(n int)
}
