package reactor

import "crypto/tls"

// InadequateSecurity returns the reason for which a connection may not carry HTTP/2 by RFC 9113 section 9.2; empty if
// it may. That section also forbids compression and renegotiation, which crypto/tls does not have as a server.
func InadequateSecurity(state *tls.ConnectionState) string {
	if state.Version >= tls.VersionTLS13 {
		return ""
	}
	if state.Version < tls.VersionTLS12 {
		// RFC 9113 section 9.2: TLS 1.2 or higher.
		return tls.VersionName(state.Version) + " is too old"
	}
	// RFC 9113 section 9.2.2 prohibits the suites of its appendix A: all without an ephemeral key exchange
	// or without an AEAD. These are the other suites of crypto/tls, so that one that is added there is
	// refused until it was looked at.
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
