package reactor

import (
	"crypto/tls"
	"fmt"
)

// ParseTLSVersion reads 1.2 or 1.3, the versions that are served.
func ParseTLSVersion(text string) (uint16, error) {
	switch text {
	case "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("TLS version %q is not served: write 1.2 or 1.3", text)
}

// ParseClientAuth reads none, request (a certificate may be missing, but not wrong) or require.
func ParseClientAuth(text string) (tls.ClientAuthType, error) {
	switch text {
	case "none":
		return tls.NoClientCert, nil
	case "request":
		return tls.VerifyClientCertIfGiven, nil
	case "require":
		return tls.RequireAndVerifyClientCert, nil
	}
	return 0, fmt.Errorf("client authentication %q is not known: write none, request or require", text)
}

// InadequateSecurity says why a connection may not carry a protocol with the demands of RFC 9113
// section 9.2; empty: it may. Compression and renegotiation, which that section forbids too,
// crypto/tls does not have on the server's side.
func InadequateSecurity(state *tls.ConnectionState) string {
	if state.Version >= tls.VersionTLS13 {
		return ""
	}
	if state.Version < tls.VersionTLS12 {
		// RFC 9113 section 9.2: TLS 1.2 or higher.
		return tls.VersionName(state.Version) + " is too old"
	}
	// RFC 9113 section 9.2.2: the suites of its appendix A are prohibited, which are all of those
	// without an ephemeral key exchange or without an AEAD. Named here are the others that crypto/tls
	// can agree on, so that one it learns later is refused until somebody has looked at it.
	switch state.CipherSuite {
	case tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
		return ""
	}
	return tls.CipherSuiteName(state.CipherSuite) + " is prohibited"
}

// WithProtocols returns config with what a listener of HTTP needs and config leaves open: protocols
// are offered by ALPN unless config offers some, and a client that names none of them is served
// without ALPN. config itself is not changed; one with a GetConfigForClient of its own is left to
// that.
func WithProtocols(config *tls.Config, protocols ...string) *tls.Config {
	if config.GetConfigForClient != nil {
		return config
	}
	offering := config.Clone()
	if len(offering.NextProtos) == 0 {
		offering.NextProtos = protocols
	}
	plain := offering.Clone()
	plain.NextProtos = nil
	offering.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if offersNone(hello.SupportedProtos, offering.NextProtos) {
			return plain, nil
		}
		return nil, nil
	}
	return offering
}
