// Package rival holds small servers to measure against: what Go programmers would use otherwise,
// and floors, which answer without understanding and show what the kernel and gnet alone cost.
package rival

import (
	"fmt"
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
}

var servers = map[string]func(Options) error{
	"floor":    floor,
	"net/http": netHTTP,
	"fasthttp": fastHTTP,
	"gorilla":  gorilla,
	"nbio":     nbioServer,
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
