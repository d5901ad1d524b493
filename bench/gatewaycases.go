package main

import (
	"fmt"
	"strings"
)

// clientCases are about handlers that ask ten backends a request.
var clientCases = []benchCase{
	{
		name: "client-h1", about: "a handler that asks ten servers over HTTP/1.1, 50 connections",
		protocol: h1, upstream: h1, fanout: 10, load: wrk(50, 1), reference: "net/http",
		servers: []string{"gatewheel", "net/http", "fasthttp"},
		goals:   []goal{{"net/http", 0.5}},
	},
	{
		name: "client-h2", about: "a handler that asks ten servers over HTTP/2 in the clear, 50 connections",
		protocol: h1, upstream: h2, fanout: 10, load: wrk(50, 1), reference: "net/http",
		servers: []string{"gatewheel", "net/http"},
		goals:   []goal{{"net/http", 0.25}},
	},
}

// names of protocols in the names of cases, and in words.
var (
	shortNames = map[protocol]string{h1: "h1", h2: "h2", h1s: "tls-h1", h2s: "tls-h2", ws: "ws"}
	longNames  = map[protocol]string{h1: "HTTP/1.1", h2: "HTTP/2", h1s: "HTTP/1.1 over TLS", h2s: "HTTP/2 over TLS", ws: "WebSocket"}
)

// allGateways is the order of the table.
var allGateways = []string{"gatewheel", "before", "haproxy", "nginx", "nghttpx", "h2o", "ReverseProxy"}

// gatewaysTo leaves out those that cannot speak a protocol to a server.
func gatewaysTo(upstream protocol) []string {
	if upstream == h1 {
		return allGateways
	}
	return []string{"gatewheel", "before", "haproxy", "nghttpx", "ReverseProxy"}
}

// through is a case of requests forwarded from one protocol to another; its goal is a ratio to the
// best rival.
func through(from, to protocol, atMost float64) benchCase {
	c := benchCase{
		name:  fmt.Sprintf("gateway-%s-%s", shortNames[from], shortNames[to]),
		about: fmt.Sprintf("a gateway from %s to %s, GET /, 50 connections", longNames[from], longNames[to]), protocol: from, upstream: to,
		load: wrk(50, 1), servers: gatewaysTo(to), reference: bestRival,
	}
	switch {
	case from.secure(), to.secure(), from.multi() && !to.multi():
		// More than a thousand requests at once are more handshakes than some rivals stand, and more connections than
		// the backend of all of them has descriptors for.
		c.load = h2load(10, 100)
		c.about = strings.Replace(c.about, "50", "10", 1) + ", 100 streams on each"
	case from.multi():
		c.load = h2load(50, 100)
		c.about += ", 100 streams on each"
	}
	if atMost > 0 {
		c.goals = []goal{{bestRival, atMost}}
	}
	return c
}

// down is a case of long responses.
func down(from, to protocol, size int) benchCase {
	c := through(from, to, 0.9)
	c.name += "-down-" + sizeName(size)
	c.about = fmt.Sprintf("a gateway from %s to %s, responses of %s, 10 connections", longNames[from], longNames[to], sizeText(size))
	c.file, c.load = size, wrk(10, 1)
	if from.multi() {
		c.load = h2load(10, 10)
		c.about += ", 10 streams on each"
	}
	return c
}

// up is a case of requests with long content.
func up(from, to protocol, size int) benchCase {
	c := through(from, to, 0.9)
	c.name += "-up-" + sizeName(size)
	c.about = fmt.Sprintf("a gateway from %s to %s, POST of %s, 10 connections", longNames[from], longNames[to], sizeText(size))
	c.upload, c.load = size, wrkPost(10)
	if from.multi() {
		c.load = h2load(10, 10)
		c.about += ", 10 streams on each"
	}
	return c
}

// sizeName returns a size in bytes as the names of cases have it: 1k, 64k, 1m, 1g.
func sizeName(size int) string {
	count, unit := sizeParts(size)
	return fmt.Sprint(count, strings.ToLower(unit[:1]))
}

// sizeText returns a size in bytes for readers: 64 KiB.
func sizeText(size int) string {
	count, unit := sizeParts(size)
	return fmt.Sprintf("%d %s", count, unit)
}

// sizeParts returns a size in bytes in the largest unit that it reaches.
func sizeParts(size int) (count int, unit string) {
	switch {
	case size >= 1<<30:
		return size >> 30, "GiB"
	case size >= 1<<20:
		return size >> 20, "MiB"
	}
	return size >> 10, "KiB"
}

// gatewayCases are about forwarding. All gateways of a case have the same backend.
var gatewayCases = []benchCase{
	through(h1, h1, 0.85),
	through(h1, h2, 0.65),
	through(h2, h1, 0.5),
	through(h2, h2, 0.35),
	through(h2s, h2, 0),
	through(h2, h2s, 0),
	{
		name: "gateway-grpc", about: "a gateway from HTTP/2 to HTTP/2, unary gRPC calls of 16 bytes, 50 connections, 100 streams on each",
		protocol: h2, upstream: h2, unary: true, load: h2load(50, 100), reference: bestRival,
		servers: []string{"gatewheel", "before", "haproxy", "nginx", "nghttpx", "ReverseProxy"},
	},
	down(h1, h1, 64<<10), down(h1, h2, 64<<10), down(h2, h2, 64<<10),
	down(h1, h1, 1<<20), down(h1, h2, 1<<20), down(h2, h2, 1<<20),
	up(h1, h1, 16<<10), up(h1, h2, 16<<10), up(h2, h2, 16<<10),
	up(h1, h1, 1<<20), up(h1, h2, 1<<20), up(h2, h2, 1<<20),
	fairness(h1, 0), fairness(h1, 1), fairness(h2, 0), fairness(h2, 1), fairness(h2, 50),
	{
		name: "gateway-ws", about: "a gateway between WebSockets over HTTP/1.1, echo of 32 bytes, 50 connections",
		protocol: ws, upstream: h1, load: echo(50, 1), reference: bestRival, servers: allGateways,
	},
	{
		name: "gateway-idle-ws", about: "memory of a gateway an idle WebSocket holds after one message",
		protocol: ws, upstream: h1, idle: true, idleGoal: 3 << 10, reference: "haproxy", servers: allGateways,
	},
}
