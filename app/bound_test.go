package app

import (
	"sync"
	"testing"
	"time"
)

// earlyTimerLoop runs the task of a timer at once, in a goroutine of its own, as a loop does that has been taken over while
// user code still runs.
type earlyTimerLoop struct {
	stillLoop
	tasks *sync.WaitGroup
}

func (l *earlyTimerLoop) After(_ time.Duration, task func()) Timer {
	l.tasks.Go(task)
	return stoppedTimer{}
}

// stoppedTimer is a Timer that Stop comes too late for.
type stoppedTimer struct{}

func (stoppedTimer) Stop() bool { return false }

// earlyTimerExchange is an exchange on an earlyTimerLoop.
type earlyTimerExchange struct {
	exchange
	tasks *sync.WaitGroup
}

func (e earlyTimerExchange) Loop() Loop { return &earlyTimerLoop{tasks: e.tasks} }

// cutCounter counts how often it is cut.
type cutCounter struct {
	mu   sync.Mutex
	cuts int
}

func (c *cutCounter) cut(error, *queue) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts++
}

// Its timer may fire while it is started: it is cut once, by the timer or by the request's end.
func TestBoundIsCutOnceThoughItsTimerFiresWhileItStarts(t *testing.T) {
	for range 1000 {
		var tasks sync.WaitGroup
		var r Request
		r.bind(earlyTimerExchange{tasks: &tasks}, nil)
		var b bound
		c := &cutCounter{}
		b.init(&r, c)
		b.startTimer(time.Hour)
		tasks.Wait()
		r.cancel(ErrPeerGone)
		if c.cuts != 1 {
			t.Fatalf("it was cut %d times", c.cuts)
		}
	}
}
