package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/forwarded"
	"github.com/gatewheel/gatewheel/app/middleware"
)

// TestCSRFAsTheStandardLibrary sends each request to the standard library's protection, too.
func TestCSRFAsTheStandardLibrary(t *testing.T) {
	host := apptest.New(middleware.CSRF(middleware.CSRFOptions{
		Origins: []string{"https://trusted.example"}, Bypass: []string{"POST /callback/{name}", "/open/"},
	})(always(app.Text(200, "passed"))))
	reference := http.NewCrossOriginProtection()
	if err := reference.AddTrustedOrigin("https://trusted.example"); err != nil {
		t.Fatal(err)
	}
	reference.AddInsecureBypassPattern("POST /callback/{name}")
	reference.AddInsecureBypassPattern("/open/")
	theirs := reference.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "passed") }))

	for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "get", "X"} {
		for _, path := range []string{"/", "/callback/x", "/callback/x/y", "/callback//x", "/open/x", "/open/../x", "/open"} {
			for _, site := range []string{"", "same-origin", "none", "same-site", "cross-site", "Same-Origin", "x"} {
				for _, origin := range []string{
					"", "null", "https://example.com", "http://example.com", "https://example.com:8443", "https://trusted.example",
					"http://trusted.example", "https://evil.example", "https://example.com.evil.example", "://", "example.com", "%",
				} {
					ours := apptest.Get(path)
					ours.Method = method
					their := httptest.NewRequest(method, "http://example.com"+path, nil)
					for name, value := range map[string]string{"Sec-Fetch-Site": site, "Origin": origin} {
						if value != "" {
							ours.Fields.Add(name, value)
							their.Header.Set(name, value)
						}
					}
					answer := httptest.NewRecorder()
					theirs.ServeHTTP(answer, their)
					if got := host.Do(ours).Status; got != answer.Code {
						t.Errorf("%s %s, Sec-Fetch-Site %q, Origin %q: %d, the standard library has %d", method, path, site, origin, got, answer.Code)
					}
				}
			}
		}
	}
}

func TestCSRFBehindAProxy(t *testing.T) {
	host := apptest.New(middleware.CSRF(middleware.CSRFOptions{Refused: always(app.Text(403, "refused"))})(always(app.Text(200, "passed"))))
	send := func(origin, forwardedHost string, trust *forwarded.Trust) string {
		r := apptest.Post("/", "text/plain", "x")
		r.Fields.Add("Origin", origin)
		r.Fields.Add("X-Forwarded-Host", forwardedHost)
		r.Conn = &app.ConnInfo{Peer: netip.MustParseAddrPort("10.0.0.1:1"), Trust: trust}
		return string(host.Do(r).Content)
	}
	trust := forwarded.TrustNetworks(netip.MustParsePrefix("10.0.0.0/8"))
	for _, c := range []struct {
		origin, host string
		trust        *forwarded.Trust
		want         string
	}{
		{"https://shop.example", "shop.example", trust, "passed"},
		{"https://shop.example:443", "shop.example", trust, "passed"},
		{"https://example.com", "shop.example", trust, "refused"},
		{"https://shop.example", "shop.example", nil, "refused"},
	} {
		if got := send(c.origin, c.host, c.trust); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestCSRFOptionsRefused(t *testing.T) {
	for name, o := range map[string]middleware.CSRFOptions{
		"all origins":   {Origins: []string{"*"}},
		"a wildcard":    {Origins: []string{"https://*.example"}},
		"a path":        {Origins: []string{"https://a.example/x"}},
		"null":          {Origins: []string{"null"}},
		"a bad pattern": {Bypass: []string{"POST callback"}},
		"a conflict":    {Bypass: []string{"/a/{x}", "/{x}/a"}},
	} {
		mustPanic(t, name, func() { middleware.CSRF(o) })
	}
}

func ExampleCSRF() {
	protected := middleware.CSRF(middleware.CSRFOptions{
		Origins: []string{"https://accounts.example.com"},
		Bypass:  []string{"POST /webhooks/{name}"},
	})

	host := apptest.New(protected(always(app.Text(200, "done\n"))))
	for _, site := range []string{"same-origin", "cross-site"} {
		request := apptest.Post("/transfer", "text/plain", "")
		request.Fields.Add("Sec-Fetch-Site", site)
		fmt.Println(site, host.Do(request).Status)
	}
	// Output:
	// same-origin 200
	// cross-site 403
}
