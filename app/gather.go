package app

import "time"

// Outcome is the result of one future among several.
type Outcome[T any] struct {
	Value T
	Err   error
}

// All returns a future with the values of all futures, in their order. It fails with
// the first failure. Continuations run on the loop of the first pending future. On the
// loop.
func All[T any](fs ...Future[T]) Future[[]T] {
	return Map(gather(fs, true).start(), func(outcomes []Outcome[T]) ([]T, error) {
		values := make([]T, len(outcomes))
		for i := range outcomes {
			values[i] = outcomes[i].Value
		}
		return values, nil
	})
}

// AllSettled returns a future with the outcomes of all futures, in their order. It does
// not fail. On the loop.
func AllSettled[T any](fs ...Future[T]) Future[[]Outcome[T]] {
	return gather(fs, false).start()
}

// Collect is AllSettled with a time limit, for fan-out. When d has passed, or r ends,
// it is ready with the outcomes so far; the outcome of the others is ErrDeadline, or
// the failure of a Sleep of r. Later results are dropped. On the loop.
func Collect[T any](r *Request, d time.Duration, fs ...Future[T]) Future[[]Outcome[T]] {
	g := gather(fs, false)
	g.loop = r.Loop()
	g.bound.init(r, g)
	f := g.start()
	if !f.Ready() {
		g.bound.startTimer(d)
	}
	return f
}

// gathering waits for several futures. It belongs to its loop.
type gathering[T any] struct {
	cell[[]Outcome[T]]
	fs        []Future[T]
	outcomes  []Outcome[T]
	parts     []part[T] // the pending futures
	missing   int
	firstOnly bool  // the first failure settles it
	bound     bound // of Collect
}

func gather[T any](fs []Future[T], firstOnly bool) *gathering[T] {
	return &gathering[T]{fs: fs, outcomes: make([]Outcome[T], len(fs)), firstOnly: firstOnly, missing: len(fs)}
}

// start subscribes to the pending futures. From the first subscription on, results may
// be taken on the gathering's loop while start runs on another.
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

// cut implements bounded: it settles the whole with the outcomes so far.
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

// end settles the whole and forgets the futures that are still pending.
func (g *gathering[T]) end(outcomes []Outcome[T], err error, q *queue) {
	g.settle(outcomes, err, q)
	g.bound.stop()
	g.leave()
}

// leave forgets the futures that are still pending.
func (g *gathering[T]) leave() {
	for i := range g.parts {
		if p := &g.parts[i]; !p.over {
			p.over = true
			abandon(p.from, &p.node)
		}
	}
}

// part is one of the pending futures.
type part[T any] struct {
	node  node
	whole *gathering[T]
	from  *cell[T]
	i     int
	over  bool // it has its result, or was forgotten
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
	if p.whole.isSettled() {
		drop(p.from.value)
		p.from.dropped()
		return
	}
	p.whole.note(p.i, p.from.value, p.from.err, q)
}

// note takes one outcome. If the whole is settled, its outcomes belong to the
// application, and the value is dropped.
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

// drop discards a result. A response is closed, since it may hold resources.
func drop[T any](v T) {
	switch resp := any(v).(type) {
	case *Response:
		resp.Close()
	case clientResponse:
		resp.Close()
	}
}

// clientResponse is a *client.Response. Its methods accept nil.
type clientResponse interface {
	Response() *Response
	Close()
}

// abandon forgets a waiter, unless the result is a response, which it has to drop.
func abandon[T any](from *cell[T], n *node) {
	var v T
	switch any(v).(type) {
	case *Response, clientResponse:
	default:
		from.forget(n)
	}
}
