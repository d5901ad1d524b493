//go:build linux

package reactor

import (
	"runtime"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"
)

// A connection that closes while the gate is being shut may find it open, and be the last to check it.
func TestTheGateIsOpenWhenTheLastHasLeft(t *testing.T) {
	r := &Reactor{log: zap.NewNop(), empty: make(chan struct{}, 1)}
	r.gate.reactor = r
	r.gate.limit.Store(1)
	const rounds = 10_000
	var begun, over atomic.Int64
	wait := func(v *atomic.Int64, n int64) {
		for i := 1; v.Load() != n; i++ {
			if i%1000 == 0 {
				runtime.Gosched()
			}
		}
	}
	go func() {
		for n := int64(1); n <= rounds; n++ {
			wait(&begun, n)
			for range n % 32 {
				over.Load() // some nanoseconds
			}
			r.open.Add(-1)
			r.presentDecreased()
			over.Store(n)
		}
	}()
	shut := 0
	for n := int64(1); n <= rounds; n++ {
		r.open.Add(1)
		begun.Store(n)
		r.gate.check()
		wait(&over, n)
		if r.gate.shut.Load() {
			shut++
			r.gate.check()
		}
	}
	if shut > 0 {
		t.Errorf("%d times the gate is shut, and nobody present", shut)
	}
}
