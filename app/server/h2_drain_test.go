//go:build linux

package server_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// survivor is a client that goes on with a new connection after GOAWAY, repeats there what the old one did not
// serve, and reports lost requests.
type survivor struct {
	address string

	mu          sync.Mutex
	current     *survivorConn
	connections int

	answered atomic.Int64
	lost     atomic.Int64
}

// outcome of a request on one connection.
type outcome int

const (
	served outcome = iota
	refused
	gone
)

type survivorConn struct {
	net.Conn
	framer *http2.Framer

	mu      sync.Mutex
	next    uint32
	waiting map[uint32]chan outcome
	leaving bool
}

var errNobody = errors.New("nobody listens")

// connection returns a connection that takes requests.
func (s *survivor) connection() (*survivorConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && !s.current.left() {
		return s.current, nil
	}
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		return nil, errNobody
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	c := &survivorConn{Conn: conn, framer: http2.NewFramer(conn, conn), next: 1, waiting: map[uint32]chan outcome{}}
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		return nil, errNobody
	}
	if err := c.framer.WriteSettings(); err != nil {
		return nil, errNobody
	}
	s.current = c
	s.connections++
	go c.read()
	return c, nil
}

func (c *survivorConn) left() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leaving
}

// read reads frames, and tells each request its outcome.
func (c *survivorConn) read() {
	defer c.Close()
	for {
		frame, err := c.framer.ReadFrame()
		c.mu.Lock()
		if err != nil {
			c.leaving = true
			c.tell(func(uint32) bool { return true }, gone)
			c.mu.Unlock()
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = c.framer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				_ = c.framer.WritePing(true, frame.Data)
			}
		case *http2.GoAwayFrame:
			c.leaving = true
			c.tell(func(id uint32) bool { return id > frame.LastStreamID }, refused)
		case *http2.RSTStreamFrame:
			what := gone
			if frame.ErrCode == http2.ErrCodeRefusedStream {
				what = refused
			}
			c.tell(func(id uint32) bool { return id == frame.StreamID }, what)
		case *http2.DataFrame:
			if frame.StreamEnded() {
				c.tell(func(id uint32) bool { return id == frame.StreamID }, served)
			}
		}
		c.mu.Unlock()
	}
}

func (c *survivorConn) tell(whom func(uint32) bool, what outcome) {
	for id, result := range c.waiting {
		if whom(id) {
			result <- what
			delete(c.waiting, id)
		}
	}
}

// ask sends a request, unless the connection has drained meanwhile.
func (c *survivorConn) ask() (chan outcome, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving {
		return nil, false
	}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	enc.SetMaxDynamicTableSize(0)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}} {
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	result := make(chan outcome, 1)
	c.waiting[c.next] = result
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: c.next, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	c.next += 2
	if err != nil {
		// The reader gets the same error.
		c.leaving = true
	}
	return result, true
}

// run sends one request after another until it is stopped, or nothing listens.
func (s *survivor) run(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		c, err := s.connection()
		if err != nil {
			return
		}
		result, ok := c.ask()
		if !ok {
			continue
		}
		switch <-result {
		case served:
			s.answered.Add(1)
		case gone:
			s.lost.Add(1)
		}
	}
}

// runMany runs n of them on the same connections.
func (s *survivor) runMany(n int, stop <-chan struct{}) *sync.WaitGroup {
	var wait sync.WaitGroup
	for range n {
		wait.Go(func() { s.run(stop) })
	}
	return &wait
}

// unhurried answers after a while, so that requests are always in progress.
func unhurried(r *app.Request) app.Answer {
	return app.Then(app.Sleep(r, time.Millisecond), func(app.Done) app.Answer { return hello(r) })
}

// Connections that reach their age are replaced under load without losing a request.
func TestHTTP2MaxAgeLosesNothing(t *testing.T) {
	s := serve(t, unhurried, func(c *server.Config) {
		c.HTTP2.MaxAge = 50 * time.Millisecond
		c.HTTP2.MaxAgeJitter = 50 * time.Millisecond
		c.HTTP2.DrainTimeout = patience // the round trip has to end it
	})
	client := &survivor{address: s.addr}
	stop := make(chan struct{})
	wait := client.runMany(16, stop)
	eventually(t, "many connections come and go", func() bool {
		client.mu.Lock()
		defer client.mu.Unlock()
		return client.connections >= 10
	})
	close(stop)
	wait.Wait()
	client.current.Close()
	if lost := client.lost.Load(); lost > 0 {
		t.Errorf("%d requests were lost, %d answered", lost, client.answered.Load())
	}
	eventually(t, "all connections are gone", func() bool { return s.Stats().Connections == 0 })
}

// Streams that are open after the grace are cut off.
func TestHTTP2MaxAgeGrace(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		_, f := app.Promised[*app.Response](r)
		return f
	}, func(c *server.Config) {
		c.HTTP2.MaxAge = 50 * time.Millisecond
		c.HTTP2.MaxAgeGrace = 50 * time.Millisecond
	})
	l := s.dial2()
	l.request(1, "GET", "/", true)
	if last := l.leaves(http2.ErrCodeNo); last != 1<<31-1 {
		t.Errorf("the notice names stream %d", last)
	}
	if last := l.leaves(http2.ErrCodeNo); last != 1 {
		t.Errorf("the last stream is %d", last)
	}
	l.over()
}

// A server that stops under load answers every request up to the last stream of its GOAWAY.
func TestHTTP2ShutdownLosesNothing(t *testing.T) {
	s := serve(t, unhurried)
	clients := []*survivor{{address: s.addr}, {address: s.addr}, {address: s.addr}}
	stop := make(chan struct{})
	var waits []*sync.WaitGroup
	for _, c := range clients {
		waits = append(waits, c.runMany(16, stop))
	}
	for _, c := range clients {
		eventually(t, "load", func() bool { return c.answered.Load() > 200 })
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	close(stop)
	for i, c := range clients {
		waits[i].Wait()
		if lost := c.lost.Load(); lost > 0 {
			t.Errorf("client %d: %d requests were lost, %d answered", i, lost, c.answered.Load())
		}
	}
}

// After a client's GOAWAY its requests are answered, and the connection ends.
func TestHTTP2ClientLeaves(t *testing.T) {
	later := make(chan *app.Promise[*app.Response], 1)
	s := serve(t, func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		later <- p
		return f
	})
	l := s.dial2()
	l.request(1, "GET", "/", true)
	l.must(l.framer.WriteGoAway(0, http2.ErrCodeNo, nil))
	l.leaves(http2.ErrCodeNo)
	(<-later).Resolve(app.Text(200, "all the same"))
	l.until("content", func(frame http2.Frame) bool {
		d, ok := frame.(*http2.DataFrame)
		return ok && string(d.Data()) == "all the same"
	})
	l.over()
}

// A silent peer gets a PING, and is closed if it does not acknowledge it.
func TestHTTP2KeepAlive(t *testing.T) {
	s := serve(t, hello, func(c *server.Config) {
		c.HTTP2.KeepAlive = 20 * time.Millisecond
		c.HTTP2.KeepAliveTimeout = 200 * time.Millisecond
	})
	alive, dead := s.dial2(), s.dial2()
	pings := 0
	alive.until("PINGs", func(frame http2.Frame) bool {
		if p, ok := frame.(*http2.PingFrame); ok && !p.IsAck() {
			pings++
		}
		return pings == 20
	})
	dead.over()
	alive.request(1, "GET", "/", true)
	alive.answer(1, "200", "Hello, World!")
}
