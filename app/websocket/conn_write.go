package websocket

import (
	"context"
	"io"
	"unicode/utf8"

	"github.com/gatewheel/gatewheel/app"
)

// outbound is the sending half of a Conn. The lock guards it.
type outbound struct {
	orders  []order
	ordered int      // bytes in orders
	posted  bool     // flush is running, posted, or waits for the peer
	roomy   *promise // opened when there is room for orders
	writing bool     // a message is being written
	free    *promise // opened when none is any more
}

// order is a call to be made on the loop, after those ordered before.
type order struct {
	size int
	do   func(s *Socket) app.Future[app.Done]
}

// order waits for room and appends an order.
func (c *Conn) order(ctx context.Context, o order) error {
	return c.until(ctx, &c.roomy, func() bool {
		if c.over != nil || c.ordered >= connHigh || len(c.orders) >= connHighCount {
			return false
		}
		c.append(o)
		return true
	})
}

// put appends an order without waiting for room, for those that end the socket.
func (c *Conn) put(o order) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over == nil {
		c.append(o)
	}
}

func (c *Conn) append(o order) {
	c.orders = append(c.orders, o)
	c.ordered += o.size
	if !c.posted {
		c.posted = true
		c.s.wire.Loop().Post(c.flush)
	}
}

// flush executes orders at the pace at which the peer reads. A task of the loop.
func (c *Conn) flush() {
	for {
		o, ok := c.take()
		if !ok {
			return
		}
		f := o.do(c.s)
		if f.Ready() {
			if _, err := f.Result(); !c.again(o, err) {
				continue
			}
			f = c.s.Drained()
		}
		f.Done(func(app.Done, error) { c.flush() })
		return
	}
}

// take removes the oldest order.
func (c *Conn) take() (o order, ok bool) {
	c.mu.Lock()
	if len(c.orders) == 0 {
		c.posted = false
		c.mu.Unlock()
		return order{}, false
	}
	o = c.orders[0]
	c.orders[0] = order{}
	if c.orders = c.orders[1:]; len(c.orders) == 0 {
		c.orders = nil
	}
	c.ordered -= o.size
	var roomy *promise
	if c.ordered <= connLow && len(c.orders) <= connLowCount {
		roomy, c.roomy = c.roomy, nil
	}
	c.mu.Unlock()
	open(roomy)
	return o, true
}

// again puts an order back that failed because others, such as a Room, have filled the
// queue. It reports whether it did. Other failures, except for a closed socket, are the
// application's.
func (c *Conn) again(o order, err error) bool {
	if err != app.ErrQueueFull {
		if err = failure(err); err != nil {
			c.s.wire.Fail(err)
		}
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over == nil {
		c.orders = append([]order{o}, c.orders...)
		c.ordered += o.size
	}
	return true
}

// lock waits until no message is being written, and marks one as being written.
func (c *Conn) lock(ctx context.Context) error {
	return c.until(ctx, &c.free, func() bool {
		if c.over != nil || c.writing {
			return false
		}
		c.writing = true
		return true
	})
}

func (c *Conn) unlock() {
	c.mu.Lock()
	c.writing = false
	free := c.free
	c.free = nil
	c.mu.Unlock()
	if free != nil {
		free.Resolve(app.Done{})
	}
}

// Write sends a message; p is copied. It blocks while 64 KiB wait for the loop, which
// in turn waits for the peer, and while a message is being written in parts. A nil error
// means that the message was queued, not that it arrived. It fails with ErrText for a
// text that is not UTF-8.
func (c *Conn) Write(ctx context.Context, kind Kind, p []byte) error {
	if kind == Text && !utf8.Valid(p) {
		return ErrText
	}
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.unlock()
	return c.send(ctx, kind, append([]byte(nil), p...))
}

func (c *Conn) send(ctx context.Context, kind Kind, p []byte) error {
	return c.order(ctx, order{len(p), func(s *Socket) app.Future[app.Done] { return s.Send(kind, p) }})
}

// Ping sends a ping with up to 125 bytes of payload, after what was written.
func (c *Conn) Ping(ctx context.Context, payload []byte) error {
	payload = append([]byte(nil), payload...)
	return c.order(ctx, order{len(payload), func(s *Socket) app.Future[app.Done] { return app.Failed[app.Done](s.Ping(payload)) }})
}

// Close starts the closing handshake after what was written, and does not wait for it:
// Read fails when it is over. Close fails with ErrClose for a code or reason that cannot
// be sent.
func (c *Conn) Close(code int, reason string) error {
	if !isCloseable(code, reason) {
		return ErrClose
	}
	c.put(order{do: func(s *Socket) app.Future[app.Done] { return app.Failed[app.Done](s.Close(code, reason)) }})
	return nil
}

// Writer sends a message in parts: what is written is sent in frames of about 16 KiB, the
// last one by Close, which must be called. Until then other messages wait. A text that is
// not UTF-8 closes the socket with 1011. ctx bounds every Write.
func (c *Conn) Writer(ctx context.Context, kind Kind) (io.WriteCloser, error) {
	if err := c.lock(ctx); err != nil {
		return nil, err
	}
	return &connWriter{c: c, ctx: ctx, kind: kind}, nil
}

// partSize is the size in bytes from which the written bytes are sent.
const partSize = 16 << 10

type connWriter struct {
	c      *Conn
	ctx    context.Context
	kind   Kind
	buf    []byte
	begun  bool
	closed bool
	out    *Writer // the loop's
}

// Write implements io.Writer.
func (w *connWriter) Write(p []byte) (int, error) {
	if w.closed {
		return 0, io.ErrClosedPipe
	}
	w.buf = append(w.buf, p...)
	if len(w.buf) < partSize {
		return len(p), nil
	}
	if err := w.part(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// part sends the buffer as a part of the message.
func (w *connWriter) part() error {
	begin, part := !w.begun, w.buf
	w.begun, w.buf = true, nil
	return w.c.order(w.ctx, order{len(part), func(s *Socket) app.Future[app.Done] {
		if begin {
			out, err := s.Begin(w.kind)
			if err != nil {
				return app.Failed[app.Done](err)
			}
			w.out, begin = out, false
		}
		return w.out.Write(part)
	}})
}

// Close implements io.Closer: it completes the message.
func (w *connWriter) Close() error {
	if w.closed {
		return io.ErrClosedPipe
	}
	w.closed = true
	defer w.c.unlock()
	if !w.begun {
		return w.c.send(w.ctx, w.kind, w.buf)
	}
	if len(w.buf) > 0 {
		if err := w.part(); err != nil {
			return err
		}
	}
	return w.c.order(w.ctx, order{0, func(*Socket) app.Future[app.Done] { return w.out.End() }})
}
