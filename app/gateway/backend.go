package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway/config"
)

// Backend is a group of servers, its peers, of which any may answer a request. Every loop
// has its own connections to each. Any goroutine may use it.
type Backend struct {
	name    string
	client  *client.Client
	peers   []*peer
	builtIn app.Handler // the application inside the process answers; nil: peers do

	method    balanceMethod
	turns     []int // indices of peers, by weight
	turn      atomic.Uint64
	hashKind  config.KeyKind
	hashName  string
	cookie    string // the name of that of balanceCookie
	byCookie  map[string]*peer
	eject     ejection
	slowStart time.Duration
	notify    func(backend, peer string, event PeerEvent, err error) // may be nil
	stop      context.CancelFunc                                     // of health checks; nil: there are none
}

// ejection is when peers are ejected.
type ejection struct {
	off      bool
	failures int
	time     time.Duration // of the first
	most     float64       // part of the peers
}

// defaultEjection is that of config.Eject.
var defaultEjection = ejection{failures: 5, time: 10 * time.Second, most: 0.5}

// NewBackend returns a backend with these peers, URLs as those of client.Client.Origin:
// http, h2c, https or h2, or these with +unix.
func NewBackend(options client.OriginOptions, urls ...string) (*Backend, error) {
	return newBackend(newClient(), options, urls...)
}

// newClient returns a client for backends. Those of one gateway share it.
func newClient() *client.Client { return client.New(client.Options{Timeout: -1}) }

func newBackend(c *client.Client, options client.OriginOptions, urls ...string) (*Backend, error) {
	if len(urls) == 0 {
		return nil, errors.New("gateway: a backend needs a peer")
	}
	b := &Backend{client: c, eject: defaultEjection}
	for i, url := range urls {
		for _, other := range urls[:i] {
			if url == other {
				return nil, fmt.Errorf("gateway: the peer %q is given twice", url)
			}
		}
		origin, err := b.client.NewOrigin(url, options)
		if err != nil {
			return nil, fmt.Errorf("gateway: %w", err)
		}
		b.peers = append(b.peers, &peer{url: url, backend: b, origin: origin, counted: len(urls) > 1, weight: 1, id: hashText(url)})
	}
	b.setTurns()
	return b, nil
}

// mayEject reports whether p may be ejected too: a part of the peers at most, one at
// least, and never all.
func (b *Backend) mayEject(p *peer, now time.Time) bool {
	out := 1
	for _, q := range b.peers {
		if ok, _ := q.isAvailable(now); q != p && (!ok || q.ejected.Load()) {
			out++
		}
	}
	return out < len(b.peers) && out <= max(1, int(b.eject.most*float64(len(b.peers))))
}

// tell reports a change of a peer.
func (b *Backend) tell(p *peer, event PeerEvent, err error) {
	if b.notify != nil {
		b.notify(b.name, p.url, event, err)
	}
}

// Close makes the backend refuse requests. Those under way go on.
func (b *Backend) Close() {
	if b.stop != nil {
		b.stop()
	}
	for _, p := range b.peers {
		p.origin.Close()
	}
}

// Stats returns the counters of connections to the peers, together. Any goroutine.
func (b *Backend) Stats() (total client.Stats) {
	for _, p := range b.peers {
		addStats(&total, p.origin.Stats())
	}
	return total
}

func addStats(total *client.Stats, s client.Stats) {
	total.Active += s.Active
	total.Waiting += s.Waiting
	total.Connections += s.Connections
	total.Requests += s.Requests
	total.Retries += s.Retries
	total.Reused += s.Reused
	total.Dials += s.Dials
	for kind := range s.Failures {
		total.Failures[kind] += s.Failures[kind]
	}
}
