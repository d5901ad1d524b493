//go:build linux

package server

import "testing"

// Messages that have left are not remembered, also where each leaves before the next is sent.
func TestMarksOfMessagesThatHaveLeft(t *testing.T) {
	s := &socket{marks: &marks{}}
	for range 1000 {
		s.marks.add(10)
		s.marks.sent += 10
	}
	if n := len(s.marks.ends); n > 1 {
		t.Errorf("%d messages are remembered", n)
	}
	if n := s.messages(); n != 0 || s.marks.ends != nil {
		t.Errorf("%d messages wait", n)
	}
}
