//go:build linux

package reactor

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// Connections that were established before the reactor has got the listening socket have not inherited its options, and
// those of a Multipath TCP socket inherit only some. With Nagle's algorithm their responses would wait for delayed
// acknowledgements.
func TestConnectionsOfInheritedSocketsHaveAllOptions(t *testing.T) {
	for name, multipath := range map[string]bool{"TCP": false, "Multipath TCP": true} {
		t.Run(name, func(t *testing.T) { testInheritedOptions(t, multipath) })
	}
}

func testInheritedOptions(t *testing.T, multipath bool) {
	lc := singlePath()
	lc.SetMultipathTCP(multipath)
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const early, late = 5, 3
	dial := func() {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	for range early {
		dial()
	}
	r, err := New(Config{Loops: 2, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	lacking := make(chan string, early+late)
	open := func(c *Conn) Session {
		lacking <- lackingOptions(c)
		return &lines{conn: c}
	}
	if _, err := r.Listen(ListenerConfig{File: file, Open: open}); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup((&server{Reactor: r, t: t}).stop)
	for range late {
		dial()
	}
	for range early + late {
		if lacks := <-lacking; lacks != "" {
			t.Errorf("a connection lacks%s", lacks)
		}
	}
}

// lackingOptions names the options that the connection should have inherited and has not.
func lackingOptions(c *Conn) (names string) {
	for name, option := range map[string][3]int{
		"TCP_NODELAY":       {unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		"TCP_NOTSENT_LOWAT": {unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, c.loop.Load().reactor.config.NotsentLowat},
		"SO_KEEPALIVE":      {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
	} {
		if have, err := unix.GetsockoptInt(int(c.fd), option[0], option[1]); err != nil || have != option[2] {
			names += " " + name
		}
	}
	return names
}
