package websocket

import (
	"sync"
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app"
)

// SlowPolicy says what happens to a member of a Room that reads too slowly.
type SlowPolicy uint8

const (
	// DropMessage leaves the message out for that member.
	DropMessage SlowPolicy = iota
	// CloseSocket closes the member with ClosePolicyViolation, "too slow".
	CloseSocket
)

// RoomOptions are the limits of a Room. The zero value is usable.
type RoomOptions struct {
	// Slow is what happens to a member that reads too slowly.
	Slow SlowPolicy
	// QueueBytes is how much may wait for a member before it is too slow, so that
	// it costs no more memory than this and one message; 0 is 256 KiB. The bytes
	// of messages from 1 KiB on are shared by all members.
	QueueBytes int
	// Backlog is how many messages a loop may be behind, because it is stalled or
	// overloaded; 0 is 1024. The members on it miss what comes beyond.
	Backlog int
}

const (
	defaultRoomQueue   = 256 << 10
	defaultRoomBacklog = 1024
)

// Room sends messages to many sockets. A message is encoded and compressed once,
// and one task a loop hands it to the members there. Members get all messages in
// the same order. Methods are for any goroutine, unless they say otherwise.
type Room struct {
	options RoomOptions
	dropped atomic.Uint64
	closed  atomic.Uint64

	mu    sync.Mutex
	loops map[app.Loop]*roomLoop
}

// NewRoom makes an empty room.
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

// Join makes s a member until it is closed. Joining twice is joining once. On
// s's loop.
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

// Leave ends s's membership, if it is a member. On s's loop.
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

// Len is the number of members.
func (r *Room) Len() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, part := range r.loops {
		n += int(part.size.Load())
	}
	return n
}

// Losses is how many messages were left out, counted for each member that did
// not get one, and how many members were closed.
func (r *Room) Losses() (dropped, closed uint64) { return r.dropped.Load(), r.closed.Load() }

// Broadcast sends a message to all members. It does not wait for them. data must
// not change any more. ErrText.
func (r *Room) Broadcast(kind Kind, data []byte) error {
	p, err := Prepare(kind, data)
	if err == nil {
		r.BroadcastPrepared(p)
	}
	return err
}

// BroadcastPrepared is Broadcast of a message that goes to several rooms, or again
// and again.
func (r *Room) BroadcastPrepared(p *Prepared) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, part := range r.loops {
		part.add(p)
	}
}

// add queues a message for the members of a loop. The lock is held.
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

// deliver hands the messages of the backlog to all members, as far as the turn's
// budget goes, and posts itself for the rest. A task of the loop.
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

// serve goes on with the members, and reports whether all have been served.
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

// deliver gives a message to one member, and tells whether it may get another.
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
