//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pair is a certificate and its key in files.
type pair struct {
	certFile, keyFile string
	cert              *x509.Certificate
	key               *ecdsa.PrivateKey
}

// makePair writes a certificate for name, signed by issuer, or self-signed without one. It is valid for an hour;
// until may change that.
func makePair(t *testing.T, dir, name string, issuer *pair, until ...func(*time.Time)) *pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: name},
		DNSNames:              []string{name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  issuer == nil,
		BasicConstraintsValid: true,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, change := range until {
		change(&template.NotAfter)
	}
	signer := &pair{cert: template, key: key}
	if issuer != nil {
		signer = issuer
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.cert, &key.PublicKey, signer.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{certFile: filepath.Join(dir, name+".pem"), keyFile: filepath.Join(dir, name+".key"), cert: cert, key: key}
	for file, block := range map[string]*pem.Block{
		p.certFile: {Type: "CERTIFICATE", Bytes: der},
		p.keyFile:  {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// handshake completes a handshake and returns its state.
func handshake(t *testing.T, address string, config *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	config.InsecureSkipVerify = true // the tests compare certificates themselves
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, config)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = c.Close() }()
	// With TLS 1.3 a refusal of the client's certificate follows the handshake.
	if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")); err != nil {
		return tls.ConnectionState{}, err
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		return tls.ConnectionState{}, err
	}
	return c.ConnectionState(), nil
}

func testListenTLS(t *testing.T) {
	c := serve(t, "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--tls-self-signed")
	if len(c.urls) != 2 || !strings.HasPrefix(c.urls[0], "http://") || !strings.HasPrefix(c.urls[1], "https://") {
		t.Fatalf("it listens on %q", c.urls)
	}
	status, text := c.get("/")
	wantHello(t, status, text)
	for _, major := range []int{1, 2} {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(major == 1)
		protocols.SetHTTP2(major == 2)
		client := &http.Client{Timeout: patience, Transport: &http.Transport{Protocols: protocols,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
		r, err := client.Get(c.urls[1] + "/")
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		if r.StatusCode != http.StatusOK || r.ProtoMajor != major {
			t.Errorf("answered %s over %s, want HTTP/%d", r.Status, r.Proto, major)
		}
	}
}

// testSelfSigned: the certificate has the fingerprint that is printed and logged at the start.
func testSelfSigned(t *testing.T) {
	c := serve(t, "--listen-tls", "127.0.0.1:0", "--tls-self-signed", "--log-format", "json")
	state, err := handshake(t, c.address(), &tls.Config{})
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := fmt.Sprintf("%x", sha256.Sum256(state.PeerCertificates[0].Raw))
	if line := c.line(); !strings.HasSuffix(line, " SHA-256 fingerprint "+fingerprint+"\n") {
		t.Errorf("behind the start-up line comes %q, the fingerprint is %s", line, fingerprint)
	}
	c.logs(`"self_signed_sha256":"` + fingerprint + `"`)
}

// testCertificates: the server name selects one of two pairs, and SIGHUP reloads a replaced one.
func testCertificates(t *testing.T) {
	dir := t.TempDir()
	a, b := makePair(t, dir, "a.test", nil), makePair(t, dir, "b.test", nil)
	c := serve(t, "--listen-tls", "127.0.0.1:0", "--tls-cert", a.certFile, "--tls-key", a.keyFile,
		"--tls-cert", b.certFile, "--tls-key", b.keyFile)
	for name, want := range map[string]*pair{"a.test": a, "b.test": b, "c.test": a} {
		wantCertificate(t, c, name, want)
	}
	renewed := makePair(t, dir, "b.test", nil)
	c.signal(syscall.SIGHUP)
	c.logs("certificates loaded again")
	wantCertificate(t, c, "b.test", renewed)
	wantCertificate(t, c, "a.test", a)
}

func wantCertificate(t *testing.T, c *child, name string, want *pair) {
	t.Helper()
	state, err := handshake(t, c.address(), &tls.Config{ServerName: name})
	if err != nil {
		t.Fatal(err)
	}
	if !state.PeerCertificates[0].Equal(want.cert) {
		t.Errorf("%s got the certificate of %v", name, state.PeerCertificates[0].DNSNames)
	}
}

func TestReloadWithoutTLS(t *testing.T) {
	c := serve(t)
	c.signal(syscall.SIGHUP)
	c.logs("nothing to load again")
	status, text := c.get("/")
	wantHello(t, status, text)
}

func testMinVersion(t *testing.T) {
	old := &tls.Config{MaxVersion: tls.VersionTLS12}
	if _, err := handshake(t, serve(t, "--listen-tls", "127.0.0.1:0", "--tls-self-signed", "--tls-min-version", "1.3").address(), old); err == nil {
		t.Error("a client of TLS 1.2 was served")
	}
	if _, err := handshake(t, serve(t, "--listen-tls", "127.0.0.1:0", "--tls-self-signed").address(), old); err != nil {
		t.Errorf("by default: %v", err)
	}
}

func testClientCertificates(t *testing.T) {
	dir := t.TempDir()
	authority := makePair(t, dir, "authority", nil)
	good, stranger := makePair(t, dir, "good", authority), makePair(t, dir, "stranger", nil)
	shown := func(p *pair) *tls.Config {
		if p == nil {
			return &tls.Config{}
		}
		// A client would keep back a certificate that is of none of the authorities that it is told.
		return &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{p.cert.Raw}, PrivateKey: p.key}, nil
		}}
	}
	for mode, withoutOne := range map[string]bool{"request": true, "require": false} {
		c := serve(t, "--listen-tls", "127.0.0.1:0", "--tls-self-signed", "--tls-client-ca", authority.certFile, "--tls-client-auth", mode)
		if _, err := handshake(t, c.address(), shown(good)); err != nil {
			t.Errorf("%s: a good certificate: %v", mode, err)
		}
		if _, err := handshake(t, c.address(), shown(stranger)); err == nil {
			t.Errorf("%s: a stranger's certificate was taken", mode)
		}
		if _, err := handshake(t, c.address(), shown(nil)); (err == nil) != withoutOne {
			t.Errorf("%s: without a certificate: %v", mode, err)
		}
	}
}

// TestTLSFailuresAreCounted: /count shows why handshakes failed.
func TestTLSFailuresAreCounted(t *testing.T) {
	c := serve(t, "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--tls-self-signed")
	secure := strings.TrimPrefix(c.urls[1], "https://")
	for text, reason := range map[string]string{"GET / HTTP/1.1\r\n\r\n": "tls-plain-http", "SSH-2.0-x\r\n": "tls-not-tls"} {
		conn, err := net.DialTimeout("tcp", secure, patience)
		if err != nil {
			t.Fatal(err)
		}
		send(t, conn, text)
		rest(t, conn)
		_ = conn.Close()
		if _, counted := c.get("/count"); !strings.Contains(counted, `"`+reason+`":1`) {
			t.Errorf("%q: /count says %s", text, counted)
		}
	}
}
