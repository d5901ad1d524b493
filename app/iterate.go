package app

// While calls step again and again until its future is false or fails. Ready steps run
// in a for loop and need no memory. After a pending one, the iteration continues on
// its loop. A panic of step is a failure. On the loop.
func While(step func() Future[bool]) Future[Done] {
	cell, more, err := spin(step)
	if !more {
		return Future[Done]{err: err}
	}
	w := &while{step: step, from: cell}
	w.loop, w.node.wake = cell.loop, w
	if !cell.subscribe(&w.node) {
		w.advance(nil)
	}
	return w.future()
}

type while struct {
	cell[Done]
	node node
	from *cell[bool]
	step func() Future[bool]
}

// woken returns the iteration to its loop, if a step belonged to another.
func (w *while) woken(q *queue) {
	if q.loop == w.loop {
		w.advance(q)
		return
	}
	q.at(w.loop, w.advance)
}

// advance continues after the step in from, which is settled.
func (w *while) advance(q *queue) {
	for {
		if w.from.err != nil || !w.from.value {
			w.settle(Done{}, w.from.err, q)
			return
		}
		cell, more, err := spin(w.step)
		if !more {
			w.settle(Done{}, err, q)
			return
		}
		w.from = cell
		if cell.subscribe(&w.node) {
			return
		}
	}
}

// spin calls step as long as it is ready. It returns the cell of the first pending one
// and true, or false and the failure if the iteration has ended.
func spin(step func() Future[bool]) (pending *cell[bool], more bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			pending, more, err = nil, false, panicked(p)
		}
	}()
	for {
		f := step()
		if !f.Ready() {
			return f.cell, true, nil
		}
		if more, err := f.Result(); err != nil || !more {
			return nil, false, err
		}
	}
}
