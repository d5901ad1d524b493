package server

import (
	"context"

	"github.com/gatewheel/gatewheel/app"
)

// Hooks are called when a Server starts and stops. Each may be nil.
type Hooks struct {
	// Start is called before connections are accepted. Its error is that of Server.Start.
	Start func(ctx context.Context) error
	// LoopStart is called for each loop before it runs. Tasks that it posts run later. state is
	// the value of the loop's State, which handlers get by r.Loop().State(). Its error is that
	// of Server.Start.
	LoopStart func(loop app.Loop) (state any, err error)
	// Drain is called once when a shutdown begins, before Config.DrainDelay: readiness ends. A gRPC health service
	// answers NOT_SERVING from then on. It is not called if Start has not succeeded, and must not block.
	Drain func()
	// LoopStop is called for each loop whose LoopStart has succeeded, after its last request.
	LoopStop func(loop app.Loop)
	// Stop is called last, if Start has succeeded. ctx is that of Shutdown.
	Stop func(ctx context.Context) error
}
