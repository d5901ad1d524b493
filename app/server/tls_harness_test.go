//go:build linux

package server_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// identity is a certificate for a name and 127.0.0.1, with its key.
type identity struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes one, signed by issuer or, for nil, by itself.
func issue(t *testing.T, name string, issuer *identity) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: name},
		DNSNames:              []string{name},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  issuer == nil,
		BasicConstraintsValid: true,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	signer := &identity{template, key}
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
	return &identity{cert, key}
}

func (i *identity) pair() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{i.cert.Raw}, PrivateKey: i.key, Leaf: i.cert}
}

func (i *identity) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(i.cert)
	return pool
}

// write puts certificate and key into two files, each replaced at once.
func (i *identity) write(t *testing.T, dir, name string) certs.Pair {
	t.Helper()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	files := certs.Pair{Certificate: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key")}
	for file, block := range map[string]*pem.Block{
		files.Certificate: {Type: "CERTIFICATE", Bytes: i.cert.Raw},
		files.Key:         {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(file+".new", pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// overTLS serves config on the only listener.
func overTLS(config *tls.Config) func(*server.Config) {
	return func(c *server.Config) { c.Listeners[0].TLS = config }
}

// withIdentity serves a plain configuration, as a user would write it.
func withIdentity(i *identity) func(*server.Config) {
	return overTLS(&tls.Config{Certificates: []tls.Certificate{i.pair()}})
}

// anyone trusts every server.
func anyone() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// clientTLS is Go's client over TLS, speaking one version of HTTP and nothing else.
func (s *site) clientTLS(version int, config *tls.Config) *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP1(version == 1)
	protocols.SetHTTP2(version == 2)
	transport := &http.Transport{Protocols: &protocols, TLSClientConfig: config}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// dialTLS is a raw connection within TLS.
func (s *site) dialTLS(config *tls.Config) *line {
	s.t.Helper()
	raw := s.dial()
	c := tls.Client(raw.Conn, config)
	if err := c.Handshake(); err != nil {
		s.t.Fatal(err)
	}
	return &line{Conn: c, t: s.t, r: bufio.NewReader(c)}
}

func (l *line) state() tls.ConnectionState { return l.Conn.(*tls.Conn).ConnectionState() }

// A tap keeps what comes in from a peer, as it crosses the wire.
type tap struct {
	net.Conn
	mu  sync.Mutex
	got []byte
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.mu.Lock()
	t.got = append(t.got, p[:n]...)
	t.mu.Unlock()
	return n, err
}

// lastRecord is the type of the last TLS record that came whole.
func (t *tap) lastRecord() (kind byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for b := t.got; len(b) >= 5; {
		size := 5 + int(b[3])<<8 + int(b[4])
		if size > len(b) {
			break
		}
		kind, b = b[0], b[size:]
	}
	return kind
}

const recordAlert = 21

// tapTLS is dialTLS with TLS 1.2, whose records show their type.
func (s *site) tapTLS() (*line, *tap) {
	s.t.Helper()
	wire := &tap{Conn: s.dial().Conn}
	config := anyone()
	config.MaxVersion = tls.VersionTLS12
	c := tls.Client(wire, config)
	if err := c.Handshake(); err != nil {
		s.t.Fatal(err)
	}
	return &line{Conn: c, t: s.t, r: bufio.NewReader(c)}, wire
}

// dialable tells whether somebody listens still.
func (s *site) dialable() bool {
	c, err := net.Dial("tcp", s.addr)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}
