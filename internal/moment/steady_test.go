package moment_test

import (
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/clockjump"
	"github.com/gatewheel/gatewheel/internal/moment"
)

// The steady clock goes on where that of the system leaps, and both agree before.
func TestSteadyIgnoresLeaps(t *testing.T) {
	now := time.Now()
	if d := time.Duration(moment.Steady(now) - now.UnixNano()).Abs(); d > time.Minute {
		t.Errorf("the clocks differ by %v", d)
	}
	for _, leap := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		later := clockjump.Set(now.Add(time.Second), leap)
		if passed := moment.Steady(later) - moment.Steady(now); passed != int64(time.Second) {
			t.Errorf("a leap of %v: %v have passed, not a second", leap, time.Duration(passed))
		}
		wall := moment.Wall(moment.Steady(now)+int64(time.Minute), later)
		if want := later.Add(59 * time.Second); !wall.Equal(want) {
			t.Errorf("a leap of %v: in 59 s it is %v, not %v", leap, wall, want)
		}
	}
}

// Times without a monotonic reading are those of the system's clock.
func TestSteadyOfPlainTimes(t *testing.T) {
	at := time.Unix(1_000_000_000, 5)
	if got := moment.Steady(at); got != at.UnixNano() {
		t.Errorf("%d, want %d", got, at.UnixNano())
	}
}
