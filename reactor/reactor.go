//go:build linux

package reactor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/internal/goroutine"
	"github.com/gatewheel/gatewheel/internal/loglimit"
	"github.com/gatewheel/gatewheel/reactor/internal/engine"
)

// Reactor is a set of Loops and the listening sockets they accept from.
type Reactor struct {
	config    Config
	log       *zap.Logger
	born      time.Time
	loops     []*Loop
	listeners []*listener
	table     *table
	gate      gate
	watchdog  *watchdog
	// makeEngine is engine.New, except in tests.
	makeEngine func(engine.Config, engine.Handler) engine.Engine

	peers      *peerTable // nil: Config.Peers limits nothing
	halfClosed halfClosed
	dials      dialCounters
	lookups    lookups
	tls        *tlsService
	proxyLines loglimit.Limit

	drainBy      atomic.Int64 // see Loop.DrainBy
	open         atomic.Int64
	arriving     atomic.Int64 // sockets without a Conn, on their way to a Loop
	notAwaited   atomic.Int64 // open connections that Stop does not wait for
	refused      atomic.Int64
	proxyRefused atomic.Int64 // connections without an acceptable PROXY header
	shed         atomic.Int64 // connections closed with ErrShed
	shedLines    loglimit.Limit
	refusedOpen  atomic.Int64  // open connections that Config.Refuse answers; they do not count for MaxConnections
	empty        chan struct{} // told when present gets to zero

	started  bool
	life     context.Context // ends when the last connection has left, or is to be closed
	endLife  func()
	stopOnce sync.Once
	stopErr  error
}

// New makes a Reactor with its Loops. It raises the process's limit of open descriptors as far as
// that is allowed.
func New(config Config) (*Reactor, error) {
	config.applyDefaults()
	if config.Loops < 1 || config.WriteHigh < 1 || config.WriteLow >= config.WriteHigh {
		return nil, fmt.Errorf("reactor: want at least one loop, and WriteLow (%d) below WriteHigh (%d)", config.WriteLow, config.WriteHigh)
	}
	if goroutine.Number() == 0 {
		return nil, errGoroutineNumber
	}
	raiseDescriptorLimit()
	r := &Reactor{
		config: config, log: config.Logger, born: time.Now(), table: newTable(), tls: newTLSService(config.Logger),
		empty: make(chan struct{}, 1), makeEngine: engine.New,
	}
	var err error
	if r.peers, err = newPeerTable(&config.Peers, r.born, r.log); err != nil {
		return nil, err
	}
	r.life, r.endLife = context.WithCancel(context.Background())
	r.gate.reactor = r
	r.gate.limit.Store(1 << 62)
	r.gate.room.Store(1 << 62)
	for i := range config.Loops {
		l, err := newLoop(r, i)
		if err != nil {
			r.release()
			return nil, err
		}
		r.loops = append(r.loops, l)
	}
	return r, nil
}

// Listen opens a listening socket and returns the address that it is bound to. Connections are
// accepted from Start on. Not after Start.
func (r *Reactor) Listen(config ListenerConfig) (net.Addr, error) {
	if r.started {
		return nil, errors.New("reactor: Listen after Start")
	}
	if err := r.refuseTwice(config.File); err != nil {
		return nil, err
	}
	s, err := openSockets(&config, len(r.loops), r.config.NotsentLowat)
	if err != nil {
		return nil, err
	}
	config.TLS = r.tls.configs.of(config.TLS)
	// More inherited sockets than Loops are so many listeners that each Loop has one socket of each.
	for i, some := range s.split(len(r.loops)) {
		ln := newListener(config, some, len(r.loops))
		ln.continued = i > 0
		r.listeners = append(r.listeners, ln)
	}
	return s.addr, nil
}

// Start starts the loops, once; not after Stop. On an error everything is released.
func (r *Reactor) Start() error {
	r.started = true
	var started []*loopEngine
	for _, l := range r.loops {
		l.firstTasks = append(l.firstTasks, l.identify)
		e := l.startEngine()
		if e == nil {
			return ErrStopped
		}
		started = append(started, e)
	}
	var errs []error
	for _, e := range started {
		errs = append(errs, <-e.Ready())
	}
	if err := errors.Join(errs...); err != nil {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		_ = r.Stop(over)
		return fmt.Errorf("reactor: %w", err)
	}
	r.gate.measure(&r.config)
	r.gate.check()
	r.watchdog = startWatchdog(r)
	return nil
}

// Loops returns the event loops. On any goroutine.
func (r *Reactor) Loops() []*Loop { return r.loops }

// EachConn calls visit for each connection that is open, on its loop, owned, and returns at once. Many
// connections take several turns. One that moves is visited where it arrives: twice perhaps, or not at all if
// the connections of that Loop were visited before. On any goroutine.
func (r *Reactor) EachConn(visit func(*Conn)) {
	for _, l := range r.loops {
		l.EachConn(visit, func() {})
	}
}

// EachConn is Reactor.EachConn for the connections of one Loop. done is called on the loop, owned, after the last visit of
// a connection that has stayed on it. On any goroutine.
func (l *Loop) EachConn(visit func(*Conn), done func()) {
	l.Post(func() { l.visit(slices.Clone(l.conns), visit, done) })
}

// visit calls visit for conns, beyond the budget of the turn in another one, and then done.
func (l *Loop) visit(conns []*Conn, visit func(*Conn), done func()) {
	for i, c := range conns {
		switch {
		case c.Closed():
		case c.loop.Load() != l, c.departing():
			c.Handle().Post(visit)
		default:
			l.guarded(c, visit)
		}
		if l.Charge(unitsPerTask); l.Spent() {
			l.Post(func() { l.visit(conns[i+1:], visit, done) })
			return
		}
	}
	done()
}

// present returns how many connections there are, including those that no session knows yet.
func (r *Reactor) present() int64 { return r.open.Load() + r.arriving.Load() }

// awaited returns how many connections Stop waits for.
func (r *Reactor) awaited() int64 { return r.present() - r.notAwaited.Load() }

// signalEmpty wakes Stop if there is no connection to wait for.
func (r *Reactor) signalEmpty() {
	if r.awaited() == 0 {
		select {
		case r.empty <- struct{}{}:
		default:
		}
	}
}

// release closes the descriptors that the Reactor holds itself.
func (r *Reactor) release() {
	for _, l := range r.loops {
		l.writable.close()
	}
	for _, ln := range r.listeners {
		ln.close()
	}
}
