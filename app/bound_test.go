package app

import (
	"sync"
	"testing"
	"time"
)

// hastyLoop runs the task of a timer at once, in a goroutine of its own, as a loop does that has been taken over while
// user code still runs.
type hastyLoop struct {
	stillLoop
	tasks *sync.WaitGroup
}

func (l *hastyLoop) After(_ time.Duration, task func()) Timer {
	l.tasks.Go(task)
	return stoppedTimer{}
}

type stoppedTimer struct{}

func (stoppedTimer) Stop() bool { return false }

type hastyExchange struct {
	exchange
	tasks *sync.WaitGroup
}

func (e hastyExchange) Loop() Loop { return &hastyLoop{tasks: e.tasks} }

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
		r.bind(hastyExchange{tasks: &tasks}, nil)
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
