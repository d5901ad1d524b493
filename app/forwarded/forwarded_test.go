package forwarded_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/forwarded"
)

func TestTheClientBehindProxies(t *testing.T) {
	trust := forwarded.TrustNetworks(netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"))
	const proxy, stranger = "10.0.0.1:5555", "198.51.100.9:5555"
	for _, c := range []struct {
		why, peer    string
		fields       []string
		client       string // address, scheme, host
		scheme, host string
	}{
		{"nothing is said", proxy, nil, proxy, "http", "own"},
		{"a stranger says something", stranger, []string{"X-Forwarded-For", "1.2.3.4", "Forwarded", "for=1.2.3.4"}, stranger, "http", "own"},
		{"the proxy's word", proxy, []string{"X-Forwarded-For", "203.0.113.7"}, "203.0.113.7:0", "http", "own"},
		{"with scheme and host", proxy,
			[]string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "HTTPS", "X-Forwarded-Host", "site.example:8443"},
			"203.0.113.7:0", "https", "site.example:8443"},
		{"what the client has made up stands before it", proxy, []string{"X-Forwarded-For", "1.2.3.4, 203.0.113.7"}, "203.0.113.7:0", "http", "own"},
		{"two lines are one list", proxy, []string{"X-Forwarded-For", "1.2.3.4", "X-Forwarded-For", "203.0.113.7"}, "203.0.113.7:0", "http", "own"},
		{"a chain of trusted proxies", proxy, []string{"X-Forwarded-For", "1.2.3.4, 203.0.113.7, 10.9.9.9, fd00::1"}, "203.0.113.7:0", "http", "own"},
		{"a chain with aligned schemes", proxy,
			[]string{"X-Forwarded-For", "1.2.3.4, 203.0.113.7, 10.9.9.9", "X-Forwarded-Proto", "ftp, https, http"}, "203.0.113.7:0", "https", "own"},
		{"everybody is trusted", proxy, []string{"X-Forwarded-For", "10.1.1.1, 10.2.2.2"}, "10.1.1.1:0", "http", "own"},
		{"an address with a port", proxy, []string{"X-Forwarded-For", "203.0.113.7:4711"}, "203.0.113.7:4711", "http", "own"},
		{"IPv6", proxy, []string{"X-Forwarded-For", "2001:db8::7"}, "[2001:db8::7]:0", "http", "own"},
		{"a mapped address", proxy, []string{"X-Forwarded-For", "::ffff:203.0.113.7"}, "203.0.113.7:0", "http", "own"},
		{"nonsense ends the chain", proxy, []string{"X-Forwarded-For", "203.0.113.7, nonsense, 10.3.3.3"}, "10.3.3.3:0", "http", "own"},
		{"a scheme that is none", proxy, []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "javascript"}, "203.0.113.7:0", "http", "own"},
		{"a host that is none", proxy, []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Host", "a/b"}, "203.0.113.7:0", "http", "own"},
		{"only a scheme", proxy, []string{"X-Forwarded-Proto", "https"}, proxy, "https", "own"},
		{"only a host", proxy, []string{"X-Forwarded-Host", "site.example"}, proxy, "http", "site.example"},
		{"the last of several schemes, without addresses", proxy, []string{"X-Forwarded-Proto", "http, https"}, proxy, "https", "own"},
		{"a scheme from a stranger", stranger, []string{"X-Forwarded-Proto", "https"}, stranger, "http", "own"},
		{"wss for a WebSocket handshake", proxy, []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "wss"}, "203.0.113.7:0", "https", "own"},
		{"ws for a WebSocket handshake", proxy, []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "WS"}, "203.0.113.7:0", "http", "own"},
		{"IPv6 with a port", proxy, []string{"X-Forwarded-For", "[2001:db8::7]:4711"}, "[2001:db8::7]:4711", "http", "own"},
		{"quoted IPv6 with a port", proxy, []string{"X-Forwarded-For", `"[2001:db8::7]:4711"`}, "[2001:db8::7]:4711", "http", "own"},
		{"fields that are not read", proxy,
			[]string{"X-Real-IP", "1.2.3.4", "X-Forwarded-Ssl", "on", "X-Forwarded-Port", "8443"}, proxy, "http", "own"},

		{"Forwarded", proxy, []string{"Forwarded", "for=203.0.113.7;proto=https;host=site.example"}, "203.0.113.7:0", "https", "site.example"},
		{"Forwarded, quoted", proxy, []string{"Forwarded", `For="[2001:db8::7]:4711"; Proto="https"; by=10.0.0.1`}, "[2001:db8::7]:4711", "https", "own"},
		{"Forwarded, a chain", proxy, []string{"Forwarded", `for=1.2.3.4;proto=ftp, for=203.0.113.7;proto=https , for=10.2.2.2;proto=http`}, "203.0.113.7:0", "https", "own"},
		{"Forwarded, two lines", proxy, []string{"Forwarded", "for=1.2.3.4", "Forwarded", "for=203.0.113.7"}, "203.0.113.7:0", "http", "own"},
		{"Forwarded, a comma in quotes", proxy, []string{"Forwarded", `for=203.0.113.7;ext="a,\"b;for=1.2.3.4"`}, "203.0.113.7:0", "http", "own"},
		{"Forwarded, unknown", proxy, []string{"Forwarded", "for=203.0.113.7, for=unknown"}, proxy, "http", "own"},
		{"Forwarded, obfuscated", proxy, []string{"Forwarded", `for="_hidden";proto=https`}, proxy, "https", "own"},
		{"Forwarded, the last proxy does not say whom it has seen", proxy, []string{"Forwarded", "for=1.2.3.4, by=10.0.0.1"}, proxy, "http", "own"},
		{"Forwarded, a parameter twice", proxy, []string{"Forwarded", "for=1.2.3.4;for=203.0.113.7"}, proxy, "http", "own"},
		{"both, one host in two forms", proxy,
			[]string{"Forwarded", `host="site.example:443";proto=https`, "X-Forwarded-Host", "SITE.example."}, proxy, "https", "SITE.example."},
		{"both, different ports", proxy,
			[]string{"Forwarded", `host="site.example:80";proto=https`, "X-Forwarded-Host", "site.example"}, proxy, "http", "own"},
		{"a host with an impossible port", proxy, []string{"X-Forwarded-Host", "site.example:99999"}, proxy, "http", "own"},
		{"a host with half a bracket", proxy, []string{"X-Forwarded-Host", "[::1"}, proxy, "http", "own"},
		{"Forwarded, malformed in one line", proxy, []string{"Forwarded", `for="1.2.3.4`, "Forwarded", `";for=203.0.113.7`}, proxy, "http", "own"},
		{"Forwarded, escaped", proxy, []string{"Forwarded", `for="\203.0.113.7"`}, "203.0.113.7:0", "http", "own"},
		{"Forwarded, escaped without quotes", proxy, []string{"Forwarded", `for=\203.0.113.7`}, proxy, "http", "own"},
		{"Forwarded, with nothing between commas and semicolons", proxy,
			[]string{"Forwarded", ",for=1.2.3.4;, ,for=203.0.113.7;;proto=https; ,;,"}, "203.0.113.7:0", "https", "own"},
		{"Forwarded, malformed", proxy, []string{"Forwarded", `for="203.0.113.7`}, proxy, "http", "own"},
		{"Forwarded, malformed too", proxy, []string{"Forwarded", `for`}, proxy, "http", "own"},

		{"both agree", proxy,
			[]string{"Forwarded", "for=203.0.113.7;proto=https", "X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "https"},
			"203.0.113.7:0", "https", "own"},
		{"both, and only Forwarded names the scheme", proxy,
			[]string{"Forwarded", "proto=https;for=203.0.113.7", "X-Forwarded-For", "203.0.113.7"}, "203.0.113.7:0", "https", "own"},
		{"both, and only X-Forwarded-Host names the host", proxy,
			[]string{"Forwarded", "for=203.0.113.7", "X-Forwarded-Host", "site.example"}, "203.0.113.7:0", "http", "site.example"},
		{"both, and only X-Forwarded-For names the address", proxy,
			[]string{"Forwarded", "proto=https;host=site.example", "X-Forwarded-For", "203.0.113.7"}, "203.0.113.7:0", "https", "site.example"},
		{"both, with different schemes", proxy,
			[]string{"Forwarded", "for=203.0.113.7;proto=https", "X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "http"}, proxy, "http", "own"},
		{"both, with different hosts", proxy,
			[]string{"Forwarded", "for=203.0.113.7;host=evil", "X-Forwarded-For", "203.0.113.7", "X-Forwarded-Host", "a"}, proxy, "http", "own"},
		{"both, but different: one of them is the client's invention", proxy,
			[]string{"Forwarded", "for=1.2.3.4", "X-Forwarded-For", "203.0.113.7"}, proxy, "http", "own"},
	} {
		host := apptest.New(func(*app.Request) app.Answer { return app.Ready(app.Empty(204)) })
		request := apptest.Get("/", c.fields...)
		request.Host = "own"
		request.Conn = &app.ConnInfo{Peer: netip.MustParseAddrPort(c.peer), Trust: trust}
		got := host.Do(request).Request.Client()
		want := forwarded.Client{Addr: netip.MustParseAddrPort(c.client), Scheme: c.scheme, Host: c.host}
		if got != want {
			t.Errorf("%s: got %v want %v", c.why, got, want)
		}
	}
}

// What the client has put before the proxies' words is not looked at.
func TestALongChainCostsNoMore(t *testing.T) {
	trust := forwarded.TrustNetworks(netip.MustParsePrefix("10.0.0.0/8"))
	peer := forwarded.Client{Addr: netip.MustParseAddrPort("10.0.0.1:1"), Scheme: "http", Host: "own"}
	const many = 32000
	for name, c := range map[string]struct {
		fields app.Fields
		want   string
	}{
		"one line":          {apptest.Get("/", "X-Forwarded-For", strings.Repeat("1.2.3.4,", many)+"203.0.113.7, 10.1.1.1").Fields, "203.0.113.7:0"},
		"nothing in it":     {apptest.Get("/", "X-Forwarded-For", "203.0.113.7"+strings.Repeat(",", many)).Fields, "203.0.113.7:0"},
		"schemes and hosts": {apptest.Get("/", "X-Forwarded-For", strings.Repeat("1.2.3.4,", many)+"203.0.113.7", "X-Forwarded-Proto", strings.Repeat("http,", many)+"https", "X-Forwarded-Host", strings.Repeat("a,", many)+"b").Fields, "203.0.113.7:0"},
		"quoted":            {apptest.Get("/", "Forwarded", strings.Repeat(`for="a\\b\"c",`, many)+`for="203.0.113.7"`).Fields, "203.0.113.7:0"},
		"lines":             {append(slices.Repeat(apptest.Get("/", "X-Forwarded-For", "1.2.3.4").Fields, 1000), app.Field{Name: "x-forwarded-for", Value: "203.0.113.7"}), "203.0.113.7:0"},
		"lines, quoted":     {append(slices.Repeat(apptest.Get("/", "Forwarded", `for="x"`).Fields, 1000), app.Field{Name: "forwarded", Value: "for=203.0.113.7"}), "203.0.113.7:0"},
	} {
		var got forwarded.Client
		if n := testing.AllocsPerRun(10, func() { got = trust.Client(peer, c.fields) }); n > 0 || got.Addr.String() != c.want {
			t.Errorf("%s: %v, with %v allocations", name, got, n)
		}
	}
	for _, fields := range []app.Fields{
		apptest.Get("/", "X-Forwarded-For", "203.0.113.7"+strings.Repeat(",10.1.1.1", many)).Fields,
		apptest.Get("/", "Forwarded", "for=203.0.113.7"+strings.Repeat(",for=10.1.1.1", many)).Fields,
	} {
		if got := trust.Client(peer, fields).Addr.String(); got != "10.1.1.1:0" {
			t.Errorf("thousands of proxies are followed to %s", got)
		}
	}
}

// A field that a trusted proxy sent and that is not understood is reported, once a request.
func TestIgnoredFieldsAreReported(t *testing.T) {
	for _, c := range []struct {
		peer   string
		fields []string
		want   string
	}{
		{"10.0.0.1:1", []string{"X-Forwarded-For", "203.0.113.7"}, ""},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "unknown"}, ""},
		{"10.0.0.1:1", []string{"Forwarded", "for=_hidden"}, ""},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "nonsense"}, "X-Forwarded-For"},
		{"10.0.0.1:1", []string{"X-Forwarded-Proto", "gopher"}, "X-Forwarded-Proto"},
		{"10.0.0.1:1", []string{"X-Forwarded-Host", "a/b"}, "X-Forwarded-Host"},
		{"10.0.0.1:1", []string{"Forwarded", `for="`}, "Forwarded"},
		{"10.0.0.1:1", []string{"Forwarded", "for=1.1.1.1", "X-Forwarded-For", "2.2.2.2"}, "Forwarded"},
		{"192.0.2.1:1", []string{"X-Forwarded-For", "1.1.1.1"}, "X-Forwarded-For"},
		{"192.0.2.1:1", []string{"Other", "x", "forwarded", "for=1.1.1.1"}, "forwarded"},
		{"192.0.2.1:1", []string{"X-Forwarded", "1.1.1.1"}, ""},
	} {
		var got []string
		trust := forwarded.TrustNetworks(netip.MustParsePrefix("10.0.0.0/8"))
		trust.OnIgnored = func(_ forwarded.Client, field string) { got = append(got, field) }
		host := apptest.New(func(*app.Request) app.Answer { return app.Ready(app.Empty(204)) })
		request := apptest.Get("/", c.fields...)
		request.Conn = &app.ConnInfo{Peer: netip.MustParseAddrPort(c.peer), Trust: trust}
		r := host.Do(request).Request
		r.Client()
		r.Client()
		if c.want == "" && len(got) > 0 || c.want != "" && !slices.Equal(got, []string{c.want}) {
			t.Errorf("%v from %s: reported %q, want %q once", c.fields, c.peer, got, c.want)
		}
	}
}

func TestOneKindOfFieldsOnly(t *testing.T) {
	peer := forwarded.Client{Addr: netip.MustParseAddrPort("10.0.0.1:1"), Scheme: "http", Host: "own"}
	fields := apptest.Get("/", "Forwarded", "for=1.1.1.1", "X-Forwarded-For", "2.2.2.2").Fields
	trust := forwarded.TrustNetworks(netip.MustParsePrefix("10.0.0.0/8"))
	for kind, want := range map[forwarded.Kind]string{
		forwarded.Either: "10.0.0.1:1", forwarded.OnlyForwarded: "1.1.1.1:0", forwarded.OnlyXForwarded: "2.2.2.2:0",
	} {
		trust.Kind = kind
		if got := trust.Client(peer, fields).Addr.String(); got != want {
			t.Errorf("%v: got %s want %s", kind, got, want)
		}
	}
}

func TestAUnixSocketIsTrustedByChoice(t *testing.T) {
	fields := apptest.Get("/", "X-Forwarded-For", "2.2.2.2").Fields
	trust := forwarded.TrustNetworks()
	if got := trust.Client(forwarded.Client{}, fields).Addr; got.IsValid() {
		t.Errorf("got %v", got)
	}
	trust.Unix = true
	if got := trust.Client(forwarded.Client{}, fields).Addr.String(); got != "2.2.2.2:0" {
		t.Errorf("got %v", got)
	}
}

// Peers of IPv4 are compared as such, however a network is written.
func TestANetworkOfMappedAddressesIsTrusted(t *testing.T) {
	trust := forwarded.TrustNetworks(netip.MustParsePrefix("::ffff:10.0.0.0/104"))
	for peer, want := range map[string]string{
		"10.1.2.3:1": "203.0.113.7:0", "[::ffff:10.1.2.3]:1": "203.0.113.7:0", "11.1.2.3:1": "11.1.2.3:1", "[fd00::1]:1": "[fd00::1]:1",
	} {
		got := trust.Client(forwarded.Client{Addr: netip.MustParseAddrPort(peer)}, apptest.Get("/", "X-Forwarded-For", "203.0.113.7").Fields)
		if got.Addr.String() != want {
			t.Errorf("%s: got %v want %s", peer, got.Addr, want)
		}
	}
}
