package gateway

import (
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
)

// settings are what a gateway does with the requests of a case, or of all. They do not
// change.
type settings struct {
	backends          []*Backend
	timeout           time.Duration // 0: no limit
	idle              time.Duration
	tunnelIdle        time.Duration
	retries           int
	maxBody           int64 // 0: no limit
	request, response *routing.Edits
	hostOfPeer        bool // the host of the peer's URL is sent
	concurrency       *concurrency
	rate              *rateLimit     // nil: no limit
	answer            *app.Response  // of the gateway's own; nil: none
	compress          app.Middleware // nil: responses are passed on as they are
}

// settings returns those of o for one backend.
func (o *Options) settings(b *Backend) settings {
	s := settings{
		backends:   []*Backend{b},
		timeout:    orDefault(o.Timeout, defaultTimeout),
		idle:       orDefault(o.Idle, defaultIdle),
		tunnelIdle: orDefault(o.TunnelIdle, defaultTunnelIdle),
		retries:    o.Retries,
	}
	switch {
	case o.Retries == 0:
		s.retries = 1
	case o.Retries < 0:
		s.retries = 0
	}
	return s
}

// errBodyTooLarge is the failure of content that is larger than its case permits.
var errBodyTooLarge error = &app.StatusError{Status: 413, Message: reasonTable[BodyLimit].text}

// concurrency limits the requests in progress. A nil one does not. Any goroutine.
type concurrency struct {
	most  int64
	count atomic.Int64
}

// enter reports whether a request may begin. Then leave must be called at its end.
func (c *concurrency) enter() bool {
	if c == nil {
		return true
	}
	if c.count.Add(1) > c.most {
		c.count.Add(-1)
		return false
	}
	return true
}

func (c *concurrency) leave() {
	if c != nil {
		c.count.Add(-1)
	}
}
