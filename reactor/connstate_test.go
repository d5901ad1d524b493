//go:build linux

package reactor

import "testing"

// Every phase knows every event, and none leads back to an earlier one: but a session may change its mind about
// lingering while its output leaves.
func TestPhaseTable(t *testing.T) {
	for from := range connPhases {
		for event := range phaseEvents {
			to := from.after(event)
			turnsBack := to < from
			if turnsBack && !(from == phaseLingering && to == phaseFlushing) {
				t.Errorf("from %d event %d leads back to %d", from, event, to)
			}
			if from == phaseClosed && to != phaseClosed {
				t.Errorf("event %d opens a closed connection", event)
			}
		}
		if from == phaseDiscarding && from.after(closeFlushedAsked) != phaseDiscarding {
			t.Error("output is asked for after writing was shut down")
		}
	}
	// Whatever a session asks for, output that is out and a FIN end the connection.
	for _, asked := range []phaseEvent{closeFlushedAsked, lingerAsked} {
		if got := phaseOpen.after(asked).after(outputOut).after(peerFIN); got != phaseClosed {
			t.Errorf("asked %d: phase %d in the end", asked, got)
		}
	}
}

func TestHolds(t *testing.T) {
	var h holds
	for _, step := range []struct {
		reason        holds
		held, changed bool
		want          holds
	}{
		{heldBySession, true, true, heldBySession},
		{heldBySession, true, false, heldBySession},
		{heldInputFull, true, true, heldBySession | heldInputFull},
		{heldBySession, false, true, heldInputFull},
		{heldByFilter, false, false, heldInputFull},
		{heldInputFull, false, true, 0},
	} {
		if changed := h.set(step.reason, step.held); changed != step.changed || h != step.want {
			t.Errorf("set %d to %v: changed %v, holds %d", step.reason, step.held, changed, h)
		}
	}
}

// Input that has yielded waits for its own turn, whatever else asks for it.
func TestYieldedInputIsNotPresentedAgain(t *testing.T) {
	c := &Conn{}
	c.presentAgain()
	if c.input != inputAgain {
		t.Error("not presented again")
	}
	c.Yield()
	c.presentAgain()
	if c.input != inputNextTurn {
		t.Error("presented before its turn")
	}
}
