package websocket

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/ending"
)

// Sleep returns a future that is ready after d. If the socket ends before, it fails with a
// Closed, which errors.Is takes for ErrClosed. On the loop.
func (s *Socket) Sleep(d time.Duration) app.Future[app.Done] {
	switch {
	case s.ended:
		return app.Failed[app.Done](ErrClosed)
	case d <= 0:
		return app.Ready(app.Done{})
	}
	w := &sleep{promise: newPromise(s.Loop()), of: &s.more().endings}
	w.timer = s.Loop().After(d, w.wake)
	w.of.Push(&w.entry, w)
	return w.promise.Future()
}

type sleep struct {
	promise *promise
	entry   ending.Entry
	of      *ending.List
	timer   app.Timer
}

// wake completes the sleep. On the loop.
func (s *sleep) wake() {
	s.of.Remove(&s.entry)
	core.SettleHere(s.promise, nil)
}

// Ended implements ending.Listener.
func (s *sleep) Ended(cause error) {
	s.timer.Stop()
	s.promise.Fail(cause)
}
