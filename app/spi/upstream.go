package spi

import (
	"crypto/tls"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// Dialer is an optional interface of an app.Loop that opens connections to other servers.
// Its methods are called on the loop, owned: between Enter and Leave if user code runs.
type Dialer interface {
	Guard
	// Home returns the loop as a value that all its requests share. Any goroutine.
	Home() app.Loop
	// Dial connects to another server. It returns at once; Opened or Closed of o is
	// called later.
	Dial(d *Dial, o ConnOwner)
	// Run calls task as user code of the request or the loop that the app.Loop stands
	// for. On a loop that was taken from code of that request, task is called after that
	// code has ended. If the loop is taken from task, Run does not return: the goroutine
	// ends. Callers leave what they keep for the loop complete before they call it.
	Run(task func())
}

// ConnWatcher is an optional interface of an app.Loop that reports the end of client
// connections.
type ConnWatcher interface {
	// WatchConn has ended called once, on the loop, owned, when no further request can
	// come on the connection: it was closed, or has switched to another protocol. conn is
	// the Conn of a request in progress. On the loop, owned.
	WatchConn(conn *app.ConnInfo, ended func())
}

// Dial describes a connection to another server.
type Dial struct {
	// Network is "tcp", "tcp4", "tcp6" or "unix", Address as for net.Dial.
	Network, Address string
	// TLS is nil for a connection in the clear. Servers do not change it.
	TLS *tls.Config
	// Prologue is sent first, before the TLS handshake. It is not changed.
	Prologue []byte
	// Protocol is app.HTTP11 or app.HTTP2: what is spoken in the clear, or over TLS if
	// ALPN selects nothing.
	Protocol string
	// Timeout limits connecting and the TLS handshake together. 0 is no limit.
	Timeout time.Duration
	// MaxHead limits the bytes of a response's head, and of its trailers. 0 is 64 KiB.
	MaxHead int
}

// ConnOwner is notified of what happens to a connection that it has dialled. Its methods are called on the
// loop, owned, in a task of the turn in which the connection has changed: never inside a
// method of Dialer, Upstream or Call, nor while the connection handles input. So they may
// call any method, and Run.
type ConnOwner interface {
	// Opened is called once requests may be started. Over HTTP/2 this is before the
	// peer's SETTINGS have come.
	Opened(u Upstream)
	// Changed is called when Capacity has changed for another reason than a call of
	// Start, and when the connection has begun to drain.
	Changed()
	// Closed is the last call: the connection could not be opened, or has ended. Its
	// calls have ended before. err is a *client.Error, or nil if the connection was closed
	// by this side, or had begun to drain and had no calls.
	Closed(err error)
}

// Upstream is a connection to another server. Its methods are called on the loop, owned.
type Upstream interface {
	// Protocol returns app.HTTP11 or app.HTTP2.
	Protocol() string
	// Info describes the connection.
	Info() *app.ConnInfo
	// Capacity returns how many calls may be started now. It is 0 on an HTTP/1 connection
	// with a call or with bytes that nobody asked for, and on a connection that drains or
	// is closed.
	Capacity() int
	// Draining reports whether no call will ever be possible again.
	Draining() bool
	// Busy reports whether the peer has asked for fewer requests (GOAWAY with
	// ENHANCE_YOUR_CALM).
	Busy() bool
	// Tunnels reports whether the peer accepts extended CONNECT (RFC 8441). known is
	// false before its SETTINGS have come.
	Tunnels() (accepts, known bool)
	// Stale looks at the socket of an HTTP/1 connection without a call, and reports
	// whether the peer has closed it or sent bytes. It costs a system call.
	Stale() bool
	// Ping sends a PING to an HTTP/2 peer; over HTTP/1 it looks at the socket. done is called once, on the loop,
	// owned: with nil when the answer has come, or with the error with which the connection ended.
	Ping(done func(err error))
	// Start sends a request. On an error, which is a *client.Error, nothing was sent
	// and no method of the events is called.
	Start(r *Outgoing, e CallEvents) (Call, error)
	// Close refuses further calls and closes the connection when it has none. A server
	// that drains closes connections without calls itself, and others after their last
	// call.
	Close()
}

// Outgoing is a request to another server. Start copies it, but for the content.
type Outgoing struct {
	Method    string
	Scheme    string // "http" or "https"
	Authority string // for Host and :authority
	Target    string // path and query, or "*"; over HTTP/1 it is sent as the request's target
	Protocol  string // "websocket" for an Upgrade or an extended CONNECT, else empty
	// Fields are sent in order. Connection-specific fields, Host, Content-Length and
	// Transfer-Encoding are left out: the connection makes its own. TE with the value
	// "trailers" is sent.
	Fields app.Fields
	// Content is nil, app.Bytes, *app.Pull or a Source. A Pull or Source is closed once,
	// in a task, also when Start fails.
	Content app.Content
	// Loop is the loop of the request on whose behalf the functions of a Pull are called;
	// nil: the loop itself.
	Loop app.Loop
	// Expect waits for a 100 (Continue), or for Call.Proceed, before content is sent.
	Expect bool
	// Sensitive names fields that must never be indexed (RFC 7541 section 6.2.3), besides
	// Authorization, Proxy-Authorization, Cookie and Set-Cookie with short values.
	Sensitive func(name string) bool
}

// Source is content whose methods run no user code, and do not block. They are called on
// the loop, owned, while the connection handles output: they must not call methods of an
// Upstream or a Call, but for ReadBody of another call.
type Source interface {
	app.Content
	// Read is that of an io.Reader. After (0, nil), Wait is called.
	Read(p []byte) (int, error)
	// Wait arranges one call of ready, on the loop, when Read has more or fails. It may
	// be called inside Wait.
	Wait(ready func())
	// Trailers returns the trailer fields, after io.EOF.
	Trailers() app.Fields
	// Close is called once, when no more content is read.
	Close() error
}

// EndWaiter is an optional interface of a Source whose end may come after its content. The
// windows of an HTTP/2 peer may be used up then, so that no Read with room finds the end.
type EndWaiter interface {
	// WaitEnd arranges one call of ready, on the loop, when Read would return an error. It is
	// called after a Read into no memory, in place of Wait. A later call replaces it.
	WaitEnd(ready func())
}

// Incoming is the head of a response. Fields are borrowed until the method that got them
// returns; their strings are not.
type Incoming struct {
	Status        int
	Fields        app.Fields
	ContentLength int64 // -1: unknown; 0 if there is no content
	// Stated is the Content-Length field of a response to HEAD or of a 304; -1: none.
	Stated   int64
	Protocol string
	// Sensitive reports whether a field was marked as never indexed; nil: none was.
	Sensitive func(name string) bool
}

// Call is a request to another server and its response. Its methods are called on the
// loop, owned. It is valid until Release.
type Call interface {
	// ReadBody copies available content of the response into p. After (0, nil), ready is
	// called once, as a method of CallEvents is, when another call would return
	// something. The error is io.EOF or a *client.Error. Content that is not read stops
	// the peer.
	ReadBody(p []byte, ready func()) (n int, err error)
	// Trailers returns the trailer fields, after io.EOF.
	Trailers() app.Fields
	// Proceed sends content that Expect holds back.
	Proceed()
	// Release ends the use of the call, whose storage is used again. It is called once. A
	// call in progress is cancelled: over HTTP/2 its stream is reset, over HTTP/1 its
	// connection is closed, and Ended is not called.
	Release()
	// Tunnel reports whether the response has opened a tunnel: 101 over HTTP/1, 2xx to an
	// extended CONNECT. Its bytes are read by ReadBody and sent from Content.
	Tunnel() bool
	// ReceivedAny reports whether any byte of a response has come.
	ReceivedAny() bool
}

// CallEvents is notified of what happens to a call. Its methods are called on the loop, owned, as those of a
// ConnOwner are, and in this order: Interim any number of times, Head at most once, Ended
// exactly once. None is called after Release.
type CallEvents interface {
	// Interim passes a 1xx response other than 101.
	Interim(status int, fields app.Fields)
	// Head passes the final response. Content is read by ReadBody from now on.
	Head(in *Incoming)
	// Ended is called when the connection is done with the call: both directions are
	// complete, or it has failed. err is nil if the response is complete, even if the
	// peer has stopped the request without an error (RFC 9113 section 8.1). Else it is a
	// *client.Error. ReadBody still returns content that has arrived, and the error
	// behind it.
	Ended(err error)
}
