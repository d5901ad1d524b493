//go:build linux

package server_test

import (
	"crypto/tls"
	"net"
	"testing"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// withTLS serves TLS in place of cleartext.
func withTLS(t *testing.T) func(*server.Config) {
	t.Helper()
	store, err := certs.Open(certs.Options{SelfSigned: true, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return func(c *server.Config) { c.Listeners[0].TLS = store.Config() }
}

// slowHello lets the first record of a handshake pass in two parts.
type slowHello struct {
	net.Conn
	half chan struct{} // told when the first part is out
	rest chan struct{} // closed to let the second follow
	said bool
}

func (c *slowHello) Write(p []byte) (int, error) {
	if c.said {
		return c.Conn.Write(p)
	}
	c.said = true
	n, err := c.Conn.Write(p[:len(p)/2])
	if err != nil {
		return n, err
	}
	close(c.half)
	<-c.rest
	m, err := c.Conn.Write(p[n:])
	return n + m, err
}

func (c *crowd) dialTLS(protocol string) *tls.Conn {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.conns = append(c.conns, conn)
	return tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
}

// handshaking has sent the half of its first record when the stall begins, and the other during it.
func (c *crowd) handshaking() {
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.conns = append(c.conns, conn)
	slow := &slowHello{Conn: conn, half: make(chan struct{}), rest: make(chan struct{})}
	l := c.lineOn(tls.Client(slow, &tls.Config{InsecureSkipVerify: true}))
	said := make(chan error, 1)
	go func() { said <- saying(l, "GET /late HTTP/1.1\r\nHost: a\r\n\r\n")() }()
	<-slow.half
	c.add("handshaking", func() error { close(slow.rest); return nil }, func() error {
		if err := <-said; err != nil {
			return err
		}
		return readAnswer(l.r, "/late")
	})
}

// TLS connections of both protocols outlive a stall, records that are cut in two included.
func TestTLSCrowdEnduresAStall(t *testing.T) {
	s := newStage(t, nil, withTLS(t), patientWatchdog)
	c := &crowd{stage: s}
	c.line = func() *line { return c.lineOn(c.dialTLS("http/1.1")) }
	c.peer = func() *h2Peer { return c.greetHTTP2(c.dialTLS("h2")) }
	c.gather(1)
	for range 5 {
		c.handshaking()
	}
	for _, protocol := range []string{app.HTTP11, app.HTTP2} {
		t.Run(protocol, func(t *testing.T) {
			s.rearm()
			defer s.letGo()
			if protocol == app.HTTP11 {
				guilty := c.dial()
				c.endures(func() { guilty.say("GET /stall HTTP/1.1\r\nHost: a\r\n\r\n") })
				guilty.gone()
				return
			}
			// Those of the first round have done their part.
			c.all = nil
			c.gather(1)
			guilty := c.dialHTTP2()
			c.endures(func() {
				guilty.open(":method", "GET", ":scheme", "https", ":path", "/stall", ":authority", "a").finish()
			})
			<-guilty.ended
		})
	}
}
