//go:build linux

package server

import (
	"testing"
	"time"
)

// A peer at the limit lives, one a byte below does not, and each window is judged alone. What arrives while nobody waits
// counts for the peer, the time does not.
func TestContentPaceByWindow(t *testing.T) {
	config := &Config{MinContentRate: 100, RateWindow: 10 * time.Second}
	second := instant(time.Second)
	b := &inbound{}
	if b.pace.by(second, config) != 0 || b.pace.tooSlow(second, 0, config) {
		t.Error("content for which nobody has waited has a limit")
	}
	b.await(5*second, 1000)
	p := b.pace
	if by := p.by(8*second, config); by != 15*second {
		t.Errorf("the window that begins at 5 s ends at %v", time.Duration(by))
	}
	if p.tooSlow(15*second-1, 1000, config) {
		t.Error("too slow before the end of the window")
	}
	if p.tooSlow(15*second, 2000, config) {
		t.Error("1000 bytes in 10 s are too slow")
	}
	if !p.tooSlow(25*second, 2999, config) {
		t.Error("999 bytes in 10 s are not too slow")
	}

	p.Set(false, time.Duration(30*second)) // five seconds of waiting, then a pause
	if p.by(40*second, config) != 0 {
		t.Error("the window ends while nobody waits")
	}
	b.await(100*second, 3500)
	if by := p.by(100*second, config); by != 105*second {
		t.Errorf("the window with a pause ends at %v", time.Duration(by))
	}
	if p.tooSlow(105*second, 3999, config) {
		t.Error("1000 bytes in 10 s of waiting are too slow")
	}
	if p.restart(111*second, 3999); p.tooSlow(120*second, 3999, config) || !p.tooSlow(121*second, 3999, config) {
		t.Error("a window that began anew has another length")
	}
}
