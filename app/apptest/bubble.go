package apptest

import (
	"testing/synctest"
	"time"
)

// waitBubble waits until every other goroutine of the caller's bubble of testing/synctest
// waits. It reports false if the caller is in none.
func waitBubble() (bubble bool) {
	defer func() {
		if v := recover(); v != nil {
			bubble = false
		}
	}()
	synctest.Wait()
	return true
}

// rest waits until the goroutines of the bubble wait. It reports whether there is work for
// the loops then. With h.mu held.
func (h *Host) rest() (work bool) {
	h.mu.Unlock()
	synctest.Wait()
	h.mu.Lock()
	for _, l := range h.loops {
		work = work || len(l.tasks) > 0
	}
	return work
}

// work tells Settle and Advance that there is work. With h.mu held.
func (h *Host) work() {
	h.changed.Broadcast()
	if h.woken != nil {
		select {
		case h.woken <- struct{}{}:
		default:
		}
	}
}

// advanceBubble is Advance in a bubble: it sleeps, so that the bubble's time moves, until
// the next timer is due or a goroutine that has awoken makes work.
func (h *Host) advanceBubble(d time.Duration) {
	woken := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.woken = woken
	defer func() { h.woken = nil }()
	began, from := time.Now(), h.now
	end := from.Add(d)
	for {
		until := end
		if i := h.earliest(end); i >= 0 {
			until = h.timers[i].at
		}
		h.mu.Unlock()
		sleep := time.NewTimer(until.Sub(from) - time.Since(began))
		select {
		case <-sleep.C:
		case <-woken:
			sleep.Stop()
		}
		h.mu.Lock()
		h.now = from.Add(time.Since(began))
		t := h.nextTimer(h.now)
		if t != nil {
			t.loop.post(t.task)
		}
		h.mu.Unlock()
		h.Settle()
		h.mu.Lock()
		if t == nil && !h.now.Before(end) && h.earliest(end) < 0 {
			return
		}
	}
}

// stuckAfter is how long Settle waits for a goroutine outside of a bubble.
const stuckAfter = time.Minute

// awaitGoroutine waits until a goroutine of a handler or of the pool has ended, waits for
// its loop or makes work. With h.mu held.
func (h *Host) awaitGoroutine() {
	late := false
	timer := time.AfterFunc(stuckAfter, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		late = true
		h.changed.Broadcast()
	})
	defer timer.Stop()
	h.changed.Wait()
	if late {
		panic("apptest: a goroutine of a handler neither ends nor waits for its loop: run the test by synctest.Test, or use Start and SettleLoops")
	}
}
