//go:build linux

package gateway_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
)

// group is a gateway to two peers, of which one fails in some way, and what it tells about it.
type group struct {
	t      *testing.T
	client *http.Client
	url    string
	peer   string // the URL of the one that fails
	told   chan string
}

// groupOf starts a gateway to peer, which may fail, and to another one that answers.
func groupOf(t *testing.T, peer, keys string) *group {
	t.Helper()
	good, _ := serveOn(t, says("good"))
	g := &group{t: t, client: clientOf(t, true), peer: peer, told: make(chan string, 1000)}
	gw, err := gateway.Open(parsed(t, "routes: {/: {to: a, timeout: 1s}}\nbackends: {a: {peers: ["+peer+", http://"+good+"], balance: round, connect: 200ms, "+keys+"}}\n"),
		gateway.Options{PeerChanged: func(_, peer string, e gateway.PeerEvent, _ error) { g.told <- fmt.Sprint(peer, " ", e) }}, gateway.Parts{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gw.Close)
	address, _ := serveOn(t, gw.Serve)
	g.url = "http://" + address
	return g
}

// ask sends n requests, one after the other, and returns how many were not answered with 200, and how many by the
// peer.
func (g *group) ask(n int) (failed, byPeer int) {
	g.t.Helper()
	for range n {
		resp, _ := ask(g.t, g.client, "GET", g.url, "")
		switch {
		case resp.StatusCode != 200:
			failed++
		case resp.Header.Get("X-Server") == "bad":
			byPeer++
		}
	}
	return failed, byPeer
}

// untilReturned sends requests until the peer answers again, and returns how many have failed.
func (g *group) untilReturned() (failed int) {
	g.t.Helper()
	for end := time.Now().Add(patience); ; {
		f, byPeer := g.ask(1)
		failed += f
		if byPeer > 0 {
			return failed
		}
		if time.Now().After(end) {
			g.t.Fatal("the peer does not return")
		}
	}
}

// wantTold wants the changes of the peer, one line each, and no others.
func (g *group) wantTold(changes ...string) {
	g.t.Helper()
	for _, c := range changes {
		wantChange(g.t, g.told, g.peer+" "+c)
	}
	if len(g.told) > 0 {
		g.t.Errorf("also told: %s", <-g.told)
	}
}

const ejectSoon = "eject: {failures: 3, for: 300ms}"

// faulty is a peer that answers as it is told to.
type faulty struct {
	status atomic.Int32 // 0: never
	asked  atomic.Int32
}

func (f *faulty) serve(r *app.Request) app.Answer {
	f.asked.Add(1)
	switch status := int(f.status.Load()); status {
	case 0:
		_, never := app.Promised[*app.Response](r)
		return never
	case 200:
		return app.Ready(app.Text(200, "").With("X-Server", "bad"))
	default:
		return app.Ready(app.Error(status, ""))
	}
}

// A peer that answers 503, or hangs, costs as many requests as its ejection needs, and one for each probe that fails.
func TestPeerThatFailsRequests(t *testing.T) {
	for name, status := range map[string]int32{"503": 503, "hung": 0} {
		t.Run(name, func(t *testing.T) {
			var bad faulty
			bad.status.Store(200)
			address, _ := serveOn(t, bad.serve)
			g := groupOf(t, "http://"+address, ejectSoon)
			if failed, byPeer := g.ask(20); failed > 0 || byPeer != 10 {
				t.Fatalf("%d of 20 requests failed, the peer answered %d", failed, byPeer)
			}
			bad.status.Store(status)
			asked := bad.asked.Load()
			failed, _ := g.ask(6) // three by turns
			g.wantTold("ejected")
			if failed != 3 || bad.asked.Load()-asked != 3 {
				t.Errorf("%d requests failed until the ejection, %d were sent to the peer; want 3", failed, bad.asked.Load()-asked)
			}
			for len(g.told) == 0 { // a probe
				more, _ := g.ask(1)
				failed += more
			}
			g.wantTold("ejected")
			if failed != 4 {
				t.Errorf("%d requests failed with the first probe, want 4", failed)
			}
			bad.status.Store(200)
			if more := g.untilReturned(); more > 0 {
				t.Errorf("%d requests failed until the return", more)
			}
			g.wantTold("returned")
			t.Logf("%d requests failed", failed)
		})
	}
}

// A peer that changes between well and ill with each ejection is told of in one line each.
func TestPeerThatFlaps(t *testing.T) {
	var bad faulty
	address, _ := serveOn(t, bad.serve)
	g := groupOf(t, "h2c://"+address, "eject: {failures: 3, for: 50ms}")
	for range 4 {
		bad.status.Store(503)
		if failed, _ := g.ask(6); failed != 3 {
			t.Errorf("%d requests failed until the ejection, want 3", failed)
		}
		bad.status.Store(200)
		if failed := g.untilReturned(); failed > 0 {
			t.Errorf("%d requests failed until the return", failed)
		}
		g.wantTold("ejected", "returned")
	}
}

// A peer that is killed and comes back costs no request with an idempotent method: what it does not take goes to the
// other one.
func TestPeerThatIsKilled(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Server", "bad") })
	start := func(l net.Listener) *http.Server {
		s := &http.Server{Handler: handler}
		go func() { _ = s.Serve(l) }()
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	killed := start(listener)
	g := groupOf(t, "http://"+address, "eject: {failures: 1, for: 100ms}")
	if failed, byPeer := g.ask(10); failed > 0 || byPeer != 5 {
		t.Fatalf("%d of 10 requests failed, the peer answered %d", failed, byPeer)
	}
	_ = killed.Close()
	if failed, _ := g.ask(50); failed > 0 {
		t.Errorf("%d of 50 requests failed", failed)
	}
	wantChange(t, g.told, g.peer+" ejected")
	again, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	start(again)
	if failed := g.untilReturned(); failed > 0 {
		t.Errorf("%d requests failed until the return", failed)
	}
	for change := ""; change != g.peer+" returned"; {
		if change = <-g.told; !strings.HasSuffix(change, " ejected") && !strings.HasSuffix(change, " returned") {
			t.Fatal(change)
		}
	}
	g.wantTold()
}

// blackHole is a network namespace with a server, from which no packet comes back while it is closed.
type blackHole struct {
	t         *testing.T
	name      string
	near, far string
}

// newBlackHole makes the namespace, whose server answers with the handler.
func newBlackHole(t *testing.T, handler http.Handler) *blackHole {
	t.Helper()
	id := os.Getpid() & 0xffff
	h := &blackHole{t: t, name: fmt.Sprint("gatewheel", id), near: fmt.Sprintf("198.18.%d.%d", id>>6&0xff, id<<2&0xff+1), far: fmt.Sprintf("198.18.%d.%d", id>>6&0xff, id<<2&0xff+2)}
	h.run("netns", "add", h.name)
	t.Cleanup(func() { h.run("netns", "del", h.name) })
	h.run("link", "add", "gwn"+h.name[9:], "type", "veth", "peer", "name", "gwf", "netns", h.name)
	h.run("address", "add", h.near+"/30", "dev", "gwn"+h.name[9:])
	h.run("link", "set", "gwn"+h.name[9:], "up")
	h.run("-n", h.name, "address", "add", h.far+"/30", "dev", "gwf")
	h.run("-n", h.name, "link", "set", "gwf", "up")
	listener := h.listen()
	s := &http.Server{Handler: handler}
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(func() { _ = s.Close() })
	return h
}

// run calls ip(8).
func (h *blackHole) run(args ...string) {
	h.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		h.t.Fatalf("ip %s: %v %s: this test makes a network namespace, which needs root (CAP_NET_ADMIN, CAP_SYS_ADMIN) and iproute2", strings.Join(args, " "), err, out)
	}
}

// listen returns a listener inside the namespace. A socket stays in the one in which it was made.
func (h *blackHole) listen() (l net.Listener) {
	h.t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine, since it is not unlocked
		ns, err := unix.Open("/var/run/netns/"+h.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			defer unix.Close(ns)
			if err = unix.Setns(ns, unix.CLONE_NEWNET); err == nil {
				l, err = net.Listen("tcp", h.far+":80")
			}
		}
		done <- err
	}()
	if err := <-done; err != nil {
		h.t.Fatal(err)
	}
	return l
}

// close drops what the server sends, as a network does that has lost it.
func (h *blackHole) close() { h.run("-n", h.name, "route", "add", "blackhole", h.near+"/32") }

func (h *blackHole) open() { h.run("-n", h.name, "route", "del", "blackhole", h.near+"/32") }

// The SYNs of connections to a peer get no answer: requests go to the other one when the time for connecting has
// passed, and none fails.
func TestPeerInABlackHole(t *testing.T) {
	h := newBlackHole(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Server", "bad")
		w.Header().Set("Connection", "close") // so that each request needs a new connection
	}))
	g := groupOf(t, "http://"+h.far, "eject: {failures: 1, for: 300ms}")
	if failed, byPeer := g.ask(10); failed > 0 || byPeer != 5 {
		t.Fatalf("%d of 10 requests failed, the peer answered %d", failed, byPeer)
	}
	h.close()
	began := time.Now()
	failed, byPeer := g.ask(50)
	if failed > 0 || byPeer > 0 {
		t.Errorf("%d of 50 requests failed, the peer answered %d", failed, byPeer)
	}
	t.Logf("50 requests took %v", time.Since(began))
	wantChange(t, g.told, g.peer+" ejected")
	h.open()
	if failed := g.untilReturned(); failed > 0 {
		t.Errorf("%d requests failed until the return", failed)
	}
	for change := ""; change != g.peer+" returned"; {
		if change = <-g.told; !strings.HasSuffix(change, " ejected") && !strings.HasSuffix(change, " returned") {
			t.Fatal(change)
		}
	}
	g.wantTold()
}
