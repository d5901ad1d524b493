//go:build linux

package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/reactor"
)

// Peers that have asked for nothing hold no drain: it takes the grace of a second, and what a busy machine adds.
// Each kind of them would hold it for five seconds or more if it were waited for.
func TestDrainWaitsForNobodyWithoutARequest(t *testing.T) {
	const patienceOfADrain = 3 * time.Second
	secure := withIdentity(issue(t, "a.test", nil))
	proxied := func(c *server.Config) { c.Listeners[0].ProxyProtocol = reactor.ProxyRequire }
	var all sync.WaitGroup
	for name, c := range map[string]struct {
		configure func(*server.Config)
		connect   func(*site)
	}{
		"silent":                    {nil, func(s *site) { s.dial() }},
		"silent TLS":                {secure, func(s *site) { s.dial() }},
		"half a ClientHello":        {secure, func(s *site) { s.dial().say("\x16\x03\x01\x02") }},
		"half a handshake":          {secure, func(s *site) { s.dial().say(halfHandshake(t)) }},
		"idle TLS":                  {secure, func(s *site) { s.dialTLS(anyone()) }},
		"silent before PROXY":       {proxied, func(s *site) { s.dial() }},
		"half a PROXY header":       {proxied, func(s *site) { s.dial().say("PROXY TCP4 ") }},
		"silent behind PROXY":       {proxied, func(s *site) { s.dial().say("PROXY UNKNOWN\r\n") }},
		"part of the preface":       {nil, func(s *site) { s.dial().say("PRI * HTTP/2.0\r\n") }},
		"part of a head":            {nil, func(s *site) { s.dial().say("GET / HTTP/1.1\r\n") }},
		"idle HTTP/1.1":             {nil, func(s *site) { l := s.dial(); l.say(get("/")); l.hear("GET", 200, "Hello, World!") }},
		"idle HTTP/2, says nothing": {nil, func(s *site) { l := s.dial2(); l.request(1, "GET", "/", true); l.answer(1, "200", "Hello, World!") }},
		"last answer read, and not closed": {nil, func(s *site) {
			l := s.dial()
			l.say(get("/", "Connection: close") + "more")
			l.hear("GET", 200, "Hello, World!")
		}},
		"WebSocket, says nothing": {func(c *server.Config) { c.Handler = at(&websocket.Endpoint{}) }, func(s *site) { upgradeHTTP1(s, "/") }},
	} {
		var configure []func(*server.Config)
		if c.configure != nil {
			configure = append(configure, c.configure)
		}
		s := serve(t, hello, configure...)
		for range 3 {
			c.connect(s)
		}
		eventually(t, "they are there", func() bool { return s.Stats().Connections == 3 })
		all.Go(func() {
			begun := time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := s.Shutdown(ctx); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if d := time.Since(begun); d > patienceOfADrain {
				t.Errorf("%s: the drain took %v", name, d)
			}
		})
	}
	all.Wait()
}

// halfHandshake is a ClientHello, whose sender will not answer what it gets.
func halfHandshake(t *testing.T) string {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	go func() { _ = tls.Client(near, anyone()).Handshake() }()
	hello := make([]byte, 16<<10)
	n, err := far.Read(hello)
	if err != nil {
		t.Fatal(err)
	}
	return string(hello[:n])
}

// An idle connection that was silent for longer than the grace ends at once.
func TestDrainEndsOldConnectionsAtOnce(t *testing.T) {
	s := serve(t, hello)
	idle, silent := s.dial(), s.dial()
	idle.say(get("/"))
	idle.hear("GET", 200, "Hello, World!")
	time.Sleep(2100 * time.Millisecond) // time is what makes it old
	begun := time.Now()
	over := s.stop(context.Background())
	idle.end()
	silent.end()
	if err := <-over; err != nil {
		t.Error(err)
	}
	if d := time.Since(begun); d > reactor.DrainGrace*3/4 {
		t.Errorf("the drain took %v", d)
	}
}

// A connection that was busy lately is served once more, and told that it was the last time.
func TestDrainServesARequestThatIsOnItsWay(t *testing.T) {
	for name, configure := range map[string]func(*server.Config){
		"in the clear": func(*server.Config) {},
		"TLS":          withIdentity(issue(t, "a.test", nil)),
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, hello, configure)
			dial := s.dial
			if name == "TLS" {
				dial = func() *line { return s.dialTLS(anyone()) }
			}
			kept, newcomer := dial(), dial()
			kept.say(get("/"))
			kept.hear("GET", 200, "Hello, World!")
			eventually(t, "both are there", func() bool { return s.Stats().Connections == 2 })
			over := s.stop(context.Background())
			eventually(t, "it drains", s.Draining)
			for _, l := range []*line{kept, newcomer} {
				l.say(get("/"))
				if !l.hear("GET", 200, "Hello, World!").Close {
					t.Error("the last answer does not say so")
				}
				l.end()
				l.close()
			}
			if err := <-over; err != nil {
				t.Error(err)
			}
		})
	}
}

// kept is a client that asks again and again on one connection, until it is told that an answer was the last.
type kept struct {
	net.Conn
	answered, lost *atomic.Int64
}

func (k *kept) run(think func() time.Duration) {
	defer k.Close()
	r := bufio.NewReader(k.Conn)
	for {
		_, err := k.Write([]byte(get("/")))
		var response *http.Response
		if err == nil {
			response, err = http.ReadResponse(r, nil)
		}
		if err == nil {
			_, err = r.Discard(len("Hello, World!"))
		}
		if err != nil {
			k.lost.Add(1)
			return
		}
		k.answered.Add(1)
		if response.Close {
			return
		}
		time.Sleep(think())
	}
}

// A server that stops under load answers every request on the connections that it has kept, however many others
// are idle.
func TestDrainLosesNoRequest(t *testing.T) {
	for name, c := range map[string]struct{ rounds, idle, busy int }{
		"many times":                 {60, 0, 20},
		"with many idle peers":       {1, 3000, 40},
		"with idle peers, in bursts": {3, 300, 40},
	} {
		t.Run(name, func(t *testing.T) {
			var answered, lost atomic.Int64
			for range c.rounds {
				s := serve(t, hello)
				var idle []net.Conn
				for range c.idle {
					conn, err := s.connect()
					if err != nil {
						t.Fatal(err)
					}
					idle = append(idle, conn)
				}
				var clients sync.WaitGroup
				for range c.busy {
					conn, err := s.connect()
					if err != nil {
						t.Fatal(err)
					}
					_ = conn.SetDeadline(time.Now().Add(patience))
					k := &kept{conn, &answered, &lost}
					clients.Go(func() {
						k.run(func() time.Duration { return time.Duration(rand.Int64N(int64(5 * time.Millisecond))) })
					})
				}
				before := answered.Load()
				eventually(t, "load", func() bool { return answered.Load() > before+int64(2*c.busy) })
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				if err := s.Shutdown(ctx); err != nil {
					t.Error(err)
				}
				cancel()
				clients.Wait()
				for _, conn := range idle {
					conn.Close()
				}
			}
			if lost.Load() > 0 {
				t.Errorf("%d requests were lost, %d answered", lost.Load(), answered.Load())
			}
		})
	}
}
