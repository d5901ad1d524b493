package main

import "fmt"

// connectionCases are about new connections, few and many streams, several workers, and the start.
var connectionCases = []benchCase{
	{
		name: "h1-new", about: "HTTP/1.1, GET /, a new connection for each request, 50 clients",
		protocol: h1, load: wrkClosing(50), reference: "nginx",
		servers: []string{"gatewheel", "before", "nginx", "h2o", "haproxy", "fasthttp", "caddy", "net/http"},
	},
	{
		name: "tls-full", about: "new connections over TLS 1.3 with a full handshake (ECDSA P-256, X25519) and a request, 10 clients",
		protocol: h1s, load: handshakes(10, false), reference: "h2o",
		servers: []string{"gatewheel", "before", "h2o", "nginx", "caddy", "net/http"},
		goals:   []goal{{"h2o", 1}},
	},
	{
		name: "tls-resumed", about: "new connections over TLS 1.3 with a resumed session (X25519) and a request, 10 clients",
		protocol: h1s, load: handshakes(10, true), reference: "h2o",
		servers: []string{"gatewheel", "before", "h2o", "nginx", "caddy", "net/http"},
		goals:   []goal{{"h2o", 1}},
	},
	streams("h2-10", h2, 10), streams("tls-h2-1", h2s, 1), streams("tls-h2-10", h2s, 10),
	{
		name: "h1-2", about: "HTTP/1.1, GET /, 50 connections, 2 loops or workers, which share the processors with the load",
		protocol: h1, load: wrk(50, 1), workers: 2, reference: "nginx",
		servers: []string{"gatewheel", "before", "nginx", "h2o"},
	},
	{
		name: "h2-2", about: "HTTP/2 in the clear, GET /, 50 connections, 100 streams on each, 2 loops or workers, which share the processors with the load",
		protocol: h2, load: h2load(50, 100), workers: 2, reference: "h2o",
		servers: []string{"gatewheel", "before", "nginx", "h2o"},
	},
	{
		name: "grpc", about: "unary gRPC calls of 16 bytes over HTTP/2, 50 connections, 100 streams on each",
		protocol: h2, unary: true, load: h2load(50, 100), selfCheck: true, reference: "grpc-go",
		servers: []string{"adapter", "grpc-go", "grpc-net/http"},
	},
	{
		name: "start", about: "time from the start of the program to its first response",
		protocol: h1, startup: true, reference: "nginx",
		servers: []string{"gatewheel", "before", "nginx", "h2o", "haproxy", "caddy"},
	},
}

// streams is a case of HTTP/2 with so many streams on each of 50 connections.
func streams(name string, p protocol, n int) benchCase {
	c := benchCase{
		name: name, about: fmt.Sprintf("%s, GET /, 50 connections, %d streams on each", longNames[p], n),
		protocol: p, load: h2load(50, n), reference: "h2o",
		servers: []string{"gatewheel", "before", "h2o", "nghttpd", "nginx", "caddy", "net/http"},
	}
	if n == 1 {
		c.about = longNames[p] + ", GET /, 50 connections, 1 stream on each"
	}
	return c
}
