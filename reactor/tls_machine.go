package reactor

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// A tlsMachine is TLS on one connection without a socket: records in, plaintext out, and the reverse. It belongs to
// the connection's loop; only the handshake runs on another goroutine (see handshake).
//
// While idle it holds the memory of crypto/tls only: the keys, and a buffer as large as the largest record received.
//
// crypto/tls chooses the sizes of records: the n-th record of a connection fills n segments of 1,208 bytes, and from
// the fourteenth, or from 128 KiB, on each is full. So a client can decrypt the start of a first answer from its
// first segment, and bulk costs 22 bytes in 16 KiB.
type tlsMachine struct {
	conn      *tls.Conn
	transport tlsTransport
	// broken: crypto/tls has reported a failure and must not be called again. Its alert is in the transport.
	broken bool
	// ended: the peer has sent close_notify.
	ended bool
}

// init makes m the server of a connection.
func (m *tlsMachine) init(config *tls.Config) {
	m.conn = tls.Server(&m.transport, config)
}

// handshakeDone moves m from the goroutine of its handshake to the loop. rest is input that the handshake has not
// taken; the input that handshakeDone returns goes to open.
func (m *tlsMachine) handshakeDone(rest []byte) []byte {
	m.transport.handshake = nil
	if len(m.transport.in) > 0 {
		rest = append(m.transport.in, rest...)
	}
	m.transport.in = nil
	return rest
}

// ErrTruncated is the error of Session.Closed after the FIN of a TLS peer without close_notify: input may be missing
// (RFC 8446 section 6.1). Session.EOF is called first. A session must not treat input as complete because of the FIN,
// and may answer requests that are complete in themselves.
var ErrTruncated = errors.New("tls: connection ended without close_notify")

// openRecords bounds about how many records one call of open decrypts.
const openRecords = 16

// open decrypts about openRecords records of in, as long as dst has room for another one without growing, and
// appends their plaintext to dst. rest is the part of in that it has not taken; an incomplete record is taken.
// records is the number of records that it has begun.
//
// The peer's close_notify sets m.ended, and everything behind it is ignored (RFC 8446 section 6.1). Any other
// failure is returned, once.
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

// seal appends plain to dst as records.
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

// takeOutput appends to dst the records of crypto/tls itself: alerts, tickets, answers to KeyUpdates.
func (m *tlsMachine) takeOutput(dst []byte) []byte {
	dst = append(dst, m.transport.out...)
	m.transport.out = nil
	return dst
}

// appendCloseNotify appends close_notify to dst, unless an alert has ended the connection already. seal must not be called
// afterwards.
func (m *tlsMachine) appendCloseNotify(dst []byte) []byte {
	dst = m.takeOutput(dst)
	if m.broken {
		return dst
	}
	m.transport.out = dst
	m.conn.CloseWrite()
	dst, m.transport.out = m.transport.out, nil
	return dst
}

// A tlsTransport is the net.Conn that crypto/tls reads and writes: two slices, empty between the calls of open and
// seal.
//
// A Read returns bytes of one record only. crypto/tls would read ahead otherwise, and its buffer, which it keeps for
// the life of the connection, would grow to half as much again.
type tlsTransport struct {
	in        []byte // input; borrowed while a Read of tls.Conn runs
	out       []byte // output of crypto/tls
	handshake *handshake
	peer      net.Addr // for RemoteAddr; nil for most connections

	header  [recordHeader]byte
	have    uint8 // bytes in header
	left    int   // bytes of the record, header included, that crypto/tls has not taken
	records int   // begun since the last call of open
}

// Read waits during the handshake only. Afterwards, without input, it returns errNoRecord, which crypto/tls does not
// remember.
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

// fill returns when there is input, or with an error.
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

// Write collects output, which the loop sends.
func (t *tlsTransport) Write(p []byte) (int, error) {
	if t.handshake != nil {
		t.handshake.write(p)
	} else {
		t.out = append(t.out, p...)
	}
	return len(p), nil
}

// LocalAddr is never called: callbacks of a *tls.Config see a helloConn.
func (t *tlsTransport) LocalAddr() net.Addr { return nil }

// RemoteAddr is called on a client whose configuration has no ServerName.
func (t *tlsTransport) RemoteAddr() net.Addr { return t.peer }

func (t *tlsTransport) Close() error                     { return nil }
func (t *tlsTransport) SetDeadline(time.Time) error      { return nil }
func (t *tlsTransport) SetReadDeadline(time.Time) error  { return nil }
func (t *tlsTransport) SetWriteDeadline(time.Time) error { return nil }

// errNoRecord is a net.Error whose Temporary is true, the only kind that tls.Conn does not keep.
var errNoRecord net.Error = noRecord{}

type noRecord struct{}

func (noRecord) Error() string   { return "tls: no record to read" }
func (noRecord) Timeout() bool   { return true }
func (noRecord) Temporary() bool { return true }
