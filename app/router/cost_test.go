package router_test

import (
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/problem"
	"github.com/gatewheel/gatewheel/app/router"
)

// TestAllocations: groups and the hook of failures cost nothing, a mount the values of its prefix.
func TestAllocations(t *testing.T) {
	answer := app.Ready(app.Text(200, ""))
	handler := func(*app.Request) app.Answer { return answer }
	inner, outer := router.Router{}, router.Router{Failed: problem.Response}
	inner.Handle("GET /exact", handler)
	inner.Handle("GET /items/{id}", handler)
	outer.Handle("GET /exact", handler)
	outer.Handle("GET /items/{id}", handler)
	group := outer.Group("/group", func(next app.Handler) app.Handler { return next })
	group.Handle("GET /exact", handler)
	group.Handle("GET /items/{id}", handler)
	outer.Mount("/mount", inner.Serve)
	host := apptest.New(outer.Serve)
	for path, most := range map[string]float64{
		"/exact": 0, "/group/exact": 0, "/items/1": 1, "/group/items/1": 1, "/mount/exact": 1, "/mount/items/1": 3,
	} {
		host.Do(apptest.Get(path)).Want(t, 200, "") // makes the route below the mount
		const runs = 100
		requests := make([]app.Request, runs+1)
		next := 0
		got := testing.AllocsPerRun(runs, func() {
			r := &requests[next]
			next++
			r.Method, r.RawPath = "GET", path
			outer.Serve(r)
		})
		if got > most {
			t.Errorf("%s: %v allocations, want %v", path, got, most)
		}
	}
}
