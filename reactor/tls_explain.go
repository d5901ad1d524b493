//go:build linux

package reactor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"syscall"
	"time"
)

// tlsError is an error of a dialled TLS connection in plain words.
type tlsError struct {
	reason TLSFailure
	text   string
	cause  error
}

func (e *tlsError) Error() string { return e.text }
func (e *tlsError) Unwrap() error { return e.cause }

// explainDialled describes an error that has ended a dialled TLS connection.
func explainDialled(err error) *tlsError {
	if known, ok := errors.AsType[*tlsError](err); ok {
		return known
	}
	reason, text := describeDialled(err)
	return &tlsError{reason: reason, text: text, cause: err}
}

func describeDialled(err error) (TLSFailure, string) {
	if invalid, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return describeCertificate(invalid)
	}
	if header, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return describeCleartext(header)
	}
	if alert, ok := peerAlert(err); ok {
		return describeAlert(alert, err)
	}
	switch reason := classify(err); reason {
	case TLSFailureTimeout:
		return reason, "the peer did not complete the handshake in time"
	case TLSFailureOverload:
		return reason, "too many handshakes wait for their peers"
	case TLSFailureLeft:
		return reason, "the peer closed the connection during the handshake"
	case TLSFailureOther:
		return describeOther(err)
	default:
		return reason, plainText(err)
	}
}

func describeOther(err error) (TLSFailure, string) {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return TLSFailureTimeout, "the peer did not complete the handshake in time"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, ErrHungUp):
		return TLSFailureLeft, "the peer reset the connection during the handshake"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return TLSFailureLeft, "the peer closed the connection during the handshake"
	}
	switch text := plainText(err); {
	case strings.Contains(text, "server selected unsupported protocol version"):
		return TLSFailureVersion, "no TLS version in common: the " + text
	case strings.Contains(text, "server selected unadvertised ALPN protocol"):
		return TLSFailureProtocol, "the peer selected a protocol that was not offered (ALPN)"
	case strings.Contains(text, "server chose an unconfigured cipher suite"):
		return TLSFailureCipher, text
	default:
		return TLSFailureOther, text
	}
}

// plainText returns the text of err without the prefix of crypto/tls.
func plainText(err error) string { return strings.TrimPrefix(err.Error(), "tls: ") }

// dateFormat is the format of dates in errors.
const dateFormat = "2006-01-02 15:04 MST"

// describeCertificate describes why the peer's certificate was not accepted.
func describeCertificate(err *tls.CertificateVerificationError) (TLSFailure, string) {
	var leaf *x509.Certificate
	if len(err.UnverifiedCertificates) > 0 {
		leaf = err.UnverifiedCertificates[0]
	}
	if name, ok := errors.AsType[x509.HostnameError](err.Err); ok {
		return TLSFailureName, describeName(name)
	}
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err.Err); ok {
		if unknown.Cert != nil {
			leaf = unknown.Cert
		}
		return TLSFailureAuthority, describeAuthority(leaf)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err.Err); ok {
		return describeInvalid(invalid, leaf)
	}
	return TLSFailureCertificate, "its certificate cannot be verified: " + err.Err.Error()
}

func describeName(err x509.HostnameError) string {
	names := err.Certificate.DNSNames
	for _, ip := range err.Certificate.IPAddresses {
		names = append(names[:len(names):len(names)], ip.String())
	}
	if len(names) == 0 {
		return fmt.Sprintf("its certificate has no names, and %s is wanted", err.Host)
	}
	const shown = 5
	list := strings.Join(names[:min(len(names), shown)], ", ")
	if more := len(names) - shown; more > 0 {
		list = fmt.Sprintf("%s and %d more", list, more)
	}
	return fmt.Sprintf("its certificate is for %s, not for %s", list, err.Host)
}

func describeAuthority(certificate *x509.Certificate) string {
	switch {
	case certificate == nil:
		return "its certificate is signed by an authority that is not trusted"
	case certificate.Issuer.String() == certificate.Subject.String():
		return "its certificate is self-signed (" + certificate.Subject.String() + ") and not trusted"
	default:
		return "its certificate is signed by an authority that is not trusted: " + certificate.Issuer.String()
	}
}

func describeInvalid(err x509.CertificateInvalidError, leaf *x509.Certificate) (TLSFailure, string) {
	whose := "its certificate"
	if err.Cert != nil && leaf != nil && !err.Cert.Equal(leaf) {
		whose = "the certificate of its authority " + err.Cert.Subject.String()
	}
	switch {
	case err.Reason == x509.Expired && err.Cert != nil && time.Now().Before(err.Cert.NotBefore):
		return TLSFailureExpired, whose + " is not valid before " + err.Cert.NotBefore.UTC().Format(dateFormat)
	case err.Reason == x509.Expired && err.Cert != nil:
		return TLSFailureExpired, whose + " expired on " + err.Cert.NotAfter.UTC().Format(dateFormat)
	case err.Reason == x509.IncompatibleUsage:
		return TLSFailureCertificate, whose + " is not for TLS servers (extended key usage)"
	default:
		return TLSFailureCertificate, whose + " is not valid: " + strings.TrimPrefix(err.Error(), "x509: ")
	}
}

// describeCleartext describes an answer that is not TLS.
func describeCleartext(err tls.RecordHeaderError) (TLSFailure, string) {
	if string(err.RecordHeader[:]) == "HTTP/" {
		return TLSFailurePlainHTTP, "the peer does not use TLS on this port: it answered with HTTP in cleartext"
	}
	return TLSFailureNotTLS, fmt.Sprintf("the peer does not use TLS on this port: its answer begins with %q", err.RecordHeader[:])
}

// Alerts of RFC 8446 section 6.
const (
	alertHandshakeFailure      = 40
	alertBadCertificate        = 42
	alertCertificateUnknown    = 46
	alertUnknownCA             = 48
	alertAccessDenied          = 49
	alertProtocolVersion       = 70
	alertInsufficientSecurity  = 71
	alertUnrecognizedName      = 112
	alertCertificateRequired   = 116
	alertNoApplicationProtocol = 120
)

// peerAlert returns the alert that the peer has sent. Its type in crypto/tls is not exported.
func peerAlert(err error) (alert uint8, ok bool) {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" {
		return 0, false
	}
	v := reflect.ValueOf(op.Err)
	if v.Kind() != reflect.Uint8 {
		return 0, false
	}
	return uint8(v.Uint()), true
}

// describeAlert describes an alert of the peer.
func describeAlert(alert uint8, err error) (TLSFailure, string) {
	switch {
	case alert == alertCertificateRequired:
		return TLSFailureClientCertificate, "the peer requires a client certificate"
	case alert == alertUnknownCA:
		return TLSFailureClientCertificate, "the peer does not trust the authority of our client certificate"
	case alert >= alertBadCertificate && alert <= alertCertificateUnknown, alert == alertAccessDenied:
		return TLSFailureClientCertificate, "the peer requires a client certificate, or did not accept ours: " + alertText(err)
	case alert == alertProtocolVersion:
		return TLSFailureVersion, "no TLS version in common: " + alertText(err)
	case alert == alertHandshakeFailure, alert == alertInsufficientSecurity:
		return TLSFailureRefused, "the peer has no cipher suite in common, or requires a client certificate: " + alertText(err)
	case alert == alertUnrecognizedName:
		return TLSFailureName, "the peer does not serve this name (SNI)"
	case alert == alertNoApplicationProtocol:
		return TLSFailureProtocol, "no protocol in common (ALPN)"
	default:
		return TLSFailureRefused, "the peer refused the connection: " + alertText(err)
	}
}

// alertText returns the text of the alert in err.
func alertText(err error) string {
	op, _ := errors.AsType[*net.OpError](err)
	return plainText(op.Err)
}
