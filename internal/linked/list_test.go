package linked

import (
	"math/rand/v2"
	"slices"
	"testing"
)

type entry struct {
	Links[entry]
	number int
}

// contents returns the numbers of l in order, read in both directions.
func contents(t *testing.T, l *List[entry, *entry]) (numbers []int) {
	t.Helper()
	var backwards []int
	for e := l.first; e != nil; e = e.next {
		numbers = append(numbers, e.number)
	}
	for e := l.last; e != nil; e = e.previous {
		backwards = append(backwards, e.number)
	}
	slices.Reverse(backwards)
	if !slices.Equal(numbers, backwards) || len(numbers) != l.Len() {
		t.Fatalf("%v forwards, %v backwards, length %d", numbers, backwards, l.Len())
	}
	return numbers
}

// A list holds what a slice does to which the same was done.
func TestListIsAQueueWithRemoval(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var l List[entry, *entry]
	var want []*entry
	for number := range 2000 {
		switch n := len(want); {
		case n > 0 && random.IntN(3) == 0:
			if e := l.Pop(); e != want[0] {
				t.Fatalf("popped %d, want %d", e.number, want[0].number)
			}
			want = want[1:]
		case n > 0 && random.IntN(2) == 0:
			i := random.IntN(n)
			l.Remove(want[i])
			want = slices.Delete(want, i, i+1)
		default:
			e := &entry{number: number}
			l.Push(e)
			want = append(want, e)
		}
		var numbers []int
		for _, e := range want {
			numbers = append(numbers, e.number)
		}
		if got := contents(t, &l); !slices.Equal(got, numbers) {
			t.Fatalf("%v, want %v", got, numbers)
		}
		if first := l.First(); len(want) > 0 && first != want[0] || len(want) == 0 && first != nil {
			t.Fatalf("the first is %v", first)
		}
	}
}

func TestListAllocatesNothing(t *testing.T) {
	var l List[entry, *entry]
	e := &entry{}
	if n := testing.AllocsPerRun(100, func() { l.Push(e); l.Remove(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
