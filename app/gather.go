package app

import "time"

// Outcome is how one future among several has ended.
type Outcome[T any] struct {
	Value T
	Err   error
}

// All is ready when every future is, with the values in the same order. The
// first failure is its failure. Continuations run on the loop of the first
// future that was pending. On the loop.
func All[T any](fs ...Future[T]) Future[[]T] {
	return Map(gather(fs, true).start(), func(outcomes []Outcome[T]) ([]T, error) {
		values := make([]T, len(outcomes))
		for i := range outcomes {
			values[i] = outcomes[i].Value
		}
		return values, nil
	})
}

// AllSettled is ready when every future is, and never fails: the outcomes are in
// the order of the futures. On the loop.
func AllSettled[T any](fs ...Future[T]) Future[[]Outcome[T]] {
	return gather(fs, false).start()
}

// Collect is AllSettled with a deadline, for fan-out: when d has passed it is
// ready with what came before; the others' outcome is ErrDeadline, and what
// they bring later is dropped. When the request is over before that it is ready too;
// the others' outcome is then what Sleep would fail with. On the loop.
func Collect[T any](r *Request, d time.Duration, fs ...Future[T]) Future[[]Outcome[T]] {
	g := gather(fs, false)
	g.loop = r.Loop()
	f := g.start()
	if !f.Ready() {
		g.bound.startTimer(r, g, d)
	}
	return f
}

// gathering waits for several futures. Everything happens on its loop.
type gathering[T any] struct {
	cell[[]Outcome[T]]
	fs        []Future[T]
	outcomes  []Outcome[T]
	parts     []part[T] // those that are waited for
	missing   int
	firstOnly bool  // the first failure settles it
	bound     bound // of Collect
}

func gather[T any](fs []Future[T], firstOnly bool) *gathering[T] {
	return &gathering[T]{fs: fs, outcomes: make([]Outcome[T], len(fs)), firstOnly: firstOnly, missing: len(fs)}
}

// start subscribes to everything that is pending. From the
// first subscription on, what comes may run elsewhere, on the gathering's loop.
func (g *gathering[T]) start() Future[[]Outcome[T]] {
	for i, f := range g.fs {
		if !f.Ready() {
			g.expect(i, f.cell)
			continue
		}
		v, err := f.Result()
		g.note(i, v, err, nil)
	}
	failed := g.isSettled()
	for i := range g.parts {
		p := &g.parts[i]
		p.over, p.node.far = failed, g.loop != p.from.loop
		if !p.from.subscribe(&p.node) {
			(&queue{}).at(g.loop, p.arrive)
		} else if failed {
			abandon(p.from, &p.node)
		}
	}
	switch {
	case len(g.parts) == 0:
		g.settle(g.outcomes, nil, nil)
		return outcome(g.value, g.err)
	case g.isSettled():
		return outcome(g.value, g.err)
	}
	return g.future()
}

func (g *gathering[T]) expect(i int, from *cell[T]) {
	if g.loop == nil {
		g.loop = from.loop
	}
	if g.parts == nil {
		g.parts = make([]part[T], 0, len(g.fs)-i)
	}
	g.parts = append(g.parts, part[T]{whole: g, from: from, i: i})
	p := &g.parts[len(g.parts)-1]
	p.node.wake = p
}

// cut implements bounded: the whole is ready with what came, and the rest has failed.
func (g *gathering[T]) cut(cause error, q *queue) {
	if q == nil {
		g.loop.Post(func() {
			q := queue{loop: g.loop}
			g.cutHere(cause, &q)
			q.run()
		})
		return
	}
	g.cutHere(cause, q)
}

func (g *gathering[T]) cutHere(cause error, q *queue) {
	if g.isSettled() {
		return
	}
	for i := range g.parts {
		if p := &g.parts[i]; !p.over {
			g.outcomes[p.i].Err = cause
		}
	}
	g.end(g.outcomes, nil, q)
}

// end settles the whole.
func (g *gathering[T]) end(outcomes []Outcome[T], err error, q *queue) {
	g.settle(outcomes, err, q)
	g.bound.stop()
	g.leave()
}

// leave waits no longer for what has not come.
func (g *gathering[T]) leave() {
	for i := range g.parts {
		if p := &g.parts[i]; !p.over {
			p.over = true
			abandon(p.from, &p.node)
		}
	}
}

// part is one of the futures that are waited for.
type part[T any] struct {
	node  node
	whole *gathering[T]
	from  *cell[T]
	i     int
	over  bool // it has come, or is not waited for any more
}

func (p *part[T]) woken(q *queue) {
	if q.loop == p.whole.loop {
		p.arrive(q)
		return
	}
	q.at(p.whole.loop, p.arrive)
}

func (p *part[T]) arrive(q *queue) {
	p.over = true
	p.whole.note(p.i, p.from.value, p.from.err, q)
}

// note takes one outcome, unless the whole is settled: then the outcomes are
// somebody else's, and what comes is dropped.
func (g *gathering[T]) note(i int, v T, err error, q *queue) {
	if g.isSettled() {
		drop(v)
		return
	}
	g.outcomes[i] = Outcome[T]{v, err}
	g.missing--
	switch {
	case err != nil && g.firstOnly:
		for _, o := range g.outcomes {
			drop(o.Value)
		}
		g.end(nil, err, q)
	case g.missing == 0:
		g.end(g.outcomes, nil, q)
	}
}

// drop is for a result that nobody will get: a response may hold something open.
func drop[T any](v T) {
	if resp, ok := any(v).(*Response); ok {
		resp.Close()
	}
}

// abandon stops waiting for a result, unless it may have to be dropped.
func abandon[T any](from *cell[T], n *node) {
	var v T
	if _, dropped := any(v).(*Response); !dropped {
		from.forget(n)
	}
}
