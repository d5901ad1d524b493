//go:build poison

package h2

import "testing"

// The bytes that an event lends are overwritten by the next call.
func TestBorrowedBytesAreOverwritten(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.post(1))
	var ev Event
	p.c.Next([]byte(dataFrame(1, 0, "borrowed")), &ev)
	lent := ev.Data
	if string(lent) != "borrowed" {
		t.Fatalf("%q", lent)
	}
	p.c.Next(nil, &ev)
	if string(lent) == "borrowed" {
		t.Error("the bytes outlived the call")
	}
}
