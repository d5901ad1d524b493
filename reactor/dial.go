//go:build linux

package reactor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// dialling is a connection that was asked for and has no session yet.
type dialling struct {
	open func(*Conn) Session
	fail func(error)
}

// Dial connects to address and opens a session for the connection on this Loop. network is "tcp",
// "tcp4", "tcp6" or "unix", address as for net.Dial. From any goroutine; it returns at once.
//
// Exactly one of open and fail is called, once, on the loop, owned, and never from within Dial. open
// gives the session, as ListenerConfig.Open does; nil closes the connection. fail is told what net.Dial
// says, the error of ctx, or how the connection ended before open could be called. On a Loop that
// Reactor.Stop has ended, or ends meanwhile, it may be that neither is called.
//
// ctx bounds the dialling, with the look-up of a name, and nothing beyond: open may be called with a
// ctx that has ended just so, and the connection does not end with it. Whatever comes before open
// waits while the Loop stalls, and beyond ctx then.
//
// The connection has the socket options of an accepted one and behaves like one, but for its
// Listener, which is nil; there is no TLS. It may move, and it stays when its Loop goes on with another
// engine. From Dial on it counts as open: towards Config.MaxConnections, which keeps newcomers out and
// never a dial, and for Reactor.Stop, which waits for it, so that connections kept for later use have to
// be closed by whoever keeps them.
//
// Each dial takes a goroutine and up to three descriptors until open. Accepted connections leave the whole of
// Config.DescriptorReserve alone, dials half of it: a dial beyond that fails at once with EMFILE.
func (l *Loop) Dial(ctx context.Context, network, address string, open func(*Conn) Session, fail func(error)) {
	a := &arrival{fresh: -1, dialling: &dialling{open, fail}}
	r := l.reactor
	if !r.mayDial() {
		a.drop(l, errDialDescriptors)
		return
	}
	a.count(l)
	r.connecting.Add(1)
	go func() {
		fd, err := l.connect(ctx, network, address)
		r.connecting.Add(-1)
		if err != nil {
			a.drop(l, err)
			return
		}
		a.fresh = fd
		l.arrivals.add(l, a)
	}()
}

var errDialDescriptors = fmt.Errorf("reactor: dial: other descriptors are reserved: %w", syscall.EMFILE)

// connect gives the descriptor of a new connection. It ends with the Reactor.
func (l *Loop) connect(ctx context.Context, network, address string) (int, error) {
	switch network {
	case "tcp", "tcp4", "tcp6", "unix":
	default:
		return -1, net.UnknownNetworkError(network)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.reactor.life, cancel)()
	d := net.Dialer{
		KeepAlive: -1, // ours
		Control: func(network, _ string, raw syscall.RawConn) (err error) {
			if !strings.HasPrefix(network, "tcp") {
				return nil
			}
			control := raw.Control(func(fd uintptr) { err = prepareTCP(int(fd), l.reactor.config.NotsentLowat) })
			return errors.Join(control, err)
		},
	}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return -1, err
	}
	defer conn.Close()
	return takeDescriptor(conn.(syscall.Conn))
}

// takeDialling gives what the connection's session is still to come from, once.
func (c *Conn) takeDialling() (d *dialling) {
	if c.rare != nil {
		d, c.rare.dialling = c.rare.dialling, nil
	}
	return d
}

// failed tells whoever dials, from any goroutine, that there will be no session.
func (d *dialling) failed(l *Loop, err error) {
	l.Post(func() { d.fail(err) })
}
