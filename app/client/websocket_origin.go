package client

// HTTP1 returns the origin for the same server by HTTP/1.1, to which it can be asked for a
// WebSocket if it takes none over HTTP/2. It is nil if the URL's scheme leaves no choice of
// the protocol. It is closed with o. Any goroutine.
func (o *Origin) HTTP1() *Origin {
	if o.place.speaks != byALPN {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.http1 == nil {
		h := &Origin{client: o.client, url: o.url, place: o.place, options: o.options, authority: o.authority}
		h.place.speaks = onlyHTTP1
		h.tls = h.configTLS()
		h.slots.most = int64(o.options.HTTP1Connections)
		h.pools.Store(new([]*pool))
		if o.closed.Load() {
			h.closed.Store(true)
		}
		o.http1 = h
	}
	return o.http1
}
