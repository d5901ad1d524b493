package main

import "github.com/gatewheel/gatewheel/bench/rival"

// lastingCases are about connections that last and are sent to: WebSockets, rooms, event streams.
var lastingCases = []benchCase{
	{
		name: "ws-deflate", about: "WebSocket echo of 256 bytes that compress well (permessage-deflate), 50 connections",
		protocol: wsDeflate, load: echo(50, 1), reference: "gorilla",
		servers: []string{"gatewheel", "before", "gorilla"},
	},
	{
		name: "room", about: "a chat room of at most 1,000 WebSockets (-held), messages of 32 bytes, a message that a member receives",
		protocol: ws, load: room(1000), target: rival.RoomPath, selfCheck: true, reference: "gorilla-room",
		servers: []string{"gatewheel", "before", "gorilla-room", "nbio-room"},
	},
	{
		name: "events", about: "at most 10,000 event streams (-held) with an event a second each, an event that a client receives",
		protocol: h1, load: eventStreams(10_000), target: rival.EventsPath, selfCheck: true, reference: "net/http-events", unit: "µs/event",
		servers: []string{"gatewheel", "before", "net/http-events"},
	},
}

// latencyCases are about the time to an answer at half of the rate that the slowest server reaches.
var latencyCases = []benchCase{
	{
		name: "latency", about: "HTTP/1.1, GET /, 50 connections, at half of the rate of the slowest server, waiting included",
		protocol: h1, load: paced(50), latency: true, paced: true, reference: "nginx",
		servers: []string{"gatewheel", "before", "nginx", "h2o", "haproxy", "fasthttp", "caddy", "net/http"},
	},
	{
		name: "latency-2", about: "HTTP/1.1, GET /, 50 connections, 2 loops or workers, at half of the rate of the slowest server, waiting included",
		protocol: h1, load: paced(50), latency: true, paced: true, workers: 2, reference: "nginx",
		servers: []string{"gatewheel", "before", "nginx", "h2o"},
	},
}
