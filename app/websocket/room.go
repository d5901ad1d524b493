package websocket

import (
	"sync"
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app"
)

// SlowPolicy is what happens to a member of a Room that reads too slowly.
type SlowPolicy uint8

const (
	// DropMessage drops the message for that member.
	DropMessage SlowPolicy = iota
	// CloseSocket closes the member with ClosePolicyViolation, "too slow".
	CloseSocket
)

// RoomOptions are the limits of a Room. The zero value is usable.
type RoomOptions struct {
	// Slow is what happens to members that read too slowly.
	Slow SlowPolicy
	// QueueBytes is the number of bytes that may wait for a member before it is too
	// slow; 0 means 256 KiB. A member holds at most this and one message. Members share
	// the bytes of larger messages.
	QueueBytes int
	// Backlog is the number of messages that may wait for a loop that is stalled or
	// overloaded; 0 means 1024. Its members miss the messages beyond.
	Backlog int
}

const (
	defaultRoomQueue   = 256 << 10
	defaultRoomBacklog = 1024
)

// Room sends messages to many sockets. A message is encoded and compressed once; one task
// on each loop queues it for the members there, in several turns if they are many. All
// members get the messages in the same order. Any goroutine may call the methods, unless
// they say otherwise.
type Room struct {
	options RoomOptions
	dropped atomic.Uint64
	closed  atomic.Uint64

	mu    sync.Mutex
	loops map[app.Loop]*roomLoop
}

// NewRoom returns an empty room.
func NewRoom(options RoomOptions) *Room {
	if options.QueueBytes <= 0 {
		options.QueueBytes = defaultRoomQueue
	}
	if options.Backlog <= 0 {
		options.Backlog = defaultRoomBacklog
	}
	return &Room{options: options, loops: map[app.Loop]*roomLoop{}}
}

// roomLoop is the part of a room that belongs to one loop.
type roomLoop struct {
	room *Room
	home app.Loop
	size atomic.Int64 // len(members), for other goroutines
	// What is the loop's. Members before served have all messages of batch; the
	// others have them still to come.
	members []*membership
	served  int
	batch   []*Prepared

	// The room's lock guards the rest.
	backlog []*Prepared
	posted  bool // deliver is running, or posted
}

// membership is one socket's place in one room.
type membership struct {
	part   *roomLoop
	socket *Socket
	index  int
	next   *membership // of the same socket
}

// Join makes s a member until it ends. It has no effect on a member. On s's loop.
func (r *Room) Join(s *Socket) {
	touch(s.wire.Home(), func() {
		if s.ended || s.membership(r) != nil {
			return
		}
		part := r.part(s.wire.Home())
		m := &membership{part: part, socket: s, index: len(part.members), next: s.rooms}
		part.members = append(part.members, m)
		s.rooms = m
		part.size.Add(1)
	})
}

// Leave ends the membership of s, if it is a member. On s's loop.
func (r *Room) Leave(s *Socket) {
	touch(s.wire.Home(), func() {
		for at := &s.rooms; *at != nil; at = &(*at).next {
			if m := *at; m.part.room == r {
				*at = m.next
				m.leave()
				return
			}
		}
	})
}

func (s *Socket) membership(r *Room) *membership {
	for m := s.rooms; m != nil; m = m.next {
		if m.part.room == r {
			return m
		}
	}
	return nil
}

func (s *Socket) leaveRooms() {
	if s.rooms == nil {
		return
	}
	touch(s.wire.Home(), func() {
		for m := s.rooms; m != nil; m = m.next {
			m.leave()
		}
		s.rooms = nil
	})
}

func (m *membership) leave() {
	part := m.part
	hole := m.index
	if hole < part.served {
		part.served--
		part.put(hole, part.members[part.served])
		hole = part.served
	}
	last := len(part.members) - 1
	part.put(hole, part.members[last])
	part.members[last] = nil
	part.members = part.members[:last]
	part.size.Add(-1)
}

func (part *roomLoop) put(index int, m *membership) { part.members[index], m.index = m, index }

func (r *Room) part(home app.Loop) *roomLoop {
	r.mu.Lock()
	defer r.mu.Unlock()
	part := r.loops[home]
	if part == nil {
		part = &roomLoop{room: r, home: home}
		r.loops[home] = part
	}
	return part
}

// Len returns the number of members.
func (r *Room) Len() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, part := range r.loops {
		n += int(part.size.Load())
	}
	return n
}

// Losses returns the number of dropped messages, each counted for every member that did
// not get it, and the number of members that were closed.
func (r *Room) Losses() (dropped, closed uint64) { return r.dropped.Load(), r.closed.Load() }

// Broadcast sends a message to all members and does not wait for them. data must not
// change any more. It fails with ErrText for a text that is not UTF-8.
func (r *Room) Broadcast(kind Kind, data []byte) error {
	p, err := Prepare(kind, data)
	if err == nil {
		r.BroadcastPrepared(p)
	}
	return err
}

// BroadcastPrepared is Broadcast for a message that is sent to several rooms or several
// times.
func (r *Room) BroadcastPrepared(p *Prepared) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, part := range r.loops {
		part.add(p)
	}
}

// add queues a message for the members on a loop. The room's lock is held.
func (part *roomLoop) add(p *Prepared) {
	if len(part.backlog) >= part.room.options.Backlog {
		part.room.dropped.Add(uint64(part.size.Load()))
		return
	}
	part.backlog = append(part.backlog, p)
	if !part.posted {
		part.posted = true
		part.home.Post(part.deliver)
	}
}

// deliver sends the messages of the backlog to the members on the loop. When the turn's
// budget is spent it posts itself for the rest. A task of the loop.
func (part *roomLoop) deliver() {
	touch(part.home, func() {
		if len(part.batch) == 0 {
			part.nextBatch()
		}
		if part.serve() {
			clear(part.batch)
			part.batch, part.served = part.batch[:0], 0
		}
		if part.goesOn() {
			part.home.Post(part.deliver)
		}
	})
}

// nextBatch makes the backlog the batch, and the empty batch the backlog.
func (part *roomLoop) nextBatch() {
	part.room.mu.Lock()
	defer part.room.mu.Unlock()
	part.batch, part.backlog = part.backlog, part.batch
}

// goesOn reports whether there is more to deliver.
func (part *roomLoop) goesOn() bool {
	part.room.mu.Lock()
	defer part.room.mu.Unlock()
	part.posted = len(part.batch) > 0 || len(part.backlog) > 0
	return part.posted
}

// serve sends the batch to members that have not got it, and reports whether all have.
func (part *roomLoop) serve() bool {
	b, _ := part.home.(budget)
	for part.served < len(part.members) {
		m := part.members[part.served]
		part.served++
		for _, p := range part.batch {
			if !m.deliver(p) {
				break
			}
		}
		if b == nil {
			continue
		}
		if b.Charge(len(part.batch)); b.Spent() {
			return part.served == len(part.members)
		}
	}
	return true
}

// deliver sends a message to the member, and reports whether another may follow.
func (m *membership) deliver(p *Prepared) bool {
	s, r := m.socket, m.part.room
	var err error
	if s.isStreaming() {
		f := s.postpone(deferred{prepared: p}, r.options.QueueBytes)
		if f.Ready() {
			_, err = f.Result()
		}
	} else {
		_, err = s.wire.SendPrepared(p, r.options.QueueBytes)
	}
	if err != app.ErrQueueFull {
		return err == nil
	}
	if r.options.Slow == CloseSocket {
		if s.Close(ClosePolicyViolation, "too slow") == nil {
			r.closed.Add(1)
		}
		return false
	}
	r.dropped.Add(1)
	return true
}
