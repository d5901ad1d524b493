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

// dialling is a Dial whose connection has no session yet.
type dialling struct {
	open func(*Conn) Session
	fail func(error)
}

// Dial connects to address and opens a session for the connection on this Loop. network is "tcp", "tcp4", "tcp6" or
// "unix", address as for net.Dial. It returns at once. On any goroutine.
//
// Either open or fail is called once, on the loop, owned, after Dial has returned. open returns the session, as
// ListenerConfig.Open does; nil closes the connection. fail receives the error of net.Dial or ctx, or the error with
// which the connection was closed before open. If Reactor.Stop ends the Loop, possibly neither is called.
//
// ctx applies to name resolution and connect, not to the connection: open may be called after ctx has ended. While the
// Loop stalls, open and fail are delayed, even beyond the end of ctx.
//
// The connection has the socket options of an accepted one, no TLS, and a nil Listener. It may move, and it survives
// the replacement of its Loop's engine. From Dial on it counts as an open connection: Reactor.Stop waits for it, so a
// pool must close its idle connections at a shutdown. Config.MaxConnections counts it, but refuses accepted connections
// only.
//
// Each dial takes a goroutine and up to three descriptors until open. Dials may use half of Config.DescriptorReserve;
// beyond that a dial fails at once with EMFILE.
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

var errDialDescriptors = fmt.Errorf("reactor: dial: the remaining descriptors are reserved: %w", syscall.EMFILE)

// connect returns the descriptor of a new connection. It fails when the Reactor ends.
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

// takeDialling removes and returns the Dial of a connection whose session is not open; nil if there is none.
func (c *Conn) takeDialling() (d *dialling) {
	if c.rare != nil {
		d, c.rare.dialling = c.rare.dialling, nil
	}
	return d
}

// failed calls fail on the loop. On any goroutine.
func (d *dialling) failed(l *Loop, err error) {
	l.Post(func() { d.fail(err) })
}
