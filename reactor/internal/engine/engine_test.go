//go:build linux

package engine_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/reactor/internal/engine"
	"github.com/gatewheel/gatewheel/reactor/internal/engine/enginetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
	)
}

// patience bounds what a test waits for; nothing takes nearly as long.
const patience = 20 * time.Second

// peer is a socket as its handler sees it.
type peer struct {
	socket   engine.Socket
	fd       int
	listener int // -1: adopted
	input    func(in []byte)
	closed   chan error
}

// loop is a Handler, and the engine that it has. Its fields are set before start.
type loop struct {
	engine.Engine
	t         testing.TB
	open      func(*peer) // may be nil
	displaced func(p *peer, fd int)

	address  string
	accepted chan *peer
	adopted  chan *peer
	rejected chan error
	failed   chan error  // the first errors that AcceptFailed was told
	tasks    chan func() // for the next Woken
	died     chan engine.Death
	room     int
	spare    int
	plans    int      // calls of Config.Spare. On the loop
	shared   *os.File // the listening socket
	polled   int      // the engine's descriptor of it
}

func newLoop(t testing.TB) *loop {
	return &loop{
		t: t, accepted: make(chan *peer, 1000), adopted: make(chan *peer, 1000), rejected: make(chan error, 10),
		failed: make(chan error, 10), tasks: make(chan func(), 10), died: make(chan engine.Death, 1), room: 64, spare: 64,
	}
}

// start starts the engine with one listening socket, and accepts.
func (l *loop) start() *loop {
	l.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	defer ln.Close()
	l.address = ln.Addr().String()
	if l.shared, err = ln.(*net.TCPListener).File(); err != nil {
		l.t.Fatal(err)
	}
	fd := int(l.shared.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		l.t.Fatal(err)
	}
	l.Engine = engine.New(engine.Config{
		Listeners: []engine.Listener{{PutOver: func(over int) error {
			l.polled = over
			return unix.Dup3(fd, over, unix.O_CLOEXEC)
		}}},
		ReadBuffer: 64 << 10,
		Room:       func() int { return l.room },
		Spare:      func() int { l.plans++; return l.spare },
		Logger:     zap.NewNop(),
	}, l)
	go l.Run()
	if err := await(l.t, l.Ready()); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		l.Stop()
		await(l.t, l.Done())
		_ = l.shared.Close()
	})
	return l
}

func (l *loop) Started() { l.Listen(true) }

func (l *loop) Accepted(s engine.Socket, fd, listener int) any {
	p := &peer{socket: s, fd: fd, listener: listener, closed: make(chan error, 2)}
	if l.open != nil {
		l.open(p)
	}
	l.accepted <- p
	return p
}

func (l *loop) Adopted(a engine.Arrival, s engine.Socket, fd int) any {
	at := a.(*arrival)
	_ = unix.Close(at.fd)
	p := at.peer
	if p == nil {
		p = &peer{listener: -1, closed: make(chan error, 2), input: at.input}
	}
	p.socket, p.fd = s, fd
	l.adopted <- p
	return p
}

func (l *loop) Rejected(a engine.Arrival, err error) {
	select {
	case l.rejected <- err:
	default:
	}
	l.Adopt(a)
}

func (l *loop) AcceptFailed(err error) {
	l.Listen(false)
	select {
	case l.failed <- err:
	default:
	}
}

func (l *loop) Input(owner any, in []byte) {
	if p := owner.(*peer); p.input != nil {
		p.input(in)
	}
}

func (l *loop) Displaced(owner any, fd int) { l.displaced(owner.(*peer), fd) }
func (l *loop) Closed(owner any, err error) { owner.(*peer).closed <- err }
func (l *loop) Died(d engine.Death)         { l.died <- d }

func (l *loop) Woken() {
	for {
		select {
		case task := <-l.tasks:
			task()
		default:
			return
		}
	}
}

// on runs task on the loop.
func (l *loop) on(task func()) {
	l.t.Helper()
	done := make(chan struct{})
	l.tasks <- func() { task(); close(done) }
	l.Wake()
	await(l.t, done)
}

// hear sets what is called for the input of p.
func (l *loop) hear(p *peer, input func(in []byte)) {
	l.t.Helper()
	l.on(func() { p.input = input })
}

// arrival is a socket to be adopted: of peer, or a new one.
type arrival struct {
	fd    int
	peer  *peer
	input func([]byte)
}

func (a *arrival) Descriptor() int { return a.fd }

func (l *loop) dial() *net.TCPConn {
	l.t.Helper()
	c, err := net.DialTimeout("tcp", l.address, patience)
	if err != nil {
		l.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	l.t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// pair gives a client and its other end.
func (l *loop) pair() (*net.TCPConn, *peer) {
	l.t.Helper()
	c := l.dial()
	return c, await(l.t, l.accepted)
}

// hold keeps the loop in an Input of a connection of its own until release is called. It runs inside there first.
func (l *loop) hold(inside func()) (release func()) {
	l.t.Helper()
	c, p := l.pair()
	entered, leave := make(chan struct{}), make(chan struct{})
	on := sync.OnceFunc(func() { inside(); close(entered); <-leave })
	l.hear(p, func([]byte) { on() })
	say(l.t, c, "x")
	await(l.t, entered)
	return func() { close(leave) }
}

func say(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func await[T any](t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return v
}

// receive is await for a test that must not end yet: it returns the zero value if nothing comes.
func receive[T any](c <-chan T) (v T) {
	select {
	case v = <-c:
	case <-time.After(patience):
	}
	return v
}

func reset(t testing.TB, c *net.TCPConn) {
	t.Helper()
	if err := errors.Join(c.SetLinger(0), c.Close()); err != nil {
		t.Fatal(err)
	}
}

// What gnet passes for the ends of a connection is a convention of its own.
func TestEndsOfAConnection(t *testing.T) {
	l := newLoop(t).start()
	for name, c := range map[string]struct {
		pause bool
		end   func(*net.TCPConn)
		want  error
	}{
		"FIN":                {false, func(c *net.TCPConn) { _ = c.CloseWrite() }, io.EOF},
		"reset":              {false, func(c *net.TCPConn) { reset(t, c) }, unix.ECONNRESET},
		"reset while paused": {true, func(c *net.TCPConn) { reset(t, c) }, engine.ErrHungUp},
		"close":              {false, func(c *net.TCPConn) { _ = c.Close() }, io.EOF},
	} {
		client, p := l.pair()
		if c.pause {
			l.on(func() {
				if err := l.Pause(p.socket, true); err != nil {
					t.Error(err)
				}
			})
		}
		c.end(client)
		if err := await(t, p.closed); !errors.Is(err, c.want) {
			t.Errorf("%s: closed with %v, want %v", name, err, c.want)
		}
	}
	_, p := l.pair()
	l.Stop()
	if err := await(t, p.closed); err != engine.ErrEnded {
		t.Errorf("stopped: closed with %v", err)
	}
}

func TestPollOptIsRefused(t *testing.T) {
	out, err := exec.Command("go", "build", "-tags", "poll_opt", ".").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "the_build_tag_poll_opt_is_not_supported") {
		t.Errorf("go build -tags poll_opt: %v\n%s", err, out)
	}
}

// A connection can get the number of one that was closed while an event for that one waited in the same batch. The
// event must not close the newcomer.
func TestEventOfAClosedConnectionSparesItsSuccessor(t *testing.T) {
	l := newLoop(t)
	l.room = 0 // its descriptors are none of the engine's
	l.displaced = func(p *peer, fd int) { l.Adopt(&arrival{fd: fd, peer: p}) }
	l.start()
	trigger, first := l.pair()
	victim, second := l.pair()
	entered, leave := make(chan struct{}), make(chan struct{})
	turns := 0
	heard, number := make(chan string, 1), 0
	l.hear(first, func([]byte) {
		switch turns++; turns {
		case 1:
			if err := l.Pause(second.socket, true); err != nil {
				t.Error(err)
			}
			l.open = func(p *peer) {
				number = p.fd
				p.input = func(in []byte) { heard <- string(in) }
			}
			close(entered)
			<-leave
		case 2:
			l.Close(second.socket)
		}
	})
	say(t, trigger, "1")
	await(t, entered)
	// These become ready in this order, and one call of epoll_wait brings all of them.
	say(t, trigger, "2")
	newcomer := l.dial()
	reset(t, victim)
	enginetest.FillDescriptors(t, second.fd)
	close(leave)

	p := await(t, l.accepted)
	if number != second.fd {
		t.Fatalf("the newcomer got number %d, not %d", number, second.fd)
	}
	await(t, l.adopted)
	say(t, newcomer, "still here")
	if have := await(t, heard); have != "still here" {
		t.Errorf("heard %q", have)
	}
	if len(p.closed) > 0 {
		t.Errorf("closed with %v", <-p.closed)
	}
}

// busy keeps the loop busy: a connection whose every Input sends itself another. rounds counts them.
func (l *loop) busy(rounds *int) (stop func()) {
	l.t.Helper()
	c, p := l.pair()
	over := make(chan struct{})
	l.hear(p, func([]byte) {
		select {
		case <-over:
		default:
			*rounds++
			_, _ = c.Write([]byte("x"))
		}
	})
	say(l.t, c, "x")
	return func() { close(over) }
}

// A busy loop accepts the whole queue in a few rounds, within the room that there is, each time that one has formed.
func TestBusyLoopAcceptsTheQueue(t *testing.T) {
	const newcomers = 60
	for _, c := range []struct{ room, least, most int }{{64, 1, 6}, {9, newcomers / 10, newcomers/10 + 8}, {0, newcomers, 10 * newcomers}} {
		t.Run(fmt.Sprint("room ", c.room), func(t *testing.T) {
			l := newLoop(t)
			l.room = c.room
			l.start()
			rounds := 0
			stop := l.busy(&rounds)
			defer stop()
			for wave := range 3 {
				first, last, accepted, all := 0, 0, 0, make(chan struct{})
				release := l.hold(func() {
					l.open = func(*peer) {
						if accepted++; accepted == 1 {
							first = rounds
						}
						if accepted == newcomers {
							last = rounds
							close(all)
						}
					}
				})
				for range newcomers {
					l.dial()
				}
				release()
				await(t, all)
				for range newcomers {
					await(t, l.accepted)
				}
				if took := last - first + 1; took < c.least || took > c.most {
					t.Errorf("wave %d: %d rounds, want %d to %d", wave, took, c.least, c.most)
				}
			}
		})
	}
}

// Listening sockets may be given up while an event for one waits in the batch that the loop works off.
func TestListenersClosedWithAnEventOnItsWay(t *testing.T) {
	l := newLoop(t).start()
	trigger, p := l.pair()
	entered, leave := make(chan struct{}), make(chan struct{})
	turns := 0
	l.hear(p, func([]byte) {
		if turns++; turns <= 2 {
			entered <- struct{}{}
			<-leave
		}
	})
	say(t, trigger, "1")
	await(t, entered)
	say(t, trigger, "2")
	newcomer := l.dial()
	leave <- struct{}{}
	await(t, entered) // the event for the newcomer is fetched
	l.CloseListeners()
	close(leave)
	l.on(func() {})
	if len(l.died) > 0 {
		t.Errorf("the engine has died of %v", (<-l.died).Err)
	}
	_ = newcomer
}

// An accept that fails for lack of descriptors ends neither the engine nor the connections. The handler pauses accepting;
// the newcomer waits in the listening socket.
func TestAcceptWithoutADescriptor(t *testing.T) {
	l := newLoop(t).start()
	client, p := l.pair()
	heard := make(chan string, 1)
	l.hear(p, func(in []byte) { heard <- string(in) })
	late, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(late)
	address, err := unix.Getsockname(int(l.shared.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	restore := enginetest.LeaveDescriptors(t, 0)
	err = unix.Connect(late, address)
	failure := receive(l.failed)
	say(t, client, "still served")
	served := receive(heard)
	restore()
	if err != nil || failure != unix.EMFILE || served != "still served" {
		t.Errorf("accept failed with %v; heard %q; %v", failure, served, err)
	}
	l.Listen(true)
	await(t, l.accepted)
	if len(l.died) > 0 || len(p.closed) > 0 {
		t.Error("the engine or a connection has ended")
	}
}

// An engine whose listening socket is broken ends, says why, and closes none of its sockets.
func TestAcceptFromABrokenSocket(t *testing.T) {
	l := newLoop(t).start()
	client, p := l.pair()
	if err := unix.Dup3(p.fd, l.polled, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	l.dial()
	if death := await(t, l.died); !errors.Is(death.Err, unix.EINVAL) || !death.Accepting {
		t.Errorf("died of %v, accepting: %v", death.Err, death.Accepting)
	}
	if len(p.closed) > 0 {
		t.Errorf("a connection was closed with %v", <-p.closed)
	}
	if _, err := unix.Write(p.fd, []byte("open")); err != nil {
		t.Error(err)
	}
	l.Release(p.fd)
	l.Abandon()
	_ = unix.Close(p.fd)
	if have, err := io.ReadAll(client); string(have) != "open" || err != nil {
		t.Errorf("the client has %q, %v", have, err)
	}
}

// Adoption needs one descriptor at a time, and does not take the last one from its own accept. Without one it waits.
func TestAdoptWithFewDescriptors(t *testing.T) {
	const sockets = 50
	for _, spare := range []int{0, 64} {
		for free := range 10 {
			t.Run(fmt.Sprintf("%d free, %d spare", free, spare), func(t *testing.T) {
				l := newLoop(t)
				l.spare = spare
				l.start()
				arrivals := l.socketPairs(sockets)
				restore := enginetest.LeaveDescriptors(t, free)
				l.tasks <- func() {
					for _, a := range arrivals {
						l.Adopt(a)
					}
				}
				l.Wake()
				if free == 0 {
					if err := receive(l.rejected); err != unix.EMFILE {
						t.Errorf("rejected with %v", err)
					}
					restore()
				}
				for n := range sockets {
					if receive(l.adopted) == nil {
						t.Errorf("only %d were adopted", n)
						break
					}
				}
				if free > 0 {
					restore()
				}
				if len(l.died) > 0 {
					t.Errorf("the engine has died of %v", (<-l.died).Err)
				}
			})
		}
	}
}

// Sockets are adopted in order; those that have gone are left out, and strangers at the doorbell do no harm.
func TestAdopt(t *testing.T) {
	const sockets = 500
	l := newLoop(t).start()
	type received struct {
		socket int
		text   string
	}
	heard := make(chan received, sockets)
	clients := make([]int, sockets)
	var arrivals []*arrival
	for i := range sockets {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		clients[i] = pair[1]
		t.Cleanup(func() { _ = unix.Close(pair[1]) })
		arrivals = append(arrivals, &arrival{fd: pair[0], input: func(in []byte) { heard <- received{i, string(in)} }},
			&arrival{fd: -1})
		if _, err := unix.Write(pair[1], fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	l.on(func() {
		for _, a := range arrivals {
			l.Adopt(a)
		}
	})
	for range sockets {
		if got := await(t, heard); got.text != fmt.Sprint(got.socket) {
			t.Errorf("socket %d has received %q", got.socket, got.text)
		}
	}
	if n := len(l.adopted); n != sockets || len(l.rejected) > 0 {
		t.Errorf("%d adopted, %d rejected", n, len(l.rejected))
	}
	// Each plan is a system call for each of up to 64 accepts.
	l.on(func() {
		if most := sockets / 8; l.plans > most {
			t.Errorf("accepts were planned %d times for %d sockets, want at most %d", l.plans, sockets, most)
		}
	})
}
