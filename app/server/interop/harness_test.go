//go:build linux

package interop

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/middleware"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/target"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(holdAddress); address != "" {
		hold(address)
		return
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
	)
}

// patience bounds a failure, not a success.
const patience = time.Minute

// site is a server with a cleartext and a TLS address.
type site struct {
	*server.Server
	t             *testing.T
	plain, secure string
}

// keeping is an endpoint with context takeover both ways, for clients that compress.
var keeping = &websocket.Endpoint{
	Compression: websocket.Compression{ServerContext: true, ClientContext: true, MinSize: 1},
	Message:     func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] { return s.Send(m.Kind, m.Data) },
}

// served is an endpoint with a goroutine a socket.
var served = &websocket.Endpoint{
	Protocols: []string{"blocking"},
	Serve: func(ctx context.Context, c *websocket.Conn) error {
		for {
			m, err := c.Read(ctx)
			if err != nil {
				return err
			}
			if err := c.Write(ctx, m.Kind, m.Data); err != nil {
				return err
			}
		}
	},
}

func serve(t *testing.T) *site {
	t.Helper()
	return serveTarget(t, target.Config{})
}

// serveTarget serves the built-in application, and beside it what browsers and sockets need.
func serveTarget(t *testing.T, config target.Config) *site {
	t.Helper()
	handler, err := target.New(config)
	if err != nil {
		t.Fatal(err)
	}
	limited := middleware.LimitBody(4 << 20)(handler)
	return serveHandler(t, func(r *app.Request) app.Future[*app.Response] {
		switch r.RawPath {
		case "/limited":
			return limited(r)
		case "/ws/keeping":
			return app.Ready(websocket.Accept(keeping))
		case "/ws/served":
			return app.Ready(websocket.Accept(served))
		case "/page":
			return app.Ready(app.HTML(200, "<title>interop</title>"))
		}
		return handler(r)
	})
}

func serveHandler(t *testing.T, handler app.Handler) *site {
	t.Helper()
	store, err := certs.Open(certs.Options{SelfSigned: true, Protocols: []string{"h2", "http/1.1"}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{
		Handler: handler,
		Loops:   2,
		Logger:  zap.NewNop(),
		Listeners: []reactor.ListenerConfig{
			{Address: "127.0.0.1:0"},
			{Address: "127.0.0.1:0", TLS: store.Config()},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		store.Close()
	})
	return &site{Server: s, t: t, plain: s.Addrs()[0].String(), secure: s.Addrs()[1].String()}
}

// insecure trusts the server's certificate, which it has made for itself.
var insecure = &tls.Config{InsecureSkipVerify: true}

// sockets wants so many WebSockets to have been opened since the start, by protocol.
func (s *site) sockets(http1, http2 uint64) {
	s.t.Helper()
	if got := s.Counts().Sockets; got[app.HTTP11] != http1 || got[app.HTTP2] != http2 {
		s.t.Errorf("the server has counted %v, want %d over HTTP/1.1 and %d over HTTP/2", got, http1, http2)
	}
}

// need finds a tool, or says which package has it.
func need(t *testing.T, command, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(command)
	if err != nil {
		t.Fatalf("%s is missing: install Debian's package %s", command, debianPackage)
	}
	return path
}

// needNode finds node and a package of this folder's package.json.
func needNode(t *testing.T, npmPackage string) string {
	t.Helper()
	node := need(t, "node", "nodejs")
	if _, err := os.Stat("node_modules/" + npmPackage); err != nil {
		t.Fatalf("the npm package %s is missing: npm ci in this folder installs it", npmPackage)
	}
	return node
}

// run runs a client, which prints one JSON document.
func run[T any](t *testing.T, result *T, command string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, command, args...)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v %v: %v\n%s", command, args, err, out)
	}
	if err := json.Unmarshal(out, result); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
