// Package rival holds small servers to measure against: what Go programmers would use otherwise,
// and floors, which answer without understanding and show what the kernel and gnet alone cost.
package rival

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Content is what every server answers a GET of / with.
const Content = "Hello, World!"

// Options are what a server is started with.
type Options struct {
	Address  string // host:port to listen on
	Protocol string // "h1", "h2", "h1s", "h2s", "ws" or "ws-deflate"
	Cert     string // PEM files, for "h1s" and "h2s"
	Key      string

	Upstream string   // the protocol to Backends: "h1", "h2" or "h2s"
	Backends []string // URLs of app/client, for servers that ask others
}

func (o Options) secure() bool { return o.Protocol == "h1s" || o.Protocol == "h2s" }

// goURLs returns the URLs of the backends with the schemes that Go knows.
func (o Options) goURLs() []string {
	urls := make([]string, len(o.Backends))
	for i, u := range o.Backends {
		_, host, _ := strings.Cut(u, "://")
		scheme := "http://"
		if o.Upstream == "h2s" {
			scheme = "https://"
		}
		urls[i] = scheme + host
	}
	return urls
}

// clientProtocols returns what a transport of net/http speaks to the backends.
func (o Options) clientProtocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(o.Upstream == "h1")
	p.SetUnencryptedHTTP2(o.Upstream == "h2")
	p.SetHTTP2(o.Upstream == "h2s")
	return p
}

var servers = map[string]func(Options) error{
	"floor":    floor,
	"net/http": netHTTP,
	"adapter":  adapter,
	"fasthttp": fastHTTP,
	"gorilla":  gorilla,
	"nbio":     nbioMixed,

	"gorilla-room":    gorillaRoom,
	"nbio-room":       nbioRoom,
	"nbio-poller":     nbioPoller,
	"net/http-events": netHTTPEvents,

	"grpc-go":       grpcNative,
	"grpc-net/http": grpcNetHTTP,
	"grpc-adapter":  grpcAdapter,

	"backend":          backend,
	"ReverseProxy":     reverseProxy,
	"fanout-gatewheel": fanoutGatewheel,
	"fanout-net/http":  fanoutNetHTTP,
	"fanout-fasthttp":  fanoutFastHTTP,
}

// Serve runs the named server until it fails.
func Serve(name string, o Options) error {
	serve, ok := servers[name]
	if !ok {
		var names []string
		for n := range servers {
			names = append(names, n)
		}
		slices.Sort(names)
		return fmt.Errorf("no rival %q; there are %s", name, strings.Join(names, ", "))
	}
	return serve(o)
}

func unspoken(name, protocol string) error {
	return fmt.Errorf("%s does not speak %s here", name, protocol)
}
