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
	return Map(gather(fs, true).start(nil), func(outcomes []Outcome[T]) ([]T, error) {
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
	return gather(fs, false).start(nil)
}

// Collect is AllSettled with a deadline, for fan-out: when d has passed it is
// ready with what came before; the others' outcome is ErrDeadline, and what
// they bring later is dropped. On the loop.
func Collect[T any](r *Request, d time.Duration, fs ...Future[T]) Future[[]Outcome[T]] {
	g := gather(fs, false)
	g.loop = r.Loop()
	return g.start(func() {
		g.timer = g.loop.After(d, func() { g.settleHere(g.outcomes, nil) })
	})
}

// gathering waits for several futures. Everything happens on its loop.
type gathering[T any] struct {
	cell[[]Outcome[T]]
	fs        []Future[T]
	outcomes  []Outcome[T]
	missing   int
	firstOnly bool // the first failure settles it
	timer     Timer
}

func gather[T any](fs []Future[T], firstOnly bool) *gathering[T] {
	g := &gathering[T]{fs: fs, outcomes: make([]Outcome[T], len(fs)), firstOnly: firstOnly}
	for i := range g.outcomes {
		g.outcomes[i].Err = ErrDeadline
	}
	return g
}

// start subscribes to everything that is pending, and then calls pending if
// there is something to wait for.
func (g *gathering[T]) start(pending func()) Future[[]Outcome[T]] {
	g.missing = len(g.fs)
	for i, f := range g.fs {
		if !f.Ready() {
			if g.loop == nil {
				g.loop = f.cell.loop
			}
			f = on(g.loop, f)
		}
		if f.cell != nil {
			p := &part[T]{whole: g, from: f.cell, i: i}
			p.node.wake = p
			if f.cell.subscribe(&p.node) {
				continue
			}
		}
		v, err := f.Result()
		g.note(i, v, err, nil)
	}
	if len(g.fs) == 0 {
		return Ready(g.outcomes)
	}
	if g.isSettled() {
		return outcome(g.value, g.err)
	}
	if pending != nil {
		pending()
	}
	return g.future()
}

type part[T any] struct {
	node  node
	whole *gathering[T]
	from  *cell[T]
	i     int
}

func (p *part[T]) woken(q *queue) { p.whole.note(p.i, p.from.value, p.from.err, q) }

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
		g.settle(nil, err, q)
	case g.missing == 0:
		g.settle(g.outcomes, nil, q)
	default:
		return
	}
	if g.timer != nil {
		g.timer.Stop()
	}
}

// drop is for a result that nobody will get: a response may hold something open.
func drop[T any](v T) {
	if resp, ok := any(v).(*Response); ok {
		resp.Close()
	}
}
