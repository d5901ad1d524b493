package reactor

import (
	"errors"
	"net"
	"strings"
	"testing"

	proxyproto "github.com/pires/go-proxyproto"
)

func proxyHeader(t testing.TB, version byte, source, destination net.Addr) []byte {
	t.Helper()
	b, err := proxyproto.HeaderProxyFromAddrs(version, source, destination).Format()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tcpAddr(text string) *net.TCPAddr {
	a, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		panic(err)
	}
	return a
}

func TestProxyHeaders(t *testing.T) {
	local2 := append(append([]byte(nil), proxySignature2...), 0x20, 0x00, 0, 0)
	for name, c := range map[string]struct {
		header      []byte
		source, dst string
	}{
		"v1 IPv4":                        {proxyHeader(t, 1, tcpAddr("192.0.2.1:1234"), tcpAddr("192.0.2.2:443")), "192.0.2.1:1234", "192.0.2.2:443"},
		"v1 IPv6":                        {proxyHeader(t, 1, tcpAddr("[2001:db8::1]:1234"), tcpAddr("[2001:db8::2]:443")), "[2001:db8::1]:1234", "[2001:db8::2]:443"},
		"v2 IPv4":                        {proxyHeader(t, 2, tcpAddr("192.0.2.1:1234"), tcpAddr("192.0.2.2:443")), "192.0.2.1:1234", "192.0.2.2:443"},
		"v2 IPv6":                        {proxyHeader(t, 2, tcpAddr("[2001:db8::1]:1234"), tcpAddr("[2001:db8::2]:443")), "[2001:db8::1]:1234", "[2001:db8::2]:443"},
		"v1 IPv4 in a line for TCP6":     {[]byte("PROXY TCP6 192.0.2.1 2001:db8::2 1234 443\r\n"), "192.0.2.1:1234", "[2001:db8::2]:443"},
		"v1 mapped IPv4 in one for TCP6": {[]byte("PROXY TCP6 ::ffff:192.0.2.1 192.0.2.2 1234 443\r\n"), "192.0.2.1:1234", "192.0.2.2:443"},
		"v1 UNKNOWN":                     {[]byte("PROXY UNKNOWN\r\n"), "", ""},
		"v1 UNKNOWN with addresses, to be ignored": {[]byte("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), "", ""},
		"v2 LOCAL":        {local2, "", ""},
		"v2 of no family": {append(proxySignature2[:12:12], 0x21, 0x00, 0, 0), "", ""},
		"v2 of no family, with more to be ignored": {append(proxySignature2[:12:12], 0x21, 0x00, 0, 4, 4, 0, 1, 'x'), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			// Shorter than whole it says that more has to come, at each place.
			for i := range c.header {
				if n, err := proxyLength(c.header[:i]); n != -1 || err != nil {
					t.Fatalf("the first %d bytes: length %d, %v", i, n, err)
				}
			}
			n, err := proxyLength(append(c.header[:len(c.header):len(c.header)], "GET / HTTP/1.1\r\n"...))
			if n != len(c.header) || err != nil {
				t.Fatalf("length %d, %v, want %d", n, err, len(c.header))
			}
			source, destination, err := parseProxyHeader(c.header)
			if err != nil {
				t.Fatal(err)
			}
			for which, pair := range map[string]struct {
				got  net.Addr
				want string
			}{"source": {source, c.source}, "destination": {destination, c.dst}} {
				got := ""
				if pair.got != nil {
					got = pair.got.String()
				}
				if got != pair.want {
					t.Errorf("%s is %q, want %q", which, got, pair.want)
				}
			}
		})
	}
}

func TestProxyHeaderUnix(t *testing.T) {
	header := proxyHeader(t, 2, &net.UnixAddr{Net: "unix", Name: "/run/a.sock"}, &net.UnixAddr{Net: "unix", Name: "/run/b.sock"})
	source, _, err := parseProxyHeader(header)
	if err != nil || source.String() != "/run/a.sock" {
		t.Fatalf("source %v, %v", source, err)
	}
}

func TestWrongProxyHeaders(t *testing.T) {
	v2 := func(rest ...byte) []byte { return append(append([]byte(nil), proxySignature2...), rest...) }
	for name, header := range map[string][]byte{
		"v1 endless":    append([]byte("PROXY TCP4 "), make([]byte, longestProxyLine)...),
		"v1 without CR": []byte("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"),
		"v1 port":       []byte("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n"),
		"v1 family":     []byte("PROXY TCP4 ::1 ::1 1 2\r\n"),
		"v1 protocol":   []byte("PROXY SCTP 192.0.2.1 192.0.2.2 1 2\r\n"),
		"v1 junk":       []byte("PROXY \r\n"),
		"v2 version":    v2(0x31, 0x11, 0, 12, 1, 2, 3, 4, 1, 2, 3, 4, 0, 1, 0, 2),
		"v2 too short":  v2(0x21, 0x11, 0, 11, 1, 2, 3, 4, 1, 2, 3, 4, 0, 1, 0),
		"v2 enormous":   v2(0x21, 0x11, 0xff, 0xff),
		"v2 datagrams":  v2(0x21, 0x12, 0, 12, 1, 2, 3, 4, 1, 2, 3, 4, 0, 1, 0, 2),
	} {
		n, err := proxyLength(header)
		if err == nil {
			if n != len(header) {
				t.Errorf("%s: length %d of %d", name, n, len(header))
				continue
			}
			_, _, err = parseProxyHeader(header)
		}
		if !errors.Is(err, errProxyHeader) {
			t.Errorf("%s: %v, want an invalid header", name, err)
		}
	}
}

func TestNoProxyHeader(t *testing.T) {
	for _, text := range []string{"GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n", "PROXYING / HTTP/1.1", "POST / HTTP/1.1", "\x16\x03\x01", "\r\n\r\nGET"} {
		if n, err := proxyLength([]byte(text)); n != 0 || err != nil {
			t.Errorf("%q: length %d, %v, want none", text, n, err)
		}
	}
}

func TestTrustedNetworks(t *testing.T) {
	trusted, err := TrustNetworks("10.0.0.0/8", "2001:db8::/32", "192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	for peer, want := range map[string]bool{
		"10.1.2.3:4":          true,
		"11.1.2.3:4":          false,
		"[2001:db8::5]:4":     true,
		"[2001:db9::5]:4":     false,
		"192.0.2.7:4":         true,
		"192.0.2.8:4":         false,
		"[::ffff:10.1.2.3]:4": true, // how a socket for both families shows it
	} {
		if got := trusted(tcpAddr(peer)); got != want {
			t.Errorf("%s: trusted %v, want %v", peer, got, want)
		}
	}
	if !trusted(&net.UnixAddr{Net: "unix"}) {
		t.Error("a peer on a unix socket is not trusted")
	}
	if all, err := TrustNetworks(); all != nil || err != nil {
		t.Error("no networks must give nil, for every peer")
	}
	for _, network := range []string{"10.0.0.0/33", "::ffff:10.0.0.0/95"} {
		if _, err := TrustNetworks(network); err == nil {
			t.Errorf("%s was taken", network)
		}
	}
	for network, peer := range map[string]string{"::ffff:10.0.0.0/104": "10.1.2.3:4", "fe80::1%lo": "[fe80::1%lo]:4"} {
		if trusted, err := TrustNetworks(network); err != nil || !trusted(tcpAddr(peer)) {
			t.Errorf("%s does not trust %s: %v", network, peer, err)
		}
	}
}

func TestProxyModes(t *testing.T) {
	for _, mode := range []ProxyMode{ProxyOff, ProxyAccept, ProxyRequire} {
		if got, err := ParseProxyMode(mode.String()); got != mode || err != nil {
			t.Errorf("%v is read as %v, %v", mode, got, err)
		}
	}
	if _, err := ParseProxyMode("maybe"); err == nil {
		t.Error("an unknown mode was taken")
	}
}

// Whatever comes: a header's length is the same however much stands behind it, nothing shorter passes
// for whole, and parsing what is whole takes all of it or fails.
func FuzzProxyHeader(f *testing.F) {
	f.Add(proxyHeader(f, 1, tcpAddr("192.0.2.1:1"), tcpAddr("192.0.2.2:2")))
	f.Add(proxyHeader(f, 2, tcpAddr("[2001:db8::1]:1"), tcpAddr("[2001:db8::2]:2")))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		n, err := proxyLength(in)
		if err != nil || n <= 0 {
			return
		}
		for i := range n {
			if short, err := proxyLength(in[:i]); short != -1 || err != nil {
				t.Fatalf("%d bytes long, but the first %d bytes give %d, %v", n, i, short, err)
			}
		}
		source, destination, err := parseProxyHeader(in[:n])
		if err == nil && (source == nil) != (destination == nil) {
			t.Fatalf("one address without the other: %v, %v", source, destination)
		}
	})
}

// The log has the reason of a refusal, and nothing that the peer has written.
func TestProxyHeaderErrorsQuoteNothing(t *testing.T) {
	for _, line := range []string{
		"PROXY TCP4 secret 192.0.2.2 1 2\r\n", "PROXY TCP6 ::1%secret ::1 1 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 secret 2\r\n",
		"PROXY secret 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 secret\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 99999\r\n",
	} {
		_, _, err := parseProxyHeader([]byte(line))
		if !errors.Is(err, errProxyHeader) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "99999") {
			t.Errorf("%q: %v", line, err)
		}
	}
}
