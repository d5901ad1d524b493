//go:build linux

package reactor

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// stopPatience is how long a Loop that is to end may show no progress before it counts as stalled.
const stopPatience = time.Second

// Stop stops accepting, waits until all open connections have closed, but for those of Conn.DoNotAwait, or ctx is done,
// closes those that remain, and ends all loops at the same time. It does not wait for a stalled loop longer than a second.
// Stop returns the context's error if connections had to be closed that it has waited for. Further calls wait for the
// first and return its result. On any goroutine but a loop's.
func (r *Reactor) Stop(ctx context.Context) error {
	r.stopOnce.Do(func() { r.stopErr = r.stop(ctx) })
	return r.stopErr
}

func (r *Reactor) stop(ctx context.Context) (err error) {
	r.StopAccepting(ctx)
	for r.awaited() > 0 && ctx.Err() == nil {
		select {
		case <-r.empty:
		case <-ctx.Done():
		}
	}
	if r.awaited() > 0 {
		err = ctx.Err()
	}
	r.endLife()
	if r.watchdog != nil {
		r.watchdog.stop()
	}
	var stopping sync.WaitGroup
	for _, l := range r.loops {
		stopping.Go(l.stop)
	}
	stopping.Wait()
	// Handshakes that remain run callbacks of the application.
	r.tls.pool.wait(time.After(stopPatience / 4))
	r.tls.dialled.pool.wait(time.After(stopPatience / 4))
	r.release()
	return err
}

// stop closes the Loop's connections and ends its engine.
func (l *Loop) stop() {
	stalled := false
	if e := l.engine.Load(); e != nil && (e.serves.Load() || l.stats.connections.Load() > 0) {
		closed := make(chan struct{})
		l.Post(func() {
			l.abandonAll()
			close(closed)
		})
		if stalled = !l.awaitClosed(closed, e.Done()); stalled {
			l.reactor.log.Error("loop is stalled and left behind", zap.Int("loop", l.index))
		}
	}
	l.starting.Lock()
	close(l.stopped)
	e := l.engine.Load()
	l.starting.Unlock()
	l.arrivals.close(l)
	l.inbox.close()
	l.timers.clock.Stop()
	if e == nil {
		return
	}
	e.Stop()
	if stalled {
		return
	}
	select {
	case <-e.Done():
		l.sweep(e)
	case <-time.After(stopPatience):
	}
}

// awaitClosed waits until the Loop has closed its connections, or its engine has died, in which case the
// sweep closes them. It reports false if no connection is closed for stopPatience.
func (l *Loop) awaitClosed(closed, died <-chan struct{}) bool {
	for left := l.stats.connections.Load(); ; {
		select {
		case <-closed:
			return true
		case <-died:
			return true
		case <-time.After(stopPatience):
		}
		before := left
		if left = l.stats.connections.Load(); left >= before {
			return false
		}
	}
}

// sweep closes connections that have reached the Loop since stop closed its connections and are not
// polled by the ended engine: those that are half-closed, move, or were about to arrive. The caller has
// exclusive access to the Loop.
func (l *Loop) sweep(e *loopEngine) {
	l.takeOver(e, false)
	l.firstTasks = nil
	l.identify()
	l.inbox.mu.Lock()
	waiting := slices.Concat(l.inbox.batch[l.inbox.next:], l.inbox.tasks)
	l.inbox.mu.Unlock()
	for _, t := range waiting {
		if c := t.handle.conn(); c != nil && t.isArrival() {
			c.loop.Store(l)
			l.add(c)
		}
	}
	l.abandonAll()
}

// abandonAll closes all of the Loop's connections.
func (l *Loop) abandonAll() {
	for len(l.conns) > 0 {
		l.conns[len(l.conns)-1].closeContained(ErrStopped)
	}
}
