//go:build linux

package metrics

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/router"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// TestMain wants every goroutine to be gone in the end, but those that a package of gnet's starts for the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
	)
}

// observed is a running server with metrics.
type observed struct {
	*Metrics
	clear, secure string // addresses
}

// observe starts a server with a handler. It is stopped at the end of the test.
func observe(t *testing.T, options Options, config server.Config) *observed {
	t.Helper()
	certificates, err := certs.Open(certs.Options{SelfSigned: true})
	if err != nil {
		t.Fatal(err)
	}
	m := New(options)
	config.Observers = []server.Observer{m}
	config.Listeners = []reactor.ListenerConfig{{Address: "127.0.0.1:0"}, {Address: "127.0.0.1:0", TLS: certificates.Config()}}
	s, err := server.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.Watch(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		_ = certificates.Close()
	})
	return &observed{m, s.Addrs()[0].String(), s.Addrs()[1].String()}
}

// browser returns a client whose connections end with the test. protocols are those that it may use.
func browser(t *testing.T, set func(*http.Protocols), secure *tls.Config) *http.Client {
	transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: secure}
	set(transport.Protocols)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// fetch returns the status of an answer that it reads to its end; 0 for none.
func fetch(t *testing.T, c *http.Client, method, url, content string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// eventually waits until a sum of a metric is want.
func (o *observed) eventually(t *testing.T, want float64, name string, labels ...string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got := gather(t, o.Metrics).sum(name, labels...)
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%s %v is %v, want %v", name, labels, got, want)
			return
		}
	}
}

func TestMetricsOfAllTrafficPassPromtool(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "from behind")
	}))
	t.Cleanup(backend.Close)
	peers, err := gateway.NewBackend(client.OriginOptions{}, backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(peers.Close)
	g := gateway.New(peers, gateway.Options{Retries: -1})
	var routes router.Router
	routes.Handle("/items/{id}", func(*app.Request) app.Future[*app.Response] { return app.Ready(app.Text(200, "item")) })
	routes.Handle("/panic", func(*app.Request) app.Future[*app.Response] { panic("on purpose") })
	routes.Handle("/ws", func(*app.Request) app.Future[*app.Response] {
		return app.Ready(websocket.Accept(&websocket.Endpoint{}))
	})
	routes.Handle("/", g.Serve)
	o := observe(t, Options{Version: "test", Gateway: g, AccessLogDropped: func() uint64 { return 7 }},
		server.Config{Loops: 2, Handler: routes.Serve})

	h1 := browser(t, func(p *http.Protocols) { p.SetHTTP1(true) }, nil)
	h2 := browser(t, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }, nil)
	tls12 := browser(t, func(p *http.Protocols) { p.SetHTTP1(true) }, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	for i := range 3 {
		url := fmt.Sprintf("/items/%d?secret=%d", i, i)
		fetch(t, h1, "GET", "http://"+o.clear+url, "")
		fetch(t, h2, "POST", "http://"+o.clear+url, "content")
		fetch(t, tls12, "GET", "https://"+o.secure+url, "")
	}
	fetch(t, h1, "GET", "http://"+o.clear+"/panic", "")
	fetch(t, h1, "GET", "http://"+o.clear+"/behind", "")
	fetch(t, h1, "GET", "http://"+o.clear+"/gone", "")
	raw, err := net.Dial("tcp", o.clear)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	fmt.Fprint(raw, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(raw), nil); err != nil || resp.StatusCode != 101 {
		t.Fatalf("WebSocket: %v %v", resp, err)
	}
	malformed, err := net.Dial("tcp", o.clear)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = malformed.Close() }()
	fmt.Fprint(malformed, "not HTTP\r\n\r\n")
	_, _ = io.Copy(io.Discard, malformed)

	const times = "http_server_request_duration_seconds"
	item := "http_route=/items/{id}"
	o.eventually(t, 6, times, item, "network_protocol_version=1.1", "http_request_method=GET", "http_response_status_code=200")
	o.eventually(t, 3, times, item, "network_protocol_version=2", "http_request_method=POST")
	o.eventually(t, 1, times, "http_route=/panic", "http_response_status_code=500")
	o.eventually(t, 1, times, "http_route=/", "http_response_status_code=502")
	o.eventually(t, 1, times, "http_response_status_code=400", "http_request_method=_OTHER")
	o.eventually(t, 1, "gatewheel_lasting_requests_total")
	o.eventually(t, 1, "gatewheel_websockets", "role=server")
	o.eventually(t, 1, "gatewheel_connections", "protocol=upgraded")
	o.eventually(t, 1, "gatewheel_connections", "protocol=HTTP/2.0", "state=idle")
	o.eventually(t, 0, "http_server_active_requests")
	o.eventually(t, 1, "gatewheel_request_failures_total", "kind=panic")
	o.eventually(t, 1, "gatewheel_refusals_total", "reason=h1-malformed")
	o.eventually(t, 1, "gatewheel_tls_handshakes_total", "side=accepted", "version=1.2")
	o.eventually(t, 3, "gatewheel_http2_streams_total")
	o.eventually(t, 7, "gatewheel_log_lines_dropped_total", "log=access")
	o.eventually(t, 1, "gatewheel_peer_responses_total", "status_class=2xx")
	o.eventually(t, 1, "gatewheel_peer_response_duration_seconds")
	o.eventually(t, 1, "gatewheel_gateway_requests_total", "reason=upstream-eof")
	if got := gather(t, o.Metrics).sum("gatewheel_peer_failures_total", "reason=upstream-eof"); got < 1 { // it may be asked again
		t.Errorf("%v failures of the peer, want one or more", got)
	}
	o.eventually(t, 1, "gatewheel_peer_usable")
	o.eventually(t, 1, "gatewheel_build_info", "version=test")

	for _, accept := range []string{"", "application/openmetrics-text;version=1.0.0"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Accept", accept)
		o.Handler().ServeHTTP(w, r)
		for _, private := range []string{"secret", "items/0", o.clear} {
			if strings.Contains(w.Body.String(), private) {
				t.Errorf("the metrics have %q, which a client chooses", private)
			}
		}
		if accept == "" {
			promtool(t, w.Body.String(), "check", "metrics")
		}
	}
	for name, f := range gather(t, o.Metrics) {
		if strings.HasPrefix(name, "gatewheel") && len(f.GetMetric()) > 500 {
			t.Errorf("%s has %d series", name, len(f.GetMetric()))
		}
	}
}

func TestAScrapeAnswersWhileALoopStalls(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	o := observe(t, Options{}, server.Config{
		Loops: 1,
		Handler: func(*app.Request) app.Future[*app.Response] {
			close(entered)
			<-release
			return app.Ready(app.Empty(204))
		},
		Stall: server.StallConfig{Warn: 10 * time.Millisecond, Timeout: -1},
	})
	c := browser(t, func(p *http.Protocols) { p.SetHTTP1(true) }, nil)
	status := make(chan int)
	go func() { status <- fetch(t, c, "GET", "http://"+o.clear, "") }()
	<-entered
	o.eventually(t, 1, "gatewheel_loop_stalled") // each look is a scrape
	o.eventually(t, 1, "http_server_active_requests", "network_protocol_version=1.1")
	o.eventually(t, 1, "gatewheel_connections", "protocol=HTTP/1.1", "state=active")
	close(release)
	if got := <-status; got != 204 {
		t.Errorf("the stalled request got %d", got)
	}
	o.eventually(t, 0, "gatewheel_loop_stalled")
	o.eventually(t, 1, "gatewheel_loop_stalls_total")
	o.eventually(t, 0, "http_server_active_requests")
	o.eventually(t, 1, "gatewheel_connections", "protocol=HTTP/1.1", "state=idle")
}
