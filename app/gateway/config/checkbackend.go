package config

import (
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/internal/octets"
	"github.com/gatewheel/gatewheel/internal/suggest"
)

func (c *checker) checkBackend(at Place, b *Backend) {
	secure, known := c.checkPeers(at.In("peers"), b)
	switch b.Balance.Method {
	case "", Least, Round, EWMA, Cookie:
		if b.Balance.Hash != "" {
			c.fail(at.In("balance"), "a key of hash belongs to the method hash")
		}
	case Hash:
		if _, _, err := b.Balance.Hash.Parse(); err != nil || b.Balance.Hash == "" {
			c.fail(at.In("balance", "hash"), "%q is not one of client, path, header:NAME and cookie:NAME", string(b.Balance.Hash))
		}
	default:
		c.fail(at.In("balance"), "%q is not one of least, round, ewma, cookie and {hash: key}%s", string(b.Balance.Method),
			suggest.Name(string(b.Balance.Method), []string{"least", "round", "ewma", "cookie"}))
	}
	c.checkCounts(at, b)
	for key, d := range map[string]time.Duration{"connect": b.Connect, "idle": b.Idle, "age": b.Age, "slow-start": b.SlowStart} {
		if d < 0 {
			c.fail(at.In(key), "the duration is negative")
		}
	}
	if b.Health != nil {
		c.checkHealth(at.In("health"), b.Health)
		c.checkGRPCHealth(at.In("health", "grpc"), b)
	}
	if b.Eject != nil {
		c.checkEject(at.In("eject"), b.Eject)
	}
	if b.TLS != nil {
		if known && !secure {
			c.failKey(at.In("tls"), "tls has no effect: no peer's URL begins with https or h2")
		}
		c.checkTLS(at.In("tls"), b.TLS)
	}
	if p := b.ProxyProtocol; p != "" && p != ProxyOff && p != ProxyV1 && p != ProxyV2 {
		c.fail(at.In("proxy-protocol"), "%q is not v1, v2 or off", string(p))
	}
}

// checkPeers reports whether a peer uses TLS, and whether all peers are known.
func (c *checker) checkPeers(at Place, b *Backend) (secure, known bool) {
	switch {
	case b.Peers.File != "" && len(b.Peers.List) > 0:
		c.fail(at, "peers are in the file or here, not both")
	case b.Peers.File == "" && len(b.Peers.List) == 0:
		c.fail(at, "the backend has no peers")
	}
	return c.checkPeerList(at, b.Peers.List), b.Peers.File == ""
}

// checkPeerList reports whether a peer uses TLS.
func (c *checker) checkPeerList(at Place, peers []Peer) (secure bool) {
	seen := map[string]bool{}
	builtIn := false
	for i, p := range peers {
		u, err := ParsePeerURL(p.URL)
		if err != nil {
			c.fail(at.At(i), "%v", err)
		}
		if seen[p.URL] {
			c.fail(at.At(i), "the peer %s is given twice", p.URL)
		}
		if p.Weight < 0 || p.Weight > 1000 {
			c.fail(at.At(i).In("weight"), "the weight %d is not from 1 to 1000", p.Weight)
		}
		seen[p.URL] = true
		secure = secure || u.TLS()
		builtIn = builtIn || u.Target
	}
	if builtIn && len(peers) > 1 {
		c.fail(at, "target:, the built-in application, is the only peer of a backend")
	}
	return secure
}

// CheckPeers returns the mistakes of a list of peers.
func CheckPeers(at Place, peers []Peer) []Problem {
	c := &checker{config: &Config{}}
	if len(peers) == 0 {
		c.fail(at, "there are no peers")
	}
	c.checkPeerList(at, peers)
	return c.problems
}

func (c *checker) checkCounts(at Place, b *Backend) {
	if b.Connections < 0 {
		c.fail(at.In("connections"), "%d is not a number above 0", b.Connections)
	}
	if b.Streams < 0 {
		c.fail(at.In("streams"), "%d is not a number above 0", b.Streams)
	}
}

func (c *checker) checkHealth(at Place, h *Health) {
	kinds := 0
	if h.Request != "" {
		kinds++
		_, _, err := ParseRequestLine(h.Request)
		c.failIf(at.In("request"), err)
	}
	if h.GRPC != nil {
		kinds++
	}
	if h.TCP {
		kinds++
	}
	if kinds != 1 {
		c.fail(at, "health has exactly one of request, grpc and tcp")
	}
	if h.Every < 0 || h.Timeout < 0 {
		c.fail(at, "a duration is negative")
	}
	if h.Rise < 0 {
		c.fail(at.In("rise"), "%d is not a number above 0", h.Rise)
	}
	if h.Fall < 0 {
		c.fail(at.In("fall"), "%d is not a number above 0", h.Fall)
	}
	if len(h.Expect) > 0 && h.Request == "" {
		c.failKey(at.In("expect"), "expect has no effect without request")
	}
}

// checkGRPCHealth wants peers that speak HTTP/2.
func (c *checker) checkGRPCHealth(at Place, b *Backend) {
	if b.Health.GRPC == nil {
		return
	}
	for _, p := range b.Peers.List {
		if u, err := ParsePeerURL(p.URL); err == nil && u.Scheme == "http" {
			c.failKey(at, "grpc needs HTTP/2, and %s is HTTP/1.1: write h2c, h2 or https", p.URL)
			return
		}
	}
}

func (c *checker) checkEject(at Place, e *Eject) {
	if e.Failures < 0 {
		c.fail(at.In("failures"), "%d is not a number above 0", e.Failures)
	}
	if e.For < 0 || e.For > 300*time.Second {
		c.fail(at.In("for"), "the time is not from 1ms to 300s")
	}
	if e.Most < 0 || e.Most > 100 {
		c.fail(at.In("most"), "the percentage is not from 0%% to 100%%")
	}
}

func (c *checker) checkTLS(at Place, t *TLS) {
	if t.Name != "" && octets.Host(t.Name) == "" {
		c.fail(at.In("name"), "%q is not a host", t.Name)
	}
	if (t.Cert == "") != (t.Key == "") {
		c.fail(at, "cert and key come together")
	}
	if t.Min != "" && t.Min != "1.2" && t.Min != "1.3" {
		c.fail(at.In("min"), `%q is not "1.2" or "1.3"`, string(t.Min))
	}
	if t.Verify == Off && t.CA != "" {
		c.fail(at.In("verify"), "verify: false contradicts ca")
	}
}

func (c *checker) checkTest(at Place, t *Test) {
	if t.Request == "" {
		c.fail(at, "the test has no request")
	} else if _, _, err := t.Parse(); err != nil {
		c.fail(at.In("request"), "%v", err)
	}
	if t.From != "" {
		if _, err := netip.ParseAddr(t.From); err != nil {
			c.fail(at.In("from"), "%q is not an address", t.From)
		}
	}
	if t.Backend != "" {
		if _, ok := c.config.Backends[t.Backend]; !ok {
			c.fail(at.In("backend"), "there is no backend %q%s", t.Backend, suggest.Name(t.Backend, c.backendNames()))
		}
	}
	if t.Route != "" {
		if _, ok := c.config.Routes[t.Route]; !ok {
			c.fail(at.In("route"), "there is no route %q", t.Route)
		}
	}
	if t.Backend == "" && t.Route == "" && t.Status == 0 && t.Location == "" && t.Path == "" {
		c.fail(at, "the test expects nothing: add backend, route, status, location or path")
	}
}

// Parse returns the method and the URL of the test's request.
func (t *Test) Parse() (method string, u *url.URL, err error) { return ParseRequest(t.Request) }

// ParseRequest parses a method and an absolute URL.
func ParseRequest(text string) (method string, u *url.URL, err error) {
	method, target, ok := strings.Cut(strings.TrimSpace(text), " ")
	target = strings.TrimLeft(target, " ")
	if ok && octets.IsToken(method) && octets.All(target, octets.Target) {
		if u, err = url.ParseRequestURI(target); err == nil && (u.Scheme == "http" || u.Scheme == "https") && octets.Host(u.Host) != "" {
			return method, u, nil
		}
	}
	return "", nil, &requestError{text}
}

type requestError struct{ text string }

func (e *requestError) Error() string {
	return quoted(e.text) + " is not a method and a URL such as GET http://example.com/users/1"
}
