//go:build linux

package server

import "testing"

func TestH1InputStates(t *testing.T) {
	for _, c := range []struct {
		name         string
		events       []h1InputEvent
		paused, last bool
	}{
		{"new", nil, false, false},
		{"paused", []h1InputEvent{inputPause}, true, false},
		{"paused twice", []h1InputEvent{inputPause, inputPause}, true, false},
		{"resumed", []h1InputEvent{inputPause, inputResume}, false, false},
		{"FIN", []h1InputEvent{inputFIN}, false, true},
		{"FIN while paused", []h1InputEvent{inputPause, inputFIN}, true, true},
		{"resumed after FIN", []h1InputEvent{inputPause, inputFIN, inputResume}, false, true},
		{"paused after FIN", []h1InputEvent{inputFIN, inputPause}, true, true},
	} {
		var i h1Input
		for _, e := range c.events {
			i.step(e)
		}
		if i.paused() != c.paused || i.last() != c.last {
			t.Errorf("%s: paused %v, last %v", c.name, i.paused(), i.last())
		}
	}
}

func TestH1DrainStates(t *testing.T) {
	for _, c := range []struct {
		name   string
		events []h1DrainEvent
		want   h1Drain
		waits  bool
	}{
		{"none", nil, drainNone, false},
		{"with requests", []h1DrainEvent{drainBusy}, drainServe, false},
		{"silent", []h1DrainEvent{drainSilent}, drainIdle, true},
		{"active lately", []h1DrainEvent{drainRecent}, drainActive, true},
		{"a request comes", []h1DrainEvent{drainRecent, drainBusy}, drainServe, false},
		{"a request comes at the last look", []h1DrainEvent{drainSilent, drainBusy, drainTimeout}, drainServe, false},
		{"none comes", []h1DrainEvent{drainRecent, drainTimeout}, drainVacant, false},
		{"drained twice", []h1DrainEvent{drainSilent, drainTimeout, drainBusy, drainRecent}, drainVacant, false},
	} {
		var d h1Drain
		for _, e := range c.events {
			d.step(e)
		}
		if d != c.want || d.waits() != c.waits {
			t.Errorf("%s: state %d, waits %v", c.name, d, d.waits())
		}
	}
}
