package discovery

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Bounds of the time between two look-ups of a name.
const (
	minTTL = time.Second
	maxTTL = 5 * time.Minute
)

// Name is a Source of the addresses of a name, which is looked up again when its records
// end, at least every 5 minutes and at most every second. A look-up that fails, or finds
// that the name does not exist any more, leaves what was known in force.
type Name struct {
	// Scheme is that of the endpoints' URLs, such as h2c.
	Scheme string
	// Host and Port are what is looked up. With SRV, Host is the name of SRV records
	// (RFC 2782), which have the ports.
	Host, Port string
	SRV        bool
	// Weight is that of each address; for SRV records it multiplies theirs.
	Weight int
	// Resolver looks names up; nil is System.
	Resolver *Resolver
	// Failed, if not nil, is told of the first failure, and of the first after a success.
	// It is called on the goroutine of the source.
	Failed func(error)

	// Total, if not nil, counts failures too, such as those of several names.
	Total *atomic.Uint64

	failures atomic.Uint64
}

// Failures returns the number of look-ups that have failed. Any goroutine.
func (n *Name) Failures() uint64 { return n.failures.Load() }

// Watch implements Source.
func (n *Name) Watch(ctx context.Context, found func([]Endpoint)) {
	resolver := n.Resolver
	if resolver == nil {
		resolver = System
	}
	var known []Endpoint
	told, failing := false, false
	for pause := minTTL; ; {
		endpoints, ttl, err := n.lookUp(ctx, resolver)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			n.failures.Add(1)
			if n.Total != nil {
				n.Total.Add(1)
			}
			if !failing && n.Failed != nil {
				n.Failed(err)
			}
			failing = true
			ttl = pause
			pause = min(2*pause, maxFailurePause)
		default:
			failing, pause = false, minTTL
			if !told || !slices.Equal(endpoints, known) {
				told, known = true, endpoints
				found(slices.Clone(endpoints))
			}
		}
		ttl = min(max(ttl, minTTL), maxTTL)
		// Servers that share a name are not to ask at once.
		timer := time.NewTimer(ttl + rand.N(ttl/10+1))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// maxFailurePause limits the time after a look-up that has failed.
const maxFailurePause = 30 * time.Second

// lookUp returns the endpoints, in order, and how long they may be used.
func (n *Name) lookUp(ctx context.Context, r *Resolver) ([]Endpoint, time.Duration, error) {
	if n.SRV {
		return n.lookUpSRV(ctx, r)
	}
	addresses, ttl, err := r.Addresses(ctx, n.Host)
	if err != nil {
		return nil, 0, err
	}
	endpoints := n.endpoints(nil, n.Host, n.Port, addresses, max(n.Weight, 1), 0)
	return sorted(endpoints), ttl, nil
}

func (n *Name) lookUpSRV(ctx context.Context, r *Resolver) ([]Endpoint, time.Duration, error) {
	services, ttl, err := r.Services(ctx, n.Host)
	if err != nil {
		return nil, 0, err
	}
	var endpoints []Endpoint
	var failure error
	for _, s := range services {
		addresses, targetTTL, err := r.Addresses(ctx, s.Target)
		if err != nil {
			failure = err
			continue // the others may be asked
		}
		ttl = min(ttl, targetTTL)
		// A weight of 0 is for targets that are to get few requests.
		weight := max(s.Weight, 1) * max(n.Weight, 1)
		endpoints = n.endpoints(endpoints, s.Target, strconv.Itoa(int(s.Port)), addresses, weight, s.Priority)
	}
	if len(endpoints) == 0 && failure != nil {
		return nil, 0, failure
	}
	return sorted(endpoints), ttl, nil
}

// endpoints appends the addresses of a host.
func (n *Name) endpoints(to []Endpoint, host, port string, addresses []netip.Addr, weight, priority int) []Endpoint {
	host = strings.TrimSuffix(host, ".")
	for _, a := range addresses {
		to = append(to, Endpoint{
			URL:      n.Scheme + "://" + net.JoinHostPort(host, port),
			Address:  net.JoinHostPort(a.String(), port),
			Weight:   weight,
			Priority: priority,
		})
	}
	return to
}
