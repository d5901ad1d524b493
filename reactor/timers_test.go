//go:build linux

package reactor

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// virtual is a Loop whose turns and whose clock the test drives.
type virtual struct {
	*driven
	age time.Duration
}

func newVirtual(t *testing.T) *virtual {
	v := &virtual{driven: newDriven(t), age: time.Second}
	v.clock.source = func() time.Duration { return v.age }
	return v
}

// turn takes a turn that does something, and then what is due.
func (v *virtual) turn(do func()) {
	v.begin()
	do()
	v.Post(v.expire)
	v.end()
	v.wakes()
}

// work is lent code that takes d.
func (v *virtual) work(d time.Duration) {
	v.Lend(nil, nil)
	v.age += d
	v.Reclaim()
}

// reference is a list of times that nobody optimised.
type reference struct {
	due map[int]time.Duration // by the number of the timer
}

// next returns the earliest time, or moment.Never.
func (r *reference) next() time.Duration {
	first := time.Duration(moment.Never)
	for _, at := range r.due {
		first = min(first, at)
	}
	return first
}

// Timers and deadlines come in order, never before their time, and in the first turn at or after it,
// however much work the turns do in between; those that are stopped or moved come when they should, or
// not at all. The runtime's timer is never set later than the earliest of them.
func TestTimersAgainstAReference(t *testing.T) {
	for range 200 {
		v := newVirtual(t)
		want := &reference{due: map[int]time.Duration{}}
		timers := map[int]*Timer{}
		var sessions []*dated
		fired := func(n int) {
			at, ok := want.due[n]
			switch {
			case !ok:
				t.Fatalf("timer %d was stopped, or has come before", n)
			case v.age < at:
				t.Fatalf("timer %d came %v early", n, at-v.age)
			}
			delete(want.due, n)
			delete(timers, n)
		}
		for range 4 {
			s, _ := v.open(1)
			d := &dated{laborious: *s, number: -len(sessions) - 1, fired: fired}
			s.conn.session = d
			sessions = append(sessions, d)
		}
		made := 0
		for range 100 {
			v.turn(func() {
				for range rand.IntN(4) {
					v.work(time.Duration(rand.IntN(50)) * time.Millisecond)
					d := time.Duration(rand.IntN(200)-20) * time.Millisecond
					switch pick := sessions[rand.IntN(len(sessions))]; rand.IntN(5) {
					case 0, 1:
						made++
						n := made
						want.due[n] = v.age + d
						timers[n] = v.AfterFunc(d, func() { fired(n) })
					case 2:
						at := max(v.Age()+d, 1)
						pick.conn.SetDeadlineAt(at)
						want.due[pick.number] = at
					case 3:
						pick.conn.SetDeadline(time.Time{})
						delete(want.due, pick.number)
					case 4:
						for n, timer := range timers {
							if !timer.Stop() {
								t.Fatalf("timer %d was not there", n)
							}
							delete(want.due, n)
							delete(timers, n)
							break
						}
					}
				}
			})
			if next := want.next(); next <= v.age {
				t.Fatalf("a timer is %v late", v.age-next)
			} else if time.Duration(v.timers.armed) > next {
				t.Fatalf("the loop wakes %v after the next timer", time.Duration(v.timers.armed)-next)
			}
			v.age += time.Duration(rand.IntN(30)) * time.Millisecond
			v.turn(func() {})
			v.age++ // what is set for now waits for the clock to go on
		}
	}
}

// dated is a session that is told of its deadline.
type dated struct {
	laborious
	number int
	fired  func(int)
}

func (s *dated) Timeout() { s.fired(s.number) }

// A timer that is set after long work counts from then, also while the loop wakes for another one.
func TestTimerCountsFromItsCall(t *testing.T) {
	v := newVirtual(t)
	var order []string
	v.turn(func() {
		v.AfterFunc(310*time.Millisecond, func() { order = append(order, "other") })
		v.work(300 * time.Millisecond)
		v.AfterFunc(200*time.Millisecond, func() { order = append(order, "timer") })
	})
	v.age += 10 * time.Millisecond
	v.turn(func() {})
	if !slices.Equal(order, []string{"other"}) {
		t.Fatalf("after 310 ms: %v", order)
	}
	v.age += 189 * time.Millisecond
	v.turn(func() {})
	if len(order) != 1 {
		t.Fatal("came early")
	}
	v.age += time.Millisecond
	v.turn(func() {})
	if len(order) != 2 {
		t.Fatal("came late")
	}
}

// After lent code, Now returns the time after it.
func TestClockAfterLentCode(t *testing.T) {
	v := newVirtual(t)
	v.turn(func() {
		began := v.Now()
		v.Lend(nil, nil)
		v.age += wallInterval / 4
		v.Enter(nil)
		if d := v.Now().Sub(began); d != wallInterval/4 {
			t.Errorf("%v within lent code", d)
		}
		v.Leave()
		v.age += wallInterval / 4
		v.Reclaim()
		if d := v.TurnTime().Sub(began); d != wallInterval/4 {
			t.Errorf("the turn's time is %v, want what was read last", d)
		}
		if d := v.Now().Sub(began); d != wallInterval/2 {
			t.Errorf("%v after it", d)
		}
	})
}

// durations spread over all that an option or a call can be given.
func durations() []time.Duration {
	all := []time.Duration{math.MinInt64, -1, 0, 1, time.Hour, 1 << 62, math.MaxInt64 - time.Hour, math.MaxInt64 - 1, math.MaxInt64}
	for range 200 {
		all = append(all, time.Duration(rand.Int64()>>rand.IntN(63)))
	}
	return all
}

// Whatever duration is asked for, a timer does not come before it has passed; the largest is for ever.
func TestAnyDurationIsWaitedFor(t *testing.T) {
	for _, d := range durations() {
		v := newVirtual(t)
		born := v.age
		came := time.Duration(-1)
		s, _ := v.open(1)
		v.turn(func() {
			v.AfterFunc(d, func() { came = v.age })
			s.conn.setDeadlineIn(d)
		})
		steps := []time.Duration{born, born + time.Hour, moment.After(born, d-1), moment.After(born, d), math.MaxInt64 - 1}
		slices.Sort(steps)
		for _, v.age = range steps {
			if v.age < born {
				continue
			}
			v.turn(func() {})
			due := v.age >= moment.After(born, d)
			if (came >= 0) != due {
				t.Fatalf("%v after it was set for %v: came at %v", v.age-born, d, came)
			}
			if (s.eof == -2) != due {
				t.Fatalf("%v after it was set for %v: the deadline has passed: %v", v.age-born, d, s.eof == -2)
			}
		}
	}
}
