//go:build linux

package main

import (
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/gatewheel/gatewheel/app/target"
	"github.com/gatewheel/gatewheel/reactor"
)

// groups are the headings of the help, in order.
var groups = []kong.Group{
	{Key: "gateway", Title: "Where to forward to"},
	{Key: "listen", Title: "Where to listen"},
	{Key: "tls", Title: "TLS"},
	{Key: "loops", Title: "Loops and connections"},
	{Key: "peers", Title: "Limits a client", Description: "A client is an IPv4 address or the prefix of an IPv6 address, from a PROXY header where there is one. 0 means no limit."},
	{Key: "limits", Title: "Limits and times", Description: "A time of 0 means no limit."},
	{Key: "http1", Title: "HTTP/1"},
	{Key: "http2", Title: "HTTP/2"},
	{Key: "watchdog", Title: "Watchdog"},
	{Key: "log", Title: "Log"},
	{Key: "accesslog", Title: "Access log"},
	{Key: "restart", Title: "Restart"},
	{Key: "admin", Title: "For the operator"},
	{Key: "application", Title: "The built-in application", Description: indented(target.Help)},
	{Key: "websocket", Title: "WebSocket"},
}

// indented keeps the lines of text as they are where kong would fill paragraphs.
func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ")
}

// serverFlags are the flags that every command has that serves.
type serverFlags struct {
	listenFlags    `embed:"" group:"listen"`
	tlsFlags       `embed:"" group:"tls"`
	loopFlags      `embed:"" group:"loops"`
	peerFlags      `embed:"" group:"peers"`
	limitFlags     `embed:"" group:"limits"`
	memoryFlags    `embed:"" group:"limits"`
	http1Flags     `embed:"" group:"http1"`
	http2Flags     `embed:"" group:"http2"`
	watchdogFlags  `embed:"" group:"watchdog"`
	logFlags       `embed:"" group:"log"`
	accessLogFlags `embed:"" group:"accesslog"`
	restartFlags   `embed:"" group:"restart"`
	adminFlags     `embed:"" group:"admin"`
	metricsFlags   `embed:"" group:"admin"`
}

// serveCommand has the flags of `gatewheel serve`. Each is also an environment variable.
type serveCommand struct {
	serverFlags      `embed:""`
	applicationFlags `embed:"" group:"application"`
	webSocketFlags   `embed:"" group:"websocket"`
}

// gatewayCommand has the flags of `gatewheel gateway`. Each is also an environment variable.
type gatewayCommand struct {
	gatewayFlags `embed:"" group:"gateway"`
	serverFlags  `embed:""`
}

// Help returns the text below the first line of `gatewheel serve --help`.
func (*serverFlags) Help() string {
	return "Each flag is also an environment variable: --listen is GATEWHEEL_LISTEN, --max-connections is " +
		"GATEWHEEL_MAX_CONNECTIONS. The flag wins; an empty value is an error in both. Repeatable flags " +
		"also take several values, separated by commas. Sizes are in bytes and take the suffixes KiB, MiB " +
		"and GiB; times need a unit: 150ms, 10s, 1h30m."
}

type listenFlags struct {
	Listen        []string  `placeholder:"ADDRESS" help:"Address for HTTP/1.1 and HTTP/2 without TLS: host:port, :port, unix:PATH, fd:N or systemd[:NAME]. Repeatable. 127.0.0.1:8080 if neither this nor --listen-tls is given."`
	SocketMode    fileMode  `placeholder:"MODE" help:"Octal permissions of the unix sockets that the server creates, such as 660; by default what the umask leaves."`
	ProxyProtocol proxyMode `default:"off" complete:"off,accept,require" help:"PROXY header with the peer's address at the start of connections: off, accept (optional) or require."`
	ProxyFrom     []string  `placeholder:"CIDR" help:"Network whose peers may send a PROXY header. Repeatable. accept needs it; require without it takes a header from any peer."`
}

type applicationFlags struct {
	Root          string `placeholder:"DIR" help:"Directory to serve under /file/, with listings."`
	AllowStall    bool   `help:"Enable /stall/, which blocks an event loop."`
	AllowBackends bool   `help:"Let /fanout ask servers on other machines."`
}

type gatewayFlags struct {
	Config        string   `name:"config" placeholder:"FILE" help:"YAML file with routes and backends; see docs/gateway-file.md. gatewheel check FILE checks it."`
	To            []string `name:"to" placeholder:"URL" help:"Server to forward to: http://HOST:PORT for HTTP/1.1, h2c:// for HTTP/2, https:// for TLS with what ALPN selects, h2:// for HTTP/2 over TLS; with +unix for a socket, as in h2c+unix:/run/app.sock. Every address of a name is a server, looked up again by its TTL. Repeatable: each request goes to one of them. It or --config is required."`
	ViaName       string   `name:"via-name" placeholder:"NAME" help:"Pseudonym in Via. A request whose Via has it is a loop, 508; so gateways behind each other need different ones. By default gatewheel- and a random number."`
	Forwarded     bool     `name:"forwarded" help:"Send Forwarded (RFC 7239) besides X-Forwarded-For, -Proto and -Host."`
	ProxyStatus   bool     `name:"proxy-status" help:"Send Proxy-Status (RFC 9209) with every response."`
	ToCA          string   `name:"to-ca" placeholder:"FILE" help:"PEM file with the authorities that verify the servers' certificates; by default those of the system. Reloaded when it changes and on SIGHUP, as those of --to-cert and --to-key are."`
	ToName        string   `name:"to-name" placeholder:"NAME" help:"Name in the servers' certificates and in SNI; by default the host of the URL."`
	ToCert        string   `name:"to-cert" placeholder:"FILE" help:"PEM file with the certificate that the servers are shown."`
	ToKey         string   `name:"to-key" placeholder:"FILE" help:"PEM file with the key of --to-cert."`
	ToInsecure    bool     `name:"to-insecure" help:"Do not verify the servers' certificates. The log warns about it."`
	CookieKeyFile string   `name:"cookie-key-file" placeholder:"FILE" help:"Key of 32 bytes or more that signs the cookies of balance: cookie. With it, clients keep their servers over a restart and at gateways with the same key; by default each start has its own key. It is read at the start."`
}

type loopFlags struct {
	Loops          count   `default:"0" from:"0" to:"1024" help:"Number of event loops; 0 means one per processor (GOMAXPROCS)."`
	MaxConnections count   `default:"0" from:"0" to:"1000000000" help:"Maximum number of open connections, 503 beyond; 0 means what the descriptor limit allows."`
	Balance        bool    `default:"true" negatable:"" help:"Move a new HTTP/2 connection to the loop that has the fewest; on by default."`
	TrustProxy     []proxy `placeholder:"CIDR" help:"Network whose Forwarded and X-Forwarded-* fields are trusted; unix means all peers on unix sockets. Repeatable. Such a proxy must overwrite these fields."`
}

type peerFlags struct {
	PeerConnections    count     `default:"0" from:"0" to:"1000000" help:"Maximum number of open connections of a client, 503 beyond."`
	PeerConnectionRate perSecond `default:"0" help:"Maximum number of new connections of a client per second, 429 beyond. As many may come at once, at least one."`
	PeerHandshakeRate  perSecond `default:"0" help:"Maximum number of TLS handshakes of a client per second; beyond, a handshake ends with the alert access_denied."`
	PeerRequests       count     `default:"0" from:"0" to:"1000000" help:"Maximum number of requests of a client that are under way, WebSockets and HTTP/2 streams included, 503 beyond; behind --trust-proxy of the client that the proxy names."`
	PeerPrefixV4       count     `name:"peer-prefix-v4" default:"32" from:"1" to:"32" help:"Number of leading bits of an IPv4 address that make a client."`
	PeerPrefixV6       count     `name:"peer-prefix-v6" default:"56" from:"1" to:"128" help:"Number of leading bits of an IPv6 address that make a client."`
	PeerExempt         []network `placeholder:"CIDR" help:"Network without these limits. Repeatable. The networks of --trust-proxy and peers on unix sockets have none in any case."`
}

type limitFlags struct {
	RequestTimeout  period   `default:"60s" help:"Time from a request's head to the head of its response, 503 beyond, from a gateway 504; time in which request content arrives, at 500 bytes per second or more, does not count."`
	HeadTimeout     period   `default:"10s" help:"Time from the first byte of a request's head to its last, and of a new connection without a byte."`
	BodyTimeout     period   `default:"60s" help:"Time without a byte of request content while the application waits for it."`
	WriteTimeout    period   `default:"60s" help:"Time without the peer reading a byte of the response."`
	MinContentRate  byteSize `default:"0" from:"0" to:"1GiB" help:"Bytes per second at which request content has to arrive while the application waits for it, 408 beyond; 0 means no limit."`
	MinReadRate     byteSize `default:"0" from:"0" to:"1GiB" help:"Bytes per second at which a client has to read while output waits for it; its connection or HTTP/2 stream is reset beyond. 0 means no limit."`
	RateWindow      period   `from:"1ms" default:"10s" help:"Time of waiting for a client over which these two rates are averaged, and which it has in any case."`
	HalfClosed      period   `name:"half-closed-timeout" default:"5s" help:"Time without output on an HTTP/1 connection whose peer has sent FIN, as a peer that has left does."`
	IdleTimeout     period   `default:"120s" help:"Time without a request in progress, after the first one."`
	DrainDelay      period   `default:"0s" help:"Time after SIGINT or SIGTERM in which /readyz answers 503 while connections are still accepted and answered, so that load balancers turn to other servers first; then the server drains. The next signal ends it early."`
	ShutdownTimeout period   `default:"30s" help:"Time for requests in progress after SIGINT or SIGTERM and --drain-delay; event streams and WebSockets end at once. A second signal, after --drain-delay, closes all connections."`
	MaxBody         byteSize `default:"0" from:"0" to:"1048576GiB" help:"Maximum size of a request's content in bytes, 413 beyond; 0 means no limit."`
	MaxUnsent       byteSize `default:"8MiB" from:"64KiB" to:"1GiB" help:"Size of complete responses that wait for one connection's peer, in bytes, beyond which its further requests wait."`
}

type http1Flags struct {
	MaxTarget     byteSize `name:"h1-max-target" default:"8KiB" from:"256" to:"1MiB" help:"Maximum size of a request target in bytes, 414 beyond."`
	MaxHeaders    count    `name:"h1-max-headers" default:"128" from:"1" to:"65535" help:"Maximum number of header fields in a request, 431 beyond."`
	MaxHeaderSize byteSize `name:"h1-max-header-size" default:"64KiB" from:"256" to:"16MiB" help:"Maximum size of all header fields of a request in bytes, 431 beyond."`
}

type http2Flags struct {
	Enabled              bool     `name:"h2" default:"true" negatable:"" help:"Serve HTTP/2; on by default."`
	MaxConcurrentStreams count    `name:"h2-max-concurrent-streams" default:"250" from:"1" to:"2147483647" help:"Maximum number of concurrent streams on a connection."`
	InitialWindowSize    byteSize `name:"h2-initial-window-size" default:"65535" from:"1" to:"2147483647" help:"Flow-control window of a stream in bytes: the content that a client may send before the application reads it."`
	ConnectionWindow     byteSize `name:"h2-connection-window" default:"1MiB" from:"65535" to:"2147483647" help:"Flow-control window of a connection in bytes, shared by its streams."`
	MaxWindow            byteSize `name:"h2-max-window" default:"16MiB" from:"1" to:"2147483647" help:"Size in bytes to which the window of a stream grows when the application reads as fast as a distant client sends."`
	WindowMemory         byteSize `name:"h2-window-memory" default:"128MiB" from:"1" to:"2147483647" help:"Bytes by which the windows of all connections of a loop may grow."`
	MaxFrameSize         byteSize `name:"h2-max-frame-size" default:"16384" from:"16384" to:"16777215" help:"Maximum size of a frame from the client in bytes."`
	MaxHeaderListSize    byteSize `name:"h2-max-header-list-size" default:"65536" from:"1KiB" to:"16MiB" help:"Maximum size of all header fields of a request in bytes, 431 beyond."`
	KeepAlive            period   `name:"h2-keepalive" default:"0s" help:"Time without input before a PING is sent; 0 means never."`
	MaxAge               period   `name:"max-connection-age" default:"0s" help:"Age at which a connection is drained, so that its client reconnects; 0 means no limit."`
}

type webSocketFlags struct {
	MaxMessage byteSize `name:"ws-max-message" default:"16MiB" from:"1" to:"1024GiB" help:"Maximum size of a message in bytes, after decompression; close code 1009 beyond."`
	MaxFrame   byteSize `name:"ws-max-frame" default:"0" from:"0" to:"1024GiB" help:"Maximum size of a frame in bytes; 0 means that of a message."`
	MaxQueue   byteSize `name:"ws-max-queue" default:"256KiB" from:"1" to:"1GiB" help:"Maximum bytes that wait for a member of /ws/chat; messages beyond are dropped for it."`
	PingAfter  period   `name:"ws-keepalive" default:"60s" help:"Time without input before a ping is sent; 0 means never."`
	Idle       period   `name:"ws-idle-timeout" default:"0s" help:"Time without a message in either direction; 0 means no limit."`
	Message    period   `name:"ws-message-timeout" default:"5m" help:"Time from the first frame of a message to the end of its last one, close code 1008 beyond; 0 means no limit."`
	Memory     byteSize `name:"ws-message-memory" default:"256MiB" from:"1MiB" to:"1024GiB" help:"Maximum bytes of incomplete messages per loop, close code 1013 beyond; an HTTP/2 connection may have an eighth."`
	Origins    []string `name:"ws-origin" placeholder:"ORIGIN" help:"Origin whose pages may open WebSockets, besides the host's own: https://example.org, https://*.example.org for subdomains, or * for all. Repeatable."`
	Compress   bool     `name:"ws-compression" default:"true" negatable:"" help:"Negotiate permessage-deflate; on by default."`
}

type watchdogFlags struct {
	StallWarn     period `default:"100ms" help:"Time that a handler may block its loop before a warning is logged; 0 means never."`
	StallTimeout  period `default:"10s" help:"Time that a handler may block its loop before its connection is closed and the loop continues without it; 0 means never."`
	StallRestarts count  `default:"8" from:"1" to:"1000000" help:"Maximum number of such events per minute; one more ends the process with exit code 70."`
}

// fileMode is a file permission, written in octal.
type fileMode os.FileMode

func (m *fileMode) UnmarshalText(text []byte) error {
	mode, err := reactor.ParseSocketMode(string(text))
	*m = fileMode(mode)
	return err
}

// proxyMode is the treatment of PROXY headers.
type proxyMode reactor.ProxyMode

func (m *proxyMode) UnmarshalText(text []byte) error {
	mode, err := reactor.ParseProxyMode(string(text))
	*m = proxyMode(mode)
	return err
}
