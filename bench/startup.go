package main

import (
	"fmt"
	"os"
	"time"
)

// startups measures the time until a server answers, and the size of its program.
func (r *runner) startups(c *benchCase, outcomes []outcome) {
	r.takeTurns(len(outcomes), func(round, i int) {
		o := &outcomes[i]
		if o.LeftOut != "" {
			return
		}
		s, err := r.startupOf(c, o)
		if err != nil {
			o.Samples, o.LeftOut = nil, err.Error()
			return
		}
		o.Samples = append(o.Samples, s)
		r.tell("round %d of %d, %s %s ms", round+1, r.rounds, o.Server, figure(s.Cost))
	})
}

// startupOf starts a server and measures the time to its first response. The time contains the start of taskset, which is
// the same for all.
func (r *runner) startupOf(c *benchCase, o *outcome) (sample, error) {
	unchecked := *c
	unchecked.selfCheck = true // the exchange that is measured is the first
	t, err := r.launch(&unchecked, nil, o.Server)
	if err != nil {
		return sample{}, err
	}
	defer t.stop()
	conns, err := hold(t.setup, 1).Open()
	took := time.Since(t.process.started)
	if err != nil {
		return sample{}, fmt.Errorf("its answer is wrong: %w", err)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	o.Command, o.Configuration = t.command, t.configuration
	info, err := os.Stat(t.program)
	if err != nil {
		return sample{}, fmt.Errorf("the size of its program: %w", err)
	}
	return sample{Requests: 1, Cost: float64(took) / float64(time.Millisecond), Program: info.Size()}, nil
}
