package app

import (
	"errors"
	"sync"
	"testing"
)

// A result for All may arrive on the loop of its first future while the caller, on another, still subscribes.
func TestFailedAllLeavesTheRestToItsLoop(t *testing.T) {
	var r Request
	r.bind(stillExchange{}, nil)
	failed := Failed[int](errors.New("torn"))
	for range 200 {
		promise, f := Promised[int](&r)
		var wg sync.WaitGroup
		wg.Go(func() { promise.Resolve(1) })
		if _, err := All(failed, f).Result(); err == nil {
			t.Fatal("it has not failed")
		}
		wg.Wait()
	}
}
