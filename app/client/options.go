package client

import (
	"crypto/tls"
	"time"
)

// Options configures a Client. The zero value is useful.
type Options struct {
	// Timeout is the time until the head of a response, for requests that set none. 0 is
	// 60 s, a negative value no limit. It does not limit the content: see Total.
	Timeout time.Duration
	// Total is the time for a whole call, until the end of the response's content, for
	// requests that set none. 0 is no limit.
	Total time.Duration
	// NoTrace leaves out the trace context (package trace) of the request that asks, for
	// servers that should not see it.
	NoTrace bool
	// Origins has the options of origins that are named by a URL.
	Origins OriginOptions
}

// OriginOptions configures the connections to an origin. The zero value is useful.
type OriginOptions struct {
	// Addresses are asked in place of the name in the URL: host:port, or paths of unix
	// sockets. After a failure to connect, the next one is tried.
	Addresses []string
	// Resolve, if not nil, returns the addresses, for every connection that is opened. It
	// is called on the loop and must not block.
	Resolve func() []string
	// Authority is sent in place of the URL's host and port.
	Authority string
	// TLS is the base of the configuration for https and h2. The origin copies it, and
	// sets NextProtos, and ServerName and ClientSessionCache unless they are set.
	TLS *tls.Config
	// Certificates, if not nil, is used in place of TLS. It is called once, with the URL's
	// host and the protocols to be offered by ALPN, and returns a function that returns the
	// configuration of a new connection, so that files can be loaded again.
	// certs.ClientStore.Config is one. On the loop, the function must not block.
	Certificates func(host string, protocols ...string) func() *tls.Config
	// Prologue is sent first on each connection, before the TLS handshake, such as a header
	// of the PROXY protocol. A server that wants one about each client gets it from Private.
	Prologue []byte
	// HTTP1 makes https connections HTTP/1.1, without a choice.
	HTTP1 bool
	// Connect limits connecting and the TLS handshake together. 0 is 2 s.
	Connect time.Duration
	// Wait limits how long a request waits for a connection or a stream. 0 is no limit
	// besides the request's own.
	Wait time.Duration
	// Patience is how long requests wait for a server that refuses connections after it
	// had accepted one, such as during a restart. 0 is 2 s, a negative value none.
	Patience time.Duration
	// Idle is the time after which an idle connection is closed. 0 is 30 s for HTTP/1, or
	// less if the server says so (Keep-Alive), and 5 min for HTTP/2.
	Idle time.Duration
	// Age is the time after which a connection takes no more requests, shortened at random
	// by up to a tenth. 0 is no limit.
	Age time.Duration
	// Connections limits the HTTP/2 connections of each loop. 0 is 2: one for short
	// messages, and one for content that is long or of unknown length, or for more
	// requests than the first can take.
	Connections int
	// LastingConnections limits the HTTP/2 connections of each loop that are opened beyond
	// Connections when requests wait because tunnels, and responses whose content takes longer
	// than a second or two, use up the streams. 0 is 256, a negative value none.
	LastingConnections int
	// HTTP1Connections limits the HTTP/1 connections of all loops together. 0 is 1024.
	HTTP1Connections int
	// Streams limits the requests under way on one HTTP/2 connection. 0 is what the peer
	// allows.
	Streams int
	// Queue limits the requests that wait on one loop. 0 is 16384.
	Queue int
	// MaxHead limits the head of a response, and its trailers, in bytes. 0 is 64 KiB.
	MaxHead int
}

// withDefaults returns the options with values in place of zeros.
func (o OriginOptions) withDefaults() OriginOptions {
	o.Connect = durationOr(o.Connect, defaultConnect)
	o.Patience = durationOr(o.Patience, defaultPatience)
	o.Connections = intOr(o.Connections, defaultConnections)
	if o.LastingConnections == 0 {
		o.LastingConnections = defaultLastingConnections
	}
	o.HTTP1Connections = intOr(o.HTTP1Connections, defaultHTTP1Connections)
	o.Queue = intOr(o.Queue, defaultQueue)
	return o
}

func durationOr(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return max(d, 0)
}

func intOr(n, otherwise int) int {
	if n <= 0 {
		return otherwise
	}
	return n
}
