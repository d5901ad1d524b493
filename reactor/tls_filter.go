//go:build linux

package reactor

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
	"weak"

	"go.uber.org/zap"
)

// tlsService is what all TLS connections of a Reactor share.
type tlsService struct {
	tlsCounters
	pool    *handshakePool
	configs slotlessConfigs
}

func newTLSService(logger *zap.Logger) *tlsService {
	pool := newHandshakePool()
	return &tlsService{
		tlsCounters: tlsCounters{logger: logger}, pool: pool,
		configs: slotlessConfigs{pool: pool, made: map[weak.Pointer[tls.Config]]weak.Pointer[tls.Config]{}},
	}
}

// TLSStats counts the TLS connections so far. From any goroutine.
func (r *Reactor) TLSStats() TLSStats { return r.tls.stats() }

// plaintextSize has room for what one read of the default size holds, and for the record that the
// read before has left a part of.
const plaintextSize = readBufferDefault + 2*maxPlaintext

// plaintexts are buffers for what is decrypted, lent for one call of deliver. They are not a Loop's:
// a goroutine that is left behind in deliver, because its code stalled, keeps the one it has, and no
// other connection's plaintext comes into it.
var plaintexts = sync.Pool{New: func() any { return new([plaintextSize]byte) }}

// maxUnreadAnswers bounds the answers that a peer has asked for, by key updates, and that have not been sent
// because it takes nothing. Each has 27 bytes, and no peer needs more than one for gigabytes.
const maxUnreadAnswers = 16 << 10

var errUnreadAnswers = errors.New("tls: peer asks for key updates and does not take them")

type tlsPhase uint8

const (
	tlsGreeting  tlsPhase = iota // the first record is not whole
	tlsHandshake                 // another goroutine works for the connection
	tlsOpen
	tlsFailed
)

// tlsFilter is TLS on a Conn, in the server's role. A client's would differ in newTLSFilter, and in
// that it begins without a greeting.
type tlsFilter struct {
	tlsMachine
	conn     *Conn
	service  *tlsService
	config   *tls.Config
	greeting []byte // what came before the handshake began
	answer   string // what a peer that speaks no TLS is told
	phase    tlsPhase
	held     bool   // reading is paused until the handshake has taken what waits
	rest     []byte // records that wait for another turn
	finished bool   // the peer's FIN has come, behind what is still being worked on
}

func newTLSFilter(c *Conn, config *tls.Config) filter {
	return &tlsFilter{conn: c, service: c.Loop().reactor.tls, config: config}
}

func (f *tlsFilter) receive(raw []byte, deliver func([]byte)) error {
	switch f.phase {
	case tlsGreeting:
		return f.receiveGreeting(raw)
	case tlsHandshake:
		return f.receiveHandshake(raw, deliver)
	case tlsOpen:
		return f.decrypt(raw, deliver)
	}
	return nil
}

// greet collects the first record. Until then a connection costs its bytes and no goroutine.
func (f *tlsFilter) receiveGreeting(raw []byte) error {
	f.greeting = append(f.greeting, raw...)
	switch greetingOf(f.greeting) {
	case greetingShort:
		return nil
	case greetingHTTP:
		f.answer = plainHTTPAnswer
		return f.fail(classify, errPlainHTTP)
	case greetingOther:
		return f.fail(classify, errNotTLS)
	}
	if !beginsWithRecord(f.greeting) {
		return nil
	}
	f.init(f.config)
	h := newHandshake(f.service.pool, f.tlsMachine.conn, f.conn.filterWaker().wake)
	h.local, h.remote = f.conn.LocalAddr(), f.conn.RemoteAddr()
	h.feed(f.greeting)
	f.transport.handshake = h
	f.greeting = nil
	f.phase = tlsHandshake
	if !f.service.pool.begin(h) {
		return f.fail(classify, errHandshakeQueue)
	}
	return nil
}

// shake passes on what came, and takes over once the handshake has ended.
func (f *tlsFilter) receiveHandshake(raw []byte, deliver func([]byte)) error {
	h := f.transport.handshake
	f.holdInput(h.feed(raw) > handshakeInput)
	over, rest, err := h.outcome()
	if !over {
		return nil
	}
	if err != nil {
		return f.fail(classify, err)
	}
	rest = f.handshakeDone(rest)
	f.transport.out = h.takeOutput(nil)
	f.phase = tlsOpen
	f.config = nil
	f.holdInput(false)
	f.service.handshakes.Add(1)
	if f.tlsMachine.conn.ConnectionState().DidResume {
		f.service.resumed.Add(1)
	}
	return f.decrypt(rest, deliver)
}

// hold pauses reading while a handshake has enough to go on with.
func (f *tlsFilter) holdInput(enough bool) {
	if enough == f.held {
		return
	}
	f.held = enough
	if enough {
		f.conn.Pause()
	} else {
		f.conn.Resume()
	}
}

// decrypt hands on what the records in raw hold: all at once, as far as one buffer goes. Records beyond the turn's
// budget wait for another turn, since a peer can make each of them dear by replacing keys.
func (f *tlsFilter) decrypt(raw []byte, deliver func([]byte)) error {
	owned := len(f.rest) > 0
	if owned {
		raw, f.rest = append(f.rest, raw...), nil
	}
	if len(f.transport.out) > maxUnreadAnswers {
		// There is nobody to say goodbye to who would read it.
		_ = f.fail(classifyRecord, errUnreadAnswers)
		f.conn.close(errUnreadAnswers)
		return errUnreadAnswers
	}
	if len(raw) > 0 && !f.ended {
		rest, err := f.decryptRecords(raw, deliver)
		if err != nil {
			return f.fail(classifyRecord, err)
		}
		if f.conn.Closed() {
			return nil
		}
		if !owned {
			rest = bytes.Clone(rest)
		}
		f.rest = rest
		f.conn.holdInput(len(rest) > 0)
	}
	switch {
	case len(f.rest) > 0:
		return nil
	case f.ended:
		return io.EOF
	case f.finished:
		return f.truncated()
	}
	return nil
}

// decryptRecords returns what is left of raw.
func (f *tlsFilter) decryptRecords(raw []byte, deliver func([]byte)) (rest []byte, err error) {
	buffer := plaintexts.Get().(*[plaintextSize]byte)
	l, plain := f.conn.Loop(), buffer[:0]
	for len(raw) > 0 && !f.conn.Closed() && f.conn.input != inputNextTurn {
		var records int
		raw, plain, records, err = f.open(raw, plain)
		l.Charge(records * unitsPerRecord)
		spent := len(raw) > 0 && l.Spent()
		if err == nil && len(raw) > 0 && !spent && cap(plain)-len(plain) >= maxPlaintext {
			continue
		}
		if len(plain) > 0 {
			deliver(plain)
			plain = buffer[:0]
		}
		if err != nil {
			break
		}
		if spent {
			f.conn.Yield()
		}
	}
	plaintexts.Put(buffer)
	return raw, err
}

// unitsPerRecord is what a record costs in the budget of a turn, apart from what it carries.
const unitsPerRecord = 1

func (f *tlsFilter) unfinished() bool { return len(f.rest) > 0 }

// fail counts and logs what ends the connection, and returns it.
func (f *tlsFilter) fail(sort func(error) TLSFailure, err error) error {
	f.phase = tlsFailed
	f.service.failed(sort(err), err, f.conn.RemoteAddr(), f.conn.Loop().Now())
	return err
}

func (f *tlsFilter) transmit(dst, plain []byte) ([]byte, error) { return f.seal(dst, plain) }

func (f *tlsFilter) pending(dst []byte) []byte {
	if f.answer != "" {
		dst = append(dst, f.answer...)
		f.answer = ""
	}
	if h := f.transport.handshake; h != nil {
		return h.takeOutput(dst)
	}
	return f.takeOutput(dst)
}

func (f *tlsFilter) established() bool { return f.phase == tlsOpen }

func (f *tlsFilter) begun() bool { return f.phase != tlsGreeting || len(f.greeting) > 0 }

// eof implements filter. A stream must end with close_notify (RFC 8446 section 6.1), unless nothing was
// expected of the peer any more. A handshake that is being worked on may hold that, and a request in front
// of it.
func (f *tlsFilter) eof() (later bool, err error) {
	switch {
	case f.phase == tlsHandshake:
		f.finished = true
		f.transport.handshake.end(errPeerLeft)
		return true, nil
	case f.phase == tlsOpen && len(f.rest) > 0:
		f.finished = true
		return true, nil
	case f.phase == tlsOpen && !f.ended && f.conn.phase == phaseOpen:
		return false, f.truncated()
	}
	return false, nil
}

// truncated counts a FIN without close_notify. The peer may still read.
func (f *tlsFilter) truncated() error {
	f.service.failed(TLSFailureTruncated, ErrTruncated, f.conn.RemoteAddr(), f.conn.Loop().Now())
	return ErrTruncated
}

func (f *tlsFilter) goodbye(dst []byte) []byte {
	if f.phase != tlsOpen {
		return dst
	}
	return f.tlsMachine.goodbye(dst)
}

// closed also counts a handshake that somebody else has ended: the timeout, or the peer by leaving.
func (f *tlsFilter) closed(err error) {
	phase := f.phase
	f.phase = tlsFailed
	var reason error
	switch {
	case err == nil || err == ErrStopped:
		reason = net.ErrClosed
	case err == ErrHandshakeTimeout:
		reason = errHandshakeTimeout
	default:
		reason = errPeerLeft
	}
	switch {
	case phase == tlsHandshake:
		f.cancelHandshake(reason)
	case phase == tlsGreeting && (len(f.greeting) > 0 || reason == errHandshakeTimeout) && reason != net.ErrClosed:
		// Somebody who connects, says nothing and leaves is a health check.
		f.service.failed(classify(reason), reason, nil, f.conn.Loop().Now())
	}
}

// abandon has the handshake counted when its goroutine is done with it: by what the peer has said
// last, if it said something.
func (f *tlsFilter) cancelHandshake(reason error) {
	service, h := f.service, f.transport.handshake
	h.cancel(reason, func(err error) {
		if err != nil && reason != net.ErrClosed {
			service.failed(classify(err), err, h.remote, time.Now())
		}
	})
}

func (f *tlsFilter) connectionState() *tls.ConnectionState {
	if f.phase != tlsOpen {
		return nil
	}
	state := f.tlsMachine.conn.ConnectionState()
	return &state
}
