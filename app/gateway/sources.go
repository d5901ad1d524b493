package gateway

import (
	"errors"

	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/discovery"
)

// sourceOf returns what finds the peers of a backend; or fixed, if all of them are known.
// failed is told of look-ups that fail.
func (s *shared) sourceOf(b *config.Backend, parts Parts, failed func(error)) (source discovery.Source, fixed discovery.Fixed, err error) {
	if path := b.Peers.File; path != "" {
		if parts.ReadPeers == nil {
			return nil, nil, errors.New("a file of peers needs Parts.ReadPeers")
		}
		return &discovery.File{Path: parts.path(path), Failed: failed, Read: func(path string) ([]discovery.Source, error) {
			peers, err := parts.ReadPeers(path)
			if err != nil {
				return nil, err
			}
			names, fixed := s.namesOf(peers, parts.Resolver, failed)
			return withFixed(names, fixed), nil
		}}, nil, nil
	}
	names, fixed := s.namesOf(b.Peers.List, parts.Resolver, failed)
	if len(names) == 0 {
		return nil, fixed, nil
	}
	return discovery.Join(withFixed(names, fixed)...), nil, nil
}

// withFixed returns the names and, if there are any, the other peers.
func withFixed(names []discovery.Source, fixed discovery.Fixed) []discovery.Source {
	if len(fixed) > 0 {
		names = append(names, fixed)
	}
	return names
}

// namesOf returns the names among peers that are looked up, and the other peers. localhost
// is not looked up: it is this host, however many addresses it has.
func (s *shared) namesOf(peers []config.Peer, resolver *discovery.Resolver, failed func(error)) (names []discovery.Source, fixed discovery.Fixed) {
	for _, p := range peers {
		u, _ := config.ParsePeerURL(p.URL) // checked before
		if !u.SRV && (u.Unix != "" || u.Address() || u.Host == "localhost") {
			fixed = append(fixed, discovery.Endpoint{URL: p.URL, Weight: p.Weight})
			continue
		}
		names = append(names, &discovery.Name{
			Scheme: u.Scheme, Host: u.Host, Port: u.Port, SRV: u.SRV, Weight: p.Weight, Resolver: resolver,
			Failed: failed, Total: &s.failedLookUps,
		})
	}
	return names, fixed
}
