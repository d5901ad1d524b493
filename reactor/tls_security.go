package reactor

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"
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
// without ALPN. The same goes for what a GetConfigForClient of config's returns. config itself is not
// changed, and ticket keys that it is given later go unnoticed.
//
// A config with both NextProtos and GetConfigForClient knows what it does and is returned as it is.
func WithProtocols(config *tls.Config, protocols ...string) *tls.Config {
	chooses := config.GetConfigForClient
	if chooses != nil && len(config.NextProtos) > 0 {
		return config
	}
	own := newALPNOffer(config, protocols)
	var last atomic.Pointer[alpnOffer]
	offering := own.offering.Clone()
	offering.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if chooses == nil {
			return own.choose(hello), nil
		}
		chosen, err := chooses(hello)
		switch {
		case err != nil:
			return nil, err
		case chosen == nil:
			return own.choose(hello), nil
		case len(chosen.NextProtos) > 0:
			return chosen, nil
		}
		// Most functions choose one config again and again: it is cloned once.
		o := last.Load()
		if o == nil || o.from != chosen {
			o = newALPNOffer(chosen, protocols)
			last.Store(o)
		}
		return o.choose(hello), nil
	}
	return offering
}

// alpnOffer is a config with and without ALPN.
type alpnOffer struct{ from, offering, plain *tls.Config }

func newALPNOffer(config *tls.Config, protocols []string) *alpnOffer {
	o := &alpnOffer{from: config, offering: config.Clone()}
	o.offering.GetConfigForClient = nil
	if len(o.offering.NextProtos) == 0 {
		o.offering.NextProtos = protocols
	}
	o.plain = o.offering.Clone()
	o.plain.NextProtos = nil
	return o
}

func (o *alpnOffer) choose(hello *tls.ClientHelloInfo) *tls.Config {
	if offersNone(hello.SupportedProtos, o.offering.NextProtos) {
		return o.plain
	}
	return o.offering
}
