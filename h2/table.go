package h2

// streamTable maps identifiers to open streams, with open addressing and linear probing. A peer's
// identifiers step by two, so id/2 needs no hashing: streams mostly are at their home, the slot with that
// index. A stream that is not is at least as far from its home as those it was probed past (Robin Hood
// hashing), so a removal ends at the first stream at home.
type streamTable struct {
	slots []*stream
	count int
	first [4]*stream // the slots as long as few streams are open
}

func (t *streamTable) find(id StreamID) *stream {
	if t.count == 0 {
		return nil
	}
	mask := uint32(len(t.slots) - 1)
	for i := uint32(id>>1) & mask; ; i = (i + 1) & mask {
		st := t.slots[i]
		if st == nil || st.id == id {
			return st
		}
	}
}

// insert adds st, whose identifier must not be in the table.
func (t *streamTable) insert(st *stream, sh *Shared) {
	if t.slots == nil {
		t.slots = t.first[:]
	}
	if t.count >= len(t.slots)/4*3 {
		t.grow(sh)
	}
	t.place(st)
	t.count++
}

func (t *streamTable) place(st *stream) {
	mask := uint32(len(t.slots) - 1)
	i := uint32(st.id>>1) & mask
	for far := uint32(0); t.slots[i] != nil; far++ {
		if other := t.distance(i); other < far {
			t.slots[i], st, far = st, t.slots[i], other
		}
		i = (i + 1) & mask
	}
	t.slots[i] = st
}

// distance returns how far the stream in slot i is from its home.
func (t *streamTable) distance(i uint32) uint32 {
	return (i - uint32(t.slots[i].id>>1)) & uint32(len(t.slots)-1)
}

func (t *streamTable) grow(sh *Shared) {
	old := t.slots
	t.slots = sh.takeSlots(len(old))
	for _, st := range old {
		if st != nil {
			t.place(st)
		}
	}
	sh.giveSlots(old)
}

// remove removes st, and moves the streams behind it closer to their homes.
func (t *streamTable) remove(st *stream, sh *Shared) {
	mask := uint32(len(t.slots) - 1)
	gap := uint32(st.id>>1) & mask
	for t.slots[gap] != st {
		gap = (gap + 1) & mask
	}
	for next := (gap + 1) & mask; t.slots[next] != nil && t.distance(next) > 0; next = (next + 1) & mask {
		t.slots[gap] = t.slots[next]
		gap = next
	}
	t.slots[gap] = nil
	t.count--
	if t.count == 0 && len(t.slots) > len(t.first) {
		sh.giveSlots(t.slots)
		t.slots = t.first[:]
	}
}

// all yields every stream. The table must not change meanwhile.
func (t *streamTable) all(yield func(*stream) bool) {
	for _, st := range t.slots {
		if st != nil && !yield(st) {
			return
		}
	}
}
