package gateway

import (
	"maps"
	"slices"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/compress"
	"github.com/gatewheel/gatewheel/app/gateway/auth"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/limit"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
)

// settings are what a gateway does with the requests of a case, or of all. They do not
// change.
type settings struct {
	backends          []*Backend
	timeout           time.Duration // 0: no limit
	idle              time.Duration
	tunnelIdle        time.Duration
	retry             client.Retry
	maxBody           int64 // 0: no limit
	request, response *routing.Edits
	dropsTrailer      func(name string) bool // of requests; nil: none but those of every request
	hostOfPeer        bool                   // the host of the peer's URL is sent
	rate              *limit.Rate            // nil: no limit
	concurrency       *limit.Concurrency     // nil: no limit
	auth              auth.Checker           // nil: every request may pass
	mirrors           []*mirror
	answer            *app.Response  // of the gateway's own; nil: none
	compress          app.Middleware // nil: responses are passed on as they are
	route             *internalapi.Route
}

// settings returns those of o for one backend.
func (o *Options) settings(b *Backend) settings {
	s := settings{
		backends:   []*Backend{b},
		timeout:    orDefault(o.Timeout, defaultTimeout),
		idle:       orDefault(o.Idle, defaultIdle),
		tunnelIdle: orDefault(o.TunnelIdle, defaultTunnelIdle),
		retry:      client.Retry{Tries: o.Retries},
	}
	switch {
	case o.Retries == 0:
		s.retry.Tries = 1
	case o.Retries < 0:
		s.retry.Tries = 0
	}
	return s
}

// settingsOf returns the settings of a case, but for its limits and authentication. Times
// that it does not give are those of o.
func (o *Options) settingsOf(k *routing.Case, named map[string]*Backend) settings {
	s := o.settings(nil)
	s.backends = nil
	for _, share := range k.Backends {
		s.backends = append(s.backends, named[share.Backend])
	}
	c := k.Config
	if c.Timeout > 0 {
		s.timeout = c.Timeout
	}
	if c.Idle > 0 {
		s.idle, s.tunnelIdle = c.Idle, c.Idle
	}
	if r := c.Retry; r != nil {
		s.retry = client.Retry{Tries: r.Tries, Statuses: r.On, Methods: r.Methods}
	}
	s.retry.Timeout = c.TryTimeout
	s.maxBody = int64(c.Body)
	s.request, s.response = k.Request, k.Response
	s.hostOfPeer = c.Rewrite.Host == backendHost
	for _, name := range slices.Sorted(maps.Keys(c.Mirror)) {
		s.mirrors = append(s.mirrors, &mirror{backend: named[name], part: float64(c.Mirror[name]) / 100})
	}
	if c.Respond != nil {
		s.answer = ownResponse(c.Respond)
	}
	if c.Compress {
		s.compress = compress.New(compress.Options{})
	}
	return s
}

// setDropped sets which trailer fields of requests are dropped: those with names of fields
// that the case changes, or that its authentication sets.
func (s *settings) setDropped() {
	edited := s.request.Drops()
	switch {
	case s.auth == nil || len(s.auth.Fields()) == 0:
		s.dropsTrailer = edited
	case edited == nil:
		s.dropsTrailer = func(name string) bool { return auth.Sets(s.auth, name) }
	default:
		s.dropsTrailer = func(name string) bool { return edited(name) || auth.Sets(s.auth, name) }
	}
}

// ownResponse returns a response of the gateway's own, whose fields are copied for each
// request.
func ownResponse(c *config.Respond) *app.Response {
	resp := app.Text(statusOf(c), c.Body)
	if c.Body == "" {
		resp = app.Empty(statusOf(c))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		resp.Fields.Set(name, c.Fields[name])
	}
	return resp
}

// errBodyTooLarge is the failure of content that is larger than its case permits.
var errBodyTooLarge error = &app.StatusError{Status: 413, Message: reasonTable[BodyLimit].text}
