package rival

import (
	"crypto/tls"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
)

// reverseProxy is the gateway of Go's standard library. Its transport keeps as many idle
// connections as there are clients, and its buffers are used again.
func reverseProxy(o Options) error {
	to, err := url.Parse(o.goURLs()[0])
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{
			Protocols:           o.clientProtocols(),
			TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, // the certificate was made for this run
			MaxIdleConnsPerHost: 20000, DisableCompression: true,
		},
		BufferPool: &buffers{},
	}
	return serveNetHTTP(o, proxy)
}

// buffers is a httputil.BufferPool.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }
