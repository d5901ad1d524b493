//go:build linux

package reactor

import (
	"errors"
	"testing"
	"time"
)

// A start that fails for one loop waits for none that never was.
func TestStartThatFails(t *testing.T) {
	r, err := New(Config{Loops: 3, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Listen(ListenerConfig{Address: "127.0.0.1:0", Open: func(c *Conn) Session { return &lines{conn: c} }}); err != nil {
		t.Fatal(err)
	}
	r.listeners[0].close()
	for range r.loops {
		r.listeners[0].sockets.fds = append(r.listeners[0].sockets.fds, descriptorLimit())
	}
	began := time.Now()
	if err := r.Start(); err == nil {
		t.Error("started on sockets that are none")
	}
	if took := time.Since(began); took >= stopPatience {
		t.Errorf("took %v", took)
	}
}

func TestStartAfterStop(t *testing.T) {
	r, err := New(Config{Loops: 1, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); !errors.Is(err, ErrStopped) {
		t.Errorf("Start: %v", err)
	}
}
