//go:build linux

package reactor

import (
	"errors"
	"net"
	"time"

	"go.uber.org/zap"
)

var (
	// errPeerRefused is the error of connections beyond a limit of PeerLimits that are closed without an answer.
	errPeerRefused = errors.New("reactor: beyond a limit of its peer")
	// errPeerHandshakes is the error of connections whose TLS handshake is beyond PeerLimits.HandshakeRate.
	errPeerHandshakes = errors.New("tls: too many handshakes of the peer")
)

// accessDenied is the alert for a handshake beyond PeerLimits.HandshakeRate (RFC 8446 section 6): no version was
// negotiated, so it has that of a first record.
const accessDenied = "\x15\x03\x01\x00\x02\x02\x31"

// Peer returns the peer whose limits the connection counts for; nil if it has none, or its address is not known yet.
func (c *Conn) Peer() *Peer {
	if c.rare == nil {
		return nil
	}
	return c.rare.peer
}

// PeerRefused returns the limit of PeerLimits for which the connection is refused, and the time after which another one may
// be accepted; 0 if it is not refused.
func (c *Conn) PeerRefused() (reason PeerRefusal, retryAfter time.Duration) {
	if c.rare == nil || c.rare.peerRefusal == 0 {
		return 0, 0
	}
	return c.rare.peerRefusal, c.rare.peer.retryAfter(c.rare.peerRefusal, int64(c.loop.Load().Age()))
}

// admit counts an accepted connection for its peer, unless a PROXY header is to name it. It reports false if it has closed
// the connection.
func (c *Conn) admit(l *Loop) bool {
	if l.reactor.peers == nil || c.listener == nil {
		return true
	}
	remote := c.RemoteAddr()
	if config := &c.listener.config; config.ProxyProtocol != ProxyOff && (config.ProxyTrusted == nil || config.ProxyTrusted(remote)) {
		return true
	}
	return c.admitAs(l, remote)
}

// admitAs is admit for the address that the connection counts for.
func (c *Conn) admitAs(l *Loop, remote net.Addr) bool {
	t := l.reactor.peers
	if t == nil || c.Peer() != nil {
		return true
	}
	p, refusal := t.connect(toAddrPort(remote).Addr(), int64(l.Age()))
	if p == nil {
		return true
	}
	c.ensureRare().peer = p
	if refusal != 0 && !c.refuseForPeer(l, refusal) {
		c.close(errPeerRefused)
		return false
	}
	return true
}

// refuseForPeer counts and logs that the connection is beyond a limit. It reports whether it may be answered, and then
// counts it among the refused connections of its peer.
func (c *Conn) refuseForPeer(l *Loop, reason PeerRefusal) (answered bool) {
	t, p := l.reactor.peers, c.rare.peer
	t.refused[reason].Add(1)
	if suppressed, ok := t.lines[reason].Allow(l.Now()); ok {
		l.reactor.log.Warn("connection refused: its peer is beyond a limit", zap.Stringer("reason", reason), zap.Stringer("prefix", p.prefix),
			zap.Int("connections", p.Connections()), zap.Any("peer", c.RemoteAddr()), zap.Int("unlogged", suppressed))
	}
	if l.reactor.config.Refuse == nil || !p.refuse() {
		t.closed.Add(1)
		return false
	}
	c.rare.peerRefusal, c.rare.refused = reason, true // it does not count for MaxConnections
	l.reactor.refusedOpen.Add(1)
	return true
}

// mayHandshake counts a TLS handshake of an accepted connection. If ok is false it is beyond the limit of the peer, and
// answered reports whether to send an alert.
func (c *Conn) mayHandshake() (ok, answered bool) {
	p, l := c.Peer(), c.loop.Load()
	if p == nil || p.handshake(int64(l.Age())) {
		return true, false
	}
	return false, c.rare.peerRefusal != 0 || c.refuseForPeer(l, PeerHandshakeRate)
}

// leavePeer gives back what the closed connection has counted for its peer.
func (c *Conn) leavePeer() {
	p := c.Peer()
	if p == nil {
		return
	}
	units := int64(useConnection)
	if c.rare.peerRefusal != 0 {
		units += useRefused
	}
	p.release(units)
}
