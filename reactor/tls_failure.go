package reactor

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/internal/loglimit"
)

// A TLSFailure is the reason for which a TLS handshake failed or a TLS connection broke.
type TLSFailure uint8

const (
	TLSFailureOther             TLSFailure = iota // any other error of crypto/tls
	TLSFailureNotTLS                              // the first bytes are not a handshake record
	TLSFailurePlainHTTP                           // the first bytes are an HTTP request
	TLSFailureTimeout                             // the handshake took too long
	TLSFailureOverload                            // too many handshakes at once
	TLSFailureLeft                                // the peer left before the handshake was over
	TLSFailureVersion                             // no version in common
	TLSFailureCipher                              // no cipher suite in common
	TLSFailureProtocol                            // no ALPN protocol in common
	TLSFailureClientCertificate                   // missing where one is required, or not valid; dialled: ours
	TLSFailureRefused                             // the peer sent an alert, for example since it does not trust the certificate
	TLSFailureRecord                              // after the handshake: a record that does not verify or is out of place
	TLSFailureTruncated                           // after the handshake: the peer left without close_notify
	TLSFailureAuthority                           // dialled: the peer's certificate is signed by an authority that is not trusted
	TLSFailureName                                // dialled: the peer's certificate is for other names, or it does not serve the name
	TLSFailureExpired                             // dialled: a certificate of the peer has expired, or is not valid yet
	TLSFailureCertificate                         // dialled: a certificate of the peer is not acceptable for another reason
	tlsFailures
)

var tlsFailureNames = [tlsFailures]string{
	TLSFailureOther:             "other",
	TLSFailureNotTLS:            "not-tls",
	TLSFailurePlainHTTP:         "plain-http",
	TLSFailureTimeout:           "timeout",
	TLSFailureOverload:          "overload",
	TLSFailureLeft:              "left",
	TLSFailureVersion:           "version",
	TLSFailureCipher:            "cipher",
	TLSFailureProtocol:          "protocol",
	TLSFailureClientCertificate: "client-certificate",
	TLSFailureRefused:           "refused",
	TLSFailureRecord:            "record",
	TLSFailureTruncated:         "truncated",
	TLSFailureAuthority:         "authority",
	TLSFailureName:              "name",
	TLSFailureExpired:           "expired",
	TLSFailureCertificate:       "certificate",
}

// String returns a short name, the label of f in metrics.
func (f TLSFailure) String() string {
	if f < tlsFailures {
		return tlsFailureNames[f]
	}
	return "unknown"
}

// Errors with which this package ends a handshake.
var (
	errNotTLS           = errors.New("tls: the first bytes are not a TLS handshake")
	errPlainHTTP        = errors.New("tls: HTTP request in cleartext")
	errHandshakeTimeout = errors.New("tls: handshake timeout")
	errHandshakeQueue   = errors.New("tls: too many handshakes are queued")
	errPeerLeft         = errors.New("tls: peer left during the handshake")
)

// classify returns the TLSFailure of an error that ended a handshake.
func classify(err error) TLSFailure {
	switch {
	case errors.Is(err, errNotTLS):
		return TLSFailureNotTLS
	case errors.Is(err, errPlainHTTP):
		return TLSFailurePlainHTTP
	case errors.Is(err, errHandshakeTimeout):
		return TLSFailureTimeout
	case errors.Is(err, errHandshakeQueue), errors.Is(err, errHandshakeDisplaced):
		return TLSFailureOverload
	case errors.Is(err, errPeerLeft), errors.Is(err, io.EOF): // EOF: by close_notify
		return TLSFailureLeft
	}
	return classifyHandshake(err)
}

// classifyRecord returns the TLSFailure of an error that ended a connection after its handshake.
func classifyRecord(err error) TLSFailure {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return TLSFailureRefused
	}
	return TLSFailureRecord
}

// classifyHandshake returns the TLSFailure of an error of crypto/tls, which has types for some errors and only texts
// for others. TestHandshakeFailuresAreSorted fails if a version of Go has other texts; failures then count as
// TLSFailureOther.
func classifyHandshake(err error) TLSFailure {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return TLSFailureClientCertificate
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return TLSFailureNotTLS
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return TLSFailureRefused
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "didn't provide a certificate"):
		return TLSFailureClientCertificate
	case strings.Contains(text, "unsupported versions"):
		return TLSFailureVersion
	case strings.Contains(text, "no cipher suite supported"):
		return TLSFailureCipher
	case strings.Contains(text, "unsupported application protocols"):
		return TLSFailureProtocol
	}
	return TLSFailureOther
}

// tlsCounters count the outcomes of TLS connections. Safe for concurrent use.
type tlsCounters struct {
	logger *zap.Logger

	handshakes atomic.Uint64
	resumed    atomic.Uint64
	versions   [tlsVersions][2]atomic.Uint64
	failures   [tlsFailures]atomic.Uint64
	lines      [tlsFailures]loglimit.Limit
}

// failed counts a failure and logs it, at most one line of a kind every loglimit.Interval. Peers that have left are
// logged at debug level.
func (t *tlsCounters) failed(kind TLSFailure, err error, peer net.Addr, now time.Time) {
	t.failures[kind].Add(1)
	suppressed, ok := t.lines[kind].Allow(now)
	if !ok {
		return
	}
	level := zap.InfoLevel
	if kind == TLSFailureLeft || kind == TLSFailureTruncated {
		level = zap.DebugLevel
	}
	fields := []zap.Field{zap.String("reason", "tls-"+kind.String()), zap.Error(err), zap.Int("unlogged", suppressed)}
	if peer != nil {
		fields = append(fields, zap.Stringer("peer", peer))
	}
	t.logger.Log(level, "TLS connection failed", fields...)
}

// TLSStats has counters of accepted and of dialled TLS connections.
type TLSStats struct {
	TLSCounts // accepted
	Dialled   TLSCounts
}

// TLSCounts has counters since the start.
type TLSCounts struct {
	Handshakes uint64 // completed
	Resumed    uint64 // of these, resumptions of an earlier session
	// Versions has the handshakes by version, TLS 1.0 first, and by whether they were resumptions.
	Versions [tlsVersions][2]uint64
	Failures [tlsFailures]uint64 // by TLSFailure
}

// tlsVersions is the number of versions of TLS that crypto/tls knows, from TLS 1.0.
const tlsVersions = tls.VersionTLS13 - tls.VersionTLS10 + 1

// completed counts a handshake that has succeeded.
func (t *tlsCounters) completed(state *tls.ConnectionState) {
	t.handshakes.Add(1)
	resumed := 0
	if state.DidResume {
		resumed = 1
		t.resumed.Add(1)
	}
	if v := state.Version - tls.VersionTLS10; v < tlsVersions {
		t.versions[v][resumed].Add(1)
	}
}

func (t *tlsCounters) counts() TLSCounts {
	s := TLSCounts{Handshakes: t.handshakes.Load(), Resumed: t.resumed.Load()}
	for v := range t.versions {
		s.Versions[v] = [2]uint64{t.versions[v][0].Load(), t.versions[v][1].Load()}
	}
	for i := range t.failures {
		s.Failures[i] = t.failures[i].Load()
	}
	return s
}
