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

// An entry that becomes later, or is cleared and set again, passes at its last deadline only.
func TestDeadlineThatMoves(t *testing.T) {
	host := apptest.New(nil)
	loop := host.Loop(0)
	var q deadline.Queue
	q.Init(loop)
	var fired []time.Duration
	o := &owner{fired: &fired}
	set := func(after time.Duration) {
		o.at = after
		q.Set(&o.entry, loop.Now().Add(after), o)
	}
	wantFired := func(want ...time.Duration) {
		t.Helper()
		if !slices.Equal(fired, want) {
			t.Fatalf("fired %v, want %v", fired, want)
		}
	}
	set(time.Second)
	set(3 * time.Second)
	host.Advance(2 * time.Second)
	wantFired()
	q.Clear(&o.entry)
	host.Advance(2 * time.Second)
	wantFired()
	set(2 * time.Second)
	set(time.Second)
	host.Advance(time.Second)
	wantFired(time.Second)
	if o.entry.IsSet() || q.Len() != 0 {
		t.Error("a deadline is set after it has passed")
	}
	host.Advance(time.Hour)
	wantFired(time.Second)
}

// The queue does not grow with the number of entries that were set once.
func TestClearedEntriesAreDropped(t *testing.T) {
	host := apptest.New(nil)
	loop := host.Loop(0)
	var q deadline.Queue
	q.Init(loop)
	var fired, want []time.Duration
	random := rand.New(rand.NewPCG(3, 4))
	begin := loop.Now()
	for i := range 10_000 {
		o := &owner{fired: &fired, at: time.Duration(random.IntN(1000)) * time.Millisecond}
		q.Set(&o.entry, begin.Add(o.at), o)
		if i%20 == 0 {
			want = append(want, o.at)
		} else {
			q.Clear(&o.entry)
		}
	}
	if n := deadline.Places(&q); n > 2*len(want)+deadline.MinUnset {
		t.Errorf("%d places for %d deadlines", n, len(want))
	}
	slices.Sort(want)
	host.Advance(time.Second)
	if !slices.Equal(fired, want) {
		t.Errorf("%d fired, want %d in order", len(fired), len(want))
	}
}
