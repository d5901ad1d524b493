package app_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/spi"
)

type valueKey string

func TestValuesReplaceEachOther(t *testing.T) {
	r := bareRequest("/")
	for i, key := range []valueKey{"a", "b", "c", "b", "a", "a", "c"} {
		r.SetValue(key, i)
	}
	for key, want := range map[valueKey]any{"a": 5, "b": 3, "c": 6, "d": nil} {
		if got := r.Value(key); got != want {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
}

// A context has the values of its request, whenever it was made, and those of contexts derived from it.
func TestContextHasTheValuesOfItsRequest(t *testing.T) {
	r := bareRequest("/")
	r.SetValue(valueKey("early"), 1)
	ctx := r.Context()
	r.SetValue(valueKey("late"), 2)
	derived, cancel := context.WithTimeout(context.WithValue(ctx, valueKey("own"), 3), time.Hour)
	defer cancel()
	for key, want := range map[valueKey]any{"early": 1, "late": 2, "own": 3, "none": nil} {
		if got := derived.Value(key); got != want {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
	spi.Cancel(r, app.ErrPeerGone)
	if got := ctx.Value(valueKey("early")); got != 1 || context.Cause(derived) != app.ErrPeerGone {
		t.Errorf("after the end: %v, %v", got, context.Cause(derived))
	}
}

func TestContextOfAnEndedRequestHasItsValues(t *testing.T) {
	r := bareRequest("/")
	r.SetValue(valueKey("a"), 1)
	spi.Cancel(r, nil)
	ctx := r.Context()
	if ctx.Value(valueKey("a")) != 1 || ctx.Err() == nil || context.Cause(ctx) != app.ErrRequestDone {
		t.Errorf("value %v, %v, %v", ctx.Value(valueKey("a")), ctx.Err(), context.Cause(ctx))
	}
	derived, cancel := context.WithCancel(ctx)
	defer cancel()
	if context.Cause(derived) != app.ErrRequestDone {
		t.Errorf("a context derived from it ended with %v", context.Cause(derived))
	}
}

// Middleware replaces the context, and offloaded work gets the new one.
func TestSetContext(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		r.SetContext(context.WithValue(r.Context(), valueKey("span"), "s"))
		r.SetValue(valueKey("late"), "l")
		return app.Go(r, func(ctx context.Context) (*app.Response, error) {
			return text(ctx.Value(valueKey("span")).(string) + ctx.Value(valueKey("late")).(string))
		})
	})
	host.Do(apptest.Get("/")).Want(t, 200, "sl")
}

// Other goroutines may read values while the loop sets them.
func TestValuesAreReadByOtherGoroutines(t *testing.T) {
	r := bareRequest("/")
	ctx := r.Context()
	r.SetValue(valueKey("fixed"), 1)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if ctx.Value(valueKey("fixed")) != 1 || r.Value(valueKey("fixed")) != 1 {
					t.Error("a value was lost")
					return
				}
			}
		})
	}
	for i := range 10_000 {
		r.SetValue(valueKey("a"), i)
		r.SetValue(valueKey("b"), i)
	}
	close(stop)
	wg.Wait()
}
