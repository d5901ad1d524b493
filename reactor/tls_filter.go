//go:build linux

package reactor

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
	"weak"

	"go.uber.org/zap"
)

// tlsService is shared by all TLS connections of a Reactor.
type tlsService struct {
	tlsRole         // of accepted connections
	dialled tlsRole // their failures are told to DialConfig.Fail and not logged
}

// tlsRole is shared by all accepted connections, or by all dialled ones.
type tlsRole struct {
	tlsCounters
	pool    *handshakePool
	configs slotlessConfigs
}

func (r *tlsRole) init(logger *zap.Logger, pool *handshakePool) {
	r.logger, r.pool = logger, pool
	r.configs = slotlessConfigs{pool: pool, made: map[weak.Pointer[tls.Config]]weak.Pointer[tls.Config]{}}
}

func newTLSService(logger *zap.Logger) *tlsService {
	s, slots := &tlsService{}, newHandshakeSlots()
	s.init(logger, slots.newPool(maxStartedHandshakes))
	s.dialled.init(zap.NewNop(), slots.newPool(maxDialledHandshakes))
	return s
}

// TLSStats returns the counters of TLS connections. It may be called on any goroutine.
func (r *Reactor) TLSStats() TLSStats {
	return TLSStats{TLSCounts: r.tls.counts(), Dialled: r.tls.dialled.counts()}
}

// plaintextSize has room for the plaintext of one read of the default size, and of a record that the read before
// has begun.
const plaintextSize = readBufferDefault + 2*maxPlaintext

// plaintexts are buffers for decrypted data. They do not belong to a Loop: a goroutine that loses its Loop within
// deliver, because application code stalls, keeps its buffer, and no other connection's plaintext is written to
// it.
var plaintexts = sync.Pool{New: func() any { return new([plaintextSize]byte) }}

// maxUnreadAnswers bounds the answers to KeyUpdates that are unsent because the peer does not read, in bytes. An
// answer has 27 bytes, and one suffices for gigabytes.
const maxUnreadAnswers = 16 << 10

var errUnreadAnswers = errors.New("tls: peer asks for key updates and does not read them")

type tlsPhase uint8

const (
	tlsDetecting tlsPhase = iota // the first record is not whole
	tlsHandshake                 // the goroutine of the handshake works
	tlsOpen
	tlsFailed
)

// tlsFilter is TLS on a Conn: in the role of a server on an accepted connection, of a client on a dialled one.
type tlsFilter struct {
	tlsMachine
	conn     *Conn
	service  *tlsRole
	config   *tls.Config
	first    []byte // input before the handshake
	answer   string // for a peer that does not speak TLS, or is refused
	phase    tlsPhase
	dialled  bool
	held     bool   // reading is paused until the handshake has taken its input
	rest     []byte // records for another turn
	finished bool   // the peer's FIN has come, behind input that is not decrypted yet
}

func newTLSFilter(c *Conn, config *tls.Config) filter {
	return &tlsFilter{conn: c, service: &c.Loop().reactor.tls.tlsRole, config: config}
}

func (f *tlsFilter) receive(raw []byte, deliver func([]byte)) error {
	switch f.phase {
	case tlsDetecting:
		return f.receiveFirst(raw)
	case tlsHandshake:
		return f.receiveHandshake(raw, deliver)
	case tlsOpen:
		return f.decrypt(raw, deliver)
	}
	return nil
}

// receiveFirst collects the first record and starts the handshake once it is complete. Until then a connection costs
// its bytes and no goroutine.
func (f *tlsFilter) receiveFirst(raw []byte) error {
	f.first = append(f.first, raw...)
	switch detectProtocol(f.first) {
	case clientUnknown:
		return nil
	case clientHTTP:
		f.answer = plainHTTPAnswer
		return f.fail(classify, errPlainHTTP)
	case clientOther:
		return f.fail(classify, errNotTLS)
	}
	if !beginsWithRecord(f.first) {
		return nil
	}
	if ok, answered := f.conn.mayHandshake(); !ok {
		return f.refuseHandshake(answered)
	}
	f.init(f.config)
	h := newHandshake(f.service.pool, f.tlsMachine.conn, f.conn.filterWaker().wake)
	h.local, h.remote = f.conn.LocalAddr(), f.conn.RemoteAddr()
	h.feed(f.first)
	f.transport.handshake = h
	f.first = nil
	f.phase = tlsHandshake
	if !f.service.pool.begin(h) {
		return f.fail(classify, errHandshakeQueue)
	}
	return nil
}

// refuseHandshake ends a connection whose handshake is beyond the limit of its peer: with an alert if it is answered.
func (f *tlsFilter) refuseHandshake(answered bool) error {
	f.phase = tlsFailed
	if answered {
		f.answer = accessDenied
	} else {
		f.conn.close(errPeerHandshakes)
	}
	return errPeerHandshakes
}

// receiveHandshake passes input to the handshake, and goes on behind it once it has ended.
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
	state := f.tlsMachine.conn.ConnectionState()
	f.service.completed(&state)
	return f.decrypt(rest, deliver)
}

// holdInput pauses reading while the handshake has enough input.
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

// decrypt passes the plaintext of the records in raw to deliver, in as few calls as the buffer allows. Records beyond
// the budget of the turn wait for another one: a record that replaces keys costs as much as 100 µs.
func (f *tlsFilter) decrypt(raw []byte, deliver func([]byte)) error {
	owned := len(f.rest) > 0
	if owned {
		raw, f.rest = append(f.rest, raw...), nil
	}
	if len(f.transport.out) > maxUnreadAnswers {
		// An alert would not be read either.
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

// decryptRecords decrypts records until the turn is spent, and returns the rest of raw.
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

// unitsPerRecord is the cost of a record in the budget of a turn, without that of its content.
const unitsPerRecord = 1

func (f *tlsFilter) unfinished() bool { return len(f.rest) > 0 }

// fail counts and logs the error that ends the connection, and returns it: in plain words on a dialled one.
func (f *tlsFilter) fail(sort func(error) TLSFailure, err error) error {
	f.phase = tlsFailed
	if f.dialled {
		explained := explainDialled(err)
		f.service.failures[explained.reason].Add(1)
		return explained
	}
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

func (f *tlsFilter) begun() bool { return f.phase != tlsDetecting || len(f.first) > 0 }

// eof implements filter. A stream must end with close_notify (RFC 8446 section 6.1), unless the connection was
// closing anyway. During a handshake, close_notify and a request before it may be among the input that waits.
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

func (f *tlsFilter) appendCloseNotify(dst []byte) []byte {
	if f.phase != tlsOpen {
		return dst
	}
	return f.tlsMachine.appendCloseNotify(dst)
}

// closed implements filter. It counts a handshake that was ended by its timeout, or by a peer that has left.
func (f *tlsFilter) closed(err error) {
	phase := f.phase
	f.phase = tlsFailed
	var reason error
	switch {
	case err == nil || err == ErrStopped || errors.Is(err, context.Canceled):
		reason = net.ErrClosed
	case f.dialled:
		reason = dialledReason(err)
	case err == ErrHandshakeTimeout:
		reason = errHandshakeTimeout
	default:
		reason = errPeerLeft
	}
	switch {
	case phase == tlsHandshake:
		f.cancelHandshake(reason)
	case phase == tlsDetecting && (len(f.first) > 0 || reason == errHandshakeTimeout) && reason != net.ErrClosed:
		// A peer that connects and leaves without a byte is a health check, and not counted.
		f.service.failed(classify(reason), reason, f.conn.RemoteAddr(), f.conn.Loop().Now())
	}
}

// cancelHandshake ends the handshake. It is counted when its goroutine has ended: by the peer's alert, if one has
// come.
func (f *tlsFilter) cancelHandshake(reason error) {
	service, dialled, h := f.service, f.dialled, f.transport.handshake
	h.cancel(reason, func(err error) {
		switch {
		case err == nil || reason == net.ErrClosed:
		case dialled:
			service.failures[explainDialled(err).reason].Add(1)
		default:
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
