//go:build linux

package reactor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// readEvents is what gnet watches connections and listening sockets for.
const readEvents = unix.EPOLLIN | unix.EPOLLPRI

// engine is a gnet engine with one event loop, which turns one Loop for as long as it lives. Its
// callbacks run on the goroutine of that event loop, but for OnBoot, OnTick and OnShutdown.
type engine struct {
	gnet.BuiltinEventEngine
	loop *Loop

	epoll     int  // gnet's epoll set. On the loop, once connected
	connected bool // on the loop

	mu        sync.Mutex
	gnet      gnet.Engine
	booted    bool
	eventLoop gnet.EventLoop // nil until connected
	retired   bool           // must not be woken any more
	gone      bool           // gnet closes its epoll set and listeners, and the numbers mean nothing
	asked     bool           // to end
	served    bool           // ready was told nil
	haunting  *haunting      // its event loop's goroutine, if that was left behind in lent code
	listeners []int          // gnet's descriptors, which refer to our sockets
	listening bool
	refusal   error // of the last accept that failed

	control *controlConn
	ready   chan error    // gets nil when connected, or why that failed
	closing chan struct{} // closed when gnet begins to end
	done    chan struct{} // closed when gnet is through with everything
}

// controlConn is the context of a connection between the engine and itself: gnet tells its event
// loop, and shows its epoll set, to connections only.
type controlConn struct {
	engine *engine
	fd     int  // gnet's end
	other  int  // ours, kept open
	closed bool // by gnet
}

func newEngine(l *Loop) *engine {
	return &engine{loop: l, epoll: -1, ready: make(chan error, 1), closing: make(chan struct{}), done: make(chan struct{})}
}

// placeholder is the address that gnet is given for the listener with that index; our socket takes
// its place once the engine is connected. The index is read back from it for every connection.
func placeholder(i int) string { return fmt.Sprintf("127.0.%d.%d:0", i/250, i%250+1) }

func placeholderIndex(addr net.Addr) int {
	ip := addr.(*net.TCPAddr).IP.To4()
	return int(ip[2])*250 + int(ip[3]) - 1
}

// run is the engine's life.
func (e *engine) run() {
	r := e.loop.reactor
	var addrs []string
	for i := range max(1, len(r.listeners)) {
		addrs = append(addrs, "tcp://"+placeholder(i))
	}
	err := gnet.Rotate(e, addrs,
		gnet.WithNumEventLoop(1),
		// The mode in which an event loop accepts for itself.
		gnet.WithReusePort(true),
		// With the default, Register is a data race.
		gnet.WithLoadBalancing(gnet.SourceAddrHash),
		gnet.WithReadBufferCap(r.config.ReadBuffer),
		gnet.WithTicker(true),
		gnet.WithLogger(gnetLog{r.log.Sugar(), e}),
	)
	e.retire()
	if c := e.control; c != nil {
		if !c.closed && c.fd >= 0 {
			_ = unix.Close(c.fd)
		}
		_ = unix.Close(c.other)
	}
	e.mu.Lock()
	asked, served, left := e.asked, e.served, e.haunting
	e.mu.Unlock()
	close(e.done)
	if left != nil {
		// Not before its deferred functions have run.
		e.loop.Post(func() { left.end(e.loop) })
	}
	switch {
	case !served:
		e.fail(errors.Join(errors.New("engine ended before it was ready"), err))
	case !asked:
		r.engineDied(e, err)
	}
}

// fail reports that the engine cannot be used. The first report counts.
func (e *engine) fail(err error) {
	select {
	case e.ready <- err:
	default:
	}
}

// OnBoot finds the listening sockets that gnet has opened, in whose place ours come.
func (e *engine) OnBoot(g gnet.Engine) gnet.Action {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asked {
		return gnet.Shutdown
	}
	e.gnet = g
	e.booted = true
	for i := range e.loop.reactor.listeners {
		number, err := gnetListener(g, placeholder(i))
		if err != nil {
			e.fail(err)
			e.asked = true
			return gnet.Shutdown
		}
		e.listeners = append(e.listeners, number)
	}
	return gnet.None
}

// gnetListener finds the number of the descriptor of gnet's listener: the one that is the same
// socket as the duplicate that gnet gives.
func gnetListener(g gnet.Engine, address string) (int, error) {
	dup, err := g.DupListener("tcp", address)
	if err != nil {
		return -1, err
	}
	defer unix.Close(dup)
	var want unix.Stat_t
	if err := unix.Fstat(dup, &want); err != nil {
		return -1, os.NewSyscallError("fstat", err)
	}
	return nearestDescriptor(dup, func(fd int) bool {
		var have unix.Stat_t
		return unix.Fstat(fd, &have) == nil && have.Ino == want.Ino && have.Dev == want.Dev
	})
}

// nearestDescriptor finds the descriptor that fits, which was opened shortly before or after fd
// and so most likely has a number near by.
func nearestDescriptor(fd int, fits func(fd int) bool) (int, error) {
	limit := descriptorLimit()
	for distance := 1; fd-distance >= 0 || fd+distance < limit; distance++ {
		if fd-distance >= 0 && fits(fd-distance) {
			return fd - distance, nil
		}
		if fd+distance < limit && fits(fd+distance) {
			return fd + distance, nil
		}
	}
	return -1, errors.New("a descriptor of gnet's was not found")
}

// OnTick is called once the event loop exists, from a goroutine beside it.
func (e *engine) OnTick() (time.Duration, gnet.Action) {
	if e.control == nil {
		if err := e.connect(); err != nil && !e.hasServed() {
			e.fail(err)
			e.stop()
		}
	}
	return math.MaxInt64, gnet.None
}

// connect makes the control connection.
func (e *engine) connect() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	e.control = &controlConn{engine: e, fd: -1, other: pair[1]}
	file := os.NewFile(uintptr(pair[0]), "control")
	conn, err := net.FileConn(file)
	_ = file.Close()
	if err != nil {
		return err
	}
	ctx := gnet.NewContext(gnet.NewNetConnContext(context.Background(), conn), e.control)
	registered, err := e.gnet.Register(ctx)
	if err != nil {
		_ = conn.Close()
		return err
	}
	select {
	case result := <-registered:
		return result.Err
	case <-e.closing:
		_ = conn.Close()
		return errEngineGone
	}
}

// OnOpen is called for what was accepted and for what was registered.
func (e *engine) OnOpen(g gnet.Conn) ([]byte, gnet.Action) {
	switch ctx := g.Context().(type) {
	case *controlConn:
		e.onControl(g)
		return nil, gnet.None
	case *arrival:
		return nil, e.loop.adopt(g, ctx)
	default:
		if !e.connected {
			// A stranger has found a placeholder.
			return nil, gnet.Close
		}
		l := e.loop
		l.begin()
		l.accept(g, l.reactor.listeners[placeholderIndex(g.LocalAddr())])
		l.end()
		return nil, gnet.None
	}
}

// onControl completes the engine: now it can be woken and its epoll set is known.
func (e *engine) onControl(g gnet.Conn) {
	e.control.fd = g.Fd()
	epoll, err := nearestDescriptor(g.Fd(), func(fd int) bool {
		// Only a set that knows the control connection takes this, and it changes nothing there.
		return unix.EpollCtl(fd, unix.EPOLL_CTL_MOD, g.Fd(), &unix.EpollEvent{Fd: int32(g.Fd()), Events: readEvents}) == nil
	})
	if err == nil {
		err = e.takeListeners(epoll)
	}
	if err != nil {
		e.fail(err)
		return
	}
	e.mu.Lock()
	e.connected = !e.gone
	if e.connected {
		e.eventLoop = g.EventLoop()
		e.epoll = epoll
		e.served = true
	}
	e.mu.Unlock()
	if e.connected {
		e.loop.reactor.gate.apply(e)
		e.ready <- nil
		e.loop.wakeTurn()
	}
}

// takeListeners puts our listening sockets over gnet's, out of the epoll set still: it is the gate
// that puts them in, and an engine that fails before it turns its Loop has accepted nothing.
func (e *engine) takeListeners(epoll int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, fd := range e.listeners {
		_ = unix.EpollCtl(epoll, unix.EPOLL_CTL_DEL, fd, nil)
		if err := e.loop.reactor.listeners[i].putOver(fd, e.loop.index); err != nil {
			return err
		}
	}
	return nil
}

// OnTraffic is called with what one read has brought.
func (e *engine) OnTraffic(g gnet.Conn) gnet.Action {
	in, _ := g.Next(-1)
	c, ok := g.Context().(*Conn)
	if !ok {
		return gnet.None
	}
	l := e.loop
	l.begin()
	l.stats.bytesIn.Add(int64(len(in)))
	l.read(c, in)
	l.end()
	return gnet.None
}

// OnClose is called before gnet closes a descriptor.
func (e *engine) OnClose(g gnet.Conn, err error) gnet.Action {
	switch c := g.Context().(type) {
	case *controlConn:
		if e.ending() || err != nil {
			c.closed = true
			return gnet.None
		}
		e.die()
	case *Conn:
		if c.closed {
			return gnet.None
		}
		if err == nil && !e.ending() {
			e.die()
		}
		l := e.loop
		l.parting = g.Fd()
		l.begin()
		l.lost(c, err)
		l.end()
		l.parting = -1
	}
	return gnet.None
}

// ending says whether the engine was asked to end.
func (e *engine) ending() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked
}

// hasServed says whether the engine has begun to turn its Loop.
func (e *engine) hasServed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.served
}

// die is called on the loop when gnet closes connections that nobody asked it to close: it could
// not accept, or not poll, and ends. The goroutine stops here, so that all connections stay; the
// next engine takes them.
func (e *engine) die() {
	e.mu.Lock()
	e.retired = true
	g := e.gnet
	e.mu.Unlock()
	stopGnet(g)
	exitGoroutine()
}

// OnShutdown is called before gnet closes its epoll set and its listeners.
func (e *engine) OnShutdown(gnet.Engine) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.retired, e.gone = true, true
	e.listeners = nil
	close(e.closing)
}

// descriptors is how many an engine needs: two of the epoll set, the control connection's, and the
// listeners'.
func (e *engine) descriptors() int { return 4 + len(e.loop.reactor.listeners) }

// haunt says that the goroutine of the event loop was left behind.
func (e *engine) haunt(h *haunting) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.haunting = h
}

// retire keeps the engine from being woken.
func (e *engine) retire() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.retired = true
}

// stop has the engine end. It does not wait, since a stalled one never does.
func (e *engine) stop() {
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

// execute has the event loop take a turn for the inbox. One that is not connected yet takes it as
// soon as it is; in the place of one that has retired the next engine does.
func (e *engine) execute() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.eventLoop == nil || e.retired {
		return
	}
	if err := e.eventLoop.Execute(context.Background(), e); err != nil {
		e.loop.reactor.log.Error("cannot wake the loop", zap.Int("loop", e.loop.index), zap.Error(err))
	}
}

// Run is called on the loop, by execute.
func (e *engine) Run(context.Context) error {
	e.loop.wakeTurn()
	return nil
}

// listen puts the listening sockets into the epoll set or takes them out. From any goroutine.
func (e *engine) listen(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.epoll < 0 || e.gone || e.listening == on {
		return
	}
	e.listening = on
	for i, fd := range e.listeners {
		if !on {
			_ = unix.EpollCtl(e.epoll, unix.EPOLL_CTL_DEL, fd, nil)
			continue
		}
		event := unix.EpollEvent{Fd: int32(fd), Events: readEvents}
		if e.loop.reactor.listeners[i].shared {
			event.Events = unix.EPOLLIN | unix.EPOLLEXCLUSIVE
		}
		if err := unix.EpollCtl(e.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			e.loop.reactor.log.Error("cannot watch a listening socket", zap.Error(err))
		}
	}
}

// forget takes a connection's descriptor out of the epoll set, if there still is one.
func (e *engine) forget(fd int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.gone {
		_ = unix.EpollCtl(e.epoll, unix.EPOLL_CTL_DEL, fd, nil)
	}
}

// dropListeners lets go of the listening sockets: an inert descriptor takes the place of each, since
// gnet will close the numbers.
func (e *engine) dropListeners() {
	e.listen(false)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, fd := range e.listeners {
		_ = unix.Dup3(e.loop.reactor.inert, fd, unix.O_CLOEXEC)
	}
	e.listeners = nil
}

// gnetLog is what gnet logs to. Its word of events for connections that are closed already is
// left out: they lay in the same batch as the event that closed the connection. Why an accept has
// failed is said nowhere else.
type gnetLog struct {
	*zap.SugaredLogger
	engine *engine
}

func (gnetLog) Debugf(string, ...any) {}
func (gnetLog) Infof(string, ...any)  {}

func (g gnetLog) Warnf(format string, args ...any) {
	if !strings.HasPrefix(format, "received event[") {
		g.SugaredLogger.Warnf(format, args...)
	}
}

func (g gnetLog) Errorf(format string, args ...any) {
	if strings.HasPrefix(format, "Accept() failed") && len(args) > 0 {
		g.engine.refusal, _ = args[0].(error)
	}
	g.SugaredLogger.Errorf(format, args...)
}

// finished says whether err is what gnet reports for the peer's FIN. Its plain io.EOF stands for a
// reset.
func finished(err error) bool {
	var call *os.SyscallError
	return errors.As(err, &call) && call.Err == io.EOF
}
