package client

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// Kind is the kind of a failure. The set is closed.
type Kind uint8

const (
	// ConnectFail: no connection could be opened.
	ConnectFail Kind = 1 + iota
	// ConnectTimeout: no connection was open in time.
	ConnectTimeout
	// TLSFail: the TLS handshake has failed, or its ALPN result is not allowed.
	TLSFail
	// UpstreamReset: the server has reset the connection or the stream, or has refused
	// the stream.
	UpstreamReset
	// UpstreamEOF: the server has closed the connection before the end of its response.
	UpstreamEOF
	// UpstreamMalformed: what the server has sent is no valid response, or exceeds a limit.
	UpstreamMalformed
	// HeadTimeout: the head of the response has not come in time.
	HeadTimeout
	// IdleTimeout: no content was sent or received for too long.
	IdleTimeout
	// NoPeer: there is no server to ask: the origin has no address or is closed, or the
	// loop cannot dial.
	NoPeer
	// Overflow: too many requests wait for a connection, or one has waited too long.
	Overflow
	// BodyLimit: the content is longer than a limit allows.
	BodyLimit
	// ClientGone: the request was cancelled, or the request that asked has ended.
	ClientGone
	// ClientMalformed: the request cannot be sent: its URL, target or a field is invalid,
	// or its content has failed or does not have its length.
	ClientMalformed
	// Drained: the server takes no more requests on this connection (GOAWAY), or this
	// side is shutting down.
	Drained
	// CallTimeout: the response was not complete within Request.Total.
	CallTimeout
	// NoSocket: no connection could be opened, since this machine has no descriptor or no
	// port left for it. The server is not to blame.
	NoSocket
	numKinds
)

var kindNames = [numKinds]string{
	ConnectFail:       "connect-fail",
	ConnectTimeout:    "connect-timeout",
	TLSFail:           "tls-fail",
	UpstreamReset:     "upstream-reset",
	UpstreamEOF:       "upstream-eof",
	UpstreamMalformed: "upstream-malformed",
	HeadTimeout:       "head-timeout",
	IdleTimeout:       "idle-timeout",
	NoPeer:            "no-peer",
	Overflow:          "overflow",
	BodyLimit:         "body-limit",
	ClientGone:        "client-gone",
	ClientMalformed:   "client-malformed",
	Drained:           "drained",
	CallTimeout:       "call-timeout",
	NoSocket:          "no-socket",
}

// Kinds returns the number of kinds, which are 1 to Kinds.
func Kinds() int { return int(numKinds) - 1 }

// String returns the name of the kind, such as "connect-fail".
func (k Kind) String() string {
	if k > 0 && k < numKinds {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// status returns the status of the response for a failure of that kind.
func (k Kind) status() int {
	switch k {
	case ConnectTimeout, HeadTimeout, IdleTimeout, CallTimeout:
		return 504
	case NoPeer, Overflow, ClientGone, Drained, NoSocket:
		return 503
	case ClientMalformed:
		return 500
	}
	return 502
}

// Error is the failure of a request to another server. All failures of this package, and
// those of reading the content of a response, are of this type.
type Error struct {
	Kind Kind
	// Sent reports whether any byte of the request was sent.
	Sent bool
	// Safe reports whether the server surely has not processed the request, so that it
	// may be sent again whatever its method: nothing was sent, the stream was refused
	// (RFC 9113 section 8.7), or it is beyond the last one of a GOAWAY.
	Safe bool
	// Busy reports whether the server has asked for fewer requests (ENHANCE_YOUR_CALM).
	Busy bool
	// Origin is the URL of the server that was asked, such as https://orders.internal:8443,
	// without userinfo, path and query; empty for failures of a Call, or if there is none.
	Origin string
	// Err is the reason, or nil.
	Err error
}

// Error returns the name of the kind, the origin and the reason.
func (e *Error) Error() string {
	text := "client: " + e.Kind.String()
	if e.Origin != "" {
		text += ": " + e.Origin
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// at returns the failure of a request to o with that Outgoing. e may belong to other requests, so it is not changed. A
// target that was refused is named, without its query.
func (e *Error) at(o *Origin, out *spi.Outgoing) *Error {
	if e == nil || o == nil || e.Origin != "" {
		return e
	}
	own := *e
	own.Origin = o.url
	if e.Kind == ClientMalformed && e.Safe {
		own.Err = fmt.Errorf("%s %s: %w", out.Method, quoteTarget(out.Target), e.Err)
	}
	return &own
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether the failure is that something has not happened in time.
func (e *Error) Timeout() bool {
	return e.Kind.status() == 504
}

// Response returns the response for the failure as app.ErrorResponse does: 504 for a
// timeout; 503 if the request was not sent because there was no server or no connection, or was
// cancelled; 500 if it cannot be sent; else 502. The reason is left out, except that a
// *app.StatusError with which the content of the request has failed is the response.
func (e *Error) Response() *app.Response {
	var own *app.StatusError
	switch {
	case e.Kind == Overflow:
		return app.Error(503, "too busy, try again").With("Retry-After", "1")
	case (e.Kind == BodyLimit || e.Kind == ClientMalformed) && errors.As(e.Err, &own):
		return own.Response()
	}
	return app.Error(e.Kind.status(), "")
}
