package apptest

import (
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// clientSocket is the client's side of a WebSocket to a Backend whose handler accepts it:
// each side's Socket has the other as its peer.
type clientSocket struct {
	loop    *Loop
	offer   *spi.SocketOffer
	backend *backendCall // whose content it is
	call    spi.SocketCall
	socket  *Socket
}

var _ spi.SocketDialer = (*Loop)(nil)

// ClientSocket implements spi.SocketDialer.
func (l *Loop) ClientSocket(o *spi.SocketOffer) spi.ClientSocket {
	return &clientSocket{loop: l, offer: o}
}

// Offer implements spi.ClientSocket.
func (s *clientSocket) Offer(string) (fields app.Fields, err error) {
	fields.Add("Sec-WebSocket-Version", "13")
	if len(s.offer.Protocols) > 0 {
		fields.Add("Sec-WebSocket-Protocol", strings.Join(s.offer.Protocols, ", "))
	}
	return fields, nil
}

// Open implements spi.ClientSocket.
func (s *clientSocket) Open(_ *spi.Incoming, call spi.SocketCall) (*websocket.Socket, error) {
	server := s.backend.handled.socket
	if server.Ended {
		return nil, &client.Error{Kind: client.UpstreamEOF, Sent: true, Err: errClosedByPeer}
	}
	asking := &Call{host: s.loop.host, loop: s.loop}
	spi.Bind(&asking.req, (*exchange)(asking), &s.backend.conn.info)
	k := &Socket{call: asking, endpoint: s.offer.Upgrade.Endpoint, low: -1, peer: server, release: call.Release}
	server.peer = k
	s.call, s.socket = call, k
	k.app.Bind((*wire)(k), s.offer.Upgrade, server.App().Protocol())
	s.loop.Post(func() { server.take(len(server.queue)) })
	k.failed(k.app.Opened(s.offer.Asking))
	return k.App(), nil
}

// CallEnded implements spi.ClientSocket.
func (s *clientSocket) CallEnded(err error) {
	if err == nil {
		err = app.ErrPeerGone
	}
	s.socket.end(websocket.Closed{Code: websocket.CloseAbnormal, Err: err})
}

// GoAway implements spi.ClientSocket.
func (s *clientSocket) GoAway() {
	_ = (*wire)(s.socket).Close(websocket.CloseGoingAway, "") // or it is closed already
}

// Length implements spi.Source.
func (s *clientSocket) Length() int64 { return -1 }

// Read implements spi.Source. Messages go from Socket to Socket.
func (s *clientSocket) Read([]byte) (int, error) { return 0, nil }

// Wait implements spi.Source.
func (s *clientSocket) Wait(func()) {}

// Trailers implements spi.Source.
func (s *clientSocket) Trailers() app.Fields { return nil }

// Close implements spi.Source.
func (s *clientSocket) Close() error { return nil }

// pass passes a message that the socket's peer has taken to it, if that is an application.
func (s *Socket) pass(m websocket.Message) {
	if p := s.peer; p != nil && !p.Ended {
		p.said = append(p.said, websocket.Piece{Kind: m.Kind, First: true, Final: true, Data: append([]byte(nil), m.Data...)})
		p.call.loop.Post(p.receive)
	}
}

// endPeer ends the peer's side, if it is an application, after what was passed to it.
func (s *Socket) endPeer() {
	p := s.peer
	if p == nil || p.Ended {
		return
	}
	c := websocket.Closed{Code: websocket.CloseAbnormal, Err: app.ErrPeerGone}
	if s.CloseCode != 0 {
		c = websocket.Closed{Code: s.CloseCode, Reason: s.CloseReason}
	}
	p.call.loop.Post(func() { p.end(c) })
}
