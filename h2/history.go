package h2

// history records the last 64 identifiers that a peer could have used: whether it opened the stream,
// and whether we reset it, in which case frames may still be in flight.
type history struct {
	last          StreamID // the highest one used
	opened, reset uint64   // bit i: identifier last-2i
}

func (h *history) open(id StreamID) {
	shift := uint32(id-h.last) >> 1
	if h.last == 0 {
		shift = 64
	}
	h.opened = h.opened<<shift | 1
	h.reset <<= shift
	h.last = id
}

func (h *history) markReset(id StreamID) {
	h.reset |= 1 << (uint32(h.last-id) >> 1)
}

// recall reports whether an identifier up to last is recorded, was opened, and was reset by us.
func (h *history) recall(id StreamID) (known, opened, reset bool) {
	age := uint32(h.last-id) >> 1
	if age >= 64 {
		return false, false, false
	}
	return true, h.opened>>age&1 != 0, h.reset>>age&1 != 0
}
