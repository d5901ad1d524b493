package certs

import (
	"crypto/tls"
	"slices"
	"sync/atomic"
)

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

// offersNone tells whether a client that uses ALPN names no protocol that is served. RFC 7301
// section 3.2 would have such a handshake fail; HTTP/1.1 needs no ALPN, so the extension is taken as
// absent instead.
func offersNone(client, served []string) bool {
	return len(client) > 0 && !slices.ContainsFunc(client, func(p string) bool {
		return slices.Contains(served, p)
	})
}
