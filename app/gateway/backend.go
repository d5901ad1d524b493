package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/discovery"
)

// Backend is a group of servers, its peers, of which any may answer a request. Every loop
// has its own connections to each. Any goroutine may use it.
type Backend struct {
	name    string
	client  *client.Client
	shared  *shared
	set     atomic.Pointer[peerSet]
	options client.OriginOptions // of the peers
	counted bool                 // there are several peers, or may be
	builtIn app.Handler          // the application inside the process answers; nil: peers do

	method    balanceMethod
	turn      atomic.Uint64
	hashKind  config.KeyKind
	hashName  string
	cookie    string // the name of that of balanceCookie
	eject     ejection
	slowStart time.Duration
	sharing   sharing
	ejected   atomic.Int32                                           // peers that are ejected
	notify    func(backend, peer string, event PeerEvent, err error) // may be nil

	mu       sync.Mutex // for changes of set
	life     context.Context
	end      context.CancelFunc // of life, which ends the watching and the health checks
	watching sync.WaitGroup
	found    chan struct{}                          // closed when peers were found first
	health   func(p *peer) (stop func(), err error) // begins health checks; nil: there are none
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

// BackendOptions configures a backend that no file describes. The zero value is useful.
type BackendOptions struct {
	// Origins are the options of the connections to the peers.
	Origins client.OriginOptions
	// PeerChanged is Options.PeerChanged, for this backend.
	PeerChanged func(backend, peer string, event PeerEvent, err error)
	// Resolver looks up the names of peers; nil is discovery.System.
	Resolver *discovery.Resolver
}

// NewBackend is OpenBackend with options of connections alone.
func NewBackend(options client.OriginOptions, urls ...string) (*Backend, error) {
	return OpenBackend(BackendOptions{Origins: options}, urls...)
}

// OpenBackend returns a backend with these peers, URLs as those of config.Peer: http, h2c,
// https or h2, or these with +unix or srv+. Each address of a name is a peer; names are
// looked up again as long as their records say. It waits for the first look-up, for 2 s at
// most. The backend has to be closed.
func OpenBackend(o BackendOptions, urls ...string) (*Backend, error) {
	if len(urls) == 0 {
		return nil, errors.New("gateway: a backend needs a peer")
	}
	var peers []config.Peer
	for i, url := range urls {
		u, err := config.ParsePeerURL(url)
		switch {
		case err != nil:
			return nil, fmt.Errorf("gateway: %q: %w", url, err)
		case u.Target:
			return nil, errors.New("gateway: target: is for a backend of a file")
		case slices.Contains(urls[:i], url):
			return nil, fmt.Errorf("gateway: the peer %q is given twice", url)
		}
		peers = append(peers, config.Peer{URL: url})
	}
	s := newShared()
	b := newEmptyBackend(s, o.Origins)
	b.notify = o.PeerChanged
	names, fixed := s.namesOf(peers, o.Resolver, func(err error) { b.tell(nil, PeersUnknown, err) })
	b.counted = len(names) > 0 || len(fixed) > 1
	return b.open(discovery.Join(withFixed(names, fixed)...), fixed, len(names) == 0)
}

// open returns b with its first peers: those of fixed if all are known, else those that the
// source finds in time.
func (b *Backend) open(source discovery.Source, fixed discovery.Fixed, known bool) (*Backend, error) {
	if !known {
		b.watch(source)
		return b, nil
	}
	if err := b.update(fixed); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// shared is what the backends of one gateway have in common.
type shared struct {
	client        *client.Client
	loops         loopList // for health checks
	cookieKey     []byte   // signs the cookies of balance: cookie
	failedLookUps atomic.Uint64
}

func newShared() *shared {
	s := &shared{client: client.New(client.Options{Timeout: -1}), cookieKey: make([]byte, 32)}
	_, _ = rand.Read(s.cookieKey) // it never fails
	return s
}

func newEmptyBackend(s *shared, options client.OriginOptions) *Backend {
	b := &Backend{client: s.client, shared: s, options: options, eject: defaultEjection, found: make(chan struct{})}
	b.life, b.end = context.WithCancel(context.Background())
	b.set.Store(&peerSet{backend: b})
	return b
}

// reserveEjection reports whether p may be ejected too, and counts it: b.eject.most of the
// peers at most, one at least, and never the last that may be asked.
func (b *Backend) reserveEjection(p *peer, now time.Time) bool {
	peers := b.set.Load().peers
	others := false
	for _, q := range peers {
		if ok, probe := q.isAvailable(now); q != p && ok && !probe {
			others = true
			break
		}
	}
	limit := max(1, int(b.eject.most*float64(len(peers))))
	for others {
		n := b.ejected.Load()
		if int(n) >= min(limit, len(peers)-1) {
			return false
		}
		if b.ejected.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

// tell reports a change of a peer; p is nil if all are concerned.
func (b *Backend) tell(p *peer, event PeerEvent, err error) {
	if b.notify == nil {
		return
	}
	name := ""
	if p != nil {
		name = p.name()
	}
	b.notify(b.name, name, event, err)
}

// Close makes the backend refuse requests. Those under way go on.
func (b *Backend) Close() {
	if b.end == nil {
		return // the built-in application
	}
	b.mu.Lock()
	b.end()
	b.mu.Unlock()
	b.watching.Wait()
	for _, p := range b.set.Load().peers {
		p.origin.Close()
	}
}

// Stats returns the counters of connections to the peers, together. Any goroutine.
func (b *Backend) Stats() (total client.Stats) {
	if b.end == nil {
		return total
	}
	for _, p := range b.set.Load().peers {
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
	total.Connect.Add(&s.Connect)
}
