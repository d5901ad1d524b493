package main

import (
	"fmt"
	"strconv"
	"strings"
)

// activeConnections is how many connections the load has where their number is not what grows.
const activeConnections = 50

// growthCases returns the series of `bench growth`.
func growthCases() []growthSeries {
	return []growthSeries{
		activeSeries(10, 100, 1000, 10_000),
		idleSeries(50, 100, 1000, 10_000),
		streamSeries(1, 10, 100, 250),
		routeSeries(1, 10, 100, 1000, 10_000),
		peerSeries(1, 10, 100, 500),
		loopSeries("loops-h1", "HTTP/1.1, GET /, 50 connections", h1, steady(activeConnections), 1, 2),
		loopSeries("loops-h2", "HTTP/2, GET /, 50 connections, 100 streams on each", h2, h2load(activeConnections, 100), 1, 2),
	}
}

func activeSeries(numbers ...int) growthSeries {
	s := growthSeries{name: "active", axis: "open connections, all active", about: "HTTP/1.1, GET /, a request in progress on each open connection"}
	for _, n := range numbers {
		s.points = append(s.points, growthPoint{n: n, c: benchCase{protocol: h1, load: steady(n)}})
	}
	return s
}

// idleSeries has numbers of activeConnections at least.
func idleSeries(numbers ...int) growthSeries {
	s := growthSeries{name: "idle", axis: "open connections, all but 50 idle", about: "HTTP/1.1, GET /, requests on 50 of the open connections"}
	for _, n := range numbers {
		idle := n - activeConnections
		s.points = append(s.points, growthPoint{n: n, idle: idle, c: benchCase{protocol: h1, load: steadyWithIdle(activeConnections, idle)}})
	}
	return s
}

func streamSeries(numbers ...int) growthSeries {
	s := growthSeries{name: "streams", axis: "streams a connection", about: "HTTP/2 in the clear, GET /, 50 connections"}
	for _, n := range numbers {
		s.points = append(s.points, growthPoint{n: n, c: benchCase{protocol: h2, load: h2load(activeConnections, n)}})
	}
	return s
}

func routeSeries(numbers ...int) growthSeries {
	s := growthSeries{name: "routes", axis: "routes of the file", about: "a gateway from HTTP/1.1 to HTTP/1.1, 50 connections, requests to each route in turn"}
	for _, n := range numbers {
		c := benchCase{protocol: h1, upstream: h1, target: routePath(0), load: wrkRoutes(n),
			own: []server{{"gatewheel", func(s *setup) ([]string, error) { return gatewheelFile(s, routesFile(n, s.backends)) }}}}
		s.points = append(s.points, growthPoint{n: n, c: c})
	}
	return s
}

func peerSeries(numbers ...int) growthSeries {
	s := growthSeries{name: "peers", axis: "peers of the backend", about: "a gateway from HTTP/1.1 to HTTP/1.1, 50 connections, one route"}
	for _, n := range numbers {
		c := benchCase{protocol: h1, upstream: h1, fanout: n, target: routePath(0), load: wrk(activeConnections, 1),
			own: []server{{"gatewheel", func(s *setup) ([]string, error) { return gatewheelFile(s, routesFile(1, s.backends)) }}}}
		s.points = append(s.points, growthPoint{n: n, c: c})
	}
	return s
}

func loopSeries(name, about string, p protocol, l load, numbers ...int) growthSeries {
	s := growthSeries{name: name, axis: "loops", about: about + "; several loops share the processors with the load"}
	for _, n := range numbers {
		s.points = append(s.points, growthPoint{n: n, c: benchCase{protocol: p, load: l, workers: n}})
	}
	return s
}

// gatewheelFile writes the file of a gateway and returns the command that runs it.
func gatewheelFile(s *setup, file string) ([]string, error) {
	name, err := s.write("gateway.yaml", file)
	if err != nil {
		return nil, err
	}
	argv := []string{s.gatewheel, "gateway", "--loops", strconv.Itoa(s.workers), "--config", name, "--listen", s.address()}
	return append(argv, s.flags...), nil
}

func routePath(i int) string { return fmt.Sprintf("/service-%05d/", i) }

// routesFile returns a gateway's file with n routes to a backend with these peers. Each route forwards GET /.
func routesFile(n int, peers []string) string {
	var b strings.Builder
	b.WriteString("routes:\n")
	for i := range n {
		fmt.Fprintf(&b, "  %s: {to: servers, rewrite: {path: /}}\n", routePath(i))
	}
	fmt.Fprintf(&b, "backends:\n  servers: [%s]\n", strings.Join(peers, ", "))
	return b.String()
}
