package client

import (
	"slices"
	"sync"
	"sync/atomic"
)

// slots limits the HTTP/1 connections that all loops have to an origin. A pool that gets
// none waits here for the next that another pool gives up.
type slots struct {
	most    int64
	taken   atomic.Int64
	waiting atomic.Int64
	mu      sync.Mutex
	queue   []*pool
}

// take reports whether there was a free slot.
func (s *slots) take() bool {
	for {
		n := s.taken.Load()
		if n >= s.most {
			return false
		}
		if s.taken.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// give frees a slot.
func (s *slots) give() {
	s.taken.Add(-1)
	s.notifyNext()
}

// notifyNext calls slotFree, in a task, for the pool that has waited longest.
func (s *slots) notifyNext() {
	if s.waiting.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) > 0 {
		next := s.queue[0]
		s.queue = slices.Delete(s.queue, 0, 1)
		s.waiting.Add(-1)
		next.loop.post(next.slotFree)
	}
}

// await has slotFree of p called, in a task, when a slot is free.
func (s *slots) await(p *pool) {
	s.mu.Lock()
	s.queue = append(s.queue, p)
	s.waiting.Add(1)
	s.mu.Unlock()
	if s.taken.Load() < s.most {
		s.notifyNext() // give came between take and this
	}
}

// withdraw undoes await.
func (s *slots) withdraw(p *pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.queue, p); i >= 0 {
		s.queue = slices.Delete(s.queue, i, i+1)
		s.waiting.Add(-1)
	}
}

// wanted reports whether a pool waits, so that idle connections are better closed.
func (s *slots) wanted() bool { return s.waiting.Load() > 0 }
