//go:build linux

package conformance

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// patience bounds a failure, not a success.
const patience = time.Minute

// transport is what a peer of the gateway speaks.
type transport string

const (
	h1  transport = "h1"
	h2c transport = "h2c"
	h2  transport = "h2" // over TLS
)

var transports = []transport{h1, h2c, h2}

func (t transport) isHTTP2() bool { return t != h1 }

// tlsOf is the configuration of all servers of the tests.
var tlsOf *tls.Config

func TestMain(m *testing.M) {
	if os.Getenv(largeServer) != "" {
		serveLarge()
		return
	}
	store, err := certs.Open(certs.Options{SelfSigned: true, Protocols: []string{"h2", "http/1.1"}, Logger: zap.NewNop()})
	if err != nil {
		panic(err)
	}
	tlsOf = store.Config()
	// The dialogues wait more than they work.
	flag.Parse()
	_ = flag.Set("test.parallel", "16")
	code := m.Run()
	store.Close()
	os.Exit(code)
}

// site is a gateway between a client side and a server side.
type site struct {
	*testing.T
	in, out  transport
	gateway  *gateway.Gateway
	server   *server.Server
	listener net.Listener
	accepted chan net.Conn
}

// options are what differs between sites.
type options struct {
	gateway gateway.Options
	backend client.OriginOptions
	server  func(*server.Config)
}

// newSite starts a gateway, and the listener of its server.
func newSite(t *testing.T, in, out transport, o options) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, in: in, out: out, listener: l, accepted: make(chan net.Conn, 64)}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.accepted <- c
		}
	}()
	url := map[transport]string{h1: "http://", h2c: "h2c://", h2: "h2://"}[out] + l.Addr().String()
	if o.backend.TLS == nil {
		o.backend.TLS = &tls.Config{InsecureSkipVerify: true}
	}
	o.backend.Connect = patience // TLS takes long on a busy machine
	if o.backend.Connections == 0 {
		o.backend.Connections = 1
	}
	b, err := gateway.NewBackend(o.backend, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if o.gateway.Via == "" {
		o.gateway.Via = "gw"
	}
	s.gateway = gateway.New(b, o.gateway)
	config := server.Config{
		Handler:           s.gateway.Serve,
		Listeners:         []reactor.ListenerConfig{{Address: "127.0.0.1:0"}, {Address: "127.0.0.1:0", TLS: tlsOf}},
		Loops:             1,
		Logger:            zap.NewNop(),
		HalfClosedTimeout: 100 * time.Millisecond,
	}
	if o.server != nil {
		o.server(&config)
	}
	if s.server, err = server.New(config); err != nil {
		t.Fatal(err)
	}
	if err := s.server.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		_ = s.server.Shutdown(ctx)
	})
	return s
}

// pairs runs a dialogue as a subtest for each pair of transports between client, gateway and server.
func pairs(t *testing.T, o options, dialogue func(s *site)) {
	t.Helper()
	over(t, transports, transports, o, dialogue)
}

// over is pairs for some transports of clients and servers.
func over(t *testing.T, in, out []transport, o options, dialogue func(s *site)) {
	t.Helper()
	for _, from := range in {
		for _, to := range out {
			t.Run(fmt.Sprintf("%s-%s", from, to), func(t *testing.T) {
				t.Parallel()
				dialogue(newSite(t, from, to, o))
			})
		}
	}
}

// ended fails the test unless the exchanges that have ended so far are those, in any order.
func (s *site) ended(reasons ...gateway.Reason) {
	s.Helper()
	want := map[gateway.Reason]uint64{}
	for _, r := range reasons {
		want[r]++
	}
	counts := func() (text string, same bool) {
		n, same := s.gateway.Counts(), true
		for _, r := range gateway.Reasons() {
			if c := n.Exchanges[r]; c > 0 {
				text += fmt.Sprintf(" %s: %d", r, c)
			}
			same = same && n.Exchanges[r] == want[r]
		}
		return text, same
	}
	s.eventually(func() string {
		text, same := counts()
		if same {
			return ""
		}
		return fmt.Sprintf("the exchanges have ended with%s; want %v", text, reasons)
	})
}

// eventually waits until wrong returns nothing.
func (s *site) eventually(wrong func() string) {
	s.Helper()
	for end := time.Now().Add(patience / 4); ; time.Sleep(time.Millisecond) {
		text := wrong()
		if text == "" {
			return
		}
		if time.Now().After(end) {
			s.Error(text)
			return
		}
	}
}

// field is a line of a head.
type field struct{ name, value string }

func (f field) String() string { return f.name + ": " + f.value }

// fieldsOf makes fields of pairs of names and values.
func fieldsOf(text ...string) (fields []field) {
	for pair := range slices.Chunk(text, 2) {
		fields = append(fields, field{pair[0], pair[1]})
	}
	return fields
}
