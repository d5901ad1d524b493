//go:build linux

package server

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/h1"
)

// blockExchanges limits the exchanges that share a block of memory. The block lives as long as one of them: a request that
// lasts keeps the exchanges of those that arrived with it, and what they refer to, such as the text of their heads and
// the values of their requests.
const blockExchanges = 6

// exchangeIn returns zero memory for the exchange of a request. expected is the number of requests that the input holds
// from this one on: they share a block, which costs the allocator and the garbage collector hardly more than one exchange
// does. The caller sets block to nil at the end of the input.
func (l *loop) exchangeIn(expected int) *exchange {
	if len(l.block) == 0 {
		if expected == 1 {
			return new(exchange)
		}
		l.block = make([]exchange, min(expected, blockExchanges))
	}
	x := &l.block[0]
	l.block = l.block[1:]
	return x
}

// setFields copies field lines from the machine's scratch memory. The strings belong to the request.
func (x *exchange) setFields(fields []app.Field) {
	if len(fields) <= len(x.inline) {
		x.Fields = x.inline[:copy(x.inline[:], fields)]
		return
	}
	x.Fields = append(make(app.Fields, 0, fieldCapacity(len(fields))), fields...)
}

// fieldCapacity returns the capacity of a list for so many field lines of 32 bytes. It avoids the size classes of the
// objects that an idle connection holds: 256 bytes of gnet, 288 of an h1Session and 384 of an h1Socket. A browser's
// handshake has twelve lines; a list of that capacity would leave a hole of the size of an h1Socket for the life of
// the neighbouring sockets.
func fieldCapacity(lines int) int {
	switch lines {
	case 8, 9:
		return 10
	case 12:
		return 13
	}
	return lines
}

// admit prepares the request and calls its handler, unless prepare has answered.
func (x *exchange) admit() {
	if x.prepare() {
		x.serve()
	}
}

// prepare makes the request ready for its handler. It reports false if it has answered: with 413, because the declared
// length exceeds Config.MaxBody, or with 503, because memory is scarce or the client is beyond PeerLimits.Requests.
func (x *exchange) prepare() bool {
	l := x.loop
	x.Arrived = l.r.TurnTime()
	x.subject = subjectOf(x.Method, x.Target)
	spi.Bind(&x.Request, x, &x.info)
	if !x.admitted() || l.server.config.Peers.Requests > 0 && !x.enterPeer() {
		return false
	}
	if limit := l.server.config.MaxBody; limit > 0 {
		if x.ContentLength > limit {
			x.answer(nil, tooLarge(limit))
			return false
		}
		x.Body.Limit(limit)
	}
	return true
}

// deliver passes borrowed content to the application, up to Config.MaxBody.
func (x *exchange) deliver(data []byte) {
	if x.withinLimit(len(data)) {
		x.stream.deliver(data)
	}
}

// gather is like deliver, for small pieces of content: tellGathered passes them to the reader together.
func (x *exchange) gather(data []byte) {
	if x.withinLimit(len(data)) {
		x.stream.gather(data)
	}
}

// withinLimit reports whether n more bytes of content are within Config.MaxBody. If not, it ends the content with an
// error of status 413.
func (x *exchange) withinLimit(n int) bool {
	limit := x.loop.server.config.MaxBody
	if limit <= 0 || x.in.taken+int64(n) <= limit {
		return true
	}
	x.in.taken += int64(n)
	x.ends(spi.EndedByLimit, bodyLimit)
	x.endInput(tooLarge(limit))
	return false
}

// dropInput records that n bytes of content were dropped because the response had ended. If n > 0 it ends the content
// with app.ErrRequestDone, so that no reader takes the part that it has for the whole.
func (x *exchange) dropInput(n int) {
	if n > 0 {
		x.endInput(app.ErrRequestDone)
	}
}

// tooLarge returns the error of content of more than limit bytes, with status 413.
func tooLarge(limit int64) error {
	return app.Statusf(413, "the content exceeds the server's limit of %d bytes", limit)
}

// newExchange returns zero memory for the exchange of a request. A request that may last does not share it: one with
// content, or after which the connection may leave HTTP. What follows its head need not be requests.
func (s *h1Session) newExchange(head *h1.Head, size, rest int) *exchange {
	if head.ContentLength != 0 || head.Upgrade != "" || head.Method == "CONNECT" {
		return new(exchange)
	}
	return s.loop.exchangeIn(1 + min(rest/size, s.machine.Room()))
}
