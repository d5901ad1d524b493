//go:build linux

package reactor

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/internal/loglimit"
)

const (
	minReserve = 32
	maxReserve = 1024
	// acceptPause is the time without accepting after an accept has failed.
	acceptPause = 100 * time.Millisecond
)

// gate stops all engines from accepting while the limit of connections is reached; new connections wait in the
// kernel. An accept without a free descriptor would end an engine.
type gate struct {
	reactor  *Reactor
	limit    atomic.Int64
	reserve  atomic.Int64
	room     atomic.Int64 // limit without MaxConnections
	withheld atomic.Int64
	lines    loglimit.Limit

	mu      sync.Mutex
	full    bool
	pausing bool
	ended   bool
	shut    atomic.Bool // full, or pausing, or ended
}

// raiseDescriptorLimit raises the soft limit of open descriptors to the hard limit.
func raiseDescriptorLimit() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && limit.Cur < limit.Max {
		limit.Cur = limit.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	}
}

func descriptorLimit() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 1024
	}
	return int(min(limit.Cur, 1<<30))
}

// openDescriptors is the number of descriptors that the process has open.
func openDescriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// reserve is how many of limit descriptors connections leave free.
func (c *Config) reserve(limit int) int {
	if c.DescriptorReserve > 0 {
		return c.DescriptorReserve
	}
	return min(max(limit/8, minReserve), maxReserve)
}

// measure sets the limit of connections from the descriptors that are free. Everything else must be open.
func (g *gate) measure(config *Config) {
	limit := descriptorLimit()
	room := max(limit-config.reserve(limit)-openDescriptors(), 1)
	g.room.Store(int64(room))
	if config.MaxConnections > 0 && config.Refuse == nil {
		room = min(room, config.MaxConnections)
	}
	g.limit.Store(int64(room))
	g.reserve.Store(int64(config.reserve(limit)))
}

// capacity returns the number of connections that may be present, at least 1.
func (g *gate) capacity() int64 { return max(g.limit.Load(), 1) }

// lower reduces the limit of connections by the descriptors that something else holds; a negative number raises it.
func (g *gate) lower(by int) {
	g.limit.Add(-int64(by))
	g.room.Add(-int64(by))
	g.check()
}

// check opens or shuts the gate after the number of present connections has changed.
func (g *gate) check() {
	limit, present := g.capacity(), g.reactor.present()
	if shut := g.shut.Load(); !shut && present < limit || shut && present > limit-slack(limit) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.adjust()
}

// adjust brings full in line with the number of connections; the caller holds mu. Callers of check change that number
// before they read shut, and adjust writes shut before it reads the number again: so one of the two sees the other.
func (g *gate) adjust() {
	for {
		limit, present := g.capacity(), g.reactor.present()
		switch {
		case !g.full && present >= limit:
			g.full = true
			g.withheld.Add(1)
			g.report(present)
			g.reactor.halfClosed.evict(present - (limit - slack(limit)))
		case g.full && present <= limit-slack(limit):
			g.full = false
		default:
			return
		}
		g.update()
	}
}

// report logs, at most once every loglimit.Interval, that newcomers have to wait.
func (g *gate) report(present int64) {
	if suppressed, ok := g.lines.Allow(time.Now()); ok {
		g.reactor.log.Warn("accepting pauses: the limit of descriptors or connections is reached",
			zap.String("reason", "descriptor-limit"), zap.Int64("connections", present), zap.Int("unlogged", suppressed))
	}
}

// slack is how many connections must leave before accepting goes on. With one, each connection that leaves would cost a
// system call for every listening socket.
func slack(limit int64) int64 { return 1 + limit/128 }

// makeRoom closes half-closed connections if the listening sockets are left alone because of their number.
func (g *gate) makeRoom() {
	if !g.shut.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if limit := g.capacity(); g.full {
		g.reactor.halfClosed.evict(g.reactor.present() - (limit - slack(limit)))
	}
}

// pause stops accepting for acceptPause.
func (g *gate) pause() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pausing || g.ended {
		return
	}
	g.pausing = true
	g.withheld.Add(1)
	g.update()
	time.AfterFunc(acceptPause, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.pausing = false
		g.full = g.reactor.present() >= g.capacity()
		g.update()
		g.adjust()
	})
}

// dialDescriptors is how many descriptors a dial takes at most until it is connected.
const dialDescriptors = 3

// mayDial reports whether the descriptors allow one dial more. Half of the reserve is kept from dials, for the engines
// that replace others among other things.
func (r *Reactor) mayDial() bool {
	held := r.present() + (dialDescriptors-1)*r.connecting.Load()
	return held+dialDescriptors <= r.gate.room.Load()+r.gate.reserve.Load()/2
}

// burstRoom is how many connections one Loop may accept in a row, besides the next: its share of the room that
// connections have, and of a quarter of the reserve, since each takes a second descriptor for a moment.
func (r *Reactor) burstRoom() int {
	room := min(r.gate.capacity()-r.present(), r.gate.reserve.Load()/4)
	return max(int(room)/len(r.loops)-1, 0)
}

// end stops accepting for good.
func (g *gate) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	g.update()
}

// update applies the gate's state to all engines.
func (g *gate) update() {
	shut := g.full || g.pausing || g.ended
	g.shut.Store(shut)
	for _, l := range g.reactor.loops {
		if e := l.engine.Load(); e != nil {
			e.Listen(!shut)
		}
	}
}

// apply applies the gate's state to a new engine.
func (g *gate) apply(e *loopEngine) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.Listen(!g.shut.Load())
}

// presentDecreased must be called after the number of present connections has decreased. On any goroutine.
func (r *Reactor) presentDecreased() {
	r.gate.check()
	r.signalEmpty()
}
