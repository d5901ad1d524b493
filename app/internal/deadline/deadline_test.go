package deadline_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/internal/deadline"
)

type owner struct {
	entry deadline.Entry
	at    time.Duration
	fired *[]time.Duration
}

func (o *owner) Expired(*deadline.Entry) { *o.fired = append(*o.fired, o.at) }

func TestDeadlinesPassInOrder(t *testing.T) {
	host := apptest.New(nil)
	loop := host.Loop(0)
	var q deadline.Queue
	q.Init(loop)
	var fired, want []time.Duration
	begin := loop.Now()
	random := rand.New(rand.NewPCG(1, 2))
	owners := make([]*owner, 200)
	for i := range owners {
		o := &owner{fired: &fired, at: time.Duration(random.IntN(1000)) * time.Millisecond}
		owners[i] = o
		q.Set(&o.entry, begin.Add(o.at), o)
	}
	for i, o := range owners {
		switch i % 3 {
		case 0:
			q.Clear(&o.entry)
			q.Clear(&o.entry)
			continue
		case 1:
			o.at = time.Duration(random.IntN(1000)) * time.Millisecond
			q.Set(&o.entry, begin.Add(o.at), o)
		}
		want = append(want, o.at)
	}
	slices.Sort(want)
	host.Advance(time.Second)
	if !slices.Equal(fired, want) {
		t.Errorf("fired %v, want %v", fired, want)
	}
	if q.Len() != 0 || host.Timers() != 0 {
		t.Errorf("%d deadlines and %d timers are left", q.Len(), host.Timers())
	}
}

// The deadlines of requests that are answered in time cost no timer each.
func TestOneTimerServesManyDeadlines(t *testing.T) {
	host := apptest.New(nil)
	loop := host.Loop(0)
	var q deadline.Queue
	q.Init(loop)
	var fired []time.Duration
	timers := 0
	for range 1000 {
		o := &owner{fired: &fired}
		q.Set(&o.entry, loop.Now().Add(time.Second), o)
		q.Clear(&o.entry)
		timers = max(timers, host.Timers())
		host.Advance(time.Millisecond)
	}
	host.Advance(time.Second)
	if timers != 1 || len(fired) != 0 || loop.Posted > 2 {
		t.Errorf("%d timers at once, %d fired, %d tasks", timers, len(fired), loop.Posted)
	}
}
