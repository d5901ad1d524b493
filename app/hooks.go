package app

import "context"

// Hooks are called by a server when it starts and stops. Each may be nil.
type Hooks struct {
	// Start is called before anything listens. A failure stops the start and is
	// its error.
	Start func(ctx context.Context) error
	// LoopStart is called for each loop, on it, before it takes connections.
	// What it returns is the loop's State, which a handler reaches by
	// r.Loop().State(). A failure stops the start and is its error.
	LoopStart func(loop Loop) (state any, err error)
	// LoopStop is called for each loop whose LoopStart succeeded, on it, after
	// its last request.
	LoopStop func(loop Loop)
	// Stop is called last, when Start has succeeded; ctx ends with the time that
	// is left for it.
	Stop func(ctx context.Context) error
}
