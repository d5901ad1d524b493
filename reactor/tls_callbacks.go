package reactor

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"time"
	"weak"
)

// maxHandshakesInCallbacks bounds the handshakes whose application code is running or waiting. Each costs
// a goroutine, about 40 KB with its stack. Beyond it, no further handshake begins.
const maxHandshakesInCallbacks = 16384

// slotlessConfigs makes copies of *tls.Config values whose callbacks hold no slot of the handshake pool
// while they run: a callback may wait, even for another handshake of this process, as the tls-alpn-01
// challenge of ACME does (RFC 8737). Safe for concurrent use.
//
// Callbacks are all functions that crypto/tls calls during a handshake, KeyLogWriter, and private keys of
// types that are not Go's own, which may ask a key service. Rand and Time must not wait: they are called with
// a slot held, and Rand on the loop too.
type slotlessConfigs struct {
	pool *handshakePool

	mu sync.Mutex
	// made has the copy of each config. Connections and listeners keep a copy alive; an entry is removed when
	// its original is collected. Callbacks may refer to their own config, hence the weak pointers.
	made map[weak.Pointer[tls.Config]]weak.Pointer[tls.Config]
}

// of returns config itself if it has no callbacks, else a copy, the same one for as long as that is in use.
// Session ticket keys that config is given later do not reach the copy.
func (s *slotlessConfigs) of(config *tls.Config) *tls.Config {
	if config == nil || !hasCallbacks(config) {
		return config
	}
	key := weak.Make(config)
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.made[key]
	if made := known.Value(); made != nil {
		return made
	}
	made := s.wrap(config)
	s.made[key] = weak.Make(made)
	if !ok {
		runtime.AddCleanup(config, s.forget, key)
	}
	return made
}

func (s *slotlessConfigs) forget(key weak.Pointer[tls.Config]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.made, key)
}

func hasCallbacks(c *tls.Config) bool {
	for i := range c.Certificates {
		if mayWait(c.Certificates[i].PrivateKey) {
			return true
		}
	}
	return c.GetConfigForClient != nil || c.GetCertificate != nil || c.GetEncryptedClientHelloKeys != nil ||
		c.GetClientCertificate != nil || c.EncryptedClientHelloRejectionVerify != nil || c.VerifyPeerCertificate != nil || c.VerifyConnection != nil ||
		c.WrapSession != nil || c.UnwrapSession != nil || c.KeyLogWriter != nil
}

// wrap copies config and wraps its callbacks.
func (s *slotlessConfigs) wrap(config *tls.Config) *tls.Config {
	own := config.Clone()
	if get := own.GetConfigForClient; get != nil {
		own.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := withHello(s.pool, hello, get)
			return s.of(chosen), err
		}
	}
	if get := own.GetCertificate; get != nil {
		own.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			chosen, err := withHello(s.pool, hello, get)
			return s.pool.slotlessKey(chosen), err
		}
	}
	if get := own.GetEncryptedClientHelloKeys; get != nil {
		own.GetEncryptedClientHelloKeys = func(hello *tls.ClientHelloInfo) ([]tls.EncryptedClientHelloKey, error) {
			return withHello(s.pool, hello, get)
		}
	}
	if get := own.GetClientCertificate; get != nil {
		own.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			defer s.pool.callback()()
			chosen, err := get(request)
			return s.pool.slotlessKey(chosen), err
		}
	}
	if verify := own.EncryptedClientHelloRejectionVerify; verify != nil {
		own.EncryptedClientHelloRejectionVerify = func(state tls.ConnectionState) error {
			defer s.pool.callback()()
			return verify(state)
		}
	}
	if verify := own.VerifyPeerCertificate; verify != nil {
		own.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
			defer s.pool.callback()()
			return verify(raw, chains)
		}
	}
	if verify := own.VerifyConnection; verify != nil {
		own.VerifyConnection = func(state tls.ConnectionState) error {
			defer s.pool.callback()()
			return verify(state)
		}
	}
	if wrap := own.WrapSession; wrap != nil {
		own.WrapSession = func(state tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
			defer s.pool.callback()()
			return wrap(state, session)
		}
	}
	if unwrap := own.UnwrapSession; unwrap != nil {
		own.UnwrapSession = func(identity []byte, state tls.ConnectionState) (*tls.SessionState, error) {
			defer s.pool.callback()()
			return unwrap(identity, state)
		}
	}
	if own.KeyLogWriter != nil {
		own.KeyLogWriter = slotlessWriter{own.KeyLogWriter, s.pool}
	}
	certificates := make([]tls.Certificate, len(own.Certificates))
	for i := range own.Certificates {
		certificates[i] = *s.pool.slotlessKey(&own.Certificates[i])
	}
	own.Certificates = certificates
	return own
}

// withHello calls a callback that is shown the ClientHello, with a Conn that may be kept.
func withHello[T any](pool *handshakePool, hello *tls.ClientHelloInfo, get func(*tls.ClientHelloInfo) (T, error)) (T, error) {
	if t, ok := hello.Conn.(*tlsTransport); ok {
		hello.Conn = &helloConn{handshake: t.handshake, local: t.handshake.local, remote: t.handshake.remote}
	}
	defer pool.callback()()
	return get(hello)
}

type slotlessWriter struct {
	io.Writer
	pool *handshakePool
}

func (w slotlessWriter) Write(p []byte) (int, error) {
	defer w.pool.callback()()
	return w.Writer.Write(p)
}

// mayWait reports whether a private key may do more than compute.
func mayWait(key crypto.PrivateKey) bool {
	switch key.(type) {
	case nil, *ecdsa.PrivateKey, *rsa.PrivateKey, ed25519.PrivateKey, *ed25519.PrivateKey:
		return false
	}
	_, signs := key.(crypto.Signer)
	return signs
}

// slotlessKey returns c, or a copy whose key holds no slot while it signs or decrypts.
func (p *handshakePool) slotlessKey(c *tls.Certificate) *tls.Certificate {
	if c == nil || !mayWait(c.PrivateKey) {
		return c
	}
	own := *c
	signer := slotlessSigner{c.PrivateKey.(crypto.Signer), p}
	if decrypter, ok := c.PrivateKey.(crypto.Decrypter); ok {
		own.PrivateKey = slotlessDecrypter{signer, decrypter}
	} else {
		own.PrivateKey = signer
	}
	return &own
}

// slotlessSigner is a crypto.MessageSigner. crypto/tls gives it the message, and crypto.SignMessage hashes that
// for a Signer that takes digests only.
type slotlessSigner struct {
	crypto.Signer
	pool *handshakePool
}

func (s slotlessSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	defer s.pool.callback()()
	return s.Signer.Sign(rand, digest, opts)
}

func (s slotlessSigner) SignMessage(rand io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	defer s.pool.callback()()
	return crypto.SignMessage(s.Signer, rand, message, opts)
}

type slotlessDecrypter struct {
	slotlessSigner
	decrypter crypto.Decrypter
}

func (d slotlessDecrypter) Decrypt(rand io.Reader, message []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	defer d.pool.callback()()
	return d.decrypter.Decrypt(rand, message, opts)
}

// callback returns the slot of the calling handshake to the pool. The function that it returns, to be called
// when the callback has returned or panicked, waits for a slot.
func (p *handshakePool) callback() (over func()) {
	p.mu.Lock()
	p.running--
	p.inCallbacks++
	p.schedule()
	p.mu.Unlock()
	return p.callbackOver
}

func (p *handshakePool) callbackOver() {
	p.mu.Lock()
	if p.running < p.slots {
		p.running++
		p.inCallbacks--
		p.mu.Unlock()
		return
	}
	turn := make(chan struct{})
	p.returning = append(p.returning, turn)
	p.mu.Unlock()
	<-turn
}

// errHelloConn is the error of reading and writing ClientHelloInfo.Conn.
var errHelloConn = errors.New("tls: a callback may not read or write its connection")

// helloConn is ClientHelloInfo.Conn as callbacks see it. It stays valid after the handshake, has the addresses,
// and carries no data. Close ends the handshake, and does nothing after it. Safe for concurrent
// use.
type helloConn struct {
	handshake     *handshake
	local, remote net.Addr
}

func (c *helloConn) Read([]byte) (int, error)  { return 0, errHelloConn }
func (c *helloConn) Write([]byte) (int, error) { return 0, errHelloConn }
func (c *helloConn) LocalAddr() net.Addr       { return c.local }
func (c *helloConn) RemoteAddr() net.Addr      { return c.remote }

func (c *helloConn) Close() error {
	c.handshake.end(net.ErrClosed)
	return nil
}

func (c *helloConn) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (c *helloConn) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (c *helloConn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
