//go:build linux

package reactor

import (
	"crypto/tls"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/reactor/internal/engine"
)

// Conn is a connection. Its methods are for its loop, owned, unless they say otherwise; once the
// connection is closed they do nothing. An idle Conn holds no buffer.
type Conn struct {
	loop     atomic.Pointer[Loop]
	id       uint64
	session  Session
	filter   filter
	socket   engine.Socket // nil while no engine polls it: half-closed, or between engines
	listener *listener     // nil: dialled
	kept     []byte        // input that the session has not consumed
	backlog  *backlog      // output that the kernel has not taken
	rare     *rareState
	deadline int64 // in the measure of timers; 0: none
	fd       int32
	place    int32 // in Loop.conns
	moment   int32 // in timers.heap; -1: not there
	phase    connPhase
	holds    holds
	polling  polling
	input    inputTurn
	watching watching

	touched  bool // the session is asked for output at the end of this turn
	switched bool // SetSession was called within Receive
	blamed   bool // closed for stalling its loop
}

// rareState is what few connections have.
type rareState struct {
	unread        []byte   // what a filter has left for the one that takes its place
	remote, local net.Addr // as a PROXY header says, or kept from an engine that is gone
	cause         error    // for Session.Closed, after the output is out
	saidGoodbye   bool     // the filter's goodbye is said
	refused       bool     // exceeds Config.MaxConnections
	lingerFrom    int64    // in Loop.Age's measure; since when the connection lingers
	lingerBy      int64    // when it closes at the latest
	departure     *departure
	ending        error // as cause, which it becomes when the session has had its input and is told
	halfClosed    *halfClosedEntry
	dialling      *dialling // of a dialled connection, until its session is open
	orphan        *orphan   // of a connection that was closed for stalling its loop
}

func (c *Conn) ensureRare() *rareState {
	if c.rare == nil {
		c.rare = &rareState{}
	}
	return c.rare
}

// takeUnread gives what a replaced filter has left, once.
func (c *Conn) takeUnread() (raw []byte) {
	if c.rare != nil {
		raw, c.rare.unread = c.rare.unread, nil
	}
	return raw
}

// Loop is where the connection is at home now. From any goroutine; only on the loop itself is it
// certain to stay so.
func (c *Conn) Loop() *Loop { return c.loop.Load() }

// Handle names the connection; see there.
func (c *Conn) Handle() Handle { return Handle{c.loop.Load().reactor.table, c.id} }

// Closed says that the connection is gone.
func (c *Conn) Closed() bool { return c.phase == phaseClosed }

// Session is the present session.
func (c *Conn) Session() Session { return c.session }

// SetSession switches to another protocol. What the old session leaves unconsumed of its current
// Receive, or has left before, is presented to the new one in this turn. The old one hears nothing
// more, Closed included.
func (c *Conn) SetSession(s Session) {
	c.session = s
	c.switched = true
	c.presentAgain()
	c.Touch()
}

// Touch has the session asked for output at the end of this turn.
func (c *Conn) Touch() {
	if c.touched || c.Closed() {
		return
	}
	c.touched = true
	l := c.loop.Load()
	l.touched = append(l.touched, c)
}

// Pause stops reading, so that the kernel's window stops the peer. A paused connection does not
// notice a peer that leaves, unless by a reset.
func (c *Conn) Pause() {
	if c.holds.set(heldBySession, true) {
		c.Touch()
	}
}

// Resume ends a pause. Input that was kept is presented again in this turn, also when reading was
// not paused.
func (c *Conn) Resume() {
	c.holds.set(heldBySession, false)
	c.presentAgain()
	c.Touch()
}

// Yield has the input that Receive leaves presented again in a turn of its own, after input of other
// connections has been looked at. A session calls it within Receive when Loop.Spent reports true; until
// that turn it gets no further input. What it has for its peer is written first.
func (c *Conn) Yield() { c.input = inputNextTurn }

// Paused says whether the session has paused reading.
func (c *Conn) Paused() bool { return c.holds.has(heldBySession) }

// SetDeadline has Session.Timeout called once t has passed; the zero time: never. A later call
// replaces an earlier one. It costs next to nothing when t is later than what was set before.
func (c *Conn) SetDeadline(t time.Time) {
	if c.phase >= phaseDiscarding {
		return
	}
	if t.IsZero() {
		c.deadline = 0
		return
	}
	c.SetDeadlineAt(t.Sub(c.loop.Load().reactor.born))
}

// SetDeadlineAt is SetDeadline for a moment in Loop.Age's measure, which needs no conversion. What is
// not later than 0 has passed already.
func (c *Conn) SetDeadlineAt(age time.Duration) {
	if c.phase < phaseDiscarding {
		c.setDeadline(max(int64(age), 1))
	}
}

func (c *Conn) setDeadline(when int64) {
	c.deadline = when
	c.loop.Load().timers.watch(c)
}

// expire is called when the heap's entry for c has fired, which may be before the deadline.
func (c *Conn) expire(now int64) {
	switch {
	case c.deadline == 0:
		return
	case c.deadline > now:
		c.loop.Load().timers.watch(c)
		return
	case c.polling == pollMoving, c.input == inputNextTurn, now-c.deadline > int64(lateness) && c.polling != pollPaused && c.Waiting():
		c.extendDeadline(now)
		return
	}
	c.deadline = 0
	switch {
	case c.phase == phaseDiscarding:
		c.close(c.cause())
	case c.session == nil:
		c.close(c.loop.Load().handshakeOverdue())
	default:
		c.session.Timeout()
		c.Touch()
	}
}

// lateness is by how much a deadline must have been missed for the loop to count as late: it was
// stalled, or its process stopped. It is also the time in which it must have caught up.
const lateness = 100 * time.Millisecond

// extendDeadline puts off a deadline that has passed, so that what the peer has sent in time is read first.
func (c *Conn) extendDeadline(now int64) {
	if c.deadline != 0 {
		c.setDeadline(max(c.deadline, now+int64(lateness)))
	}
}

// Queued is how many bytes of output wait because the kernel has not taken them.
func (c *Conn) Queued() int {
	if c.backlog == nil {
		return 0
	}
	return len(c.backlog.rest)
}

// Untaken is Queued, and what the kernel holds besides because the peer has not acknowledged it, in bytes. A
// peer that reads slowly makes it smaller long before the kernel takes more. It costs a system call.
func (c *Conn) Untaken() int {
	n, err := unix.IoctlGetInt(int(c.fd), unix.TIOCOUTQ)
	if err != nil {
		n = 0
	}
	return c.Queued() + n
}

// Kept is how many bytes of input wait because the session has not consumed them.
func (c *Conn) Kept() int { return len(c.kept) }

// Waiting tells whether input has come that nobody has read yet. It asks the kernel.
func (c *Conn) Waiting() bool {
	if c.input == inputNextTurn {
		return true
	}
	var one [1]byte
	n, _, err := unix.Recvfrom(int(c.fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == nil && n > 0
}

// HalfClosed says that the peer's FIN has come and the connection stays for writing.
func (c *Conn) HalfClosed() bool {
	return c.socket == nil && c.rare != nil && c.rare.cause != nil
}

// Listener is what the connection was accepted by; nil for one that was dialled.
func (c *Conn) Listener() *ListenerConfig {
	if c.listener == nil {
		return nil
	}
	return &c.listener.config
}

// TLS is the state of the connection's TLS; nil without.
func (c *Conn) TLS() *tls.ConnectionState {
	if r, ok := c.filter.(tlsReporter); ok {
		return r.connectionState()
	}
	return nil
}

// RemoteAddr is the peer's address, that of a PROXY header where there was one. It costs a system
// call and an allocation on a connection that was moved or half-closed.
func (c *Conn) RemoteAddr() net.Addr {
	if c.rare != nil && c.rare.remote != nil {
		return c.rare.remote
	}
	if c.socket != nil {
		if addr := c.loop.Load().engine.Load().RemoteAddr(c.socket); addr != nil {
			return addr
		}
	}
	sa, err := unix.Getpeername(int(c.fd))
	if err != nil {
		return nil
	}
	return toAddr(sa)
}

// LocalAddr is the address that the peer has connected to, that of a PROXY header where there was
// one.
func (c *Conn) LocalAddr() net.Addr {
	if c.rare != nil && c.rare.local != nil {
		return c.rare.local
	}
	if c.listener != nil {
		if tcp, ok := c.listener.addr.(*net.TCPAddr); !ok || !tcp.IP.IsUnspecified() {
			return c.listener.addr
		}
	}
	sa, err := unix.Getsockname(int(c.fd))
	if err != nil {
		return nil
	}
	return toAddr(sa)
}

// RemoteAddrPort is RemoteAddr for TCP, an IPv4 address being one also on a socket of both
// families; zero for unix sockets.
func (c *Conn) RemoteAddrPort() netip.AddrPort { return toAddrPort(c.RemoteAddr()) }

// LocalAddrPort is LocalAddr likewise.
func (c *Conn) LocalAddrPort() netip.AddrPort { return toAddrPort(c.LocalAddr()) }

func toAddrPort(addr net.Addr) netip.AddrPort {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func toAddr(sa unix.Sockaddr) net.Addr {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)))
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(sa.Addr)
		if sa.ZoneId != 0 {
			if ifi, err := net.InterfaceByIndex(int(sa.ZoneId)); err == nil {
				addr = addr.WithZone(ifi.Name)
			}
		}
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, uint16(sa.Port)))
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: "unix"}
	default:
		return nil
	}
}
