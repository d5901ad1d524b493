package client

import (
	"crypto/tls"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app"
)

// Origin is a server, or several that serve the same: where connections go, and how many.
// Every loop has its own connections to it. It may be used by any goroutine.
type Origin struct {
	client    *Client
	url       string // as given, for messages
	place     place
	options   OriginOptions
	tls       func() *tls.Config // of a new connection; nil: in the clear
	authority string

	known  atomic.Uint32 // what ALPN has selected last: 1 for HTTP/1, 2 for HTTP/2, 0 before
	closed atomic.Bool
	unkept atomic.Bool             // connections that become idle are closed
	pools  atomic.Pointer[[]*pool] // by loop.id; nil entries are not made yet
	slots  slots                   // for HTTP/1 connections
	kept   bool                    // the program has it; guarded by Client.mu
	mu     sync.Mutex              // for making pools and http1
	http1  *Origin                 // of HTTP1; nil: not made yet
}

// Origin returns the origin of a URL: SCHEME://HOST[:PORT], where http is HTTP/1.1, h2c
// HTTP/2 without TLS, https HTTP/2 or HTTP/1.1 as the server prefers, and h2 HTTP/2 over
// TLS; or SCHEME+unix:PATH for a socket. Calls with the same URL return the same origin,
// which has the options of the Client, and which is open until Origin.Close or Client.Close.
// Any goroutine.
func (c *Client) Origin(url string) (*Origin, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, err := c.originOf(url)
	if err != nil {
		return nil, err
	}
	o.kept = true
	return o, nil
}

// originOf returns the origin of a URL. c.mu is locked.
func (c *Client) originOf(url string) (*Origin, error) {
	if o := c.origins[url]; o != nil && !o.closed.Load() {
		return o, nil
	}
	o, err := c.newOrigin(url, c.options.Origins)
	if err != nil {
		return nil, err
	}
	c.makeRoom()
	c.origins[url] = o
	return o, nil
}

// NewOrigin returns an origin of its own, with options. It has to be closed. Any
// goroutine.
func (c *Client) NewOrigin(url string, options OriginOptions) (*Origin, error) {
	return c.newOrigin(url, options)
}

func (c *Client) newOrigin(url string, options OriginOptions) (*Origin, error) {
	at, err := parseOrigin(url)
	if err != nil {
		return nil, &Error{Kind: ClientMalformed, Safe: true, Err: err}
	}
	o := &Origin{client: c, url: strings.TrimSuffix(url, "/"), place: at, options: options.withDefaults(), authority: at.authority}
	if options.Authority != "" {
		o.authority = options.Authority
	}
	if options.HTTP1 && at.speaks == byALPN {
		o.place.speaks = onlyHTTP1
	}
	if at.scheme == "https" {
		o.tls = o.configTLS()
	}
	o.slots.most = int64(o.options.HTTP1Connections)
	o.pools.Store(new([]*pool))
	return o, nil
}

// makeRoom closes origins without requests when there are many, except those that the
// program has. c.mu is locked.
func (c *Client) makeRoom() {
	if len(c.origins) < maxOrigins {
		return
	}
	for url, o := range c.origins {
		if o.closed.Load() || !o.kept && o.Active() == 0 {
			delete(c.origins, url)
			o.Close()
		}
	}
}

// configTLS returns the function that returns the configuration of a new connection.
func (o *Origin) configTLS() func() *tls.Config {
	protocols := [...][]string{
		onlyHTTP1: {"http/1.1"},
		onlyHTTP2: {"h2"},
		byALPN:    {"h2", "http/1.1"},
	}[o.place.speaks]
	if o.options.Certificates != nil {
		return o.options.Certificates(o.place.host, protocols...)
	}
	config := &tls.Config{}
	if o.options.TLS != nil {
		config = o.options.TLS.Clone()
	}
	config.NextProtos = protocols
	if config.ServerName == "" {
		config.ServerName = o.place.host
	}
	if config.ClientSessionCache == nil {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	return func() *tls.Config { return config }
}

// protocol returns what a new connection is expected to speak; "" if that is not known.
func (o *Origin) protocol() string {
	switch {
	case o.place.speaks == onlyHTTP1:
		return app.HTTP11
	case o.place.speaks == onlyHTTP2:
		return app.HTTP2
	}
	return [...]string{"", app.HTTP11, app.HTTP2}[o.known.Load()]
}

// learn notes what ALPN has selected.
func (o *Origin) learn(protocol string) {
	known := uint32(1)
	if protocol == app.HTTP2 {
		known = 2
	}
	if o.known.Load() != known {
		o.known.Store(known)
	}
}

// Scheme returns "http" or "https". Any goroutine.
func (o *Origin) Scheme() string { return o.place.scheme }

// Authority returns host and port as requests name them. Any goroutine.
func (o *Origin) Authority() string { return o.authority }

// Address returns the address in the URL as for net.Dial, or the path of the socket. Any
// goroutine.
func (o *Origin) Address() string { return o.place.address }

// Close makes the origin refuse requests, with NoPeer. Those that wait fail as Drained,
// those under way go on, and connections are closed after their last one. Any goroutine.
func (o *Origin) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed.Swap(true) {
		return
	}
	for _, p := range *o.pools.Load() {
		if p != nil {
			p.loop.post(p.drain)
		}
	}
	if o.http1 != nil {
		o.http1.Close()
	}
}

// CloseIdle closes the connections without requests, and from now on each connection when
// its last request has ended: the origin is to be closed soon. Until then requests open
// new connections. Any goroutine.
func (o *Origin) CloseIdle() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.unkept.Swap(true) {
		return
	}
	for _, p := range *o.pools.Load() {
		if p != nil {
			p.loop.post(p.closeUnused)
		}
	}
	if o.http1 != nil {
		o.http1.CloseIdle()
	}
}

// poolOn returns the pool of a loop.
func (o *Origin) poolOn(l *loop) *pool {
	if pools := *o.pools.Load(); l.id < len(pools) && pools[l.id] != nil {
		return pools[l.id]
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	old := *o.pools.Load()
	pools := make([]*pool, max(len(old), l.id+1))
	copy(pools, old)
	pools[l.id] = newPool(o, l)
	o.pools.Store(&pools)
	return pools[l.id]
}
