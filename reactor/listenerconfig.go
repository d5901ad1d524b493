package reactor

import (
	"crypto/tls"
	"net"
	"os"
)

// ListenerConfig is the configuration of a listener: its address, and the handling of its connections.
type ListenerConfig struct {
	// Network is "tcp" (default), "tcp4", "tcp6" or "unix".
	Network string
	// Address is host:port for TCP, a path for unix. Port 0 means any free port, an empty host all addresses.
	Address string
	// File is an inherited listening socket; Network and Address are then ignored. The reactor uses a duplicate, and
	// the caller keeps the file.
	File *os.File
	// TLS is the configuration that connections are served with; nil: cleartext. Its callbacks run on
	// the goroutine of their handshake and may wait, for another handshake too; Rand and Time must not.
	// ClientHelloInfo.Conn has the addresses and carries no data. A callback that makes a config for
	// each connection costs kilobytes for as long as the connection lives.
	// certs.Store.Config and certs.WithProtocols return configurations for HTTP.
	TLS *tls.Config
	// ProxyProtocol selects the handling of a PROXY header, which precedes all other bytes, TLS included.
	ProxyProtocol ProxyMode
	// ProxyTrusted reports whether a peer may send a PROXY header; connections of other peers are closed. Nil trusts
	// all peers.
	ProxyTrusted func(peer net.Addr) bool
	// SocketMode is the permission of a unix socket's file. Zero means 0o666 less the umask.
	SocketMode os.FileMode
	// Value is the owner's. The reactor does not look at it.
	Value any
	// Open returns the session of a new connection. It is called on the loop of the connection, after the TLS handshake
	// and the PROXY header.
	Open func(*Conn) Session
}
