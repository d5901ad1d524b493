//go:build linux

package server

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/internal/linked"
	"github.com/gatewheel/gatewheel/reactor"
)

// upstream is a connection to another server: the part of its session that HTTP/1 and HTTP/2 have in common. It
// implements a part of spi.Upstream. It belongs to the loop.
type upstream struct {
	connection
	notifierState

	self    upstreamSession // the session around it
	owner   spi.ConnOwner
	calls   linked.List[call, *call] // whose owners were not notified of their end
	sending progress
	failure *client.Error // with which the connection has ended; nil after Close
	due     connDue
	pings   []func(error) // callbacks of Ping

	used    bool // a call has begun
	closing bool // no further call may begin; it closes after the last one
	closed  bool // the socket is closed
}

// connDue are events of a connection that are due.
type connDue uint8

const (
	dueOpened  connDue = 1 << iota // ConnOwner.Opened
	dueChanged                     // ConnOwner.Changed
	duePong                        // callbacks of Ping
	dueClosed                      // ConnOwner.Closed
)

// upstreamSession is a connection to another server as its calls see it: h1Upstream or h2Upstream. On the loop, owned.
type upstreamSession interface {
	spi.Upstream
	transport
	reactor.Session
	// proceed sends the content that Expect holds back.
	proceed(c *call)
	// cancel ends a call in progress in such a way that the server does not take its request for complete.
	cancel(c *call)
	// ended is called when the connection is done with c.
	ended(c *call)
	// sent reports whether a byte of the request may have left.
	sent(c *call) bool
	// receivedAny reports whether a byte of the response has come.
	receivedAny(c *call) bool
	// leave closes the connection, which has no calls.
	leave()
}

// init completes a new connection, which has the session self.
func (u *upstream) init(l *loop, c *reactor.Conn, owner spi.ConnOwner, self upstreamSession) {
	u.connection = newConnection(l, c)
	u.session, u.self, u.owner = self, self, owner
	l.count.upstream.connected(self.Protocol())
	u.record(dueOpened)
}

// record notes that an event is due, and has the owner notified.
func (u *upstream) record(event connDue) {
	u.due |= event
	u.loop.announce(u, &u.notifierState)
}

// notify implements notifier.
func (u *upstream) notify() {
	u.queued, u.active = false, true
	for u.notifyNext() {
	}
	u.active = false
	u.leaveIfUnused()
}

// notifyNext calls the method of the owner that is due first. It reports false if none is.
func (u *upstream) notifyNext() bool {
	due := u.due
	switch {
	case len(u.pings) > 0 && (u.closed || due&duePong != 0):
		u.due &^= duePong
		u.answerPings()
	case u.closed && due&dueClosed != 0 && u.calls.Len() == 0:
		u.due = 0
		if u.failure != nil {
			u.owner.Closed(u.failure)
		} else {
			u.owner.Closed(nil)
		}
	case u.closed:
		return false
	case due&dueOpened != 0:
		u.due &^= dueOpened
		u.owner.Opened(u.self)
	case due&dueChanged != 0:
		u.due &^= dueChanged
		u.owner.Changed()
	default:
		return false
	}
	return true
}

// answerPings calls the callbacks of Ping.
func (u *upstream) answerPings() {
	var err error
	if u.closed {
		err = &client.Error{Kind: client.UpstreamEOF, Safe: true, Err: errLeftIdle}
		if u.failure != nil {
			err = u.failure
		}
	}
	for len(u.pings) > 0 {
		done := u.pings[0]
		u.pings = u.pings[1:]
		done(err)
	}
}

// interrupted implements notifier.
func (u *upstream) interrupted() {
	u.active = false
	u.loop.announce(u, &u.notifierState)
}

// callGone is called when a call has left calls.
func (u *upstream) callGone() {
	if u.calls.Len() > 0 {
		return
	}
	if u.closed {
		u.record(dueClosed)
		return
	}
	u.leaveIfUnused()
}

// leaveIfUnused closes the connection if it has no calls and shall close, or the server drains. Before Opened, the
// owner has had no opportunity to use it.
func (u *upstream) leaveIfUnused() {
	if u.calls.Len() > 0 || u.closed || u.due&dueOpened != 0 {
		return
	}
	if u.closing || u.loop.drainBy() != 0 {
		u.closing = true
		u.self.leave()
	}
}

// Info implements spi.Upstream.
func (u *upstream) Info() *app.ConnInfo { return &u.info }

// Draining implements spi.Upstream.
func (u *upstream) Draining() bool { return u.closing || u.closed }

// Close implements spi.Upstream.
func (u *upstream) Close() {
	u.closing = true
	u.due &^= dueOpened
	u.leaveIfUnused()
}

// drain implements drainer.
func (u *upstream) drain() { u.leaveIfUnused() }

// IdleSince implements reactor.IdleSession. It is the time of the connect: the loss of a connection in a pool costs
// little.
func (u *upstream) IdleSince() time.Duration {
	if u.calls.Len() > 0 || u.due != 0 || !u.used {
		return 0
	}
	return time.Duration(u.lastActive)
}

// retire lets no further call begin, and notifies the owner.
func (u *upstream) retire() {
	if u.closing {
		return
	}
	u.closing = true
	u.record(dueChanged)
	u.leaveIfUnused()
}

// failCalls ends all calls, and records the failure as that of the connection.
func (u *upstream) failCalls(kind client.Kind, err error) {
	u.closing = true
	if u.failure == nil {
		u.failure = &client.Error{Kind: kind, Safe: true, Err: err}
	}
	for c := u.calls.First(); c != nil; c = c.Next() {
		c.fail(kind, false, err)
	}
}

// inProgress reports whether a call is in progress.
func (u *upstream) inProgress() bool {
	for c := u.calls.First(); c != nil; c = c.Next() {
		if !c.over {
			return true
		}
	}
	return false
}

// gone is called when the socket is closed. err is that of reactor.Session.Closed.
func (u *upstream) gone(err error) {
	u.closed = true
	kind, cause := endOf(err)
	if !u.closing || u.inProgress() {
		u.failCalls(kind, cause)
	}
	u.loop.count.upstream.disconnected(u.failure)
	u.record(dueClosed)
}

// sentTo records that n bytes of output are written.
func (u *upstream) sentTo(n int) {
	if n > 0 {
		u.sending.add(u.conn.Queued(), n, u.loop.instant())
	}
}

// stuck ends the connection if the server has read nothing for Config.WriteTimeout. It reports whether it has.
func (u *upstream) stuck() bool {
	if !u.sending.stuck(u.conn, u.loop.instant(), u.loop.server.config.WriteTimeout) {
		return false
	}
	u.failCalls(client.IdleTimeout, errWriteBlocked)
	u.conn.Reset()
	return true
}

// stuckBy returns the time of the next look whether the server reads.
func (u *upstream) stuckBy() instant {
	return u.sending.by(u.conn, u.loop.instant(), u.loop.server.config.WriteTimeout)
}

// unable returns the error of a Start without capacity.
func (u *upstream) unable() error {
	kind := client.Overflow
	if u.Draining() {
		kind = client.Drained
	}
	return &client.Error{Kind: kind, Safe: true, Err: errNoCapacity}
}
