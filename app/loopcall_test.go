package app

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// apartLoop runs each task in a goroutine of its own.
type apartLoop struct{ stillLoop }

func (*apartLoop) Post(task func()) {
	go func() {
		defer func() { _ = recover() }()
		task()
	}()
}

type apartExchange struct{ exchange }

func (apartExchange) Loop() Loop { return &apartLoop{} }

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A goroutine whose request ends during an attempt on the loop waits until that has ended, in whatever way, and
// uses no processor meanwhile: the attempt may have stalled its loop, which then goes on without it.
func TestErrandIsGivenUpWhenItsAttemptEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func() (int, bool, error)
		n    int
		want error
	}{
		"it succeeds":          {func() (int, bool, error) { return 7, false, nil }, 7, nil},
		"it has to wait":       {func() (int, bool, error) { return 0, true, nil }, 0, ErrPeerGone},
		"it loses the loop":    {func() (int, bool, error) { runtime.Goexit(); return 0, false, nil }, 0, ErrPeerGone},
		"it panics":            {func() (int, bool, error) { panic("as told") }, 0, ErrPeerGone},
		"it is asked to again": {nil, 0, ErrPeerGone},
	} {
		t.Run(name, func(t *testing.T) {
			var r Request
			r.bind(apartExchange{}, nil)
			r.lifetime()
			trying, goOn := make(chan struct{}, 1), make(chan struct{})
			var e loopCall
			e.init(&r, r.Loop(), func(ready func()) (int, bool, error) {
				trying <- struct{}{}
				<-goOn
				if c.end == nil {
					ready()
					return 0, true, nil
				}
				return c.end()
			})
			type result struct {
				n   int
				err error
			}
			ended := make(chan result, 1)
			go func() {
				n, err := e.do()
				ended <- result{n, err}
			}()
			<-trying
			r.cancel(ErrPeerGone)
			began := processorTime(t)
			select {
			case have := <-ended:
				t.Fatalf("ended with %v during the attempt", have)
			case <-time.After(200 * time.Millisecond): // in which a goroutine that spins shows
			}
			if used := processorTime(t) - began; used > 100*time.Millisecond {
				t.Errorf("%v of processor time while it waits", used)
			}
			close(goOn)
			select {
			case have := <-ended:
				if have.n != c.n || have.err != c.want {
					t.Errorf("ended with %v, want %d, %v", have, c.n, c.want)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("waits for ever")
			}
		})
	}
}
