package middleware_test

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/forwarded"
	"github.com/gatewheel/gatewheel/app/middleware"
)

func TestSecurityFields(t *testing.T) {
	type lines = map[string]string
	for _, c := range []struct {
		options middleware.SecurityOptions
		resp    *app.Response
		want    lines
	}{
		{middleware.SecurityOptions{}, app.Text(200, "x"), lines{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Content-Security-Policy": "frame-ancestors 'none'",
			"Referrer-Policy": "strict-origin-when-cross-origin", "Strict-Transport-Security": "", "Cross-Origin-Opener-Policy": "",
		}},
		{middleware.SecurityOptions{ContentSecurityPolicy: "default-src 'self'; ", FrameAncestors: "'self'", ReferrerPolicy: "no-referrer", OpenerPolicy: "same-origin"},
			app.Text(200, "x"), lines{
				"X-Frame-Options": "SAMEORIGIN", "Content-Security-Policy": "default-src 'self'; frame-ancestors 'self'", "Referrer-Policy": "no-referrer",
				"Cross-Origin-Opener-Policy": "same-origin",
			}},
		{middleware.SecurityOptions{FrameAncestors: "https://a.example https://b.example"}, app.Text(200, "x"), lines{
			"X-Frame-Options": "", "Content-Security-Policy": "frame-ancestors https://a.example https://b.example",
		}},
		{middleware.SecurityOptions{ContentSecurityPolicy: "default-src 'none';Frame-Ancestors *"}, app.Text(200, "x"), lines{
			"X-Frame-Options": "", "Content-Security-Policy": "default-src 'none';Frame-Ancestors *",
		}},
		{middleware.SecurityOptions{}, app.Text(200, "x").With("content-security-policy", "mine").With("Referrer-Policy", "origin"), lines{
			"Content-Security-Policy": "mine", "Referrer-Policy": "origin", "X-Content-Type-Options": "nosniff",
		}},
	} {
		call := apptest.New(middleware.SecurityFields(c.options)(always(c.resp))).Do(apptest.Get("/"))
		for name, want := range c.want {
			if got := call.Header.Values(name); want == "" && len(got) > 0 || want != "" && fmt.Sprint(got) != "["+want+"]" {
				t.Errorf("%+v: %s is %q, want %q", c.options, name, got, want)
			}
		}
	}
	for name, o := range map[string]middleware.SecurityOptions{
		"a line break":      {ContentSecurityPolicy: "default-src 'self'\r\nX: y"},
		"two directives":    {FrameAncestors: "'self'; script-src *"},
		"two ancestors":     {ContentSecurityPolicy: "frame-ancestors *", FrameAncestors: "'self'"},
		"a negative HSTS":   {HSTS: -1},
		"a millisecond":     {HSTS: time.Millisecond},
		"subdomains alone":  {HSTSSubdomains: true},
		"a NUL":             {ReferrerPolicy: "a\x00"},
		"an opener of two ": {OpenerPolicy: "a\nb"},
	} {
		mustPanic(t, name, func() { middleware.SecurityFields(o) })
	}
}

// TestHSTSNeedsTLS: RFC 6797 section 7.2.
func TestHSTSNeedsTLS(t *testing.T) {
	host := apptest.New(middleware.SecurityFields(middleware.SecurityOptions{HSTS: 365 * 24 * time.Hour, HSTSSubdomains: true})(
		func(r *app.Request) app.Answer {
			if r.Path() == "/fails" {
				return app.Fail(app.Statusf(500, "no"))
			}
			return app.Ready(app.Empty(204))
		}))
	const want = "max-age=31536000; includeSubDomains"
	plain := &app.ConnInfo{Peer: netip.MustParseAddrPort("10.0.0.1:1")}
	proxied := &app.ConnInfo{Peer: plain.Peer, Trust: forwarded.TrustNetworks(netip.MustParsePrefix("10.0.0.0/8"))}
	for _, c := range []struct {
		path, proto string
		conn        *app.ConnInfo
		want        string
	}{
		{"/", "", plain, ""},
		{"/", "https", plain, ""},
		{"/", "https", proxied, want},
		{"/", "http", proxied, ""},
		{"/", "", &app.ConnInfo{TLS: &tls.ConnectionState{}}, want},
		{"/fails", "", &app.ConnInfo{TLS: &tls.ConnectionState{}}, want},
	} {
		r := apptest.Get(c.path)
		if r.Conn = c.conn; c.proto != "" {
			r.Fields.Add("X-Forwarded-Proto", c.proto)
		}
		if got := host.Do(r).Header.Get("Strict-Transport-Security"); got != c.want {
			t.Errorf("%+v: got %q, want %q", c, got, c.want)
		}
	}
}

func ExampleSecurityFields() {
	secured := middleware.SecurityFields(middleware.SecurityOptions{
		HSTS:                  365 * 24 * time.Hour,
		ContentSecurityPolicy: "default-src 'self'",
	})

	call := apptest.New(secured(always(app.HTML(200, "<p>page")))).Do(apptest.Get("/"))
	fmt.Println(call.Header.Get("Content-Security-Policy"))
	// Output: default-src 'self'; frame-ancestors 'none'
}
