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

// Conn is a connection. Its methods may be called on its loop only, by code that owns the Loop, unless their
// comment allows more. On a closed connection they do nothing. An idle Conn holds no buffer.
type Conn struct {
	loop       atomic.Pointer[Loop]
	id         uint64
	session    Session
	filter     filter
	socket     engine.Socket // nil while no engine polls it: half-closed, or between engines
	listener   *listener     // nil: dialled
	kept       []byte        // input that the session has not consumed
	backlog    *backlog      // output that the kernel has not taken
	rare       *rareState
	deadline   int64 // as Loop.Age, in nanoseconds; 0: none
	fd         int32
	index      int32 // in Loop.conns
	timerIndex int32 // in timers.heap; -1: none
	phase      connPhase
	holds      holds
	polling    polling
	input      inputTurn
	watching   watching
	file       fileOutput

	touched  bool // the session is asked for output at the end of this turn
	switched bool // SetSession was called within Receive
	blamed   bool // closed for stalling its loop
}

// rareState is the state that few connections need. It is allocated on first use.
type rareState struct {
	unread        []byte   // input that a replaced filter has left to its successor
	remote, local net.Addr // from a PROXY header, or kept because no engine knows them any more
	cause         error    // for Session.Closed, once the output is out
	closeNotified bool     // the filter's close_notify is queued or sent
	refused       bool     // exceeds Config.MaxConnections
	lingerFrom    int64    // as Loop.Age; the start of phaseDiscarding
	lingerBy      int64    // as Loop.Age; its end at the latest
	departure     *departure
	ending        error // what tellEOF will record as cause, once the session has had its input
	halfClosed    *halfClosedEntry
	dialling      *dialling // of a dialled connection, until its session is open
	orphan        *orphan   // of a connection that was closed for stalling its loop
}

// ensureRare returns the rare state, allocated if there was none.
func (c *Conn) ensureRare() *rareState {
	if c.rare == nil {
		c.rare = &rareState{}
	}
	return c.rare
}

// takeUnread returns the input that a replaced filter has left, and forgets it.
func (c *Conn) takeUnread() (raw []byte) {
	if c.rare != nil {
		raw, c.rare.unread = c.rare.unread, nil
	}
	return raw
}

// Loop returns the Loop that the connection belongs to. It may be called on any goroutine, but only on that
// loop itself is the answer sure to stay true.
func (c *Conn) Loop() *Loop { return c.loop.Load() }

// Handle returns the Handle of the connection. It may be called on any goroutine.
func (c *Conn) Handle() Handle { return Handle{c.loop.Load().reactor.table, c.id} }

// Closed reports whether the connection is closed.
func (c *Conn) Closed() bool { return c.phase == phaseClosed }

// Session returns the current session; nil before the filters are established.
func (c *Conn) Session() Session { return c.session }

// SetSession switches the connection to another session. Input that the old session has left unconsumed, in
// this call of Receive or before, is presented to the new one in this turn. No method of the old session is
// called any more, not even Closed.
func (c *Conn) SetSession(s Session) {
	c.session = s
	c.switched = true
	c.presentAgain()
	c.Touch()
}

// Touch marks the connection: its session is asked for output at the end of this turn.
func (c *Conn) Touch() {
	if c.touched || c.Closed() {
		return
	}
	c.touched = true
	l := c.loop.Load()
	l.touched = append(l.touched, c)
}

// Pause stops reading, so that the kernel's receive window stops the peer. On a paused connection a reset is
// noticed, but not a FIN.
func (c *Conn) Pause() {
	if c.holds.set(heldBySession, true) {
		c.Touch()
	}
}

// Resume ends a pause. Kept input is presented again in this turn, whether reading was paused or not.
func (c *Conn) Resume() {
	c.holds.set(heldBySession, false)
	c.presentAgain()
	c.Touch()
}

// Yield postpones the input that Receive leaves to another turn, behind input of other connections. A session
// calls it within Receive when Loop.Spent reports true, and gets no input before that turn. Its output is
// written first.
func (c *Conn) Yield() { c.input = inputNextTurn }

// Paused reports whether the session has paused reading.
func (c *Conn) Paused() bool { return c.holds.has(heldBySession) }

// SetDeadline sets the time after which Session.Timeout is called once; the zero time is never. A call replaces
// the deadline of the call before. It is cheap if t is later than that one.
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

// SetDeadlineAt is SetDeadline with a time as Loop.Age returns it. An age of 0 or less has passed already.
func (c *Conn) SetDeadlineAt(age time.Duration) {
	if c.phase < phaseDiscarding {
		c.setDeadline(max(int64(age), 1))
	}
}

func (c *Conn) setDeadline(when int64) {
	c.deadline = when
	c.loop.Load().timers.schedule(c)
}

// expire acts on a deadline that has passed. It is called when the timer entry of c fires, which may be earlier.
func (c *Conn) expire(now int64) {
	switch {
	case c.deadline == 0:
		return
	case c.deadline > now:
		c.loop.Load().timers.schedule(c)
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

// lateness is the delay of a deadline beyond which the loop was stalled, or its process stopped. It then has the
// same time to read what has come meanwhile.
const lateness = 100 * time.Millisecond

// extendDeadline postpones a deadline that has passed, so that input which came in time is read first.
func (c *Conn) extendDeadline(now int64) {
	if c.deadline != 0 {
		c.setDeadline(max(c.deadline, now+int64(lateness)))
	}
}

// Queued returns the number of output bytes that the kernel has not taken. A file that waits for the kernel counts
// as one byte.
func (c *Conn) Queued() int {
	switch {
	case c.backlog != nil:
		return len(c.backlog.rest)
	case c.file&fileBlocked != 0:
		return 1
	}
	return 0
}

// Untaken returns the number of output bytes that the peer has not acknowledged: Queued, and what the kernel
// holds. With a slow peer it shrinks long before the kernel takes more. It costs a system call.
func (c *Conn) Untaken() int {
	n, err := unix.IoctlGetInt(int(c.fd), unix.TIOCOUTQ)
	if err != nil {
		n = 0
	}
	return c.Queued() + n
}

// Kept returns the number of input bytes that the session has not consumed.
func (c *Conn) Kept() int { return len(c.kept) }

// Waiting reports whether there is input that was not read, or was postponed. It costs a system call.
func (c *Conn) Waiting() bool {
	if c.input == inputNextTurn {
		return true
	}
	var one [1]byte
	n, _, err := unix.Recvfrom(int(c.fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == nil && n > 0
}

// Listener returns the configuration of the listener that accepted the connection; nil if it was dialled.
func (c *Conn) Listener() *ListenerConfig {
	if c.listener == nil {
		return nil
	}
	return &c.listener.config
}

// TLS returns the state of the TLS connection; nil without TLS.
func (c *Conn) TLS() *tls.ConnectionState {
	if r, ok := c.filter.(tlsReporter); ok {
		return r.connectionState()
	}
	return nil
}

// RemoteAddr returns the address of the peer, or the source address of its PROXY header. It costs a system call
// and an allocation on a connection that was moved.
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

// LocalAddr returns the address that the peer has connected to, or the destination address of its PROXY header.
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

// RemoteAddrPort returns RemoteAddr for TCP, the zero AddrPort for unix sockets. The address of an IPv4 peer is
// an IPv4 address on sockets of both families too.
func (c *Conn) RemoteAddrPort() netip.AddrPort { return toAddrPort(c.RemoteAddr()) }

// LocalAddrPort returns LocalAddr in the same way.
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
