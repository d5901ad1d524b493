//go:build linux

package reactor

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/reactor/certs/certstest"
)

// signer is a private key of a type that Go does not know, as one in a key service is.
type signer struct {
	crypto.Signer
	sign func()
}

func (s signer) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.sign()
	return s.Signer.Sign(rand, digest, opts)
}

// oneSlot leaves the reactor a single slot for handshakes.
func oneSlot(r *Reactor) {
	r.tls.pool.mu.Lock()
	r.tls.pool.slots = 1
	r.tls.pool.mu.Unlock()
}

// A callback may wait for another handshake of the same process, as ACME's tls-alpn-01 has it.
func TestTLSCallbacksHoldNoSlot(t *testing.T) {
	ca := certstest.NewAuthority(t, "ca")
	for name, use := range map[string]func(config *tls.Config, wait func()){
		"GetConfigForClient": func(c *tls.Config, wait func()) {
			c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { wait(); return nil, nil }
		},
		"GetCertificate": func(c *tls.Config, wait func()) {
			own := c.Certificates[0]
			c.Certificates = nil
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { wait(); return &own, nil }
		},
		"GetCertificate of a chosen config": func(c *tls.Config, wait func()) {
			chosen := c.Clone()
			own := c.Certificates[0]
			chosen.Certificates = nil
			chosen.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { wait(); return &own, nil }
			c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil }
		},
		"GetEncryptedClientHelloKeys": func(c *tls.Config, wait func()) {
			c.GetEncryptedClientHelloKeys = func(*tls.ClientHelloInfo) ([]tls.EncryptedClientHelloKey, error) { wait(); return nil, nil }
		},
		"VerifyPeerCertificate": func(c *tls.Config, wait func()) {
			c.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { wait(); return nil }
		},
		"VerifyConnection": func(c *tls.Config, wait func()) {
			c.VerifyConnection = func(tls.ConnectionState) error { wait(); return nil }
		},
		"WrapSession": func(c *tls.Config, wait func()) {
			c.WrapSession = func(state tls.ConnectionState, s *tls.SessionState) ([]byte, error) {
				wait()
				return c.EncryptTicket(state, s)
			}
		},
		"UnwrapSession": func(c *tls.Config, wait func()) {
			c.UnwrapSession = func(ticket []byte, state tls.ConnectionState) (*tls.SessionState, error) {
				wait()
				return c.DecryptTicket(ticket, state)
			}
		},
		"private key": func(c *tls.Config, wait func()) {
			own := &c.Certificates[0]
			own.PrivateKey = signer{own.PrivateKey.(crypto.Signer), wait}
		},
		"private key of GetCertificate": func(c *tls.Config, wait func()) {
			own := c.Certificates[0]
			own.PrivateKey = signer{own.PrivateKey.(crypto.Signer), wait}
			c.Certificates = nil
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &own, nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			leakChecked(t)
			client := &tls.Config{
				InsecureSkipVerify: true, Certificates: []tls.Certificate{ca.IssueClient(t, "alice")},
				ClientSessionCache: tls.NewLRUClientSessionCache(1),
			}
			config := serverConfig(t)
			config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
			var dialer atomic.Pointer[func() error] // the callback is on another goroutine
			var called atomic.Bool
			use(config, func() {
				if called.Swap(true) {
					return
				}
				if err := (*dialer.Load())(); err != nil {
					t.Error("the handshake that a callback waits for: ", err)
				}
			})
			r, addr := served(t, Config{}, ListenerConfig{TLS: config, Open: openTeller})
			oneSlot(r)
			dial := func() error {
				raw, err := net.DialTimeout("tcp", addr.String(), patience)
				if err != nil {
					return err
				}
				defer raw.Close()
				_ = raw.SetDeadline(time.Now().Add(patience))
				_, err = ask(tls.Client(raw, client))
				return err
			}
			dialer.Store(&dial)
			for range 2 { // the second one resumes
				if err := dial(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Handshakes behind callbacks get their slots in order, and no more of them compute than there are slots.
func TestTLSCallbackReturnsToASlot(t *testing.T) {
	pool := newHandshakeSlots().newPool(maxStartedHandshakes)
	pool.slots = 1
	pool.running, pool.started = 1, 3
	over := pool.callback() // of the first
	pool.mu.Lock()
	pool.running++ // the second one got its slot
	pool.mu.Unlock()
	back := make(chan struct{})
	go func() { over(); close(back) }()
	for waiting := 0; waiting == 0; {
		pool.mu.Lock()
		waiting = len(pool.returning)
		pool.mu.Unlock()
	}
	select {
	case <-back:
		t.Fatal("two handshakes have the only slot")
	default:
	}
	pool.end(&handshake{})
	await(t, back)
	if pool.running != 1 || pool.inCallbacks != 0 {
		t.Errorf("%d running, %d in callbacks, want 1 and none", pool.running, pool.inCallbacks)
	}
}

// ClientHelloInfo.Conn may be kept: it tells the addresses for ever, and does no harm to the connection.
func TestClientHelloConnCanBeKept(t *testing.T) {
	config := serverConfig(t)
	kept := make(chan net.Conn, 1)
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		kept <- hello.Conn
		return nil, nil
	}
	_, addr := served(t, Config{}, ListenerConfig{TLS: config, Open: openTeller})
	c := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true})
	mustAsk(t, c)
	conn := await(t, kept)
	if got, want := conn.RemoteAddr().String(), c.LocalAddr().String(); got != want {
		t.Errorf("the peer is %s, want %s", got, want)
	}
	if got, want := conn.LocalAddr().String(), addr.String(); got != want {
		t.Errorf("the local address is %s, want %s", got, want)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a callback can read records")
	}
	if _, err := conn.Write([]byte("x")); err == nil {
		t.Error("a callback can write between records")
	}
	if conn.SetDeadline(time.Now()) == nil {
		t.Error("a deadline was taken that has no effect")
	}
	conn.Close()
	mustAsk(t, c)
}

// A callback can refuse a client by closing ClientHelloInfo.Conn.
func TestClientHelloConnClosed(t *testing.T) {
	config := serverConfig(t)
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return nil, hello.Conn.Close()
	}
	_, addr := served(t, Config{}, ListenerConfig{TLS: config, Open: openTeller})
	c, err := tls.Dial("tcp", addr.String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer c.Close()
	// With TLS 1.3 a client learns of the server's refusal when it reads.
	if got, err := ask(c); err == nil {
		t.Errorf("the server says %q", got)
	}
}

// A callback that waits learns that its client has no more time.
func TestTLSCallbackContextEnds(t *testing.T) {
	leakChecked(t)
	config := serverConfig(t)
	causes := make(chan error, 1)
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		<-hello.Context().Done()
		causes <- context.Cause(hello.Context())
		return nil, hello.Context().Err()
	}
	r, addr := served(t, Config{HandshakeTimeout: 50 * time.Millisecond}, ListenerConfig{TLS: config, Open: openTeller})
	if c, err := tls.Dial("tcp", addr.String(), &tls.Config{InsecureSkipVerify: true}); err == nil {
		c.Close()
		t.Error("the handshake succeeded")
	}
	if cause := await(t, causes); !errors.Is(cause, errHandshakeTimeout) {
		t.Errorf("its cause is %v, want %v", cause, errHandshakeTimeout)
	}
	if got := settledStats(r).Failures[TLSFailureTimeout]; got != 1 {
		t.Errorf("%d timeouts counted, want 1", got)
	}
}

// A callback that panics or ends its goroutine costs its own connection, and no slot.
func TestTLSCallbackThatDoesNotReturn(t *testing.T) {
	leakChecked(t)
	config := serverConfig(t)
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		switch hello.ServerName {
		case "panic.test":
			panic("as told")
		case "exit.test":
			runtime.Goexit()
		}
		return nil, nil
	}
	r, addr := served(t, Config{}, ListenerConfig{TLS: config, Open: openTeller})
	oneSlot(r)
	for _, name := range []string{"panic.test", "exit.test"} {
		if c, err := tls.Dial("tcp", addr.String(), &tls.Config{InsecureSkipVerify: true, ServerName: name}); err == nil {
			c.Close()
			t.Errorf("%s: the handshake succeeded", name)
		}
	}
	mustAsk(t, dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true}))
}

// A config is copied once while the copy is in use, and neither outlives its users: not even when the callbacks
// of a config refer to it.
func TestSlotlessConfigsAreCollected(t *testing.T) {
	service := newTLSService(quiet())
	configs := &service.configs
	plain := &tls.Config{}
	if configs.of(plain) != plain {
		t.Error("a config without callbacks was copied")
	}
	func() {
		config := &tls.Config{}
		config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &config.Certificates[0], nil }
		made := configs.of(config)
		if made == config || configs.of(config) != made {
			t.Error("want one copy")
		}
		runtime.KeepAlive(made)
	}()
	eventually(t, "the entry is gone", func() bool {
		runtime.GC()
		configs.mu.Lock()
		defer configs.mu.Unlock()
		return len(configs.made) == 0
	})
}
