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

func TestParseTLSOptions(t *testing.T) {
	for text, want := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13, "1.1": 0, "": 0, "13": 0} {
		if got, err := ParseTLSVersion(text); got != want || (err == nil) != (want != 0) {
			t.Errorf("version %q: %x, %v", text, got, err)
		}
	}
	for text, want := range map[string]tls.ClientAuthType{"none": tls.NoClientCert, "request": tls.VerifyClientCertIfGiven, "require": tls.RequireAndVerifyClientCert} {
		if got, err := ParseClientAuth(text); got != want || err != nil {
			t.Errorf("client authentication %q: %v, %v", text, got, err)
		}
	}
	if _, err := ParseClientAuth("maybe"); err == nil {
		t.Error("an unknown client authentication was taken")
	}
}

func TestWithProtocols(t *testing.T) {
	served := []string{"h2", "http/1.1"}
	for name, config := range map[string]*tls.Config{
		"of a user's own":    WithProtocols(serverConfig(t), served...),
		"of a store":         WithProtocols(opened(t, CertificateOptions{SelfSigned: true}).Config(), served...),
		"of a store's own":   opened(t, CertificateOptions{SelfSigned: true, Protocols: served}).Config(),
		"that is left alone": WithProtocols(opened(t, CertificateOptions{SelfSigned: true, Protocols: served}).Config(), "none"),
	} {
		for offered, want := range map[string]string{"h2": "h2", "http/1.1": "http/1.1", "imap": ""} {
			var machine tlsMachine
			memoryHandshake(t, &machine, config, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{offered}})
			if got := machine.conn.ConnectionState().NegotiatedProtocol; got != want {
				t.Errorf("config %s, offered %s: agreed on %q, want %q", name, offered, got, want)
			}
		}
	}
}
