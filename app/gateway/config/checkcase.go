package config

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gatewheel/gatewheel/app/internal/pattern"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// Prefix is a network.
type Prefix = netip.Prefix

func quoted(text string) string { return strconv.Quote(text) }

// redirectStatuses are the statuses of redirections.
var redirectStatuses = []int{301, 302, 303, 307, 308}

func (c *checker) checkCase(at Place, k *Case, p *pattern.Pattern) {
	c.checkAction(at, k, p)
	c.checkWhen(at.In("when"), &k.When)
	if k.Rewrite.Path != "" {
		c.checkTemplate(at.In("rewrite", "path"), k.Rewrite.Path, p.Names, false)
	}
	if h := k.Rewrite.Host; h != "" && octets.Host(h) == "" {
		c.fail(at.In("rewrite", "host"), "%q is neither backend nor a host with an optional port", h)
	}
	c.checkEdits(at.In("request"), &k.Request)
	c.checkEdits(at.In("response"), &k.Response)
	c.checkTimes(at, k)
	if k.Retry != nil {
		c.checkRetry(at.In("retry"), k.Retry)
	}
	if k.Body < 0 {
		c.fail(at.In("body"), "the size is negative")
	}
	if k.Limit != nil {
		c.checkLimit(at.In("limit"), k.Limit)
	}
	if k.Concurrency < 0 {
		c.fail(at.In("concurrency"), "%d is not a number above 0", k.Concurrency)
	}
	for _, name := range slices.Sorted(maps.Keys(k.To)) {
		if len(k.Mirror) > 0 && c.isBuiltIn(name) {
			c.failKey(at.In("mirror"), "mirror has no effect: requests to %q stay inside the process", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.Mirror)) {
		c.use(at.In("mirror", name), true, name)
		c.checkAside(at.In("mirror", name), true, name, "copies go")
		if v := k.Mirror[name]; !(v > 0 && v <= 100) {
			c.fail(at.In("mirror", name), "the percentage is not above 0%% and up to 100%%")
		}
	}
	if k.Auth != nil {
		c.checkAuth(at.In("auth"), k.Auth)
	}
	if k.Paths != "" && k.Paths != RawPaths {
		c.fail(at.In("paths"), "%q is not raw", string(k.Paths))
	}
}

// checkAction checks that k has exactly one of to, redirect and respond, and nothing that
// would have no effect.
func (c *checker) checkAction(at Place, k *Case, p *pattern.Pattern) {
	var actions []string
	if k.To != nil {
		actions = append(actions, "to")
		c.checkShares(at.In("to"), k.To)
	}
	if k.Redirect != "" {
		actions = append(actions, "redirect")
		c.checkTemplate(at.In("redirect"), k.Redirect, p.Names, true)
	}
	if k.Respond != nil {
		actions = append(actions, "respond")
		c.checkRespond(at.In("respond"), k.Respond)
	}
	switch {
	case len(actions) == 0:
		c.fail(at, "the case has none of to, redirect and respond")
		return
	case len(actions) > 1:
		c.failKey(at.In(actions[1]), "a case has only one of to, redirect and respond, and this one has %s", strings.Join(actions, " and "))
		return
	}
	if k.Status != 0 && k.Redirect == "" {
		c.failKey(at.In("status"), "status has no effect without redirect")
	} else if k.Status != 0 && !slices.Contains(redirectStatuses, k.Status) {
		c.fail(at.In("status"), "%d is not the status of a redirection: 301, 302, 303, 307 or 308", k.Status)
	}
	if k.To == nil {
		for _, key := range k.forwardingKeys() {
			c.failKey(at.In(key), "%s has no effect with %s: nothing is forwarded", key, actions[0])
		}
	}
}

// forwardingKeys returns the keys of k that have an effect only on forwarded requests.
func (k *Case) forwardingKeys() (keys []string) {
	for _, key := range []struct {
		name string
		set  bool
	}{
		{"rewrite", k.Rewrite != Rewrite{}}, {"request", !k.Request.empty()}, {"timeout", k.Timeout != 0},
		{"try-timeout", k.TryTimeout != 0}, {"idle", k.Idle != 0}, {"retry", k.Retry != nil}, {"body", k.Body != 0},
		{"mirror", len(k.Mirror) > 0},
	} {
		if key.set {
			keys = append(keys, key.name)
		}
	}
	return keys
}

func (e *Edits) empty() bool { return len(e.Set)+len(e.Add)+len(e.Remove) == 0 }

func (c *checker) checkShares(at Place, shares Shares) {
	sum := 0
	for _, name := range slices.Sorted(maps.Keys(shares)) {
		c.use(at.In(name), true, name)
		n := shares[name]
		if n < 0 || n > 1_000_000 {
			c.fail(at.In(name), "the share %d is not from 0 to 1000000", n)
		}
		sum += max(n, 0)
	}
	if sum == 0 {
		c.fail(at, "the shares add up to 0: no backend would get a request")
	}
}

func (c *checker) checkWhen(at Place, w *When) {
	for kind, matches := range map[string]map[string]Match{"header": w.Header, "query": w.Query, "cookie": w.Cookie} {
		for _, name := range slices.Sorted(maps.Keys(matches)) {
			if kind != "query" && !octets.IsToken(name) {
				c.failKey(at.In(kind, name), "%q is not a name: it has characters that names cannot have", name)
			}
			m := matches[name]
			c.checkMatch(at.In(kind, name), &m)
		}
	}
	for i, m := range w.Method {
		c.checkMethod(at.In("method").At(i), false, m)
	}
}

// checkMethod checks a method, which stands in a key or is a value.
func (c *checker) checkMethod(at Place, key bool, m string) {
	text := ""
	switch upper := strings.ToUpper(m); {
	case m == "*" || octets.EqualFold(m, "any"):
		text = fmt.Sprintf("%q is not a method: without one, all match", m)
	case !octets.IsToken(m):
		text = fmt.Sprintf("%q is not a method", m)
	case m != upper && slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, upper):
		text = "methods have case: write " + upper
	default:
		return
	}
	c.problems = append(c.problems, Problem{Place: at, Key: key, Text: text})
}

func (c *checker) checkMatch(at Place, m *Match) {
	if m.Regex != "" {
		if _, err := regexp.Compile(m.Regex); err != nil {
			c.fail(at.In("regex"), "the expression is wrong: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	}
	narrow := m.Prefix != "" || m.Suffix != "" || m.Regex != ""
	switch {
	case m.Present == Off && narrow:
		c.fail(at.In("present"), "present: false contradicts prefix, suffix and regex")
	case m.Text != "" && (narrow || m.Present != Default):
		c.fail(at, "the whole value is given, and a part of it too")
	}
}

// notEdited are fields that belong to framing, to connections, or to the gateway.
var notEdited = []string{"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
	"Content-Length", "Expect", "HTTP2-Settings", "Sec-WebSocket-Key", "Sec-WebSocket-Accept"}

func (c *checker) checkEdits(at Place, e *Edits) {
	for _, list := range []struct {
		key    string
		fields map[string]string
	}{{"set", e.Set}, {"add", e.Add}} {
		for _, name := range slices.Sorted(maps.Keys(list.fields)) {
			c.checkFieldName(at.In(list.key, name), true, name)
			if !octets.IsValue(list.fields[name]) {
				c.fail(at.In(list.key, name), "the value has blanks at its ends, or characters that a field cannot have")
			}
		}
	}
	for i, name := range e.Remove {
		c.checkFieldName(at.In("remove").At(i), false, name)
	}
}

func (c *checker) checkFieldName(at Place, key bool, name string) {
	text := ""
	switch {
	case strings.HasPrefix(name, ":"):
		text = quoted(name) + " is a pseudo-field, which cannot be changed; rewrite changes path and host"
	case !octets.IsToken(name):
		text = quoted(name) + " is not the name of a field"
	case octets.EqualFold(name, "Host"):
		text = "Host cannot be changed here; rewrite: {host} does it"
	case slices.ContainsFunc(notEdited, func(n string) bool { return octets.EqualFold(n, name) }):
		text = name + " belongs to the connection or to framing, and cannot be changed"
	default:
		return
	}
	c.problems = append(c.problems, Problem{Place: at, Key: key, Text: text})
}

func (c *checker) checkTimes(at Place, k *Case) {
	if k.Timeout < 0 || k.TryTimeout < 0 || k.Idle < 0 {
		c.fail(at, "a duration is negative")
	}
	if k.Timeout > 0 && k.TryTimeout >= k.Timeout {
		c.warn(at.In("try-timeout"), "try-timeout has no effect: timeout is not longer")
	}
}

func (c *checker) checkRetry(at Place, r *Retry) {
	if r.Tries < 0 || r.Tries > 10 {
		c.fail(at.In("tries"), "%d is not a number of further tries from 0 to 10", r.Tries)
	}
	if r.Tries == 0 && len(r.On) > 0 {
		c.warn(at.In("on"), "on has no effect: tries is 0")
	}
	for i, status := range r.On {
		if status < 400 || status > 599 {
			c.fail(at.In("on").At(i), "%d is not the status of an error, from 400 to 599", status)
		}
	}
	for i, m := range r.Methods {
		c.checkMethod(at.In("methods").At(i), false, m)
	}
}

func (c *checker) checkLimit(at Place, l *Limit) {
	if l.Rate.Count <= 0 || l.Rate.Per <= 0 {
		c.fail(at, "limit needs a rate, such as 100/s")
	}
	if l.Burst < 0 {
		c.fail(at.In("burst"), "%d is not a number above 0", l.Burst)
	}
	if kind, _, err := l.Key.Parse(); err != nil || kind == ByPath || kind == ByCookie {
		c.fail(at.In("key"), "%q is not client or header:NAME", string(l.Key))
	}
	if l.Shared != "" {
		if u, err := url.Parse(l.Shared); err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Hostname() == "" {
			// The text is not repeated: it may have a password.
			c.fail(at.In("shared"), "this is not a URL such as redis://host:6379")
		}
	}
}

func (c *checker) checkAuth(at Place, a *Auth) {
	kinds := 0
	if a.Basic != "" {
		kinds++
	}
	if a.JWT != nil {
		kinds++
		c.checkJWT(at.In("jwt"), a.JWT)
	}
	if a.Ask != (Ask{}) {
		kinds++
		c.use(at.In("ask"), false, a.Ask.Backend)
		c.checkAside(at.In("ask"), false, a.Ask.Backend, "the question goes")
		if a.Ask.Path == "" || a.Ask.Path[0] != '/' || !octets.All(a.Ask.Path, octets.Target) {
			c.fail(at.In("ask"), "ask is a backend and a path, such as auth /check")
		}
	}
	if kinds != 1 {
		c.fail(at, "auth has exactly one of basic, jwt and ask")
	}
	if len(a.Copy) > 0 && a.Ask == (Ask{}) {
		c.failKey(at.In("copy"), "copy has no effect without ask")
	}
	for i, name := range a.Copy {
		c.checkFieldName(at.In("copy").At(i), false, name)
	}
}

func (c *checker) checkJWT(at Place, j *JWT) {
	if j.JWKS == "" {
		c.fail(at, "jwt needs jwks, the URL or the file of the keys")
	} else if strings.Contains(j.JWKS, "://") {
		if u, err := url.Parse(j.JWKS); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
			c.fail(at.In("jwks"), "%q is not an https or http URL, nor a file", j.JWKS)
		}
	}
	for _, claim := range slices.Sorted(maps.Keys(j.Claims)) {
		c.checkFieldName(at.In("claims", claim), false, j.Claims[claim])
	}
}

// checkAside refuses a backend for requests of the gateway's own if they cannot go there,
// and warns if they go without what the backend asks for.
func (c *checker) checkAside(at Place, key bool, name, what string) {
	b := c.config.Backends[name]
	switch {
	case c.isBuiltIn(name):
		c.problems = append(c.problems, Problem{Place: at, Key: key, Text: what + " to other servers, and " + quoted(name) + " is the built-in application"})
	case b.ProxyProtocol != "" && b.ProxyProtocol != ProxyOff:
		c.problems = append(c.problems, Problem{Place: at, Key: key, Warning: true, Text: what + " to " + quoted(name) + " without a header of the PROXY protocol"})
	}
}

// isBuiltIn reports whether a backend is the built-in application.
func (c *checker) isBuiltIn(name string) bool {
	peers := c.config.Backends[name].Peers.List
	return len(peers) == 1 && peers[0].URL == "target:"
}

func (c *checker) checkRespond(at Place, r *Respond) {
	if r.Status != 0 && (r.Status < 200 || r.Status > 599) {
		c.fail(at.In("status"), "%d is not a status from 200 to 599", r.Status)
	}
	if r.Body != "" && (r.Status == 204 || r.Status == 304) {
		c.fail(at.In("body"), "a response with status %d has no content", r.Status)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Fields)) {
		c.checkFieldName(at.In("fields", name), true, name)
		if !octets.IsValue(r.Fields[name]) {
			c.fail(at.In("fields", name), "the value has blanks at its ends, or characters that a field cannot have")
		}
	}
}
