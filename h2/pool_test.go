package h2

import "testing"

// Close returns the storage of a connection with open streams and an incomplete block.
func TestCloseReturnsStorage(t *testing.T) {
	p := connect(t, Config{})
	for id := StreamID(1); id < 200; id += 2 {
		p.writes(p.get(id))
		p.answers(id, &Response{Status: 200, Source: &feed{}, Length: -1})
	}
	p.writes(frame(frameHeaders, 0, 201, "\x82"))
	p.c.Close()
	if p.sh.idle != 100 || len(p.sh.buffers) != 1 || len(p.sh.schedules) != 1 || len(p.sh.blocks) != 1 || len(p.sh.slots[1]) != 1 {
		t.Errorf("%d streams, %d buffers, %d schedules, %d blocks, %v tables", p.sh.idle, len(p.sh.buffers), len(p.sh.schedules),
			len(p.sh.blocks), p.sh.slots)
	}
	if *p.sh.schedules[0] != (schedule{}) {
		t.Error("the schedule is not empty")
	}
	q := p.another()
	for id := StreamID(1); id < 200; id += 2 {
		q.writes(q.get(id))
	}
	if p.sh.idle != 0 {
		t.Errorf("%d streams are idle", p.sh.idle)
	}
	for id := StreamID(1); id < 200; id += 2 {
		q.answers(id, &hello)
	}
	if n := len(q.frames()); n != 200 {
		t.Errorf("%d frames", n)
	}
	var ev Event
	if _, err := p.c.Next(nil, &ev); err == nil || p.c.Wanting() || p.c.Streams() != 0 {
		t.Error("a closed connection is alive")
	}
}

// The table finds what a map finds, while it grows and shrinks.
func TestStreamTable(t *testing.T) {
	sh := new(Shared)
	var table streamTable
	want := map[StreamID]*stream{}
	seed := uint32(1)
	for range 100_000 {
		seed = seed*1664525 + 1013904223
		id := StreamID(seed>>20)%600*2 + 1
		if st := want[id]; st != nil {
			delete(want, id)
			table.remove(st, sh)
		} else if len(want) < 300 {
			st := &stream{id: id}
			want[id] = st
			table.insert(st, sh)
		}
		id = StreamID(seed>>10)%600*2 + 1
		if table.find(id) != want[id] || table.count != len(want) {
			t.Fatalf("stream %d: %v, want %v", id, table.find(id), want[id])
		}
	}
	for _, st := range want {
		table.remove(st, sh)
	}
	if len(table.slots) != len(table.first) {
		t.Error("an empty table holds slots")
	}
}
