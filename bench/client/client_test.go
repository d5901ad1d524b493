package client

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// serve listens until the test ends and calls handle for each connection, which it closes after that.
func serve(t *testing.T, handle func(c net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				handle(c)
			}()
		}
	}()
	return l.Addr().String()
}

// TestEventsBeforeReadyAreNotCounted: a stream has a hundred events before ready and three after, the last of which comes
// in two parts.
func TestEventsBeforeReadyAreNotCounted(t *testing.T) {
	started, closed := make(chan struct{}), make(chan struct{})
	var sentBefore atomic.Bool
	address := serve(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
		for range 100 {
			_, _ = io.WriteString(c, "data: early\n\n")
		}
		sentBefore.Store(true)
		<-started
		_, _ = io.WriteString(c, "data: 1\n\ndata: 2\n\ndata: 3\n")
		time.Sleep(10 * time.Millisecond)
		_, _ = io.WriteString(c, "\n")
		_, _ = c.Read(make([]byte, 1)) // until the client closes
		close(closed)
	})
	var result Result
	ready := func() {
		for !sentBefore.Load() {
			time.Sleep(time.Millisecond)
		}
		for range 100 { // the reader has its turn many times
			time.Sleep(2 * time.Millisecond)
		}
		time.AfterFunc(50*time.Millisecond, func() { close(started) })
	}
	done := func(r Result) {
		result = r
		select {
		case <-closed:
			t.Error("the connection was closed before the result was there")
		default:
		}
	}
	if err := (Events{Address: address, Path: "/", Connections: 1, Duration: time.Second}).Run(ready, done); err != nil {
		t.Fatal(err)
	}
	if result.Count != 3 || result.Elapsed < time.Second {
		t.Errorf("%+v, want 3 events in a second", result)
	}
	<-closed
}

func TestEventsOfAStreamThatEnds(t *testing.T) {
	address := serve(t, func(c net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
	})
	err := Events{Address: address, Path: "/", Connections: 1, Duration: Patience}.Run(func() {}, func(Result) { t.Error("there is a result") })
	if err == nil {
		t.Error("no error")
	}
}

// hello answers each request, the nth of a connection after what delay returns.
func hello(t *testing.T, delay func(n int) time.Duration) (address string) {
	return serve(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		for n := 0; ; n++ {
			if _, err := http.ReadRequest(in); err != nil {
				return
			}
			time.Sleep(delay(n))
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
		}
	})
}

func TestRequestsAtAFixedRate(t *testing.T) {
	address := hello(t, func(int) time.Duration { return 0 })
	p := Paced{Address: address, Path: "/", Content: "hi", Connections: 3, Rate: 250, Duration: 500 * time.Millisecond}
	var result PacedResult
	if err := p.Run(func() {}, func(r PacedResult) { result = r }); err != nil {
		t.Fatal(err)
	}
	if result.Count != 125 || result.P50 == 0 || result.Late == 0 {
		t.Errorf("%+v, want 125 requests with their times", result)
	}
}

// TestPausesOfAServerCount: requests that were due while the server paused have latencies, and were not sent late by the
// client.
func TestPausesOfAServerCount(t *testing.T) {
	const pause = 400 * time.Millisecond
	address := hello(t, func(n int) time.Duration {
		if n == 1 { // the one before is that of the opening
			return pause
		}
		return 0
	})
	p := Paced{Address: address, Path: "/", Content: "hi", Connections: 1, Rate: 100, Duration: pause}
	var result PacedResult
	if err := p.Run(func() {}, func(r PacedResult) { result = r }); err != nil {
		t.Fatal(err)
	}
	if result.Count != 40 || result.P50 < pause/4 {
		t.Errorf("%+v, want 40 requests that have waited", result)
	}
	if result.Late > pause/2 {
		t.Errorf("sent %v late: the pause of the server counts as the client's", result.Late)
	}
}
