//go:build linux

package server_test

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/server"
)

// openFiles is how many descriptors the process has open.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// heapInUse is what is reachable.
func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Kills in a row, the next one while the loop takes in what has moved for the last one: nobody but the
// guilty is lost, and nothing leaks.
func TestKillsInARow(t *testing.T) {
	const kills, others = 20, 100
	s := newStage(t, nil, func(c *server.Config) {
		c.Stall.Warn, c.Stall.Timeout = 20*time.Millisecond, 150*time.Millisecond
	})
	var crowd []*line
	for range others {
		crowd = append(crowd, s.dial())
	}
	round := func(guilty int) {
		s.rearm()
		var all []*line
		for range guilty {
			all = append(all, s.dial())
		}
		for _, l := range crowd {
			l.say("GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /tw")
			l.hear("GET", 200, "/one")
		}
		// Each stalls as soon as the loop has got rid of the one before.
		for _, l := range all {
			l.say("GET /stall HTTP/1.1\r\nHost: a\r\n\r\n")
		}
		for _, l := range crowd {
			l.say("o HTTP/1.1\r\nHost: a\r\n\r\n")
		}
		for range all {
			s.awaitStall()
		}
		for _, l := range all {
			l.gone()
			_ = l.Close()
		}
		for _, l := range crowd {
			l.hear("GET", 200, "/two")
			_ = l.SetDeadline(time.Now().Add(patience))
		}
		s.letGo()
	}
	round(2)
	settled(t, "the first are gone", func() bool { return s.Stats().Connections == others })
	files, goroutines, heap := openFiles(t), runtime.NumGoroutine(), heapInUse()
	for range kills / 4 {
		round(4)
	}
	if n := s.kills(); n != kills+2 {
		t.Errorf("%d kills, want %d", n, kills+2)
	}
	settled(t, "descriptors are given back", func() bool { return openFiles(t) <= files })
	// gnet keeps a few goroutines for registrations.
	settled(t, "goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines+10 })
	if now := heapInUse(); now > heap+2<<20 {
		t.Errorf("%d KB more are in use", (now-heap)>>10)
	}
	if stats := s.Stats(); stats.Connections != others || stats.Loops[0].Replaced != kills+2 {
		t.Errorf("%d connections, %d engines replaced", stats.Connections, stats.Loops[0].Replaced)
	}
}
