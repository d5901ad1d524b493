//go:build linux

package admin

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/internal/loglimit"
)

// guard refuses requests that no operator has made.
type guard struct {
	listener *Listener
	log      *zap.Logger
	lines    loglimit.Limit
}

// refused is the answer to a request that the guard stops.
type refused struct {
	status int
	text   string
	cause  error // for the log alone; may be nil
}

func refuse(status int, format string, values ...any) *refused {
	return &refused{status: status, text: fmt.Sprintf(format, values...)}
}

// openPaths need no token: probes of orchestrators have none. They say one word.
var openPaths = map[string]bool{"/healthz": true, "/readyz": true}

// protect returns a handler that passes the requests of operators to next.
func (g *guard) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setSecurityFields(w.Header())
		if no := g.check(r); no != nil {
			if no.status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Basic realm="gatewheel admin", charset="UTF-8"`)
				w.Header().Add("WWW-Authenticate", "Bearer")
			}
			if unlogged, ok := g.lines.Allow(time.Now()); ok {
				g.log.Warn("a request to the admin listener was refused", zap.Int("status", no.status), zap.String("why", no.text),
					zap.NamedError("error", no.cause), zap.String("peer", r.RemoteAddr), zap.Int("unlogged", unlogged))
			}
			http.Error(w, no.text, no.status)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// setSecurityFields sets the fields of every response. The page adds what its own script and style need.
func setSecurityFields(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// check returns why r is refused, or nil.
func (g *guard) check(r *http.Request) *refused {
	authorized, no := g.authorized(r)
	if no == nil && !authorized {
		no = g.checkHost(r)
	}
	if no == nil {
		no = checkOrigin(r)
	}
	return no
}

// authorized checks the token of r. It reports whether a program has sent it, which has to know it; browsers send what
// they remember, also for a page that is not ours.
func (g *guard) authorized(r *http.Request) (byProgram bool, no *refused) {
	t := g.listener.token
	if t == nil || openPaths[r.URL.Path] {
		return false, nil
	}
	// RFC 9110 section 11.1: the name of the scheme is case-insensitive.
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	byProgram = strings.EqualFold(scheme, "Bearer")
	if !byProgram {
		_, given, _ = r.BasicAuth()
	}
	ok, err := t.is(given, time.Now())
	switch {
	case err != nil:
		return false, &refused{http.StatusServiceUnavailable, "the file of the token cannot be read", err}
	case !ok:
		return false, refuse(http.StatusUnauthorized, "the token is missing or wrong: send it as Authorization: Bearer, or as the password")
	}
	return byProgram, nil
}

// checkHost refuses a request that names a host which is not this one: a page of a stranger whose name has been given
// our address (DNS rebinding) has the origin of that name. An IP address in Host is no name.
func (g *guard) checkHost(r *http.Request) *refused {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") || g.listener.name != "" && strings.EqualFold(host, g.listener.name) {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && (ip.Unmap().IsLoopback() || g.isLocal(ip)) {
		return nil
	}
	return refuse(http.StatusMisdirectedRequest, "the host %q is not that of this listener: use its address, or send the token as Authorization: Bearer", r.Host)
}

// isLocal reports whether ip is an address of the listener. All are if it listens on all.
func (g *guard) isLocal(ip netip.Addr) bool {
	bound, ok := g.listener.Addr().(*net.TCPAddr)
	if !ok {
		return false
	}
	own := bound.AddrPort().Addr().Unmap()
	return own.IsUnspecified() || own == ip.Unmap()
}

// checkOrigin refuses what a page of another origin has made a browser send, of whatever method: an answer to GET could
// be shown in a frame, or its time measured. A request without Origin and Sec-Fetch-Site is not from a page, or from a
// browser that is too old to tell: it must not change anything if its Referer is from elsewhere.
func checkOrigin(r *http.Request) *refused {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return refuse(http.StatusForbidden, "a page of another site has made this request: Sec-Fetch-Site is %q", site)
	}
	if origins := r.Header.Values("Origin"); len(origins) > 1 || len(origins) == 1 && !sameHost(origins[0], r.Host) {
		return refuse(http.StatusForbidden, "a page of another origin has made this request: Origin is %q", strings.Join(origins, ", "))
	}
	if referer := r.Header.Get("Referer"); referer != "" && r.Method != http.MethodGet && r.Method != http.MethodHead && !sameHost(referer, r.Host) {
		return refuse(http.StatusForbidden, "a page of another origin has made this request: Referer is %q", referer)
	}
	return nil
}

// sameHost reports whether a URL has that host and port. A proxy before the listener may speak https.
func sameHost(text, host string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.EqualFold(u.Host, host)
}
