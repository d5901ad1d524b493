package gateway

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/auth"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
	"github.com/gatewheel/gatewheel/app/spi"
)

// Explanation is what a gateway does with a request.
type Explanation struct {
	// Route is the pattern of the route, "" if there is none.
	Route string
	// Case is the number of the case, from 1.
	Case int
	// Backends are the backends, one of which gets the request. They are none if the
	// gateway answers by itself.
	Backends []routing.Share
	// Status is the status with which the gateway answers by itself, or 0.
	Status int
	// Reason says why, in words.
	Reason string
	// Location is the location of a redirection.
	Location string
	// Method, Target, Authority and Fields are the head that is forwarded. An Authority of
	// "backend" stands for the host of the peer's URL.
	Method, Target, Authority string
	Fields                    app.Fields
	// AuthFields are the names of the fields that the authentication of the case sets. Those
	// of the client are not in Fields.
	AuthFields []string
}

// Asked is a request that is explained, not sent.
type Asked struct {
	Method string
	URL    *url.URL
	Fields app.Fields
	// From is the client's address; the zero address is 192.0.2.1, of documentation.
	From netip.Addr
}

// request returns a as servers would see it over HTTP/1.1.
func (a *Asked) request() *app.Request {
	r := &app.Request{
		Method: a.Method, Scheme: a.URL.Scheme, Authority: a.URL.Host, Target: a.URL.RequestURI(),
		Protocol: app.HTTP11, Fields: a.Fields, Arrived: time.Now(),
	}
	r.RawPath, r.RawQuery, _ = strings.Cut(r.Target, "?")
	from := a.From
	if !from.IsValid() {
		from = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	}
	spi.Bind(r, nil, &app.ConnInfo{Peer: netip.AddrPortFrom(from, 1234), Local: netip.MustParseAddrPort("192.0.2.2:443")})
	return r
}

// explained is the pseudonym of the gateway in explanations.
const explained = "gatewheel"

// Explain returns what a gateway with these routes does with a request over HTTP/1.1. It
// sends nothing.
func Explain(t *routing.Table, a *Asked) Explanation {
	r := a.request()
	var m routing.Match
	if !t.Find(r, &m) {
		return Explanation{Status: reasonTable[NoRoute].status, Reason: "no route matches"}
	}
	e := Explanation{Route: m.Route.Pattern, Case: m.Case.Number}
	if !m.Case.Raw() {
		if refused := refusePath(r.RawPath, m.Ambiguous); refused != nil {
			e.Status, e.Reason = refused.status, refused.text
			return e
		}
	}
	if status, location, ok := m.Redirection(r); ok {
		e.Status, e.Location, e.Reason = status, location, "the case redirects"
		return e
	}
	if respond := m.Case.Config.Respond; respond != nil {
		e.Status, e.Reason = statusOf(respond), "the case responds"
		return e
	}
	p := &policy{pseudonym: explained, via: newViaLines(explained), rawPaths: true}
	e.AuthFields = authFields(m.Case.Config.Auth)
	auth.RemoveFields(r, e.AuthFields)
	var head requestHead
	refused := head.make(r, p, &addresses{})
	if refused == nil {
		refused = head.change(r, &m)
	}
	if refused != nil {
		e.Status, e.Reason = refused.status, refused.text
		return e
	}
	e.Backends = m.Case.Backends
	e.Method, e.Target, e.Authority, e.Fields = head.method, head.target, head.authority, head.fields
	return e
}

// authFields returns the names of the fields that an authentication sets, in order.
func authFields(a *config.Auth) []string {
	if a == nil {
		return nil
	}
	if a.JWT != nil {
		return slices.Sorted(maps.Values(a.JWT.Claims))
	}
	return a.Copy
}

// statusOf returns the status of a response of the gateway's own.
func statusOf(r *config.Respond) int {
	if r.Status == 0 {
		return 200
	}
	return r.Status
}

// CheckTests runs the tests of c, whose routes t has.
func CheckTests(c *config.Config, t *routing.Table) (problems []config.Problem) {
	for i := range c.Tests {
		test := &c.Tests[i]
		at := config.Place{"tests"}.At(i)
		method, target, err := test.Parse()
		if err != nil {
			problems = append(problems, config.Problem{Place: at, Text: err.Error()})
			continue
		}
		asked := &Asked{Method: method, URL: target}
		for name, value := range test.Header {
			asked.Fields.Add(name, value)
		}
		if test.From != "" {
			asked.From, _ = netip.ParseAddr(test.From)
		}
		e := Explain(t, asked)
		for _, d := range e.differences(test) {
			problems = append(problems, config.Problem{Place: at.In(d.key), Text: "the test fails: " + d.text})
		}
	}
	return problems
}

// difference is what a test has expected otherwise.
type difference struct{ key, text string }

func (e *Explanation) differences(t *config.Test) (all []difference) {
	if t.Backend != "" && !e.mayGoTo(t.Backend) {
		all = append(all, difference{"backend", "the request " + e.outcome() + ", not to " + t.Backend})
	}
	if t.Route != "" && t.Route != e.Route {
		all = append(all, difference{"route", "the request matches " + patternText(e.Route) + ", not " + patternText(t.Route)})
	}
	if t.Status != 0 && t.Status != e.Status {
		text := "the request " + e.outcome() + ", not with " + strconv.Itoa(t.Status)
		if e.Status == 0 {
			text = "the request " + e.outcome() + ", and status is that of an answer of the gateway's own"
		}
		all = append(all, difference{"status", text})
	}
	if t.Location != "" && t.Location != e.Location {
		all = append(all, difference{"location", fmt.Sprintf("the location is %q, not %q", e.Location, t.Location)})
	}
	if t.Path != "" && t.Path != e.Target {
		all = append(all, difference{"path", fmt.Sprintf("the path that is forwarded is %q, not %q", e.Target, t.Path)})
	}
	return all
}

func patternText(pattern string) string {
	if pattern == "" {
		return "no route"
	}
	return strconv.Quote(pattern)
}

func (e *Explanation) mayGoTo(backend string) bool {
	for _, s := range e.Backends {
		if s.Backend == backend && s.Share > 0 {
			return true
		}
	}
	return false
}

// outcome returns what happens to the request, in words that follow "the request".
func (e *Explanation) outcome() string {
	switch {
	case e.Location != "":
		return "is redirected to " + e.Location
	case e.Status != 0:
		return fmt.Sprintf("is answered with %d (%s)", e.Status, e.Reason)
	}
	var names []string
	for _, s := range e.Backends {
		if s.Share > 0 {
			names = append(names, s.Backend)
		}
	}
	return "goes to " + strings.Join(names, " or ")
}
