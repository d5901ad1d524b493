package auth

import (
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/clockjump"
)

// Somebody sets the clock of the system by hours: credentials that were verified stay so for their time.
func TestCredentialsWhenTheClockIsSet(t *testing.T) {
	v, now := newVerifier[int](ways, 1), time.Now()
	v.remember(&verified[int]{value: 1, until: now.Add(time.Minute)})
	for _, leap := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		if v.lookup(digest{}, clockjump.Set(now.Add(59*time.Second), leap)) == nil {
			t.Errorf("a leap of %v: credentials are forgotten", leap)
		}
		if v.lookup(digest{}, clockjump.Set(now.Add(time.Minute), leap)) != nil {
			t.Errorf("a leap of %v: credentials are remembered for too long", leap)
		}
	}
}
