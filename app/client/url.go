package client

import (
	"fmt"
	"net"
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// protocols are what may be spoken to an origin.
type protocols uint8

const (
	onlyHTTP1 protocols = iota
	onlyHTTP2
	byALPN
)

// place is where the URL of an origin points.
type place struct {
	scheme    string // "http" or "https"
	speaks    protocols
	network   string // "tcp" or "unix"
	address   string // for dialling
	host      string // for TLS
	authority string
}

// schemes are those of URLs, without +unix.
var schemes = map[string]place{
	"http":  {scheme: "http", speaks: onlyHTTP1},
	"h2c":   {scheme: "http", speaks: onlyHTTP2},
	"https": {scheme: "https", speaks: byALPN},
	"h2":    {scheme: "https", speaks: onlyHTTP2},
}

// splitURL splits a URL into the part that names the origin, and the target. An empty
// target is "/". The URL of a unix socket has no target of its own.
func splitURL(url string) (origin, target string) {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok || strings.HasSuffix(scheme, "+unix") {
		return url, "/"
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		return url, "/"
	}
	origin, target = url[:len(scheme)+len("://")+end], rest[end:]
	if i := strings.IndexByte(target, '#'); i >= 0 {
		target = target[:i]
	}
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	return origin, target
}

// parseOrigin parses the URL of an origin, such as "h2c://127.0.0.1:9000" or
// "http+unix:/run/app.sock".
func parseOrigin(url string) (place, error) {
	scheme, rest, ok := strings.Cut(url, ":")
	name, unix := strings.CutSuffix(strings.ToLower(scheme), "+unix")
	p, known := schemes[name]
	switch {
	case !ok || !known:
		return p, fmt.Errorf("the URL %q has none of the schemes http, h2c, https, h2, and these with +unix", shownURL(url))
	case unix:
		return p.unix(url, rest)
	}
	rest, ok = strings.CutPrefix(rest, "//")
	rest = strings.TrimSuffix(rest, "/")
	p.authority = octets.Authority(p.scheme, rest)
	if !ok || p.authority == "" {
		return p, fmt.Errorf("the URL %q of an origin is not SCHEME://HOST[:PORT]", shownURL(url))
	}
	host, port, _ := octets.SplitAuthority(p.authority)
	if port == "" {
		port = octets.DefaultPort(p.scheme)
	}
	p.host = strings.Trim(host, "[]")
	p.network, p.address = "tcp", net.JoinHostPort(p.host, port)
	return p, nil
}

// unix completes the place of a socket.
func (p place) unix(url, path string) (place, error) {
	path = strings.TrimPrefix(path, "//")
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "@") {
		return p, fmt.Errorf("the URL %q has no absolute path of a socket", shownURL(url))
	}
	p.network, p.address = "unix", path
	p.host, p.authority = "localhost", "localhost"
	return p, nil
}
