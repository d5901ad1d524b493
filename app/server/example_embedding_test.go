//go:build linux

package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/router"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/server/accesslog"
	"github.com/gatewheel/gatewheel/app/server/metrics"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

func greet(r *app.Request) app.Answer {
	return app.Ready(app.Text(200, "hello, "+r.PathValue("name")+"\n"))
}

// run serves until ctx ends.
func run(ctx context.Context, log *zap.Logger, socket string, ready func([]net.Addr)) error {
	var routes router.Router
	routes.Handle("GET /hello/{name}", greet)

	certificates, err := certs.Open(certs.Options{SelfSigned: true, Logger: log})
	if err != nil {
		return err
	}
	defer certificates.Close()

	s, err := server.New(server.Config{
		Handler: routes.Serve,
		Logger:  log,
		Listeners: []reactor.ListenerConfig{
			{Address: "127.0.0.1:0"},
			{Address: "127.0.0.1:0", TLS: certificates.Config()},
			{Network: "unix", Address: socket, SocketMode: 0o660},
		},
		MaxBody:        16 << 20,
		RequestTimeout: 10 * time.Second,
		Pool:           server.PoolConfig{Workers: 64, Queue: 256},
	})
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	ready(s.Addrs())

	<-ctx.Done()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return s.Shutdown(grace)
}

// measured serves with metrics until ctx ends.
func measured(ctx context.Context, operators *http.ServeMux, ready func([]net.Addr)) error {
	m := metrics.New(metrics.Options{Version: "1.0"})
	s, err := server.New(server.Config{
		Handler:   greet,
		Listeners: []reactor.ListenerConfig{{Address: "127.0.0.1:0"}},
		Observers: []server.Observer{m},
	})
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	m.Watch(s)
	operators.Handle("GET /metrics", m.Handler())
	ready(s.Addrs())

	<-ctx.Done()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return s.Shutdown(grace)
}

// untilSignal is the context of a program: SIGINT or SIGTERM ends it.
func untilSignal() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// newServerFor shows that a Server that was never started is given back by Shutdown.
func newServerFor(inherited *os.File) error {
	s, err := server.New(server.Config{
		Handler:   greet,
		Listeners: []reactor.ListenerConfig{{File: inherited}},
	})
	if err != nil {
		return err
	}
	return s.Shutdown(context.Background())
}

// serveWithAccessLog writes a line for each request.
func serveWithAccessLog(ctx context.Context) error {
	log, err := accesslog.Open(accesslog.Options{Target: "/var/log/app/access.log", Format: "json"})
	if err != nil {
		return err
	}
	defer log.Close()
	return server.Run(ctx, server.Config{
		Handler:   greet,
		Listen:    []string{":8080"},
		Observers: []server.Observer{log},
	})
}

var _ = serveWithAccessLog

func ExampleServer() {
	ctx, stop := untilSignal()
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	dir, _ := os.MkdirTemp("", "gatewheel")
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "app.sock")
	err := run(ctx, zap.NewNop(), socket, func(addresses []net.Addr) {
		defer cancel()
		client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return net.Dial(addresses[2].Network(), socket)
		}}}
		defer client.CloseIdleConnections()
		response, err := client.Get("http://unix/hello/you")
		if err != nil {
			fmt.Println(err)
			return
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		fmt.Print(string(text))
	})
	fmt.Println(err)
	// Output:
	// hello, you
	// <nil>
}

func TestTheMetricsOfThePageCountRequests(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var operators http.ServeMux
	err := measured(ctx, &operators, func(addresses []net.Addr) {
		defer cancel()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Get("http://" + addresses[0].String())
		if err != nil {
			t.Error(err)
			return
		}
		_ = response.Body.Close()
		const want = `http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="",network_protocol_version="1.1"} 1`
		text := ""
		for end := time.Now().Add(20 * time.Second); !strings.Contains(text, want); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("the metrics lack %s", want)
				return
			}
			w := httptest.NewRecorder()
			operators.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			text = w.Body.String()
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAServerThatIsNotStartedIsGivenBack(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	inherited, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer inherited.Close()
	if err := newServerFor(inherited); err != nil {
		t.Error(err)
	}
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatalf("the inherited socket does not listen any more: %v", err)
	}
	_ = conn.Close()
}
