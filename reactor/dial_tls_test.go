//go:build linux

package reactor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/reactor/certs/certstest"
)

// authority is a certificate authority with a server certificate for example.test.
type authority struct {
	*certstest.Authority
	t      testing.TB
	server tls.Certificate
}

func newAuthority(t testing.TB) *authority {
	ca := certstest.NewAuthority(t, "the authority")
	a := &authority{Authority: ca, t: t}
	a.server = a.issue(nil, "example.test", "other.test")
	return a
}

func (a *authority) issue(change func(*x509.Certificate), names ...string) tls.Certificate {
	a.t.Helper()
	certificate, key := a.Issue(a.t, change, names...)
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

// serverConfig returns the configuration of a server with the certificate for example.test.
func (a *authority) serverConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.server}}
}

// clientConfig returns the configuration of a client that asks for example.test.
func (a *authority) clientConfig() *tls.Config {
	return &tls.Config{RootCAs: a.Pool(), ServerName: "example.test"}
}

// tlsPeer is a server of crypto/tls that answers each line with itself.
func tlsPeer(t testing.TB, config *tls.Config) string {
	t.Helper()
	return peer(t, func(c net.Conn) {
		secure := tls.Server(c, config)
		defer secure.Close()
		_, _ = io.Copy(secure, secure)
	})
}

// peer is a server that calls serve, on a goroutine of its own, for each connection until the end of the test.
func peer(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return ln.Addr().String()
}

// dialTLS dials, wants the session to open, the peer to answer, and returns the state of the connection.
func (d *dials) dialTLS(address string, config *tls.Config) (a *asking, state tls.ConnectionState) {
	d.t.Helper()
	d.dialAs(d.t.Context(), DialConfig{Address: address, TLS: config})
	select {
	case a = <-d.opened:
	case err := <-d.failed:
		d.t.Fatal(err)
	case <-time.After(patience):
		d.t.Fatal("neither opened nor failed")
	}
	if answer := await(d.t, d.answers); answer != "echo over there\n" {
		d.t.Errorf("answered %q", answer)
	}
	on(d.t, d.loop, func() { state = *a.conn.TLS() })
	return a, state
}

// dialFailure dials, and returns the error.
func (d *dials) dialFailure(config DialConfig) *DialError {
	d.t.Helper()
	d.dialAs(d.t.Context(), config)
	err := await(d.t, d.failed)
	d.wantSilence()
	return err.(*DialError)
}

func TestDialTLS(t *testing.T) {
	ca := newAuthority(t)
	server := ca.serverConfig()
	server.NextProtos = []string{"h2", "http/1.1"}
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	address := tlsPeer(t, server)
	s := serve(t, Config{Loops: 1}, nil)
	d := newDials(t, s.loops[0])
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := ca.clientConfig()
		client.NextProtos = []string{"h2"}
		client.Certificates = []tls.Certificate{ca.IssueClient(t, "gateway")}
		client.MaxVersion = version
		_, state := d.dialTLS(address, client)
		if state.NegotiatedProtocol != "h2" || state.Version != version || state.ServerName != "example.test" || len(state.VerifiedChains) == 0 {
			t.Errorf("the session sees %+v", state)
		}
	}
	if stats := s.TLSStats(); stats.Dialled.Handshakes != 2 || stats.Handshakes != 0 {
		t.Errorf("%+v", stats)
	}
}

// A connection of another Loop resumes the session of an earlier one. In TLS 1.3 its ticket has come after the handshake.
func TestDialTLSResumes(t *testing.T) {
	ca := newAuthority(t)
	address := tlsPeer(t, ca.serverConfig())
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := serve(t, Config{Loops: 2}, nil)
		client := ca.clientConfig()
		client.MaxVersion = version
		client.ClientSessionCache = tls.NewLRUClientSessionCache(8)
		for i, l := range s.loops {
			if _, state := newDials(t, l).dialTLS(address, client); state.DidResume != (i == 1) {
				t.Errorf("%s: connection %d resumed: %v", tls.VersionName(version), i+1, state.DidResume)
			}
		}
		if resumed := s.TLSStats().Dialled.Resumed; resumed != 1 {
			t.Errorf("%s: %d counted as resumed", tls.VersionName(version), resumed)
		}
	}
}

// A session without a name is kept under the peer's address.
func TestDialTLSResumesWithoutAName(t *testing.T) {
	ca := newAuthority(t)
	address := tlsPeer(t, ca.serverConfig())
	s := serve(t, Config{Loops: 1}, nil)
	client := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	d := newDials(t, s.loops[0])
	d.dialTLS(address, client)
	if _, state := d.dialTLS(address, client); !state.DidResume {
		t.Error("not resumed")
	}
}

func TestDialTLSFails(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	server := func(change func(*tls.Config)) string {
		config := ca.serverConfig()
		change(config)
		return tlsPeer(t, config)
	}
	plain := server(func(*tls.Config) {})
	expired := ca.issue(func(c *x509.Certificate) {
		c.NotAfter = time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
		c.NotBefore = c.NotAfter.AddDate(-1, 0, 0)
	}, "example.test")
	future := ca.issue(func(c *x509.Certificate) {
		c.NotBefore = time.Date(2096, 1, 2, 3, 4, 0, 0, time.UTC)
		c.NotAfter = c.NotBefore.AddDate(1, 0, 0)
	}, "example.test")
	clientOnly := ca.issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, "example.test")
	answering := func(text string) string {
		return peer(t, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 64<<10))
			_, _ = io.WriteString(c, text)
		})
	}
	s := serve(t, Config{Loops: 1}, nil)
	d := newDials(t, s.loops[0])
	for name, c := range map[string]struct {
		address string
		client  func(*tls.Config)
		reason  TLSFailure
		want    string
	}{
		"unknown authority": {plain, func(c *tls.Config) { c.RootCAs = stranger.Pool() }, TLSFailureAuthority,
			"its certificate is signed by an authority that is not trusted: CN=the authority"},
		"wrong name": {plain, func(c *tls.Config) { c.ServerName = "third.test" }, TLSFailureName,
			"its certificate is for example.test, other.test, not for third.test"},
		"expired": {server(func(c *tls.Config) { c.Certificates[0] = expired }), nil, TLSFailureExpired,
			"its certificate expired on 2026-01-02 03:04 UTC"},
		"not valid yet": {server(func(c *tls.Config) { c.Certificates[0] = future }), nil, TLSFailureExpired,
			"its certificate is not valid before 2096-01-02 03:04 UTC"},
		"for clients": {server(func(c *tls.Config) { c.Certificates[0] = clientOnly }), nil, TLSFailureCertificate,
			"is not for TLS servers"},
		"certificate wanted, TLS 1.2": {server(func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
			TLSFailureRefused, "or requires a client certificate"},
		"old client": {server(func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }), func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
			TLSFailureVersion, "no TLS version in common"},
		"old server": {server(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 },
			TLSFailureVersion, "no TLS version in common"},
		"no protocol": {server(func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }), func(c *tls.Config) { c.NextProtos = []string{"h2"} },
			TLSFailureProtocol, "no protocol in common (ALPN)"},
		"HTTP": {answering("HTTP/1.1 400 Bad Request\r\n\r\n"), nil, TLSFailurePlainHTTP,
			"the peer does not use TLS on this port: it answered with HTTP in cleartext"},
		"another protocol": {answering("220 mail.test ESMTP\r\n"), nil, TLSFailureNotTLS,
			`the peer does not use TLS on this port: its answer begins with "220 m"`},
		"end": {answering(""), nil, TLSFailureLeft,
			"the peer closed the connection during the handshake"},
		"name not set": {plain, func(c *tls.Config) { c.ServerName = "" }, TLSFailureOther,
			"either ServerName or InsecureSkipVerify must be specified"},
		"renegotiation": {plain, func(c *tls.Config) { c.Renegotiation = tls.RenegotiateFreelyAsClient }, TLSFailureOther,
			"Renegotiation must be RenegotiateNever"},
	} {
		t.Run(name, func(t *testing.T) {
			client := ca.clientConfig()
			if c.client != nil {
				c.client(client)
			}
			before := s.TLSStats().Dialled.Failures[c.reason]
			err := d.dialFailure(DialConfig{Address: c.address, TLS: client})
			if err.Stage != DialHandshake || err.Reason != c.reason || err.Timeout() {
				t.Errorf("stage %v, reason %v, timeout %v, want a handshake that fails by %v", err.Stage, err.Reason, err.Timeout(), c.reason)
			}
			if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "TLS with "+c.address+" failed: ") {
				t.Errorf("it says %q, want %q", err, c.want)
			}
			eventually(t, "it is counted", func() bool { return s.TLSStats().Dialled.Failures[c.reason] == before+1 })
		})
	}
	eventually(t, "nobody is present", func() bool { return s.present() == 0 })
}

// In TLS 1.3 a server refuses a client after the client's handshake is over: the session is told.
func TestDialTLSRefusedAfterwards(t *testing.T) {
	ca := newAuthority(t)
	server := ca.serverConfig()
	server.ClientAuth = tls.RequireAnyClientCert
	address := tlsPeer(t, server)
	s := serve(t, Config{Loops: 1}, nil)
	closed := make(chan error, 1)
	s.loops[0].Dial(t.Context(), DialConfig{Address: address, TLS: ca.clientConfig(),
		Open: func(c *Conn) Session { return &lines{conn: c, closed: closed} },
		Fail: func(err error) { closed <- err },
	})
	if err := await(t, closed); err == nil || !strings.Contains(err.Error(), "the peer requires a client certificate") {
		t.Errorf("closed with %v", err)
	}
}

// lateContext is a context whose deadline passes when late is closed.
type lateContext struct {
	context.Context
	late chan struct{}
}

func (c *lateContext) Done() <-chan struct{} { return c.late }

func (c *lateContext) Err() error {
	select {
	case <-c.late:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// A peer that accepts and is silent: the dial ends at its deadline, at the end of its context, or after HandshakeTimeout.
func TestDialTLSTimeout(t *testing.T) {
	ca := newAuthority(t)
	greeted := make(chan struct{}, 1)
	address := delayedTLSPeer(t, ca, greeted, nil)
	s := serve(t, Config{Loops: 1, HandshakeTimeout: 2 * time.Hour}, nil)
	l := s.loops[0]
	d := newDials(t, l)
	// expire has the deadline come, which must be about so far away.
	expire := func(in time.Duration) {
		on(t, l, func() {
			c := l.conns[0]
			if left := time.Duration(c.deadline) - l.Age(); left > in || left < in-time.Minute {
				t.Errorf("%v are left, want %v", left, in)
			}
			c.expire(c.deadline)
		})
	}
	late := &lateContext{t.Context(), make(chan struct{})}
	for name, c := range map[string]struct {
		ctx     context.Context
		timeout time.Duration
		end     func()
	}{
		"Timeout":               {t.Context(), time.Hour, func() { expire(time.Hour) }},
		"HandshakeTimeout":      {t.Context(), 0, func() { expire(2 * time.Hour) }},
		"both":                  {t.Context(), 3 * time.Hour, func() { expire(2 * time.Hour) }},
		"deadline of a context": {late, 0, func() { close(late.late) }},
	} {
		d.dialAs(c.ctx, DialConfig{Address: address, TLS: ca.clientConfig(), Timeout: c.timeout})
		await(t, greeted)
		c.end()
		err := await(t, d.failed).(*DialError)
		if !err.Timeout() || !errors.Is(err, context.DeadlineExceeded) || err.Stage != DialHandshake || err.Reason != TLSFailureTimeout {
			t.Errorf("%s: %v at %v", name, err, err.Stage)
		}
		eventually(t, "nobody is present", func() bool { return s.present() == 0 })
	}
	eventually(t, "they are counted", func() bool { return s.TLSStats().Dialled.Failures[TLSFailureTimeout] == 4 })
}
