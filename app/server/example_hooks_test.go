//go:build linux

package server_test

import (
	"fmt"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/server"
)

// counters is what each loop has of its own: no lock, no atomics.
type counters struct{ requests int }

var hooks = server.Hooks{
	LoopStart: func(app.Loop) (any, error) { return &counters{}, nil },
}

func counting(r *app.Request) app.Answer {
	mine := r.Loop().State().(*counters)
	mine.requests++
	return app.Ready(app.Text(200, fmt.Sprintln(mine.requests, "on this loop")))
}

func ExampleHooks() {
	host := apptest.New(counting)
	host.Loop(0).Value, _ = hooks.LoopStart(host.Loop(0))
	host.Do(apptest.Get("/"))
	fmt.Print(string(host.Do(apptest.Get("/")).Content))
	// Output:
	// 2 on this loop
}
