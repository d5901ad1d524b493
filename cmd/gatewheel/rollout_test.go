//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// service is a list of servers, as a cluster keeps one, and what its clients have seen. Each new connection goes to one of
// the servers.
type service struct {
	t *testing.T

	mu      sync.RWMutex // held for reading while a connection is opened
	servers []*replica

	transports map[string]*http.Transport // of the clients

	failed  atomic.Int64
	failure atomic.Pointer[error]
}

// replica is one server of a service.
type replica struct {
	*child
	clear, secure string // addresses

	answered atomic.Int64
	open     atomic.Int64 // connections
}

// add starts a server and adds it to the service.
func (s *service) add(args ...string) *replica {
	s.t.Helper()
	c := serve(s.t, append([]string{"--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--tls-self-signed", "--loops", "2"}, args...)...)
	r := &replica{child: c, clear: c.address(), secure: strings.TrimPrefix(c.urls[1], "https://")}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.servers = append(s.servers, r)
	return r
}

// remove removes r from the list. No connection is being opened to it afterwards.
func (s *service) remove(r *replica) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.servers = slices.DeleteFunc(s.servers, func(other *replica) bool { return other == r })
}

// countedConn is a connection to a replica.
type countedConn struct {
	net.Conn
	to     *replica
	closed atomic.Bool
}

func (c *countedConn) Close() error {
	if !c.closed.Swap(true) {
		c.to.open.Add(-1)
	}
	return c.Conn.Close()
}

// dial connects to one of the servers: the host of address is http or https.
func (s *service) dial(ctx context.Context, _, address string) (net.Conn, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.servers[rand.IntN(len(s.servers))]
	to := r.clear
	if strings.HasPrefix(address, "https") {
		to = r.secure
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, err
	}
	r.open.Add(1)
	return &countedConn{Conn: conn, to: r}, nil
}

// serverAt returns the server with that address, or nil.
func (s *service) serverAt(address string) *replica {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, r := range s.servers {
		if address == r.clear || address == r.secure {
			return r
		}
	}
	return nil
}

// addClients makes the clients of the service: HTTP/1.1 and HTTP/2, over TLS and without, with a connection for many requests or for
// each one. All honour Connection: close and GOAWAY.
func (s *service) addClients() {
	s.transports = map[string]*http.Transport{}
	for _, c := range []struct {
		name     string
		version2 bool
		single   bool // a connection for each request
	}{
		{"http, HTTP/1.1 kept", false, false}, {"http, HTTP/1.1 new", false, true}, {"http, HTTP/2", true, false},
		{"https, HTTP/1.1 kept", false, false}, {"https, HTTP/1.1 new", false, true}, {"https, HTTP/2", true, false},
	} {
		var protocols http.Protocols
		protocols.SetHTTP1(!c.version2)
		protocols.SetHTTP2(c.version2)
		protocols.SetUnencryptedHTTP2(c.version2)
		transport := &http.Transport{
			DialContext: s.dial, DisableKeepAlives: c.single, Protocols: &protocols,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		}
		s.t.Cleanup(transport.CloseIdleConnections)
		s.transports[c.name] = transport
	}
}

// left reports whether no client is connected to r. It closes idle connections, which a pool may keep for long.
func (s *service) left(r *replica) bool {
	for _, transport := range s.transports {
		transport.CloseIdleConnections()
	}
	return r.open.Load() == 0
}

// load has clients send requests until stop is called, which waits for the last answers.
func (s *service) load() (stop func()) {
	over := make(chan struct{})
	var running sync.WaitGroup
	s.addClients()
	for name, transport := range s.transports {
		scheme, _, _ := strings.Cut(name, ",")
		client := &http.Client{Transport: transport, Timeout: patience}
		for range 3 {
			running.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-over:
						return
					default:
					}
					if err := s.request(client, scheme, i); err != nil {
						s.failed.Add(1)
						err = fmt.Errorf("%s: %w", name, err)
						s.failure.CompareAndSwap(nil, &err)
					}
				}
			})
		}
	}
	return sync.OnceFunc(func() {
		close(over)
		running.Wait()
	})
}

// request sends request number i of a client.
func (s *service) request(client *http.Client, scheme string, i int) error {
	method, path, content := http.MethodGet, "/", ""
	switch i % 3 {
	case 1:
		method, path, content = http.MethodPost, "/echo", "content"
	case 2:
		path = "/delay/20ms"
	}
	var at string
	ctx := httptrace.WithClientTrace(s.t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		at = c.Conn.RemoteAddr().String()
	}})
	request, err := http.NewRequestWithContext(ctx, method, scheme+"://"+scheme+path, strings.NewReader(content))
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode != http.StatusOK, content != "" && string(got) != content:
		return fmt.Errorf("%s %s: %s %q", method, path, response.Status, got)
	}
	if r := s.serverAt(at); r != nil {
		r.answered.Add(1)
	}
	return nil
}

// awaitTrue waits for a condition.
func awaitTrue(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !reached(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// awaitAnswers waits until r has answered n more requests.
func awaitAnswers(t *testing.T, r *replica, n int64) {
	t.Helper()
	want := r.answered.Load() + n
	awaitTrue(t, "more answers", func() bool { return r.answered.Load() >= want })
}

// TestRollout replaces the servers of a service one after the other, as Kubernetes does it: a server gets SIGTERM, is
// taken from the list some time later, and ends. No request fails. ROLLOUT is the drain delay, of which the list needs two
// fifths (make rollout); without it the list changes when the server has answered for a while, and the delay ends when
// its clients have left.
func TestRollout(t *testing.T) {
	delay, timed := os.LookupEnv("ROLLOUT")
	if !timed {
		delay = "1h"
	}
	lag, err := time.ParseDuration(delay)
	if err != nil {
		t.Fatal(err)
	}
	lag = lag * 2 / 5
	s := &service{t: t}
	old := []*replica{s.add("--drain-delay", delay), s.add("--drain-delay", delay)}
	stop := s.load()
	defer stop()
	for _, r := range old {
		next := s.add("--drain-delay", delay)
		awaitAnswers(t, next, 20)
		awaitAnswers(t, r, 20)
		r.signal(syscall.SIGTERM)
		if timed {
			time.Sleep(lag) // what is simulated is time
			s.remove(r)
		} else {
			r.logs("not ready, but serving until the drain")
			awaitAnswers(t, r, 100)
			s.remove(r)
			awaitTrue(t, "its clients leave", func() bool { return s.left(r) })
			r.signal(syscall.SIGTERM)
		}
		if code := r.exit(); code != exitClean {
			t.Errorf("exit %d", code)
		}
	}
	for _, r := range s.servers {
		awaitAnswers(t, r, 20)
	}
	stop()
	if n := s.failed.Load(); n > 0 {
		t.Errorf("%d requests failed, the first with: %v", n, *s.failure.Load())
	}
}

// TestRolloutWithoutADelay: the same clients see failures if a server drains while it is in the list.
func TestRolloutWithoutADelay(t *testing.T) {
	s := &service{t: t}
	r := s.add()
	s.add()
	stop := s.load()
	defer stop()
	awaitAnswers(t, r, 20)
	if n := s.failed.Load(); n > 0 {
		t.Fatalf("%d requests failed before, the first with: %v", n, *s.failure.Load())
	}
	r.signal(syscall.SIGTERM)
	awaitTrue(t, "requests fail", func() bool { return s.failed.Load() > 0 })
	if code := r.exit(); code != exitClean {
		t.Errorf("exit %d", code)
	}
}
