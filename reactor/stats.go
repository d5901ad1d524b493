//go:build linux

package reactor

import (
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/internal/histogram"
)

// turnSample is how many turns there are for one whose duration is measured, since a turn reads the clock once
// only.
const turnSample = 16

// loopStats are a Loop's counters: written on the loop, read on any goroutine.
type loopStats struct {
	connections atomic.Int64
	accepted    atomic.Int64
	bytesIn     atomic.Int64
	bytesOut    atomic.Int64
	wakes       atomic.Int64
	panics      atomic.Int64
	busy        atomic.Int64 // nanoseconds
	stalls      atomic.Int64
	kills       atomic.Int64
	movedIn     atomic.Int64
	stallTime   atomic.Int64 // nanoseconds
	standIns    atomic.Int64
	replaced    atomic.Int64
	fullPulls   atomic.Int64
	shortWrites atomic.Int64
	turnTimes   histogram.Durations
	timerLag    histogram.Durations

	sampling bool
	began    time.Time
}

func (s *loopStats) sampleBegin(l *Loop) {
	l.readClock()
	s.sampling, s.began = true, l.clock.now
}

func (s *loopStats) sampleEnd() {
	s.sampling = false
	took := time.Since(s.began)
	s.busy.Add(int64(took) * turnSample)
	s.turnTimes.Add(took)
}

// LoopStats are the counters of one Loop since it was made.
type LoopStats struct {
	Connections int              // open now
	Accepted    int64            // taken from listening sockets by this Loop, or in its place
	Turns       int64            // of any kind
	Wakes       int64            // turns for the inbox alone
	BytesIn     int64            // read from sockets
	BytesOut    int64            // taken by the kernel
	InboxDepth  int              // tasks that wait now and that no turn has begun with
	Busy        time.Duration    // in turns; estimated from one turn in sixteen
	Panics      int64            // contained
	Stalls      int64            // turns longer than Config.StallWarn
	Kills       int64            // stretches of lent code longer than Config.StallTimeout
	StallTime   time.Duration    // in turns beyond Config.StallWarn
	StandIns    int64            // connections that other Loops have accepted meanwhile
	MovedIn     int64            // connections that came from another Loop or engine
	Replaced    int64            // engines, for whatever reason
	Stalled     bool             // the present turn is longer than Config.StallWarn
	FullPulls   int64            // times that a session has filled the room up to Config.WriteHigh
	ShortWrites int64            // writes of which the kernel has not taken all
	TurnTimes   histogram.Totals // of one turn in sixteen
	TimerLag    histogram.Totals // from the time for which a timer was set to its turn; of timers that expire together, the first
}

// Stats are a Reactor's counters since it was made.
type Stats struct {
	Connections  int   // open now
	Refused      int64 // given to Config.Refuse for MaxConnections
	ProxyRefused int64 // closed for lack of an acceptable PROXY header
	Withheld     int64 // times that listening sockets were left alone because of a limit
	GateShut     bool  // listening sockets are left alone now
	Shed         int64 // connections closed to free descriptors, see ErrShed
	Dials        DialStats
	Peers        PeerStats
	Limit        int // connections that the descriptor limit, its reserve and MaxConnections allow
	Loops        []LoopStats
}

// Stats reads the Loop's counters. On any goroutine.
func (l *Loop) Stats() LoopStats {
	s := &l.stats
	stats := LoopStats{
		Connections: int(s.connections.Load()),
		Accepted:    s.accepted.Load(),
		Turns:       int64(l.turn.Load() / 2),
		Wakes:       s.wakes.Load(),
		BytesIn:     s.bytesIn.Load(),
		BytesOut:    s.bytesOut.Load(),
		InboxDepth:  int(l.inbox.waiting.Load()),
		Busy:        time.Duration(s.busy.Load()),
		Panics:      s.panics.Load(),
		Stalls:      s.stalls.Load(),
		Kills:       s.kills.Load(),
		StallTime:   time.Duration(s.stallTime.Load()),
		StandIns:    s.standIns.Load(),
		MovedIn:     s.movedIn.Load(),
		Replaced:    s.replaced.Load(),
		Stalled:     l.stalled.Load(),
		FullPulls:   s.fullPulls.Load(),
		ShortWrites: s.shortWrites.Load(),
	}
	stats.TurnTimes.Collect(&s.turnTimes)
	stats.TimerLag.Collect(&s.timerLag)
	return stats
}

// Stats reads the counters of the Reactor and all its Loops. From any goroutine.
func (r *Reactor) Stats() Stats {
	s := Stats{
		Connections:  int(r.open.Load()),
		Refused:      r.refused.Load(),
		ProxyRefused: r.proxyRefused.Load(),
		Withheld:     r.gate.withheld.Load(),
		GateShut:     r.gate.shut.Load(),
		Shed:         r.shed.Load(),
		Dials:        r.dials.stats(),
		Peers:        r.peers.stats(),
		Limit:        int(r.gate.capacity()),
	}
	for _, l := range r.loops {
		s.Loops = append(s.Loops, l.Stats())
	}
	return s
}
