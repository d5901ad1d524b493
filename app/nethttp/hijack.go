package nethttp

import (
	"bufio"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/overhttp"
	"github.com/gatewheel/gatewheel/app/spi"
)

var _ http.Hijacker = (*writer1)(nil)

// Hijack implements http.Hijacker. The connection still goes through its event loop, see hijackedConn. A head that
// WriteHeader has fixed is sent before the first byte of the handler. In the handler's goroutine.
//
// Hijack fails if the response is complete, if the peer has left, and if the server has read another request of the
// connection already, which needs a Config.HTTP1.Pipelined above 1.
func (w *writer1) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	e := &w.exchange
	a := &e.answer
	switch {
	case e.returned.Load():
		e.logCall("Hijack after the handler has returned")
		return nil, nil, errReturned
	case a.hijacked:
		return nil, nil, http.ErrHijacked
	case a.err != nil:
		return nil, nil, a.err
	}
	c := newHijackedConn(e.r)
	if a.status != 0 && !a.started {
		c.out.keep(e.appendHead(nil))
	}
	e.mu.Lock()
	if e.gone != nil {
		e.mu.Unlock()
		return nil, nil, e.gone
	}
	e.hijacker = c
	e.kick()
	e.mu.Unlock()
	if err := <-c.begun; err != nil {
		return nil, nil, err
	}
	a.hijacked = true
	return c, bufio.NewReadWriter(c.reader(), bufio.NewWriter(c)), nil
}

// appendHead appends the head of the response as net/http sends it before a connection is hijacked.
func (e *exchange) appendHead(dst []byte) []byte {
	a := &e.answer
	line := func(name, value string) {
		dst = append(append(append(append(dst, name...), ": "...), value...), "\r\n"...)
	}
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(a.status), 10)
	dst = append(append(append(dst, ' '), http.StatusText(a.status)...), "\r\n"...)
	for _, f := range a.lines {
		if f.Name != "Date" || f.Value != "" {
			line(f.Name, f.Value)
		}
	}
	if !a.head.dated {
		line("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	switch {
	case a.length >= 0:
		line("Content-Length", strconv.FormatInt(a.length, 10))
	case overhttp.AllowsContent(a.status) && e.request.Method != "HEAD" && e.request.Method != "CONNECT" && e.r.Protocol == app.HTTP11:
		line("Transfer-Encoding", "chunked")
	}
	return append(dst, "\r\n"...)
}

// handOver takes the connection from HTTP for c. On the loop.
func (e *exchange) handOver(c *hijackedConn) {
	var input spi.HijackedInput
	err := error(spi.ErrNotHijackable)
	if x, ok := core.Exchange(e.r).(spi.Hijacker); ok {
		input, err = x.Hijack((*hijackedSource)(c))
	}
	e.mu.Lock()
	if err != nil {
		e.hijacker = nil
		e.mu.Unlock()
		c.begin(err)
		return
	}
	e.hijacked = true
	if b := e.body; b != nil {
		if e.r.ContentLength > 0 {
			c.in.buf = append(c.in.buf, b.buf[b.off:]...)
		}
		b.close()
	}
	if e.times != nil {
		e.times.read.stop()
		e.times.write.stop()
	}
	answered := e.answer.started
	e.mu.Unlock()
	c.from = input
	if !answered {
		core.SettleWith(&e.head, nil, spi.ErrAborted)
	}
	// In the next turn what has arrived already can be read.
	c.loop.Post(func() {
		c.fill()
		c.begin(nil)
	})
}
