package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/reactor/certs/certstest"
)

// openedClient opens a ClientStore for the length of the test.
func openedClient(t testing.TB, options ClientOptions) *ClientStore {
	t.Helper()
	if options.Logger == nil {
		options.Logger = zap.NewNop()
	}
	s, err := OpenClient(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// backend is a TLS server of crypto/tls, which sends one byte.
type backend struct {
	address string
	seen    chan tls.ConnectionState // of completed handshakes
}

func newBackend(t testing.TB, config *tls.Config) *backend {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	b := &backend{ln.Addr().String(), make(chan tls.ConnectionState, 16)}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if c.(*tls.Conn).Handshake() == nil {
					b.seen <- c.(*tls.Conn).ConnectionState()
					_, _ = io.WriteString(c, ".")
				}
			}()
		}
	}()
	return b
}

// reach connects with config, reads what the server sends, and returns what the server has seen.
func (b *backend) reach(config *tls.Config) (seen tls.ConnectionState, resumed bool, err error) {
	raw, err := net.DialTimeout("tcp", b.address, 10*time.Second)
	if err != nil {
		return seen, false, err
	}
	defer raw.Close()
	c := tls.Client(raw, config)
	if _, err := io.ReadAll(c); err != nil {
		return seen, false, err
	}
	return <-b.seen, c.ConnectionState().DidResume, nil
}

func TestClientVerifiesAndShowsItsCertificate(t *testing.T) {
	dir, ca := t.TempDir(), certstest.NewAuthority(t, "ca")
	authority := filepath.Join(dir, "ca.pem")
	ca.Write(t, authority)
	certificate, key := ca.Issue(t, nil, "gateway")
	pair := writePair(t, dir, "client", certificate, key)
	b := newBackend(t, &tls.Config{
		Certificates: []tls.Certificate{ca.IssueClient(t, "orders.test")},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(), NextProtos: []string{"h2"},
	})
	s := openedClient(t, ClientOptions{Authorities: []string{authority}, Certificate: pair})
	config := s.Config("orders.test", "h2")
	for i := range 2 {
		seen, resumed, err := b.reach(config())
		if err != nil {
			t.Fatal(err)
		}
		if seen.ServerName != "orders.test" || seen.NegotiatedProtocol != "h2" || seen.PeerCertificates[0].Subject.CommonName != "gateway" || resumed != (i == 1) {
			t.Errorf("connection %d: name %q, protocol %q, resumed %v", i+1, seen.ServerName, seen.NegotiatedProtocol, resumed)
		}
	}
	if _, _, err := b.reach(s.Config("users.test", "h2")()); !errors.As(err, new(x509.HostnameError)) {
		t.Errorf("another name: %v", err)
	}
	named := openedClient(t, ClientOptions{Authorities: []string{authority}, Certificate: pair, Name: "orders.test"})
	if _, _, err := b.reach(named.Config("10.0.0.1")()); err != nil {
		t.Errorf("a name in place of the host: %v", err)
	}
	strict := openedClient(t, ClientOptions{})
	if _, _, err := b.reach(strict.Config("orders.test")()); !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("authorities of the system: %v", err)
	}
	insecure := openedClient(t, ClientOptions{Insecure: true, Certificate: pair})
	if _, _, err := b.reach(insecure.Config("users.test")()); err != nil {
		t.Errorf("insecure: %v", err)
	}
}

// A new authority counts as soon as its file has changed, and sessions from before are not resumed. A file that cannot be
// used changes nothing.
func TestClientReloads(t *testing.T) {
	dir, first, second := t.TempDir(), certstest.NewAuthority(t, "first"), certstest.NewAuthority(t, "second")
	file := filepath.Join(dir, "ca.pem")
	first.Write(t, file)
	old := newBackend(t, &tls.Config{Certificates: []tls.Certificate{first.IssueClient(t, "x.test")}})
	s := openedClient(t, ClientOptions{Authorities: []string{file}})
	config := s.Config("x.test")
	if _, _, err := old.reach(config()); err != nil {
		t.Fatal(err)
	}
	before := config()
	certstest.WriteFile(t, file, []byte("nothing"))
	if err := s.Reload(); err == nil || !strings.Contains(err.Error(), "authorities "+file+": no certificate in it") {
		t.Errorf("a file without a certificate: %v", err)
	}
	if config() != before {
		t.Error("the configuration has changed by a file that cannot be used")
	}
	second.Write(t, file)
	for late := time.Now().Add(20 * time.Second); config() == before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("the new file is not loaded")
		}
	}
	if _, _, err := old.reach(config()); !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("a server of the old authority: %v", err)
	}
}

func TestClientOptionsRefused(t *testing.T) {
	dir, ca := t.TempDir(), certstest.NewAuthority(t, "ca")
	certificate, _ := ca.Issue(t, nil, "gateway")
	_, otherKey := ca.Issue(t, nil, "gateway")
	pair := writePair(t, dir, "x", certificate, otherKey)
	missing := filepath.Join(dir, "missing.pem")
	if err := os.WriteFile(filepath.Join(dir, "empty.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		options ClientOptions
		want    string
	}{
		"no such authority": {ClientOptions{Authorities: []string{missing}}, missing},
		"empty authority":   {ClientOptions{Authorities: []string{filepath.Join(dir, "empty.pem")}}, "empty.pem: no certificate in it"},
		"other key":         {ClientOptions{Certificate: pair}, "certificate " + pair.Certificate + " with key " + pair.Key},
		"no key":            {ClientOptions{Certificate: Pair{Certificate: pair.Certificate}}, "client certificate " + pair.Certificate + " needs a key"},
		"no certificate":    {ClientOptions{Certificate: Pair{Key: pair.Key}}, "client key " + pair.Key + " needs a certificate"},
		"insecure with CA":  {ClientOptions{Authorities: []string{missing}, Insecure: true}, "of no use"},
		"old version":       {ClientOptions{MinVersion: tls.VersionTLS11}, "only 1.2 and 1.3"},
	} {
		s, err := OpenClient(c.options)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want it to say %q", name, err, c.want)
		}
	}
}
