//go:build linux

package reactor

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/reactor/internal/engine"
)

// target is an address to connect to.
type target struct {
	family  int
	address unix.Sockaddr
	ip      netip.AddrPort // zero for unix sockets
}

func (t *target) String() string {
	if t.family == unix.AF_UNIX {
		return t.address.(*unix.SockaddrUnix).Name
	}
	return t.ip.String()
}

// targetTo returns the target of a TCP address. zone is the index of the interface that a link-local address needs.
func targetTo(ip netip.Addr, port uint16, zone uint32) target {
	ip = ip.Unmap()
	t := target{ip: netip.AddrPortFrom(ip, port)}
	if ip.Is4() {
		t.family, t.address = unix.AF_INET, &unix.SockaddrInet4{Port: int(port), Addr: ip.As4()}
	} else {
		t.family, t.address = unix.AF_INET6, &unix.SockaddrInet6{Port: int(port), Addr: ip.As16(), ZoneId: zone}
	}
	return t
}

// attemptDefault is the time for an attempt at one of several addresses, if the dial has no deadline to be divided.
const attemptDefault = 10 * time.Second

// connect connects to the first of the remaining targets of a dial, or, where that fails, to the next ones. The dial
// fails with the error of the last.
func (c *Conn) connect(d *dialling) {
	d.stage = DialConnect
	for len(d.targets) > 0 {
		if err := c.openSocket(&d.targets[0]); err != nil {
			if engine.Scarce(err) {
				d.stage = DialDescriptors
				c.close(err)
				return
			}
			c.attemptFailed(d, err)
			continue
		}
		if len(d.targets) > 1 {
			d.next = c.loop.Load().AfterFunc(c.attemptTime(len(d.targets)), func() { c.attemptOverdue(d) })
		}
		if err := c.attempt(d); err != nil {
			c.attemptFailed(d, err)
			continue
		}
		return
	}
	c.close(d.failure)
}

// openSocket gives c a socket for t that does not block.
func (c *Conn) openSocket(t *target) error {
	fd, err := unix.Socket(t.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	c.fd = int32(fd)
	if t.family != unix.AF_UNIX {
		err = prepareTCP(fd, c.loop.Load().reactor.config.NotsentLowat)
	}
	return err
}

// attempt connects, or continues to connect, to the first target. If that takes time, connectReported follows.
func (c *Conn) attempt(d *dialling) error {
	t := &d.targets[0]
	err := unix.Connect(int(c.fd), t.address)
	if err == unix.EINPROGRESS {
		// A peer on this machine has often answered by now. This saves the wait for a report.
		err = unix.Connect(int(c.fd), t.address)
	}
	switch err {
	case nil, unix.EISCONN:
		return c.connected(d)
	case unix.EINPROGRESS, unix.EALREADY, unix.EINTR:
		c.arm(c.loop.Load())
		return nil
	case unix.EAGAIN:
		if t.family != unix.AF_UNIX {
			return unix.EADDRNOTAVAIL // no port is free
		}
		// The listener's queue is full, and nothing reports when it is not.
		d.endAttempt()
		d.next = c.loop.Load().AfterFunc(arrivalPause, func() { c.connectReported() })
		return nil
	}
	return err
}

// connectReported continues a connection attempt after a report about its socket. A report can be that of an earlier
// attempt.
func (c *Conn) connectReported() {
	d := c.dialling()
	if d == nil || c.polling != pollConnecting || c.fd < 0 {
		return
	}
	c.loop.Load().guarded(c, func(c *Conn) {
		if err := c.attempt(d); err != nil {
			c.attemptFailed(d, err)
			c.connect(d)
		}
	})
}

// attemptTime returns the time for the first of so many targets: an equal share of the time that is left.
func (c *Conn) attemptTime(targets int) time.Duration {
	if c.deadline == 0 {
		return attemptDefault
	}
	return (time.Duration(c.deadline) - c.loop.Load().Age()) / time.Duration(targets)
}

// attemptOverdue goes on with the next target.
func (c *Conn) attemptOverdue(d *dialling) {
	if c.dialling() != d || c.polling != pollConnecting {
		return
	}
	c.loop.Load().guarded(c, func(c *Conn) {
		if err := c.lastAttempt(d); err != nil {
			c.attemptFailed(d, err)
			c.connect(d)
		}
	})
}

// lastAttempt continues to connect to the first target, whose time is over: a loop that was busy may not have heard that
// the socket is connected. It fails with errDialTimeout if it is not.
func (c *Conn) lastAttempt(d *dialling) error {
	if err := c.attempt(d); err != nil {
		return err
	}
	if c.polling == pollConnecting {
		return errDialTimeout
	}
	return nil
}

// dialOverdue ends the dial of c at its deadline, unless its socket is connected by now.
func (c *Conn) dialOverdue(now int64) {
	d := c.dialling()
	if c.polling != pollConnecting || c.fd < 0 {
		c.close(errDialTimeout)
		return
	}
	if err := c.lastAttempt(d); err != nil {
		c.close(err)
		return
	}
	c.setDeadline(now + int64(lateness)) // for the move to the engine
}

// attemptFailed drops the first target and its socket.
func (c *Conn) attemptFailed(d *dialling, err error) {
	d.endAttempt()
	d.failure = err
	if len(d.targets) > 0 {
		if t := d.targets[0].String(); t != d.config.Address {
			d.failure = fmt.Errorf("%s: %w", t, err)
		}
		d.targets = d.targets[1:]
	}
	if c.fd >= 0 {
		c.loop.Load().writable.forget(c)
		_ = unix.Close(int(c.fd))
		c.fd = -1
	}
}

// endAttempt stops the timer of the attempt in progress.
func (d *dialling) endAttempt() {
	if d.next != nil {
		d.next.Stop()
		d.next = nil
	}
}

// connected passes the connected socket to the engine.
func (c *Conn) connected(d *dialling) error {
	if c.toItself(&d.targets[0]) {
		return unix.ECONNREFUSED
	}
	if err := sendPrologue(int(c.fd), d.config.Prologue); err != nil {
		return err
	}
	d.endAttempt()
	d.targets = nil
	c.polling = pollMoving
	l := c.loop.Load()
	l.arrivals.add(l, &arrival{conn: c})
	return nil
}

var errPrologue = errors.New("the bytes before the first request do not fit the socket's buffer")

// sendPrologue sends what precedes the TLS handshake or the first request on a new socket.
func sendPrologue(fd int, prologue []byte) error {
	if len(prologue) == 0 {
		return nil
	}
	n, err := unix.Write(fd, prologue)
	if err == nil && n < len(prologue) {
		err = errPrologue
	}
	return err
}

// toItself reports whether the socket is connected to itself: a dial to a local port at which nobody listens may get
// that very port as its own.
func (c *Conn) toItself(t *target) bool {
	if ip := t.ip.Addr(); t.family == unix.AF_UNIX || !ip.IsLoopback() && !ip.IsUnspecified() {
		return false
	}
	local, err := unix.Getsockname(int(c.fd))
	if err != nil {
		return false
	}
	own := toAddrPort(toAddr(local))
	return own == t.ip || own.Port() == t.ip.Port() && t.ip.Addr().IsUnspecified()
}
