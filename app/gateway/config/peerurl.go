package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// PeerURL is a parsed URL of a peer.
type PeerURL struct {
	// Scheme is http, h2c, https or h2; "" for the built-in application.
	Scheme string
	// Target is set for target:, the built-in application.
	Target bool
	// SRV is set if Host is the name of SRV records.
	SRV bool
	// Unix is the path of a socket, or "".
	Unix string
	// Host is the host in normal form, an IPv6 address with brackets.
	Host string
	// Port is the port; "" for sockets and SRV records.
	Port string
}

// TLS reports whether connections use TLS.
func (u PeerURL) TLS() bool { return u.Scheme == "https" || u.Scheme == "h2" }

// Address reports whether the host is an IP address, which no certificate authority names
// as a host.
func (u PeerURL) Address() bool {
	_, err := netip.ParseAddr(strings.Trim(u.Host, "[]"))
	return err == nil
}

// peerSchemes are the schemes with their default ports.
var peerSchemes = map[string]string{"http": "80", "h2c": "80", "https": "443", "h2": "443"}

// ParsePeerURL parses the URL of a peer.
func ParsePeerURL(text string) (PeerURL, error) {
	var u PeerURL
	if text == "target:" {
		u.Target = true
		return u, nil
	}
	scheme, rest, ok := strings.Cut(text, ":")
	if !ok || !isScheme(scheme) {
		return u, fmt.Errorf("%q has no scheme: write http, h2c, https or h2 in front, as in http://%s", text, text)
	}
	scheme = octets.LowerString(scheme)
	name, socket := strings.CutSuffix(scheme, "+unix")
	name, u.SRV = strings.CutPrefix(name, "srv+")
	port, known := peerSchemes[name]
	switch {
	case !known || u.SRV && socket:
		return u, fmt.Errorf("the scheme %q is not http, h2c, https or h2, with an optional +unix or srv+, nor target", scheme)
	case socket:
		u.Scheme = name
		if u.Unix = strings.TrimPrefix(rest, "//"); u.Unix == "" || u.Unix[0] != '/' && u.Unix[0] != '@' {
			return u, fmt.Errorf("%q has no absolute path of a socket, as in %s:/run/app.sock", text, scheme)
		}
		return u, nil
	}
	authority, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return u, fmt.Errorf("%q is not a URL: two slashes follow the scheme", text)
	}
	u.Scheme = name
	return u, u.setAuthority(authority, port)
}

func isScheme(s string) bool {
	return s != "" && octets.IsLetter(s[0]) && octets.All(s, octets.Scheme)
}

func (u *PeerURL) setAuthority(authority, port string) error {
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		if authority[i:] == "/" {
			return errors.New("a peer's URL has no path: leave the final slash out")
		}
		return fmt.Errorf("a peer's URL has no path: %q is not forwarded; rewrite: {path} changes paths", authority[i:])
	}
	if strings.Contains(authority, "@") {
		return errors.New("a peer's URL has no user and password")
	}
	_, given, ok := octets.SplitAuthority(authority)
	u.Host = octets.Host(authority)
	switch {
	case !ok || u.Host == "":
		return fmt.Errorf("%q is not a host and a port", authority)
	case u.SRV && given != "":
		return errors.New("SRV records name the port: leave it out")
	case u.SRV:
		return nil
	case given == "0":
		return errors.New("port 0 is no server's port")
	case given != "":
		port = given
	}
	u.Port = port
	return nil
}
