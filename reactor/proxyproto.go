//go:build linux

package reactor

import (
	"net"

	"go.uber.org/zap"
)

// proxyFilter reads the header of the PROXY protocol. Then a TLS filter, or none, takes its place.
type proxyFilter struct {
	conn *Conn
	held []byte // the first part of a header
}

func newProxyFilter(c *Conn) filter { return &proxyFilter{conn: c} }

func (f *proxyFilter) receive(raw []byte, _ func([]byte)) error {
	config := f.conn.Listener()
	if trusted := config.ProxyTrusted; len(f.held) == 0 && trusted != nil && !trusted(f.conn.RemoteAddr()) {
		if config.ProxyProtocol == ProxyRequire {
			return f.refuse(errProxyPeer)
		}
		return f.pass(raw) // it was counted for its peer when it was accepted
	}
	if len(f.held) > 0 {
		f.held = append(f.held, raw...)
		raw = f.held
	}
	n, err := proxyLength(raw)
	switch {
	case err != nil:
		return f.refuse(err)
	case n < 0:
		if len(f.held) == 0 {
			f.held = append(f.held, raw...)
		}
		return nil
	case n == 0 && config.ProxyProtocol == ProxyRequire:
		return f.refuse(errProxyMissing)
	case n == 0:
		return f.passAs(f.conn.RemoteAddr(), raw)
	}
	source, destination, err := parseProxyHeader(raw[:n])
	if err != nil {
		return f.refuse(err)
	}
	if source == nil {
		return f.pass(raw[n:]) // the proxy speaks for itself, or for clients that it does not name
	}
	f.conn.setPeer(source, destination)
	return f.passAs(source, raw[n:])
}

// passAs is pass for a connection that counts for the peer with that address. Beyond a limit it may be closed.
func (f *proxyFilter) passAs(peer net.Addr, rest []byte) error {
	if !f.conn.admitAs(f.conn.Loop(), peer) {
		return errPeerRefused
	}
	return f.pass(rest)
}

func (f *proxyFilter) pass(rest []byte) error {
	var next filter
	if config := f.conn.Listener().TLS; config != nil {
		next = newTLSFilter(f.conn, config)
	}
	f.conn.replaceFilter(next, rest)
	return nil
}

// refuse counts and logs a connection without an acceptable header. The peer is told nothing: the configuration of
// a proxy is wrong, and its operator looks into the log.
func (f *proxyFilter) refuse(err error) error {
	r := f.conn.Loop().reactor
	r.proxyRefused.Add(1)
	if suppressed, ok := r.proxyLines.Allow(f.conn.Loop().Now()); ok {
		r.log.Warn("connection refused", zap.String("reason", "proxy-header"), zap.Error(err), zap.Any("peer", f.conn.RemoteAddr()), zap.Int("unlogged", suppressed))
	}
	return err
}

func (f *proxyFilter) transmit(dst, _ []byte) ([]byte, error) { return dst, nil }
func (f *proxyFilter) pending(dst []byte) []byte              { return dst }
func (f *proxyFilter) established() bool                      { return false }
func (f *proxyFilter) unfinished() bool                       { return false }
func (f *proxyFilter) begun() bool                            { return len(f.held) > 0 }
func (f *proxyFilter) eof() (bool, error)                     { return false, nil }
func (f *proxyFilter) appendCloseNotify(dst []byte) []byte    { return dst }
func (f *proxyFilter) closed(error)                           {}
