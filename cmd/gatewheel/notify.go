//go:build linux

package main

import (
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/internal/loglimit"
	"github.com/gatewheel/gatewheel/internal/systemd"
)

const (
	// statusEvery is the time between two looks at what the status says.
	statusEvery = 10 * time.Second
	// takeoverTime is the time from --stall-timeout until the loop turns again at the latest.
	takeoverTime = 2 * time.Second
	// exitTime is what the end of the process may take beyond the time for its connections.
	exitTime = 5 * time.Second
)

// phase is the state of the process as the service manager knows it.
type phase int

const (
	phaseStarting phase = iota
	phaseServing
	phaseReloading
	phaseStopping
	phaseHandedOver // another process is the main one, and this one tells nothing
)

// notify tells the service manager about the process. Without a service manager its methods do nothing. They wait a
// second at most for a manager that reads nothing, and must not be called on a loop.
type notify struct {
	manager *systemd.Notifier // nil: there is none
	log     *zap.Logger
	unsent  loglimit.Limit
	loops   loopWatch

	mu      sync.Mutex // held while a message is sent, so that they arrive in order
	phase   phase
	status  string // that was sent last
	failure string // of the last reload
	traffic traffic
}

// newNotify returns the notify of this process, for which it reads the environment.
func newNotify(log *zap.Logger) *notify {
	return &notify{manager: systemd.FromEnv(), log: log, loops: loopWatch{ran: make(chan struct{}, 1)}}
}

// observe adds to the configuration of the server what the manager's watchdog needs.
func (n *notify) observe(config *server.Config) {
	if n.manager.WatchdogEvery() == 0 {
		return
	}
	next := config.Hooks.LoopStart
	config.Hooks.LoopStart = func(loop app.Loop) (state any, err error) {
		n.loops.add(loop.Post)
		if next != nil {
			return next(loop)
		}
		return nil, nil
	}
}

// ready reports that srv serves, and begins to report its state and, as long as its loops turn, to the manager's
// watchdog. stallTimeout is --stall-timeout. A process that has reported its end before reports nothing more.
func (n *notify) ready(srv *server.Server, stallTimeout time.Duration) {
	if n.manager == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase == phaseStopping {
		return
	}
	n.traffic.server = srv
	n.phase, n.status = phaseServing, "Serving"
	n.report(n.manager.Ready(n.status))
	go n.reportStatus()
	if every := n.manager.WatchdogEvery(); every > 0 {
		if stallTimeout > 0 {
			n.loops.limit = stallTimeout + takeoverTime
		}
		go n.feedWatchdog(every)
	}
}

// reloading reports that the files are read again.
func (n *notify) reloading() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase == phaseServing {
		n.phase = phaseReloading
		n.report(n.manager.Reloading())
	}
}

// reloaded reports that the files were read, or what is wrong with them.
func (n *notify) reloaded(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failure = ""
	if err != nil {
		n.failure = fmt.Sprintf("the reload at %s failed: %v", time.Now().Format(time.TimeOnly), err)
	}
	switch n.phase {
	case phaseReloading:
		n.phase, n.status = phaseServing, n.text()
		n.report(n.manager.Ready(n.status))
	case phaseServing: // one that was late
		n.updateStatus()
	}
}

// stopping reports that the process ends, for which its connections have at most limit; 0 means that there is none.
func (n *notify) stopping(limit time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase == phaseHandedOver {
		return
	}
	n.phase = phaseStopping
	if limit > 0 {
		limit += exitTime
	}
	n.report(n.manager.Stopping(limit))
	n.updateStatus()
}

// handOver names the process pid as the main one of the service, and tells the manager nothing from then on. After an
// error nothing has changed.
func (n *notify) handOver(pid int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.manager.MainPID(pid); err != nil {
		return err
	}
	n.phase = phaseHandedOver
	return nil
}

// reportStatus keeps the status up to date until the process ends or has handed over.
func (n *notify) reportStatus() {
	for range time.Tick(statusEvery) {
		n.mu.Lock()
		if n.phase == phaseHandedOver {
			n.mu.Unlock()
			return
		}
		if n.phase != phaseReloading {
			n.updateStatus()
		}
		n.mu.Unlock()
	}
}

// updateStatus sends the status if it has changed. The caller holds mu.
func (n *notify) updateStatus() {
	if n.manager == nil {
		return
	}
	if text := n.text(); text != n.status {
		n.status = text
		n.report(n.manager.Status(text))
	}
}

// text returns the status as it is now. The caller holds mu.
func (n *notify) text() string {
	if n.manager == nil || n.traffic.server == nil {
		return ""
	}
	connections, rate := n.traffic.measure(time.Now())
	if n.phase == phaseStopping {
		return fmt.Sprintf("Stopping: %d connections", connections)
	}
	text := fmt.Sprintf("Serving: %d connections, %.0f requests/s", connections, rate)
	if n.failure != "" {
		text += "; " + n.failure
	}
	return text
}

// report logs that a message was not sent.
func (n *notify) report(err error) {
	if err == nil {
		return
	}
	if unlogged, ok := n.unsent.Allow(time.Now()); ok {
		n.log.Warn("the service manager was not told", zap.Error(err), zap.Int("unlogged", unlogged))
	}
}

// feedWatchdog reports to the manager's watchdog that the process works, as long as every loop turns, until the process
// ends or has handed over.
//
// Each loop gets a task at every report. The next report waits until all have run, but for loops that have theirs for
// less than loopWatch.limit: the server's own watchdog is about to take those from the code that keeps them. So a stall
// that is shorter than the manager's interval, or that the server's own watchdog ends, does not restart the process.
func (n *notify) feedWatchdog(every time.Duration) {
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	overdue := false
	for {
		select {
		case <-ticks.C:
		case <-n.loops.ran:
			if !overdue {
				continue
			}
		}
		now := time.Now()
		overdue = !n.loops.turning(now)
		if !overdue && !n.feed() {
			return
		}
		n.loops.probe(now)
	}
}

// feed reports to the manager's watchdog. It reports false if another process is the main one, which does that.
func (n *notify) feed() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase == phaseHandedOver {
		return false
	}
	n.report(n.manager.Watchdog())
	return true
}

// traffic is what the status says about the server.
type traffic struct {
	server   *server.Server
	at       time.Time // when requests were counted; zero: not yet
	requests uint64    // until then
	rate     float64   // requests a second before that
}

// measure returns the number of open connections, and of requests a second over the last few seconds.
func (t *traffic) measure(now time.Time) (connections uint64, rate float64) {
	counts := t.server.Counts()
	if since := now.Sub(t.at); since >= statusEvery/2 {
		requests := total(counts)
		if !t.at.IsZero() {
			t.rate = float64(requests-t.requests) / since.Seconds()
		}
		t.at, t.requests = now, requests
	}
	return counts.Open, t.rate
}

// total returns the number of requests that were answered.
func total(counts server.Counts) (requests uint64) {
	for _, byStatus := range counts.Responses {
		for _, n := range byStatus {
			requests += n
		}
	}
	return requests
}
