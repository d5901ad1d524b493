package reactor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"

	"github.com/gatewheel/gatewheel/internal/linked"
)

// handshakeInput bounds the input that waits for a handshake, in bytes; beyond it reading pauses. A peer may send
// its first request right behind its last handshake message, and the largest message that crypto/tls accepts has
// 64 KiB.
const handshakeInput = 96 << 10

// errHandshakePanic is the outcome of a handshake whose callback panicked.
var errHandshakePanic = errors.New("tls: panic in handshake")

// errHandshakeExit is the outcome of a handshake whose callback called runtime.Goexit.
var errHandshakeExit = errors.New("tls: a callback ended the handshake's goroutine")

// A handshake is the handshake of one connection. It has a goroutine, because crypto/tls can wait for the peer in no
// other way. That goroutine sees memory only: the loop adds input and takes output.
type handshake struct {
	pool   *handshakePool
	conn   *tls.Conn
	notify func() // called on the goroutine, without a lock: there is output, or the handshake is over
	local  net.Addr
	remote net.Addr

	// context is ClientHelloInfo.Context of callbacks; cancel ends it.
	context       context.Context
	cancelContext context.CancelCauseFunc

	// These belong to the pool, under its lock.
	linked.Links[handshake] // in the list of its state

	state  handshakeState
	early  bool          // input, or the end, has come before the goroutine parked
	wakeUp chan struct{} // sent to when the parked goroutine gets a slot

	mu    sync.Mutex
	in    []byte // input that crypto/tls has not taken
	wants bool   // the goroutine waits for input
	out   []byte
	stop  error // error of reads
	over  bool
	err   error // the outcome, once over
	// report is called with the outcome after cancel.
	report func(error)
}

func newHandshake(pool *handshakePool, conn *tls.Conn, notify func()) *handshake {
	h := &handshake{pool: pool, conn: conn, notify: notify, wakeUp: make(chan struct{}, 1)}
	h.context, h.cancelContext = context.WithCancelCause(context.Background())
	return h
}

// run is the goroutine. It holds a slot except while it is parked or in a callback.
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
	h.pool.end(h)
}

// perform runs the handshake. A panic of a callback of the *tls.Config fails this handshake only.
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

// read waits for input and returns it.
func (h *handshake) read() ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		// The alert of a peer that has left is more precise than errPeerLeft.
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

// write is the Write of the transport during the handshake.
func (h *handshake) write(p []byte) {
	h.mu.Lock()
	h.out = append(h.out, p...)
	h.mu.Unlock()
}

// feed adds a copy of input and returns how many bytes wait. It never blocks.
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

// outcome reports whether the handshake is over, and if so the input that it has left, and its error.
func (h *handshake) outcome() (over bool, rest []byte, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.over, h.in, h.err
}

// takeOutput appends the output of the handshake to dst.
func (h *handshake) takeOutput(dst []byte) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	dst = append(dst, h.out...)
	h.out = nil
	return dst
}

// end announces that no input will follow: reads after the waiting input fail with reason.
func (h *handshake) end(reason error) {
	h.failReads(reason)
	h.pool.resume(h)
}

// cancel ends the handshake with reason. Its goroutine, if it has one, ends once a callback returns; notify may
// still be called once. report is called once with the outcome: by cancel, or on that goroutine.
func (h *handshake) cancel(reason error, report func(error)) {
	h.failReads(reason)
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

// failReads makes further reads fail with reason.
func (h *handshake) failReads(reason error) {
	h.mu.Lock()
	if h.stop == nil {
		h.stop = reason
	}
	h.mu.Unlock()
}
