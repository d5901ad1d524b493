//go:build linux

package server_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
)

func TestPeerReasons(t *testing.T) {
	for refusal, reason := range map[reactor.PeerRefusal]server.Reason{
		reactor.PeerConnections:    server.PeerConnections,
		reactor.PeerConnectionRate: server.PeerConnectionRate,
		reactor.PeerHandshakeRate:  server.PeerHandshakeRate,
	} {
		if refusal.String() != reason.String() {
			t.Errorf("the log has %v, the counters have %v", refusal, reason)
		}
	}
}

// limitConnections limits the connections of a client.
func limitConnections(n int) func(*server.Config) {
	return func(c *server.Config) { c.Peers.Connections = n }
}

// refusals of connections in words, by what is limited.
var connectionRefusals = []struct {
	name   string
	limits server.PeerLimits
	reason server.Reason
	status int
	after  string
	text   string
}{
	{"connections", server.PeerLimits{Connections: 1}, server.PeerConnections, 503, "1", "too many connections of this client, try again in a while"},
	{"rate", server.PeerLimits{ConnectionRate: 0.01}, server.PeerConnectionRate, 429, "100", "too many new connections of this client, try again in a while"},
}

// A connection beyond a limit is told so in the protocol that it speaks.
func TestRefusedConnectionsOfAClient(t *testing.T) {
	id := issue(t, "a", nil)
	for _, c := range connectionRefusals {
		limits := func(config *server.Config) { config.Peers = c.limits }
		refused := func(s *site, w *watcher, protocol string, status int) {
			s.t.Helper()
			if got := s.Counts(); got.Refused[c.reason] != 1 || got.Refused[server.ConnectionLimit] != 0 {
				s.t.Errorf("%d refusals are counted", got.Refused[c.reason])
			}
			if got := w.next(s.t, w.finished); got.Reason != c.reason.String() || got.Status != status || got.End.String() != "LQ" {
				s.t.Errorf("observers are told %+v", got)
			}
		}
		plain := func(s *site, l *line) {
			s.t.Helper()
			response := l.hear("GET", c.status, c.text)
			if after := response.Header.Get("Retry-After"); after != c.after || !response.Close {
				s.t.Errorf("try again after %q, want %q", after, c.after)
			}
			l.end()
		}
		calm := func(s *site, l *line2) {
			s.t.Helper()
			l.until("GOAWAY", func(frame http2.Frame) bool {
				g, ok := frame.(*http2.GoAwayFrame)
				if ok && (g.ErrCode != http2.ErrCodeEnhanceYourCalm || g.LastStreamID != 0 || string(g.DebugData()) != c.text) {
					s.t.Errorf("%v %q", g, g.DebugData())
				}
				return ok
			})
			l.over()
		}
		for transport, with := range map[string]struct {
			option func(*server.Config)
			first  func(s *site)
			second func(s *site, w *watcher)
		}{
			"HTTP/1.1": {func(*server.Config) {}, func(s *site) { s.dial().say("GET") }, func(s *site, w *watcher) {
				l := s.dial()
				l.say(get("/"))
				plain(s, l)
				refused(s, w, "HTTP/1.1", c.status)
			}},
			"silent": {func(*server.Config) {}, func(s *site) { s.dial().say("GET") }, func(s *site, w *watcher) {
				plain(s, s.dial())
				refused(s, w, "HTTP/1.1", c.status)
			}},
			"HTTP/2": {func(*server.Config) {}, func(s *site) { s.dial().say("GET") }, func(s *site, w *watcher) {
				calm(s, s.dial2())
				refused(s, w, "HTTP/2", 0)
			}},
			"HTTP/1.1 over TLS": {withIdentity(id), func(s *site) { s.dialTLS(anyone()) }, func(s *site, w *watcher) {
				plain(s, s.dialTLS(anyone()))
				refused(s, w, "HTTP/1.1", c.status)
			}},
			"HTTP/2 over TLS": {withIdentity(id), func(s *site) { s.dialTLS(anyone()) }, func(s *site, w *watcher) {
				calm(s, newLine2(s.dialTLS(offering("h2"))))
				refused(s, w, "HTTP/2", 0)
			}},
		} {
			t.Run(c.name+" over "+transport, func(t *testing.T) {
				w := newWatcher()
				s := serve(t, hello, limits, with.option, w.observed)
				with.first(s)
				eventually(t, "the first is there", func() bool { return s.Stats().Connections == 1 })
				with.second(s, w)
				eventually(t, "a line", func() bool { return s.logs.FilterMessage("connection refused: its peer is beyond a limit").Len() == 1 })
			})
		}
	}
}

// offering is a client that offers a protocol.
func offering(protocol string) *tls.Config {
	c := anyone()
	c.NextProtos = []string{protocol}
	return c
}

// Go's client gets the 503, although it has sent nothing when it is refused.
func TestRefusedConnectionOfGo(t *testing.T) {
	s := serve(t, hello, limitConnections(1))
	s.dial().say("GET")
	eventually(t, "the first is there", func() bool { return s.Stats().Connections == 1 })
	for range 10 {
		response, err := s.client().Get(s.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("answered %d", response.StatusCode)
		}
	}
}

// Trusted proxies and exempt networks have no limits.
func TestSparedClients(t *testing.T) {
	loopback := netip.MustParsePrefix("::ffff:127.0.0.0/104")
	for name, spare := range map[string]func(*server.Config){
		"trusted": func(c *server.Config) { c.TrustedProxies = []netip.Prefix{loopback} },
		"exempt":  func(c *server.Config) { c.Peers.Exempt = []netip.Prefix{loopback} },
	} {
		t.Run(name, func(t *testing.T) {
			handler, release := waiting(t)
			s := serve(t, handler, func(c *server.Config) {
				c.Peers = server.PeerLimits{Connections: 1, ConnectionRate: 0.01, Requests: 1}
			}, spare)
			var all []*line
			for range 5 {
				l := s.dial()
				l.say(get("/"))
				all = append(all, l)
			}
			for range all {
				release()
			}
			for _, l := range all {
				l.hear("GET", 200, "released")
			}
		})
	}
}

func TestPeerLimitsOfAServerAreChecked(t *testing.T) {
	if s, err := server.New(server.Config{Handler: hello, Listen: []string{"127.0.0.1:0"}, Peers: server.PeerLimits{Connections: 1, PrefixV6: 129}}); err == nil {
		t.Errorf("accepted: %v", s)
	}
}

// One client opens thousands of connections, another holds all requests that it may have and asks for more. A third one is
// served as if they were not there. GATEWHEEL_FLOOD sets the number of connections.
func TestGreedyClientsHarmNobody(t *testing.T) {
	flood := 2000
	if text := os.Getenv("GATEWHEEL_FLOOD"); text != "" {
		var err error
		if flood, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	const connections, requests = 100, 50
	handler, _ := waiting(t)
	s := serve(t, handler, func(c *server.Config) {
		c.Peers = server.PeerLimits{Connections: connections, Requests: requests}
	}, halfClosedSoon)
	s.failed = true // the requests of the second client wait for ever
	done := make(chan struct{})
	var greedy sync.WaitGroup
	defer greedy.Wait()
	defer close(done)

	var opened atomic.Int32
	const openers = 8
	for i := range openers {
		greedy.Go(func() {
			from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 66)}, Timeout: patience}
			for range (flood + openers - 1 - i) / openers {
				c, err := from.Dial("tcp", s.addr)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				_, _ = io.WriteString(c, get("/")) // a connection that is refused without an answer may be gone
				opened.Add(1)
			}
			<-done
		})
	}

	busy := newLine2(s.dialFrom("127.0.0.67"))
	busy.open()
	stream := uint32(1)
	for ; stream < 2*requests; stream += 2 {
		busy.request(stream, "GET", "/", true)
	}
	eventually(t, "all requests that the second may have are under way", func() bool { return s.Counts().ActiveRequests[app.HTTP2] >= requests })
	greedy.Go(func() {
		c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 67)}}).DialContext}}
		for {
			select {
			case <-done:
				return
			default:
			}
			response, err := c.Get(s.url("/now"))
			if err != nil {
				t.Errorf("the second client: %v", err)
				return
			}
			response.Body.Close()
			if response.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("the second client is answered %d", response.StatusCode)
			}
		}
	})

	kept := s.dial()
	for asked := 0; asked < 100 || int(opened.Load()) < flood; asked++ {
		fresh := s.dial()
		for _, l := range []*line{kept, fresh} {
			l.say(get("/now"))
			l.hear("GET", 200, "Hello, World!")
		}
		fresh.close()
		if t.Failed() {
			return
		}
	}
	eventually(t, "those beyond are refused", func() bool {
		return s.Counts().Refused[server.PeerConnections] == uint64(flood-connections)
	})
	if n := s.Stats().Connections; n > 2*connections+10 {
		t.Errorf("%d connections are open", n)
	}
	if got := s.Counts(); got.Refused[server.PeerRequests] == 0 || got.Peers.Closed == 0 {
		t.Errorf("%d requests are refused, %d connections closed", got.Refused[server.PeerRequests], got.Peers.Closed)
	}
}
