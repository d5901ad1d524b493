//go:build linux

package reactor

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/reactor/internal/engine"
	"github.com/gatewheel/gatewheel/reactor/internal/engine/enginetest"
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
		await(t, replaced.Done())
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
	e.Listen(false)
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

// An engine whose listening socket is broken ends by itself. It is replaced, and its connections stay.
func TestEngineThatDiesIsReplaced(t *testing.T) {
	polled := make(chan int, 2)
	s := &server{t: t}
	config := Config{Loops: 1, Logger: quiet()}
	r, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	r.makeEngine = func(c engine.Config, h engine.Handler) engine.Engine {
		put := c.Listeners[0].PutOver
		c.Listeners[0].PutOver = func(fd int) error { polled <- fd; return put(fd) }
		return engine.New(c, h)
	}
	addr, err := r.Listen(ListenerConfig{Address: "127.0.0.1:0", Open: func(c *Conn) Session { return &lines{conn: c} }})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	s.Reactor, s.addr = r, addr.String()
	t.Cleanup(s.stop)
	clients := []*client{s.dial(), s.dial()}
	for _, c := range clients {
		c.say("echo before")
		c.want("before")
	}
	e := s.loops[0].engine.Load()
	over := await(t, polled)
	on(t, s.loops[0], func() {
		if err := unix.Dup3(int(s.loops[0].conns[0].fd), over, unix.O_CLOEXEC); err != nil {
			t.Error(err)
		}
	})
	late := s.dial()
	await(t, e.Done())
	for _, c := range append(clients, late) {
		c.say("echo after")
		c.want("after")
	}
}

// An accept without a free descriptor pauses accepting. The engine stays, and connections are served.
func TestAcceptWithoutADescriptorPauses(t *testing.T) {
	s := serve(t, Config{Loops: 1, Logger: quiet()}, nil)
	c := s.dial()
	c.say("echo before")
	c.want("before")
	late, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(late)
	address := s.sockaddr()
	restore := enginetest.LeaveDescriptors(t, 0)
	err = unix.Connect(late, address)
	c.say("echo served")
	c.want("served")
	for over := time.After(patience); s.Stats().Withheld == 0 && err == nil; {
		select {
		case <-over:
			err = errors.New("accepting does not pause")
		case <-time.After(time.Millisecond):
		}
	}
	restore()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(late, []byte("echo late\n")); err != nil {
		t.Fatal(err)
	}
	var have [5]byte
	if n, err := unix.Read(late, have[:]); string(have[:max(n, 0)]) != "late\n" {
		t.Errorf("%q, %v", have[:max(n, 0)], err)
	}
	if n := s.Stats().Loops[0].Replaced; n != 0 {
		t.Errorf("%d engines were replaced", n)
	}
}

// die has the Loop's engine end by itself, and waits for the next.
func (l *Loop) die(t *testing.T) {
	t.Helper()
	e := l.engine.Load()
	l.fake().Die()
	await(t, e.Done())
	eventually(t, "the next engine", func() bool {
		next := l.engine.Load()
		return next != e && next.serves.Load()
	})
}

// One death keeps nobody waiting. When engines go on dying, listening sockets rest, though there is
// nobody who could leave.
func TestEngineThatDiesAgainRests(t *testing.T) {
	r := faked(t, Config{Loops: 1}, nil)
	l := r.loops[0]
	l.die(t)
	if n := r.Stats().Withheld; n != 0 {
		t.Errorf("rested %d times after one death", n)
	}
	l.die(t)
	if n := r.Stats().Withheld; n != 1 {
		t.Errorf("rested %d times after two deaths", n)
	}
	eventually(t, "the rest is over", func() bool { return !r.gate.shut.Load() })
}

func TestDeathsPause(t *testing.T) {
	var d deaths
	now := time.Now()
	for i, want := range []time.Duration{0, restartPauseFirst, 2 * restartPauseFirst, 4 * restartPauseFirst} {
		if have := d.pause(now); have != want {
			t.Errorf("%v after death %d, want %v", have, i, want)
		}
	}
	for range 10 {
		d.pause(now)
	}
	if have := d.pause(now); have != restartPauseLast {
		t.Errorf("%v in the end", have)
	}
	if have := d.pause(now.Add(deathInterval + 1)); have != 0 {
		t.Errorf("%v after a long life", have)
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
			await(t, e.Done())
		}
		w.more(20)
	}
	w.stop()
}

// replaceEngine exchanges the engine of the Loop on whose loop it is called, and does not return.
func (l *Loop) replaceEngine() {
	e := l.engine.Load()
	l.takeOver(e, false)
	go func() {
		e.Stop()
		l.restartEngine()
	}()
	runtime.Goexit()
}

// In a storm of connections that are paused and reset while others are accepted, nobody is closed for another's event.
func TestStormOfClosesAndAccepts(t *testing.T) {
	const rounds, victims = 40, 25
	s := serve(t, Config{Loops: 1}, nil)
	w := startLoad(s, 4, 4)
	for range rounds {
		var storm []*client
		for range victims {
			c := s.dial()
			c.say("pause")
			storm = append(storm, c)
		}
		for _, c := range storm {
			_ = c.SetLinger(0)
			_ = c.Close()
		}
	}
	w.more(100)
	w.stop()
}
