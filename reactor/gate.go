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
	// acceptPause is the pause of accepting after a failed accept.
	acceptPause = 100 * time.Millisecond
)

// gate keeps all engines from accepting while the limit of connections is reached; new connections wait in the
// kernel. An accept without a free descriptor would end an engine. Safe for concurrent use.
type gate struct {
	reactor  *Reactor
	limit    atomic.Int64 // Config.MaxConnections, unless Refuse answers connections beyond it
	room     atomic.Int64 // connections that the descriptor limit allows
	reserve  atomic.Int64 // descriptors that connections leave free
	withheld atomic.Int64 // times that accepting has paused
	lines    loglimit.Limit

	mu      sync.Mutex
	full    bool        // the limit is reached
	pausing bool        // after a failed accept
	ended   bool        // for good
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

// openDescriptors returns the number of open descriptors of the process.
func openDescriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// reserve returns the number of descriptors, out of limit, that connections leave free.
func (c *Config) reserve(limit int) int {
	if c.DescriptorReserve > 0 {
		return c.DescriptorReserve
	}
	return min(max(limit/8, minReserve), maxReserve)
}

// measure sets the limit of connections from the number of free descriptors. Call it after everything else was opened.
func (g *gate) measure(config *Config) {
	limit := descriptorLimit()
	g.room.Store(int64(max(limit-config.reserve(limit)-openDescriptors(), 1)))
	if config.MaxConnections > 0 && config.Refuse == nil {
		g.limit.Store(int64(config.MaxConnections))
	}
	g.reserve.Store(int64(config.reserve(limit)))
}

// capacity returns the number of connections that may be present, at least 1.
func (g *gate) capacity() int64 { return max(min(g.limit.Load(), g.room.Load()), 1) }

// lower reduces the number of connections that the descriptor limit allows by so many descriptors held by something
// else; a negative number raises it.
func (g *gate) lower(by int) {
	g.room.Add(-int64(by))
	g.check()
}

// surplus returns the number of connections that have to close so that a quarter of the reserve is free, as the start of
// an engine needs it.
func (g *gate) surplus() int64 {
	reserve := g.reserve.Load()
	return g.reactor.present() - (g.room.Load() + reserve - reserve/4)
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

// adjust sets full by the number of connections; the caller holds mu. No change is missed: callers of check change the
// number before they read shut, and adjust writes shut before it reads the number again.
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

// report logs that accepting pauses, at most once per loglimit.Interval.
func (g *gate) report(present int64) {
	if suppressed, ok := g.lines.Allow(time.Now()); ok {
		g.reactor.log.Warn("accepting pauses: the limit of descriptors or connections is reached",
			zap.String("reason", "descriptor-limit"), zap.Int64("connections", present), zap.Int("unlogged", suppressed))
	}
}

// slack returns the number of connections that must close before accepting resumes. With 1, each closed connection would
// cost a system call per listening socket.
func slack(limit int64) int64 { return 1 + limit/128 }

// makeRoom closes half-closed connections if the limit of connections has stopped accepting.
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

// burstRoom returns the number of connections that one Loop may accept in a row, besides the next one: its share of the
// free connections, and of a quarter of the reserve, since each takes a second descriptor for a short time.
func (r *Reactor) burstRoom() int {
	room := min(r.gate.capacity()-r.present(), r.gate.reserve.Load()/4)
	return max(int(room)/len(r.loops)-1, 0)
}

// spare returns the number of descriptors that the engine of one Loop may hold for a moment to adopt several connections
// in a row: its share of an eighth of the reserve.
func (r *Reactor) spare() int { return int(r.gate.reserve.Load()) / 8 / len(r.loops) }

// end stops accepting for good.
func (g *gate) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	g.update()
}

// over reports whether accepting has stopped for good.
func (g *gate) over() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ended
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
