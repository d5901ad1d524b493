package target

import (
	"crypto/tls"
	"maps"
	"strconv"
	"sync"

	"github.com/gatewheel/gatewheel/app"
)

type seen struct {
	Method   string      `json:"method"`
	Target   string      `json:"target"`
	Protocol string      `json:"protocol"`
	Scheme   string      `json:"scheme"`
	Host     string      `json:"host"`
	Fields   []fieldLine `json:"fields"`
	Peer     string      `json:"peer"`
	Local    string      `json:"local,omitempty"`
	Client   *clientSeen `json:"client,omitempty"`
	TLS      *tlsSeen    `json:"tls"`
	Loop     int         `json:"loop"`
}

type fieldLine struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// clientSeen is the client as trusted proxies describe it.
type clientSeen struct {
	Address string `json:"address"`
	Scheme  string `json:"scheme"`
	Host    string `json:"host"`
}

type tlsSeen struct {
	Version    string `json:"version"`
	Cipher     string `json:"cipher"`
	ALPN       string `json:"alpn,omitempty"`
	ServerName string `json:"server_name,omitempty"`
	Resumed    bool   `json:"resumed"`
	// Client is the subject of the client's verified certificate.
	Client string `json:"client,omitempty"`
}

// headers answers with the request as the server has parsed it.
func headers(r *app.Request) app.Answer {
	s := seen{
		Method: r.Method, Target: r.Target, Protocol: r.Protocol,
		Scheme: r.Scheme, Host: r.Authority,
		Fields: make([]fieldLine, len(r.Fields)),
		Peer:   r.Conn().PeerString(), Loop: r.Loop().Index(),
	}
	for i, f := range r.Fields {
		s.Fields[i] = fieldLine(f)
	}
	if r.Conn().Trust != nil {
		c := r.Client()
		address := s.Peer
		if c.Addr.IsValid() {
			address = c.Addr.String()
		}
		s.Client = &clientSeen{address, c.Scheme, c.Host}
	}
	if local := r.Conn().Local; local.IsValid() {
		s.Local = local.String()
	}
	if state := r.Conn().TLS; state != nil {
		s.TLS = &tlsSeen{
			Version: tls.VersionName(state.Version), Cipher: tls.CipherSuiteName(state.CipherSuite),
			ALPN: state.NegotiatedProtocol, ServerName: state.ServerName, Resumed: state.DidResume,
		}
		if certificate := r.Conn().ClientCertificate(); certificate != nil {
			s.TLS.Client = certificate.Subject.String()
		}
	}
	return app.Ready(app.JSON(200, s))
}

// Counter has the counters of a server.
type Counter interface {
	// Counts returns the totals since the start. It may be called on any goroutine.
	Counts() Counts
}

// Counts are totals since the start, or since a reset.
type Counts struct {
	// Requests is the number of answered requests by protocol and status.
	Requests map[string]map[int]uint64
	// BytesIn and BytesOut are the bytes read from and written to sockets.
	BytesIn, BytesOut uint64
	// Accepted is the number of accepted connections, Open of those open now, which a
	// reset does not change.
	Accepted, Open uint64
	// Errors is the number of failures by kind: refusals, aborted responses, panics.
	Errors map[string]uint64
	// Gateway has what a gateway has counted, or is nil. A reset does not change it.
	Gateway *GatewayCounts
}

// GatewayCounts are the counters of a gateway since its start.
type GatewayCounts struct {
	// Exchanges is the number of requests by the reason of their end.
	Exchanges map[string]uint64 `json:"exchanges"`
	// Tunnels is the number of open WebSockets.
	Tunnels int64 `json:"tunnels_open"`
	// Active is the number of requests to other servers in progress, Waiting that of requests that wait for a
	// connection.
	Active  int64 `json:"upstream_active"`
	Waiting int64 `json:"upstream_waiting"`
	// Connections is the number of open connections to other servers. Opened has the number of those that were opened,
	// by protocol, and Failed the number of dials and connections that have ended with a failure, by its reason.
	Connections int64             `json:"upstream_connections_open"`
	Opened      map[string]uint64 `json:"upstream_connections_opened"`
	Failed      map[string]uint64 `json:"upstream_connections_failed"`
	// Dials is the number of such connections that were begun, Requests that of requests to other servers, each try
	// counted, Reused that of requests on a connection that had served one before, and Retries that of further tries.
	Dials    uint64 `json:"upstream_dials"`
	Requests uint64 `json:"upstream_requests"`
	Reused   uint64 `json:"upstream_reused"`
	Retries  uint64 `json:"upstream_retries"`
	// FailedLookUps is the number of look-ups of their names that have failed.
	FailedLookUps uint64 `json:"upstream_failed_lookups"`
	// Mirrored is the number of copies of requests that were sent, MirrorFailed that of those without a good response,
	// and MirrorSkipped that of requests that were not copied.
	Mirrored      uint64 `json:"mirror_sent"`
	MirrorFailed  uint64 `json:"mirror_failed"`
	MirrorSkipped uint64 `json:"mirror_skipped"`
	// Reloads is what has become of changes of the file; nil if there is none.
	Reloads *ReloadCounts `json:"reloads,omitempty"`
}

// ReloadCounts count how often a gateway's file was loaded again.
type ReloadCounts struct {
	OK     uint64 `json:"ok"`
	Failed uint64 `json:"failed"`
	// LastError has the mistakes of the last load, one a line, if that has failed.
	LastError string `json:"last_error,omitempty"`
}

type counted struct {
	Requests map[string]map[string]uint64 `json:"requests"`
	Total    uint64                       `json:"total"`
	BytesIn  uint64                       `json:"bytes_in"`
	BytesOut uint64                       `json:"bytes_out"`
	Accepted uint64                       `json:"connections_accepted"`
	Open     uint64                       `json:"connections_open"`
	Errors   map[string]uint64            `json:"errors"`
	Gateway  *GatewayCounts               `json:"gateway,omitempty"`
}

// count answers with the counters since the last reset, as the difference to their values at the reset.
type count struct {
	counter Counter

	mu   sync.Mutex // requests of several loops
	base Counts
}

func newCount(c Counter) *count { return &count{counter: c} }

// Totals returns the counters of c since the start in the form of /count, for encoding/json.
func Totals(c Counter) any { return since(c.Counts(), Counts{}) }

// serve answers GET, and POST, which alone may reset.
func (c *count) serve(r *app.Request) app.Answer {
	p := params{r: r}
	reset := p.flag("reset")
	if p.err != nil {
		return p.refusal()
	}
	if reset && r.Method != "POST" {
		return app.Ready(app.Error(405, "reset=1 needs POST").With("Allow", "POST"))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.counter.Counts() // under the lock: never older than base
	answer := since(now, c.base)
	if reset {
		c.base = now
	}
	return app.Ready(app.JSON(200, answer))
}

func since(now, base Counts) counted {
	c := counted{
		Requests: make(map[string]map[string]uint64),
		BytesIn:  now.BytesIn - base.BytesIn, BytesOut: now.BytesOut - base.BytesOut,
		Accepted: now.Accepted - base.Accepted, Open: now.Open,
		Errors: make(map[string]uint64), Gateway: now.Gateway,
	}
	for protocol, statuses := range now.Requests {
		for status, n := range statuses {
			if n -= base.Requests[protocol][status]; n == 0 {
				continue
			}
			if c.Requests[protocol] == nil {
				c.Requests[protocol] = make(map[string]uint64)
			}
			c.Requests[protocol][strconv.Itoa(status)] = n
			c.Total += n
		}
	}
	maps.Copy(c.Errors, now.Errors)
	for kind, n := range base.Errors {
		c.Errors[kind] -= n
	}
	return c
}
