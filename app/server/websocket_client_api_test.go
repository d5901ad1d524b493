//go:build linux

package server_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	kinds "github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/reactor"
)

// newClient returns a client that trusts any certificate and is closed with the test.
func newClient(t *testing.T) *kinds.Client {
	c := kinds.New(kinds.Options{Origins: kinds.OriginOptions{TLS: anyone()}})
	t.Cleanup(c.Close)
	return c
}

// opens serves a handler that opens a WebSocket, and answers with its subprotocol or the reason of the failure.
func opens(t *testing.T, request *kinds.SocketRequest, options ...func(*server.Config)) (*site, chan *websocket.Socket, chan error) {
	c := newClient(t)
	opened, failed := make(chan *websocket.Socket, 10), make(chan error, 10)
	s := serve(t, func(r *app.Request) app.Answer {
		return app.After(c.WebSocket(r, request), func(k *websocket.Socket, err error) app.Answer {
			if err != nil {
				failed <- err
				return app.Fail(err)
			}
			opened <- k
			return app.Ready(app.Text(200, k.Protocol()))
		})
	}, options...)
	return s, opened, failed
}

// get asks and returns status and content.
func (s *site) get(path string) (int, string) {
	s.t.Helper()
	response, err := s.client().Get(s.url(path))
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, readAll(response)
}

// onSocket runs f on the socket's loop and waits.
func onSocket(t *testing.T, k *websocket.Socket, f func()) {
	t.Helper()
	done := make(chan struct{})
	k.Loop().Post(func() { f(); close(done) })
	next(t, done)
}

// echoed sends a message by way of k and wants it back.
func echoed(t *testing.T, k *websocket.Socket, got chan string, text string) {
	t.Helper()
	onSocket(t, k, func() { k.SendText(text) })
	if m := next(t, got); m != text {
		t.Errorf("got %q, want %q", m, text)
	}
}

// hearing returns an endpoint that passes on what it hears.
func hearing() (*websocket.Endpoint, chan string, chan websocket.Closed) {
	got := make(chan string, 100)
	e, ends := ended(&websocket.Endpoint{
		Protocols: []string{"v2", "v1"},
		Message: func(_ *websocket.Socket, m websocket.Message) app.Future[app.Done] {
			got <- m.Text()
			return app.Ready(app.Done{})
		},
	})
	return e, got, ends
}

// Every scheme of a URL reaches a server, by the protocol that it stands for.
func TestClientSocketSchemes(t *testing.T) {
	other := echoes()
	other.Protocols = []string{"v1"}
	plain := serve(t, at(other))
	id := issue(t, "localhost", nil)
	secure := serve(t, at(other), overTLS(&tls.Config{Certificates: []tls.Certificate{id.pair()}, NextProtos: []string{"h2", "http/1.1"}}))
	for _, c := range []struct {
		scheme, address, protocol string
	}{
		{"ws", plain.addr, app.HTTP11},
		{"http", plain.addr, app.HTTP11},
		{"h2c", plain.addr, app.HTTP2},
		{"wss", secure.addr, app.HTTP2},
		{"WSS", secure.addr, app.HTTP2},
		{"https", secure.addr, app.HTTP2},
		{"h2", secure.addr, app.HTTP2},
	} {
		t.Run(c.scheme, func(t *testing.T) {
			e, got, ends := hearing()
			s, opened, _ := opens(t, &kinds.SocketRequest{URL: c.scheme + "://" + c.address + "/socket", Endpoint: e})
			if status, content := s.get("/"); status != 200 || content != "v1" {
				t.Fatalf("status %d %q", status, content)
			}
			k := next(t, opened)
			echoed(t, k, got, "hello")
			if n := s.Counts().ClientSockets[c.protocol]; n != 1 {
				t.Errorf("counted %v", s.Counts().ClientSockets)
			}
			// The request that has asked is over, and the socket lives on.
			echoed(t, k, got, "again")
			onSocket(t, k, func() { k.Close(websocket.CloseNormal, "") })
			if closed := next(t, ends); closed.Code != 1000 {
				t.Errorf("closed %+v", closed)
			}
		})
	}
}

// upgrading is a handler of Go's that accepts a WebSocket over HTTP/1.1 and echoes frames.
func upgrading(w http.ResponseWriter, r *http.Request) {
	c, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "HTTP/1.1 only", http.StatusHTTPVersionNotSupported)
		return
	}
	defer c.Close()
	io.WriteString(c, "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+acceptOf(r)+"\r\n\r\n")
	for {
		f, err := readMasked(buffered)
		if err != nil {
			return
		}
		c.Write(f.unmasked())
		if f.first&15 == opClose {
			return
		}
	}
}

// A server whose HTTP/2 takes no WebSockets is asked over HTTP/1.1 if the scheme allows.
func TestClientSocketWithoutTunnels(t *testing.T) {
	id := issue(t, "localhost", nil)
	config := &tls.Config{Certificates: []tls.Certificate{id.pair()}}
	secure := goServer(t, http.HandlerFunc(upgrading), config)
	plain := goServer(t, http.HandlerFunc(upgrading), nil)
	for url, works := range map[string]bool{"wss://" + secure: true, "https://" + secure: true, "h2://" + secure: false, "h2c://" + plain: false} {
		t.Run(url[:strings.Index(url, ":")], func(t *testing.T) {
			e, got, ends := hearing()
			s, opened, failed := opens(t, &kinds.SocketRequest{URL: url, Endpoint: e})
			for range 2 {
				status, content := s.get("/")
				if !works {
					var failure *kinds.Error
					if err := next(t, failed); status != 502 || !errors.As(err, &failure) || failure.Kind != kinds.UpstreamMalformed ||
						!errors.Is(err, kinds.ErrNoTunnels) || failure.Sent {
						t.Errorf("status %d, %v", status, err)
					}
					continue
				}
				if status != 200 {
					t.Fatalf("status %d %q", status, content)
				}
				k := next(t, opened)
				echoed(t, k, got, "hello")
				onSocket(t, k, func() { k.Close(websocket.CloseNormal, "") })
				next(t, ends)
			}
		})
	}
}

// A server that declines is an error that has its answer.
func TestClientSocketDeclined(t *testing.T) {
	eachTransport(t, func(t *testing.T, protocol string) {
		other := serve(t, func(*app.Request) app.Answer {
			return app.Ready(app.Text(401, "who are you?").With("WWW-Authenticate", "Basic"))
		})
		scheme := map[string]string{app.HTTP11: "ws", app.HTTP2: "h2c"}[protocol]
		e, _, _ := hearing()
		s, _, failed := opens(t, &kinds.SocketRequest{URL: scheme + "://" + other.addr, Endpoint: e})
		status, _ := s.get("/")
		err := next(t, failed)
		var failure *kinds.Error
		var declined *kinds.Declined
		if status != 502 || !errors.As(err, &failure) || failure.Kind != kinds.UpstreamMalformed || !errors.As(err, &declined) ||
			declined.Status != 401 || declined.Fields.Get("WWW-Authenticate") != "Basic" {
			t.Errorf("status %d, %v", status, err)
		}
	})
}

func TestClientSocketRequests(t *testing.T) {
	e, _, _ := hearing()
	for why, c := range map[string]struct {
		request kinds.SocketRequest
		kind    kinds.Kind
	}{
		"fragment":        {kinds.SocketRequest{URL: "ws://127.0.0.1:1/a#b", Endpoint: e}, kinds.ClientMalformed},
		"scheme":          {kinds.SocketRequest{URL: "ftp://127.0.0.1:1/", Endpoint: e}, kinds.ClientMalformed},
		"no endpoint":     {kinds.SocketRequest{URL: "ws://127.0.0.1:1/"}, kinds.ClientMalformed},
		"handshake field": {kinds.SocketRequest{URL: "ws://127.0.0.1:1/", Endpoint: e, Fields: app.Fields{{Name: "sec-websocket-key", Value: "x"}}}, kinds.ClientMalformed},
		"subprotocols":    {kinds.SocketRequest{URL: "ws://127.0.0.1:1/", Endpoint: e, Protocols: []string{"a", "a"}}, kinds.ClientMalformed},
		"nobody there":    {kinds.SocketRequest{URL: "ws://127.0.0.1:1/", Endpoint: e}, kinds.ConnectFail},
	} {
		t.Run(why, func(t *testing.T) {
			s, _, failed := opens(t, &c.request)
			s.get("/")
			var failure *kinds.Error
			if err := next(t, failed); !errors.As(err, &failure) || failure.Kind != c.kind || failure.Sent || !failure.Safe {
				t.Errorf("%v", err)
			}
		})
	}
}

// The end of the request that asks cancels the opening, and with UntilRequestEnds closes the socket.
func TestClientSocketAndItsRequest(t *testing.T) {
	t.Run("while opening", func(t *testing.T) {
		l := scripted(t)
		e, _, _ := hearing()
		s, _, failed := opens(t, &kinds.SocketRequest{URL: "ws://" + l.address(), Endpoint: e}, halfClosedSoon)
		client := s.dial()
		client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		peer, _ := l.asked()
		client.Close()
		var failure *kinds.Error
		if err := next(t, failed); !errors.As(err, &failure) || failure.Kind != kinds.ClientGone || !failure.Sent {
			t.Errorf("%v", err)
		}
		peer.over()
	})
	t.Run("no answer in time", func(t *testing.T) {
		l := scripted(t)
		e, _, _ := hearing()
		s, _, failed := opens(t, &kinds.SocketRequest{URL: "ws://" + l.address(), Endpoint: e, Timeout: 20 * time.Millisecond})
		s.get("/")
		var failure *kinds.Error
		if err := next(t, failed); !errors.As(err, &failure) || failure.Kind != kinds.HeadTimeout {
			t.Errorf("%v", err)
		}
	})
	t.Run("once open", func(t *testing.T) {
		l := scripted(t)
		e, _, ends := hearing()
		s, _, _ := opens(t, &kinds.SocketRequest{URL: "ws://" + l.address(), Endpoint: e, UntilRequestEnds: true})
		client := s.dial()
		client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		peer, request := l.asked()
		peer.accept(request, "")
		peer.hear(closing(1001, ""))
		peer.say(closing(1001, ""))
		peer.finish()
		peer.over()
		if c := next(t, ends); c.Code != 1001 {
			t.Errorf("closed %+v", c)
		}
	})
}

// A loop opens a WebSocket for no request.
func TestClientSocketOfALoop(t *testing.T) {
	c := newClient(t)
	other := serve(t, at(echoes()))
	e, got, ends := hearing()
	opened := make(chan *websocket.Socket, 1)
	serve(t, func(*app.Request) app.Answer { return app.Ready(app.Text(200, "")) }, func(config *server.Config) {
		config.Loops = 1
		config.Hooks.LoopStart = func(l app.Loop) (any, error) {
			l.Post(func() {
				c.WebSocketOn(l, &kinds.SocketRequest{URL: "h2c://" + other.addr, Endpoint: e}).Done(func(k *websocket.Socket, err error) {
					if err != nil {
						t.Error(err)
					}
					opened <- k
				})
			})
			return nil, nil
		}
	})
	k := next(t, opened)
	echoed(t, k, got, "hello")
	onSocket(t, k, func() { k.Close(websocket.CloseNormal, "") })
	next(t, ends)
}

// Many WebSockets to one server share its HTTP/2 connections.
func TestClientSocketsShareConnections(t *testing.T) {
	c := newClient(t)
	other := serve(t, at(echoes()), func(config *server.Config) {
		config.Listeners = []reactor.ListenerConfig{{Address: "127.0.0.1:0"}}
	})
	e, got, ends := hearing()
	const sockets = 50
	opened := make(chan *websocket.Socket, sockets)
	s := serve(t, func(r *app.Request) app.Answer {
		var all []app.Future[*websocket.Socket]
		for range sockets {
			all = append(all, c.WebSocket(r, &kinds.SocketRequest{URL: "h2c://" + other.addr, Endpoint: e}))
		}
		return app.Then(app.All(all...), func(all []*websocket.Socket) app.Answer {
			for _, k := range all {
				opened <- k
			}
			return app.Ready(app.Text(200, ""))
		})
	})
	if status, _ := s.get("/"); status != 200 {
		t.Fatalf("status %d", status)
	}
	var all []*websocket.Socket
	for range sockets {
		k := next(t, opened)
		all = append(all, k)
		echoed(t, k, got, "hello")
	}
	if n := other.Counts().Accepted; n > 2 {
		t.Errorf("%d connections", n)
	}
	for _, k := range all {
		onSocket(t, k, func() { k.Close(websocket.CloseNormal, "") })
		next(t, ends)
	}
}
