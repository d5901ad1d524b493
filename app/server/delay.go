package server

import (
	"context"
	"sync"
)

// drainDelay is the wait for Config.DrainDelay. Any goroutine.
type drainDelay struct {
	begin sync.Once
	end   func() // ends the wait; further calls do nothing
	over  chan struct{}
}

func newDrainDelay() *drainDelay {
	over := make(chan struct{})
	return &drainDelay{over: over, end: sync.OnceFunc(func() { close(over) })}
}

// wait waits until the delay or ctx ends, which also ends the delay.
func (d *drainDelay) wait(ctx context.Context) {
	select {
	case <-d.over:
	case <-ctx.Done():
		d.end()
	}
}
