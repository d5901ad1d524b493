//go:build linux

package interop

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counted is a handler that counts requests by their number, so that it knows of one that came twice.
type counted struct {
	seen  sync.Map
	twice atomic.Int64
}

func (h *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if id := r.Header.Get("Id"); id != "" {
		if _, before := h.seen.LoadOrStore(id, true); before {
			h.twice.Add(1)
		}
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "Hello, World!")
}

// on starts net/http on a listener, until the test ends.
func (h *counted) on(t *testing.T, l net.Listener, change func(*http.Server)) *http.Server {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	s := &http.Server{Handler: h, Protocols: &p}
	if change != nil {
		change(s)
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return s
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		l, err := net.Listen("tcp", address)
		if err == nil {
			return l
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// load sends requests by so many clients for d, and returns their number and those that failed. Each client pauses so that
// kept connections are idle meanwhile.
func load(t *testing.T, s *site, method string, users int, d, pause time.Duration) (sent, failed int64) {
	var group sync.WaitGroup
	var requests, failures atomic.Int64
	end := time.Now().Add(d)
	for user := range users {
		group.Go(func() {
			c := httpClient(t, user%2 == 0)
			for n := 0; time.Now().Before(end); n++ {
				r, _ := http.NewRequest(method, "http://"+s.plain+"/", nil)
				if method == "POST" {
					r, _ = http.NewRequest(method, "http://"+s.plain+"/", strings.NewReader("content"))
				}
				r.Header.Set("Id", fmt.Sprint(method, user, "-", n))
				requests.Add(1)
				if method == "GET" {
					r.Header.Del("Id") // a GET may be repeated
				}
				response, err := c.Do(r)
				if err != nil {
					failures.Add(1)
					t.Logf("%s: %v", method, err)
					continue
				}
				text, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != 200 {
					failures.Add(1)
					t.Logf("%s: %s %q %v", method, response.Status, text, err)
				}
				time.Sleep(pause)
			}
		})
	}
	group.Wait()
	return requests.Load(), failures.Load()
}

// loadTime is how long each load lasts: a second, or what the environment variable RACE_TIME says.
var loadTime = func() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("RACE_TIME")); err == nil {
		return d
	}
	return time.Second
}()

// warmTime is how long requests without pauses earn retries before a load.
const warmTime = 200 * time.Millisecond

// TestIdleRaces: backends that close kept connections cost no GET, and process no POST twice.
func TestIdleRaces(t *testing.T) {
	for name, c := range map[string]struct {
		scheme string
		pause  time.Duration
		change func(*http.Server)
	}{
		"HTTP/1.1, closed after 50 ms": {"http", 50 * time.Millisecond, func(s *http.Server) { s.IdleTimeout = 50 * time.Millisecond }},
		"HTTP/2, closed after 50 ms":   {"h2c", 50 * time.Millisecond, func(s *http.Server) { s.IdleTimeout = 50 * time.Millisecond }},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(name+" "+method, func(t *testing.T) {
				t.Parallel()
				h := &counted{}
				l := listen(t, "127.0.0.1:0")
				h.on(t, l, c.change)
				s := forward(t, c.scheme+"://"+l.Addr().String())
				// Retries stay within a fifth of the requests of a loop, three at least: eight clients need more at once.
				load(t, s, "GET", 8, warmTime, 0)
				before := s.gateway.Counts().Backend.Retries
				sent, failed := load(t, s, method, 8, loadTime, c.pause)
				t.Logf("%d sent, %d failed, %d twice, %d retries", sent, failed, h.twice.Load(), s.gateway.Counts().Backend.Retries-before)
				if h.twice.Load() > 0 || method == "GET" && failed > 0 {
					t.Errorf("%d of %d failed, %d came twice", failed, sent, h.twice.Load())
				}
			})
		}
	}
}

// TestGoaway: a backend that sends GOAWAY every 1,000 requests costs no request.
func TestGoaway(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			h := &counted{}
			l := listen(t, "127.0.0.1:0")
			t.Cleanup(func() { l.Close() })
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					go h.until(conn, 1000)
				}
			}()
			s := forward(t, "h2c://"+l.Addr().String())
			sent, failed := load(t, s, method, 16, loadTime, 0)
			t.Logf("%d sent, %d failed, %d twice, %d dials", sent, failed, h.twice.Load(), s.gateway.Counts().Backend.Dials)
			if h.twice.Load() > 0 || failed > 0 {
				t.Errorf("%d of %d failed, %d came twice", failed, sent, h.twice.Load())
			}
		})
	}
}

// until serves a connection over HTTP/2, and sends GOAWAY after so many requests.
func (h *counted) until(conn net.Conn, requests int64) {
	var n atomic.Int64
	s := &http.Server{Protocols: new(http.Protocols)}
	s.Protocols.SetUnencryptedHTTP2(true)
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == requests {
			go s.Shutdown(context.Background()) // sends GOAWAY on the connection
		}
		h.ServeHTTP(w, r)
	})
	_ = s.Serve(&accepted{conns: []net.Conn{conn}, address: conn.LocalAddr(), closed: make(chan struct{})})
}

// accepted is a listener with connections that were accepted before.
type accepted struct {
	conns   []net.Conn
	address net.Addr
	once    sync.Once
	closed  chan struct{}
}

func (a *accepted) Accept() (net.Conn, error) {
	if len(a.conns) == 0 {
		<-a.closed
		return nil, net.ErrClosed
	}
	conn := a.conns[0]
	a.conns = a.conns[1:]
	return conn, nil
}

func (a *accepted) Close() error {
	a.once.Do(func() { close(a.closed) })
	return nil
}

func (a *accepted) Addr() net.Addr { return a.address }

// TestRestarts: a backend that is stopped for a moment, again and again, costs no GET, and processes no POST twice.
func TestRestarts(t *testing.T) {
	for _, scheme := range []string{"http", "h2c"} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(scheme+" "+method, func(t *testing.T) {
				t.Parallel()
				h := &counted{}
				l := listen(t, "127.0.0.1:0")
				address := l.Addr().String()
				server := h.on(t, l, nil)
				s := forward(t, scheme+"://"+address)
				stop, stopped := make(chan struct{}), make(chan struct{})
				restarts := 0
				go func() {
					defer close(stopped)
					for {
						select {
						case <-stop:
							return
						case <-time.After(min(loadTime/4, 2*time.Second)):
						}
						ctx, cancel := context.WithTimeout(context.Background(), patience)
						_ = server.Shutdown(ctx)
						cancel()
						server = h.on(t, listen(t, address), nil)
						restarts++
					}
				}()
				sent, failed := load(t, s, method, 8, loadTime, time.Millisecond)
				close(stop)
				<-stopped
				t.Logf("%d restarts, %d sent, %d failed, %d twice", restarts, sent, failed, h.twice.Load())
				if h.twice.Load() > 0 || method == "GET" && failed > 0 {
					t.Errorf("%d of %d failed, %d came twice", failed, sent, h.twice.Load())
				}
			})
		}
	}
}
