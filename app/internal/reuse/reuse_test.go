package reuse

import "testing"

// taken takes n objects from l, makes those that it does not have, and returns the number of these.
func taken(l *List[int], n int) (objects []*int, made int) {
	for range n {
		o := l.Take()
		if o == nil {
			o = new(int)
			made++
		}
		objects = append(objects, o)
	}
	return objects, made
}

func TestObjectsAreUsedAgain(t *testing.T) {
	var l List[int]
	first, made := taken(&l, 1000)
	if made != 1000 {
		t.Errorf("%d of 1000 objects were made", made)
	}
	for _, o := range first[:500] {
		l.Give(o)
	}
	// Half of them is in use, so the other half is kept.
	if _, made = taken(&l, 500); made != 0 {
		t.Errorf("%d objects were made although 500 had been given", made)
	}
}

func TestObjectsOfABurstAreGivenUp(t *testing.T) {
	var l List[int]
	burst, _ := taken(&l, 10*kept)
	for _, o := range burst {
		l.Give(o)
	}
	if len(l.free) != kept {
		t.Errorf("%d objects are kept after a burst, want %d", len(l.free), kept)
	}
}

func TestLostObjectsAreNotInUse(t *testing.T) {
	var l List[int]
	burst, _ := taken(&l, 10*kept)
	for range burst {
		l.Forget()
	}
	if l.inUse != 0 || len(l.free) != 0 {
		t.Errorf("%d objects are in use, %d kept", l.inUse, len(l.free))
	}
}
