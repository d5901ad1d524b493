//go:build linux

package server_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// runnable is a configuration for Run. up is called when the server accepts connections.
func runnable(up func()) server.Config {
	return server.Config{
		Handler: hello,
		Listen:  []string{"127.0.0.1:0"},
		Loops:   1,
		Logger:  zap.NewNop(),
		Hooks: server.Hooks{Start: func(context.Context) error {
			up()
			return nil
		}},
	}
}

// A program calls log.Fatal with the error of ListenAndServe: nil would be printed as "<nil>".
func TestListenAndServeReturnsAnErrorAlways(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := server.ListenAndServe(ctx, "127.0.0.1:0", hello); err != server.ErrServerClosed {
		t.Errorf("after a clean stop: %v", err)
	}
	for address, want := range map[string]string{
		"":          "write host:port, unix:path, fd:number or systemd",
		"8080":      "is only a port: write :8080",
		"localhost": "has no port: write localhost:8080",
	} {
		if err := server.ListenAndServe(ctx, address, hello); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want it to say %q", address, err, want)
		}
	}
}

func TestRunReturnsNilAfterACleanStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if err := server.Run(ctx, runnable(cancel)); err != nil {
		t.Error(err)
	}
}

func TestRunEndsWithShutdown(t *testing.T) {
	s, err := server.New(runnable(func() {}))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	// The response comes when the server has started.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	response, err := client.Get("http://" + s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if err := errors.Join(s.Shutdown(t.Context()), <-ended); err != nil {
		t.Error(err)
	}
}

func TestRunStopsAtASignal(t *testing.T) {
	config := runnable(func() { raise(t) })
	config.StopOnSignal = true
	if err := server.Run(t.Context(), config); err != nil {
		t.Error(err)
	}
}

func raise(t *testing.T) {
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}

// busy serves one request that has no response, and returns what Run returns after stop.
func busy(t *testing.T, config server.Config, stop func(cancel context.CancelFunc, draining <-chan struct{})) error {
	t.Helper()
	asked, draining := make(chan struct{}), make(chan struct{})
	config.Handler = func(r *app.Request) app.Answer {
		_, pending := app.Promised[*app.Response](r)
		r.Draining().Done(func(app.Done, error) { close(draining) })
		close(asked)
		return pending
	}
	s, err := server.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	go func() {
		if response, err := client.Get("http://" + s.Addrs()[0].String()); err == nil {
			response.Body.Close()
		}
	}()
	<-asked
	stop(cancel, draining)
	return <-ended
}

func TestASecondSignalCuts(t *testing.T) {
	config := runnable(func() {})
	config.StopOnSignal = true
	config.ShutdownTimeout = -1
	err := busy(t, config, func(_ context.CancelFunc, draining <-chan struct{}) {
		raise(t)
		<-draining
		raise(t)
	})
	if err == nil || !strings.Contains(err.Error(), "second signal") {
		t.Error(err)
	}
}

func TestRunCutsAfterTheShutdownTimeout(t *testing.T) {
	config := runnable(func() {})
	config.ShutdownTimeout = time.Millisecond
	err := busy(t, config, func(cancel context.CancelFunc, _ <-chan struct{}) { cancel() })
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "still busy after 1ms") {
		t.Error(err)
	}
}

// One configuration has every kind of address, in the form of the flags.
func TestAddressesAsText(t *testing.T) {
	certificates, err := certs.Open(certs.Options{SelfSigned: true, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer certificates.Close()
	socket := filepath.Join(t.TempDir(), "a.sock")
	other := func(*app.Request) app.Answer { return app.Ready(app.Text(200, "another handler")) }
	s := serve(t, hello, func(c *server.Config) {
		c.Listeners = []reactor.ListenerConfig{{Address: "127.0.0.1:0", Value: other}}
		c.Listen = []string{"127.0.0.1:0", "unix:" + socket}
		c.ListenTLS = []string{"127.0.0.1:0"}
		c.RedirectHTTPS = []string{"127.0.0.1:0"}
		c.TLS = certificates.Config()
	})
	at := s.Addrs()
	if len(at) != 5 || at[2].String() != socket {
		t.Fatalf("listens on %v", at)
	}
	client := s.client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for i, want := range map[int]string{0: "another handler", 1: "Hello, World!"} {
		response, err := client.Get("http://" + at[i].String())
		if err != nil {
			t.Fatal(err)
		}
		content, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if string(content) != want {
			t.Errorf("at address %d: %q, want %q", i, content, want)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+at[4].String()+"/a%20b?c=d", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "example.com:80"
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	_, port, _ := strings.Cut(at[3].String(), ":")
	if want := "https://example.com:" + port + "/a%20b?c=d"; response.StatusCode != 308 || response.Header.Get("Location") != want {
		t.Errorf("redirect: %d to %q, want %q", response.StatusCode, response.Header.Get("Location"), want)
	}
}

func TestWrongAddresses(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*server.Config)
		want string
	}{
		"none":         {func(*server.Config) {}, "no address to listen on"},
		"TLS missing":  {func(c *server.Config) { c.ListenTLS = []string{":0"} }, "needs Config.TLS"},
		"twice":        {func(c *server.Config) { c.Listen = []string{"127.0.0.1:9", "127.0.0.1:9"} }, "is given twice"},
		"unknown form": {func(c *server.Config) { c.Listen = []string{"http://x"} }, "has a scheme"},
		"strange value": {func(c *server.Config) {
			c.Listeners = []reactor.ListenerConfig{{Address: "127.0.0.1:0", Value: 1}}
		}, "is a int, want an app.Handler"},
	} {
		config := server.Config{Handler: hello, Logger: zap.NewNop()}
		c.set(&config)
		if _, err := server.New(config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want it to say %q", name, err, c.want)
		}
	}
}
