//go:build linux

package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
)

// patience is how long a test waits for something that must happen.
const patience = 30 * time.Second

// live is a server whose handler passes requests to a backend.
type live struct {
	t      *testing.T
	addr   string
	client *client.Client
	origin *client.Origin
	user   *http.Client
	loops  [2]app.Loop
	ids    atomic.Int64
	// retries are those of its requests.
	retries atomic.Int32
	// dies is set for a backend that may end in the middle of a response. No client can hide that.
	dies atomic.Bool
}

// newLive starts a server with two loops that passes its requests to that URL.
func newLive(t *testing.T, url string, options client.OriginOptions, change ...func(*live, *server.Config)) *live {
	t.Helper()
	l := &live{t: t, client: client.New(client.Options{})}
	o, err := l.client.NewOrigin(url, options)
	if err != nil {
		t.Fatal(err)
	}
	l.origin = o
	config := server.Config{
		Handler: l.serve, Loops: 2, Logger: zap.NewNop(),
		Listeners: []reactor.ListenerConfig{{Address: "127.0.0.1:0"}},
		Hooks: server.Hooks{LoopStart: func(loop app.Loop) (any, error) {
			l.loops[loop.Index()] = loop
			return nil, nil
		}},
	}
	for _, f := range change {
		f(l, &config)
	}
	s, err := server.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	l.addr = s.Addrs()[0].String()
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	l.user = &http.Client{Transport: transport, Timeout: patience}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return l
}

func (l *live) serve(r *app.Request) app.Answer {
	req := &client.Request{
		Method: r.Method, Origin: l.origin, Target: r.Target, Retries: int(l.retries.Load()),
		Fields: app.Fields{{Name: "Id", Value: r.Fields.Get("Id")}, {Name: "Trailer", Value: r.Fields.Get("Trailer")}},
	}
	if r.ContentLength != 0 {
		req.Content = r.Body.Pull()
	}
	return app.After(l.client.Do(r, req), func(resp *client.Response, err error) app.Answer {
		if err != nil {
			return app.Fail(&app.StatusError{Status: 502, Message: err.Error()})
		}
		return app.Ready(resp.Response())
	})
}

// once asks for one target from the loop of a request, without the user, and returns content and protocol.
func (l *live) once(target string) (content, protocol string, failure *client.Error) {
	l.t.Helper()
	done := make(chan struct{})
	l.loops[0].Post(func() {
		asked := l.client.DoOn(l.loops[0], &client.Request{Origin: l.origin, Target: target})
		app.Then(asked, func(resp *client.Response) app.Future[[]byte] {
			protocol = resp.Protocol
			return resp.Body.ReadAll(1 << 20)
		}).Done(func(b []byte, err error) {
			content = string(b)
			errors.As(err, &failure)
			close(done)
		})
	})
	select {
	case <-done:
	case <-time.After(patience):
		l.t.Fatal("no answer")
	}
	return content, protocol, failure
}

// load sends requests for d by that many users at once, and returns how many have failed.
func (l *live) load(method string, users int, d time.Duration) (sent, failed int64) {
	var group sync.WaitGroup
	var number, failures atomic.Int64
	end := time.Now().Add(d)
	var once sync.Once
	for range users {
		group.Go(func() {
			for time.Now().Before(end) {
				number.Add(1)
				var content io.Reader
				if method == "POST" {
					content = strings.NewReader("content")
				}
				req, _ := http.NewRequest(method, "http://"+l.addr+"/", content)
				req.Header.Set("Id", fmt.Sprint(method, l.ids.Add(1)))
				resp, err := l.user.Do(req)
				if err == nil {
					var b []byte
					b, err = io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil && l.dies.Load() {
						continue
					}
					if err == nil && (resp.StatusCode != 200 || string(b) != "hello") {
						err = fmt.Errorf("status %d: %q", resp.StatusCode, b)
					}
				}
				if err != nil {
					failures.Add(1)
					once.Do(func() { l.t.Logf("%s: %v", method, err) })
				}
			}
		})
	}
	group.Wait()
	return number.Load(), failures.Load()
}

// underLoad sends GETs, none of which may fail, and POSTs, none of which may be processed twice.
func (l *live) underLoad(processed *processed) { l.underLoadOf(16, processed) }

func (l *live) underLoadOf(users int, processed *processed) {
	l.t.Helper()
	for _, method := range []string{"GET", "POST"} {
		sent, failed := l.load(method, users, time.Second)
		l.t.Logf("%d of %d %ss have failed", failed, sent, method)
		if sent == 0 {
			l.t.Errorf("no %s was sent", method)
		}
		if method == "GET" && failed > 0 {
			l.t.Errorf("%d of %d GETs have failed", failed, sent)
		}
	}
	l.t.Logf("%+v", l.origin.Stats())
	processed.mu.Lock()
	defer processed.mu.Unlock()
	for id, n := range processed.count {
		if n > 1 && strings.HasPrefix(id, "POST") {
			l.t.Errorf("%s was processed %d times", id, n)
		}
	}
}

// processed counts the requests that a backend has processed, by their field Id.
type processed struct {
	mu    sync.Mutex
	count map[string]int
}

func (p *processed) note(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count == nil {
		p.count = map[string]int{}
	}
	p.count[id]++
}

// goBackend starts Go's server over HTTP/1.1 and h2c, and returns its address.
func goBackend(t *testing.T, p *processed, change func(*http.Server)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newGoServer(p)
	if change != nil {
		change(s)
	}
	go s.Serve(listener)
	t.Cleanup(func() { s.Close() })
	return listener.Addr().String()
}

func newGoServer(p *processed) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{Protocols: &protocols, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		p.note(r.Header.Get("Id"))
		io.WriteString(w, "hello")
	})}
}

func TestLiveBackend(t *testing.T) {
	for _, scheme := range []string{"http", "h2c"} {
		t.Run(scheme, func(t *testing.T) {
			var p processed
			l := newLive(t, scheme+"://"+goBackend(t, &p, nil), client.OriginOptions{})
			l.underLoad(&p)
			if s := l.origin.Stats(); scheme == "h2c" && s.Dials > 4 || s.Failures != (client.Stats{}).Failures {
				t.Errorf("got %+v", s)
			}
		})
	}
}

// The users pause, so that connections are idle when the backend closes them.
func TestLiveBackendThatClosesIdleConnections(t *testing.T) {
	for _, scheme := range []string{"http", "h2c"} {
		t.Run(scheme, func(t *testing.T) {
			var p processed
			l := newLive(t, scheme+"://"+goBackend(t, &p, func(s *http.Server) { s.IdleTimeout = 50 * time.Millisecond }), client.OriginOptions{})
			for range 10 {
				if _, failed := l.load("GET", 8, 20*time.Millisecond); failed > 0 {
					t.Errorf("%d GETs have failed", failed)
				}
				l.load("POST", 8, 20*time.Millisecond)
				time.Sleep(50 * time.Millisecond)
			}
			l.underLoad(&p)
		})
	}
}

func TestLiveBackendThatIsRestarted(t *testing.T) {
	for _, scheme := range []string{"http", "h2c"} {
		t.Run(scheme, func(t *testing.T) {
			var p processed
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := listener.Addr().String()
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for {
					s := newGoServer(&p)
					go s.Serve(listener)
					select {
					case <-stop:
						s.Close()
						return
					case <-time.After(200 * time.Millisecond):
					}
					s.Close()
					time.Sleep(50 * time.Millisecond)
					for listener, err = net.Listen("tcp", addr); err != nil; listener, err = net.Listen("tcp", addr) {
						time.Sleep(time.Millisecond)
					}
				}
			}()
			l := newLive(t, scheme+"://"+addr, client.OriginOptions{})
			l.dies.Store(true)
			l.retries.Store(2)   // a connection that is opened as the server stops has no earlier request
			l.underLoadOf(6, &p) // so few that the retries are less than a fifth of the requests even on a slow machine
			close(stop)
			<-stopped
		})
	}
}
