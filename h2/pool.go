package h2

// Free storage that connections of a loop share. Each pool keeps as much as a busy turn needs; the garbage
// collector gets the rest.
const (
	idleStreams   = 4096     // 0.7 MB: forty connections of a hundred open streams
	idleSlots     = 64       // tables of each size
	idleBuffers   = 2 << 20  // bytes of all buffers
	idleBuffer    = 64 << 10 // bytes of the largest one
	idleSchedules = 64
	idleBlocks    = 4
	idleNotices   = 64
)

// slotClasses is the number of sizes of stream tables that are kept: 64, 256 and 1024 slots. Larger
// tables grow by a factor of four.
const (
	slotClasses = 3
	firstSlots  = 64
)

func (sh *Shared) takeStream() *stream {
	st := sh.streams
	if st == nil {
		return new(stream)
	}
	sh.streams, st.next = st.next, nil
	sh.idle--
	return st
}

func (sh *Shared) giveStream(st *stream) {
	*st = stream{}
	if sh.idle < idleStreams {
		st.next = sh.streams
		sh.streams = st
		sh.idle++
	}
}

// slotClass returns the index of the pool for tables with n slots.
func slotClass(n int) int {
	class := 0
	for size := firstSlots; size < n; size *= 4 {
		class++
	}
	return class
}

// takeSlots returns an empty table of the size that follows n slots.
func (sh *Shared) takeSlots(n int) []*stream {
	n = max(firstSlots, 4*n)
	if class := slotClass(n); class < slotClasses {
		if pool := sh.slots[class]; len(pool) > 0 {
			sh.slots[class] = pool[:len(pool)-1]
			return pool[len(pool)-1]
		}
	}
	return make([]*stream, n)
}

func (sh *Shared) giveSlots(slots []*stream) {
	clear(slots)
	if len(slots) < firstSlots {
		return
	}
	if class := slotClass(len(slots)); class < slotClasses && len(sh.slots[class]) < idleSlots {
		sh.slots[class] = append(sh.slots[class], slots)
	}
}

func take[T any](pool *[]T) (v T, ok bool) {
	n := len(*pool) - 1
	if n < 0 {
		return v, false
	}
	var zero T
	v, (*pool)[n] = (*pool)[n], zero
	*pool = (*pool)[:n]
	return v, true
}

func give[T any](pool *[]T, v T, keep int) {
	if len(*pool) < keep {
		*pool = append(*pool, v)
	}
}

func (sh *Shared) takeBuffer() []byte {
	if b, ok := take(&sh.buffers); ok {
		sh.buffered -= cap(b)
		return b
	}
	return make([]byte, 0, 4<<10)
}

func (sh *Shared) giveBuffer(b []byte) {
	if cap(b) <= idleBuffer && sh.buffered+cap(b) <= idleBuffers {
		sh.buffered += cap(b)
		sh.buffers = append(sh.buffers, b[:0])
	}
}

func (sh *Shared) takeSchedule() *schedule {
	if s, ok := take(&sh.schedules); ok {
		return s
	}
	return new(schedule)
}

// giveSchedule takes back s, which must be empty.
func (sh *Shared) giveSchedule(s *schedule) {
	give(&sh.schedules, s, idleSchedules)
}

func (sh *Shared) takeBlock() *block {
	if b, ok := take(&sh.blocks); ok {
		return b
	}
	return new(block)
}

func (sh *Shared) giveBlock(b *block) {
	fragments := b.fragments[:0]
	if cap(fragments) > idleBuffer {
		fragments = nil
	}
	*b = block{fragments: fragments}
	give(&sh.blocks, b, idleBlocks)
}

func (sh *Shared) takeNotices() *notices {
	if n, ok := take(&sh.notices); ok {
		return n
	}
	return &notices{make([]notice, 0, 8)}
}

func (sh *Shared) giveNotices(n *notices) {
	clear(n.list[:cap(n.list)])
	n.list = n.list[:0]
	give(&sh.notices, n, idleNotices)
}

// Trim leaves the free storage to the garbage collector. Not while an Event is in use.
func (sh *Shared) Trim() {
	sh.streams, sh.idle = nil, 0
	sh.slots = [slotClasses][][]*stream{}
	sh.buffers, sh.buffered = nil, 0
	sh.schedules, sh.blocks, sh.notices = nil, nil, nil
}
