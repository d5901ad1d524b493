package client

import (
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// taskLoop counts the tasks that are posted.
type taskLoop struct {
	app.Loop
	tasks int
}

func (l *taskLoop) Post(func())    { l.tasks++ }
func (l *taskLoop) Now() time.Time { return time.Time{} }

// A slot that becomes free after a pool has found none, and before the pool waits, is not lost.
func TestFreedSlotIsNotLost(t *testing.T) {
	home := &taskLoop{}
	s := &slots{most: 1}
	p := &pool{loop: &loop{home: home}}
	if !s.take() || s.take() {
		t.Fatal("the only slot is taken once")
	}
	s.give()
	s.await(p)
	if home.tasks != 1 || s.wanted() {
		t.Fatalf("%d tasks for the pool that waits: %v", home.tasks, s.wanted())
	}
}
