package gateway

import (
	"errors"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
)

// Reason is why an exchange has ended. The set is closed: the log, the counters and
// Proxy-Status use its labels.
type Reason uint8

const (
	// OK means that the backend's response was passed on whole.
	OK Reason = iota
	// ClientGone means that the client left, or reset the stream.
	ClientGone
	// ClientTimeout means that the client's content did not arrive in time.
	ClientTimeout
	// ClientMalformed means that the request cannot be forwarded as it came.
	ClientMalformed
	// BodyLimit means that the content of the request is too large.
	BodyLimit
	// RateLimit means that the client sends too many requests.
	RateLimit
	// Auth means that the request is not authorized.
	Auth
	// NoRoute means that no backend is responsible for the request.
	NoRoute
	// NoPeer means that the backend has no peer that may be asked.
	NoPeer
	// Overflow means that the backend has as many requests as it may have.
	Overflow
	// ConnectFail means that no connection to a peer could be opened.
	ConnectFail
	// ConnectTimeout means that connecting to a peer took too long.
	ConnectTimeout
	// TLSFail means that the TLS handshake with a peer failed.
	TLSFail
	// UpstreamReset means that the peer has reset the stream or the connection.
	UpstreamReset
	// UpstreamEOF means that the peer ended the connection before the response was
	// complete.
	UpstreamEOF
	// UpstreamMalformed means that the peer's response breaks the protocol.
	UpstreamMalformed
	// HeadTimeout means that the head of the response did not arrive in time.
	HeadTimeout
	// IdleTimeout means that an open stream or tunnel was silent for too long.
	IdleTimeout
	// Drained means that the server stopped before the exchange had ended.
	Drained
	// Stalled means that code of the application blocked the loop of the exchange.
	Stalled
	// Loop means that the request has passed this gateway before.
	Loop
	// NoSocket means that no connection to a peer could be opened, since this machine has no
	// descriptor or no port left for it. It says nothing about the peer.
	NoSocket

	reasons
)

// Status codes of gRPC (google.golang.org/grpc/codes).
const (
	grpcUnknown           = 2
	grpcPermissionDenied  = 7
	grpcResourceExhausted = 8
	grpcUnimplemented     = 12
	grpcInternal          = 13
	grpcDeadlineExceeded  = 4
	grpcUnavailable       = 14
	grpcUnauthenticated   = 16
	grpcCancelled         = 1
	grpcStatusName        = "grpc-status"
	grpcMessageName       = "grpc-message"
	contentTypeName       = "Content-Type"
	grpcContentType       = "application/grpc"
	plainContentType      = "text/plain; charset=utf-8"
	proxyStatusName       = "Proxy-Status"
	retryAfterName        = "Retry-After"
	retryAfterUnavailable = "1"
)

// reasonTable has, for each Reason, its label, the status of the response that the
// gateway makes, the text of its content, the status code of gRPC, the error type of
// Proxy-Status (RFC 9209 section 2.3), and who has ended the request. A Reason without a
// status is never answered.
var reasonTable = [reasons]struct {
	label  string
	status int
	text   string
	grpc   int
	proxy  string
	by     spi.Ender
}{
	OK:                {"ok", 0, "", 0, "", spi.EndedByNobody},
	ClientGone:        {"client-gone", 0, "", grpcCancelled, "", spi.EndedByClient},
	ClientTimeout:     {"client-timeout", 408, "the request did not arrive in time", grpcCancelled, "http_request_error", spi.EndedBySlow},
	ClientMalformed:   {"client-malformed", 400, "the request cannot be forwarded", grpcInternal, "http_request_error", spi.EndedByMalformed},
	BodyLimit:         {"body-limit", 413, "the request's content is too large", grpcResourceExhausted, "http_request_error", spi.EndedByLimit},
	RateLimit:         {"rate-limit", 429, "too many requests", grpcResourceExhausted, "http_request_denied", spi.EndedByLimit},
	Auth:              {"auth", 401, "not authorized", grpcUnauthenticated, "http_request_denied", spi.EndedByNobody},
	NoRoute:           {"no-route", 404, "there is nothing here", grpcUnimplemented, "destination_not_found", spi.EndedByNobody},
	NoPeer:            {"no-peer", 503, "no server is available", grpcUnavailable, "destination_unavailable", spi.EndedByBackend},
	Overflow:          {"overflow", 503, "the server has too many requests", grpcUnavailable, "connection_limit_reached", spi.EndedByLimit},
	ConnectFail:       {"connect-fail", 502, "the server cannot be reached", grpcUnavailable, "connection_refused", spi.EndedByBackend},
	ConnectTimeout:    {"connect-timeout", 504, "the server cannot be reached in time", grpcUnavailable, "connection_timeout", spi.EndedByLate},
	TLSFail:           {"tls-fail", 502, "no secure connection to the server", grpcUnavailable, "tls_protocol_error", spi.EndedByBackend},
	UpstreamReset:     {"upstream-reset", 502, "the server has broken off", grpcUnavailable, "connection_terminated", spi.EndedByBackend},
	UpstreamEOF:       {"upstream-eof", 502, "the server has broken off", grpcUnavailable, "http_response_incomplete", spi.EndedByBackend},
	UpstreamMalformed: {"upstream-malformed", 502, "the server's response is malformed", grpcUnavailable, "http_protocol_error", spi.EndedByBackend},
	HeadTimeout:       {"head-timeout", 504, "the server did not answer in time", grpcUnavailable, "http_response_timeout", spi.EndedByLate},
	IdleTimeout:       {"idle-timeout", 504, "the server was silent for too long", grpcUnavailable, "connection_read_timeout", spi.EndedByLate},
	Drained:           {"drained", 503, "the gateway is stopping", grpcUnavailable, "proxy_internal_error", spi.EndedByDrain},
	Stalled:           {"stalled", 503, "the gateway did not answer in time", grpcUnavailable, "proxy_internal_error", spi.EndedByWatchdog},
	Loop:              {"loop", 508, "the request has passed this gateway before", grpcInternal, "proxy_loop_detected", spi.EndedByLimit},
	NoSocket:          {"no-socket", 503, "the gateway has no connection left", grpcUnavailable, "connection_limit_reached", spi.EndedByLimit},
}

// String returns the label of r.
func (r Reason) String() string {
	if r < reasons {
		return reasonTable[r].label
	}
	return "unknown"
}

// Ender returns who has ended requests for r; spi.EndedByNobody if they were answered as they
// should be.
func (r Reason) Ender() spi.Ender {
	if r < reasons {
		return reasonTable[r].by
	}
	return spi.EndedByNobody
}

// BackendFailed reports whether r is a failure of the backend, or that none could be asked.
func (r Reason) BackendFailed() bool {
	return r >= NoPeer && r <= IdleTimeout
}

// Reasons returns every Reason, in order.
func Reasons() []Reason {
	all := make([]Reason, reasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// kindReasons has the Reason of each kind of a failure.
var kindReasons = [...]Reason{
	client.ConnectFail:       ConnectFail,
	client.ConnectTimeout:    ConnectTimeout,
	client.TLSFail:           TLSFail,
	client.UpstreamReset:     UpstreamReset,
	client.UpstreamEOF:       UpstreamEOF,
	client.UpstreamMalformed: UpstreamMalformed,
	client.HeadTimeout:       HeadTimeout,
	client.IdleTimeout:       IdleTimeout,
	client.NoPeer:            NoPeer,
	client.Overflow:          Overflow,
	client.BodyLimit:         UpstreamMalformed, // of the response
	client.ClientGone:        ClientGone,
	client.ClientMalformed:   ClientMalformed,
	client.Drained:           Drained,
	client.CallTimeout:       HeadTimeout,
	client.NoSocket:          NoSocket,
}

// reasonOf returns the Reason of a failure. One of the request's content is the client's.
func reasonOf(err *client.Error) Reason {
	if err.Kind == client.ClientMalformed {
		return reasonOfEnd(err.Err)
	}
	if int(err.Kind) < len(kindReasons) {
		return kindReasons[err.Kind]
	}
	return UpstreamReset
}

// reasonOfEnd returns the Reason of a request that has ended with that cause, or whose
// content has failed with it.
func reasonOfEnd(cause error) Reason {
	own, ok := errors.AsType[*app.StatusError](cause)
	switch {
	case errors.Is(cause, spi.ErrStalled):
		return Stalled
	case errors.Is(cause, spi.ErrStopped):
		return Drained
	case errors.Is(cause, app.ErrPeerGone), errors.Is(cause, app.ErrRequestDone):
		return ClientGone
	case errors.Is(cause, app.ErrDeadline):
		return HeadTimeout // of middleware
	case ok && own.Status == 413:
		return BodyLimit
	case ok && own.Status == 408:
		return ClientTimeout
	}
	return ClientMalformed
}
