package engine

import (
	"errors"
	"net"

	"go.uber.org/zap"
)

// Socket names a socket in calls to the Engine that polls it. Its dynamic type is the Engine's. It is valid from Accepted
// or Adopted until Close or Closed.
type Socket any

// Engine polls sockets and calls a Handler.
type Engine interface {
	// Run polls until the engine has ended. It is to be called once, on a goroutine of its own.
	Run()
	// Ready receives one value: nil once Started was called, or the reason why the engine cannot be used.
	Ready() <-chan error
	// Done is closed when the engine and its goroutines have ended.
	Done() <-chan struct{}
	// Stop asks the engine to end, and does not wait. On any goroutine.
	Stop()
	// Wake has Woken called soon. Several calls may be answered by one. Before Started and after Stop it does nothing.
	// On any goroutine.
	Wake()
	// WakeAfterPoll is Wake for a callback that leaves work behind: Woken is called once the sockets were polled again,
	// so that work without an end does not keep the engine from them. On the loop.
	WakeAfterPoll()
	// Listen starts or stops accepting. A new engine does not accept. On any goroutine.
	Listen(on bool)
	// CloseListeners gives up the listening sockets. On any goroutine.
	CloseListeners()
	// Descriptors is how many descriptors the engine holds besides its sockets.
	Descriptors() int

	// Adopt has a socket polled that was not accepted by this engine: Adopted or Rejected follows, soon but never
	// within Adopt, in the order of the calls. On the loop.
	Adopt(Arrival)
	// Pause stops or resumes reading. A paused socket notices only a reset. On the loop.
	Pause(s Socket, on bool) error
	// Close closes the socket's descriptor, without a call of Closed. Within Closed it does nothing. On the loop.
	Close(s Socket)
	// RemoteAddr is the peer's address, or nil if the engine has no record of it. On the loop.
	RemoteAddr(s Socket) net.Addr

	// Release takes the descriptor of a socket from the engine, which polls it no more. Abandon takes everything else:
	// listening sockets and arrivals that were not adopted, which it returns. Both are for a caller with exclusive
	// access to the loop: while the engine is not running, or its goroutine is kept from coming back.
	Release(fd int)
	Abandon() []Arrival
}

// Handler is told what happens to the sockets of an Engine. Calls are on the loop unless they say otherwise.
type Handler interface {
	// Started is the first call, before Ready. It must not run code that can stall.
	Started()
	// Accepted reports a connection that came from a listening socket. The owner that it returns is handed to the other
	// calls for this socket.
	Accepted(s Socket, fd, listener int) (owner any)
	// Adopted reports that a is polled, under the descriptor fd. a's own descriptor is the Handler's to close. A nil owner
	// closes the socket.
	Adopted(a Arrival, s Socket, fd int) (owner any)
	// Rejected reports that a cannot be polled, for lack of a descriptor for example. Its descriptor is as before.
	Rejected(a Arrival, err error)
	// AcceptFailed reports that accept has failed for lack of descriptors or memory (Scarce). The connection waits in the
	// listening socket, and accept fails again until Listen(false). Not within another call.
	AcceptFailed(err error)
	// Input brings the bytes of one read. in is valid until Input returns.
	Input(owner any, in []byte)
	// Displaced reports that the engine polls the socket no more although nothing is wrong with it. fd is the Handler's,
	// and should be adopted again.
	Displaced(owner any, fd int)
	// Closed reports that the socket has ended: err is io.EOF for a FIN, ErrHungUp for a reset while reading was paused,
	// ErrEnded when the engine was stopped, else the error of the read. The descriptor is closed when Closed returns; a
	// half-closed connection goes on with a duplicate.
	Closed(owner any, err error)
	// Woken follows Started, and each Wake.
	Woken()
	// Died reports that the engine has ended by itself. The sockets that it polled are open. On a goroutine of the
	// engine's own, after Done was closed.
	Died(Death)
}

// Death is the end of an engine that nobody asked for.
type Death struct {
	Err       error // the cause, as far as it is known
	Accepting bool  // when it ended
}

// Arrival is a socket that is to be adopted.
type Arrival interface {
	// Descriptor is the descriptor to poll, or -1 if the socket has gone meanwhile. On the loop.
	Descriptor() int
}

// Listener is a listening socket that an engine accepts from.
type Listener struct {
	// PutOver makes the descriptor fd refer to the socket (dup3), or leaves it alone if the socket is closed.
	PutOver func(fd int) error
	// Shared reports whether other engines accept from the same socket.
	Shared bool
}

// Config holds what an engine is made with.
type Config struct {
	Listeners []Listener
	// ReadBuffer is how many bytes one read brings at most.
	ReadBuffer int
	// Room is how many connections may be accepted in a row without looking at anything else. It is asked when a
	// listening socket's queue is long. On the loop.
	Room func() int
	// Spare is how many descriptors may be held for a moment so that several arrivals are adopted in a row. With none, each
	// takes a look at the epoll set. On the loop.
	Spare func() int
	// Logger gets the engine's errors.
	Logger *zap.Logger
}

var (
	// ErrHungUp reports a reset of a socket whose reading was paused.
	ErrHungUp = errors.New("engine: peer hung up")
	// ErrEnded reports that a socket was closed because its engine was stopped.
	ErrEnded = errors.New("engine: stopped")
)
