package h2

import (
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/clockjump"
)

// Somebody sets the clock of the system by hours: the date of responses follows, the timers of connections do not.
func TestTimersWhenTheClockIsSet(t *testing.T) {
	sh, err := NewShared(Config{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	sh.Tick(now)
	start, date := sh.now, string(sh.date)
	for _, leap := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		sh.Tick(clockjump.Set(now.Add(time.Second), leap))
		if passed := time.Duration(sh.now - start); passed != time.Second {
			t.Errorf("a leap of %v: %v have passed, not a second", leap, passed)
		}
		if string(sh.date) == date {
			t.Errorf("a leap of %v: the date of responses is still the old one", leap)
		}
	}
}
