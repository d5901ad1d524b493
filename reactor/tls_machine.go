package reactor

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// A tlsMachine is TLS on one connection without a socket: records in, plaintext out, and the reverse.
// It belongs to its connection's loop, except that its handshake runs elsewhere (see handshake).
//
// What it holds while idle is what crypto/tls holds: the keys, and a buffer that has grown to the
// largest record received.
//
// Sizes of records are left to crypto/tls: a connection's n-th record fills n segments of 1,208 bytes,
// and from the fourteenth or from 128 KiB on each is full. A first answer thus can be decrypted with
// its first segment, bulk costs 22 bytes in 16 KiB, and nothing here has to count.
type tlsMachine struct {
	conn      *tls.Conn
	transport tlsTransport
	// broken: crypto/tls has reported a failure. What it wrote to its peer about it is in the
	// transport, and it must not be called again.
	broken bool
	// ended: the peer has sent close_notify.
	ended bool
}

// init makes m the server's side of a connection.
func (m *tlsMachine) init(config *tls.Config) {
	m.conn = tls.Server(&m.transport, config)
}

// takeOver ends the part that another goroutine plays. rest is what came behind the handshake; what
// is returned goes to open.
func (m *tlsMachine) handshakeDone(rest []byte) []byte {
	m.transport.handshake = nil
	if len(m.transport.in) > 0 {
		rest = append(m.transport.in, rest...)
	}
	m.transport.in = nil
	return rest
}

// ErrTruncated is what Session.Closed is told of a TLS connection whose peer sent its FIN without close_notify:
// what came may be less than what was sent (RFC 8446 section 6.1). Session.EOF is called first. A session must
// not take what it got for complete because of the FIN; what is complete in itself can be answered.
var ErrTruncated = errors.New("tls: connection ended without close_notify")

// openRecords is about how many records open decrypts at most. A record may cost as much as 100 µs, if it
// replaces keys.
const openRecords = 16

// open decrypts records in in, about openRecords of them, as far as dst has room without growing, and appends
// the plaintext to dst. It returns what it did not get to; a record of which a part is missing is taken.
// records is how many it has begun.
//
// The peer's close_notify sets m.ended, and everything behind it is ignored (RFC 8446 section 6.1).
// Any other failure is returned, once.
func (m *tlsMachine) open(in, dst []byte) (rest, plain []byte, records int, err error) {
	t := &m.transport
	t.in, t.records = in, 0
	for len(t.in) > 0 && t.records < openRecords && cap(dst)-len(dst) >= maxPlaintext {
		if m.ended || m.broken {
			t.in = nil
			break
		}
		n, err := m.conn.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err != nil && err != errNoRecord {
			t.in = nil
			return nil, dst, t.records, m.failed(err)
		}
	}
	rest, t.in = t.in, nil
	return rest, dst, t.records, nil
}

func (m *tlsMachine) failed(err error) error {
	if err == io.EOF {
		m.ended = true
		return nil
	}
	m.broken = true
	return err
}

// seal appends the records that carry plain to dst.
func (m *tlsMachine) seal(dst, plain []byte) ([]byte, error) {
	dst = m.takeOutput(dst)
	if m.broken {
		return dst, net.ErrClosed
	}
	m.transport.out = dst
	_, err := m.conn.Write(plain)
	dst, m.transport.out = m.transport.out, nil
	if err != nil {
		m.broken = true
	}
	return dst, err
}

// takeOutput appends what crypto/tls has written by itself: alerts, tickets, answers to key updates.
func (m *tlsMachine) takeOutput(dst []byte) []byte {
	dst = append(dst, m.transport.out...)
	m.transport.out = nil
	return dst
}

// goodbye appends close_notify to dst, unless an alert has ended the connection already. Nothing can
// be sealed afterwards.
func (m *tlsMachine) goodbye(dst []byte) []byte {
	dst = m.takeOutput(dst)
	if m.broken {
		return dst
	}
	m.transport.out = dst
	m.conn.CloseWrite()
	dst, m.transport.out = m.transport.out, nil
	return dst
}

// A tlsTransport is the connection that crypto/tls believes to have: two slices. It holds nothing
// while nothing is being sealed or opened.
//
// It gives parts of one record at a time. crypto/tls reads ahead otherwise, and its buffer, which it
// keeps for the connection's life, grows to half as much again.
type tlsTransport struct {
	in        []byte // not taken yet; borrowed while a Read of tls.Conn runs
	out       []byte // what crypto/tls has written
	handshake *handshake

	header  [recordHeader]byte
	have    uint8 // bytes in header
	left    int   // bytes of the record, header included, that crypto/tls has yet to take
	records int   // begun since the last call of open
}

// Read never waits after the handshake: with its input used up it fails in a way that crypto/tls
// does not remember.
func (t *tlsTransport) Read(p []byte) (int, error) {
	for t.left == 0 {
		if err := t.fill(); err != nil {
			return 0, err
		}
		n := copy(t.header[t.have:], t.in)
		t.in = t.in[n:]
		t.have += uint8(n)
		if t.have == recordHeader {
			t.left = recordHeader + int(t.header[3])<<8 + int(t.header[4])
			t.records++
		}
	}
	n := 0
	if t.have > 0 {
		n = copy(p, t.header[recordHeader-t.have:])
		t.have -= uint8(n)
		t.left -= n
	}
	if len(t.in) > 0 || n == 0 {
		if err := t.fill(); err != nil {
			return 0, err
		}
		body := copy(p[n:], t.in[:min(len(t.in), t.left)])
		t.in = t.in[body:]
		t.left -= body
		n += body
	}
	return n, nil
}

// fill sees to it that there is input.
func (t *tlsTransport) fill() (err error) {
	if len(t.in) > 0 {
		return nil
	}
	if t.handshake == nil {
		return errNoRecord
	}
	t.in, err = t.handshake.read()
	return err
}

// Write appends: the loop sends.
func (t *tlsTransport) Write(p []byte) (int, error) {
	if t.handshake != nil {
		t.handshake.write(p)
	} else {
		t.out = append(t.out, p...)
	}
	return len(p), nil
}

// LocalAddr and RemoteAddr make it a net.Conn. Nobody calls them: callbacks of a *tls.Config see a helloConn.

func (t *tlsTransport) LocalAddr() net.Addr  { return nil }
func (t *tlsTransport) RemoteAddr() net.Addr { return nil }

func (t *tlsTransport) Close() error                     { return nil }
func (t *tlsTransport) SetDeadline(time.Time) error      { return nil }
func (t *tlsTransport) SetReadDeadline(time.Time) error  { return nil }
func (t *tlsTransport) SetWriteDeadline(time.Time) error { return nil }

// errNoRecord is a net.Error whose Temporary is true: the only kind that tls.Conn does not latch.
var errNoRecord net.Error = noRecord{}

type noRecord struct{}

func (noRecord) Error() string   { return "tls: no record to read" }
func (noRecord) Timeout() bool   { return true }
func (noRecord) Temporary() bool { return true }
