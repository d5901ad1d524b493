package reactor

import (
	"crypto/tls"
	"testing"
)

func TestInadequateSecurity(t *testing.T) {
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		for _, version := range suite.SupportedVersions {
			state := &tls.ConnectionState{Version: version, CipherSuite: suite.ID}
			// RFC 9113 appendix A prohibits all that lack ECDHE or an AEAD.
			adequate := version == tls.VersionTLS13 || version == tls.VersionTLS12 && ephemeralAEAD[suite.Name]
			if got := InadequateSecurity(state); (got == "") != adequate {
				t.Errorf("%s with %s: %q", tls.VersionName(version), suite.Name, got)
			}
		}
	}
}

var ephemeralAEAD = map[string]bool{
	"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256":         true,
	"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384":         true,
	"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256":       true,
	"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384":       true,
	"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256":   true,
	"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": true,
}
