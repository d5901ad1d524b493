//go:build linux

package reactor

import "fmt"

// haunting is a goroutine that was left behind in lent code. It belongs to the Loop.
type haunting struct {
	what  fmt.Stringer // that it runs
	holds int          // descriptors of its engine
	ended bool
	after []func()
}

// end is called on the loop when the goroutine has ended.
func (h *haunting) end(l *Loop) {
	l.own.haunts--
	l.reactor.gate.lower(-h.holds)
	h.ended = true
	waiting := h.after
	h.after = nil
	for _, task := range waiting {
		l.Post(task)
	}
}

// Fenced is what stalled the loop, if that cost this connection and is running still; else nil. What
// belongs to it must not be run beside it.
func (c *Conn) Fenced() fmt.Stringer {
	if h := c.haunting(); h != nil {
		return h.what
	}
	return nil
}

// AfterStall has task run on the loop, owned, once what Fenced names has ended: never, if it never does.
func (c *Conn) AfterStall(task func()) {
	if h := c.haunting(); h != nil {
		h.after = append(h.after, task)
		return
	}
	c.loop.Load().Post(task)
}

func (c *Conn) haunting() *haunting {
	if !c.guilty || c.special == nil || c.special.haunting == nil || c.special.haunting.ended {
		return nil
	}
	return c.special.haunting
}
