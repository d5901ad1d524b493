package reactor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gatewheel/gatewheel/internal/loglimit"
	"github.com/gatewheel/gatewheel/reactor/certs/certstest"
)

// silentHandshake returns a handshake whose peer has sent hello and sends nothing more. told is sent to whenever the
// loop would be woken.
func silentHandshake(pool *handshakePool, config *tls.Config, hello []byte) (h *handshake, told chan struct{}) {
	var machine tlsMachine
	machine.init(config)
	told = make(chan struct{}, 16)
	h = newHandshake(pool, machine.conn, func() { told <- struct{}{} })
	machine.transport.handshake = h
	h.feed(hello)
	return h, told
}

// clientHello returns the first message of a client.
func clientHello(t testing.TB, client *tls.Config) []byte {
	t.Helper()
	pipe := newMemoryPipe()
	ended := make(chan struct{})
	go func() {
		tls.Client(pipe, client).Handshake()
		close(ended)
	}()
	hello := pipe.waitSent()
	pipe.end()
	<-ended
	return hello
}

func TestHandshakeWaitsWithoutASlot(t *testing.T) {
	leakChecked(t)
	config, hello := serverConfig(t), clientHello(t, &tls.Config{InsecureSkipVerify: true})
	pool := newHandshakeSlots().newPool(maxStartedHandshakes)
	pool.slots = 1
	var parked []*handshake
	for range 10 {
		h, told := silentHandshake(pool, config, hello)
		pool.begin(h)
		<-told // it has answered and waits: the next one gets its slot
		parked = append(parked, h)
	}
	// A peer that answers does not wait for them.
	var machine tlsMachine
	memoryHandshakeIn(t, pool, &machine, config, &tls.Config{InsecureSkipVerify: true})
	for _, h := range parked {
		h.cancel(errHandshakeTimeout, func(error) {})
	}
	pool.wait(nil)
	for _, h := range parked {
		if over, _, err := h.outcome(); !over || !errors.Is(err, errHandshakeTimeout) {
			t.Fatalf("over %v, %v, want the reason of its cancellation", over, err)
		}
	}
}

func TestHandshakeCancelledInTheQueue(t *testing.T) {
	config, hello := serverConfig(t), clientHello(t, &tls.Config{InsecureSkipVerify: true})
	pool := newHandshakeSlots().newPool(maxStartedHandshakes)
	pool.slots = 0
	first, _ := silentHandshake(pool, config, hello)
	second, told := silentHandshake(pool, config, hello)
	third, _ := silentHandshake(pool, config, hello)
	for _, h := range []*handshake{first, second, third} {
		if !pool.begin(h) {
			t.Fatal("the queue is full")
		}
	}
	first.cancel(errPeerLeft, func(error) {})
	third.cancel(errPeerLeft, func(error) {})
	if pool.fresh.Len() != 1 || pool.fresh.First() != second {
		t.Fatalf("%d in the queue, want the second alone", pool.fresh.Len())
	}
	pool.mu.Lock()
	pool.slots = 1
	pool.schedule()
	pool.mu.Unlock()
	<-told
	second.cancel(errPeerLeft, func(error) {})
	pool.wait(nil)
}

func TestHandshakeQueueIsBounded(t *testing.T) {
	pool := newHandshakeSlots().newPool(maxStartedHandshakes)
	pool.slots = 0
	for range maxQueuedHandshakes {
		if !pool.begin(&handshake{}) {
			t.Fatal("refused below the bound")
		}
	}
	if pool.begin(&handshake{}) {
		t.Fatal("taken beyond the bound")
	}
}

func TestHandshakeDisplacesTheOneSilentLongest(t *testing.T) {
	config, hello := serverConfig(t), clientHello(t, &tls.Config{InsecureSkipVerify: true})
	pool := newHandshakeSlots().newPool(maxStartedHandshakes)
	oldest, told := silentHandshake(pool, config, hello)
	pool.begin(oldest)
	<-told
	younger, toldYounger := silentHandshake(pool, config, hello)
	pool.begin(younger)
	<-toldYounger
	pool.mu.Lock()
	for pool.parked.Len() < 2 {
		pool.mu.Unlock()
		pool.mu.Lock()
	}
	pool.started += maxStartedHandshakes // as if so many were waiting
	pool.mu.Unlock()
	newcomer, _ := silentHandshake(pool, config, hello)
	pool.begin(newcomer)
	<-told
	if over, _, err := oldest.outcome(); !over || classify(err) != TLSFailureOverload {
		t.Fatalf("the oldest: over %v, %v", over, err)
	}
	if over, _, _ := younger.outcome(); over {
		t.Fatal("a younger one was displaced as well")
	}
	newcomer.cancel(errPeerLeft, func(error) {})
	younger.cancel(errPeerLeft, func(error) {})
	pool.mu.Lock()
	pool.started -= maxStartedHandshakes
	pool.mu.Unlock()
	pool.wait(nil)
}

func TestHandshakePanicIsAnError(t *testing.T) {
	config := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { panic("oops") }}
	pool := newHandshakeSlots().newPool(maxStartedHandshakes)
	h, told := silentHandshake(pool, config, clientHello(t, &tls.Config{InsecureSkipVerify: true}))
	pool.begin(h)
	<-told
	pool.wait(nil)
	if over, _, err := h.outcome(); !over || !errors.Is(err, errHandshakePanic) || !strings.Contains(err.Error(), "oops") {
		t.Fatalf("over %v, %v", over, err)
	}
}

// handshakeError returns the error of the server's handshake with that client.
func handshakeError(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	c, s := pipeClient(t, server, client, whole)
	go func() {
		// With TLS 1.3 a client learns of the server's refusal when it reads.
		if c.Handshake() == nil {
			c.Read(make([]byte, 1))
		}
		c.NetConn().Close()
	}()
	return <-s.done
}

func TestHandshakeFailuresAreSorted(t *testing.T) {
	ca, stranger := certstest.NewAuthority(t, "ca"), certstest.NewAuthority(t, "stranger")
	server := serverConfig(t)
	demanding := server.Clone()
	demanding.ClientAuth, demanding.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	modern := server.Clone()
	modern.MinVersion = tls.VersionTLS13
	with := func(c tls.Certificate) *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }}
	}
	expired, key := ca.Issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "late")
	late, err := tls.X509KeyPair(expired, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		server, client *tls.Config
		want           TLSFailure
	}{
		"old version":         {modern, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}, TLSFailureVersion},
		"no common suite":     {server, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}, TLSFailureCipher},
		"no common protocol":  {server, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"imap"}}, TLSFailureProtocol},
		"client distrusts us": {server, &tls.Config{ServerName: "example.test", RootCAs: ca.Pool(), MaxVersion: tls.VersionTLS13}, TLSFailureRefused},
		"no certificate":      {demanding, &tls.Config{InsecureSkipVerify: true}, TLSFailureClientCertificate},
		"no certificate 1.2":  {demanding, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}, TLSFailureClientCertificate},
		"stranger's":          {demanding, with(stranger.IssueClient(t, "eve")), TLSFailureClientCertificate},
		"expired":             {demanding, with(late), TLSFailureClientCertificate},
	} {
		t.Run(name, func(t *testing.T) {
			err := handshakeError(t, c.server, c.client)
			if err == nil {
				t.Fatal("the handshake succeeded")
			}
			if got := classify(err); got != c.want {
				t.Errorf("%v counts as %v, want %v: if crypto/tls has changed its words, so must classifyHandshake", err, got, c.want)
			}
		})
	}
}

func TestClientCertificateVerified(t *testing.T) {
	ca := certstest.NewAuthority(t, "ca")
	server := serverConfig(t)
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	var machine tlsMachine
	memoryHandshake(t, &machine, server, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{ca.IssueClient(t, "alice")}})
	state := machine.conn.ConnectionState()
	if len(state.VerifiedChains) != 1 || state.PeerCertificates[0].Subject.CommonName != "alice" {
		t.Fatalf("%d chains of %v", len(state.VerifiedChains), state.PeerCertificates)
	}
}

func TestFailuresAreLoggedAtMostSoOften(t *testing.T) {
	logged, lines := observer.New(zapcore.InfoLevel)
	counters := tlsCounters{logger: zap.New(logged)}
	now := time.Unix(1e9, 0)
	for range 1000 {
		counters.failed(TLSFailureNotTLS, errNotTLS, nil, now)
	}
	counters.failed(TLSFailureTimeout, errHandshakeTimeout, nil, now) // another kind has its own line
	counters.failed(TLSFailureNotTLS, errNotTLS, nil, now.Add(loglimit.Interval))
	if got := lines.Len(); got != 3 {
		t.Fatalf("%d lines, want 3", got)
	}
	if got := lines.All()[2].ContextMap()["unlogged"]; got != int64(999) {
		t.Errorf("the last line speaks of %v that were not logged, want 999", got)
	}
	if got := counters.counts().Failures[TLSFailureNotTLS]; got != 1001 {
		t.Errorf("%d counted, want 1001", got)
	}
}

func TestDetectProtocol(t *testing.T) {
	for text, want := range map[string]clientProtocol{
		"":                             clientUnknown,
		"\x16":                         clientTLS,
		"\x16\x03\x01\x02":             clientTLS,
		"\x16\x02\x01":                 clientOther,
		"GET / HTTP/1.1\r\n":           clientHTTP,
		"GET ":                         clientHTTP,
		"GET":                          clientUnknown,
		"OPTIONS * HTTP/1.1":           clientHTTP,
		"M-SEARCH * HTTP/1.1":          clientHTTP,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n": clientHTTP,
		"SSH-2.0-OpenSSH_9.2\r\n":      clientOther,
		"\x80\x2e\x01\x00\x02":         clientOther, // a ClientHello of SSL 2
		"\x00\x00\x00":                 clientOther,
		strings.Repeat("A", 17):        clientOther,
		"\x15\x03\x01\x00\x02\x01\x00": clientOther, // no client begins with an alert
	} {
		if got := detectProtocol([]byte(text)); got != want {
			t.Errorf("%q is taken for %d, want %d", text, got, want)
		}
	}
}
