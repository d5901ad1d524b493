package middleware

import (
	"net/url"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/pattern"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// CSRFOptions name what CSRF lets through. The zero CSRFOptions are ready for use.
type CSRFOptions struct {
	// Origins are other origins whose pages may send all requests, such as
	// "https://accounts.example.com". There are no wildcards.
	Origins []string
	// Bypass are patterns, as those of package router, of requests that are not checked: those
	// that other sites have to send, such as the answers of a single sign-on. They match
	// requests whose path the router would not change.
	Bypass []string
	// Refused, if not nil, answers requests that are refused, in place of 403.
	Refused app.Handler
}

// CSRF refuses requests that the page of another site has made in the name of its visitor
// (cross-site request forgery), by the rules of net/http.CrossOriginProtection: GET, HEAD and
// OPTIONS pass, so they must not change anything; of others, browsers tell by Sec-Fetch-Site
// whether they come from the same origin, and older browsers by Origin, which is compared with
// the host that the client has used (app.Request.Client). Requests with neither field are
// not from a browser, and pass. CSRF panics if an origin or a pattern is invalid.
//
// WebSockets are checked by package websocket.
func CSRF(options CSRFOptions) app.Middleware {
	trusted := map[string]bool{}
	for _, origin := range options.Origins {
		if err := checkOrigin(origin); err != nil {
			panic("middleware: CSRF: " + err.Error())
		}
		trusted[origin] = true
	}
	var bypass pattern.Set[struct{}]
	for _, text := range options.Bypass {
		p, err := pattern.Parse(text, pattern.ServeMux)
		if err != nil {
			panic("middleware: CSRF: pattern " + text + ": " + err.Error())
		}
		if other := bypass.Add(p, struct{}{}); other != nil {
			panic("middleware: CSRF: patterns " + text + " and " + other.Text + " match the same request")
		}
	}
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			refusal := crossOrigin(r)
			if refusal == nil || trusted[r.Fields.Get("Origin")] || len(options.Bypass) > 0 && matchesOne(&bypass, r) {
				return next(r)
			}
			if options.Refused != nil {
				return options.Refused(r)
			}
			return app.Fail(refusal)
		}
	}
}

// crossOrigin returns the refusal of a request from another origin, or nil.
func crossOrigin(r *app.Request) *app.StatusError {
	switch r.Method {
	case "GET", "HEAD", "OPTIONS":
		return nil
	}
	switch r.Fields.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return nil
	case "":
	default:
		return app.Statusf(403, "the request comes from another origin (Sec-Fetch-Site)")
	}
	origin := r.Fields.Get("Origin")
	if origin == "" {
		return nil
	}
	// Host does not tell the scheme, so a page without TLS on the same host passes. Only old
	// browsers get here, and HSTS helps those.
	if u, err := url.Parse(origin); err == nil && u.Host != "" && octets.SameAuthority(u.Scheme, u.Host, r.Client().Host) {
		return nil
	}
	return app.Statusf(403, "the request comes from another origin (Origin), or from a browser without Sec-Fetch-Site")
}

// matchesOne reports whether r matches one of the patterns as it is.
func matchesOne(patterns *pattern.Set[struct{}], r *app.Request) bool {
	path := r.RawPath
	if path == "" || path[0] != '/' || pattern.Clean(path) != path {
		return false
	}
	name := ""
	if patterns.HasHosts() {
		name = octets.Host(r.Authority)
	}
	var space [8]string
	found, _ := patterns.Find(name, r.Method, path, space[:0])
	return found != nil
}
