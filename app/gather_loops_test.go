package app

import (
	"errors"
	"sync"
	"testing"
)

// What All waits for may come on the loop of its first part while the caller, on another, still counts.
func TestAllThatHasFailedLeavesTheRestToItsLoop(t *testing.T) {
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
