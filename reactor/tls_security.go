package reactor

import "crypto/tls"

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
