//go:build linux

package reactor

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"
)

// stopPatience is how long a Loop may take to close what it has left, before it counts as stalled.
const stopPatience = 5 * time.Second

// stop closes the Loop's connections and ends its engine.
func (l *Loop) stop() {
	patience, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	if e := l.engine.Load(); e != nil && (e.serves.Load() || l.stats.connections.Load() > 0) {
		closed := make(chan struct{})
		l.Post(func() {
			l.abandonAll()
			close(closed)
		})
		select {
		case <-closed:
		case <-e.Done():
			// It has died just now, and the sweep does it.
		case <-patience.Done():
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
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-e.Done()
		if patience.Err() == nil {
			l.sweep(e)
		}
	}()
	select {
	case <-ended:
	case <-patience.Done():
	}
}

// sweep closes what has come to the Loop since stop closed its connections, and does not belong to
// the engine that ended: what is half-closed, moves, or was about to arrive. Nobody turns the Loop
// any more.
func (l *Loop) sweep(e *loopEngine) {
	l.takeOver(e, false)
	l.revived = nil
	l.identify()
	l.inbox.mu.Lock()
	waiting := slices.Concat(l.inbox.batch[l.inbox.next:], l.inbox.tasks)
	l.inbox.mu.Unlock()
	for _, t := range waiting {
		if c := t.handle.conn(); c != nil && t.arrives() {
			c.loop.Store(l)
			l.add(c)
		}
	}
	l.abandonAll()
}

// abandonAll closes all of the Loop's connections.
func (l *Loop) abandonAll() {
	for len(l.conns) > 0 {
		l.conns[len(l.conns)-1].abandon(ErrStopped)
	}
}
