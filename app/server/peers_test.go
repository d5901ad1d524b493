//go:build linux

package server_test

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
)

// whoAsks answers with what the server knows of the client.
func whoAsks(r *app.Request) app.Answer {
	c := r.Client()
	return app.Ready(app.Text(200, fmt.Sprint(c.Addr.Addr(), " ", c.Scheme, " ", c.Host)))
}

// Only who is trusted can say who the client is, over both protocols.
func TestTrustedProxies(t *testing.T) {
	trusting := func(networks ...string) func(*server.Config) {
		return func(c *server.Config) {
			for _, n := range networks {
				c.TrustedProxies = append(c.TrustedProxies, netip.MustParsePrefix(n))
			}
		}
	}
	const word = "for=192.0.2.7;proto=https;host=example.org"
	for _, c := range []struct {
		name    string
		trusted []string
		field   string
		value   string
		want    string
	}{
		{"nobody is trusted", nil, "Forwarded", word, "127.0.0.1 http a"},
		{"somebody else is", []string{"10.0.0.0/8"}, "Forwarded", word, "127.0.0.1 http a"},
		{"Forwarded", []string{"127.0.0.0/8"}, "Forwarded", word, "192.0.2.7 https example.org"},
		{"X-Forwarded-For", []string{"127.0.0.1/32"}, "X-Forwarded-For", "192.0.2.9", "192.0.2.9 http a"},
		{"an invented first hop", []string{"127.0.0.0/8"}, "X-Forwarded-For", "6.6.6.6, 192.0.2.9", "192.0.2.9 http a"},
		{"two trusted hops", []string{"127.0.0.0/8", "192.0.2.0/24"}, "X-Forwarded-For", "198.51.100.1, 192.0.2.9", "198.51.100.1 http a"},
		{"nonsense", []string{"127.0.0.0/8"}, "Forwarded", "for=", "127.0.0.1 http a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, whoAsks, trusting(c.trusted...))
			l, l2 := s.dial(), s.dial2()
			l.say(get("/", c.field+": "+c.value))
			l.hear("GET", 200, c.want)
			l2.request(1, "GET", "/", true, strings.ToLower(c.field), c.value)
			l2.answer(1, "200", c.want)
		})
	}
}

// A request knows both ends of its connection.
func TestPeerAndLocalAddress(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		c := r.Conn()
		return app.Ready(app.Text(200, fmt.Sprint(c.Peer, " ", c.Local, " ", c.PeerString() == c.Peer.String())))
	})
	l, l2 := s.dial(), s.dial2()
	l.say(get("/"))
	l.hear("GET", 200, fmt.Sprint(l.LocalAddr(), " ", s.addr, " true"))
	l2.request(1, "GET", "/", true)
	l2.answer(1, "200", fmt.Sprint(l2.LocalAddr(), " ", s.addr, " true"))
}

// On a unix socket a peer has a name at most, and no address.
func TestPeersOnAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gatewheel.sock")
	s := serve(t, func(r *app.Request) app.Answer {
		c := r.Conn()
		return app.Ready(app.Text(200, fmt.Sprintf("%v %v %q %v", c.Peer.IsValid(), c.Local.IsValid(), c.PeerString(), r.Client().Addr.IsValid())))
	}, func(c *server.Config) {
		c.Listeners = []reactor.ListenerConfig{{Network: "unix", Address: path}}
	})
	s.network = "unix"
	l, l2 := s.dial(), s.dial2()
	l.say(get("/"))
	l.status("GET", 200)
	l2.request(1, "GET", "/", true)
	if got := l2.contents(1)[1]; !strings.HasPrefix(got, "false false") {
		t.Errorf("over HTTP/2 %q", got)
	}

	name := filepath.Join(t.TempDir(), "client.sock")
	c, err := net.DialUnix("unix", &net.UnixAddr{Name: name, Net: "unix"}, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	named := s.over(c)
	named.say(get("/"))
	named.hear("GET", 200, fmt.Sprintf("false false %q false", name))
}

// A proxy on a unix socket is trusted by TrustUnix, and by nothing else.
func TestTrustedProxiesOnAUnixSocket(t *testing.T) {
	for want, trust := range map[string]func(*server.Config){
		"192.0.2.9 https a": func(c *server.Config) { c.TrustUnix = true },
		"invalid IP http a": func(c *server.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")} },
	} {
		path := filepath.Join(t.TempDir(), "gatewheel.sock")
		s := serve(t, whoAsks, trust, func(c *server.Config) {
			c.Listeners = []reactor.ListenerConfig{{Network: "unix", Address: path}}
		})
		s.network = "unix"
		l, l2 := s.dial(), s.dial2()
		l.say(get("/", "X-Forwarded-For: 6.6.6.6, 192.0.2.9", "X-Forwarded-Proto: https"))
		l.hear("GET", 200, want)
		l2.request(1, "GET", "/", true, "x-forwarded-for", "192.0.2.9", "x-forwarded-proto", "https")
		l2.answer(1, "200", want)
	}
}

// A forwarding field that is not believed is counted once a request.
func TestForwardingFieldsThatAreIgnoredAreCounted(t *testing.T) {
	for _, c := range []struct {
		network, field string
		reason         server.Reason
		want           uint64
	}{
		{"127.0.0.0/8", "X-Forwarded-Proto: gopher", server.MalformedForwarding, 1},
		{"127.0.0.0/8", "X-Forwarded-Proto: gopher", server.UntrustedForwarding, 0},
		{"10.0.0.0/8", "x-forwarded-for: 1.2.3.4", server.UntrustedForwarding, 1},
		{"10.0.0.0/8", "Forwarded: for=1.2.3.4", server.UntrustedForwarding, 1},
		{"10.0.0.0/8", "X-Forwarded-Proto: gopher", server.MalformedForwarding, 0},
		{"10.0.0.0/8", "X-Other: 1", server.UntrustedForwarding, 0},
	} {
		s := serve(t, whoAsks, func(config *server.Config) {
			config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(c.network)}
		})
		l := s.dial()
		l.say(get("/", c.field))
		l.hear("GET", 200, "127.0.0.1 http a")
		if got := s.Counts().Refused[c.reason]; got != c.want {
			t.Errorf("%s, trusting %s: %s is %d, want %d", c.field, c.network, c.reason, got, c.want)
		}
	}
}
