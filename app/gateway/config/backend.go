package config

import "time"

// Backend is a group of servers with the same content. In the file its URL stands for one
// peer, and a list of URLs for several.
type Backend struct {
	// Peers are the servers: a URL, a list, or {file: peers.yaml}. An element of a list is
	// a URL or {url, weight}.
	Peers Peers `file:"peers" default:"needed"`
	// Balance is how a peer is chosen: least (of two at random the one with fewer requests
	// in progress, by weight), round, ewma (of two at random the one with the lower product
	// of latency and requests), {hash: client | path | header:NAME | cookie:NAME}, or
	// cookie (the peer of the client's first request, in a signed cookie).
	Balance Balance `file:"balance" default:"least"`
	// Connections is, for HTTP/2, the number of connections of a loop to a peer, and for
	// HTTP/1.1 that of all loops together, beyond which requests wait for at most Connect.
	Connections int `file:"connections" default:"2 (HTTP/2), 1024 (HTTP/1.1)"`
	// Streams is the number of requests at once on one HTTP/2 connection.
	Streams int `file:"streams" default:"as the peer allows"`
	// Connect is the time for connecting, TLS included.
	Connect time.Duration `file:"connect" default:"2s"`
	// Idle is the time after which an unused connection is closed.
	Idle time.Duration `file:"idle" default:"30s (HTTP/1.1), 5m (HTTP/2)"`
	// Age is the age, with jitter, after which a connection gets no further requests.
	Age time.Duration `file:"age" default:"no limit"`
	// Health asks peers whether they are well: GET /path, or a mapping.
	Health *Health `file:"health" default:"none"`
	// Eject keeps requests from peers that fail; off, or a mapping.
	Eject *Eject `file:"eject" default:"on"`
	// SlowStart is the time in which a new or returning peer gets its share gradually.
	SlowStart time.Duration `file:"slow-start" default:"off"`
	// TLS is how peers are verified, for https and h2.
	TLS *TLS `file:"tls" default:"the system's authorities, the URL's host"`
	// ProxyProtocol sends a PROXY header with the client's address, v1 or v2. Then
	// connections are not shared between clients.
	ProxyProtocol ProxyProtocol `file:"proxy-protocol" default:"off"`
	// Share is false for connections that each serve only one client.
	Share Switch `file:"share" default:"true"`
}

// Peers are the servers of a backend: a list, or a file with one.
type Peers struct {
	// List has the servers.
	List []Peer
	// File is a YAML file with such a list. It is read again when it changes.
	File string `file:"file" default:"none"`
}

// Peer is a server, or all servers that a name leads to.
type Peer struct {
	// URL is scheme://host[:port]. The schemes are http (HTTP/1.1), h2c (HTTP/2 without
	// TLS), https (TLS, ALPN decides) and h2 (TLS, HTTP/2 only); with +unix for a socket,
	// as in h2c+unix:/run/app.sock, and with srv+ in front for SRV records. target: is
	// the built-in application.
	URL string `file:"url" default:"needed"`
	// Weight is the peer's share of requests in relation to others.
	Weight int `file:"weight" default:"1"`
}

// Balance is how a peer is chosen.
type Balance struct {
	// Method is the method; Hash needs a Key.
	Method BalanceMethod
	// Hash is what requests for the same peer have in common: client, path, header:NAME
	// or cookie:NAME.
	Hash Key `file:"hash" default:"needed"`
}

// BalanceMethod is a method of choosing a peer.
type BalanceMethod string

// Methods of choosing a peer. The empty one is Least.
const (
	Least  BalanceMethod = "least"
	Round  BalanceMethod = "round"
	EWMA   BalanceMethod = "ewma"
	Hash   BalanceMethod = "hash"
	Cookie BalanceMethod = "cookie"
)

// Health is a question that peers are asked regularly, with jitter. One of Request, GRPC
// and TCP is set.
type Health struct {
	// Request is a method and a path.
	Request string `file:"request" default:"none"`
	// GRPC is the service that grpc.health.v1.Health is asked about; "" is the server.
	GRPC *string `file:"grpc" default:"none"`
	// TCP opens a connection, with TLS where the URL has it, and asks nothing.
	TCP bool `file:"tcp" default:"false"`
	// Every is the time between two questions.
	Every time.Duration `file:"every" default:"5s"`
	// Timeout is the time for an answer.
	Timeout time.Duration `file:"timeout" default:"1s"`
	// Rise is the number of good answers after which a peer returns.
	Rise int `file:"rise" default:"2"`
	// Fall is the number of bad answers after which a peer gets no requests.
	Fall int `file:"fall" default:"3"`
	// Expect has the good statuses: 200-299, 204, or a list of such.
	Expect []StatusRange `file:"expect" default:"200-299"`
}

// Eject keeps requests from a peer after consecutive failures: of connections, or with
// 502, 503 and 504. One request decides whether it returns.
type Eject struct {
	// Off switches ejection off.
	Off bool
	// Failures is the number of consecutive failures.
	Failures int `file:"failures" default:"5"`
	// For is the time without requests. It grows with each ejection, up to 300s.
	For time.Duration `file:"for" default:"10s"`
	// Most is the largest part of the peers that are ejected at once.
	Most Percent `file:"most" default:"50%"`
}

// TLS is how peers are verified.
type TLS struct {
	// Name is the name that a peer's certificate must have, and the server name.
	Name string `file:"name" default:"the URL's host"`
	// CA is a PEM file with authorities.
	CA string `file:"ca" default:"the system's"`
	// Cert is a PEM file with the certificate that peers are shown.
	Cert string `file:"cert" default:"none"`
	// Key is the PEM file with its key.
	Key string `file:"key" default:"none"`
	// Verify is false to accept any certificate.
	Verify Switch `file:"verify" default:"true"`
	// Min is the lowest version: "1.2" or "1.3".
	Min TLSVersion `file:"min" default:"1.2"`
}

// TLSVersion is a version of TLS, "1.2" or "1.3".
type TLSVersion string

// ProxyProtocol is a version of the PROXY protocol: v1, v2 or off.
type ProxyProtocol string

// Versions of the PROXY protocol.
const (
	ProxyOff ProxyProtocol = "off"
	ProxyV1  ProxyProtocol = "v1"
	ProxyV2  ProxyProtocol = "v2"
)
