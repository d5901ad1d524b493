//go:build linux

package server_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// A user's *tls.Config is enough for both protocols; what it says itself is left to it.
func TestPlainTLSConfig(t *testing.T) {
	pair := []tls.Certificate{issue(t, "a.test", nil).pair()}
	chosen := func(inner *tls.Config) *tls.Config {
		return &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return inner, nil }, Certificates: pair}
	}
	both := []string{"h2", "http/1.1"}
	for _, c := range []struct {
		name    string
		config  *tls.Config
		without bool // HTTP/2 is turned off
		offer   []string
		want    string
	}{
		{"both offered", &tls.Config{Certificates: pair}, false, both, "h2"},
		{"only HTTP/1.1 offered", &tls.Config{Certificates: pair}, false, both[1:], "http/1.1"},
		{"no ALPN", &tls.Config{Certificates: pair}, false, nil, ""},
		{"the configuration names one", &tls.Config{Certificates: pair, NextProtos: both[1:]}, false, both, "http/1.1"},
		{"without HTTP/2", &tls.Config{Certificates: pair}, true, both, "http/1.1"},
		{"without HTTP/2, which the configuration names", &tls.Config{Certificates: pair, NextProtos: both}, true, both, "http/1.1"},
		{"chosen for the client", chosen(&tls.Config{Certificates: pair}), false, both, "h2"},
		{"chosen for the client, no ALPN", chosen(&tls.Config{Certificates: pair}), false, nil, ""},
		{"chosen for the client, names one", chosen(&tls.Config{Certificates: pair, NextProtos: both[1:]}), false, both, "http/1.1"},
		{"nothing chosen for the client", chosen(nil), false, both, "h2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			named := len(c.config.NextProtos)
			s := serve(t, hello, overTLS(c.config), func(to *server.Config) { to.HTTP2.Disabled = c.without })
			config := anyone()
			config.NextProtos = c.offer
			l := s.dialTLS(config)
			if got := l.state().NegotiatedProtocol; got != c.want {
				t.Fatalf("agreed on %q, want %q", got, c.want)
			}
			if len(c.config.NextProtos) != named {
				t.Error("the user's configuration was changed")
			}
			if c.want == "h2" {
				wantHTTP2(t, l)
				return
			}
			l.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			l.hear("GET", 200, "Hello, World!")
		})
	}
}

// RFC 7301 section 3.2: a client of another protocol is refused, by an alert that says so. One that names HTTP/2
// where it is turned off is such a client.
func TestTLSWithoutACommonProtocol(t *testing.T) {
	pair := []tls.Certificate{issue(t, "a.test", nil).pair()}
	for name, c := range map[string]struct {
		config  *tls.Config
		without bool // HTTP/2 is turned off
		offer   string
	}{
		"another protocol": {&tls.Config{Certificates: pair}, false, "imap"},
		"another protocol, config chosen for the client": {&tls.Config{
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return &tls.Config{Certificates: pair}, nil },
			Certificates:       pair,
		}, false, "imap"},
		"without HTTP/2": {&tls.Config{Certificates: pair}, true, "h2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, hello, overTLS(c.config), func(to *server.Config) { to.HTTP2.Disabled = c.without })
			config := anyone()
			config.NextProtos = []string{c.offer}
			conn, err := tls.Dial("tcp", s.addr, config)
			if err == nil || !strings.Contains(err.Error(), "remote error: tls: no application protocol") {
				t.Errorf("%v, want the alert no_application_protocol", err)
			}
			if err == nil {
				conn.Close()
			}
		})
	}
}

// wantHTTP2 wants SETTINGS in answer to the preface.
func wantHTTP2(t *testing.T, l *line) {
	t.Helper()
	l.say(http2.ClientPreface)
	framer := http2.NewFramer(l.Conn, l.r)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if f, err := framer.ReadFrame(); err != nil || f.Header().Type != http2.FrameSettings {
		t.Fatalf("heard %v, %v, want SETTINGS", f, err)
	}
}

// A request tells what its connection has agreed on, and who the client has proved to be.
func TestRequestOverTLS(t *testing.T) {
	authority := issue(t, "authority.test", nil)
	theirs, ours := issue(t, "client.test", authority), issue(t, "server.test", authority)
	s := serve(t, func(r *app.Request) app.Future[*app.Response] {
		state, name := r.Conn().TLS, "nobody"
		if certificate := r.Conn().ClientCertificate(); certificate != nil {
			name = certificate.Subject.CommonName
		}
		return app.Ready(app.Text(200, fmt.Sprint(r.Scheme, " ", r.Protocol, " ", tls.VersionName(state.Version), " ",
			state.NegotiatedProtocol, " ", state.ServerName, " ", name, " ", r.Conn().Peer.Addr(), " ", r.Conn().Local)))
	}, overTLS(&tls.Config{Certificates: []tls.Certificate{ours.pair()}, ClientCAs: authority.pool(), ClientAuth: tls.VerifyClientCertIfGiven}))
	for _, c := range []struct {
		http, tls int
		shown     []tls.Certificate
		want      string
	}{
		{1, tls.VersionTLS12, nil, "https HTTP/1.1 TLS 1.2  server.test nobody"},
		{1, tls.VersionTLS13, []tls.Certificate{theirs.pair()}, "https HTTP/1.1 TLS 1.3  server.test client.test"},
		{2, tls.VersionTLS12, []tls.Certificate{theirs.pair()}, "https HTTP/2.0 TLS 1.2 h2 server.test client.test"},
		{2, tls.VersionTLS13, nil, "https HTTP/2.0 TLS 1.3 h2 server.test nobody"},
	} {
		client := s.clientTLS(c.http, &tls.Config{RootCAs: authority.pool(), ServerName: "server.test", MaxVersion: uint16(c.tls), Certificates: c.shown})
		if got, want := fetch(t, client, "https://"+s.addr+"/"), c.want+" 127.0.0.1 "+s.addr; got != want {
			t.Errorf("the request says %q, want %q", got, want)
		}
	}
}

// fetch wants a 200 and gives its content.
func fetch(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		t.Fatalf("%s: %s, %v, %.200q", url, response.Status, err, content)
	}
	return string(content)
}

// Somebody who forgets the s in https is told so.
func TestPlainHTTPOnATLSPort(t *testing.T) {
	s := serve(t, hello, withIdentity(issue(t, "a.test", nil)))
	for _, said := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", http2.ClientPreface} {
		l := s.dial()
		l.say(said)
		response, err := http.ReadResponse(l.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != 400 || !strings.Contains(string(text), "HTTPS") || !response.Close {
			t.Errorf("%q was answered %s, %q, %v", said, response.Status, text, err)
		}
		l.end()
	}
}

// RFC 9113 section 9.2.2: a suite of its appendix A ends the connection with INADEQUATE_SECURITY. HTTP/1.1 has
// no such rule.
func TestForbiddenCipherSuite(t *testing.T) {
	s := serve(t, hello, withIdentity(issue(t, "a.test", nil)))
	weak := func(protocol string) *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, NextProtos: []string{protocol},
			CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}
	}
	l := s.dialTLS(weak("h2"))
	l.say(http2.ClientPreface)
	framer := http2.NewFramer(l.Conn, l.r)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if f, err := framer.ReadFrame(); err != nil || f.Header().Type != http2.FrameSettings {
		t.Fatalf("heard %v, %v, want SETTINGS first", f, err)
	}
	f, err := framer.ReadFrame()
	if goaway, ok := f.(*http2.GoAwayFrame); !ok || goaway.ErrCode != http2.ErrCodeInadequateSecurity {
		t.Fatalf("heard %v, %v, want INADEQUATE_SECURITY", f, err)
	}
	l.end()

	l = s.dialTLS(weak("http/1.1"))
	l.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	l.hear("GET", 200, "Hello, World!")
}

// RFC 8446 section 6.1: a stream that ends as it should ends with close_notify.
func TestCloseNotifyEndsTheStream(t *testing.T) {
	s := serve(t, hello, withIdentity(issue(t, "a.test", nil)), func(c *server.Config) { c.IdleTimeout = 50 * time.Millisecond })
	for name, said := range map[string]string{
		"Connection: close": "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		"HTTP/1.0":          "GET / HTTP/1.0\r\n\r\n",
		"idle for too long": "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			l, wire := s.tapTLS()
			l.say(said)
			l.hear("GET", 200, "Hello, World!")
			l.end()
			if got := wire.lastRecord(); got != recordAlert {
				t.Errorf("the last record is of type %d, want an alert", got)
			}
		})
	}
}

// A peer that ends its side with close_notify still gets its answer, and close_notify behind it.
func TestHalfClosedOverTLS(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Future[*app.Response] {
		p, f := app.Promised[*app.Response](r)
		ctx := r.Context()
		go func() {
			<-ctx.Done()
			p.Resolve(app.Text(200, "late"))
		}()
		return f
	}, withIdentity(issue(t, "a.test", nil)))
	l, wire := s.tapTLS()
	l.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if err := l.Conn.(*tls.Conn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	l.hear("GET", 200, "late")
	l.end()
	if got := wire.lastRecord(); got != recordAlert {
		t.Errorf("the last record is of type %d, want an alert", got)
	}
}

// Content that only the end of the connection delimits must not seem complete when it is not: no
// close_notify, no FIN.
func TestContentCutShort(t *testing.T) {
	cut := func(*app.Request) app.Future[*app.Response] {
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			return app.Then(w.Write([]byte("half of it")), func(int) app.Future[app.Done] {
				return app.Failed[app.Done](errors.New("the disk is on fire"))
			})
		}))
	}
	const said = "GET / HTTP/1.0\r\n\r\n"
	t.Run("cleartext", func(t *testing.T) {
		l := serve(t, cut).dial()
		l.say(said)
		if got, err := io.ReadAll(l.r); err == nil {
			t.Errorf("it ended as if it were complete: %q", got)
		}
	})
	t.Run("TLS", func(t *testing.T) {
		l, wire := serve(t, cut, withIdentity(issue(t, "a.test", nil))).tapTLS()
		l.say(said)
		if got, err := io.ReadAll(l.r); err == nil {
			t.Errorf("it ended as if it were complete: %q", got)
		}
		if wire.lastRecord() == recordAlert {
			t.Error("close_notify says that it is complete")
		}
	})
}

// A connection whose handshake ends while the server drains gets one request answered, and leaves.
func TestDrainDuringAHandshake(t *testing.T) {
	for _, protocol := range []string{"http/1.1", "h2"} {
		t.Run(protocol, func(t *testing.T) {
			asked, goOn := make(chan struct{}), make(chan struct{})
			pair := issue(t, "a.test", nil).pair()
			s := serve(t, hello, overTLS(&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				close(asked)
				<-goOn
				return &pair, nil
			}}))
			ended := make(chan error, 1)
			go func() {
				<-asked
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				go func() {
					for !s.Draining() {
						time.Sleep(time.Millisecond)
					}
					close(goOn)
				}()
				ended <- s.Shutdown(ctx)
			}()
			config := anyone()
			config.NextProtos = []string{protocol}
			l := s.dialTLS(config)
			if protocol == "h2" {
				wantHTTP2(t, l)
			} else {
				l.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				if response := l.hear("GET", 200, "Hello, World!"); !response.Close {
					t.Error("the answer does not say that the connection ends")
				}
			}
			if _, err := io.Copy(io.Discard, l.r); err != nil {
				t.Errorf("the connection stays: %v", err)
			}
			l.Close()
			if err := <-ended; err != nil {
				t.Errorf("the drain was cut: %v", err)
			}
		})
	}
}

// A store that names no protocols serves both, too, and what it loads again is presented to newcomers while
// connections go on.
func TestCertificateStoreReloaded(t *testing.T) {
	dir := t.TempDir()
	old, renewed := issue(t, "a.test", nil), issue(t, "a.test", nil)
	store, err := certs.Open(certs.Options{Pairs: []certs.Pair{old.write(t, dir, "a")}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s := serve(t, hello, overTLS(store.Config()))
	presented := func(l *line, want *identity) {
		t.Helper()
		if !l.state().PeerCertificates[0].Equal(want.cert) {
			t.Error("the other certificate is presented")
		}
	}
	config := anyone()
	config.NextProtos = []string{"h2"}
	first := s.dialTLS(anyone())
	presented(first, old)
	renewed.write(t, dir, "a")
	if err := store.Reload(); err != nil {
		t.Fatal(err)
	}
	second := s.dialTLS(config)
	presented(second, renewed)
	wantHTTP2(t, second)
	first.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	first.hear("GET", 200, "Hello, World!")
}

// A server whose HTTP/2 is for TLS takes a cleartext preface for a malformed request of HTTP/1, and one without HTTP/1
// closes connections that speak it.
func TestProtocolsThatAreTurnedOff(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*server.Config)
		request string
		want    string // begin of the answer; "": none
	}{
		"HTTP/2 over TLS only": {func(c *server.Config) { c.HTTP2.TLSOnly = true }, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 "},
		"HTTP/2 only":          {func(c *server.Config) { c.HTTP2.Only = true }, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, hello, c.change)
			conn, err := net.Dial("tcp", s.Addrs()[0].String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, c.request)
			got, _ := io.ReadAll(conn)
			if (c.want == "") != (len(got) == 0) || !strings.HasPrefix(string(got), c.want) {
				t.Errorf("the answer is %q", got)
			}
		})
	}
}
