package middleware

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/accept"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// CORSOptions name the pages of other origins whose scripts may read responses.
type CORSOptions struct {
	// Origins are those pages' origins: "https://example.com", "https://*.example.com" for
	// all hosts below a domain, or "*" for all pages. The origin "null", which every
	// sandboxed page has, is not allowed except by "*".
	Origins []string
	// AllowOrigin, if not nil, is asked about origins that Origins does not name. It is
	// called on the loop and must not block.
	AllowOrigin func(r *app.Request, origin string) bool
	// Methods may be used in addition to GET, HEAD and POST. They are case-sensitive.
	Methods []string
	// Fields are request fields that may be sent in addition to those that every page may
	// send; "*" stands for all but Authorization.
	Fields []string
	// Exposed are response fields that scripts may read in addition to those that they always
	// may; "*" stands for all.
	Exposed []string
	// Credentials lets pages send cookies and client certificates. Then no wildcard may stand
	// for all origins, fields or exposed fields.
	Credentials bool
	// MaxAge is the time for which browsers may remember the answer to a preflight request. 0
	// leaves it to them: 5 s.
	MaxAge time.Duration
}

// CORS lets scripts of other origins read responses (https://fetch.spec.whatwg.org, section
// 3.3). Preflight requests are answered with 204 and never reach the handler; other requests do, whatever their
// origin: CORS protects no handler, see CSRF. Access to private networks is not granted. Fields
// of this protocol that the handler has set are replaced. CORS panics if an option is invalid.
//
// It belongs outside of a router and of authentication, since preflight requests have
// methods of their own and no credentials.
func CORS(options CORSOptions) app.Middleware {
	c, err := newCORS(options)
	if err != nil {
		panic("middleware: CORS: " + err.Error())
	}
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			origin := r.Fields.Get("Origin")
			if r.Method == "OPTIONS" && origin != "" && r.Fields.Has("Access-Control-Request-Method") {
				return app.Ready(c.preflight(r, origin))
			}
			allowed := c.allowed(r, origin)
			return Changed(next.Try(r), func(resp *app.Response) *app.Response { return c.change(resp, allowed) })
		}
	}
}

type cors struct {
	options CORSOptions
	origins origins
	all     bool       // the response is the same for all origins
	granted app.Fields // of preflight responses
	exposed string
}

func newCORS(options CORSOptions) (*cors, error) {
	origins, err := newOrigins(options.Origins)
	if err != nil {
		return nil, err
	}
	if len(options.Origins) == 0 && options.AllowOrigin == nil {
		return nil, errors.New("no origin is allowed")
	}
	if options.MaxAge < 0 {
		return nil, errors.New("MaxAge is negative")
	}
	methods := append([]string{"GET", "HEAD", "POST"}, options.Methods...)
	for _, list := range [][]string{methods, options.Fields, options.Exposed} {
		for _, name := range list {
			if !octets.IsToken(name) {
				return nil, fmt.Errorf("%q is not a token", name)
			}
			// Browsers take * for a wildcard only without credentials.
			if name == "*" && options.Credentials {
				return nil, errors.New("with Credentials, * names nothing")
			}
		}
	}
	if origins.any && options.Credentials {
		return nil, errors.New("with Credentials, every page could act as its visitor: name the origins in place of *")
	}
	c := &cors{options: options, origins: origins, all: origins.any, exposed: strings.Join(options.Exposed, ", ")}
	slices.Sort(methods)
	c.granted.Add("Access-Control-Allow-Methods", strings.Join(slices.Compact(methods), ", "))
	if len(options.Fields) > 0 {
		c.granted.Add("Access-Control-Allow-Headers", strings.Join(options.Fields, ", "))
	}
	if options.MaxAge > 0 {
		c.granted.Add("Access-Control-Max-Age", seconds(options.MaxAge))
	}
	return c, nil
}

// allowed returns the value of Access-Control-Allow-Origin, "" if the origin is not allowed.
func (c *cors) allowed(r *app.Request, origin string) string {
	switch {
	case c.all:
		return "*"
	case origin == "" || origin == "null" || !octets.IsValue(origin):
		return ""
	case c.origins.has(origin), c.options.AllowOrigin != nil && c.options.AllowOrigin(r, origin):
		return origin
	}
	return ""
}

// preflight answers a preflight request. Browsers take a response without
// Access-Control-Allow-Origin for a refusal.
func (c *cors) preflight(r *app.Request, origin string) *app.Response {
	resp := app.Empty(204)
	if allowed := c.allowed(r, origin); allowed != "" {
		resp.Fields = c.granted.Clone(3)
		c.grant(&resp.Fields, allowed)
	}
	if !c.all {
		resp.Fields.Add("Vary", "Origin")
	}
	return resp
}

// change returns resp with the fields for an origin that is allowed, or "".
func (c *cors) change(resp *app.Response, allowed string) *app.Response {
	changed := *resp
	changed.Fields = resp.Fields.Clone(4)
	for _, name := range [...]string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers"} {
		changed.Fields.Del(name)
	}
	if allowed != "" {
		c.grant(&changed.Fields, allowed)
		if c.exposed != "" {
			changed.Fields.Add("Access-Control-Expose-Headers", c.exposed)
		}
	}
	if !c.all {
		changed.Fields = accept.Vary(changed.Fields, "Origin")
	}
	return &changed
}

func (c *cors) grant(fields *app.Fields, allowed string) {
	fields.Add("Access-Control-Allow-Origin", allowed)
	if c.options.Credentials {
		fields.Add("Access-Control-Allow-Credentials", "true")
	}
}
