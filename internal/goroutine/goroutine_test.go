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
