package nethttp

import (
	"bufio"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// hijackedConn is a hijacked connection as a net.Conn. Its bytes go through the loop, which handles TLS: at most 64 KiB
// wait here in each direction, and an idle connection has no buffer. Its methods run on any goroutine.
//
// The goroutines and the loop meet under mu, which is held for copies of memory.
type hijackedConn struct {
	loop          app.Loop
	local, remote net.Addr
	from          spi.HijackedInput // on the loop
	task          func()            // turn
	filled        func()            // there is more input; on the loop
	begun         chan error        // the connection was taken, or why not

	writing sync.Mutex // one Write after the other
	mu      sync.Mutex
	posted  bool // turn is going to run
	closed  bool // by Close
	told    bool // the loop knows of closed
	in      hijackedInput
	out     content
	times   times
}

// hijackedInput is input on its way to a Read.
type hijackedInput struct {
	readable sync.Cond // what follows has changed
	buf      []byte    // arrived and not yet read; its memory is pooled
	off      int       // bytes of buf that were read
	wanted   bool      // the loop fills buf
	asked    bool      // the loop is told when there is more
	err      error     // reason of the end
}

// left returns the number of bytes in buf.
func (in *hijackedInput) left() int { return len(in.buf) - in.off }

// space returns memory behind the input.
func (in *hijackedInput) space() []byte {
	if in.buf == nil {
		in.buf = newBuffer(largeContent)
	}
	if in.left() == 0 {
		in.buf, in.off = in.buf[:0], 0
	}
	return in.buf[len(in.buf):cap(in.buf)]
}

// drop frees buf.
func (in *hijackedInput) drop() {
	freeBuffer(&in.buf)
	in.off = 0
}

// newHijackedConn returns the connection of r, before the loop gives it away.
func newHijackedConn(r *app.Request) *hijackedConn {
	info := r.Conn()
	c := &hijackedConn{
		loop: r.Loop(), local: address(info.Local, ""), remote: address(info.Peer, info.PeerName), begun: make(chan error, 1),
	}
	c.task = c.turn
	c.filled = func() {
		c.mu.Lock()
		c.in.asked = false
		c.mu.Unlock()
		c.fill()
	}
	c.in.readable.L, c.out.writable.L = &c.mu, &c.mu
	c.in.wanted = true
	return c
}

// begin tells the handler that it has the connection, or that it will not get it. The first call counts.
func (c *hijackedConn) begin(err error) {
	select {
	case c.begun <- err:
	default:
	}
}

// reader returns a reader that has buffered what has arrived already, as far as it fits.
func (c *hijackedConn) reader() *bufio.Reader {
	c.mu.Lock()
	arrived := c.in.left() > 0
	c.mu.Unlock()
	r := bufio.NewReader(c)
	if arrived {
		_, _ = r.Peek(1)
	}
	return r
}

// kick makes the loop run turn. With c.mu held.
func (c *hijackedConn) kick() {
	if !c.posted {
		c.posted = true
		c.loop.Post(c.task)
	}
}

// turn does what the goroutines have asked for. On the loop.
func (c *hijackedConn) turn() {
	c.mu.Lock()
	c.posted = false
	closes := c.closed && !c.told
	c.told = c.closed
	more := c.out.takeReady()
	c.mu.Unlock()
	if closes {
		c.from.CloseInput()
	}
	if more != nil {
		more()
	}
	c.fill()
}

// fill reads what has arrived, up to the size of the buffer. On the loop.
func (c *hijackedConn) fill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	in := &c.in
	for in.wanted && !in.asked && in.err == nil && !c.closed {
		p := in.space()
		if len(p) == 0 {
			in.wanted = false
			return
		}
		n, err := c.from.ReadBody(p, c.filled)
		in.buf = in.buf[:len(in.buf)+n]
		in.err = err
		in.asked = n == 0 && err == nil
		if in.left() == 0 {
			in.drop()
		}
		if !in.asked {
			in.readable.Broadcast()
		}
	}
}

// Read implements net.Conn.
func (c *hijackedConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in := &c.in
	for {
		switch {
		case c.closed:
			return 0, c.failure("read", net.ErrClosed)
		case c.times.read.passed:
			return 0, c.failure("read", os.ErrDeadlineExceeded)
		case len(p) == 0:
			return 0, nil
		case in.left() > 0:
			n := copy(p, in.buf[in.off:])
			if in.off += n; in.left() == 0 {
				in.drop()
				c.ask()
			}
			return n, nil
		case in.err == io.EOF:
			return 0, io.EOF
		case in.err != nil:
			return 0, c.failure("read", syscall.ECONNRESET)
		}
		c.ask()
		in.readable.Wait()
	}
}

// ask makes the loop fill the buffer. With c.mu held.
func (c *hijackedConn) ask() {
	if in := &c.in; !in.wanted && in.err == nil {
		in.wanted = true
		c.kick()
	}
}

// Write implements net.Conn. It waits while the peer reads slowly, and keeps nothing of p.
func (c *hijackedConn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.unwritable(); err != nil {
		return 0, err
	}
	out := &c.out
	if out.left()+len(p) <= largeContent {
		out.keep(p)
		c.tell()
		return len(p), nil
	}
	out.lent = p
	c.tell()
	for len(out.lent) > 0 {
		out.writable.Wait()
		if err := c.unwritable(); err != nil && len(out.lent) > 0 {
			n := len(p) - len(out.lent)
			out.lent = nil
			return n, err
		}
	}
	return len(p), nil
}

// tell wakes the loop if it waits for output. With c.mu held.
func (c *hijackedConn) tell() {
	if c.out.ready != nil {
		c.kick()
	}
}

// unwritable returns the reason why nothing can be written. With c.mu held.
func (c *hijackedConn) unwritable() error {
	switch {
	case c.closed:
		return c.failure("write", net.ErrClosed)
	case c.times.write.passed:
		return c.failure("write", os.ErrDeadlineExceeded)
	case c.out.closed, c.out.ended:
		return c.failure("write", syscall.EPIPE)
	}
	return nil
}

// failure returns err as package net returns it.
func (c *hijackedConn) failure(op string, err error) error {
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}

// Close implements net.Conn. What was written is still sent. Reads and Writes that wait fail.
func (c *hijackedConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.failure("close", net.ErrClosed)
	}
	c.closed, c.out.ended = true, true
	c.times.read.stop()
	c.times.write.stop()
	c.in.drop()
	c.wake()
	c.kick()
	return nil
}

// CloseWrite ends the output: FIN after what was written, and close_notify before it over TLS.
func (c *hijackedConn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.failure("close", net.ErrClosed)
	}
	c.out.ended = true
	c.out.writable.Broadcast()
	c.kick()
	return nil
}

// wake wakes all Reads and Writes that wait. With c.mu held.
func (c *hijackedConn) wake() {
	c.in.readable.Broadcast()
	c.out.writable.Broadcast()
}

// LocalAddr implements net.Conn.
func (c *hijackedConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *hijackedConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *hijackedConn) SetDeadline(t time.Time) error {
	return c.setDeadlines(t, &c.times.read, &c.times.write)
}

// SetReadDeadline implements net.Conn.
func (c *hijackedConn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.times.read) }

// SetWriteDeadline implements net.Conn. After a deadline has passed, what was written so far is still sent.
func (c *hijackedConn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.times.write) }

func (c *hijackedConn) setDeadlines(t time.Time, deadlines ...*deadline) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.failure("set", net.ErrClosed)
	}
	for _, d := range deadlines {
		d.set(t, &c.mu, c.wake)
	}
	return nil
}

// hijackedSource is a hijacked connection as the source of its output. Its methods run on the loop.
type hijackedSource hijackedConn

var _ spi.Source = (*hijackedSource)(nil)

// Length implements app.Content.
func (s *hijackedSource) Length() int64 { return -1 }

// Read implements spi.Source.
func (s *hijackedSource) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.out.take(p)
	if s.out.left() > 0 || len(s.out.lent) > 0 {
		return n, nil
	}
	freeBuffer(&s.out.kept)
	if s.out.ended {
		return n, io.EOF
	}
	return n, nil
}

// Wait implements spi.Source.
func (s *hijackedSource) Wait(ready func()) {
	s.mu.Lock()
	s.out.ready = ready
	now := s.out.takeReady()
	s.mu.Unlock()
	if now != nil {
		now()
	}
}

// Trailers implements spi.Source.
func (s *hijackedSource) Trailers() app.Fields { return nil }

// Close implements spi.Source: the output has ended, or the connection is gone.
func (s *hijackedSource) Close() error {
	c := (*hijackedConn)(s)
	c.mu.Lock()
	defer c.mu.Unlock()
	whole := c.out.ended && c.out.left() == 0 && len(c.out.lent) == 0
	c.out.closed = true
	c.out.ready = nil
	freeBuffer(&c.out.kept)
	c.out.off = 0
	if !whole && !c.in.asked && c.in.err == nil {
		c.in.err = app.ErrPeerGone // no turn of the loop may come that says so
	}
	c.wake()
	return nil
}
