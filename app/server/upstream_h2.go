//go:build linux

package server

import (
	"errors"
	"io"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/h2"
	"github.com/gatewheel/gatewheel/reactor"
)

// h2Upstream is an HTTP/2 connection to another server. The value of a stream in the machine is its call.
type h2Upstream struct {
	upstream
	machine h2.Client
	last    h2.StreamID // of the server's GOAWAY
	goaway  bool        // the server has sent GOAWAY
	busy    bool        // with ENHANCE_YOUR_CALM
	fin     bool        // the server has sent its last byte
}

var (
	_ upstreamSession = (*h2Upstream)(nil)
	_ drainer         = (*h2Upstream)(nil)
)

// newH2Upstream returns the session of a new connection.
func newH2Upstream(l *loop, c *reactor.Conn, d *spi.Dial, owner spi.ConnOwner) *h2Upstream {
	l.tick()
	s := &h2Upstream{}
	s.machine.Init(l.h2, uint32(max(d.MaxHead, 0)))
	s.init(l, c, owner, s)
	s.machine.QueuePreface()
	c.Touch()
	return s
}

// Protocol implements spi.Upstream.
func (s *h2Upstream) Protocol() string { return app.HTTP2 }

// Capacity implements spi.Upstream.
func (s *h2Upstream) Capacity() int {
	if s.Draining() {
		return 0
	}
	return s.machine.Capacity()
}

// Busy implements spi.Upstream.
func (s *h2Upstream) Busy() bool { return s.busy }

// Tunnels implements spi.Upstream.
func (s *h2Upstream) Tunnels() (accepts, known bool) { return s.machine.ConnectProtocol() }

// Stale implements spi.Upstream: use Ping.
func (s *h2Upstream) Stale() bool { return s.Draining() }

// Ping implements spi.Upstream.
func (s *h2Upstream) Ping(done func(err error)) {
	s.pings = append(s.pings, done)
	if s.closed {
		s.record(duePong)
		return
	}
	s.loop.tick()
	s.machine.Ping()
	s.conn.Touch()
}

// Start implements spi.Upstream.
func (s *h2Upstream) Start(r *spi.Outgoing, owner spi.CallEvents) (spi.Call, error) {
	c, err := s.newCall(r, owner)
	if err != nil {
		return nil, err
	}
	if s.Capacity() == 0 {
		c.refuse()
		return nil, s.unable()
	}
	s.loop.tickTurn()
	m := &s.loop.h2Request
	*m = h2.ClientRequest{
		Method: r.Method, Scheme: r.Scheme, Authority: r.Authority, Path: r.Target, Protocol: r.Protocol,
		Fields: r.Fields, Sensitive: r.Sensitive, Expect: r.Expect, Value: c,
	}
	if r.Protocol != "" {
		m.Method = "CONNECT"
	}
	if bytes, ok := r.Content.(app.Bytes); ok {
		m.Bytes = bytes
	} else if !c.request.over {
		m.Source, m.Length = (*callSource)(c), r.Content.Length()
	}
	id, err := s.machine.Request(m)
	*m = h2.ClientRequest{}
	if err != nil {
		c.refuse()
		return nil, refusedRequest(err)
	}
	c.id = uint64(id)
	s.begun()
	s.touch()
	return c, nil
}

// touch has output sent. Where more of it may soon follow, of other calls, it waits for that.
func (s *h2Upstream) touch() {
	if s.calls.Len() > 1 {
		s.conn.TouchAfterPoll()
		return
	}
	s.conn.Touch()
}

// refusedRequest returns the failure of a request that the machine has not taken.
func refusedRequest(err error) *client.Error {
	kind := client.ClientMalformed
	switch err {
	case h2.ErrDraining:
		kind = client.Drained
	case h2.ErrCapacity:
		kind = client.Overflow
	case h2.ErrConnectProtocol:
		kind = client.UpstreamMalformed
	}
	return &client.Error{Kind: kind, Safe: true, Err: err}
}

// Receive implements reactor.Session.
func (s *h2Upstream) Receive(in []byte) int {
	s.loop.tick()
	return s.feed(in)
}

// feed feeds the machine and handles its events, until it needs more input or the turn is used up. It returns the
// number of bytes consumed.
func (s *h2Upstream) feed(in []byte) (used int) {
	ev := s.loop.h2Event
	for {
		n, err := s.machine.Next(in[used:], ev)
		used += n
		if err != nil {
			s.connectionError(err, client.UpstreamMalformed)
			return len(in)
		}
		if ev.Kind == h2.NeedMore {
			break
		}
		s.handle(ev)
		if s.loop.r.Charge(unitsPerEvent); used < len(in) && s.loop.r.Spent() {
			s.conn.Yield()
			break
		}
	}
	if s.machine.Wanting() || s.machine.Done() {
		s.conn.Touch()
	}
	return used
}

// connectionError ends the calls after an error of the connection. Events that precede the error are handled first.
func (s *h2Upstream) connectionError(err error, kind client.Kind) {
	for ev := s.loop.h2Event; s.machine.Noticed(); {
		_, _ = s.machine.Next(nil, ev)
		s.handle(ev)
	}
	s.failCalls(kind, err)
	s.conn.Touch()
}

// handle handles an event of the machine.
func (s *h2Upstream) handle(ev *h2.Event) {
	switch ev.Kind {
	case h2.Goaway:
		s.goaway, s.last = true, ev.Last
		s.busy = s.busy || ev.Code == h2.CodeEnhanceYourCalm
		s.retire()
		return
	case h2.Changed:
		s.record(dueChanged)
		return
	case h2.Pong:
		s.record(duePong)
		return
	}
	c, ok := ev.Value.(*call)
	if !ok || c.over {
		return
	}
	if ev.Kind != h2.Reset || !s.fin { // the end of the connection is no byte of a response
		c.received = true
	}
	switch ev.Kind {
	case h2.Interim:
		c.interim(ev.Response.Status, ev.Response.Fields)
	case h2.Final:
		s.begin(c, ev)
	case h2.Data:
		if len(ev.Data) > 0 {
			c.deliver(ev.Data)
		}
		if ev.End {
			c.endInput(io.EOF)
		}
	case h2.Trailers:
		c.in.trailers = append(app.Fields(nil), ev.Trailers...)
		c.endInput(io.EOF)
	case h2.Reset:
		s.reset(c, ev)
	}
}

// begin passes on the head of a final response.
func (s *h2Upstream) begin(c *call, ev *h2.Event) {
	r := &ev.Response
	c.tunnel = c.request.held && r.Status/100 == 2
	c.begin(spi.Incoming{
		Status: r.Status, Fields: r.Fields, ContentLength: r.ContentLength, Stated: r.Stated,
		Protocol: app.HTTP2, Sensitive: sensitiveFields(r.Fields, ev.NeverIndexed),
	})
	switch {
	case c.tunnel:
		c.head.ContentLength = -1
		c.request.open()
	case c.request.held:
		c.request.stop() // the server has refused the tunnel
	}
	if ev.End {
		c.endInput(io.EOF)
	}
}

// sensitiveFields returns a function that reports whether a field of that name was marked; nil if none was.
func sensitiveFields(fields []app.Field, marks h2.NeverIndexed) func(name string) bool {
	if marks == 0 {
		return nil
	}
	var names []string
	for i := range fields {
		if marks.Has(i) {
			names = append(names, fields[i].Name)
		}
	}
	return func(name string) bool {
		for _, marked := range names {
			if marked == name {
				return true
			}
		}
		return false
	}
}

// reset ends a call whose stream was reset before both sides were complete.
func (s *h2Upstream) reset(c *call, ev *h2.Event) {
	kind, reason := client.UpstreamMalformed, ev.Reason
	switch {
	case ev.ByPeer:
		kind, reason = client.UpstreamReset, "the stream was reset with "+ev.Code.String()
	case ev.Unprocessed && s.goaway && ev.Stream > s.last:
		kind = client.Drained
	case s.fin:
		kind = client.UpstreamEOF
	}
	c.fail(kind, ev.Unprocessed, errors.New(reason))
	c.failure.Busy = s.busy || ev.Code == h2.CodeEnhanceYourCalm
}

// Transmit implements reactor.Session. It may cause events, whose handling may cause more output.
func (s *h2Upstream) Transmit(dst []byte, room int) []byte {
	s.loop.tick()
	start, limit := len(dst), len(dst)+room
	dst = s.machine.Transmit(dst, room)
	for s.machine.Noticed() {
		s.feed(nil)
		dst = s.machine.Transmit(dst, limit-len(dst))
	}
	s.sentTo(len(dst) - start)
	if s.machine.Done() {
		s.end()
	}
	s.watch()
	return dst
}

// end closes a connection whose machine is done, after its output was sent.
func (s *h2Upstream) end() {
	s.closing = true
	if s.inProgress() {
		s.failCalls(endOf(nil))
	}
	s.conn.CloseFlushed()
}

// EOF implements reactor.Session.
func (s *h2Upstream) EOF() (keep bool) {
	s.loop.tick()
	s.fin = true
	s.machine.EOF()
	s.feed(nil)
	if !s.closing {
		s.failCalls(client.UpstreamEOF, errLeftIdle)
	}
	return false
}

// Timeout implements reactor.Session.
func (s *h2Upstream) Timeout() {
	if s.stuck() {
		return
	}
	s.loop.tick()
	if d := s.machine.Deadline(); !d.IsZero() && !s.loop.r.Now().Before(d) {
		if err := s.machine.Expire(s.loop.r.Now()); err != nil {
			s.connectionError(err, client.UpstreamReset)
		}
		s.feed(nil)
	}
	s.conn.Touch()
	s.watch()
}

// watch sets the time of the next Timeout.
func (s *h2Upstream) watch() {
	setTimeoutAt(s.conn, earlier(s.stuckBy(), s.loop.moment(s.machine.Deadline())))
}

// Closed implements reactor.Session.
func (s *h2Upstream) Closed(err error) {
	s.gone(err)
	if s.busy {
		if s.failure == nil {
			s.failure = &client.Error{Kind: client.Drained, Safe: true, Err: errBusy}
		}
		s.failure.Busy = true
	}
	s.machine.Close()
}

// leave implements upstreamSession: GOAWAY is sent, then the connection closes.
func (s *h2Upstream) leave() {
	s.machine.Drain()
	s.conn.Touch()
}

// resume implements transport.
func (s *h2Upstream) resume(st *stream) {
	if s.closed {
		return
	}
	s.loop.tick()
	s.machine.Resume(h2.StreamID(st.id))
	s.touch()
}

// abort implements transport.
func (s *h2Upstream) abort(st *stream) { s.resetStream(st.id, h2.CodeInternalError) }

// want implements transport: the windows are open already.
func (s *h2Upstream) want(*stream) {}

// consumed implements transport.
func (s *h2Upstream) consumed(st *stream, n int) {
	if s.closed {
		return
	}
	s.machine.Consumed(h2.StreamID(st.id), n)
	s.touch()
}

// proceed implements upstreamSession.
func (s *h2Upstream) proceed(c *call) {
	s.machine.Proceed(h2.StreamID(c.id))
	s.conn.Touch()
}

// cancel implements upstreamSession.
func (s *h2Upstream) cancel(c *call) { s.resetStream(c.id, h2.CodeCancel) }

// resetStream resets a stream, unless it is gone.
func (s *h2Upstream) resetStream(id uint64, code h2.ErrCode) {
	if s.closed {
		return
	}
	s.loop.tickTurn()
	s.machine.Reset(h2.StreamID(id), code)
	s.touch()
}

// ended implements upstreamSession. The stream of a request that is not complete is reset, unless the machine has just
// read the end of its content.
func (s *h2Upstream) ended(c *call) {
	switch {
	case s.closed || c.id == 0:
	case c.request.last != nil:
		s.machine.SetValue(h2.StreamID(c.id), nil)
	default:
		s.resetStream(c.id, h2.CodeNoError)
	}
}

// sent implements upstreamSession.
func (s *h2Upstream) sent(c *call) bool {
	return c.id != 0 && !s.machine.Unprocessed(h2.StreamID(c.id))
}

// receivedAny implements upstreamSession.
func (s *h2Upstream) receivedAny(*call) bool { return false }
