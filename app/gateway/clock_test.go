package gateway

import (
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/clockjump"
	"github.com/gatewheel/gatewheel/internal/moment"
)

// Somebody sets the clock of the system by hours. Peers stay out for their time, start slowly for theirs, and are asked
// by the same latency as before.
func TestPeersWhenTheClockIsSet(t *testing.T) {
	now := time.Now()
	out := ejected.at(now.Add(30 * time.Second))
	p := &peer{backend: &Backend{slowStart: 10 * time.Second}}
	p.since.Store(moment.Steady(now))
	var l latency
	l.add(time.Second, now)
	for _, leap := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		after := func(d time.Duration) time.Time { return clockjump.Set(now.Add(d), leap) }
		if out.isDue(after(29*time.Second)) || !out.isDue(after(30*time.Second)) {
			t.Errorf("a leap of %v changes the time of an ejection", leap)
		}
		if warm := p.warmth(after(5 * time.Second)); warm != 0.5 {
			t.Errorf("a leap of %v: after half of its start a peer gets %v of its share", leap, warm)
		}
		if want, got := l.at(now.Add(2*time.Second)), l.at(after(2*time.Second)); got != want {
			t.Errorf("a leap of %v: the latency is %v, want %v", leap, time.Duration(got), time.Duration(want))
		}
	}
}
