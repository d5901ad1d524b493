package main

import (
	"slices"
	"time"
)

// benchCase is one question asked of several servers in turns.
type benchCase struct {
	name      string
	about     string
	protocol  protocol
	servers   []string // in the order of the table
	own       []server // among which servers choose; nil: those of what is asked
	load      load     // for a case about processor time
	unit      string   // of what the load counts; "": that of requests, or of messages over a WebSocket
	file      int      // serve a file of so many bytes; 0: the servers' own content
	upstream  protocol // to the backends, of gateways and fan-out servers; "": none
	fanout    int      // backends that a request asks; 0: the servers of upstream are gateways
	upload    int      // bytes of each request's content
	target    string   // of the requests; "": that of the protocol, the file, or the content
	workers   int      // of the server; 0: one. More share the processors with the load
	unary     bool     // gRPC calls
	selfCheck bool     // the load alone can tell what is answered; else a few requests are made beforehand
	idle      bool     // for a case about memory
	latency   bool     // for a case about the time to an answer
	paced     bool     // its load has a rate, half of what the slowest server reaches
	startup   bool     // for a case about the time until a server answers
	stalled   int      // clients that have stopped reading a long response
	goals     []goal
	idleGoal  int    // bytes a connection at most, for gatewheel
	reference string // the server that ratios refer to
}

// goal is what gatewheel is held to in the same run: at most so much of the other's cost.
type goal struct {
	rival  string // or bestRival
	atMost float64
}

// bestRival is the other server with the lowest cost in the run.
const bestRival = "the best rival"

// cases are all cases.
var cases = slices.Concat(serverCases, contentCases, connectionCases, lastingCases, latencyCases, handlerCases, clientCases, gatewayCases)

// caseNamed returns the case of a name; nil if there is none.
func caseNamed(name string) *benchCase {
	i := slices.IndexFunc(cases, func(c benchCase) bool { return c.name == name })
	if i < 0 {
		return nil
	}
	return &cases[i]
}

// quickCases are those of -quick.
const quickCases = "h1,h1-pipelined,h2,tls-h1,tls-h2,ws,handler-h1,handler-h2,gateway-h1-h1,gateway-h2-h2,idle-h1,idle-h2"

// has reports whether the case has one of these servers. It has one of none.
func (c *benchCase) has(wanted []string) bool {
	return len(wanted) == 0 || slices.ContainsFunc(c.servers, func(name string) bool { return slices.Contains(wanted, name) })
}

// commands are the servers among which the case chooses.
func (c *benchCase) commands() []server {
	switch {
	case c.own != nil:
		return c.own
	case c.fanout > 0:
		return fanouts
	case c.upload > 0 && c.upstream == "":
		return uploads
	case c.unary && c.upstream == "":
		return grpcServers
	case c.upstream != "":
		return gateways
	}
	return servers
}

// serverCases are about servers that answer by themselves.
var serverCases = []benchCase{
	{
		name: "h1", about: "HTTP/1.1, GET /, 50 connections",
		protocol: h1, load: wrk(50, 1), reference: "floor",
		servers: []string{"gatewheel", "before", "floor", "nginx", "h2o", "haproxy", "fasthttp", "caddy", "net/http"},
		goals:   []goal{{"floor", 1.05}, {"nginx", 1}, {"net/http", 0.5}},
	},
	{
		name: "h1-pipelined", about: "HTTP/1.1, GET /, 50 connections, 16 requests in flight on each",
		protocol: h1, load: wrk(50, 16), reference: "floor",
		servers: []string{"gatewheel", "before", "floor", "nginx", "h2o", "fasthttp", "net/http"},
		goals:   []goal{{"fasthttp", 1}},
	},
	{
		name: "h2", about: "HTTP/2 in the clear, GET /, 50 connections, 100 streams on each",
		protocol: h2, load: h2load(50, 100), reference: "floor",
		servers: []string{"gatewheel", "before", "floor", "h2o", "nghttpd", "haproxy", "nginx", "caddy", "net/http"},
		goals:   []goal{{"h2o", 0.65}, {"nghttpd", 0.5}},
	},
	{
		name: "h2-single", about: "HTTP/2 in the clear, GET /, 50 connections, 1 stream on each",
		protocol: h2, load: h2load(50, 1), reference: "floor",
		servers: []string{"gatewheel", "before", "floor", "h2o", "nghttpd", "haproxy", "nginx", "net/http"},
		goals:   []goal{{"h2o", 1}},
	},
	{
		name: "tls-h1", about: "HTTP/1.1 over TLS 1.3, GET /, 50 connections",
		protocol: h1s, load: wrk(50, 1), reference: "nginx",
		servers: []string{"gatewheel", "before", "nginx", "h2o", "caddy", "net/http"},
		goals:   []goal{{"nginx", 0.85}},
	},
	{
		name: "tls-h2", about: "HTTP/2 over TLS 1.3, GET /, 50 connections, 100 streams on each",
		protocol: h2s, load: h2load(50, 100), reference: "h2o",
		servers: []string{"gatewheel", "before", "h2o", "nghttpd", "nginx", "caddy", "net/http"},
		goals:   []goal{{"h2o", 0.65}},
	},
	{
		name: "file-h1-4k", about: "HTTP/1.1, a file of 4 KiB, 50 connections",
		protocol: h1, load: wrk(50, 1), file: 4 << 10, reference: "h2o",
		servers: []string{"gatewheel", "before", "h2o", "nginx"},
		goals:   []goal{{"h2o", 1}},
	},
	{
		name: "file-h1-1m", about: "HTTP/1.1, a file of 1 MiB, 10 connections",
		protocol: h1, load: wrk(10, 1), file: 1 << 20, reference: "h2o",
		servers: []string{"gatewheel", "before", "h2o", "nginx"},
		goals:   []goal{{"h2o", 1}},
	},
	{
		name: "file-h2-4k", about: "HTTP/2 in the clear, a file of 4 KiB, 10 connections, 100 streams on each",
		protocol: h2, load: h2load(10, 100), file: 4 << 10, reference: "h2o",
		servers: []string{"gatewheel", "before", "h2o", "nginx"},
		goals:   []goal{{"h2o", 1}},
	},
	{
		name: "file-h2-1m", about: "HTTP/2 in the clear, a file of 1 MiB, 4 connections, 10 streams on each",
		protocol: h2, load: h2load(4, 10), file: 1 << 20, reference: "h2o",
		servers: []string{"gatewheel", "before", "h2o", "nginx"},
		goals:   []goal{{"h2o", 1}},
	},
	{
		name: "ws", about: "WebSocket echo of 32 bytes, 50 connections",
		protocol: ws, load: echo(50, 1), reference: "gorilla",
		servers: []string{"gatewheel", "before", "gorilla", "nbio"},
		goals:   []goal{{"gorilla", 0.9}},
	},
	{
		name: "ws-16", about: "WebSocket echo of 32 bytes, 50 connections, 16 messages in flight on each",
		protocol: ws, load: echo(50, 16), reference: "gorilla",
		servers: []string{"gatewheel", "before", "gorilla", "nbio"},
		goals:   []goal{{"gorilla", 0.2}},
	},
	{
		name: "idle-h1", about: "memory an idle HTTP/1.1 connection holds after one request",
		protocol: h1, idle: true, idleGoal: 1024, reference: "floor",
		servers: []string{"gatewheel", "before", "floor", "nginx", "nbio", "net/http"},
	},
	{
		name: "idle-h2", about: "memory an idle HTTP/2 connection holds after one request",
		protocol: h2, idle: true, idleGoal: 2560, reference: "nginx",
		servers: []string{"gatewheel", "before", "nginx", "h2o", "net/http"},
	},
	{
		name: "idle-ws", about: "memory an idle WebSocket holds after one message",
		protocol: ws, idle: true, idleGoal: 1229, reference: "gorilla",
		servers: []string{"gatewheel", "before", "nbio", "gorilla"},
	},
	{
		name: "idle-ws-deflate", about: "memory an idle WebSocket holds after one message, of a client that compresses",
		protocol: wsDeflate, idle: true, idleGoal: 1229, reference: "gorilla",
		servers: []string{"gatewheel", "before", "gorilla"},
	},
	{
		name: "idle-tls", about: "memory an idle HTTP/1.1 connection over TLS holds after one request",
		protocol: h1s, idle: true, idleGoal: 12 << 10, reference: "nginx",
		servers: []string{"gatewheel", "before", "nginx", "net/http"},
	},
	{
		name: "idle-tls-h2", about: "memory an idle HTTP/2 connection over TLS holds after one request",
		protocol: h2s, idle: true, idleGoal: 12 << 10, reference: "nginx",
		servers: []string{"gatewheel", "before", "nginx", "h2o", "net/http"},
	},
}

// sample is one round of one server.
type sample struct {
	Requests int64         `json:"requests,omitempty"`
	Elapsed  time.Duration `json:"elapsed_ns,omitempty"`
	CPU      time.Duration `json:"cpu_ns,omitempty"`
	// Cost is microseconds of processor time a request, or microseconds to an answer (p99), or bytes a connection, or
	// milliseconds to the first response.
	Cost float64 `json:"cost"`
	// P50 and P999 are microseconds to an answer, Pace is requests a second, of a case about latency at a fixed rate.
	P50  float64 `json:"p50,omitempty"`
	P999 float64 `json:"p99_9,omitempty"`
	Pace float64 `json:"pace,omitempty"`
	// Late is how late the load sent requests in such a case, in microseconds (p99). The times contain it.
	Late float64 `json:"late_p99,omitempty"`
	// Program is the size of the program in bytes, of a case about the start.
	Program int64 `json:"program_bytes,omitempty"`
	// Upstream is the number of connections to the backends at the end of the round.
	Upstream int `json:"upstream_connections,omitempty"`
}

// outcome is what one case showed of one server.
type outcome struct {
	Server  string   `json:"server"`
	Samples []sample `json:"samples,omitempty"`
	LeftOut string   `json:"left_out,omitempty"` // why there are no samples
	// Command and Configuration are how the server was started, with names in place of folders and addresses.
	Command       string `json:"command,omitempty"`
	Configuration string `json:"configuration,omitempty"`
}
