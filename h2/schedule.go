package h2

// Who sends next, by RFC 9218 section 10.
//
// A stream whose response has content that may go waits in its urgency's queue: one for streams
// that take turns frame by frame (incremental, or without any priority signal), one for those
// that are served to their end in the order in which they became ready. The two queues of an
// urgency alternate. A lower urgency waits until all higher ones have nothing to send, except
// that one frame in yieldEvery goes to one of the lower ones, which take turns among themselves:
// together they have at least a sixteenth of the connection, so that nothing starves.

const (
	urgencies      = 8
	defaultUrgency = 3 // RFC 9218 section 4.1
	yieldEvery     = 16
)

// schedule is the queues. A connection holds one only while a stream waits in it.
type schedule struct {
	turns   [urgencies]streamList // frame by frame
	ordered [urgencies]streamList // one after another
	waiting int
	levels  uint8 // bit u: urgency u has a stream
	flip    uint8 // bit u: the ordered queue of urgency u is next
	frames  uint8 // since a lower urgency had its share
	lower   uint8 // the lower urgency that had it last
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

// rotate puts a stream that has sent a frame behind the others who take turns.
func (s *schedule) rotate(st *stream) {
	if st.incremental && st.next != nil {
		l := st.list
		l.remove(st)
		l.push(st)
	}
}

// pick gives the stream whose frame is next. There must be one.
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

// level chooses the urgency.
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

// schedule lets st wait for its turn, if it has anything to send and does not wait already.
func (c *Conn) schedule(st *stream) {
	if st.list != nil || !st.readyToSend() {
		return
	}
	if c.queue == nil {
		c.queue = c.sh.takeSchedule()
	}
	c.queue.push(st)
}

// unschedule takes st out of whichever list it is in.
func (c *Conn) unschedule(st *stream) {
	switch {
	case st.list == nil:
	case !c.waits(st):
		st.list.remove(st)
	default:
		c.queue.remove(st)
		if c.queue.waiting == 0 {
			c.sh.giveSchedule(c.queue)
			c.queue, c.stalledAt = nil, 0
		}
	}
}

// prioritize changes what governs st's turn.
func (c *Conn) prioritize(st *stream, p priority) {
	waits := c.waits(st)
	if waits {
		c.queue.remove(st)
	}
	st.urgency, st.incremental = p.urgency, p.incremental
	if waits {
		c.queue.push(st)
	}
}
