package nethttp

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/gatewheel/gatewheel/app"
)

// body is the content of a request on its way from the loop to the handler, guarded by the exchange's mutex. The loop
// reads ahead into a buffer, so that a small content needs no exchange of messages.
type body struct {
	readable sync.Cond // what follows has changed
	filled   func()    // exchange.filled
	lazy     bool      // the peer waits for a 100 (Continue) before it sends
	buf      []byte    // arrived and not yet read; its memory is pooled
	off      int       // bytes of buf that were read
	p        []byte    // of the Read that waits
	n        int       // bytes that were read into p
	wanted   bool      // the handler asks the loop to fill buf
	asked    bool      // the loop is told when there is more
	err      error     // reason of the end
	trailers app.Fields
	read     int64 // bytes that Reads have returned
	closed   bool
	dropped  bool // dropUnread has read more than maxUnread bytes
	sawEnd   bool // a Read has returned io.EOF
	mayGrow  bool // buf may have maxUnread bytes
}

// readAhead starts to read the content of the request, unless the peer waits to be asked for it. On the loop.
func (e *exchange) readAhead() {
	r := e.r
	if r.ContentLength == 0 {
		return
	}
	e.body = &body{lazy: r.Fields.Has("Expect"), filled: e.filled}
	e.body.readable.L = &e.mu
	if !e.body.lazy {
		e.body.wanted = true
		e.fill()
	}
}

// fill reads what has arrived, up to the size of the buffer. On the loop.
func (e *exchange) fill() {
	b := e.body
	if b == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for b.wanted && !b.asked && b.err == nil && !b.closed {
		direct := len(b.p) > 0 && b.n == 0 && b.left() == 0
		p := b.p
		if !direct {
			if p = b.space(e.r.ContentLength); len(p) == 0 {
				b.wanted = false
				return
			}
		}
		n, err := core.TakeBody(e.r, p, b.filled)
		switch {
		case err != nil:
			b.err = err
			if err == io.EOF {
				b.trailers = e.r.Trailers()
			}
			b.readable.Broadcast()
		case n == 0:
			b.asked = true
			if b.left() == 0 {
				freeBuffer(&b.buf) // a peer that is slow holds none
				b.off = 0
			}
		case direct:
			b.n = n
			b.readable.Broadcast()
		default:
			b.buf = b.buf[:len(b.buf)+n]
			b.readable.Broadcast()
		}
	}
}

// filled is called when more content has arrived. On the loop.
func (e *exchange) filled() {
	e.mu.Lock()
	e.body.asked = false
	e.mu.Unlock()
	e.fill()
}

// left returns the number of bytes in buf.
func (b *body) left() int { return len(b.buf) - b.off }

// space returns memory behind buf for content of that declared length; -1 is unknown.
func (b *body) space(length int64) []byte {
	if b.buf == nil {
		// Content of unknown length is often a small message. Its buffer grows below.
		b.buf = newBuffer(int(min(max(length, 0), largeContent)))
	}
	if len(b.buf) == smallContent && cap(b.buf) == smallContent && (length < 0 || length > smallContent) {
		larger := append(newBuffer(largeContent), b.buf[b.off:]...)
		freeBuffer(&b.buf)
		b.buf, b.off = larger, 0
	}
	if b.off > 0 && b.left() == 0 {
		b.buf, b.off = b.buf[:0], 0
	}
	if len(b.buf) == cap(b.buf) && b.mayGrow && cap(b.buf) < maxUnread {
		larger := append(make([]byte, 0, min(2*cap(b.buf), maxUnread)), b.buf...)
		freeBuffer(&b.buf)
		b.buf = larger
	}
	return b.buf[len(b.buf):cap(b.buf)]
}

// close ends reading.
func (b *body) close() {
	b.closed = true
	b.off = 0
	freeBuffer(&b.buf)
	b.readable.Broadcast()
}

// requestBody is an exchange as http.Request.Body. Any goroutine.
type requestBody exchange

// Read implements io.Reader.
func (rb *requestBody) Read(p []byte) (int, error) {
	e := (*exchange)(rb)
	e.mu.Lock()
	defer e.mu.Unlock()
	n, err := e.readBody(p)
	e.body.read += int64(n)
	return n, err
}

// readBody is Read, with e.mu held.
func (e *exchange) readBody(p []byte) (int, error) {
	b := e.body
	for {
		switch {
		case b.closed:
			return 0, http.ErrBodyReadAfterClose
		case b.left() > 0:
			n := copy(p, b.buf[b.off:])
			b.off += n
			if b.left() == 0 && b.err == nil {
				e.ask()
			}
			if b.left() == 0 && b.err == io.EOF {
				return n, e.bodyEnd()
			}
			return n, nil
		case b.err != nil:
			return 0, e.bodyEnd()
		case e.times != nil && e.times.read.passed:
			b.err = os.ErrDeadlineExceeded // for later reads too, as in net/http
			continue
		case len(p) == 0:
			return 0, nil
		}
		n, err := e.await(p)
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// await waits for content, which may come into p. With e.mu held.
func (e *exchange) await(p []byte) (int, error) {
	b := e.body
	mine := b.p == nil
	if mine {
		b.p, b.n = p, 0
	}
	e.ask()
	b.readable.Wait()
	if !mine {
		return 0, nil
	}
	n := b.n
	b.p, b.n = nil, 0
	if n > 0 && b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return n, nil
}

// ask makes the loop fill the buffer. With e.mu held.
func (e *exchange) ask() {
	b := e.body
	if !b.wanted {
		b.wanted = true
		if !b.asked {
			e.kick()
		}
	}
}

// bodyEnd returns the reason of the end of the content, and sets the trailers. With e.mu held.
func (e *exchange) bodyEnd() error {
	b := e.body
	if b.err != io.EOF {
		return bodyError(b.err)
	}
	if !b.sawEnd {
		b.sawEnd = true
		e.setTrailers(b.trailers)
	}
	return io.EOF
}

// bodyError returns the error of a Read for content that is not complete.
func bodyError(err error) error {
	switch {
	case errors.Is(err, app.ErrPeerGone):
		return io.ErrUnexpectedEOF
	}
	return err
}

// setTrailers sets http.Request.Trailer at the end of the content: over HTTP/2 those that were announced, over HTTP/1
// all, as net/http does.
func (e *exchange) setTrailers(fields app.Fields) {
	announced := e.request.Trailer
	for _, f := range fields {
		name := http.CanonicalHeaderKey(f.Name)
		if _, ok := announced[name]; !ok && e.r.Protocol == app.HTTP2 {
			continue
		}
		if announced == nil {
			announced = make(http.Header, len(fields))
			e.request.Trailer = announced
		}
		announced[name] = append(announced[name], f.Value)
	}
}

// Close implements io.Closer. A Read that waits fails. What was not read is dropped by the server.
func (rb *requestBody) Close() error {
	e := (*exchange)(rb)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.body.close()
	return nil
}

// maxUnread is the number of bytes of content that are kept for a handler which writes and does not read, and that the
// connection outlives if the handler leaves them. net/http drops as many.
const maxUnread = 256 << 10

// leavesTooMuch reports whether so much content over HTTP/1 is unread that the connection ends.
func (e *exchange) leavesTooMuch() bool {
	if e.body == nil || e.r.Protocol == app.HTTP2 {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch b := e.body; {
	case b.dropped:
		return true
	case b.err != nil:
		return b.err != io.EOF // the deadline of reads has passed
	default:
		return e.r.ContentLength-b.read >= maxUnread
	}
}

// dropUnread reads content of unknown length over HTTP/1 that the handler has left, up to maxUnread bytes: the head of
// the response has to say whether the connection ends. In the handler's goroutine, after the handler has returned.
func (e *exchange) dropUnread() {
	b := e.body
	if b == nil || b.lazy || e.fullDuplex || e.r.ContentLength >= 0 || e.r.Protocol == app.HTTP2 {
		return
	}
	buf := newBuffer(largeContent)
	defer freeBuffer(&buf)
	for left := maxUnread + 1; left > 0; {
		n, err := (*requestBody)(e).Read(buf[:min(cap(buf), left)])
		if left -= n; err != nil {
			return
		}
	}
	e.mu.Lock()
	b.dropped = true // even if the loop has read the end ahead
	e.mu.Unlock()
}

// readBesides makes the loop read content of a request over HTTP/1 while the handler waits for the peer to read the
// response: a client that sends all of a request before it reads waits for us, too. With e.mu held.
func (e *exchange) readBesides() {
	b := e.body
	if b == nil || b.closed || b.err != nil || b.lazy && !b.wanted && !b.asked || e.r.Protocol == app.HTTP2 {
		return
	}
	b.mayGrow = true
	e.ask()
}

// announcedTrailers returns the names of a Trailer field, each without values, as http.Request.Trailer has them before
// the end of the content.
func announcedTrailers(h http.Header) http.Header {
	lines, ok := h["Trailer"]
	if !ok {
		return nil
	}
	delete(h, "Trailer")
	var trailers http.Header
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			name = http.CanonicalHeaderKey(strings.Trim(name, " \t"))
			switch name {
			case "", "Transfer-Encoding", "Trailer", "Content-Length":
				continue
			}
			if trailers == nil {
				trailers = http.Header{}
			}
			trailers[name] = nil
		}
	}
	return trailers
}
