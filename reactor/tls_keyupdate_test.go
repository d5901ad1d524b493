//go:build linux

package reactor

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// A keyUpdater writes the records of a client behind its handshake, with new keys at any time, which crypto/tls does
// not offer.
type keyUpdater struct {
	t        testing.TB
	secret   []byte
	seal     cipher.AEAD
	iv       []byte
	sequence uint64
}

// dialKeyUpdater connects and completes the handshake.
func dialKeyUpdater(t testing.TB, addr net.Addr) (net.Conn, *keyUpdater) {
	t.Helper()
	var secrets strings.Builder
	c := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, KeyLogWriter: &secrets})
	if suite := c.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Fatal("crypto/tls prefers another suite on this machine: ", tls.CipherSuiteName(suite))
	}
	return c.NetConn(), newKeyUpdater(t, secrets.String())
}

// newKeyUpdater returns the updater of a client whose handshake wrote secrets to its KeyLogWriter.
func newKeyUpdater(t testing.TB, secrets string) *keyUpdater {
	u := &keyUpdater{t: t}
	for line := range strings.Lines(secrets) {
		if fields := strings.Fields(line); fields[0] == "CLIENT_TRAFFIC_SECRET_0" {
			u.secret, _ = hex.DecodeString(fields[2])
		}
	}
	u.useSecret()
	return u
}

// expand is HKDF-Expand-Label without context (RFC 8446 section 7.1).
func (u *keyUpdater) expand(label string, size int) []byte {
	u.t.Helper()
	info := binary.BigEndian.AppendUint16(nil, uint16(size))
	info = append(append(info, byte(len("tls13 "+label))), "tls13 "+label...)
	out, err := hkdf.Expand(sha256.New, u.secret, string(append(info, 0)), size)
	if err != nil {
		u.t.Fatal(err)
	}
	return out
}

func (u *keyUpdater) useSecret() {
	u.t.Helper()
	block, err := aes.NewCipher(u.expand("key", 16))
	if err != nil {
		u.t.Fatal(err)
	}
	if u.seal, err = cipher.NewGCM(block); err != nil {
		u.t.Fatal(err)
	}
	u.iv, u.sequence = u.expand("iv", 12), 0
}

func (u *keyUpdater) record(dst []byte, kind byte, content ...byte) []byte {
	nonce := bytes.Clone(u.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, u.sequence) {
		nonce[4+i] ^= b
	}
	u.sequence++
	plain := append(content, kind)
	header := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(plain)+u.seal.Overhead()))
	return u.seal.Seal(append(dst, header...), nonce, plain, header)
}

// update appends a KeyUpdate that asks for one in return.
func (u *keyUpdater) update(dst []byte) []byte {
	u.t.Helper()
	dst = u.record(dst, recordHandshake, 24, 0, 0, 1, 1)
	u.secret = u.expand("traffic upd", len(u.secret))
	u.useSecret()
	return dst
}

func (u *keyUpdater) data(dst []byte, text string) []byte { return u.record(dst, 23, []byte(text)...) }

// A gusher has endless output and consumes all input.
type gusher struct{ closed chan error }

func (s gusher) Receive(in []byte) int { return len(in) }
func (s gusher) Transmit(dst []byte, room int) []byte {
	return append(dst, make([]byte, room)...)
}
func (s gusher) EOF() bool        { return false }
func (s gusher) Timeout()         {}
func (s gusher) Closed(err error) { s.closed <- err }

// Answers that a peer asks for and does not read are bounded.
func TestTLSKeyUpdatesWithoutEnd(t *testing.T) {
	closed := make(chan error, 1)
	r, addr := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), Open: func(*Conn) Session { return gusher{closed} }})
	raw, u := dialKeyUpdater(t, addr)
	out := bufio.NewWriter(raw)
	for range 10_000 {
		if _, err := out.Write(u.data(u.update(nil), "x")); err != nil {
			break // the server has closed, as it should
		}
	}
	out.Flush()
	if err := await(t, closed); !errors.Is(err, errUnreadAnswers) {
		t.Errorf("closed with %v", err)
	}
	if got := settledStats(r).Failures[TLSFailureRecord]; got != 1 {
		t.Errorf("%d counted, want 1", got)
	}
}

// A peer that reads gets an answer to each KeyUpdate, however many come in one turn.
func TestTLSKeyUpdatesAnswered(t *testing.T) {
	_, addr := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), Open: openEcho})
	raw, u := dialKeyUpdater(t, addr)
	const times = 5_000
	go func() {
		var out []byte
		for range times {
			out = u.data(u.update(out), "x")
		}
		raw.Write(out)
	}()
	// crypto/tls as a client would not take so many in a row.
	const answer = recordHeader + 5 + 1 + 16 // message, kind and tag
	if n, err := io.CopyN(io.Discard, raw, times*answer); err != nil {
		t.Errorf("after %d bytes: %v", n, err)
	}
}

// Records that are dear wait for other turns, in which other connections have theirs; nothing is lost or told out
// of order, a FIN behind them included.
func TestTLSRecordsBeyondTheBudget(t *testing.T) {
	d := newDriven(t)
	s, socket := d.open(0)
	var secrets strings.Builder
	f := &tlsFilter{conn: s.conn, service: &d.reactor.tls.tlsRole, phase: tlsOpen}
	memoryHandshake(t, &f.tlsMachine, serverConfig(t), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, KeyLogWriter: &secrets})
	s.conn.filter = f
	u := newKeyUpdater(t, secrets.String())
	const times = 1200
	var in, want []byte
	for i := range times {
		in = u.data(u.update(in), string('a'+byte(i%26)))
		want = append(want, 'a'+byte(i%26))
	}
	d.receive(socket, in)
	first := len(s.seen)
	if first == 0 || first > times/4 {
		t.Errorf("%d of %d records in the first turn", first, times)
	}
	light, lightSocket := d.open(1)
	d.receive(lightSocket, []byte("light"))
	if string(light.seen) != "light" {
		t.Errorf("the other one has seen %q", light.seen)
	}
	s.conn.peerFinished()
	if s.eof >= 0 {
		t.Errorf("told of the FIN after %d bytes", s.eof)
	}
	d.wakes()
	if !bytes.Equal(s.seen, want) || s.eof != times {
		t.Errorf("%d of %d in the end, the FIN after %d", len(s.seen), times, s.eof)
	}
}
