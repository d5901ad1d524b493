//go:build linux

package reactor

import "testing"

// Two packages keep values of a loop without knowing of each other.
func TestLoopValuesAreApart(t *testing.T) {
	type state struct{ n int }
	first, second := NewLoopValue[*state](), NewLoopValue[*state]()
	third := NewLoopValue[string]()
	l, other := bare(t), bare(t)
	if v := second.Get(l); v != nil {
		t.Errorf("value %v before Set", v)
	}
	second.Set(l, &state{2})
	first.Set(l, &state{1})
	if first.Get(l).n != 1 || second.Get(l).n != 2 || third.Get(l) != "" {
		t.Errorf("have %v, %v, %q", first.Get(l), second.Get(l), third.Get(l))
	}
	if first.Get(other) != nil {
		t.Error("the value is seen on another loop")
	}
	if n := testing.AllocsPerRun(100, func() { _ = first.Get(l) }); n != 0 {
		t.Errorf("Get allocates %v times", n)
	}
}
