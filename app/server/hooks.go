//go:build linux

package server

import (
	"context"

	"github.com/gatewheel/gatewheel/app"
)

// Hooks are called by a server when it starts and stops. Each may be nil.
type Hooks struct {
	// Start is called before anything listens. A failure stops the start and is
	// its error.
	Start func(ctx context.Context) error
	// LoopStart is called for each loop before it turns, so that nothing else runs
	// on it meanwhile; what it posts runs later. What it returns is the loop's
	// State, which a handler reaches by r.Loop().State(). A failure stops the
	// start and is its error.
	LoopStart func(loop app.Loop) (state any, err error)
	// LoopStop is called for each loop whose LoopStart succeeded, when it has
	// turned for the last time, and so after its last request.
	LoopStop func(loop app.Loop)
	// Stop is called last, when Start has succeeded; ctx ends with the time that
	// is left for it.
	Stop func(ctx context.Context) error
}
