//go:build linux

package reactor

import (
	"crypto/tls"
	"errors"
	"io"
)

var errRenegotiation = errors.New("tls: Renegotiation must be RenegotiateNever")

// newDialledTLS returns the TLS filter of a dialled connection, whose handshake has begun. On an error it has not, and
// the connection is to be closed.
func newDialledTLS(c *Conn, config *tls.Config) (*tlsFilter, error) {
	f := &tlsFilter{conn: c, service: &c.Loop().reactor.tls.dialled, dialled: true, phase: tlsHandshake}
	f.initClient(config)
	h := newHandshake(f.service.pool, f.tlsMachine.conn, c.filterWaker().wake)
	f.transport.handshake = h
	if config.ServerName == "" {
		f.transport.peer = c.RemoteAddr() // the key of its session
	}
	switch {
	case config.Renegotiation != tls.RenegotiateNever:
		// It would have to wait for the peer on the loop.
		return f, f.fail(classify, errRenegotiation)
	case !f.service.pool.begin(h):
		return f, f.fail(classify, errHandshakeQueue)
	}
	return f, nil
}

// initClient makes m the client of a connection.
func (m *tlsMachine) initClient(config *tls.Config) {
	m.conn = tls.Client(&m.transport, config)
}

// dialledReason returns the reason for which the handshake of a dialled connection ends with its connection.
func dialledReason(err error) error {
	switch {
	case err == errDialTimeout:
		return errHandshakeTimeout
	case err == io.EOF, err == ErrTruncated:
		return errPeerLeft
	}
	return err
}
