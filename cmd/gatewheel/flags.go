//go:build linux

package main

import (
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/gatewheel/gatewheel/app/target"
	"github.com/gatewheel/gatewheel/reactor"
)

// groups are the headings of the help, in its order.
var groups = []kong.Group{
	{Key: "listen", Title: "Where to listen"},
	{Key: "tls", Title: "TLS"},
	{Key: "application", Title: "The built-in application", Description: indented(target.Help)},
	{Key: "loops", Title: "Loops and connections"},
	{Key: "limits", Title: "Limits and times", Description: "A time of 0 is no limit."},
	{Key: "http1", Title: "HTTP/1"},
	{Key: "http2", Title: "HTTP/2"},
	{Key: "websocket", Title: "WebSocket"},
	{Key: "watchdog", Title: "Watchdog"},
	{Key: "log", Title: "Log"},
}

// indented keeps the lines of text as they are where kong would fill paragraphs.
func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ")
}

// serveCommand has the flags of `gatewheel serve`. Each is also an environment variable.
type serveCommand struct {
	listenFlags      `embed:"" group:"listen"`
	tlsFlags         `embed:"" group:"tls"`
	applicationFlags `embed:"" group:"application"`
	loopFlags        `embed:"" group:"loops"`
	limitFlags       `embed:"" group:"limits"`
	http1Flags       `embed:"" group:"http1"`
	http2Flags       `embed:"" group:"http2"`
	webSocketFlags   `embed:"" group:"websocket"`
	watchdogFlags    `embed:"" group:"watchdog"`
	logFlags         `embed:"" group:"log"`
}

// Help is what `gatewheel serve --help` says below its first line.
func (*serveCommand) Help() string {
	return "Each flag is also an environment variable: --listen is GATEWHEEL_LISTEN, --max-connections is " +
		"GATEWHEEL_MAX_CONNECTIONS. The flag wins; an empty value is an error in both. Repeatable flags " +
		"also take several values separated by commas. Sizes are bytes and take KiB, MiB and GiB; times " +
		"need a unit: 150ms, 10s, 1h30m."
}

type listenFlags struct {
	Listen        []string  `placeholder:"ADDRESS" help:"Serve HTTP/1.1 and HTTP/2 in the clear: host:port, :port, unix:PATH, fd:N or systemd[:NAME]. Repeatable; 127.0.0.1:8080 when there is no address at all."`
	SocketMode    fileMode  `placeholder:"MODE" help:"Permissions of unix sockets that are made, octal, such as 660; without it they follow the umask."`
	ProxyProtocol proxyMode `default:"off" help:"Whether connections begin with a PROXY header that names their peer: off, accept or require."`
	ProxyFrom     []string  `placeholder:"CIDR" help:"Networks that may send a PROXY header. Repeatable; accept needs it, require takes one from anybody without it."`
}

type applicationFlags struct {
	Root       string `placeholder:"DIR" help:"Serve this directory under /file/, with lists of what is in it."`
	AllowStall bool   `help:"Turn on /stall/, which blocks a loop."`
}

type loopFlags struct {
	Loops          count   `default:"0" from:"0" to:"1024" help:"Event loops; 0 is one a processor (GOMAXPROCS)."`
	MaxConnections count   `default:"0" from:"0" to:"1000000000" help:"Open connections at most; 0 is what the descriptor limit leaves."`
	Balance        bool    `default:"true" negatable:"" help:"Let an HTTP/2 connection settle on the loop that has the fewest; on by default."`
	TrustProxy     []proxy `placeholder:"CIDR" help:"Networks whose Forwarded and X-Forwarded-* fields are believed; unix is every peer on a unix socket. Repeatable. Such a proxy must overwrite these fields."`
}

type limitFlags struct {
	RequestTimeout  period   `default:"60s" help:"From a request to the head of its response; time in which content of the request arrives, at 500 bytes a second at least, does not count."`
	HeadTimeout     period   `default:"10s" help:"From the first byte of a request's head to its last, and for the silence of a new connection."`
	BodyTimeout     period   `default:"60s" help:"Without a byte of the content that is waited for."`
	WriteTimeout    period   `default:"60s" help:"Without the peer taking a byte of the response."`
	HalfClosed      period   `name:"half-closed-timeout" default:"5s" help:"Without a byte to write to an HTTP/1 peer that has sent its FIN, which looks as if it had left."`
	IdleTimeout     period   `default:"120s" help:"Of a connection without a request, from its first one on."`
	ShutdownTimeout period   `default:"30s" help:"For requests under way once SIGINT or SIGTERM has come, which ends event streams and WebSockets; a second signal cuts the rest."`
	MaxBody         byteSize `default:"0" from:"0" to:"1048576GiB" help:"Bytes of a request's content at most; 0 is no limit."`
}

type http1Flags struct {
	MaxTarget     byteSize `name:"h1-max-target" default:"8KiB" from:"256" to:"1MiB" help:"Bytes of a request's target; 414 beyond."`
	MaxHeaders    count    `name:"h1-max-headers" default:"128" from:"1" to:"65535" help:"Fields of a request; 431 beyond."`
	MaxHeaderSize byteSize `name:"h1-max-header-size" default:"64KiB" from:"256" to:"16MiB" help:"Bytes of a request's fields together; 431 beyond."`
}

type http2Flags struct {
	Enabled              bool     `name:"h2" default:"true" negatable:"" help:"Serve HTTP/2; on by default."`
	MaxConcurrentStreams count    `name:"h2-max-concurrent-streams" default:"250" from:"1" to:"2147483647" help:"Streams of a connection at the same time."`
	InitialWindowSize    byteSize `name:"h2-initial-window-size" default:"65535" from:"1" to:"2147483647" help:"Bytes that a stream may send ahead of the application."`
	ConnectionWindow     byteSize `name:"h2-connection-window" default:"1MiB" from:"65535" to:"2147483647" help:"Bytes that all streams of a connection together may have in flight."`
	MaxFrameSize         byteSize `name:"h2-max-frame-size" default:"16384" from:"16384" to:"16777215" help:"Bytes of the largest frame that is taken."`
	MaxHeaderListSize    byteSize `name:"h2-max-header-list-size" default:"65536" from:"1KiB" to:"16MiB" help:"Bytes of a request's fields."`
	KeepAlive            period   `name:"h2-keepalive" default:"0s" help:"Silence after which a PING is sent; 0 sends none."`
	MaxAge               period   `name:"max-connection-age" default:"0s" help:"Age at which a connection is drained, so that its client comes back elsewhere; 0 is no limit."`
}

type webSocketFlags struct {
	MaxMessage byteSize `name:"ws-max-message" default:"16MiB" from:"1" to:"1024GiB" help:"Bytes of the largest message that is taken, decompressed; one beyond closes with 1009."`
	MaxFrame   byteSize `name:"ws-max-frame" default:"0" from:"0" to:"1024GiB" help:"Bytes of the largest frame that is taken; 0 is as large as a message."`
	MaxQueue   byteSize `name:"ws-max-queue" default:"256KiB" from:"1" to:"1GiB" help:"Bytes that may wait for a member of /ws/chat before it misses messages."`
	PingAfter  period   `name:"ws-keepalive" default:"60s" help:"Silence after which a ping is sent; 0 sends none."`
	Idle       period   `name:"ws-idle-timeout" default:"0s" help:"Without a message in either direction; 0 is no limit."`
	Message    period   `name:"ws-message-timeout" default:"5m" help:"From the first frame of a message to the end of its last one; beyond, the socket is closed with 1008. 0 is no limit."`
	Memory     byteSize `name:"ws-message-memory" default:"256MiB" from:"1MiB" to:"1024GiB" help:"Bytes of incomplete messages that one loop collects; an HTTP/2 connection may have an eighth. A message beyond closes its socket with 1013."`
	Origins    []string `name:"ws-origin" placeholder:"ORIGIN" help:"Origins whose pages may open WebSockets besides the host's own: https://example.org, https://*.example.org for subdomains, or * for all. Repeatable."`
	Compress   bool     `name:"ws-compression" default:"true" negatable:"" help:"Negotiate permessage-deflate; on by default."`
}

type watchdogFlags struct {
	StallWarn     period `default:"100ms" help:"For how long a handler may keep its loop before that is logged; 0 is never."`
	StallTimeout  period `default:"10s" help:"For how long it may before its loop goes on without it and without its connection; 0 turns that off."`
	StallRestarts count  `default:"8" from:"1" to:"1000000" help:"How often a minute that may happen before the process ends with exit code 70."`
}

// fileMode is the octal permission of a file.
type fileMode os.FileMode

func (m *fileMode) UnmarshalText(text []byte) error {
	mode, err := reactor.ParseSocketMode(string(text))
	*m = fileMode(mode)
	return err
}

// proxyMode says what is made of PROXY headers.
type proxyMode reactor.ProxyMode

func (m *proxyMode) UnmarshalText(text []byte) error {
	mode, err := reactor.ParseProxyMode(string(text))
	*m = proxyMode(mode)
	return err
}
