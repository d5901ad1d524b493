package reactor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// An authority signs certificates for tests.
type authority struct {
	leaf *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{leaf: leaf, key: key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.leaf)
	return pool
}

func (a *authority) write(t testing.TB, file string) {
	t.Helper()
	writePEM(t, file, "CERTIFICATE", a.leaf.Raw)
}

// issue gives the PEM texts of a certificate, for servers and clients, and of its key.
func (a *authority) issue(t testing.TB, change func(*x509.Certificate), names ...string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return a.sign(t, private, private.Public(), change, names)
}

func (a *authority) issueRSA(t testing.TB, names ...string) (certificate, key []byte) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return a.sign(t, private, private.Public(), nil, names)
}

func (a *authority) sign(t testing.TB, private, public any, change func(*x509.Certificate), names []string) (certificate, key []byte) {
	t.Helper()
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: names[0]},
		DNSNames:     names,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.leaf, public, a.key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

func (a *authority) issueClient(t testing.TB, name string) tls.Certificate {
	t.Helper()
	certificate, key := a.issue(t, nil, name)
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func writePEM(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	write(t, file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func write(t testing.TB, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// pairIn writes a pair into dir and names it.
func pairIn(t testing.TB, dir, name string, certificate, key []byte) CertificatePair {
	t.Helper()
	pair := CertificatePair{Certificate: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key")}
	write(t, pair.Certificate, certificate)
	write(t, pair.Key, key)
	return pair
}

// opened opens a store for the length of the test.
func opened(t testing.TB, options CertificateOptions) *CertificateStore {
	t.Helper()
	s, err := OpenCertificates(options)
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

// presented is what a client that asks for name and accepts everything is shown.
func presented(t testing.TB, s *CertificateStore, client *tls.Config) *x509.Certificate {
	t.Helper()
	client.InsecureSkipVerify = true
	var machine tlsMachine
	c := memoryHandshake(t, &machine, s.Config(), client)
	return c.ConnectionState().PeerCertificates[0]
}

func TestCertificateChosenByName(t *testing.T) {
	dir, ca := t.TempDir(), newAuthority(t, "ca")
	pair := func(file string, names ...string) CertificatePair {
		certificate, key := ca.issue(t, nil, names...)
		return pairIn(t, dir, file, certificate, key)
	}
	s := opened(t, CertificateOptions{Pairs: []CertificatePair{
		pair("default", "default.test"), pair("a", "a.test", "www.a.test"), pair("wild", "*.w.test"), pair("exact", "x.w.test"),
	}})
	for name, want := range map[string]string{
		"":             "default.test", // no SNI at all
		"unknown.test": "default.test",
		"a.test":       "a.test",
		"WWW.A.test":   "a.test",
		"a.test.":      "a.test",
		"y.w.test":     "*.w.test",
		"x.w.test":     "x.w.test",
		"z.y.w.test":   "default.test", // a wildcard stands for one label
		"w.test":       "default.test",
	} {
		if got := presented(t, s, &tls.Config{ServerName: name}); got.Subject.CommonName != want {
			t.Errorf("asked for %q, got %q, want %q", name, got.Subject.CommonName, want)
		}
	}
}

func TestCertificateChosenByAlgorithm(t *testing.T) {
	dir, ca := t.TempDir(), newAuthority(t, "ca")
	certificate, key := ca.issue(t, nil, "both.test")
	ecdsaPair := pairIn(t, dir, "ecdsa", certificate, key)
	certificate, key = ca.issueRSA(t, "both.test")
	s := opened(t, CertificateOptions{Pairs: []CertificatePair{ecdsaPair, pairIn(t, dir, "rsa", certificate, key)}})
	if got := presented(t, s, &tls.Config{ServerName: "both.test"}); got.PublicKeyAlgorithm != x509.ECDSA {
		t.Errorf("a client of today got %v, want the first pair", got.PublicKeyAlgorithm)
	}
	old := &tls.Config{ServerName: "both.test", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
	if got := presented(t, s, old); got.PublicKeyAlgorithm != x509.RSA {
		t.Errorf("a client that knows RSA only got %v", got.PublicKeyAlgorithm)
	}
}

func TestCertificateReload(t *testing.T) {
	dir, ca := t.TempDir(), newAuthority(t, "ca")
	logged, lines := observer.New(zapcore.InfoLevel)
	certificate, key := ca.issue(t, nil, "one.test")
	pair := pairIn(t, dir, "pair", certificate, key)
	s := opened(t, CertificateOptions{Pairs: []CertificatePair{pair}, Logger: zap.New(logged)})

	// A key that does not fit: kept out, the old pair serves on.
	certificate, key = ca.issue(t, nil, "two.test")
	write(t, pair.Certificate, certificate)
	if err := s.Reload(); err == nil || !strings.Contains(err.Error(), pair.Certificate) {
		t.Fatalf("a broken pair: %v, want an error that names the file", err)
	}
	if got := presented(t, s, &tls.Config{}).Subject.CommonName; got != "one.test" {
		t.Fatalf("with a broken pair %s is presented, want one.test", got)
	}
	if lines.FilterMessage("certificate kept out").Len() == 0 {
		t.Error("nothing was logged about the broken pair")
	}

	// The key follows.
	write(t, pair.Key, key)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := presented(t, s, &tls.Config{}).Subject.CommonName; got != "two.test" {
		t.Fatalf("after the reload %s is presented, want two.test", got)
	}

	// The file is gone: likewise kept out.
	if err := os.Remove(pair.Key); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a missing key: %v", err)
	}
	if got := presented(t, s, &tls.Config{}).Subject.CommonName; got != "two.test" {
		t.Fatalf("with a missing key %s is presented, want two.test", got)
	}
}

// A renewal shows by itself, also one that replaces a symbolic link, as certbot and Kubernetes do.
func TestCertificateChangeNoticed(t *testing.T) {
	leakChecked(t)
	ca := newAuthority(t, "ca")
	for name, replace := range map[string]func(t *testing.T, dir string, pair CertificatePair, certificate, key []byte){
		"overwritten": func(t *testing.T, _ string, pair CertificatePair, certificate, key []byte) {
			write(t, pair.Certificate, certificate)
			write(t, pair.Key, key)
		},
		"renamed over": func(t *testing.T, dir string, pair CertificatePair, certificate, key []byte) {
			fresh := pairIn(t, dir, "fresh", certificate, key)
			for old, new := range map[string]string{fresh.Certificate: pair.Certificate, fresh.Key: pair.Key} {
				if err := os.Rename(old, new); err != nil {
					t.Fatal(err)
				}
			}
		},
		"link replaced": func(t *testing.T, dir string, pair CertificatePair, certificate, key []byte) {
			if err := os.Mkdir(filepath.Join(dir, "second"), 0o700); err != nil {
				t.Fatal(err)
			}
			pairIn(t, filepath.Join(dir, "second"), "pair", certificate, key)
			link := filepath.Join(dir, "link")
			if err := os.Symlink("second", link+".new"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(link+".new", link); err != nil {
				t.Fatal(err)
			}
		},
		"directory made again": func(t *testing.T, dir string, pair CertificatePair, certificate, key []byte) {
			first := filepath.Join(dir, "first")
			if err := os.RemoveAll(first); err != nil {
				t.Fatal(err)
			}
			fresh := filepath.Join(dir, "fresh")
			if err := os.Mkdir(fresh, 0o700); err != nil {
				t.Fatal(err)
			}
			pairIn(t, fresh, "pair", certificate, key)
			if err := os.Rename(fresh, first); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "first"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("first", filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			for _, file := range []string{"pair.pem", "pair.key"} {
				if err := os.Symlink(filepath.Join("link", file), filepath.Join(dir, file)); err != nil {
					t.Fatal(err)
				}
			}
			certificate, key := ca.issue(t, nil, "one.test")
			pair := pairIn(t, dir, "pair", certificate, key)
			loaded := make(chan string, 16)
			logger := zap.New(zapcore.NewNopCore(), zap.WrapCore(func(zapcore.Core) zapcore.Core {
				return loadedCore{loaded}
			}))
			s := opened(t, CertificateOptions{Pairs: []CertificatePair{pair}, Logger: logger})
			<-loaded // the first load
			certificate, key = ca.issue(t, nil, "two.test")
			replace(t, dir, pair, certificate, key)
			<-loaded
			if got := presented(t, s, &tls.Config{}).Subject.CommonName; got != "two.test" {
				t.Errorf("%s is presented, want two.test", got)
			}
			s.Close()
		})
	}
}

// loadedCore tells of each certificate that was loaded.
type loadedCore struct{ loaded chan string }

func (loadedCore) Enabled(zapcore.Level) bool          { return true }
func (c loadedCore) With([]zapcore.Field) zapcore.Core { return c }
func (loadedCore) Sync() error                         { return nil }
func (c loadedCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return ce.AddCore(e, c)
}
func (c loadedCore) Write(e zapcore.Entry, _ []zapcore.Field) error {
	if e.Message == "certificate loaded" {
		c.loaded <- e.Message
	}
	return nil
}

// A certificate that is not valid, any more or yet, is served, since nothing better is there, and complained about.
func TestCertificateOutOfDate(t *testing.T) {
	for complaint, date := range map[string]func(*x509.Certificate){
		"certificate has expired":      func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) },
		"certificate is not valid yet": func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) },
	} {
		logged, lines := observer.New(zapcore.WarnLevel)
		certificate, key := newAuthority(t, "ca").issue(t, date, "odd.test")
		s := opened(t, CertificateOptions{Pairs: []CertificatePair{pairIn(t, t.TempDir(), "odd", certificate, key)}, Logger: zap.New(logged)})
		if got := presented(t, s, &tls.Config{}).Subject.CommonName; got != "odd.test" {
			t.Errorf("%s is presented, want odd.test", got)
		}
		if lines.FilterMessage(complaint).Len() != 1 {
			t.Errorf("want %q, logged: %v", complaint, lines.All())
		}
	}
}

// A server may run past the end of its certificate: it says so beforehand, and then.
func TestCertificateExpiresMeanwhile(t *testing.T) {
	logged, lines := observer.New(zapcore.WarnLevel)
	s := opened(t, CertificateOptions{SelfSigned: true, Logger: zap.New(logged)})
	for _, c := range []struct {
		after time.Duration
		want  string // "": nothing
	}{{0, ""}, {selfSignedLife - time.Hour, "certificate expires soon"}, {selfSignedLife + time.Hour, "certificate has expired"}} {
		s.lookAtExpiry(time.Now().Add(c.after))
		var said string
		for _, line := range lines.TakeAll() {
			said += line.Message
		}
		if said != c.want {
			t.Errorf("after %v it says %q, want %q", c.after, said, c.want)
		}
	}
}

// Authorities are replaced like certificates, and a session that was begun under the old ones is not
// resumed under the new.
func TestClientAuthoritiesReload(t *testing.T) {
	first, second, dir := newAuthority(t, "first"), newAuthority(t, "second"), t.TempDir()
	file := filepath.Join(dir, "ca.pem")
	first.write(t, file)
	s := opened(t, CertificateOptions{SelfSigned: true, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: []string{file}})
	accepted := func(client *tls.Config) error {
		c, server := pipeClient(t, s.Config(), client, whole)
		defer c.NetConn().Close()
		if err := c.Handshake(); err != nil {
			return err
		}
		go c.Write([]byte("x"))
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			return errors.Join(err, <-server.done)
		}
		return nil
	}
	cache := tls.NewLRUClientSessionCache(1)
	alice := &tls.Config{InsecureSkipVerify: true, ServerName: "x", ClientSessionCache: cache, Certificates: []tls.Certificate{first.issueClient(t, "alice")}}
	if err := accepted(alice); err != nil {
		t.Fatal(err)
	}
	second.write(t, file)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := accepted(alice); err == nil {
		t.Error("a certificate of the authority that was replaced is accepted")
	}
	bob := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{second.issueClient(t, "bob")}}
	if err := accepted(bob); err != nil {
		t.Error("a certificate of the new authority: ", err)
	}
}

func TestCertificateOptionsRefused(t *testing.T) {
	dir, ca := t.TempDir(), newAuthority(t, "ca")
	certificate, key := ca.issue(t, nil, "x.test")
	good := []CertificatePair{pairIn(t, dir, "x", certificate, key)}
	for want, options := range map[string]CertificateOptions{
		"needs a certificate":  {},
		"no such file":         {Pairs: []CertificatePair{{Certificate: dir + "/none", Key: dir + "/none"}}},
		"with key":             {Pairs: []CertificatePair{{Certificate: good[0].Certificate, Key: good[0].Certificate}}},
		"cannot be the oldest": {Pairs: good, MinVersion: tls.VersionTLS11},
		"need an authority":    {Pairs: good, ClientAuth: tls.RequireAndVerifyClientCert},
		"nobody verified":      {Pairs: good, ClientAuth: tls.RequireAnyClientCert},
		"of no use":            {Pairs: good, ClientCAs: []string{good[0].Certificate}},
		"no certificate in it": {Pairs: good, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: []string{good[0].Key}},
	} {
		s, err := OpenCertificates(options)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}

func TestSelfSigned(t *testing.T) {
	s := opened(t, CertificateOptions{SelfSigned: true, SelfSignedNames: []string{"mine.test", "192.0.2.1"}})
	leaf := presented(t, s, &tls.Config{})
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "mine.test", "192.0.2.1"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if len(s.SelfSignedFingerprint()) != 64 {
		t.Errorf("fingerprint %q", s.SelfSignedFingerprint())
	}
}

func TestALPN(t *testing.T) {
	s := opened(t, CertificateOptions{SelfSigned: true, Protocols: []string{"h2", "http/1.1"}})
	for _, c := range []struct {
		offered []string
		want    string
	}{
		{[]string{"h2", "http/1.1"}, "h2"},
		{[]string{"http/1.1", "h2"}, "h2"}, // the server prefers
		{[]string{"http/1.1"}, "http/1.1"},
		{nil, ""},
		{[]string{"spdy/3"}, ""}, // neither: served without
		{[]string{"spdy/3", "http/1.1"}, "http/1.1"},
	} {
		var machine tlsMachine
		memoryHandshake(t, &machine, s.Config(), &tls.Config{InsecureSkipVerify: true, NextProtos: c.offered})
		if got := machine.conn.ConnectionState().NegotiatedProtocol; got != c.want {
			t.Errorf("offered %v: agreed on %q, want %q", c.offered, got, c.want)
		}
	}
}

func TestTicketKeysRotate(t *testing.T) {
	s := opened(t, CertificateOptions{SelfSigned: true})
	// Keys that rotate must reach a server that offers protocols of its own, too.
	config := WithProtocols(s.Config(), "http/1.1")
	client := &tls.Config{InsecureSkipVerify: true, ServerName: "x", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	connect := func() bool {
		var machine tlsMachine
		c := memoryHandshake(t, &machine, config, client)
		// A ticket of TLS 1.3 comes behind the handshake: it is read with the first record.
		out, err := machine.seal(nil, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		c.NetConn().(*memoryPipe).give(out)
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		return c.ConnectionState().DidResume
	}
	if connect() {
		t.Fatal("resumed a session that never was")
	}
	if !connect() {
		t.Fatal("the second connection did not resume")
	}
	for range ticketKeysKept - 1 {
		if err := s.RotateTicketKeys(); err != nil {
			t.Fatal(err)
		}
	}
	cache := client.ClientSessionCache
	session, _ := cache.Get("x")
	if !connect() {
		t.Error("a ticket of the oldest key kept was refused")
	}
	if err := s.RotateTicketKeys(); err != nil {
		t.Fatal(err)
	}
	cache.Put("x", session)
	if connect() {
		t.Error("a ticket whose key is forgotten was taken")
	}
}
