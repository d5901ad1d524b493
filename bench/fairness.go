package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/bench/rival"
)

// stalledContent is the length of the response that clients of a case about fairness have stopped reading.
const stalledContent = 64 << 20

// fairness is a case of short responses through gateways while other clients have stopped reading
// long ones from the same backend. Its figure is the time within which 99 of 100 are answered.
func fairness(to protocol, stalled int) benchCase {
	about := "while nobody else asks"
	switch {
	case stalled == 1:
		about = "while a client has stopped reading 64 MiB"
	case stalled > 1:
		about = fmt.Sprintf("while %d clients have stopped reading 64 MiB each", stalled)
	}
	return benchCase{
		name:     fmt.Sprintf("gateway-fair-%s-%d", shortNames[to], stalled),
		about:    fmt.Sprintf("p99 of a gateway from HTTP/1.1 to %s, GET /, 50 connections, %s", longNames[to], about),
		protocol: h1, upstream: to, latency: true, stalled: stalled,
		load: wrk(50, 1), servers: gatewaysTo(to), reference: bestRival,
	}
}

// stall opens connections over HTTP/1.1, asks on each for a long response and reads its head alone. They stay until the
// server stops.
func (t *target) stall(connections int) error {
	for range connections {
		c, err := net.DialTimeout("tcp", t.setup.address(), 5*time.Second)
		if err != nil {
			return err
		}
		t.stalled = append(t.stalled, c)
		if err := askAndStop(c); err != nil {
			return fmt.Errorf("a client that stops reading: %w", err)
		}
	}
	return nil
}

// askAndStop asks for a long response on c and reads its head.
func askAndStop(c net.Conn) error {
	if tcp, ok := c.(*net.TCPConn); ok {
		if err := tcp.SetReadBuffer(4 << 10); err != nil {
			return err
		}
	}
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c, "GET %s%s HTTP/1.1\r\nHost: localhost\r\n\r\n", rival.FilePath, fileName(stalledContent)); err != nil {
		return err
	}
	line, err := bufio.NewReaderSize(c, 256).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "HTTP/1.1 200 ") {
		return errors.New(strings.TrimSpace(line))
	}
	return nil
}
