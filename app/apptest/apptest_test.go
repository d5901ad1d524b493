package apptest_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Map(app.Sleep(r, time.Second), func(app.Done) (*app.Response, error) {
			return app.Text(200, "good morning"), nil
		})
	})
	call := host.Do(apptest.Get("/"))
	fmt.Println(call.Status)
	host.Advance(time.Second)
	fmt.Println(call.Status, string(call.Content))
	// Output:
	// 0
	// 200 good morning
}

func TestTimers(t *testing.T) {
	host := apptest.New(nil)
	loop := host.Loop(0)
	begin := loop.Now()
	var fired []time.Duration
	note := func() { fired = append(fired, loop.Now().Sub(begin)) }
	loop.After(3*time.Second, note)
	loop.After(time.Second, func() { note(); loop.After(time.Second, note) })
	stopped := loop.After(2*time.Second, func() { t.Error("a stopped timer has fired") })
	if !stopped.Stop() || stopped.Stop() {
		t.Error("a timer is stopped once")
	}
	host.Advance(10 * time.Second)
	if fmt.Sprint(fired) != "[1s 2s 3s]" || loop.Now().Sub(begin) != 10*time.Second || host.Timers() != 0 {
		t.Errorf("fired at %v, now it is %v", fired, loop.Now().Sub(begin))
	}
}

func TestExchangeOffItsLoopPanics(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Ready(app.Text(200, ""))
	})
	call := host.Do(apptest.Get("/"))
	defer func() {
		if recover() == nil {
			t.Error("a body may be read from outside of the loop")
		}
	}()
	call.Request.ContentLength = -1
	call.Request.Body.Read(make([]byte, 1))
}

func TestPanics(t *testing.T) {
	host := apptest.New(nil)
	host.Loop(0).Post(func() { panic("boom") })
	host.Settle()
	if got := host.Panics(); len(got) != 1 || got[0] != "boom" {
		t.Errorf("got %v", got)
	}
}

func TestAbsoluteTargets(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Ready(app.Text(200, r.Scheme+" "+r.Authority+" "+r.RawPath+" "+r.RawQuery))
	})
	call := host.Do(apptest.Get("https://site.example/a/b?c=d"))
	if string(call.Content) != "https site.example /a/b c=d" {
		t.Errorf("got %q", call.Content)
	}
}

func TestSettleWaitsForGoroutines(t *testing.T) {
	host := apptest.New(app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
		b, err := io.ReadAll(r.Body.Reader())
		fmt.Fprintf(w, "%d bytes", len(b))
		return err
	}))
	call := host.Do(&apptest.Request{Target: "/", Open: true})
	if host.Goroutines() != 1 {
		t.Error(host)
	}
	call.Send("four")
	call.End()
	if string(call.Content) != "4 bytes" || host.Goroutines() != 0 {
		t.Errorf("got %q, %s", call.Content, host)
	}
}
