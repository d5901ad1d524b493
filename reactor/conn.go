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

// Conn is a connection. Its methods are for code that owns the connection's Loop, on that loop, unless their
// comment allows more. On a closed connection they have no effect. An idle Conn holds no buffer.
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
	deadline   int64 // Loop.Age in nanoseconds; 0: none
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

	postponed bool // touched, and in Loop.postponed
}

// rareState is the state that few connections need. It is allocated on first use.
type rareState struct {
	unread        []byte   // input that a replaced filter has left to its successor
	remote, local net.Addr // from a PROXY header, or kept since no engine knows them
	cause         error    // error for Session.Closed, after the output was sent
	peeked        error    // error that PeekInput has taken from the socket
	closeNotified bool     // the filter's close_notify is queued or sent
	shutsWrite    bool     // writing is shut down once the output was sent
	truncated     bool     // the peer has left without close_notify
	refused       bool     // exceeds Config.MaxConnections or a limit of its peer
	notAwaited    bool     // by Stop
	peerRefusal   PeerRefusal
	lingerFrom    int64 // Loop.Age at the start of phaseDiscarding, in nanoseconds
	lingerBy      int64 // Loop.Age at its end at the latest, in nanoseconds
	lingerRead    int   // bytes discarded in phaseDiscarding
	departure     *departure
	ending        error // postponed by tellEOF until the session has received its input
	halfClosed    *halfClosedEntry
	dialling      *dialling // of a dialled connection, until its session is open
	orphan        *orphan   // of a connection that was closed for stalling its loop
	value         any       // of Value
	pace          pace
	peer          *Peer // see Peer; nil without Config.Peers
}

// Value returns the place for a value that code above the session keeps for the connection. Few servers need one, so it
// takes memory from the first call on.
func (c *Conn) Value() *any { return &c.ensureRare().value }

// ensureRare returns the rare state, allocated if there was none.
func (c *Conn) ensureRare() *rareState {
	if c.rare == nil {
		c.rare = &rareState{}
	}
	return c.rare
}

// isEmpty reports whether r has nothing.
func (r *rareState) isEmpty() bool {
	return r.unread == nil && r.remote == nil && r.local == nil && r.cause == nil && r.peeked == nil &&
		!r.closeNotified && !r.shutsWrite && !r.truncated && !r.refused && r.lingerFrom == 0 && r.lingerBy == 0 &&
		r.departure == nil && r.ending == nil && r.halfClosed == nil && r.dialling == nil && r.orphan == nil &&
		!r.notAwaited && r.lingerRead == 0 && r.value == nil && r.pace == (pace{}) && r.peer == nil && r.peerRefusal == 0
}

// takeUnread removes and returns the input that a replaced filter has left.
func (c *Conn) takeUnread() (raw []byte) {
	if c.rare != nil {
		raw, c.rare.unread = c.rare.unread, nil
	}
	return raw
}

// Loop returns the Loop of the connection. On any goroutine; elsewhere than on that loop the connection may move
// at any time.
func (c *Conn) Loop() *Loop { return c.loop.Load() }

// Handle returns the Handle of the connection. On any goroutine.
func (c *Conn) Handle() Handle { return Handle{c.loop.Load().reactor.table, c.id} }

// Number returns a number that no other connection of the process has. On any goroutine.
func (c *Conn) Number() uint64 { return c.id }

// Closed reports whether the connection is closed.
func (c *Conn) Closed() bool { return c.phase == phaseClosed }

// Session returns the current session; nil before the filters are established.
func (c *Conn) Session() Session { return c.session }

// SetSession replaces the session. Input that the old session has left unconsumed is presented to the new one in
// this turn. No further method of the old session is called, not even Closed.
func (c *Conn) SetSession(s Session) {
	c.session = s
	c.switched = true
	c.presentAgain()
	c.Touch()
}

// DoNotAwait makes Stop wait no longer for the connection. Stop closes it at its end.
func (c *Conn) DoNotAwait() {
	if c.Closed() || c.ensureRare().notAwaited {
		return
	}
	c.rare.notAwaited = true
	r := c.loop.Load().reactor
	r.notAwaited.Add(1)
	r.signalEmpty()
}

// Touch has the session asked for output at the end of this turn, or later if TouchAfterPoll was called before.
func (c *Conn) Touch() {
	if c.touched || c.Closed() {
		return
	}
	c.touched = true
	l := c.loop.Load()
	l.touched = append(l.touched, c)
}

// Pause stops reading; the kernel's receive window then stops the peer. A paused connection notices a reset, but
// no FIN.
func (c *Conn) Pause() {
	if c.holds.set(heldBySession, true) {
		c.Touch()
	}
}

// Resume ends a pause. Unconsumed input is presented again in this turn, even if reading was not paused.
func (c *Conn) Resume() {
	c.holds.set(heldBySession, false)
	c.presentAgain()
	c.Touch()
}

// Yield postpones the input that Receive leaves to a later turn, after input of other connections. A session
// calls it within Receive when Loop.Spent reports true; it gets no input before that turn. Output is still written
// in this turn.
func (c *Conn) Yield() { c.input = inputNextTurn }

// Paused reports whether the session has paused reading.
func (c *Conn) Paused() bool { return c.holds.has(heldBySession) }

// SetDeadline sets the time at which Session.Timeout is called once, and replaces the previous deadline. The zero
// time means never. The call is cheap if t is later than the previous deadline.
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

// SetDeadlineAt is SetDeadline with a time in the unit of Loop.Age. An age of 0 or less has passed.
func (c *Conn) SetDeadlineAt(age time.Duration) {
	if c.phase < phaseDiscarding {
		c.setDeadline(max(int64(age), 1))
	}
}

func (c *Conn) setDeadline(when int64) {
	c.deadline = when
	c.loop.Load().timers.schedule(c)
}

// expire handles a fired timer entry of c: it acts on the deadline if that has passed, else schedules it again.
func (c *Conn) expire(now int64) {
	switch {
	case c.deadline == 0:
		return
	case c.deadline > now:
		c.loop.Load().timers.schedule(c)
		return
	case c.eventsComeFirst(now - c.deadline):
		c.extendDeadline(now)
		return
	}
	c.deadline = 0
	switch {
	case c.phase == phaseDiscarding:
		c.close(c.cause())
	case c.dialling() != nil:
		c.dialOverdue(now)
	case c.session == nil:
		c.close(c.loop.Load().handshakeOverdue())
	default:
		c.session.Timeout()
		c.Touch()
	}
}

// eventsComeFirst reports whether a deadline that has passed by late nanoseconds is to be extended, since input or the
// end of a connect may have come in time.
func (c *Conn) eventsComeFirst(late int64) bool {
	stalled := late > int64(lateness)
	switch {
	case c.input == inputNextTurn:
		return true
	case c.polling == pollConnecting:
		return stalled
	case c.polling == pollMoving:
		return stalled || c.dialling() == nil
	}
	return stalled && c.polling != pollPaused && c.Waiting()
}

// lateness is the delay of a deadline beyond which its loop counts as stalled, or the process as stopped. The deadline
// is then extended by the same time, so that input which has arrived meanwhile is read.
const lateness = 100 * time.Millisecond

// extendDeadline moves a deadline that has passed to lateness after now, so that input which arrived in time is read
// first.
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

// Untaken returns the number of output bytes that the peer has not acknowledged: Queued plus those in the kernel.
// With a slow peer it decreases earlier than Queued. It costs a system call.
func (c *Conn) Untaken() int {
	n, err := unix.IoctlGetInt(int(c.fd), unix.TIOCOUTQ)
	if err != nil {
		n = 0
	}
	return c.Queued() + n
}

// KeptInput returns the input that the session has not consumed. It is borrowed until the next event of the connection.
func (c *Conn) KeptInput() []byte { return c.kept }

// Kept returns the number of input bytes that the session has not consumed.
func (c *Conn) Kept() int { return len(c.kept) }

// Waiting reports whether there is input that was not read, or that Yield has postponed. It costs a system call.
func (c *Conn) Waiting() bool {
	waiting, _ := c.PeekInput()
	return waiting
}

// PeekInput looks at the socket without reading. waiting reports that there is input that was not read, or that Yield has
// postponed; ended, that the peer has closed or reset the connection and there is no input before that. Over TLS, input may
// be records without content, such as session tickets. An idle HTTP/1 connection is not to be used again if either is true
// (RFC 9112 section 9.3.1). It costs a system call.
func (c *Conn) PeekInput() (waiting, ended bool) {
	if c.Closed() || c.polling == pollHalfClosed {
		return false, true
	}
	if c.input == inputNextTurn {
		return true, false
	}
	var one [1]byte
	n, _, err := unix.Recvfrom(int(c.fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	switch {
	case n > 0:
		return true, false
	case err == unix.EAGAIN, err == unix.EINTR:
		return false, false
	case err != nil:
		c.ensureRare().peeked = err
	}
	return false, true
}

// ended returns the error with which the engine has reported the end of c's socket, or the error that PeekInput has taken
// from the socket: the kernel reports it once, and a FIN from then on.
func (c *Conn) ended(err error) error {
	if c.rare != nil && c.rare.peeked != nil {
		return c.rare.peeked
	}
	return err
}

// Truncated reports whether the peer has left a TLS connection without close_notify (RFC 9112 section 9.8). From
// Session.EOF on.
func (c *Conn) Truncated() bool { return c.rare != nil && c.rare.truncated }

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

// RemoteAddr returns the address of the peer, or the source address of its PROXY header; nil if unknown. On a moved
// connection it costs a system call and an allocation.
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

// LocalAddr returns the local address, or the destination address of the PROXY header; nil if unknown.
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

// RemoteAddrPort returns RemoteAddr as an AddrPort; the zero AddrPort for unix sockets. IPv4-mapped IPv6 addresses
// are returned as IPv4.
func (c *Conn) RemoteAddrPort() netip.AddrPort { return toAddrPort(c.RemoteAddr()) }

// LocalAddrPort returns LocalAddr in the same form as RemoteAddrPort.
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
