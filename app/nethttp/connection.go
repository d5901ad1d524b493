package nethttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// connection is what the requests of a connection share. It is made at the first one and does not change.
type connection struct {
	ctx    context.Context
	remote string
}

// connectionOf returns the connection of r. On the loop.
func (a *adapter) connectionOf(r *app.Request) *connection {
	place := core.ConnValue(r)
	if place != nil {
		if c, ok := (*place).(*adapterConnection); ok && c.adapter == a {
			return &c.connection
		}
	}
	c := &adapterConnection{adapter: a, connection: a.connect(r.Conn())}
	if place != nil {
		*place = c
	}
	return &c.connection
}

// adapterConnection is a connection as one adapter sees it.
type adapterConnection struct {
	connection
	adapter *adapter
}

// connect calls the hooks of a new connection.
func (a *adapter) connect(info *app.ConnInfo) connection {
	local, remote := address(info.Local, ""), address(info.Peer, info.PeerName)
	ctx := context.WithValue(a.baseContext(local), http.LocalAddrContextKey, local)
	if f := a.server.ConnContext; f != nil {
		if ctx = f(ctx, &addressOnly{local: local, remote: remote}); ctx == nil {
			panic("nethttp: ConnContext returned a nil context")
		}
	}
	return connection{ctx: ctx, remote: remote.String()}
}

// address returns an address as a net.Addr: that of a unix socket if it is invalid.
func address(a interface {
	IsValid() bool
	String() string
}, name string) net.Addr {
	if !a.IsValid() {
		return &net.UnixAddr{Name: name, Net: "unix"}
	}
	return tcpAddr(a.String())
}

// tcpAddr returns the TCP address with that text.
func tcpAddr(text string) net.Addr {
	addr, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		return &net.TCPAddr{}
	}
	return addr
}

// errAddressOnly is the error of the methods of addressOnly.
var errAddressOnly = errors.New("nethttp: the connection belongs to its event loop")

// addressOnly is the net.Listener of BaseContext and the net.Conn of ConnContext: it has addresses and nothing else.
type addressOnly struct{ local, remote net.Addr }

func (addressOnly) Accept() (net.Conn, error)        { return nil, errAddressOnly }
func (addressOnly) Close() error                     { return errAddressOnly }
func (a addressOnly) Addr() net.Addr                 { return a.local }
func (a addressOnly) LocalAddr() net.Addr            { return a.local }
func (a addressOnly) RemoteAddr() net.Addr           { return a.remote }
func (addressOnly) Read([]byte) (int, error)         { return 0, errAddressOnly }
func (addressOnly) Write([]byte) (int, error)        { return 0, errAddressOnly }
func (addressOnly) SetDeadline(time.Time) error      { return errAddressOnly }
func (addressOnly) SetReadDeadline(time.Time) error  { return errAddressOnly }
func (addressOnly) SetWriteDeadline(time.Time) error { return errAddressOnly }
