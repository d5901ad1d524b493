//go:build linux

package server

import (
	"cmp"
	"slices"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/reactor"
)

// snapshotWait is how long a snapshot waits for a loop.
const snapshotWait = 200 * time.Millisecond

// snapshotsMost is the number of snapshots that a loop may owe: beyond, it is not asked again before it has answered.
const snapshotsMost = 4

// collect asks loops for their part of a snapshot, and returns the parts of those that answer in time and the indexes of
// the others. ask is called on the loop, owned, and calls deliver once.
func collect[T any](loops []*loop, ask func(l *loop, deliver func([]T))) (all []T, stalled []int) {
	type part struct {
		index int
		items []T
	}
	parts := make(chan part, len(loops))
	open := map[int]bool{}
	waiting := 0
	for _, l := range loops {
		index := l.r.Index()
		open[index] = true
		if l.snapshots.Add(1) > snapshotsMost {
			l.snapshots.Add(-1)
			continue
		}
		waiting++
		l.r.Post(func() {
			ask(l, func(items []T) {
				l.snapshots.Add(-1)
				parts <- part{index, items}
			})
		})
	}
	late := time.NewTimer(snapshotWait)
	defer late.Stop()
	for waiting > 0 {
		select {
		case p := <-parts:
			all = append(all, p.items...)
			delete(open, p.index)
			waiting--
		case <-late.C:
			waiting = 0
		}
	}
	for _, l := range loops {
		if open[l.r.Index()] {
			stalled = append(stalled, l.r.Index())
		}
	}
	return all, stalled
}

// best has the items of a list that come first in an order, at most about twice the limit.
type best[T any] struct {
	items   []T
	limit   int
	compare func(a, b T) int
}

// add adds an item.
func (b *best[T]) add(item T) {
	if b.items = append(b.items, item); len(b.items) >= 2*b.limit {
		b.sorted()
	}
}

// sorted returns the first items, up to the limit.
func (b *best[T]) sorted() []T {
	slices.SortStableFunc(b.items, b.compare)
	if len(b.items) > b.limit {
		clear(b.items[b.limit:])
		b.items = b.items[:b.limit]
	}
	return b.items
}

// RequestQuery selects requests in flight.
type RequestQuery struct {
	// Limit is the largest number of requests; 0 means 100.
	Limit int
	// Line, if not nil, makes RequestInfo.Line. It is called on the request's loop, like a LoopObserver.
	Line func(dst []byte, r *app.Request, rec *Record) []byte
}

// RequestInfo describes a request in flight.
type RequestInfo struct {
	Loop             int
	Conn             uint64 // ConnRecord.Number
	Stream           uint32
	Method, Target   string
	Authority, Route string
	Protocol, Peer   string
	Arrived          time.Time
	Age              time.Duration
	Phase            spi.Phase
	Event            Event // EventOpen: it lasts
	Status           int   // 0: the response has not begun
	In, Out          int64
	Line             []byte // of RequestQuery.Line
}

// defaultLimit is the limit of a query that names none.
const defaultLimit = 100

// Requests returns the requests in flight, the oldest first. WebSockets are among them if the server has observers. It
// waits at most 200 ms; stalled has the indexes of loops that have not answered. Any goroutine.
func (s *Server) Requests(q RequestQuery) (requests []RequestInfo, stalled []int) {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	older := func(a, b *exchange) int { return a.Arrived.Compare(b.Arrived) }
	requests, stalled = collect(s.loops(), func(l *loop, deliver func([]RequestInfo)) {
		found := best[*exchange]{limit: limit, compare: older}
		l.r.EachConn(func(c *reactor.Conn) { eachOpen(c, found.add) }, func() { deliver(l.inFlight(found.sorted(), q.Line)) })
	})
	first := best[RequestInfo]{items: requests, limit: limit, compare: func(a, b RequestInfo) int { return a.Arrived.Compare(b.Arrived) }}
	return first.sorted(), stalled
}

// eachOpen calls visit for the open requests of a client's connection. On its loop.
func eachOpen(c *reactor.Conn, visit func(x *exchange)) {
	var live *exchange
	switch s := c.Session().(type) {
	case *h1Session:
		live = s.live
	case *h1Tunnel:
		live = s.live
	case *h1Socket:
		s.visitSeen(visit)
	case *h2Session:
		live = s.live
		for _, k := range s.sockets() {
			k.visitSeen(visit)
		}
	}
	for x := live; x != nil; x = x.next {
		visit(x)
	}
}

// visitSeen calls visit for the request of an open WebSocket that is observed.
func (s *socket) visitSeen(visit func(x *exchange)) {
	if s.rare != nil && s.rare.seen != nil {
		visit(s.rare.seen)
	}
}

// inFlight describes those of the requests that have not ended meanwhile.
func (l *loop) inFlight(open []*exchange, line func(dst []byte, r *app.Request, rec *Record) []byte) (requests []RequestInfo) {
	now := l.r.Now()
	for _, x := range open {
		if x.over() || x.Arrived.IsZero() {
			continue
		}
		rec := l.fill(x, now)
		info := RequestInfo{
			Loop: rec.Conn.Loop, Conn: rec.Conn.Number, Stream: rec.Stream,
			Method: x.Method, Target: rec.Target, Authority: x.Authority, Route: rec.Route,
			Protocol: x.Protocol, Peer: x.info.PeerString(),
			Arrived: x.Arrived, Age: rec.Total, Phase: x.phase(spi.EndedByClient), Event: rec.Event,
			Status: rec.Status, In: rec.In, Out: rec.Out,
		}
		if line != nil {
			info.Line = line(nil, &x.Request, rec)
		}
		requests = append(requests, info)
	}
	return requests
}

// ConnSort is an order of connections.
type ConnSort uint8

const (
	// ByAge has the oldest first.
	ByAge ConnSort = iota
	// ByIdle has those first that have been without input and output for the longest time.
	ByIdle
	// ByRequests, ByIn and ByOut have those first with the most requests, or bytes received or sent.
	ByRequests
	ByIn
	ByOut
)

// ConnQuery selects connections of clients.
type ConnQuery struct {
	// Loop is the index of a loop; negative: all.
	Loop int
	Sort ConnSort
	// Limit is the largest number of connections; 0 means 100.
	Limit int
}

// ConnInfo describes the connection of a client.
type ConnInfo struct {
	Number      uint64 // ConnRecord.Number
	Loop        int
	Peer, Local string
	// Protocol is "http/1", "http/2", "websocket", "tunnel" or, before the first bytes, "".
	Protocol string
	// Age is the time since the first bytes, in seconds, 0 for a WebSocket or a tunnel; Idle that since something was
	// received or sent, over HTTP/2 since a request began or ended, with the precision that timeouts need.
	Age, Idle time.Duration
	// Requests is the number of requests that have arrived, Open that of those in flight.
	Requests uint64
	Open     int
	// In and Out are the bytes that the kernel has received, and those that the client has acknowledged.
	In, Out uint64
	// TLS has the version of TLS, its cipher suite, the server name and the protocol by ALPN; empty in cleartext.
	TLS ConnTLS
}

// ConnTLS describes the TLS of a connection.
type ConnTLS struct {
	Version, Cipher uint16
	ServerName      string
	Protocol        string
	Resumed         bool
}

// Connections returns connections of clients. It waits at most 200 ms; stalled has the indexes of loops that have not
// answered. Any goroutine.
func (s *Server) Connections(q ConnQuery) (conns []ConnInfo, stalled []int) {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	loops := s.loops()
	if q.Loop >= len(loops) {
		return nil, nil
	} else if q.Loop >= 0 {
		loops = loops[q.Loop : q.Loop+1]
	}
	conns, stalled = collect(loops, func(l *loop, deliver func([]ConnInfo)) {
		found := best[foundConn]{limit: limit, compare: func(a, b foundConn) int { return q.Sort.compare(a.ConnInfo, b.ConnInfo) }}
		l.r.EachConn(func(c *reactor.Conn) {
			if c.Listener() != nil {
				found.add(l.find(c, q.Sort))
			}
		}, func() { deliver(l.describeFound(found.sorted())) })
	})
	first := best[ConnInfo]{items: conns, limit: limit, compare: q.Sort.compare}
	return first.sorted(), stalled
}

// foundConn is a connection of which only what its order needs is known.
type foundConn struct {
	ConnInfo
	conn *reactor.Conn
}

// find returns what the order of c needs.
func (l *loop) find(c *reactor.Conn, by ConnSort) foundConn {
	f := foundConn{conn: c}
	if by == ByIn || by == ByOut {
		f.In, f.Out = c.Transferred()
	}
	opened, active := uint32(0), instant(0)
	switch s := c.Session().(type) {
	case *h1Session:
		f.Protocol, opened, active = "http/1", s.opened, s.lastActive
		f.Requests, f.Open = s.machine.Requests(), s.openExchanges()
	case *h2Session:
		f.Protocol, opened, active = "http/2", s.opened, s.lastActive
		f.Requests, f.Open = uint64(s.requests), s.machine.Streams()
	case *h1Socket:
		f.Protocol, f.Open = "websocket", 1
	case *h1Tunnel:
		f.Protocol, active, f.Open = "tunnel", s.lastActive, 1
	case *detector:
		active = s.opened
		opened = uint32(time.Duration(s.opened)/time.Second) + 1
	}
	if active != 0 {
		f.Idle = max(time.Duration(l.instant()-active), 0)
	}
	if opened != 0 {
		f.Age = time.Duration(l.ageInSeconds()-opened) * time.Second
	}
	return f
}

// describeFound completes the description of the connections that are still open.
func (l *loop) describeFound(found []foundConn) (conns []ConnInfo) {
	for _, f := range found {
		c := f.conn
		if c.Closed() || c.Loop() != l.r {
			continue
		}
		info := f.ConnInfo
		known := l.describe(c)
		info.Number, info.Loop, info.Peer = c.Number(), l.r.Index(), known.PeerString()
		if known.Local.IsValid() {
			info.Local = known.Local.String()
		}
		info.In, info.Out = c.Transferred()
		if t := known.TLS; t != nil {
			info.TLS = ConnTLS{t.Version, t.CipherSuite, t.ServerName, t.NegotiatedProtocol, t.DidResume}
		}
		conns = append(conns, info)
	}
	return conns
}

// compare is the order of two connections.
func (by ConnSort) compare(a, b ConnInfo) int {
	switch by {
	case ByIdle:
		return cmp.Compare(b.Idle, a.Idle)
	case ByRequests:
		return cmp.Compare(b.Requests, a.Requests)
	case ByIn:
		return cmp.Compare(b.In, a.In)
	case ByOut:
		return cmp.Compare(b.Out, a.Out)
	}
	return cmp.Compare(b.Age, a.Age)
}
