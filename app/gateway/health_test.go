//go:build linux

package gateway_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/file"
	"github.com/gatewheel/gatewheel/app/server"
)

// watched starts a gateway by the text of a file, and returns its address and the changes of peers.
func watched(t *testing.T, text string) (url string, changes <-chan string) {
	t.Helper()
	f, err := file.Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 100)
	g, err := gateway.Open(f.Config, gateway.Options{PeerChanged: func(_, peer string, e gateway.PeerEvent, err error) {
		told <- fmt.Sprint(peer, " ", e)
	}}, gateway.Parts{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	address, _ := serveOn(t, g.Serve, startsWith(g))
	return "http://" + address, told
}

// startsWith lets health checks of g begin before the first request.
func startsWith(g *gateway.Gateway) func(*server.Config) {
	return func(c *server.Config) {
		c.Hooks.LoopStart = func(loop app.Loop) (any, error) {
			g.LoopStart(loop)
			return nil, nil
		}
	}
}

// wantChange waits for a change of a peer.
func wantChange(t *testing.T, changes <-chan string, want string) {
	t.Helper()
	select {
	case got := <-changes:
		if got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("%q does not come", want)
	}
}

// switchable answers with a status and content until it is told another one.
type switchable struct {
	sick  atomic.Bool
	asked atomic.Pointer[string]
	well  func(r *app.Request) *app.Response
	ill   func(r *app.Request) *app.Response
}

func (s *switchable) serve(r *app.Request) app.Answer {
	if strings.Contains(r.RawPath, "ealth") {
		line := fmt.Sprint(r.Method, " ", r.Target, " ", r.Protocol)
		s.asked.Store(&line)
		if s.sick.Load() {
			return app.Ready(s.ill(r))
		}
		return app.Ready(s.well(r))
	}
	return app.Ready(app.Text(200, r.Authority))
}

func grpcAnswer(status byte) func(*app.Request) *app.Response {
	return func(*app.Request) *app.Response {
		frame := binary.BigEndian.AppendUint32([]byte{0}, 2)
		frame = append(frame, 1<<3, status)
		done := false
		return &app.Response{Status: 200, Fields: app.Fields{{Name: "Content-Type", Value: "application/grpc"}}, Content: &app.Pull{
			Size: -1,
			Read: func(p []byte) (int, error) {
				if done {
					return 0, fmt.Errorf("read again")
				}
				done = true
				return copy(p, frame), io.EOF
			},
			Trailers: func() app.Fields { return app.Fields{{Name: "grpc-status", Value: "0"}} },
		}}
	}
}

// TestHealthChecks: a peer whose answers are bad gets no requests until they are good again.
func TestHealthChecks(t *testing.T) {
	for _, c := range []struct {
		scheme, health, asked string
		well, ill             func(r *app.Request) *app.Response
	}{
		{"http", "GET /healthz", "GET /healthz HTTP/1.1", healthy(204), healthy(503)},
		{"h2c", "HEAD /health?deep=1", "HEAD /health?deep=1 HTTP/2.0", healthy(200), healthy(301)},
		{"http", "{request: GET /healthz, expect: [404, 500-599]}", "GET /healthz HTTP/1.1", healthy(404), healthy(200)},
		{"h2c", "{grpc: a.Service}", "POST /grpc.health.v1.Health/Check HTTP/2.0", grpcAnswer(1), grpcAnswer(2)},
	} {
		t.Run(c.health, func(t *testing.T) {
			s := &switchable{well: c.well, ill: c.ill}
			first, _ := serveOn(t, s.serve)
			health := c.health
			if health[0] != '{' {
				health = "{request: " + health + "}"
			}
			health = health[:len(health)-1] + ", every: 20ms, timeout: 5s, rise: 2, fall: 2}"
			peer := c.scheme + "://" + first
			url, changes := watched(t, "routes: {/: {to: a}}\nbackends: {a: {peers: "+peer+", health: "+health+"}}\n")
			s.sick.Store(true)
			wantChange(t, changes, peer+" unhealthy")
			s.sick.Store(false)
			wantChange(t, changes, peer+" healthy")
			if asked := s.asked.Load(); asked == nil || *asked != c.asked {
				t.Errorf("was asked %v, want %s", asked, c.asked)
			}
			if resp, _ := ask(t, clientOf(t, false), "GET", url, ""); resp.StatusCode != 200 {
				t.Errorf("status %d", resp.StatusCode)
			}
		})
	}
}

// TestUnhealthyPeerIsNotAsked over TCP: a listener that is closed, and open again.
func TestUnhealthyPeerIsNotAsked(t *testing.T) {
	good, _ := serveOn(t, says("good"))
	lost, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	peer := "http://" + lost.Addr().String()
	url, changes := watched(t, "routes: {/: a}\nbackends: {a: {peers: ["+peer+", http://"+good+"], health: {tcp: true, every: 20ms, fall: 1}, eject: off}}\n")
	_ = lost.Close()
	wantChange(t, changes, peer+" unhealthy")
	c := clientOf(t, true)
	for range 50 {
		if resp, _ := ask(t, c, "GET", url, ""); resp.StatusCode != 200 || resp.Header.Get("X-Server") != "good" {
			t.Fatalf("status %d", resp.StatusCode)
		}
	}
}

// A loop that stalls delays health checks by a moment; it neither ends them nor makes a peer unhealthy.
func TestHealthChecksWhileALoopStalls(t *testing.T) {
	s := &switchable{well: healthy(200), ill: healthy(503)}
	first, _ := serveOn(t, s.serve)
	peer := "http://" + first
	told := make(chan string, 100)
	g, err := gateway.Open(parsed(t, "routes: {/: a}\nbackends: {a: {peers: "+peer+", health: {request: GET /health, every: 10ms, rise: 1, fall: 1, timeout: 10s}}}\n"),
		gateway.Options{PeerChanged: func(_, peer string, e gateway.PeerEvent, _ error) { told <- fmt.Sprint(peer, " ", e) }}, gateway.Parts{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	stalled, release := make(chan struct{}), make(chan struct{})
	address, _ := serveOn(t, func(r *app.Request) app.Answer {
		close(stalled)
		<-release
		return g.Serve(r)
	}, startsWith(g), func(c *server.Config) { c.Loops = 2 })
	t.Cleanup(func() { close(release) }) // before the server stops
	c := clientOf(t, false)
	go func() {
		if resp, err := c.Get("http://" + address); err == nil {
			resp.Body.Close()
		}
	}()
	<-stalled
	for range 2 {
		s.sick.Store(true)
		wantChange(t, told, peer+" unhealthy")
		s.sick.Store(false)
		wantChange(t, told, peer+" healthy")
	}
	if len(told) > 0 {
		t.Errorf("also %s", <-told)
	}
}

// Health checks have no goroutine a peer.
func TestHealthChecksOfManyPeers(t *testing.T) {
	const peers = 200
	var asked atomic.Int64
	first, _ := serveOn(t, func(*app.Request) app.Answer {
		asked.Add(1)
		return app.Ready(app.Text(200, ""))
	})
	_, port, _ := net.SplitHostPort(first)
	list := ""
	for i := range peers {
		list += fmt.Sprintf("http://127.0.%d.%d:%s, ", i/200, i%200+1, port)
	}
	before := runtime.NumGoroutine()
	watched(t, "routes: {/: a}\nbackends: {a: {peers: [http://"+first+"], health: {request: GET /, every: 20ms}}, b: {peers: ["+list+"], health: {tcp: true, every: 1s}}}\n")
	least := peers // a timer that fires has a goroutine for a moment
	for end := time.Now().Add(patience); asked.Load() < 20; time.Sleep(time.Millisecond) {
		least = min(least, runtime.NumGoroutine()-before)
		if time.Now().After(end) {
			t.Fatalf("%d questions have come", asked.Load())
		}
	}
	if least > peers/4 {
		t.Errorf("%d goroutines more for %d peers", least, peers)
	}
}

// healthy answers with that status.
func healthy(status int) func(*app.Request) *app.Response {
	return func(*app.Request) *app.Response { return app.Text(status, "") }
}

// TestPeerThatAnswers503IsEjected, and returns when one request has succeeded.
func TestPeerThatAnswers503IsEjected(t *testing.T) {
	var sick atomic.Bool
	var asked atomic.Int64
	bad, _ := serveOn(t, func(r *app.Request) app.Answer {
		asked.Add(1)
		if sick.Load() {
			return app.Ready(app.Error(503, ""))
		}
		return app.Ready(app.Text(200, "").With("X-Server", "bad"))
	})
	good, _ := serveOn(t, says("good"))
	peer := "http://" + bad
	url, changes := watched(t, "routes: {/: a}\nbackends: {a: {peers: ["+peer+", http://"+good+"], balance: round, eject: {failures: 3, for: 100ms}}}\n")
	c := clientOf(t, true)
	sick.Store(true)
	failed := 0
	for range 40 {
		if resp, _ := ask(t, c, "GET", url, ""); resp.StatusCode != 200 {
			failed++
		}
	}
	wantChange(t, changes, peer+" ejected")
	if failed < 3 || failed > 10 {
		t.Errorf("%d requests failed", failed)
	}
	sick.Store(false)
	deadline := time.Now().Add(patience)
	for returned := false; !returned; {
		resp, _ := ask(t, c, "GET", url, "")
		returned = resp.Header.Get("X-Server") == "bad"
		if time.Now().After(deadline) {
			t.Fatal("the peer does not return")
		}
	}
	for {
		got := <-changes
		if got == peer+" returned" {
			break
		}
		if got != peer+" ejected" {
			t.Fatalf("got %q", got)
		}
	}
}

func TestStickyClients(t *testing.T) {
	one, _ := serveOn(t, says("one"))
	two, _ := serveOn(t, says("two"))
	three, _ := serveOn(t, says("three"))
	url, _ := watched(t, "routes: {/: a}\nbackends: {a: {peers: [http://"+one+", h2c://"+two+", http://"+three+"], balance: cookie}}\n")
	for range 10 {
		c := clientOf(t, false)
		resp, _ := ask(t, c, "GET", url, "")
		mine, cookie := resp.Header.Get("X-Server"), resp.Header.Get("Set-Cookie")
		pair, rest, ok := strings.Cut(cookie, ";")
		if !ok || !strings.HasPrefix(pair, "gatewheel-a=") || rest != " Path=/; HttpOnly; SameSite=Lax" {
			t.Fatalf("Set-Cookie is %q", cookie)
		}
		for range 5 {
			resp, _ := ask(t, c, "GET", url, "", "Cookie", "x=y; "+pair)
			if resp.Header.Get("X-Server") != mine || resp.Header.Get("Set-Cookie") != "" {
				t.Errorf("a client of %s went to %s, Set-Cookie %q", mine, resp.Header.Get("X-Server"), resp.Header.Get("Set-Cookie"))
			}
		}
	}
}
