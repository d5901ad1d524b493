package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// handshake connects a client to a server in memory. The client reads one byte, and with it the session tickets of
// TLS 1.3 or the alert that refuses its certificate.
func handshake(t testing.TB, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	near, far := net.Pipe()
	served := make(chan error, 1)
	go func() {
		s := tls.Server(far, server)
		err := s.Handshake()
		if err == nil {
			_, err = s.Write([]byte("x"))
		}
		served <- err
		far.Close()
	}()
	c := tls.Client(near, client)
	err := c.Handshake()
	if err == nil {
		_, err = io.ReadFull(c, make([]byte, 1))
	}
	near.Close()
	return c.ConnectionState(), errors.Join(err, <-served)
}

// agreed is the state of a handshake that must succeed.
func agreed(t testing.TB, server, client *tls.Config) tls.ConnectionState {
	t.Helper()
	state, err := handshake(t, server, client)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// presented is the certificate that a client with that config gets, which accepts any.
func presented(t testing.TB, s *Store, client *tls.Config) *x509.Certificate {
	t.Helper()
	client.InsecureSkipVerify = true
	return agreed(t, s.Config(), client).PeerCertificates[0]
}
