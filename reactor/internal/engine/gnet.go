//go:build linux

package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// readEvents is what gnet polls connections and listening sockets for.
const readEvents = unix.EPOLLIN | unix.EPOLLPRI

// gnetEngine is an Engine on a gnet engine with one event loop.
type gnetEngine struct {
	config  Config
	handler Handler

	// On the loop.
	connected  bool
	calls      uint64 // callbacks so far
	lastAccept uint64 // value of calls at the last accept
	arrivals   []Arrival
	rings      int         // connections that wait at the doorbell
	planned    int         // accepts of them that extend has planned and that have not taken place
	ringing    bool        // ringAgain will run
	starved    bool        // the last attempt to adopt has failed for lack of a descriptor
	doorbell   string      // its address
	bursts     bool        // burstOver will run
	again      *time.Timer // asks for a wake; nil: none did so far
	waking     bool        // Woken is running
	closing    int         // descriptor that gnet closes after the callback in progress; -1: none

	mu        sync.Mutex
	gnet      gnet.Engine
	booted    bool
	eventLoop gnet.EventLoop // nil until connected
	epoll     int            // gnet's epoll set; -1 until connected
	retired   bool           // must not be woken any more
	gone      bool           // gnet closes its epoll set and listeners, and the numbers mean nothing
	asked     bool           // to end
	served    bool           // Started was called
	listening bool
	silent    bool     // the doorbell is not polled until ringAgain
	inert     int      // a listening socket that nobody connects to; -1: none
	sources   []source // in the order of Config.Listeners, the doorbell last
	refusal   error    // of the last accept that failed

	ready  chan error
	closed chan struct{}
	wakeup gnet.Runnable
}

// New makes an engine on gnet.
func New(config Config, handler Handler) Engine {
	e := &gnetEngine{
		config: config, handler: handler, epoll: -1, closing: -1, inert: -1,
		ready: make(chan error, 1), closed: make(chan struct{}),
	}
	e.wakeup = wakeup{e}
	return e
}

func (e *gnetEngine) Ready() <-chan error   { return e.ready }
func (e *gnetEngine) Done() <-chan struct{} { return e.closed }

// Descriptors counts gnet's epoll set and eventfd, the listening sockets, the doorbell and the inert socket.
func (e *gnetEngine) Descriptors() int { return 4 + len(e.config.Listeners) }

// startDescriptors is how many descriptors the start of an engine takes for a moment, besides those that it holds: two
// duplicates and a file of /proc.
const startDescriptors = 3

func (e *gnetEngine) Run() {
	// gnet does not close the listening sockets that it has opened before one that it cannot open.
	if err := room(e.Descriptors() + startDescriptors); err != nil {
		close(e.closed)
		e.fail(fmt.Errorf("engine cannot start: %w", err))
		return
	}
	var addrs []string
	for i := range len(e.config.Listeners) + 1 {
		addrs = append(addrs, "tcp://"+placeholder(i))
	}
	err := gnet.Rotate(&callbacks{engine: e}, addrs,
		gnet.WithNumEventLoop(1),
		// The mode in which an event loop accepts for itself.
		gnet.WithReusePort(true),
		gnet.WithReadBufferCap(e.config.ReadBuffer),
		gnet.WithLogger(gnetLog{e.config.Logger.Sugar(), e}),
	)
	e.mu.Lock()
	e.retired, e.gone, e.sources = true, true, nil
	if e.inert >= 0 {
		_ = unix.Close(e.inert)
		e.inert = -1
	}
	asked, served := e.asked, e.served
	death := Death{Err: errors.Join(err, e.refusal), Accepting: e.listening}
	e.mu.Unlock()
	close(e.closed)
	switch {
	case !served:
		e.fail(errors.Join(errors.New("engine ended before it was ready"), death.Err))
	case !asked:
		e.handler.Died(death)
	}
}

// fail reports that the engine cannot be used. The first report counts.
func (e *gnetEngine) fail(err error) {
	select {
	case e.ready <- err:
	default:
	}
}

func (e *gnetEngine) Stop() {
	e.mu.Lock()
	e.retired, e.asked = true, true
	g, booted := e.gnet, e.booted
	e.mu.Unlock()
	if booted {
		stopGnet(g)
	}
}

// stopGnet tells gnet to stop without waiting for it.
func stopGnet(g gnet.Engine) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = g.Stop(over)
}

// die ends the loop's goroutine when gnet closes sockets that nobody asked it to close: it could not accept, or not
// poll, and ends. So the sockets stay open for the next engine.
func (e *gnetEngine) die() {
	e.mu.Lock()
	e.retired = true
	g := e.gnet
	e.mu.Unlock()
	stopGnet(g)
	runtime.Goexit()
}

func (e *gnetEngine) Wake() { e.execute(e.wakeup) }

// WakeAfterPoll asks from another goroutine within Woken, since gnet runs what that asks for before it polls.
func (e *gnetEngine) WakeAfterPoll() {
	if !e.waking {
		e.Wake()
		return
	}
	if e.again == nil {
		e.again = time.AfterFunc(0, e.Wake)
		return
	}
	e.again.Reset(0)
}

// execute has gnet run something on the loop, if that is up.
func (e *gnetEngine) execute(run gnet.Runnable) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.eventLoop == nil || e.retired {
		return
	}
	if err := e.eventLoop.Execute(context.Background(), run); err != nil {
		e.config.Logger.Error("cannot wake the loop", zap.Error(err))
	}
}

// wakeup is what gnet runs on the loop after Wake.
type wakeup struct{ engine *gnetEngine }

func (w wakeup) Run(context.Context) error {
	w.engine.calls++
	w.engine.ring()
	w.engine.waking = true
	w.engine.handler.Woken()
	w.engine.waking = false
	return nil
}

func (e *gnetEngine) Pause(s Socket, on bool) error {
	fd := s.(gnet.Conn).Fd()
	event := unix.EpollEvent{Fd: int32(fd), Events: readEvents}
	if on {
		event.Events = 0
	}
	return unix.EpollCtl(e.epoll, unix.EPOLL_CTL_MOD, fd, &event)
}

func (e *gnetEngine) Close(s Socket) {
	g := s.(gnet.Conn)
	g.SetContext(nil) // gnet reports this end too
	_ = g.EventLoop().Close(g)
}

// RemoteAddr is nil for what was adopted: gnet has the address of the doorbell's caller there.
func (e *gnetEngine) RemoteAddr(s Socket) net.Addr {
	g := s.(gnet.Conn)
	if placeholderIndex(g.LocalAddr()) == len(e.config.Listeners) {
		return nil
	}
	return g.RemoteAddr()
}

func (e *gnetEngine) Release(fd int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.gone {
		_ = unix.EpollCtl(e.epoll, unix.EPOLL_CTL_DEL, fd, nil)
	}
	if fd == e.closing {
		e.closing = -1
	}
}

func (e *gnetEngine) Abandon() []Arrival {
	e.CloseListeners()
	if e.closing >= 0 {
		_ = unix.Close(e.closing)
		e.closing = -1
	}
	left := e.arrivals
	e.arrivals = nil
	return left
}
