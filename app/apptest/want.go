package apptest

import "testing"

// Want fails the test unless the call has been answered, to the end, with that status
// and content.
func (c *Call) Want(t testing.TB, status int, content string) {
	t.Helper()
	if c.Status != status || string(c.Content) != content || !c.Complete {
		t.Fatalf("got %d %q (complete: %v, failure: %v), want %d %q",
			c.Status, c.Content, c.Complete, c.Err, status, content)
	}
}

// WantNoAnswer fails the test if the call has been answered.
func (c *Call) WantNoAnswer(t testing.TB) {
	t.Helper()
	if c.Status != 0 {
		t.Fatalf("got %d %q, want no answer yet", c.Status, c.Content)
	}
}
