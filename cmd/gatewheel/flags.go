//go:build linux

package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/gatewheel/gatewheel/reactor"
)

// groups are the headings of the help, in its order.
var groups = []kong.Group{
	{Key: "listen", Title: "Where to listen"},
	{Key: "tls", Title: "TLS"},
	{Key: "application", Title: "The built-in application"},
	{Key: "loops", Title: "Loops and connections"},
	{Key: "limits", Title: "Limits and times", Description: "A time of 0 is no limit."},
	{Key: "http2", Title: "HTTP/2"},
	{Key: "watchdog", Title: "Watchdog"},
	{Key: "log", Title: "Log"},
}

// serveCommand has the flags of `gatewheel serve`. Each is also an environment variable.
type serveCommand struct {
	listenFlags      `embed:"" group:"listen"`
	tlsFlags         `embed:"" group:"tls"`
	applicationFlags `embed:"" group:"application"`
	loopFlags        `embed:"" group:"loops"`
	limitFlags       `embed:"" group:"limits"`
	http2Flags       `embed:"" group:"http2"`
	watchdogFlags    `embed:"" group:"watchdog"`
	logFlags         `embed:"" group:"log"`
}

// Help is what `gatewheel serve --help` says below its first line.
func (*serveCommand) Help() string {
	return "Each flag is also an environment variable: --listen is GATEWHEEL_LISTEN, --max-connections is " +
		"GATEWHEEL_MAX_CONNECTIONS. Repeatable flags take several values separated by commas there. " +
		"Sizes take KiB, MiB and GiB."
}

type listenFlags struct {
	Listen        []string  `placeholder:"ADDRESS" help:"Serve HTTP/1.1 and HTTP/2 in the clear: host:port, :port, unix:PATH, fd:N or systemd[:NAME]. Repeatable; 127.0.0.1:8080 when there is no address at all."`
	SocketMode    fileMode  `placeholder:"MODE" help:"Permissions of unix sockets, octal."`
	ProxyProtocol proxyMode `default:"off" help:"Whether connections begin with a PROXY header that names their peer: off, accept or require."`
	ProxyFrom     []string  `placeholder:"CIDR" help:"Networks that may send a PROXY header. Repeatable; needed for --proxy-protocol accept."`
}

type applicationFlags struct {
	Root       string `placeholder:"DIR" help:"Serve this directory under /file/."`
	AllowStall bool   `help:"Turn on /stall/, which blocks a loop."`
}

type loopFlags struct {
	Loops          uint      `default:"0" help:"Event loops; 0 is one a processor."`
	MaxConnections uint      `default:"0" help:"Open connections at most; 0 is what the descriptor limit leaves."`
	Balance        bool      `default:"true" negatable:"" help:"Let an HTTP/2 connection settle on the loop that has the fewest."`
	TrustProxy     []network `placeholder:"CIDR" help:"Networks whose Forwarded and X-Forwarded-* fields are believed. Repeatable."`
}

type limitFlags struct {
	RequestTimeout  time.Duration `default:"60s" help:"From a request to the head of its response."`
	HeadTimeout     time.Duration `default:"10s" help:"From the first byte of a request's head to its last."`
	BodyTimeout     time.Duration `default:"60s" help:"Without a byte of the content that is waited for."`
	WriteTimeout    time.Duration `default:"60s" help:"Without the peer taking a byte of the response."`
	IdleTimeout     time.Duration `default:"120s" help:"Of a connection without a request."`
	ShutdownTimeout time.Duration `default:"30s" help:"For requests under way once SIGINT or SIGTERM has come; a second signal cuts them."`
	MaxBody         byteSize      `default:"0" help:"Bytes of a request's content at most; 0 is no limit."`
}

type http2Flags struct {
	Enabled              bool          `name:"h2" default:"true" negatable:"" help:"Serve HTTP/2."`
	MaxConcurrentStreams uint32        `name:"h2-max-concurrent-streams" default:"250" help:"Streams of a connection at the same time."`
	InitialWindowSize    byteSize      `name:"h2-initial-window-size" default:"65535" help:"Bytes that a stream may send ahead of the application."`
	ConnectionWindow     byteSize      `name:"h2-connection-window" default:"1MiB" help:"Bytes that all streams of a connection together may have in flight."`
	MaxFrameSize         byteSize      `name:"h2-max-frame-size" default:"16384" help:"Bytes of the largest frame that is taken."`
	MaxHeaderListSize    byteSize      `name:"h2-max-header-list-size" default:"65536" help:"Bytes of a request's fields."`
	KeepAlive            time.Duration `name:"h2-keepalive" default:"0s" help:"Silence after which a PING is sent; 0 sends none."`
	MaxAge               time.Duration `name:"max-connection-age" default:"0s" help:"Age at which a connection is drained, so that its client comes back elsewhere; 0 is no limit."`
}

type watchdogFlags struct {
	StallWarn     time.Duration `default:"100ms" help:"For how long a handler may keep its loop before that is logged; 0 is never."`
	StallTimeout  time.Duration `default:"10s" help:"For how long it may before its loop goes on without it and without its connection; 0 turns that off."`
	StallRestarts uint          `default:"8" help:"How often a minute that may happen before the process ends with exit code 70."`
}

// byteSize is a number of bytes, written plain or in KiB, MiB or GiB.
type byteSize int64

func (b *byteSize) UnmarshalText(text []byte) error {
	number, shift := string(text), 0
	for unit, by := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
		if before, ok := strings.CutSuffix(number, unit); ok {
			number, shift = before, by
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return fmt.Errorf("%q is not a size: write a number of bytes, or of KiB, MiB or GiB", text)
	}
	*b = byteSize(n << shift)
	return nil
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

// off turns "0 is no limit", as flags have it, into what the server's options have for that.
func off(name string, d time.Duration) (time.Duration, error) {
	switch {
	case d < 0:
		return 0, fmt.Errorf("--%s %v is negative", name, d)
	case d == 0:
		return -1, nil
	}
	return d, nil
}

// word32 is a size that has to fit the 32 bits of an HTTP/2 setting. There 0 would stand for the
// default, which is not what somebody who writes 0 means.
func word32(name string, b byteSize) (uint32, error) {
	if b == 0 || b > math.MaxUint32 {
		return 0, fmt.Errorf("--%s %d is out of range", name, b)
	}
	return uint32(b), nil
}
