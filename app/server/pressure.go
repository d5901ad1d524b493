//go:build linux

package server

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/internal/loglimit"
)

// pressure watches the memory of the process and has the loops act near Config.MemoryLimit. The zero value, and one
// without a limit, does nothing.
type pressure struct {
	_ [64]byte // the level shares no cache line with what others write
	// level is the MemoryLevel. The sampler writes it when it changes; loops read it for each new connection and request.
	// It is shared, since a copy for each loop would have to be told in a task, which a busy loop runs late. A word that
	// seldom changes stays in the cache of every processor.
	level atomic.Uint32
	_     [60]byte

	server *Server
	needed atomic.Uint64 // of the last reading, in bytes
	asked  atomic.Uint64 // collections that were asked for
	lines  [memoryLevels]loglimit.Limit

	gauge   gauge // of the sampler
	relief  relief
	samples [len(memoryMetrics)]metrics.Sample

	collecting atomic.Bool
	took       atomic.Int64 // duration of the last collection, in nanoseconds
	quit       chan struct{}
	work       sync.WaitGroup // the sampler and a collection
}

// Times between two readings of memory: while less than half of the limit is in use, and above that.
const (
	sampleSeldom = 100 * time.Millisecond
	sampleOften  = 10 * time.Millisecond
)

// start starts the sampler if there is a limit.
func (p *pressure) start(s *Server) {
	if s.config.MemoryLimit <= 0 {
		return
	}
	p.server, p.quit = s, make(chan struct{})
	p.gauge.limit = uint64(s.config.MemoryLimit)
	p.work.Go(p.run)
}

// stop ends the sampler and waits for it. Once.
func (p *pressure) stop() {
	if p.quit != nil {
		close(p.quit)
		p.work.Wait()
	}
}

// run is the sampler.
func (p *pressure) run() {
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-p.quit:
			return
		case <-timer.C:
		}
		use := readMemory(&p.samples)
		if f := p.server.config.MemoryElsewhere; f != nil {
			use.elsewhere = uint64(max(f(), 0))
		}
		p.sample(use, time.Since(began))
		pause := sampleSeldom
		if use.possible() >= p.gauge.limit/2 {
			pause = sampleOften
		}
		timer.Reset(pause)
	}
}

// sample takes a reading, publishes the level, has a collection run if that is needed, and relieves the loops.
func (p *pressure) sample(use memoryUse, now time.Duration) {
	before := p.gauge.level
	p.gauge.took = time.Duration(p.took.Load())
	collect := p.gauge.read(use, now)
	p.needed.Store(use.needed())
	if level := p.gauge.level; level != before {
		p.level.Store(uint32(level))
		p.report(before, level, use.needed())
		p.relief.setLevel(p.server.loops(), level)
	}
	p.relief.round(p.server.loops(), &p.gauge, use, now)
	if collect {
		p.collect()
	}
}

// collect has a collection run on a goroutine of its own, unless one does that was asked for.
func (p *pressure) collect() {
	if !p.collecting.CompareAndSwap(false, true) {
		return
	}
	p.asked.Add(1)
	p.work.Go(func() {
		defer p.collecting.Store(false)
		began := time.Now()
		runtime.GC()
		p.took.Store(int64(time.Since(began)))
	})
}

// report logs a change of the level: one line at most in each loglimit.Interval for each level.
func (p *pressure) report(before, level MemoryLevel, needed uint64) {
	unlogged, ok := p.lines[level].Allow(time.Now())
	if !ok {
		return
	}
	write, text := p.server.log.Warn, "memory is short"
	if level < before {
		write, text = p.server.log.Info, "memory is less short"
	}
	if level == MemoryAmple {
		text = "memory is ample again"
	}
	write(text, zap.Stringer("level", level), zap.Uint64("needed", needed), zap.Uint64("limit", p.gauge.limit),
		zap.Int("connections", p.server.reactor.Stats().Connections), zap.Int("unlogged", unlogged))
}

// memoryLevel returns the present level. Any goroutine.
func (s *Server) memoryLevel() MemoryLevel { return MemoryLevel(s.pressure.level.Load()) }

// MemoryCounts is the state of the memory of the process with regard to Config.MemoryLimit.
type MemoryCounts struct {
	Limit  uint64 // bytes; 0: none, and the other fields are 0
	Needed uint64 // bytes that no collection would free, as far as the last one knows
	Level  MemoryLevel
	// Collections is the number of garbage collections that were asked for to learn Needed.
	Collections uint64
}

// Memory returns the state of memory. Any goroutine.
func (s *Server) Memory() MemoryCounts {
	return MemoryCounts{
		Limit: uint64(max(s.config.MemoryLimit, 0)), Needed: s.pressure.needed.Load(), Level: s.memoryLevel(),
		Collections: s.pressure.asked.Load(),
	}
}
