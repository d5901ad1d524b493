package server

import (
	"net"
	"strconv"
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/reactor"
)

// defaultHTTPSPort is the port of https URLs that name none (RFC 9110 section 4.2.2).
const defaultHTTPSPort = 443

// RedirectHTTPS returns a handler that answers each request with 308 and its URL under https, with that port. Requests
// without a host or a path (HTTP/1.0, OPTIONS *) are answered with 400.
func RedirectHTTPS(port uint16) app.Handler {
	return func(r *app.Request) app.Answer { return app.Ready(redirectHTTPS(r, port)) }
}

// redirector is the handler of Config.RedirectHTTPS. The port is set when the listeners are open.
type redirector struct{ port atomic.Uint32 }

func (d *redirector) serve(r *app.Request) app.Answer {
	return app.Ready(redirectHTTPS(r, uint16(d.port.Load())))
}

func redirectHTTPS(r *app.Request, port uint16) *app.Response {
	host := withoutPort(r.Authority)
	if host == "" || r.RawPath == "" || r.RawPath[0] != '/' {
		return app.Error(400, "this address only redirects to https")
	}
	if port != defaultHTTPSPort {
		host += ":" + strconv.Itoa(int(port))
	}
	location := "https://" + host + r.RawPath
	if r.RawQuery != "" {
		location += "?" + r.RawQuery
	}
	return app.Redirect(308, location)
}

// httpsPort returns the port of the first TCP listener with TLS; 443 if there is none.
func httpsPort(listeners []reactor.ListenerConfig, addresses []net.Addr) uint16 {
	for i, a := range addresses {
		if tcp, ok := a.(*net.TCPAddr); ok && listeners[i].TLS != nil {
			return uint16(tcp.Port)
		}
	}
	return defaultHTTPSPort
}

// withoutPort returns the host of an authority; that of an IPv6 address is in brackets.
func withoutPort(authority string) string {
	host, _, err := net.SplitHostPort(authority)
	switch {
	case err != nil:
		return authority // it has no port
	case len(host) > 0 && authority[0] == '[':
		return "[" + host + "]"
	}
	return host
}
