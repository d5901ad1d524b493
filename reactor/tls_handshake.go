package reactor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
)

// handshakeInput is how much may wait for a handshake before the socket is not read any more. A peer
// may well send its first request right behind its last handshake message; the largest message that
// crypto/tls accepts is 64 KiB.
const handshakeInput = 96 << 10

// errHandshakePanic wraps what a callback of a *tls.Config panicked with.
var errHandshakePanic = errors.New("tls: panic in handshake")

// errHandshakeExit is the outcome of a handshake whose callback called runtime.Goexit.
var errHandshakeExit = errors.New("tls: a callback ended the handshake's goroutine")

// A handshake is one connection's, from its first record until its keys are there. It runs in a
// goroutine, because crypto/tls can wait for its peer in no other way, and that goroutine sees only
// memory: the loop puts bytes in and takes records out.
type handshake struct {
	pool   *handshakePool
	conn   *tls.Conn
	notify func() // from the goroutine, without a lock: there is output, or it is over
	local  net.Addr
	remote net.Addr

	// context is what callbacks find in ClientHelloInfo.Context; cancel ends it.
	context       context.Context
	cancelContext context.CancelCauseFunc

	// Of the pool, under its lock.
	state          handshakeState
	early          bool          // a reason to go on came before the goroutine had parked
	wakeUp         chan struct{} // given when a parked goroutine gets a slot
	previous, next *handshake

	mu    sync.Mutex
	in    []byte // what the peer has sent and crypto/tls has not taken
	wants bool   // the goroutine waits for more
	out   []byte
	stop  error // what Read answers from now on
	over  bool
	err   error // the outcome, once over
	// report is told the outcome when the loop is not interested any more.
	report func(error)
}

func newHandshake(pool *handshakePool, conn *tls.Conn, notify func()) *handshake {
	h := &handshake{pool: pool, conn: conn, notify: notify, wakeUp: make(chan struct{}, 1)}
	h.context, h.cancelContext = context.WithCancelCause(context.Background())
	return h
}

// run is the goroutine. Its slot is held whenever it is not parked.
func (h *handshake) run() {
	err := errHandshakeExit
	defer func() { h.finish(err) }() // also when a callback calls runtime.Goexit
	err = h.perform()
}

func (h *handshake) finish(err error) {
	h.mu.Lock()
	h.over, h.err = true, err
	report := h.report
	h.mu.Unlock()
	if report != nil {
		report(err)
	}
	h.notify()
	h.pool.leave(h)
}

// perform runs the handshake. Callbacks of a *tls.Config are user code: a panic there costs one
// connection.
func (h *handshake) perform() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", errHandshakePanic, p, debug.Stack())
		}
	}()
	_ = h.conn.HandshakeContext(h.context)
	// Its error is the context's where that has ended, which hides the peer's alert. This one is the outcome.
	err = h.conn.HandshakeContext(context.Background())
	if errors.Is(err, context.Canceled) {
		err = context.Cause(h.context)
	}
	return err
}

// more gives what the peer has sent next, and waits for it.
func (h *handshake) read() ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		// A peer that left may have said why: its alert is worth more than its absence.
		if h.stop != nil && (len(h.in) == 0 || h.stop != errPeerLeft) {
			return nil, h.stop
		}
		if len(h.in) > 0 {
			in := h.in
			h.in = nil
			return in, nil
		}
		h.wants = true
		h.mu.Unlock()
		h.notify()
		h.pool.park(h)
		h.mu.Lock()
	}
}

// write is the transport's Write while the handshake runs.
func (h *handshake) write(p []byte) {
	h.mu.Lock()
	h.out = append(h.out, p...)
	h.mu.Unlock()
}

// feed hands over what came from the socket, and tells how much waits to be taken. It copies and
// never blocks.
func (h *handshake) feed(raw []byte) (waiting int) {
	h.mu.Lock()
	h.in = append(h.in, raw...)
	waiting = len(h.in)
	wanted := h.wants && waiting > 0
	if wanted {
		h.wants = false
	}
	h.mu.Unlock()
	if wanted {
		h.pool.resume(h)
	}
	return waiting
}

// outcome tells whether the handshake is over, and then what came of it and which bytes it left.
func (h *handshake) outcome() (over bool, rest []byte, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.over, h.in, h.err
}

// takeOutput appends the records that the handshake has made to dst.
func (h *handshake) takeOutput(dst []byte) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	dst = append(dst, h.out...)
	h.out = nil
	return dst
}

// end says that nothing more will be fed: a handshake that wants more fails with reason.
func (h *handshake) end(reason error) {
	h.refuse(reason)
	h.pool.resume(h)
}

// cancel ends the handshake with reason. Its goroutine, if there is one, ends soon; notify may still
// be called once. report is told once what it came to: now, or on that goroutine.
func (h *handshake) cancel(reason error, report func(error)) {
	h.refuse(reason)
	h.cancelContext(reason)
	h.mu.Lock()
	over, err := h.over, h.err
	h.report = report
	h.mu.Unlock()
	switch {
	case over:
		report(err)
	case !h.pool.cancel(h):
		report(reason)
	}
}

// refuse makes the next Read, and those after it, fail with reason.
func (h *handshake) refuse(reason error) {
	h.mu.Lock()
	if h.stop == nil {
		h.stop = reason
	}
	h.mu.Unlock()
}
