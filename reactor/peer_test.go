//go:build linux

package reactor

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gatewheel/gatewheel/internal/logqueue"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// refuser answers a refused connection with the reason, and closes.
type refuser struct {
	conn *Conn
	text string
}

func (s *refuser) Receive(in []byte) int { return len(in) }
func (s *refuser) Transmit(dst []byte, _ int) []byte {
	dst = append(dst, s.text...)
	s.text = ""
	s.conn.CloseFlushed()
	return dst
}
func (s *refuser) EOF() bool    { return false }
func (s *refuser) Timeout()     {}
func (s *refuser) Closed(error) {}

// patientRefuser does the same, and leaves the connection open until its peer closes.
type patientRefuser struct{ refuser }

func (s *patientRefuser) Transmit(dst []byte, _ int) []byte {
	dst = append(dst, s.text...)
	s.text = ""
	return dst
}

func refuse(c *Conn) Session {
	reason, _ := c.PeerRefused()
	c.Touch()
	return &refuser{c, "refused: " + reason.String()}
}

func refusePatiently(c *Conn) Session {
	reason, _ := c.PeerRefused()
	c.Touch()
	return &patientRefuser{refuser{c, "refused: " + reason.String() + "\n"}}
}

// peersLeft waits until a Reactor knows so many peers and connections.
func peersLeft(t *testing.T, r *Reactor, peers, connections int) {
	t.Helper()
	eventually(t, "peers and connections have left", func() bool {
		s := r.Stats()
		return s.Peers.Known == peers && s.Connections == connections && r.refusedOpen.Load() == 0
	})
}

// A connection beyond the limit is answered, one of another address is served, and one that closes makes room.
func TestConnectionsOfAPeer(t *testing.T) {
	core, logs := observer.New(zapcore.WarnLevel)
	log := logqueue.Wrap(zap.New(core))
	s := serve(t, Config{Loops: 2, Peers: PeerLimits{Connections: 2}, Refuse: refuse, Logger: log}, nil)
	var held []*client
	for range 2 {
		c := s.dial()
		c.say("echo hello")
		c.want("hello")
		held = append(held, c)
	}
	if got, err := io.ReadAll(s.dial()); err != nil || string(got) != "refused: peer-connections" {
		t.Errorf("the third reads %q, %v", got, err)
	}
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, Timeout: patience}
	other, err := from.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	o := &client{other.(*net.TCPConn), t}
	o.say("echo from elsewhere")
	o.want("from elsewhere")

	held[0].Close()
	eventually(t, "its place is free", func() bool { return s.Stats().Connections == 2 })
	c := s.dial()
	c.say("echo again")
	c.want("again")
	if got := s.Stats().Peers; got.Refused[PeerConnections] != 1 || got.Closed != 0 || got.Known != 2 {
		t.Errorf("%+v", got)
	}
	_ = logqueue.Flush(log, patience)
	if lines := logs.All(); len(lines) != 1 || lines[0].ContextMap()["reason"] != "peer-connections" || lines[0].ContextMap()["prefix"] != "127.0.0.1/32" {
		t.Errorf("the log has %v", lines)
	}
	c.Close()
	held[1].Close()
	other.Close()
	peersLeft(t, s.Reactor, 0, 0)
}

// Refused connections beyond a bound are closed at once, whatever those before them do.
func TestRefusedConnectionsOfAPeerAreBounded(t *testing.T) {
	s := serve(t, Config{Loops: 2, Peers: PeerLimits{Connections: 1}, Refuse: refusePatiently}, nil)
	c := s.dial()
	c.say("echo hello")
	c.want("hello")
	var refused []*client
	for range leastAnswered {
		r := s.dial()
		r.want("refused: peer-connections")
		refused = append(refused, r)
	}
	for range 50 {
		got, err := io.ReadAll(s.dial())
		if len(got) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("beyond the bound one reads %q, %v", got, err)
		}
	}
	eventually(t, "those beyond have left", func() bool { return s.Stats().Connections == 1+leastAnswered })
	if got := s.Stats().Peers; got.Closed != 50 || got.Refused[PeerConnections] != 50+leastAnswered {
		t.Errorf("%+v", got)
	}
	for _, r := range refused {
		r.Close()
	}
	c.Close()
	peersLeft(t, s.Reactor, 0, 0)
}

// Refused connections do not count for MaxConnections.
func TestRefusedConnectionsLeaveRoom(t *testing.T) {
	s := serve(t, Config{Loops: 1, MaxConnections: 2, Peers: PeerLimits{Connections: 1}, Refuse: refusePatiently}, nil)
	c := s.dial()
	c.say("echo hello")
	c.want("hello")
	for range leastAnswered {
		s.dial().want("refused: peer-connections")
	}
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, Timeout: patience}
	other, err := from.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	o := &client{other.(*net.TCPConn), t}
	o.say("echo from elsewhere")
	o.want("from elsewhere")
}

func TestConnectionRateOfAPeer(t *testing.T) {
	s := serve(t, Config{Loops: 2, Peers: PeerLimits{ConnectionRate: 0.01}, Refuse: refuse}, nil)
	c := s.dial()
	c.say("echo hello")
	c.want("hello")
	c.Close()
	if got, err := io.ReadAll(s.dial()); err != nil || string(got) != "refused: peer-connection-rate" {
		t.Errorf("the second reads %q, %v", got, err)
	}
	eventually(t, "the connections have left", func() bool { return s.Stats().Connections == 0 })
	if got := s.Stats().Peers; got.Known != 1 || got.Refused[PeerConnectionRate] != 1 {
		t.Errorf("%+v", got)
	}
}

// Without Config.Refuse connections beyond a limit are closed.
func TestPeersWithoutAnAnswer(t *testing.T) {
	s := serve(t, Config{Loops: 1, Peers: PeerLimits{Connections: 1}}, nil)
	c := s.dial()
	c.say("echo hello")
	c.want("hello")
	s.dial().wantEnd()
	if got := s.Stats().Peers; got.Closed != 1 {
		t.Errorf("%+v", got)
	}
	c.Close()
	peersLeft(t, s.Reactor, 0, 0)
}

func TestIPv6PeersCountTogether(t *testing.T) {
	r, addr := served(t, Config{Peers: PeerLimits{Connections: 1}, Refuse: refuse}, ListenerConfig{Address: "[::1]:0", Open: openTeller})
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := ask(c); err != nil || !strings.HasPrefix(got, "peer=[::1]:") {
		t.Fatalf("the first reads %q, %v", got, err)
	}
	r.EachPeer(func(p *Peer) {
		if p.Prefix() != netip.MustParsePrefix("::/56") || p.Connections() != 1 {
			t.Errorf("%v has %d connections", p.Prefix(), p.Connections())
		}
	})
	d, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got, err := io.ReadAll(d); err != nil || string(got) != "refused: peer-connections" {
		t.Errorf("the second reads %q, %v", got, err)
	}
}

// IPv4 peers of a socket for both families are IPv4.
func TestMappedPeers(t *testing.T) {
	r, addr := served(t, Config{Peers: PeerLimits{Connections: 5}}, ListenerConfig{Address: "[::]:0", Open: openTeller})
	c, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", portOf(t, addr)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := ask(c); err != nil {
		t.Fatal(err)
	}
	r.EachPeer(func(p *Peer) {
		if p.Prefix() != netip.MustParsePrefix("127.0.0.1/32") {
			t.Errorf("the peer is %v", p.Prefix())
		}
	})
}

func portOf(t *testing.T, addr net.Addr) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestSparedPeers(t *testing.T) {
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	s := serve(t, Config{Loops: 2, Peers: PeerLimits{Connections: 1, Spared: loopback.Contains}, Refuse: refuse}, nil)
	for range 5 {
		c := s.dial()
		c.say("echo hello")
		c.want("hello")
	}
	if got := s.Stats().Peers; got.Known != 0 {
		t.Errorf("%+v", got)
	}
}

// On a unix socket nobody has an address.
func TestUnixPeersAreNotLimited(t *testing.T) {
	path := t.TempDir() + "/reactor.sock"
	r, addr := served(t, Config{Peers: PeerLimits{Connections: 1}, Refuse: refuse}, ListenerConfig{Network: "unix", Address: path, Open: openTeller})
	for range 3 {
		c, err := net.Dial("unix", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := ask(c); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.Stats().Peers; got.Known != 0 {
		t.Errorf("%+v", got)
	}
}

// The peer is the one that a PROXY header names, or the proxy if it sends none.
func TestPeersBehindAProxy(t *testing.T) {
	all := func(net.Addr) bool { return true }
	r, addr := served(t, Config{Peers: PeerLimits{Connections: 1}, Refuse: refuse}, ListenerConfig{ProxyProtocol: ProxyAccept, ProxyTrusted: all, Open: openTeller})
	held := map[string]net.Conn{}
	for _, c := range []struct{ name, header, want string }{
		{"one", string(proxyHeader(t, 1, tcpAddr("192.0.2.1:1"), tcpAddr("192.0.2.9:443"))), "peer=192.0.2.1:1"},
		{"one again", string(proxyHeader(t, 2, tcpAddr("192.0.2.1:2"), tcpAddr("192.0.2.9:443"))), "refused: peer-connections"},
		{"another", string(proxyHeader(t, 2, tcpAddr("192.0.2.2:1"), tcpAddr("192.0.2.9:443"))), "peer=192.0.2.2:1"},
		{"a client that is not named", "PROXY UNKNOWN\r\n", "peer=127.0.0.1"},
		{"another that is not named", "PROXY UNKNOWN\r\n", "peer=127.0.0.1"},
		{"the proxy", "", "peer=127.0.0.1"},
		{"the proxy again", "", "refused: peer-connections"},
	} {
		conn, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		held[c.name] = conn
		if _, err := io.WriteString(conn, c.header+"GET / HTTP/1.1\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		var got string
		if strings.HasPrefix(c.want, "refused") {
			all, _ := io.ReadAll(conn) // the request was not read
			got = string(all)
		} else if got, err = readAnswer(bufio.NewReader(conn)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s reads %q, want %q", c.name, got, c.want)
		}
	}
	for _, c := range held {
		c.Close()
	}
	peersLeft(t, r, 0, 0)
}

// A handshake beyond the rate ends with an alert, one far beyond without, and none of them costs a goroutine. Connections
// without a handshake do not count.
func TestHandshakeRateOfAPeer(t *testing.T) {
	store := openStore(t, certs.Options{SelfSigned: true, Protocols: []string{"http/1.1"}})
	r, addr := served(t, Config{Peers: PeerLimits{HandshakeRate: 0.01}, Refuse: refuse}, ListenerConfig{TLS: store.Config(), Open: openTeller})
	silent, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	first := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true})
	if _, err := ask(first); err != nil {
		t.Fatal(err)
	}
	_, err = tls.Dial("tcp", addr.String(), &tls.Config{InsecureSkipVerify: true})
	if err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("the second handshake: %v, want the alert access_denied", err)
	}
	if got := r.Stats().Peers; got.Refused[PeerHandshakeRate] != 1 || got.Closed != 0 {
		t.Errorf("%+v", got)
	}
	silent.Close()
	first.Close()
	eventually(t, "the connections have left", func() bool { return r.Stats().Connections == 0 && r.refusedOpen.Load() == 0 })
}

// A connection beyond the limit of connections is answered over TLS, behind its handshake.
func TestConnectionsOfAPeerOverTLS(t *testing.T) {
	store := openStore(t, certs.Options{SelfSigned: true, Protocols: []string{"http/1.1"}})
	r, addr := served(t, Config{Peers: PeerLimits{Connections: 1}, Refuse: refuse}, ListenerConfig{TLS: store.Config(), Open: openTeller})
	first := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true})
	if _, err := ask(first); err != nil {
		t.Fatal(err)
	}
	second := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true})
	if got, err := io.ReadAll(second); err != nil || string(got) != "refused: peer-connections" {
		t.Errorf("the second reads %q, %v", got, err)
	}
	first.Close()
	second.Close()
	peersLeft(t, r, 0, 0)
}

// A connection that moves to another loop, and one that loses its loop, count once.
func TestPeersOfConnectionsThatMove(t *testing.T) {
	release := make(chan struct{})
	config := brisk()
	config.Loops, config.Peers = 2, PeerLimits{Connections: 3}
	s := serve(t, config, staller(func(*Conn) { <-release }, nil))
	defer close(release)
	c := s.dial()
	c.say("echo hello")
	c.want("hello")
	moved := make(chan error, 1)
	s.EachConn(func(c *Conn) {
		to := s.loops[1-c.Loop().Index()]
		c.MoveTo(to, func(err error) { moved <- err })
	})
	if err := await(t, moved); err != nil {
		t.Fatal(err)
	}
	c.say("echo moved")
	c.want("moved")
	blamed := s.dial()
	blamed.say("run")
	blamed.wantEnd()
	c.say("echo still here")
	c.want("still here")
	eventually(t, "one connection counts", func() bool {
		n := 0
		s.EachPeer(func(p *Peer) { n += p.Connections() })
		return n == 1
	})
	c.Close()
	peersLeft(t, s.Reactor, 0, 0)
}

// The peak of descriptors in a flood is the limit of the peer with its refused connections.
func TestFloodOfAPeerHoldsFewDescriptors(t *testing.T) {
	const flood, limit = 1000, 20
	s := serve(t, Config{Loops: 2, Peers: PeerLimits{Connections: limit}, Refuse: refusePatiently}, nil)
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 66)}, Timeout: patience}
	peak := 0
	var all []net.Conn
	for range flood {
		c, err := from.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		peak = max(peak, s.Stats().Connections)
	}
	eventually(t, "all are refused but a few", func() bool {
		got := s.Stats()
		return got.Peers.Refused[PeerConnections] == flood-limit && got.Connections == limit+limit
	})
	if peak > limit+limit+4 {
		t.Errorf("%d connections were open", peak)
	}
	honest := s.dial()
	honest.say("echo unharmed")
	honest.want("unharmed")
	honest.Close()
	for _, c := range all {
		c.Close()
	}
	peersLeft(t, s.Reactor, 0, 0)
}
