package middleware

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// SecurityOptions choose what SecurityFields adds. The zero SecurityOptions add
// X-Content-Type-Options, a frame-ancestors of 'none', and Referrer-Policy.
type SecurityOptions struct {
	// HSTS is the time for which browsers use TLS only (RFC 6797). 0 leaves
	// Strict-Transport-Security out, so that a site can go back. It is added to responses over
	// TLS only, that of a trusted proxy included.
	HSTS time.Duration
	// HSTSSubdomains extends HSTS to all hosts below.
	HSTSSubdomains bool
	// ContentSecurityPolicy is the policy of the application, to which FrameAncestors is
	// added unless it has that directive.
	ContentSecurityPolicy string
	// FrameAncestors are the pages that may show responses in frames: 'none', which is the
	// default, 'self', or a list of sources; "*" lets all.
	FrameAncestors string
	// ReferrerPolicy is strict-origin-when-cross-origin if empty.
	ReferrerPolicy string
	// OpenerPolicy is the value of Cross-Origin-Opener-Policy, such as same-origin; it is left
	// out if empty.
	OpenerPolicy string
}

// SecurityFields adds fields that keep browsers from guessing types, showing pages in foreign
// frames, telling other sites more than the origin, and going back to HTTP without TLS. A
// field that the response has is left as it is. SecurityFields panics if an option is invalid.
func SecurityFields(options SecurityOptions) app.Middleware {
	plain, err := options.fields()
	if err != nil {
		panic("middleware: SecurityFields: " + err.Error())
	}
	secure := plain
	if options.HSTS > 0 {
		value := "max-age=" + seconds(options.HSTS)
		if options.HSTSSubdomains {
			value += "; includeSubDomains"
		}
		secure = append(plain.Clone(1), app.Field{Name: "Strict-Transport-Security", Value: value})
	}
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			fields := plain
			// RFC 6797 section 7.2: it must not be sent without TLS.
			if options.HSTS > 0 && r.Client().Scheme == "https" {
				fields = secure
			}
			return Changed(next.Try(r), func(resp *app.Response) *app.Response { return withDefaults(resp, fields) })
		}
	}
}

// fields returns the fields but for Strict-Transport-Security.
func (o SecurityOptions) fields() (fields app.Fields, err error) {
	if o.HSTS < 0 || o.HSTS > 0 && o.HSTS < time.Second {
		return nil, fmt.Errorf("a HSTS of %v", o.HSTS)
	}
	if o.HSTSSubdomains && o.HSTS == 0 {
		return nil, errors.New("HSTSSubdomains without HSTS")
	}
	fields.Add("X-Content-Type-Options", "nosniff")
	ancestors := or(o.FrameAncestors, "'none'")
	policy := strings.TrimRight(o.ContentSecurityPolicy, "; ")
	if !hasDirective(policy, "frame-ancestors") {
		if policy != "" {
			policy += "; "
		}
		policy += "frame-ancestors " + ancestors
		// The older field, for browsers that do not know the directive, has these two values only.
		switch ancestors {
		case "'none'":
			fields.Add("X-Frame-Options", "DENY")
		case "'self'":
			fields.Add("X-Frame-Options", "SAMEORIGIN")
		}
	} else if o.FrameAncestors != "" {
		return nil, errors.New("ContentSecurityPolicy and FrameAncestors both have the ancestors of frames")
	}
	fields.Add("Content-Security-Policy", policy)
	fields.Add("Referrer-Policy", or(o.ReferrerPolicy, "strict-origin-when-cross-origin"))
	if o.OpenerPolicy != "" {
		fields.Add("Cross-Origin-Opener-Policy", o.OpenerPolicy)
	}
	if strings.ContainsAny(ancestors, ";,") {
		return nil, fmt.Errorf("FrameAncestors %q is more than one directive", ancestors)
	}
	for _, f := range fields {
		if !octets.IsValue(f.Value) {
			return nil, fmt.Errorf("%q cannot be the value of %s", f.Value, f.Name)
		}
	}
	return fields, nil
}

// hasDirective reports whether a Content-Security-Policy has a directive of that name.
func hasDirective(policy, name string) bool {
	for directive := range strings.SplitSeq(policy, ";") {
		first, _, _ := strings.Cut(strings.TrimLeft(directive, " \t"), " ")
		if octets.EqualFold(first, name) {
			return true
		}
	}
	return false
}

// withDefaults returns resp with those of the fields whose names it does not have.
func withDefaults(resp *app.Response, fields app.Fields) *app.Response {
	changed := *resp
	changed.Fields = resp.Fields.Clone(len(fields))
	for _, f := range fields {
		if !resp.Fields.Has(f.Name) {
			changed.Fields = append(changed.Fields, f)
		}
	}
	return &changed
}

func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// seconds returns the whole seconds of d.
func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }
