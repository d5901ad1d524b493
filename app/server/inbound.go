//go:build linux

package server

import (
	"io"

	"github.com/gatewheel/gatewheel/app"
)

// inbound is the content of a request on its way to the application.
type inbound struct {
	ready    func()  // the application waits: called once when a further read gives something
	taken    int64   // bytes that came
	lent     []byte  // borrowed from the loop's buffer while deliver runs
	kept     queue   // came before anybody asked
	err      error   // io.EOF at the end, or why the end never comes
	asked    instant // when the application began to wait; on HTTP/2
	trailers app.Fields
}

// waiting says that the application asked for content that is not there yet.
func (b *inbound) waiting() bool { return b.ready != nil }

// deliver offers borrowed content. A reader that waits copies it straight into its own memory; what it does
// not take is kept.
func (x *exchange) deliver(data []byte) {
	b := x.body
	b.taken += int64(len(data))
	if limit := x.loop.server.config.MaxBody; limit > 0 && b.taken > limit {
		x.endBody(tooLarge(limit))
		return
	}
	b.lent = data
	x.wakeReader()
	if len(b.lent) > 0 {
		b.kept.write(&x.loop.chunks, b.lent)
	}
	b.lent = nil
}

// miss: n bytes came after the response had ended and were dropped, so that no reader may take what it has
// for the whole.
func (x *exchange) miss(n int) {
	if n > 0 {
		x.endBody(app.ErrRequestDone)
	}
}

// endBody: nothing follows what was delivered. err is io.EOF when the request is complete.
func (x *exchange) endBody(err error) {
	if x.body.err != nil {
		return
	}
	x.body.err = err
	x.wakeReader()
	x.settle()
}

func (x *exchange) wakeReader() {
	if ready := x.body.ready; ready != nil {
		x.body.ready = nil
		x.loop.run(x, ready)
	}
}

// ReadBody implements spi.Exchange.
func (x *exchange) ReadBody(p []byte, ready func()) (int, error) {
	if x.body == nil {
		return 0, io.EOF
	}
	if !x.enter() {
		return 0, app.ErrPeerGone
	}
	defer x.leave()
	b := x.body
	n := b.kept.read(&x.loop.chunks, p)
	if m := copy(p[n:], b.lent); m > 0 {
		b.lent = b.lent[m:]
		n += m
	}
	switch {
	case n > 0:
		x.session.consumed(x, n)
		return n, nil
	case b.err != nil:
		return 0, b.err
	case len(p) == 0:
		return 0, nil
	}
	b.ready = ready
	x.session.want(x)
	return 0, nil
}

// Trailers implements spi.Exchange.
func (x *exchange) Trailers() app.Fields {
	if x.body == nil || !x.enter() {
		return nil
	}
	defer x.leave()
	return x.body.trailers
}
