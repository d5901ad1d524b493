package app

// While repeats step until it answers false or fails. Steps that are ready run
// in a for loop: neither the stack nor the heap grows with their number. The
// others continue on the loop of the first that was not. A panic of step is a failure.
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

// woken brings the iteration back to its loop, if a step has belonged to another.
func (w *while) woken(q *queue) {
	if q.loop == w.loop {
		w.advance(q)
		return
	}
	q.at(w.loop, w.advance)
}

// advance goes on from the step that is settled.
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

// spin runs steps as long as they are ready. It returns the cell of the first
// that is not, with more, or how the iteration has ended.
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
