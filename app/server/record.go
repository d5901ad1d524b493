package server

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// Outcome is how a request has ended.
type Outcome uint8

const (
	// Complete means that the whole response was passed to the connection.
	Complete Outcome = iota
	// Upgraded means that the request became a WebSocket.
	Upgraded
	// Hijacked means that the application has taken the connection from HTTP. The request ends with the connection.
	Hijacked
	// PeerGone means that the peer left, or reset the stream.
	PeerGone
	// Cut means that the content of the request was malformed or late. The rest of request and response was dropped.
	Cut
	// Aborted means that the handler failed to complete a response that it had begun.
	Aborted

	outcomes
)

// Record describes a request that has ended, or lasts.
type Record struct {
	// Outcome is how it has ended.
	Outcome Outcome
	// Status is the status of the response; 0 if there was none.
	Status int
	// End is who has ended the request first, and in which phase. Reason is the label of the reason, one of Reason or of
	// the gateway; empty if there is none.
	End    spi.Termination
	Reason string
	// Event tells the two records of a request that lasts apart, see LoopObserver.Opened.
	Event Event
	// Target is the request target as it came, whatever middleware has made of r.Target.
	Target string
	// In is the number of bytes of request content that arrived, Out the number of bytes of response content that
	// were passed to the connection. Those of a WebSocket count its frames.
	In, Out int64
	// Received is the number of bytes of the request: the head and framing of its content, as they were read, counted;
	// over HTTP/2 these are the frames, with frames of the connection among them. Sent is Out, with the status line and
	// the field lines of the response in the form of HTTP/1.1, without those that the server adds itself.
	Received, Sent int64
	// HeadTime is the time from the first byte of the head until it was complete; 0 if it came at once, and over
	// HTTP/2.
	HeadTime time.Duration
	// Wait is the time from the arrival of the request, which is that of its complete head, to the head of the response,
	// FirstByte that to the first byte of the response which was passed to the connection, Total that to the end of
	// request and response. 0: there was none. The response of a handler that answers at once has the time of the
	// loop's turn. The kernel may hold bytes that the client has not taken.
	Wait, FirstByte, Total time.Duration
	// Conn describes the connection. It is never nil.
	Conn *ConnRecord
	// Stream is the number of the HTTP/2 stream; 0 over HTTP/1.
	Stream uint32
	// Fields are lines of the response that the application has made, see FieldObserver.
	Fields app.Fields
	// Route is the pattern of the route; empty if there is none.
	Route string
	// Upstream is nil unless a gateway has served the request.
	Upstream *spi.UpstreamRecord
}
