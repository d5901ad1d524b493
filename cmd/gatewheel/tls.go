//go:build linux

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/reactor/certs"
)

type tlsFlags struct {
	ListenTLS        []string `name:"listen-tls" placeholder:"ADDRESS" group:"listen" help:"Address for HTTP/1.1 and HTTP/2 over TLS, written as for --listen. Repeatable."`
	Cert             []string `name:"tls-cert" placeholder:"FILE" help:"PEM file with a certificate and its chain. Repeatable: the server name of the client selects one. Reloaded when it changes and on SIGHUP."`
	Key              []string `name:"tls-key" placeholder:"FILE" help:"PEM file with the key of the --tls-cert in the same position. Repeatable."`
	SelfSigned       bool     `name:"tls-self-signed" help:"Create a certificate in memory, for a first try; its fingerprint is printed at the start."`
	MinVersion       string   `name:"tls-min-version" enum:"1.2,1.3" default:"1.2" help:"Minimum TLS version: ${enum}."`
	ClientCA         []string `name:"tls-client-ca" placeholder:"FILE" help:"PEM file with authorities that verify client certificates. Repeatable."`
	ClientAuth       string   `name:"tls-client-auth" enum:"none,request,require" default:"none" help:"Client certificates: ${enum}."`
	HandshakeTimeout period   `name:"tls-handshake-timeout" from:"1ms" default:"10s" help:"Time for a TLS handshake and a PROXY header together."`
}

// certificates opens the certificates of the TLS listeners; nil if there are none. secrets are those of the process that
// this one replaces, or nil. A wrong combination of flags is a usage error, an unreadable file is not.
func (f *tlsFlags) certificates(http2 bool, secrets []byte, log *zap.Logger) (*certs.Store, error) {
	if err := f.check(); err != nil {
		return nil, usage(err)
	}
	if len(f.ListenTLS) == 0 {
		return nil, nil
	}
	options := certs.Options{
		SelfSigned: f.SelfSigned,
		ClientCAs:  f.ClientCA,
		Protocols:  []string{"http/1.1"},
		Secrets:    secrets,
		Logger:     log,
	}
	if http2 {
		options.Protocols = []string{"h2", "http/1.1"}
	}
	for i, cert := range f.Cert {
		options.Pairs = append(options.Pairs, certs.Pair{Certificate: cert, Key: f.Key[i]})
	}
	if f.MinVersion == "1.3" {
		options.MinVersion = tls.VersionTLS13
	}
	switch f.ClientAuth {
	case "request":
		options.ClientAuth = tls.VerifyClientCertIfGiven
	case "require":
		options.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if err := f.readable(); err != nil {
		return nil, err
	}
	return certs.Open(options)
}

// readable returns an error for each file that cannot be opened, with the flag that names it.
func (f *tlsFlags) readable() error {
	var failures []error
	for _, named := range []struct {
		flag  string
		files []string
	}{{"--tls-cert", f.Cert}, {"--tls-key", f.Key}, {"--tls-client-ca", f.ClientCA}} {
		for _, name := range named.files {
			file, err := os.Open(name)
			if err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", named.flag, err))
				continue
			}
			_ = file.Close()
		}
	}
	return errors.Join(failures...)
}

func (f *tlsFlags) check() error {
	switch {
	case len(f.Cert) != len(f.Key):
		return errors.New("--tls-cert and --tls-key come in pairs")
	case len(f.ListenTLS) == 0 && (len(f.Cert) > 0 || f.SelfSigned || len(f.ClientCA) > 0 || f.ClientAuth != "none"):
		return errors.New("TLS flags have no effect without --listen-tls")
	case len(f.ListenTLS) > 0 && len(f.Cert) == 0 && !f.SelfSigned:
		return errors.New("--listen-tls needs --tls-cert and --tls-key, or --tls-self-signed")
	case f.ClientAuth != "none" && len(f.ClientCA) == 0:
		return errors.New("--tls-client-auth needs --tls-client-ca")
	case f.ClientAuth == "none" && len(f.ClientCA) > 0:
		return errors.New("--tls-client-ca needs --tls-client-auth request or require")
	}
	return nil
}
