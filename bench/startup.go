package main

import (
	"fmt"
	"os"
	"time"
)

// startups measures the time until a server answers, and the size of its program.
func (r *runner) startups(c *benchCase, outcomes []outcome) {
	for range r.rounds {
		for i := range outcomes {
			o := &outcomes[i]
			if o.LeftOut != "" {
				continue
			}
			s, err := r.startupOf(c, o)
			if err != nil {
				o.Samples, o.LeftOut = nil, err.Error()
				continue
			}
			o.Samples = append(o.Samples, s)
			r.tell("%s %s ms", o.Server, figure(s.Cost))
		}
	}
}

func (r *runner) startupOf(c *benchCase, o *outcome) (sample, error) {
	begun := time.Now()
	t, err := r.launch(c, nil, o.Server)
	if err != nil {
		return sample{}, err
	}
	defer t.stop()
	took := time.Since(begun)
	o.Command, o.Configuration = t.command, t.configuration
	info, err := os.Stat(t.program)
	if err != nil {
		return sample{}, fmt.Errorf("the size of its program: %w", err)
	}
	return sample{Requests: 1, Elapsed: took, Cost: float64(took) / float64(time.Millisecond), Program: info.Size()}, nil
}
