//go:build linux

package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

// An operation is one run of an element.
type operation struct {
	*environment
	ctx     context.Context
	rand    *rand.Rand
	element string
	number  uint64
	began   time.Time
	to      *program // that it asks
}

// An element is a kind of traffic or fault.
type element struct {
	name   string
	weight int // its part of all operations
	run    func(*operation) error
	long   bool // in long runs only: it has limits of time that a busy machine can exceed
}

// elements are the kinds of a run.
func elements(short bool) []element {
	var all []element
	for _, part := range [][]element{plainElements, contentElements, lastingElements, socketElements, grpcElements, faultElements, http2Faults, tlsFaults} {
		for _, el := range part {
			if !short || !el.long {
				all = append(all, el)
			}
		}
	}
	return all
}

// perform runs an operation of el, at the gateway or in a quarter of all cases at the application directly.
func (e *environment) perform(ctx context.Context, el element, number uint64) {
	to := e.gateway
	if number%4 == 0 {
		to = e.serve
	}
	e.performAt(ctx, el, number, to)
}

// performAt runs an operation and counts it. Its error is an unexplained failure.
func (e *environment) performAt(ctx context.Context, el element, number uint64, to *program) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	op := &operation{
		environment: e, ctx: ctx, rand: rand.New(rand.NewPCG(e.config.Seed, number)),
		element: el.name, number: number, began: time.Now(), to: to,
	}
	e.ledger.ran(el.name)
	if err := el.run(op); err != nil {
		e.ledger.unexplained(el.name, number, op.to.name, err)
	}
}

// protocol draws one.
func (op *operation) protocol() protocol { return protocol(op.rand.IntN(int(protocols))) }

// sizes are those of contents, small ones more often.
var sizes = []int{0, 1, 100, 100, 1000, 1000, 1000, 10_000, 16_384, 16_385, 65_535, 65_536, 200_000, 1 << 20}

func (op *operation) size() int { return sizes[op.rand.IntN(len(sizes))] }

// lasts reports whether an operation with a stream lasts for some seconds: one of four, in a long run.
func (op *operation) lasts() bool { return !op.config.Short && op.rand.IntN(4) == 0 }

// bytes returns n random bytes.
func (op *operation) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(op.rand.Uint32())
	}
	return b
}

// answered counts requests that the asked program, and the application behind the gateway, have answered rightly.
func (op *operation) answered(n int) {
	if op.to == op.gateway {
		op.ledger.answered(op.element, n, op.gateway, op.serve)
		return
	}
	op.ledger.answered(op.element, n, op.serve)
}

func (op *operation) explain(rule Rule) { op.ledger.explained(op.element, rule) }

// restarting reports whether a program on the way of the operation has been restarted since the operation began, or
// shortly before.
func (op *operation) restarting() bool {
	return op.serve.windows.overlap(op.began) || op.to.windows.overlap(op.began)
}

// dial opens a connection to the asked program, which is closed at the end of the operation's time.
func (op *operation) dial() (*net.TCPConn, error) {
	c, err := (&net.Dialer{}).DialContext(op.ctx, "tcp", op.to.plain)
	if err != nil {
		return nil, err
	}
	deadline, _ := op.ctx.Deadline()
	return c.(*net.TCPConn), c.SetDeadline(deadline)
}

// sleep waits, within the time of the operation.
func (op *operation) sleep(d time.Duration) error { return op.wait(op.ctx, d) }

// in adds what was asked to an error.
func in(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
