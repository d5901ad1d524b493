package nethttp

import (
	"io"
	"os"
	"sync"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// content is the content of a response on its way from the handler to the loop, guarded by the exchange's mutex.
type content struct {
	writable sync.Cond // what follows has changed
	kept     []byte    // was written and not yet taken; its memory is pooled
	off      int       // bytes of kept that were taken
	lent     []byte    // belongs to the Write that waits until it was taken
	ended    bool
	failure  error  // the response cannot be completed
	passed   bool   // the loop has taken everything that precedes failure, and has ended a turn since
	late     bool   // a write has failed because of its deadline
	closed   bool   // no more will be taken
	ready    func() // of the loop, which waits for more
	full     bool   // ready waits for the end only
	length   int64  // declared; -1: unknown
	trailers app.Fields
}

// Sizes of kept in bytes: until it has been full, and after that.
const (
	smallContent = 4 << 10
	largeContent = 64 << 10
)

var (
	smallBuffers = sync.Pool{New: func() any { return new([smallContent]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([largeContent]byte) }}
)

// newBuffer returns an empty buffer of the pools for n bytes, at most largeContent.
func newBuffer(n int) []byte {
	if n <= smallContent {
		return smallBuffers.Get().(*[smallContent]byte)[:0]
	}
	return largeBuffers.Get().(*[largeContent]byte)[:0]
}

// freeBuffer returns a buffer to its pool.
func freeBuffer(b *[]byte) {
	switch cap(*b) {
	case smallContent:
		smallBuffers.Put((*[smallContent]byte)((*b)[:smallContent]))
	case largeContent:
		largeBuffers.Put((*[largeContent]byte)((*b)[:largeContent]))
	}
	*b = nil
}

// left returns the number of bytes in kept.
func (c *content) left() int { return len(c.kept) - c.off }

// fail ends content that cannot be completed. c may be nil.
func (c *content) fail(err error) {
	if c != nil && !c.ended && c.failure == nil {
		c.failure = err
	}
}

// takeReady returns the callback of the loop if there is something for it. c may be nil.
func (c *content) takeReady() func() {
	if c == nil {
		return nil
	}
	over := c.left() == 0 && len(c.lent) == 0
	switch {
	case c.ready == nil:
		return nil
	case over && (c.ended || c.failure != nil):
	case over || c.full:
		return nil
	}
	ready := c.ready
	c.ready = nil
	return ready
}

// keep appends p to kept, which has room for it.
func (c *content) keep(p []byte) {
	if c.off > 0 && (c.left() == 0 || len(c.kept)+len(p) > cap(c.kept)) {
		c.kept = c.kept[:copy(c.kept, c.kept[c.off:])]
		c.off = 0
	}
	if need := len(c.kept) + len(p); need > cap(c.kept) {
		larger := append(newBuffer(need), c.kept...)
		freeBuffer(&c.kept)
		c.kept = larger
	}
	c.kept = append(c.kept, p...)
}

// take moves up to len(p) bytes into p.
func (c *content) take(p []byte) int {
	n := copy(p, c.kept[c.off:])
	if c.off += n; c.left() == 0 {
		c.off, c.kept = 0, c.kept[:0]
		if m := copy(p[n:], c.lent); m > 0 {
			n += m
			if c.lent = c.lent[m:]; len(c.lent) == 0 {
				c.writable.Broadcast()
			}
		}
	}
	return n
}

// newContent returns content of that length; -1 is unknown.
func (e *exchange) newContent(length int64) *content {
	c := &content{length: length}
	c.writable.L = &e.mu
	return c
}

// send passes p to the loop. It waits until the loop has taken all but what fits into kept, and keeps nothing of p. In
// the handler's goroutine.
func (e *exchange) send(p []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.content
	if err := e.unwritable(); err != nil {
		return err
	}
	if c.left()+len(p) <= largeContent {
		c.keep(p)
		e.tell()
		return nil
	}
	c.lent = p
	e.tell()
	e.readBesides()
	for len(c.lent) > 0 {
		c.writable.Wait()
		if err := e.unwritable(); err != nil && len(c.lent) > 0 {
			c.lent = nil
			return err
		}
	}
	return nil
}

// tell wakes the loop if it waits for content. With e.mu held.
func (e *exchange) tell() {
	if e.content != nil && e.content.ready != nil {
		e.kick()
	}
}

// unwritable returns the reason why content cannot be written. With e.mu held.
func (e *exchange) unwritable() error {
	switch c := e.content; {
	case c.late:
		return os.ErrDeadlineExceeded
	case e.gone != nil:
		return e.gone
	case c.failure != nil:
		return c.failure
	case c.closed:
		return app.ErrPeerGone
	case e.times != nil && e.times.write.passed:
		c.late = true // for later writes too, as in net/http
		c.fail(spi.ErrAborted)
		e.tell()
		return os.ErrDeadlineExceeded
	}
	return nil
}

// end ends the content, with trailers.
func (e *exchange) end(trailers app.Fields) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.content.trailers = trailers
	e.content.ended = true
	e.tell()
}

// source is an exchange as content of its response. Its methods run on the loop.
type source exchange

var _ spi.Source = (*source)(nil)

// Length implements app.Content.
func (s *source) Length() int64 { return s.content.length }

// Read implements spi.Source.
func (s *source) Read(p []byte) (int, error) {
	e := (*exchange)(s)
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.content
	n := c.take(p)
	switch {
	case c.left() > 0 || len(c.lent) > 0:
		return n, nil
	case c.passed:
		return 0, c.failure
	case c.ended:
		return n, io.EOF
	}
	return n, nil
}

// Wait implements spi.Source.
func (s *source) Wait(ready func()) {
	e := (*exchange)(s)
	e.mu.Lock()
	c := e.content
	c.ready, c.full = ready, false
	if c.failure != nil && c.left() == 0 {
		// A machine drops what it read in the turn of a failure.
		c.passed = true
		e.kick()
		e.mu.Unlock()
		return
	}
	now := c.takeReady()
	e.mu.Unlock()
	if now != nil {
		now()
	}
}

// WaitEnd implements spi.EndWaiter.
func (s *source) WaitEnd(ready func()) {
	e := (*exchange)(s)
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.content
	c.ready, c.full = ready, true
	if c.failure != nil && c.left() == 0 {
		c.passed = true
		e.kick()
	}
}

// Trailers implements spi.Source.
func (s *source) Trailers() app.Fields {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.content.trailers
}

// Close implements spi.Source.
func (s *source) Close() error {
	e := (*exchange)(s)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.content.closed = true
	e.content.ready = nil
	freeBuffer(&e.content.kept)
	e.content.writable.Broadcast()
	return nil
}
