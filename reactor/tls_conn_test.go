//go:build linux

package reactor

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gatewheel/gatewheel/reactor/certs"
	"github.com/gatewheel/gatewheel/reactor/certs/certstest"
)

func TestTLSVersionsAndProtocols(t *testing.T) {
	leakChecked(t)
	store := openStore(t, certs.Options{SelfSigned: true, Protocols: []string{"h2", "http/1.1"}})
	_, addr := served(t, Config{}, ListenerConfig{TLS: store.Config(), Open: openTeller})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, c := range []struct{ offered, want string }{{"h2", "h2"}, {"http/1.1", "http/1.1"}} {
			client := &tls.Config{InsecureSkipVerify: true, ServerName: "some.test", MinVersion: version, MaxVersion: version, NextProtos: []string{c.offered}}
			mustAsk(t, dialTLS(t, addr, client), fmt.Sprintf("version=%q alpn=%q", tls.VersionName(version), c.want), `sni="some.test"`)
		}
	}
}

func TestTLSOldVersionRefused(t *testing.T) {
	store := openStore(t, certs.Options{SelfSigned: true, MinVersion: tls.VersionTLS13})
	r, addr := served(t, Config{}, ListenerConfig{TLS: store.Config(), Open: openTeller})
	_, err := tls.Dial("tcp", addr.String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if err == nil || !strings.Contains(err.Error(), "protocol version not supported") {
		t.Errorf("client with TLS 1.2: %v, want the alert protocol_version", err)
	}
	if got := settledStats(r).Failures[TLSFailureVersion]; got != 1 {
		t.Errorf("%d failures for the version, want 1", got)
	}
}

func TestTLSBulkBothWays(t *testing.T) {
	leakChecked(t)
	_, addr := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), Open: openEcho})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
		sent := make([]byte, 8<<20)
		for i := range sent {
			sent[i] = byte(i * i >> 7)
		}
		go c.Write(sent)
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, sent) {
			t.Fatalf("%s: what came back differs", tls.VersionName(version))
		}
	}
}

// chopped writes one byte at a time.
type chopped struct{ net.Conn }

func (c chopped) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := c.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

func TestTLSByteByByte(t *testing.T) {
	_, addr := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), Open: openTeller})
	raw, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	mustAsk(t, tls.Client(chopped{raw}, &tls.Config{InsecureSkipVerify: true}), `version="TLS 1.3"`)
}

func TestTLSPlainHTTP(t *testing.T) {
	r, addr := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), Open: openTeller})
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"} {
		c, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, request)
		got, err := io.ReadAll(c)
		c.Close()
		if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 400 ") || !strings.HasSuffix(string(got), plainHTTPText) {
			t.Errorf("%q is answered %q, %v", request, got, err)
		}
	}
	if got := settledStats(r).Failures[TLSFailurePlainHTTP]; got != 2 {
		t.Errorf("%d counted, want 2", got)
	}
}

func TestTLSGarbage(t *testing.T) {
	r, addr := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), Open: openTeller})
	for _, c := range []struct {
		sent string
		want TLSFailure
	}{
		{"SSH-2.0-OpenSSH_9.2\r\n", TLSFailureNotTLS},
		{"\x16\x03\x01\xff\xff" + strings.Repeat("x", 100), TLSFailureNotTLS}, // a record too long
		{"\x16\x03\x01\x00\x04\x01\x00\x00\x00", TLSFailureOther},             // an empty ClientHello
	} {
		before := settledStats(r).Failures[c.want]
		raw, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(raw, c.sent)
		io.Copy(io.Discard, raw)
		raw.Close()
		if got := settledStats(r).Failures[c.want]; got != before+1 {
			t.Errorf("%q: %v counted %d times, want once: %v", c.sent, c.want, got-before, settledStats(r))
		}
	}
}

// A handshake that does not end is ended, wherever it stands.
func TestTLSHandshakeTimeout(t *testing.T) {
	leakChecked(t)
	hello := clientHello(t, &tls.Config{InsecureSkipVerify: true})
	r, addr := served(t, Config{HandshakeTimeout: 50 * time.Millisecond}, ListenerConfig{TLS: serverConfig(t), Open: openTeller})
	var group sync.WaitGroup
	for _, sent := range [][]byte{nil, hello[:3], hello[:len(hello)/2], hello} {
		group.Go(func() {
			raw, err := net.Dial("tcp", addr.String())
			if err != nil {
				t.Error(err)
				return
			}
			defer raw.Close()
			raw.Write(sent)
			if _, err := io.Copy(io.Discard, raw); err != nil {
				t.Errorf("after %d bytes: %v, want the connection to be closed", len(sent), err)
			}
		})
	}
	group.Wait()
	if got := settledStats(r).Failures[TLSFailureTimeout]; got != 4 {
		t.Errorf("%d timeouts counted, want 4: %v", got, settledStats(r))
	}
}

func TestTLSPeerLeaves(t *testing.T) {
	closed := make(chan error, 1)
	r, addr := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), Open: func(c *Conn) Session { return &teller{conn: c, closed: closed} }})

	// In order: with close_notify.
	c := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true})
	mustAsk(t, c)
	c.Close()
	if err := <-closed; err != io.EOF {
		t.Errorf("after close_notify the session is told %v, want io.EOF", err)
	}

	// Cut off.
	c = dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true})
	mustAsk(t, c)
	c.NetConn().Close()
	if err := <-closed; !errors.Is(err, ErrTruncated) {
		t.Errorf("after a bare FIN the session is told %v, want ErrTruncated", err)
	}
	if got := settledStats(r).Failures[TLSFailureTruncated]; got != 1 {
		t.Errorf("%d truncations counted, want 1", got)
	}
}

// A load balancer looks whether the port is open, and leaves: no failure.
func TestTLSHealthCheck(t *testing.T) {
	r, addr := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), Open: openTeller})
	raw, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	raw.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, raw)
	raw.Close()
	if got := settledStats(r).Failures; got != [tlsFailures]uint64{} {
		t.Errorf("failures counted: %v", got)
	}
}

// recordAlert is the type of an alert's record, which TLS 1.2 shows. crypto/tls takes an end without
// one for a proper end, so that a test has to look.
const recordAlert = 21

// A recordedConn remembers what it has read.
type recordedConn struct {
	net.Conn
	read []byte
}

func (c *recordedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read = append(c.read, b[:n]...)
	return n, err
}

// lastRecord is the type of the last record that was read.
func (c *recordedConn) lastRecord() (kind byte) {
	for rest := c.read; len(rest) >= recordHeader; {
		kind = rest[0]
		rest = rest[min(len(rest), recordHeader+int(rest[3])<<8+int(rest[4])):]
	}
	return kind
}

func dialRecorded(t *testing.T, addr net.Addr) (*tls.Conn, *recordedConn) {
	t.Helper()
	raw, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	recorded := &recordedConn{Conn: raw}
	return tls.Client(recorded, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}), recorded
}

// A client that says close_notify behind its request still gets its answer, and close_notify too.
func TestTLSHalfClosed(t *testing.T) {
	_, addr := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), Open: openTeller})
	for _, fin := range []bool{false, true} {
		c, seen := dialRecorded(t, addr)
		io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
		c.CloseWrite()
		if fin {
			seen.Conn.(*net.TCPConn).CloseWrite()
		}
		r := bufio.NewReader(c)
		if got, err := readAnswer(r); err != nil || !strings.Contains(got, "peer=") {
			t.Errorf("FIN too %v: answered %q, %v", fin, got, err)
		}
		if _, err := r.ReadByte(); err != io.EOF || seen.lastRecord() != recordAlert {
			t.Errorf("then %v and a record of type %d, want close_notify", err, seen.lastRecord())
		}
	}
}

func TestTLSServerSendsCloseNotify(t *testing.T) {
	_, addr := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), Open: openTeller})
	for request, want := range map[string]string{"Connection: close": "peer=", "Close now": ""} {
		c, seen := dialRecorded(t, addr)
		io.WriteString(c, "GET / HTTP/1.1\r\n"+request+"\r\n\r\n")
		if got, err := io.ReadAll(c); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s: %q, %v", request, got, err)
		}
		if got := seen.lastRecord(); got != recordAlert {
			t.Errorf("%s: the last record is of type %d, want the alert close_notify", request, got)
		}
	}
}

func TestTLSResumption(t *testing.T) {
	store := openStore(t, certs.Options{SelfSigned: true})
	r, addr := served(t, Config{}, ListenerConfig{TLS: store.Config(), Open: openTeller})
	for i, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := &tls.Config{InsecureSkipVerify: true, MaxVersion: version, ServerName: "x.test", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		mustAsk(t, dialTLS(t, addr, client), "resumed=false")
		mustAsk(t, dialTLS(t, addr, client), "resumed=true")
		if got := settledStats(r); got.Resumed != uint64(i+1) || got.Handshakes != uint64(2*i+2) {
			t.Errorf("counted %d handshakes and %d resumptions, want %d and %d", got.Handshakes, got.Resumed, 2*i+2, i+1)
		}
	}
}

func TestTLSClientCertificates(t *testing.T) {
	ca, stranger, dir := certstest.NewAuthority(t, "ca"), certstest.NewAuthority(t, "stranger"), t.TempDir()
	ca.Write(t, dir+"/ca.pem")
	store := openStore(t, certs.Options{SelfSigned: true, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: []string{dir + "/ca.pem"}})
	r, addr := served(t, Config{}, ListenerConfig{TLS: store.Config(), Open: openTeller})
	dial := func(certificate *tls.Certificate) *tls.Conn {
		return dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if certificate == nil {
				return &tls.Certificate{}, nil
			}
			return certificate, nil
		}})
	}
	alice, eve := ca.IssueClient(t, "alice"), stranger.IssueClient(t, "eve")
	mustAsk(t, dial(&alice), "client=alice")
	for name, c := range map[string]struct {
		certificate *tls.Certificate
		want        string
	}{"wrong": {&eve, "unknown certificate authority"}, "absent": {nil, "certificate required"}} {
		if _, err := ask(dial(c.certificate)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s certificate: client reads %v, want the alert %q", name, err, c.want)
		}
	}
	if got := settledStats(r).Failures[TLSFailureClientCertificate]; got != 2 {
		t.Errorf("%d failures counted, want 2: %v", got, settledStats(r))
	}
}

// Certificates change under load, and no request fails.
func TestTLSCertificateSwappedUnderLoad(t *testing.T) {
	leakChecked(t)
	ca, dir := certstest.NewAuthority(t, "ca"), t.TempDir()
	certificate, key := ca.Issue(t, nil, "first.test")
	pair := writePair(t, dir, "pair", certificate, key)
	store := openStore(t, certs.Options{Pairs: []certs.Pair{pair}})
	_, addr := served(t, Config{Loops: 2}, ListenerConfig{TLS: store.Config(), Open: openTeller})

	old := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true})
	mustAsk(t, old)
	swapped := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for done := false; !done; {
				select {
				case <-swapped:
					done = true // and one more
				default:
				}
				c, err := tls.Dial("tcp", addr.String(), &tls.Config{InsecureSkipVerify: true})
				if err != nil {
					t.Error("a connection failed: ", err)
					return
				}
				if _, err := ask(c); err != nil {
					t.Error("a request failed: ", err)
				}
				c.Close()
			}
		})
	}
	for i := range 5 {
		certificate, key = ca.Issue(t, nil, fmt.Sprintf("swap%d.test", i))
		certstest.WriteFile(t, pair.Certificate, certificate)
		certstest.WriteFile(t, pair.Key, key)
		store.Reload() // the watcher may come in between, which sees the pair whole or keeps it out
	}
	close(swapped)
	group.Wait()
	if got := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true}).ConnectionState().PeerCertificates[0].Subject.CommonName; got != "swap4.test" {
		t.Errorf("%s is presented at the end, want swap4.test", got)
	}
	mustAsk(t, old) // opened before, and still there
}

// While its handshake waits for a slot, reading from a client that goes on sending pauses, and no byte is lost.
func TestTLSInputWaitsForTheHandshake(t *testing.T) {
	leakChecked(t)
	r, addr := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), Open: openEcho})
	slots := func(n int) {
		r.tls.pool.mu.Lock()
		defer r.tls.pool.mu.Unlock()
		r.tls.pool.slots = n
		r.tls.pool.schedule()
	}

	raw, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	// The client's last message is held back until there is no slot.
	gate := &gatedConn{Conn: raw, hellos: 1, at: make(chan struct{}), open: make(chan struct{})}
	c := tls.Client(gate, &tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}})
	defer c.Close()
	sent := bytes.Repeat([]byte("early "), 1<<18)
	go c.Write(sent)

	<-gate.at
	slots(0)
	close(gate.open)
	// The connection's loop has stopped reading when the pause is seen.
	for held := false; !held; {
		seen := make(chan bool)
		r.loops[0].Post(func() {
			paused := false
			for _, c := range r.loops[0].conns {
				paused = paused || c.Paused()
			}
			seen <- paused
		})
		held = <-seen
	}
	slots(1)
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("the echo differs, %v", err)
	}
}

// A gatedConn lets so many writes pass, and the others once it is open.
type gatedConn struct {
	net.Conn
	hellos int
	once   sync.Once
	at     chan struct{} // closed when the first write waits
	open   chan struct{}
}

func (c *gatedConn) Write(b []byte) (int, error) {
	if c.hellos > 0 {
		c.hellos--
		return c.Conn.Write(b)
	}
	c.once.Do(func() { close(c.at) })
	<-c.open
	return c.Conn.Write(b)
}

// The line about a failure names the peer and the reason, also if the peer left before a whole record.
func TestTLSFailureLineNamesThePeer(t *testing.T) {
	logged, lines := observer.New(zapcore.DebugLevel)
	_, addr := served(t, Config{Logger: zap.New(logged)}, ListenerConfig{TLS: serverConfig(t), Open: openTeller})
	for reason, words := range map[string]string{"left": "\x16\x03", "not-tls": "SSH-2.0", "plain-http": "GET / HTTP/1.1\r\n"} {
		c, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, words); err != nil {
			t.Fatal(err)
		}
		c.(*net.TCPConn).CloseWrite()
		eventually(t, "a line about "+reason, func() bool {
			for _, line := range lines.FilterMessage("TLS connection failed").All() {
				fields := line.ContextMap()
				if fields["reason"] == "tls-"+reason && fields["peer"] == c.LocalAddr().String() {
					return true
				}
			}
			return false
		})
		c.Close()
	}
}
