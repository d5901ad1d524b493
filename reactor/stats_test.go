//go:build linux

package reactor

import (
	"testing"
	"time"
)

func TestLateTimersAreCountedWithTheirLag(t *testing.T) {
	v := newVirtual(t)
	v.turn(func() {
		for range 3 {
			v.AfterFunc(10*time.Millisecond, func() {})
		}
	})
	v.age += 25 * time.Millisecond
	v.turn(func() {})
	lag := v.Stats().TimerLag
	if lag.Count() != 1 || lag.Sum != 15*time.Millisecond {
		t.Errorf("%d lags of %v together, want one of 15ms for the timers that expire together", lag.Count(), lag.Sum)
	}
}

func TestOneTurnInSixteenIsTimed(t *testing.T) {
	v := newVirtual(t)
	for range 160 {
		v.begin()
		v.end()
	}
	s := v.Stats()
	if n := s.TurnTimes.Count(); n != 10 || s.Busy != s.TurnTimes.Sum*turnSample {
		t.Errorf("%d of 160 turns are timed, %v of %v together", n, s.TurnTimes.Sum, s.Busy)
	}
}
