package goroutine

import "testing"

func TestNumbersAreUnique(t *testing.T) {
	here := Number()
	if here == 0 || Number() != here {
		t.Fatalf("this goroutine has the number %d, then %d", here, Number())
	}
	other := make(chan uint64)
	go func() { other <- Number() }()
	if n := <-other; n == 0 || n == here {
		t.Fatalf("another goroutine has the number %d, this one %d", n, here)
	}
}

// The value of Self stays the same when the stack moves, and differs from those of all other living goroutines.
func TestSelf(t *testing.T) {
	here := Self()
	var grow func(n int) uintptr
	grow = func(n int) uintptr {
		var frame [1 << 10]byte
		if n == 0 {
			return Self() + uintptr(frame[0])
		}
		return grow(n-1) + uintptr(frame[n])
	}
	if here == 0 || grow(1000) != here {
		t.Fatalf("%#x, then %#x", here, grow(0))
	}
	const others = 1000
	release, found := make(chan struct{}), make(chan uintptr)
	for range others {
		go func() {
			found <- Self()
			<-release
		}()
	}
	seen := map[uintptr]bool{here: true}
	for range others {
		self := <-found
		if seen[self] {
			t.Errorf("%#x was found twice", self)
		}
		seen[self] = true
	}
	close(release)
}
