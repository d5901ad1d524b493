// Package discovery finds the servers of a backend: by names that are looked up again as
// long as their records say, in a file that is watched, or in any other way that a program
// implements as a Source.
package discovery

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// Endpoint is a server that was found.
type Endpoint struct {
	// URL is the URL of the peer, as in client.Client.Origin: its scheme says what is
	// spoken, its host is the name that the certificate must have.
	URL string
	// Address is where connections go, host:port, in place of the URL's host and port; ""
	// for those.
	Address string
	// Weight is the share of requests in relation to other endpoints; 0 is 1.
	Weight int
	// Priority is the rank of the endpoint: those with the lowest number get all requests
	// as long as one of them may be asked (RFC 2782).
	Priority int
}

// Source finds the endpoints of a backend. Programs may implement their own.
type Source interface {
	// Watch calls found with all endpoints that are known, first and after each change,
	// until ctx ends; then it returns. It is called once, on a goroutine of its own, on
	// which it calls found. A source that knows nothing at the moment does not call found:
	// what was known stays in use. An empty list means that there are no endpoints.
	Watch(ctx context.Context, found func([]Endpoint))
}

// Fixed is a Source of endpoints that do not change.
type Fixed []Endpoint

// Watch implements Source.
func (f Fixed) Watch(ctx context.Context, found func([]Endpoint)) {
	found(f)
	<-ctx.Done()
}

// Join returns a Source of the endpoints of several sources. One that has found nothing yet
// does not keep back the others.
func Join(sources ...Source) Source {
	if len(sources) == 1 {
		return sources[0]
	}
	return joined(sources)
}

type joined []Source

// Watch implements Source.
func (j joined) Watch(ctx context.Context, found func([]Endpoint)) {
	type part struct {
		source    int
		endpoints []Endpoint
	}
	parts := make(chan part)
	var watching sync.WaitGroup
	for i, s := range j {
		watching.Go(func() {
			s.Watch(ctx, func(endpoints []Endpoint) {
				select {
				case parts <- part{i, endpoints}:
				case <-ctx.Done():
				}
			})
		})
	}
	defer watching.Wait()
	known := make([][]Endpoint, len(j))
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-parts:
			known[p.source] = p.endpoints
			found(unique(slices.Concat(known...)))
		}
	}
}

// unique returns the endpoints in order, without those whose URL and address have come
// before.
func unique(endpoints []Endpoint) []Endpoint {
	seen := make(map[[2]string]bool, len(endpoints))
	return slices.DeleteFunc(endpoints, func(e Endpoint) bool {
		key := [2]string{e.URL, e.Address}
		again := seen[key]
		seen[key] = true
		return again
	})
}

// sorted returns the endpoints without repetitions, in an order that depends on nothing
// else.
func sorted(endpoints []Endpoint) []Endpoint {
	slices.SortFunc(endpoints, func(a, b Endpoint) int {
		if n := strings.Compare(a.URL, b.URL); n != 0 {
			return n
		}
		return strings.Compare(a.Address, b.Address)
	})
	return unique(endpoints)
}
