package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gatewheel/gatewheel/internal/logqueue"
	"github.com/gatewheel/gatewheel/reactor/certs/certstest"
)

// writePair writes a pair into dir and names its files.
func writePair(t testing.TB, dir, name string, certificate, key []byte) Pair {
	t.Helper()
	certificateFile, keyFile := certstest.WritePair(t, dir, name, certificate, key)
	return Pair{Certificate: certificateFile, Key: keyFile}
}

// opened opens a store for the length of the test.
func opened(t testing.TB, options Options) *Store {
	t.Helper()
	if options.Logger == nil {
		options.Logger = zap.NewNop()
	}
	s, err := Open(options)
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

func TestCertificateChosenByName(t *testing.T) {
	dir, ca := t.TempDir(), certstest.NewAuthority(t, "ca")
	pair := func(file string, names ...string) Pair {
		certificate, key := ca.Issue(t, nil, names...)
		return writePair(t, dir, file, certificate, key)
	}
	s := opened(t, Options{Pairs: []Pair{
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
	dir, ca := t.TempDir(), certstest.NewAuthority(t, "ca")
	certificate, key := ca.Issue(t, nil, "both.test")
	ecdsaPair := writePair(t, dir, "ecdsa", certificate, key)
	certificate, key = ca.IssueRSA(t, "both.test")
	s := opened(t, Options{Pairs: []Pair{ecdsaPair, writePair(t, dir, "rsa", certificate, key)}})
	if got := presented(t, s, &tls.Config{ServerName: "both.test"}); got.PublicKeyAlgorithm != x509.ECDSA {
		t.Errorf("a client of today got %v, want the first pair", got.PublicKeyAlgorithm)
	}
	old := &tls.Config{ServerName: "both.test", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
	if got := presented(t, s, old); got.PublicKeyAlgorithm != x509.RSA {
		t.Errorf("a client that knows RSA only got %v", got.PublicKeyAlgorithm)
	}
}

func TestCertificateReload(t *testing.T) {
	dir, ca := t.TempDir(), certstest.NewAuthority(t, "ca")
	logged, lines := observer.New(zapcore.InfoLevel)
	certificate, key := ca.Issue(t, nil, "one.test")
	pair := writePair(t, dir, "pair", certificate, key)
	s := opened(t, Options{Pairs: []Pair{pair}, Logger: zap.New(logged)})

	// A key that does not fit: kept out, the old pair serves on.
	certificate, key = ca.Issue(t, nil, "two.test")
	certstest.WriteFile(t, pair.Certificate, certificate)
	if err := s.Reload(); err == nil || !strings.Contains(err.Error(), pair.Certificate) {
		t.Fatalf("a broken pair: %v, want an error that names the file", err)
	}
	if got := presented(t, s, &tls.Config{}).Subject.CommonName; got != "one.test" {
		t.Fatalf("with a broken pair %s is presented, want one.test", got)
	}
	logqueue.Flush(s.logger, time.Minute)
	if lines.FilterMessage("certificate kept out").Len() == 0 {
		t.Error("nothing was logged about the broken pair")
	}

	// The key follows.
	certstest.WriteFile(t, pair.Key, key)
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
	ca := certstest.NewAuthority(t, "ca")
	for name, replace := range map[string]func(t *testing.T, dir string, pair Pair, certificate, key []byte){
		"overwritten": func(t *testing.T, _ string, pair Pair, certificate, key []byte) {
			certstest.WriteFile(t, pair.Certificate, certificate)
			certstest.WriteFile(t, pair.Key, key)
		},
		"renamed over": func(t *testing.T, dir string, pair Pair, certificate, key []byte) {
			fresh := writePair(t, dir, "fresh", certificate, key)
			for old, new := range map[string]string{fresh.Certificate: pair.Certificate, fresh.Key: pair.Key} {
				if err := os.Rename(old, new); err != nil {
					t.Fatal(err)
				}
			}
		},
		"link replaced": func(t *testing.T, dir string, pair Pair, certificate, key []byte) {
			if err := os.Mkdir(filepath.Join(dir, "second"), 0o700); err != nil {
				t.Fatal(err)
			}
			writePair(t, filepath.Join(dir, "second"), "pair", certificate, key)
			link := filepath.Join(dir, "link")
			if err := os.Symlink("second", link+".new"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(link+".new", link); err != nil {
				t.Fatal(err)
			}
		},
		"directory made again": func(t *testing.T, dir string, pair Pair, certificate, key []byte) {
			first := filepath.Join(dir, "first")
			if err := os.RemoveAll(first); err != nil {
				t.Fatal(err)
			}
			fresh := filepath.Join(dir, "fresh")
			if err := os.Mkdir(fresh, 0o700); err != nil {
				t.Fatal(err)
			}
			writePair(t, fresh, "pair", certificate, key)
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
			certificate, key := ca.Issue(t, nil, "one.test")
			pair := writePair(t, dir, "pair", certificate, key)
			loaded := make(chan string, 16)
			logger := zap.New(zapcore.NewNopCore(), zap.WrapCore(func(zapcore.Core) zapcore.Core {
				return loadedCore{loaded}
			}))
			s := opened(t, Options{Pairs: []Pair{pair}, Logger: logger})
			<-loaded // the first load
			certificate, key = ca.Issue(t, nil, "two.test")
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
		certificate, key := certstest.NewAuthority(t, "ca").Issue(t, date, "odd.test")
		s := opened(t, Options{Pairs: []Pair{writePair(t, t.TempDir(), "odd", certificate, key)}, Logger: zap.New(logged)})
		if got := presented(t, s, &tls.Config{}).Subject.CommonName; got != "odd.test" {
			t.Errorf("%s is presented, want odd.test", got)
		}
		logqueue.Flush(s.logger, time.Minute)
		if lines.FilterMessage(complaint).Len() != 1 {
			t.Errorf("want %q, logged: %v", complaint, lines.All())
		}
	}
}

// A server may run past the end of its certificate: it says so beforehand, and then.
func TestCertificateExpiresMeanwhile(t *testing.T) {
	logged, lines := observer.New(zapcore.WarnLevel)
	s := opened(t, Options{SelfSigned: true, Logger: zap.New(logged)})
	for _, c := range []struct {
		after time.Duration
		want  string // "": nothing
	}{{0, ""}, {selfSignedLife - time.Hour, "certificate expires soon"}, {selfSignedLife + time.Hour, "certificate has expired"}} {
		s.lookAtExpiry(time.Now().Add(c.after))
		var said string
		logqueue.Flush(s.logger, time.Minute)
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
	first, second, dir := certstest.NewAuthority(t, "first"), certstest.NewAuthority(t, "second"), t.TempDir()
	file := filepath.Join(dir, "ca.pem")
	first.Write(t, file)
	s := opened(t, Options{SelfSigned: true, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: []string{file}})
	accepted := func(client *tls.Config) error {
		_, err := handshake(t, s.Config(), client)
		return err
	}
	cache := tls.NewLRUClientSessionCache(1)
	alice := &tls.Config{InsecureSkipVerify: true, ServerName: "x", ClientSessionCache: cache, Certificates: []tls.Certificate{first.IssueClient(t, "alice")}}
	if err := accepted(alice); err != nil {
		t.Fatal(err)
	}
	second.Write(t, file)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := accepted(alice); err == nil {
		t.Error("a certificate of the authority that was replaced is accepted")
	}
	bob := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{second.IssueClient(t, "bob")}}
	if err := accepted(bob); err != nil {
		t.Error("a certificate of the new authority: ", err)
	}
}

func TestSelfSigned(t *testing.T) {
	s := opened(t, Options{SelfSigned: true, SelfSignedNames: []string{"mine.test", "192.0.2.1"}})
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

func TestTicketKeysRotate(t *testing.T) {
	s := opened(t, Options{SelfSigned: true})
	// Keys that rotate must reach a server that offers protocols of its own, too.
	config := WithProtocols(s.Config(), "http/1.1")
	client := &tls.Config{InsecureSkipVerify: true, ServerName: "x", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	connect := func() bool { return agreed(t, config, client).DidResume }
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
