package gateway

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app/gateway/config"
)

// healthCheck asks one peer regularly, on a goroutine of its own and over connections of
// its own: it costs the loops nothing, and a loop that is busy delays no check.
type healthCheck struct {
	peer    *peer
	every   time.Duration
	timeout time.Duration
	rise    int
	fall    int
	ask     func(ctx context.Context) error
}

// Values of config.Health that are not given.
const (
	defaultEvery   = 5 * time.Second
	defaultTimeOut = time.Second
	defaultRise    = 2
	defaultFall    = 3
)

// checkHealth has peers asked that are found from now on.
func (b *Backend) checkHealth(c *config.Health, certificates func(host string, protocols ...string) func() *tls.Config) {
	b.health = func(ctx context.Context, p *peer) {
		h := &healthCheck{peer: p, every: defaultEvery, timeout: defaultTimeOut, rise: defaultRise, fall: defaultFall}
		if c.Every > 0 {
			h.every = c.Every
		}
		if c.Timeout > 0 {
			h.timeout = c.Timeout
		}
		if c.Rise > 0 {
			h.rise = c.Rise
		}
		if c.Fall > 0 {
			h.fall = c.Fall
		}
		u, _ := config.ParsePeerURL(p.url) // checked before
		d := &healthDialer{url: u, address: p.address}
		if u.TLS() && certificates != nil {
			d.tls = certificates(strings.Trim(u.Host, "[]"), d.protocols()...)
		}
		switch {
		case c.TCP:
			h.ask = d.connect
		case c.GRPC != nil:
			h.ask = d.grpc(*c.GRPC)
		default:
			h.ask = d.request(c)
		}
		go h.run(ctx)
	}
}

// run asks until ctx ends. The time between two questions varies by a tenth, so that
// several gateways do not ask at the same time.
func (h *healthCheck) run(ctx context.Context) {
	good, bad := 0, 0
	wait := time.Duration(rand.Int64N(int64(h.every/10) + 1))
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		limited, cancel := context.WithTimeout(ctx, h.timeout)
		err := h.ask(limited)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			good, bad = good+1, 0
		} else {
			good, bad = 0, bad+1
		}
		h.decide(good, bad, err)
		wait = h.every - h.every/10 + time.Duration(rand.Int64N(int64(h.every/5)+1))
	}
}

func (h *healthCheck) decide(good, bad int, err error) {
	p := h.peer
	switch {
	case bad >= h.fall && !p.unhealthy.Swap(true):
		p.backend.tell(p, PeerUnhealthy, err)
	case good >= h.rise && p.unhealthy.Swap(false):
		p.since.Store(time.Now().UnixNano())
		p.backend.tell(p, PeerHealthy, nil)
	}
}

// healthDialer connects to a peer for health checks.
type healthDialer struct {
	url     config.PeerURL
	address string             // in place of that of url; "": none
	tls     func() *tls.Config // nil: that of the system
}

func (d *healthDialer) protocols() []string {
	switch d.url.Scheme {
	case "h2":
		return []string{"h2"}
	case "https":
		return []string{"h2", "http/1.1"}
	}
	return nil
}

// dial opens a connection, without TLS.
func (d *healthDialer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var dialer net.Dialer
	if d.url.Unix != "" {
		return dialer.DialContext(ctx, "unix", d.url.Unix)
	}
	if d.address != "" {
		return dialer.DialContext(ctx, "tcp", d.address)
	}
	return dialer.DialContext(ctx, "tcp", net.JoinHostPort(strings.Trim(d.url.Host, "[]"), d.url.Port))
}

// config returns the configuration for TLS.
func (d *healthDialer) config() *tls.Config {
	c := &tls.Config{}
	if d.tls != nil {
		c = d.tls().Clone()
	}
	if c.ServerName == "" {
		c.ServerName = strings.Trim(d.url.Host, "[]")
	}
	if len(c.NextProtos) == 0 {
		c.NextProtos = d.protocols()
	}
	return c
}

// connect implements {tcp: true}.
func (d *healthDialer) connect(ctx context.Context) error {
	conn, err := d.dial(ctx, "", "")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if !d.url.TLS() {
		return nil
	}
	return tls.Client(conn, d.config()).HandshakeContext(ctx)
}

// client returns a client of the peer's protocol, with a connection for each question: one
// that is kept would answer for a peer that takes no new ones.
func (d *healthDialer) client() *http.Client {
	var p http.Protocols
	p.SetHTTP1(d.url.Scheme == "http" || d.url.Scheme == "https")
	p.SetHTTP2(d.url.TLS())
	p.SetUnencryptedHTTP2(d.url.Scheme == "h2c")
	t := &http.Transport{DialContext: d.dial, Protocols: &p, DisableKeepAlives: true, DisableCompression: true}
	if d.url.TLS() {
		t.TLSClientConfig = d.config()
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// target returns the URL of a path at the peer.
func (d *healthDialer) target(path string) string {
	scheme, host := "http", d.url.Host
	if d.url.TLS() {
		scheme = "https"
	}
	if host == "" {
		host = "localhost" // a socket has none
	}
	if d.url.Port != "" {
		host += ":" + d.url.Port
	}
	return scheme + "://" + host + path
}

// maxHealthContent limits what is read of an answer, in bytes.
const maxHealthContent = 64 << 10

// request implements a method and a path.
func (d *healthDialer) request(c *config.Health) func(ctx context.Context) error {
	method, path, _ := config.ParseRequestLine(c.Request) // checked before
	expect := c.Expect
	if len(expect) == 0 {
		expect = []config.StatusRange{{From: 200, To: 299}}
	}
	return func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, method, d.target(path), nil)
		if err != nil {
			return err
		}
		r.Header.Set("User-Agent", "gatewheel-health")
		c := d.client()
		defer c.CloseIdleConnections()
		resp, err := c.Do(r)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxHealthContent))
		for _, good := range expect {
			if good.From <= resp.StatusCode && resp.StatusCode <= good.To {
				return nil
			}
		}
		return fmt.Errorf("the status is %d", resp.StatusCode)
	}
}

// errNotServing is the answer of a service that is not SERVING.
var errNotServing = errors.New("the service is not serving")

// grpc implements grpc.health.v1.Health/Check of a service.
func (d *healthDialer) grpc(service string) func(ctx context.Context) error {
	// message HealthCheckRequest { string service = 1; }
	var message []byte
	if service != "" {
		message = append(message, 1<<3|2)
		message = binary.AppendUvarint(message, uint64(len(service)))
		message = append(message, service...)
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	frame = append(frame, message...)
	return func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, "POST", d.target("/grpc.health.v1.Health/Check"), strings.NewReader(string(frame)))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/grpc")
		r.Header.Set("TE", "trailers")
		c := d.client()
		defer c.CloseIdleConnections()
		resp, err := c.Do(r)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		answer, err := io.ReadAll(io.LimitReader(resp.Body, maxHealthContent))
		if err != nil {
			return err
		}
		status := resp.Trailer.Get("Grpc-Status") + resp.Header.Get("Grpc-Status")
		if resp.StatusCode != 200 || status != "0" {
			return fmt.Errorf("the status is %d, that of gRPC %q", resp.StatusCode, status)
		}
		// message HealthCheckResponse { ServingStatus status = 1; }, where SERVING is 1.
		if len(answer) != 7 || answer[0] != 0 || answer[4] != 2 || answer[5] != 1<<3 || answer[6] != 1 {
			return errNotServing
		}
		return nil
	}
}
