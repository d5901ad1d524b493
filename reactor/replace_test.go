//go:build linux

package reactor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load keeps connections busy with echoes, some of them with a new connection for each, until it
// is stopped. It fails the test at the first connection that is lost or answer that is wrong.
type load struct {
	t       testing.TB
	addr    string
	over    chan struct{}
	working sync.WaitGroup
	answers atomic.Int64
}

func startLoad(s *server, lasting, fleeting int) *load {
	w := &load{t: s.t, addr: s.addr, over: make(chan struct{})}
	for i := range lasting {
		w.working.Go(func() { w.work(fmt.Sprint("lasting ", i), 1<<30) })
	}
	for i := range fleeting {
		w.working.Go(func() {
			for !w.isOver() {
				w.work(fmt.Sprint("fleeting ", i), 1)
			}
		})
	}
	return w
}

func (w *load) isOver() bool {
	select {
	case <-w.over:
		return true
	default:
		return false
	}
}

func (w *load) work(name string, rounds int) {
	conn, err := net.DialTimeout("tcp", w.addr, patience)
	if err != nil {
		w.t.Error(name, err)
		return
	}
	defer conn.Close()
	lines := bufio.NewReader(conn)
	for i := 0; i < rounds && !w.isOver(); i++ {
		_ = conn.SetDeadline(time.Now().Add(patience))
		word := fmt.Sprint(name, " ", i)
		if _, err := fmt.Fprintf(conn, "echo %s\n", word); err != nil {
			w.t.Error(name, i, err)
			return
		}
		if have, err := lines.ReadString('\n'); err != nil || have != word+"\n" {
			w.t.Errorf("%s, %d: %q, %v", name, i, have, err)
			return
		}
		w.answers.Add(1)
	}
}

func (w *load) stop() {
	close(w.over)
	w.working.Wait()
}

// more waits for n further answers.
func (w *load) more(n int64) {
	w.t.Helper()
	until := w.answers.Load() + n
	eventually(w.t, "load goes on", func() bool { return w.answers.Load() >= until || w.t.Failed() })
}

// Under load, engines are exchanged one after the other. No connection is lost, nor one that waits to
// be accepted.
func TestEnginesReplacedUnderLoad(t *testing.T) {
	s := serve(t, Config{Loops: 2}, nil)
	w := startLoad(s, 20, 4)
	before := openDescriptors()
	for i := range 20 {
		l := s.loops[i%2]
		replaced := l.engine.Load()
		l.Post(l.replaceEngine)
		await(t, replaced.done)
		w.more(50)
	}
	w.stop()
	if n := s.Stats().Loops[0].Replaced; n != 10 {
		t.Errorf("%d engines of loop 0 were replaced", n)
	}
	eventually(t, "descriptors given back", func() bool { return openDescriptors() <= before })
}

// Connections that wait in the listening socket's queue while there is no engine are served by the
// next one.
func TestQueuedConnectionsAreServedByTheNextEngine(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	l := s.loops[0]
	e := l.engine.Load()
	e.listen(false)
	var waiting []*client
	for i := range 20 {
		c := s.dial()
		c.say("echo %d", i)
		waiting = append(waiting, c)
	}
	l.Post(l.replaceEngine)
	for i, c := range waiting {
		c.want(fmt.Sprint(i))
	}
}

// An engine that ends by itself, as after an accept that fails, is replaced, and its connections
// stay.
func TestEngineThatDiesIsReplaced(t *testing.T) {
	s := serve(t, Config{Loops: 1, Logger: quiet()}, nil)
	clients := []*client{s.dial(), s.dial()}
	for _, c := range clients {
		c.say("echo before")
		c.want("before")
	}
	e := s.loops[0].engine.Load()
	stopGnet(e.gnet)
	await(t, e.done)
	for _, c := range append(clients, s.dial()) {
		c.say("echo after")
		c.want("after")
	}
}

func TestMove(t *testing.T) {
	moved := make(chan error, 1)
	s := serve(t, Config{Loops: 2}, func(c *Conn) Session {
		return &lines{conn: c, script: func(c *Conn) string {
			l := c.Loop()
			l.Enter(c)
			defer l.Leave()
			c.MoveTo(l.reactor.loops[1-l.index], func(err error) { moved <- err })
			c.Handle().Post(func(c *Conn) { c.Session().(*lines).say(fmt.Sprint("on another loop: ", c.Loop() != l)) })
			return "moves"
		}}
	})
	c := s.dial()
	for range 4 {
		c.say("run away")
		c.say("echo first\necho second")
		c.want("moves", "on another loop: true", "first", "second")
		if err := await(t, moved); err != nil {
			t.Fatal(err)
		}
	}
	stats := s.Stats()
	if in := stats.Loops[0].MovedIn + stats.Loops[1].MovedIn; in != 4 || stats.Connections != 1 {
		t.Errorf("%d connections moved, %d are open", in, stats.Connections)
	}
}

// Connections move to and fro under load, engines are exchanged, and nothing is lost.
func TestMovesUnderLoad(t *testing.T) {
	s := serve(t, Config{Loops: 2}, nil)
	w := startLoad(s, 20, 2)
	for i := range 20 {
		s.EachConn(func(c *Conn) { c.MoveTo(s.loops[1-c.Loop().index], func(error) {}) })
		if i%4 == 0 {
			l := s.loops[i/4%2]
			e := l.engine.Load()
			l.Post(l.replaceEngine)
			await(t, e.done)
		}
		w.more(20)
	}
	w.stop()
}

func TestDial(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	opened, failed := make(chan *Conn, 1), make(chan error, 1)
	answers := make(chan string, 1)
	dial := func(ctx context.Context, addr string) {
		s.loops[0].Dial(ctx, "tcp", addr,
			func(c *Conn) Session {
				opened <- c
				return &asking{conn: c, answers: answers}
			},
			func(err error) { failed <- err })
	}
	dial(t.Context(), s.addr)
	c := await(t, opened)
	if answer := await(t, answers); answer != "over there\n" {
		t.Errorf("answered %q", answer)
	}
	on(t, s.loops[0], func() {
		if have := c.RemoteAddr().String(); have != s.addr {
			t.Errorf("peer is %s, want %s", have, s.addr)
		}
		c.Close()
	})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	dial(over, s.addr)
	if err := await(t, failed); !errors.Is(err, context.Canceled) {
		t.Errorf("failed with %v", err)
	}
}

// asking sends one line and tells the answer.
type asking struct {
	conn    *Conn
	asked   bool
	answers chan string
}

func (a *asking) Receive(in []byte) int {
	a.answers <- string(in)
	return len(in)
}

func (a *asking) Transmit(dst []byte, _ int) []byte {
	if !a.asked {
		a.asked = true
		dst = append(dst, "echo over there\n"...)
	}
	return dst
}

func (a *asking) EOF() bool    { return false }
func (a *asking) Timeout()     {}
func (a *asking) Closed(error) {}
