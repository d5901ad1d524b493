package server

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/reactor"
)

// ParseListeners returns a listener for each address, in the form of the flag --listen (see reactor.ParseListenAddress).
// "systemd" can be several. Fields other than the address are those of like.
func ParseListeners(addresses []string, like reactor.ListenerConfig) ([]reactor.ListenerConfig, error) {
	var all []reactor.ListenerConfig
	for _, text := range addresses {
		parsed, err := reactor.ParseListenAddress(text)
		if err != nil {
			return nil, err
		}
		for _, l := range parsed {
			at := like
			at.Network, at.Address, at.File = l.Network, l.Address, l.File
			all = append(all, at)
		}
	}
	return all, nil
}

// gatherListeners appends to Listeners those of Listen, ListenTLS and RedirectHTTPS, in this order, and checks all.
func (c *Config) gatherListeners() error {
	switch {
	case len(c.ListenTLS) > 0 && c.TLS == nil:
		return errors.New("server: Config.ListenTLS needs Config.TLS")
	case len(c.ListenTLS) == 0 && c.TLS != nil:
		return errors.New("server: Config.TLS has no effect without Config.ListenTLS")
	}
	c.redirect = &redirector{}
	all := slices.Clone(c.Listeners)
	for _, kind := range []struct {
		addresses []string
		like      reactor.ListenerConfig
	}{
		{c.Listen, reactor.ListenerConfig{}},
		{c.ListenTLS, reactor.ListenerConfig{TLS: c.TLS}},
		{c.RedirectHTTPS, reactor.ListenerConfig{Value: app.Handler(c.redirect.serve)}},
	} {
		parsed, err := ParseListeners(kind.addresses, kind.like)
		if err != nil {
			return fmt.Errorf("server: %w", err)
		}
		all = append(all, parsed...)
	}
	if len(all) == 0 {
		return errors.New("server: there is no address to listen on: set Config.Listen, ListenTLS or Listeners")
	}
	for i := range all {
		if err := setHandler(&all[i]); err != nil {
			return err
		}
	}
	if err := reactor.CheckListeners(all); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	c.Listeners = all
	return nil
}

// setHandler makes a handler in Value an app.Handler.
func setHandler(l *reactor.ListenerConfig) error {
	switch h := l.Value.(type) {
	case nil, app.Handler:
	case func(*app.Request) app.Answer:
		l.Value = app.Handler(h)
	default:
		return fmt.Errorf("server: the Value of a listener is a %T, want an app.Handler", h)
	}
	return nil
}
