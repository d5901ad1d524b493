package websocket

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/ending"
)

// Sleep is ready when d has passed. When the socket is over first it fails with a
// Closed, which is ErrClosed to errors.Is.
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

// wake is a task of the loop.
func (s *sleep) wake() {
	s.of.Remove(&s.entry)
	core.SettleHere(s.promise, nil)
}

// Ended implements ending.Listener.
func (s *sleep) Ended(cause error) {
	s.timer.Stop()
	s.promise.Fail(cause)
}
