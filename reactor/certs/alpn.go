package certs

import (
	"crypto/tls"
	"sync/atomic"
)

// WithProtocols returns a copy of config that offers protocols by ALPN, unless config offers some. The same goes
// for the configs that GetConfigForClient of config returns. Session ticket keys that config is given later do not reach
// the copy. A config with both NextProtos and GetConfigForClient is returned as it is.
//
// A client that uses no ALPN is served. One whose ALPN names none of the protocols is refused with the alert
// no_application_protocol, as RFC 7301 section 3.2 demands: so no client of another protocol can be made to
// send its bytes to this server.
func WithProtocols(config *tls.Config, protocols ...string) *tls.Config {
	choose := config.GetConfigForClient
	switch {
	case choose == nil:
		return offering(config, protocols)
	case len(config.NextProtos) > 0:
		return config
	}
	own := offering(config, protocols)
	var last atomic.Pointer[offer]
	own.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		chosen, err := choose(hello)
		if err != nil || chosen == nil || len(chosen.NextProtos) > 0 {
			return chosen, err
		}
		// Most functions choose one config again and again: it is copied once.
		o := last.Load()
		if o == nil || o.of != chosen {
			o = &offer{chosen, offering(chosen, protocols)}
			last.Store(o)
		}
		return o.made, nil
	}
	return own
}

// offer is a config and its copy that offers protocols.
type offer struct{ of, made *tls.Config }

// offering returns a copy of config that offers protocols unless config offers some.
func offering(config *tls.Config, protocols []string) *tls.Config {
	own := config.Clone()
	if len(own.NextProtos) == 0 {
		own.NextProtos = protocols
	}
	return own
}
