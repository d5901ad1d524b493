//go:build linux

package main

import (
	"crypto/tls"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestCertificatesSwappedUnderLoad: no request fails while files are replaced and SIGHUP comes, on old connections
// and on new ones, and in the end new connections get the new certificate.
func TestCertificatesSwappedUnderLoad(t *testing.T) {
	dir := t.TempDir()
	first := makePair(t, dir, "a.test", nil)
	c := serve(t, "--listen-tls", "127.0.0.1:0", "--tls-cert", first.certFile, "--tls-key", first.keyFile)
	var asked, failed atomic.Int64
	stop := make(chan struct{})
	var askers sync.WaitGroup
	for _, version := range []int{1, 2} {
		for _, fresh := range []bool{false, true} {
			tr := transport(version, true)
			tr.DisableKeepAlives = fresh
			client := &http.Client{Transport: tr, Timeout: patience}
			askers.Go(func() {
				defer tr.CloseIdleConnections()
				for {
					select {
					case <-stop:
						return
					default:
					}
					r, err := client.Get(c.urls[0] + "/")
					if err != nil || r.StatusCode != http.StatusOK {
						failed.Add(1)
						t.Errorf("HTTP/%d, new connections %v: %v", version, fresh, err)
						return
					}
					_ = r.Body.Close()
					asked.Add(1)
				}
			})
		}
	}
	var last *pair
	for range 5 {
		before := asked.Load()
		// The files change one after the other, which the watch may see: such a pair is kept out.
		last = makePair(t, dir, "a.test", nil)
		c.signal(syscall.SIGHUP)
		for deadline := time.Now().Add(patience); asked.Load() < before+20 && failed.Load() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("nobody is answered any more")
			}
		}
	}
	close(stop)
	askers.Wait()
	wantCertificateSoon(t, c, "a.test", last)
}

// wantCertificateSoon waits until the server presents want.
func wantCertificateSoon(t *testing.T, c *child, name string, want *pair) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		state, err := handshake(t, c.address(), &tls.Config{ServerName: name})
		if err != nil {
			t.Fatal(err)
		}
		if state.PeerCertificates[0].Equal(want.cert) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the new certificate is never presented")
		}
	}
}

// TestCertificateReloadedWhenItsFileChanges: no signal is needed.
func TestCertificateReloadedWhenItsFileChanges(t *testing.T) {
	dir := t.TempDir()
	old := makePair(t, dir, "a.test", nil)
	c := serve(t, "--listen-tls", "127.0.0.1:0", "--tls-cert", old.certFile, "--tls-key", old.keyFile)
	wantCertificate(t, c, "a.test", old)
	wantCertificateSoon(t, c, "a.test", makePair(t, dir, "a.test", nil))
}

// TestBrokenPairIsKeptOut: the pair loaded before stays in use, and the log names the file.
func TestBrokenPairIsKeptOut(t *testing.T) {
	dir := t.TempDir()
	good := makePair(t, dir, "a.test", nil)
	c := serve(t, "--listen-tls", "127.0.0.1:0", "--tls-cert", good.certFile, "--tls-key", good.keyFile)
	if err := os.WriteFile(good.keyFile, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.signal(syscall.SIGHUP)
	c.logs("certificate kept out")
	if !strings.Contains(c.stderr.String(), good.keyFile) {
		t.Error("the log does not name the file")
	}
	wantCertificate(t, c, "a.test", good)
}

// TestExpiredCertificate: it is served, since some clients accept it, and the log has a warning.
func TestExpiredCertificate(t *testing.T) {
	dir := t.TempDir()
	old := makePair(t, dir, "a.test", nil, func(until *time.Time) { *until = time.Now().Add(-time.Minute) })
	c := serve(t, "--listen-tls", "127.0.0.1:0", "--tls-cert", old.certFile, "--tls-key", old.keyFile)
	c.logs("certificate has expired")
	wantCertificate(t, c, "a.test", old)
}

// TestAuthorityReplaced: a client without a certificate of the new authority is refused, also when it resumes a
// session of the old one.
func TestAuthorityReplaced(t *testing.T) {
	dir := t.TempDir()
	authority := makePair(t, dir, "authority", nil)
	client := makePair(t, dir, "client", authority)
	c := serve(t, "--listen-tls", "127.0.0.1:0", "--tls-self-signed", "--tls-client-ca", authority.certFile, "--tls-client-auth", "require")
	config := &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(4), ServerName: "localhost",
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{client.cert.Raw}, PrivateKey: client.key}, nil
		}}
	for i := range 2 {
		state, err := handshake(t, c.address(), config)
		if err != nil || state.DidResume != (i == 1) {
			t.Fatalf("connection %d: resumed %v, %v", i+1, state.DidResume, err)
		}
	}
	_, text := tlsHeaders(t, c, config)
	if !strings.Contains(text, `"resumed":true,"client":"CN=client"`) {
		t.Errorf("a resumed connection does not know its client: %s", text)
	}
	makePair(t, dir, "authority", nil)
	c.signal(syscall.SIGHUP)
	c.logs("certificates loaded again")
	if _, err := handshake(t, c.address(), config); err == nil {
		t.Error("a client of the old authority is still served")
	}
}

func tlsHeaders(t *testing.T, c *child, config *tls.Config) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.urls[0]+"/headers", nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer(t, &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}, request)
}
