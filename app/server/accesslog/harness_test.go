//go:build linux

package accesslog

import (
	"crypto/tls"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/spi"
)

var arrival = time.Date(2026, 11, 28, 21, 30, 5, 123456789, time.UTC)

// sample returns a request that was answered, and its record.
func sample() (*app.Request, *server.Record) {
	r := &app.Request{
		Method: "GET", Scheme: "https", Authority: "example.org:8443", Target: "/a%20b?q=1", RawPath: "/a%20b", RawQuery: "q=1",
		Protocol: app.HTTP2, Arrived: arrival,
		Fields: app.Fields{
			{Name: "user-agent", Value: "curl/8.0"}, {Name: "referer", Value: "https://example.org/"},
			{Name: "cookie", Value: "a=1; theme=dark"}, {Name: "cookie", Value: `b="two"`},
			{Name: "accept", Value: "text/html"}, {Name: "accept", Value: "text/plain"},
			{Name: "authorization", Value: "Basic YWxpY2U6c2VjcmV0"}, // alice:secret
		},
	}
	peer, local := netip.MustParseAddrPort("192.0.2.7:5000"), netip.MustParseAddrPort("198.51.100.1:8443")
	state := &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, DidResume: true,
		ServerName: "example.org", NegotiatedProtocol: "h2"}
	spi.Bind(r, nil, &app.ConnInfo{Peer: peer, Local: local, TLS: state})
	return r, &server.Record{
		Target: r.Target, Status: 200, In: 0, Out: 13, Received: 180, Sent: 250, HeadTime: time.Millisecond, Wait: 2 * time.Millisecond,
		FirstByte: 2500 * time.Microsecond, Total: 1234567 * time.Microsecond,
		Fields: app.Fields{{Name: "Content-Type", Value: "text/plain"}}, Route: "GET /{name}", Stream: 7,
		Conn: &server.ConnRecord{Number: 42, Requests: 3, Loop: 1, Peer: peer, Local: local, TLS: state, KeepAlive: '+'},
		Upstream: &spi.UpstreamRecord{Backend: "users", Peer: "10.0.0.1:80", Tries: 2, Reason: "ok", Began: time.Millisecond,
			Connect: time.Millisecond, Head: 3 * time.Millisecond, Total: 4 * time.Millisecond},
	}
}

// mustCompile compiles a format that is right.
func mustCompile(t testing.TB, format string) *Format {
	t.Helper()
	f, err := Compile(format)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestMain makes local time UTC. Package time reads the variable when it needs the zone first.
func TestMain(m *testing.M) {
	if err := os.Setenv("TZ", "UTC"); err != nil {
		panic(err)
	}
	m.Run()
}
