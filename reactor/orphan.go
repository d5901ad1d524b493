//go:build linux

package reactor

// orphan is a goroutine that still runs lent code after its Loop was taken over. It belongs to the Loop.
type orphan struct {
	subject     *Subject // of the lent code
	descriptors int      // held by its engine
	ended       bool
	after       []func()
}

// end is called on the loop when the goroutine has ended.
func (o *orphan) end(l *Loop) {
	l.own.orphans--
	l.reactor.gate.lower(-o.descriptors)
	o.ended = true
	waiting := o.after
	o.after = nil
	for _, task := range waiting {
		l.Post(task)
	}
}

// Orphaned returns the subject of the lent code for whose stall the connection was closed, while that code
// is still running, else nil. Nothing that belongs to the subject may run at the same time. On the loop.
func (c *Conn) Orphaned() *Subject {
	if o := c.orphan(); o != nil {
		return o.subject
	}
	return nil
}

// AfterStall runs task on the loop, owned, once the code of the subject that Orphaned returns has ended;
// never, if that never ends. On the loop.
func (c *Conn) AfterStall(task func()) {
	if o := c.orphan(); o != nil {
		o.after = append(o.after, task)
		return
	}
	c.loop.Load().Post(task)
}

func (c *Conn) orphan() *orphan {
	if !c.blamed || c.rare == nil || c.rare.orphan == nil || c.rare.orphan.ended {
		return nil
	}
	return c.rare.orphan
}
