package h2

// The order in which streams send content (RFC 9218 section 10).
//
// Each urgency has two queues. Streams in the first take turns frame by frame: those that are
// incremental, or have no priority signal. Streams in the second are served one after another. The two
// queues alternate. A lower urgency waits until the higher ones have nothing to send, except for one
// frame in yieldEvery, for which the lower ones take turns: together they get at least a sixteenth of
// the connection, so that none starves.

const (
	urgencies      = 8
	defaultUrgency = 3 // RFC 9218 section 4.1
	yieldEvery     = 16
)

// schedule has the queues of a connection, which holds one only while streams wait.
type schedule struct {
	turns   [urgencies]streamList // frame by frame
	ordered [urgencies]streamList // one after another
	waiting int
	levels  uint8 // bit u: urgency u has a stream
	flip    uint8 // bit u: the ordered queue of urgency u is next
	frames  uint8 // since the last frame of a lower urgency
	lower   uint8 // the lower urgency that sent it
}

func (s *schedule) queue(st *stream) *streamList {
	if st.incremental {
		return &s.turns[st.urgency]
	}
	return &s.ordered[st.urgency]
}

func (s *schedule) push(st *stream) {
	s.queue(st).push(st)
	s.levels |= 1 << st.urgency
	s.waiting++
}

func (s *schedule) remove(st *stream) {
	st.list.remove(st)
	s.waiting--
	if u := st.urgency; s.turns[u].head == nil && s.ordered[u].head == nil {
		s.levels &^= 1 << u
	}
}

// rotate moves a stream that has sent a frame behind those with which it takes turns.
func (s *schedule) rotate(st *stream) {
	if st.incremental && st.next != nil {
		l := st.list
		l.remove(st)
		l.push(st)
	}
}

// pick returns the stream that sends the next frame. There must be one.
func (s *schedule) pick() *stream {
	u := s.level()
	first, second := s.turns[u].head, s.ordered[u].head
	if first == nil || second != nil && s.flip>>u&1 != 0 {
		first, second = second, first
	}
	if second != nil {
		s.flip ^= 1 << u
	}
	return first
}

// level returns the urgency of the next frame.
func (s *schedule) level() uint8 {
	var top uint8
	for s.levels>>top&1 == 0 {
		top++
	}
	below := s.levels &^ (1 << top)
	if below == 0 {
		return top
	}
	if s.frames++; s.frames < yieldEvery {
		return top
	}
	s.frames = 0
	for {
		s.lower = (s.lower + 1) % urgencies
		if below>>s.lower&1 != 0 {
			return s.lower
		}
	}
}

// schedule queues st, if it has content to send and is in no queue.
func (c *machine) schedule(st *stream) {
	if st.list != nil || !st.readyToSend() {
		return
	}
	if c.queue == nil {
		c.queue = c.sh.takeSchedule()
	}
	c.queue.push(st)
}

// unschedule removes st from the list that it is in, if any.
func (c *machine) unschedule(st *stream) {
	switch {
	case st.list == nil:
	case !c.waits(st):
		st.list.remove(st)
	default:
		c.queue.remove(st)
		if c.queue.waiting == 0 {
			c.sh.giveSchedule(c.queue)
			c.queue = nil
			c.unblockConnection()
		}
	}
}

// prioritize changes the priority of st.
func (c *machine) prioritize(st *stream, p priority) {
	waits := c.waits(st)
	if waits {
		c.queue.remove(st)
	}
	st.urgency, st.incremental = p.urgency, p.incremental
	if waits {
		c.queue.push(st)
	}
}
