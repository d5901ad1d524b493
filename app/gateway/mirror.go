package gateway

import (
	"io"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/internal/deadline"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// mirror is a backend that gets copies of a part of the requests of a case. Any goroutine.
type mirror struct {
	backend  *Backend
	part     float64 // from 0 to 1
	underWay atomic.Int64
}

const (
	// maxCopies limits the copies under way to a mirror, whose contents take 16 MiB then.
	// Further requests are not copied.
	maxCopies = 256
	// copiedSize is the length of the longest content that is copied.
	copiedSize = 64 << 10
	// droppedSize is the length of a response that is read so that its connection can be
	// used again. A longer one is broken off.
	droppedSize = 1 << 20
	// copyTimeout limits the time of a copy where the case has no limit.
	copyTimeout = time.Minute
)

// mirrorCounts count the copies of a loop.
type mirrorCounts struct{ sent, failed, skipped atomic.Uint64 }

// MirrorCounts are the counters of copies of requests.
type MirrorCounts struct {
	// Sent is the number of copies that were sent.
	Sent uint64
	// Failed is the number of those that got no response, or one with a status from 500.
	Failed uint64
	// Skipped is the number of requests that were not copied: their content was too long or
	// did not arrive whole, or too many copies were under way.
	Skipped uint64
}

// requestCopy is a copy of a request. It belongs to the loop.
type requestCopy struct {
	to     *mirror
	l      *loopState
	call   client.Call
	out    spi.Outgoing
	peer   *peer
	probe  bool // the copy decides about the return of peer
	began  time.Time
	until  time.Time
	by     deadline.Entry // the next check
	wake   func()         // drop, as a value
	read   int            // bytes of the response
	judged bool           // the response has said something about the peer
	bad    bool
	over   bool // the call has ended
}

// mirror begins copies of the request, as the settings say. Those of requests with content
// are sent when it is complete.
func (x *exchange) mirror() {
	if x.head.websocket {
		return
	}
	for _, m := range x.settings.mirrors {
		if rand.Float64() >= m.part {
			continue
		}
		if c := m.copy(x); c != nil {
			x.copies = append(x.copies, c)
		}
	}
	if x.out.Content == nil {
		x.sendCopies()
	}
}

// copy returns a copy of the request without its content; nil if too many are under way.
func (m *mirror) copy(x *exchange) *requestCopy {
	if m.underWay.Add(1) > maxCopies {
		m.underWay.Add(-1)
		x.l.mirrored.skipped.Add(1)
		return nil
	}
	c := &requestCopy{to: m, l: x.l, began: x.l.home.Now()}
	c.until = c.began.Add(orDefault(x.settings.timeout, copyTimeout))
	c.wake = c.drop
	c.out = spi.Outgoing{
		Method: x.out.Method, Authority: x.head.authority, Target: x.out.Target, Fields: x.out.Fields.Clone(0),
		Sensitive: sensitiveNames(x.out.Fields, x.out.Sensitive),
	}
	if c.peer, c.probe = m.backend.choose(x.r, nil, c.began); c.peer != nil && x.settings.hostOfPeer {
		c.out.Authority = c.peer.origin.Authority()
	}
	return c
}

// sensitiveNames returns a function that reports what sensitive does for the names of fields, and
// may be called later.
func sensitiveNames(fields app.Fields, sensitive func(name string) bool) func(name string) bool {
	var names []string
	for i := range fields {
		if sensitive != nil && sensitive(fields[i].Name) {
			names = append(names, fields[i].Name)
		}
	}
	if names == nil {
		return nil
	}
	return func(name string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return octets.EqualFold(n, name) })
	}
}

// keepForCopies keeps content that was read for the copies. over: it is complete.
func (x *exchange) keepForCopies(p []byte, over bool, err error) {
	switch {
	case len(x.copied)+len(p) > copiedSize, err != nil && err != io.EOF:
		x.skipCopies()
	default:
		x.copied = append(x.copied, p...)
		if over {
			x.sendCopies()
		}
	}
}

// sendCopies sends the copies, in a task: the request's own try comes first.
func (x *exchange) sendCopies() {
	for _, c := range x.copies {
		if len(x.copied) > 0 {
			c.out.Content = app.Bytes(x.copied)
		}
		c.l.home.Post(c.send)
	}
	x.copies, x.copied = nil, nil
}

// skipCopies drops copies that were not sent.
func (x *exchange) skipCopies() {
	for _, c := range x.copies {
		c.l.mirrored.skipped.Add(1)
		c.leave(nil)
	}
	x.copies, x.copied = nil, nil
}

// send is a task of the loop.
func (c *requestCopy) send() {
	if !c.l.guard.Enter() {
		return
	}
	defer c.l.guard.Leave()
	c.l.mirrored.sent.Add(1)
	c.l.deadlines.Set(&c.by, c.nextLook(), c)
	c.to.backend.client.Start(&c.call, c.l.home.(spi.Dialer), &c.out, nil, c)
}

// Origin implements client.Events.
func (c *requestCopy) Origin(int, *client.Error) *client.Origin {
	if c.peer == nil {
		return nil
	}
	return c.peer.origin
}

// Interim implements client.Events.
func (c *requestCopy) Interim(int, app.Fields) {}

// Head implements client.Events.
func (c *requestCopy) Head(in *spi.Incoming) {
	now := c.l.home.Now()
	c.judged = c.peer.judge(in.Status, c.probe, now.Sub(c.began), now)
	c.bad = in.Status >= 500
	if in.ContentLength != 0 {
		c.drop()
	}
}

// drop reads and discards content of the response.
func (c *requestCopy) drop() {
	for {
		n, err := c.call.ReadBody(c.l.scratch(), c.wake)
		switch c.read += n; {
		case err != nil && c.over, c.read > droppedSize:
			c.finish(nil)
			return
		case err != nil, n == 0:
			return
		}
	}
}

// Ended implements client.Events.
func (c *requestCopy) Ended(err *client.Error) {
	c.over = true
	c.finish(err)
}

// nextLook returns the time of the next check of the copy: at its deadline, but within a
// second, since a draining server does not wait for copies.
func (c *requestCopy) nextLook() time.Time {
	next := c.l.home.Now().Add(time.Second)
	if next.After(c.until) {
		return c.until
	}
	return next
}

// Expired implements deadline.Expirer.
func (c *requestCopy) Expired(e *deadline.Entry) {
	drains := false
	if d, ok := c.l.home.(spi.Drainer); ok {
		drains = d.Draining()
	}
	if !drains && c.l.home.Now().Before(c.until) {
		c.l.deadlines.Set(e, c.nextLook(), c)
		return
	}
	c.finish(&client.Error{Kind: client.HeadTimeout, Sent: true})
}

// finish ends the copy.
func (c *requestCopy) finish(failure *client.Error) {
	if failure != nil || c.bad {
		c.l.mirrored.failed.Add(1)
	}
	c.l.deadlines.Clear(&c.by)
	c.call.Release()
	c.leave(failure)
}

// leave makes room for another copy.
func (c *requestCopy) leave(failure *client.Error) {
	if c.peer != nil {
		c.peer.leaveAfter(c.judged, c.probe, failureReason(failure), failure, c.l.home.Now())
	}
	c.to.underWay.Add(-1)
}

// scratchSize is the size of a loop's buffer for content that is dropped.
const scratchSize = 16 << 10

// scratch returns memory for content that is dropped.
func (l *loopState) scratch() []byte {
	if l.dropped == nil {
		l.dropped = make([]byte, scratchSize)
	}
	return l.dropped
}
