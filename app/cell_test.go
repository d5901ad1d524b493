package app

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/internal/ending"
)

// stillLoop runs posted tasks at once.
type stillLoop struct{}

func (*stillLoop) Index() int                        { return 0 }
func (*stillLoop) Now() time.Time                    { return time.Time{} }
func (*stillLoop) State() any                        { return nil }
func (*stillLoop) Post(task func())                  { task() }
func (*stillLoop) After(time.Duration, func()) Timer { panic("no timers here") }

type stillExchange struct{ exchange }

func (stillExchange) Loop() Loop { return &stillLoop{} }

func waiters[T any](c *cell[T]) (count int) {
	for n := c.waiters.Load(); n != nil; n = n.next {
		count++
	}
	return count
}

// A future that many ended requests have waited for does not hold them.
func TestFutureForgetsEndedWaiters(t *testing.T) {
	var kept Request
	kept.bind(stillExchange{}, nil)
	promise, f := Promised[int](&kept)
	for range 10 {
		f.Done(func(int, error) {})
	}
	for range 1000 {
		r := &Request{}
		r.bind(stillExchange{}, nil)
		Here(r, f)
		left := make(chan error)
		go func() {
			_, err := Await(r, f)
			left <- err
		}()
		r.cancel(ErrPeerGone)
		if err := <-left; err != ErrPeerGone {
			t.Fatal(err)
		}
	}
	if n := waiters(&promise.cell); n < 10 || n > 2*10+maxIdle+1 {
		t.Fatalf("%d wait, want the 10 that have not left, and few others", n)
	}
}

// counter is a waiter that counts its wakes.
type counter struct {
	node
	woke atomic.Int32
}

func (c *counter) woken(*queue) { c.woke.Add(1) }

func TestForgetKeepsOtherWaiters(t *testing.T) {
	const crowd, each = 8, 300
	for range 20 {
		c := &cell[int]{loop: &stillLoop{}}
		var wg sync.WaitGroup
		var staying [crowd][each]counter
		for i := range crowd {
			wg.Go(func() {
				for j := range each {
					stays := &staying[i][j]
					stays.wake = stays
					if !c.subscribe(&stays.node) {
						stays.woke.Add(1)
					}
					leaves := &counter{}
					leaves.wake = leaves
					if c.subscribe(&leaves.node) {
						c.forget(&leaves.node)
					}
					if i == 0 && j == each/2 {
						c.settle(1, nil, nil)
					}
				}
			})
		}
		wg.Wait()
		for i := range staying {
			for j := range staying[i] {
				if n := staying[i][j].woke.Load(); n != 1 {
					t.Fatalf("one who stays was woken %d times", n)
				}
			}
		}
	}
}

// told counts its calls.
type told struct {
	ending ending.Entry
	times  atomic.Int32
}

func (e *told) Ended(error) { e.times.Add(1) }

// A listener is either called once or detached, whichever goroutine ends the request.
func TestListenersAreCalledOnce(t *testing.T) {
	for range 300 {
		r := &Request{}
		r.bind(stillExchange{}, nil)
		var staying, leaving [8]told
		var stays, left [8]bool
		var wg sync.WaitGroup
		for _, cause := range []error{ErrPeerGone, nil, ErrHalfClosed, ErrDeadline} {
			wg.Go(func() { r.cancel(cause) })
		}
		for i := range staying {
			stays[i] = r.attach(&staying[i].ending, &staying[i])
			left[i] = !r.attach(&leaving[i].ending, &leaving[i]) || r.detach(&leaving[i].ending)
		}
		wg.Wait()
		for i := range staying {
			if got := staying[i].times.Load() == 1; got != stays[i] {
				t.Fatalf("attached: %v, told %d times", stays[i], staying[i].times.Load())
			}
			if got := leaving[i].times.Load() == 0; got != left[i] {
				t.Fatalf("left: %v, told %d times", left[i], leaving[i].times.Load())
			}
		}
		if !r.endings.Empty() || !r.isGone() || r.cause() == ErrHalfClosed {
			t.Fatalf("gone: %v, %v", r.isGone(), r.cause())
		}
	}
}
