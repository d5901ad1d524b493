package websocket

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/gatewheel/gatewheel/app"
)

// scarce is a wire with little memory for messages.
type scarce struct {
	wire
	left int
}

func (s *scarce) Loop() app.Loop { return &shortTurns{} }
func (s *scarce) Resume()        {}
func (s *scarce) Release(n int)  { s.left += n }
func (s *scarce) Reserve(least, most int) int {
	n := min(most, s.left)
	if n < least {
		return 0
	}
	s.left -= n
	return n
}

// A message takes memory while it grows, all that there is if need be, and gives it
// back.
func TestAssemblyReservesMemory(t *testing.T) {
	w := &scarce{left: 100 << 10}
	part := bytes.Repeat([]byte("x"), 10<<10)
	var a assembly
	for i := range 11 {
		if err := a.add(w, part); err != nil {
			t.Fatalf("part %d: %v", i, err)
		}
		if held := cap(a.text); held > 16<<10 && held-16<<10 > 100<<10-w.left {
			t.Fatalf("part %d: %d bytes are held, %d reserved", i, held, 100<<10-w.left)
		}
	}
	if err := a.add(w, part); err != errMemory {
		t.Errorf("beyond: %v", err)
	}
	if text := a.take(); len(text) != 110<<10 || w.left > 10<<10 {
		t.Errorf("%d bytes, %d left", len(text), w.left)
	}
	if a.release(w); w.left != 100<<10 {
		t.Errorf("%d left", w.left)
	}
}

// A Read for which there is no memory fails, and the next message can be read.
func TestReadWithoutMemory(t *testing.T) {
	c := &Conn{s: &Socket{wire: &scarce{left: 50 << 10}}}
	part := bytes.Repeat([]byte("x"), 40<<10)
	c.deliver(Text, part, true, false)
	c.deliver(Text, part, false, false)
	c.deliver(Text, part, false, true)
	c.deliver(Text, []byte("next"), true, true)
	var closed Closed
	if _, err := c.Read(context.Background()); !errors.As(err, &closed) || closed.Code != CloseTryAgainLater {
		t.Error(err)
	}
	if m, err := c.Read(context.Background()); err != nil || m.Text() != "next" {
		t.Errorf("%q, %v", m.Data, err)
	}
	if left := c.s.wire.(*scarce).left; left != 50<<10 {
		t.Errorf("%d bytes left", left)
	}
}
