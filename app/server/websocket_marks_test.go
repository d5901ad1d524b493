//go:build linux

package server

import "testing"

// Messages that have left are not remembered, also where each leaves before the next is sent.
func TestMarksOfMessagesThatHaveLeft(t *testing.T) {
	s := &socket{rare: &socketRare{marks: &marks{}}}
	for i := range uint64(1000) {
		s.marks().add(i*10, i*10+10)
	}
	s.marks().forget(10_000)
	if n := len(s.marks().ends); n > 1 {
		t.Errorf("%d messages are remembered", n)
	}
	if n := s.messages(); n != 0 || s.marks().ends != nil {
		t.Errorf("%d messages wait", n)
	}
}
