//go:build linux

package reactor

import (
	"slices"
	"testing"
)

// VisitLowest visits as many connections as it is asked for, in the order of their keys.
func TestVisitLowest(t *testing.T) {
	s := serve(t, Config{Loops: 1, Logger: quiet()}, func(c *Conn) Session { return &lines{conn: c} })
	const conns = 50
	for range conns {
		c := s.dial()
		c.say("echo here")
		c.want("here")
	}
	l := s.loops[0]
	keys := map[*Conn]int64{}
	on(t, l, func() {
		for i, c := range l.conns {
			keys[c] = int64(i * 7 % conns)
		}
	})
	for _, n := range []int{0, 1, 5, conns - 1, conns, 2 * conns} {
		var visited []int64
		done := make(chan struct{})
		l.VisitLowest(n, func(c *Conn) (int64, bool) { return keys[c], keys[c]%2 == 0 },
			func(c *Conn) { visited = append(visited, keys[c]) })
		l.Post(func() { l.Post(func() { close(done) }) })
		await(t, done)
		want := []int64{}
		for key := int64(0); key < conns && len(want) < n; key += 2 {
			want = append(want, key)
		}
		if !slices.Equal(visited, want) {
			t.Errorf("%d: visited %v, want %v", n, visited, want)
		}
	}
}

// A loop whose output is limited asks for less, and for as much as before when the limit is gone.
func TestLimitOutput(t *testing.T) {
	s := serve(t, Config{Loops: 1, Logger: quiet()}, func(c *Conn) Session { return &lines{conn: c} })
	l := s.loops[0]
	for _, step := range []struct{ limit, high, low int }{
		{16 << 10, 16 << 10, 4 << 10}, {1 << 30, writeHighDefault, writeHighDefault / 4}, {4 << 10, 4 << 10, 1 << 10},
		{0, writeHighDefault, writeHighDefault / 4},
	} {
		on(t, l, func() {
			l.LimitOutput(step.limit)
			l.Trim()
			if l.writeHigh != step.high || l.writeLow != step.low {
				t.Errorf("%d: high %d, low %d", step.limit, l.writeHigh, l.writeLow)
			}
		})
		c := s.dial()
		c.say("echo still")
		c.want("still")
	}
}
