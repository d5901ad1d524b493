package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"

	"go.uber.org/zap"
)

// Pair names the PEM files of a certificate, with its chain, and of its key.
type Pair struct{ Certificate, Key string }

// Options configure a Store.
type Options struct {
	// Pairs are chosen by the name that a client asks for (SNI); the first is for clients that ask for none of their
	// names. Of several pairs for one name, ECDSA and RSA for example, the first that the client supports is chosen.
	Pairs []Pair
	// SelfSigned adds, after Pairs, a certificate made in memory for localhost, this machine's name, the loopback
	// addresses and SelfSignedNames.
	SelfSigned      bool
	SelfSignedNames []string
	// MinVersion is the oldest version served; zero means TLS 1.2.
	MinVersion uint16
	// Protocols are offered by ALPN, the preferred one first. A client whose ALPN names none of them is
	// refused (RFC 7301 section 3.2). Empty leaves the choice to WithProtocols.
	Protocols []string
	// ClientCAs are PEM files with the authorities that client certificates are verified against.
	ClientCAs []string
	// ClientAuth is tls.NoClientCert, tls.VerifyClientCertIfGiven or
	// tls.RequireAndVerifyClientCert. All but the first need ClientCAs.
	ClientAuth tls.ClientAuthType
	// Secrets are those of the Store that this one replaces, from Store.Secrets: sessions of its clients are resumed, and
	// its self-signed certificate stays, unless it ends within a week or has other names. Nil: there is none.
	Secrets []byte
	// Logger gets a line for each loaded pair and for each that cannot be used. Without it and Slog, they go to standard error;
	// zap.NewNop() turns the log off.
	Logger *zap.Logger
	// Slog gets the lines if Logger is nil.
	Slog *slog.Logger
}

// ErrNoCertificate is returned by Open for options without any.
var ErrNoCertificate = errors.New("a TLS listener needs a certificate: name a pair of files or ask for a self-signed one")

func (o *Options) check() error {
	switch {
	case len(o.Pairs) == 0 && !o.SelfSigned:
		return ErrNoCertificate
	case o.ClientAuth != tls.NoClientCert && o.ClientAuth != tls.VerifyClientCertIfGiven && o.ClientAuth != tls.RequireAndVerifyClientCert:
		return fmt.Errorf("client authentication %v would accept certificates that nobody verified", o.ClientAuth)
	case o.ClientAuth != tls.NoClientCert && len(o.ClientCAs) == 0:
		return errors.New("client certificates need an authority to be verified against")
	case o.ClientAuth == tls.NoClientCert && len(o.ClientCAs) > 0:
		return errors.New("authorities for client certificates are of no use without client authentication")
	}
	return checkMinVersion(o.MinVersion)
}

// checkMinVersion checks a MinVersion of Options or ClientOptions.
func checkMinVersion(version uint16) error {
	if version != 0 && (version < tls.VersionTLS12 || version > tls.VersionTLS13) {
		return fmt.Errorf("TLS version %s cannot be the oldest one: only 1.2 and 1.3 can", tls.VersionName(version))
	}
	return nil
}

// minVersion returns the version that a MinVersion stands for.
func minVersion(version uint16) uint16 {
	if version == 0 {
		return tls.VersionTLS12
	}
	return version
}

// ParseVersion parses 1.2 or 1.3, the versions that are served.
func ParseVersion(text string) (uint16, error) {
	switch text {
	case "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("TLS version %q is not served: write 1.2 or 1.3", text)
}

// ParseClientAuth parses none, request (a certificate may be missing, but not invalid) or require.
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
