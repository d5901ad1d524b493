//go:build linux

package reactor

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/reactor/internal/engine/enginetest"
)

// model is a Reactor with engines of the test's, and connections of which everything is known that they send.
//
// Whatever happens to them, each session sees every byte once and in order, its FIN once and behind the last byte, its
// tasks in the order of their posting, and Closed once; and each peer gets every byte of the answer.
type model struct {
	t       *testing.T
	r       *Reactor
	rng     *rand.Rand
	peers   []*modelPeer
	stalled chan *Loop
	release sync.WaitGroup // of stalled goroutines: at the end
	leave   chan struct{}
}

// modelPeer is the far end of a connection, and its session.
type modelPeer struct {
	fd       int
	handle   Handle
	written  int // bytes
	read     int
	finished bool // has sent a FIN
	gone     bool // has closed
	posted   int  // tasks
	session  *modelSession
}

// modelSession sends back what it receives. All fields are the loop's.
type modelSession struct {
	m      *model
	conn   *Conn
	number int
	rng    *rand.Rand

	seen, ran   int
	out         []byte
	eof, closed int
	blamed      bool // it panicked or stalled: what it has not seen is lost
}

// modelByte is the byte at a position of what a connection sends.
func modelByte(number, position int) byte { return byte(position*7 + number*31 + position>>8) }

func (s *modelSession) fail(format string, args ...any) {
	s.m.t.Errorf("connection %d: %s", s.number, fmt.Sprintf(format, args...))
}

func (s *modelSession) Receive(in []byte) int {
	if s.closed > 0 || s.eof > 0 {
		s.fail("%d bytes behind the end", len(in))
	}
	n := 1 + s.rng.IntN(len(in))
	for i, b := range in[:n] {
		if want := modelByte(s.number, s.seen+i); b != want {
			s.fail("byte %d is %d, want %d", s.seen+i, b, want)
			break
		}
	}
	s.seen += n
	s.out = append(s.out, in[:n]...)
	s.conn.Touch()
	if n < len(in) {
		s.waitToGoOn()
	}
	s.act()
	return n
}

// waitToGoOn sees that the input left is presented again. A session that only leaves input needs more of it.
func (s *modelSession) waitToGoOn() {
	h := s.conn.Handle()
	resume := func() { h.Post((*Conn).Resume) }
	switch s.rng.IntN(4) {
	case 0:
		s.conn.Yield()
		return
	case 1:
		s.conn.Loop().AfterFunc(time.Duration(s.rng.IntN(int(time.Millisecond))), resume)
	case 2:
		go resume()
	default:
		resume()
	}
	s.conn.Pause()
}

// act does something that a session may do.
func (s *modelSession) act() {
	l := s.conn.Loop()
	switch dice := s.rng.IntN(400); {
	case dice == 0:
		s.blamed = true
		panic("as the model wants")
	case dice == 1:
		s.blamed = true
		l.Lend(s.conn, nil)
		panic("in lent code")
	case dice == 2:
		select {
		case s.m.stalled <- l:
			s.blamed = true
			l.Lend(s.conn, nil)
			<-s.m.leave
			l.Reclaim()
			s.fail("came back from the dead")
		default: // another one stalls
		}
	case dice < 80:
		to := s.m.r.loops[s.rng.IntN(len(s.m.r.loops))]
		s.conn.MoveTo(to, func(err error) {
			if now := s.conn.Loop(); err == nil && now != to {
				s.fail("moved to loop %d, is on %d", to.index, now.index)
			}
		})
	case dice < 160:
		l.Lend(s.conn, nil)
		if !l.Enter(s.conn) {
			s.fail("cannot enter")
		}
		s.conn.Touch()
		l.Leave()
		l.Reclaim()
	case dice < 200:
		s.conn.SetDeadlineAt(l.Age() + time.Duration(s.rng.IntN(int(time.Millisecond))))
	}
}

func (s *modelSession) Transmit(dst []byte, room int) []byte {
	n := min(len(s.out), max(room, 1), 1+s.rng.IntN(100))
	dst = append(dst, s.out[:n]...)
	if s.out = s.out[n:]; len(s.out) > 0 {
		h := s.conn.Handle()
		h.Post((*Conn).Touch)
	}
	return dst
}

func (s *modelSession) EOF() (keep bool) {
	s.eof++
	return s.rng.IntN(2) == 0
}

func (s *modelSession) Timeout() {
	if s.closed > 0 {
		s.fail("timed out behind the end")
	}
}

func (s *modelSession) Closed(error) { s.closed++ }

func newModel(t *testing.T, seed uint64) *model {
	m := &model{t: t, rng: rand.New(rand.NewPCG(seed, 0)), stalled: make(chan *Loop, 1), leave: make(chan struct{})}
	opened := make(chan *modelSession, 1)
	number := 0
	m.r = faked(t, Config{Loops: 3, StallWarn: -1, StallTimeout: -1}, func(c *Conn) Session {
		s := &modelSession{m: m, conn: c, number: number, rng: rand.New(rand.NewPCG(seed, uint64(number+1)))}
		opened <- s
		return s
	})
	for ; number < 8; number++ {
		ours, theirs := socketPair(t)
		m.anyLoop().fake().Accept(ours, 0)
		s := await(t, opened)
		m.peers = append(m.peers, &modelPeer{fd: theirs, handle: s.conn.Handle(), session: s})
	}
	return m
}

func (m *model) anyLoop() *Loop { return m.r.loops[m.rng.IntN(len(m.r.loops))] }

// step has something happen.
func (m *model) step() {
	p := m.peers[m.rng.IntN(len(m.peers))]
	switch m.rng.IntN(24) {
	case 0:
		if !p.gone && !p.finished && m.rng.IntN(8) == 0 {
			p.finished = true
			_ = unix.Shutdown(p.fd, unix.SHUT_WR)
		}
	case 1:
		if !p.gone && m.rng.IntN(16) == 0 {
			p.gone = true
			_ = unix.Shutdown(p.fd, unix.SHUT_RDWR)
		}
	case 2:
		m.anyLoop().fake().Displace()
	case 3:
		if m.rng.IntN(8) == 0 {
			m.anyLoop().fake().Die()
		}
	case 4, 5, 6, 7:
		for range 1 + m.rng.IntN(4) {
			m.post(p)
		}
	case 8, 9, 10, 11, 12, 13:
		m.write(p)
	case 14, 15:
		m.read(p)
	default:
		m.poll(m.anyLoop(), 1+m.rng.IntN(200))
	}
	select {
	case l := <-m.stalled:
		m.kill(l)
	default:
	}
}

// poll has the engine of a Loop look at its sockets, in an order of the model's.
func (m *model) poll(l *Loop, limit int) {
	seed := m.rng.Uint64()
	l.fake().Poll(limit, rand.New(rand.NewPCG(seed, seed)).Shuffle)
}

// post checks that tasks run in the order of their posting.
func (m *model) post(p *modelPeer) {
	s, want := p.session, p.posted
	p.posted++
	p.handle.Post(func(c *Conn) {
		if s.ran != want {
			s.fail("task %d runs as number %d", want, s.ran)
		}
		s.ran = want + 1
		if c.Closed() || c.Session() != Session(s) {
			s.fail("task %d runs for another connection", want)
		}
	})
}

func (m *model) write(p *modelPeer) {
	if p.finished || p.gone {
		return
	}
	out := make([]byte, 1+m.rng.IntN(300))
	for i := range out {
		out[i] = modelByte(p.session.number, p.written+i)
	}
	if n, err := unix.SendmsgN(p.fd, out, nil, nil, unix.MSG_NOSIGNAL); err == nil {
		p.written += n
	}
}

// read checks what has come back.
func (m *model) read(p *modelPeer) {
	if p.gone {
		return
	}
	in := make([]byte, 1000)
	n, _ := unix.Read(p.fd, in)
	for _, b := range in[:max(n, 0)] {
		if want := modelByte(p.session.number, p.read); b != want {
			m.t.Fatalf("connection %d: byte %d of the answer is %d, want %d", p.session.number, p.read, b, want)
		}
		p.read++
	}
}

// kill does to a Loop in lent code what the watchdog does.
func (m *model) kill(l *Loop) {
	for {
		word := l.own.word.Load()
		if word&stateMask == stateLent && l.own.word.CompareAndSwap(word, word&^stateMask|stateFenced) {
			break
		}
		time.Sleep(time.Microsecond)
	}
	e := l.engine.Load()
	l.takeOver(e, true)
	e.Stop()
	m.release.Go(func() { <-e.Done() })
	l.restartEngine()
}

// settle lets everything that has begun come to its end.
func (m *model) settle() {
	m.t.Helper()
	eventually(m.t, "everything is seen and answered", func() bool {
		for _, l := range m.r.loops {
			m.poll(l, 4096)
			m.wait(l)
		}
		done := true
		for _, p := range m.peers {
			m.read(p)
			done = done && m.complete(p)
		}
		return done || m.t.Failed()
	})
}

// wait returns when the engine of a Loop has done what it was asked or is replaced. It kills Loops that stall meanwhile.
func (m *model) wait(l *Loop) {
	over := make(chan struct{})
	go func(e *enginetest.Engine) { e.Wait(); close(over) }(l.fake())
	for {
		select {
		case <-over:
			return
		case stalled := <-m.stalled:
			if m.kill(stalled); stalled == l {
				return
			}
		}
	}
}

// complete reports whether nothing is left to do for a connection.
func (m *model) complete(p *modelPeer) bool {
	answer := make(chan bool, 1)
	if p.handle.conn() == nil {
		return true
	}
	p.handle.Post(func(*Conn) {
		s := p.session
		answer <- p.gone || s.seen == p.written && (s.eof > 0) == p.finished && s.ran == p.posted && len(s.out) == 0 && p.read == p.written
	})
	for {
		select {
		case done := <-answer:
			return done
		case l := <-m.stalled:
			m.kill(l)
		case <-time.After(time.Millisecond):
			if p.handle.conn() == nil {
				return true
			}
		}
	}
}

// check is called when the Reactor has stopped.
func (m *model) check() {
	for _, p := range m.peers {
		s := p.session
		if s.closed != 1 {
			s.fail("Closed was called %d times", s.closed)
		}
		if s.seen > p.written || s.eof > 1 {
			s.fail("has seen %d bytes of %d, and %d FINs", s.seen, p.written, s.eof)
		}
		if s.blamed || p.gone {
			continue
		}
		rest, err := io.ReadAll(io.LimitReader(fdReader(p.fd), 1<<20))
		if s.seen != p.written || p.read+len(rest) != p.written || err != nil {
			s.fail("has seen %d bytes of %d, the peer %d: %v", s.seen, p.written, p.read+len(rest), err)
		}
	}
}

// fdReader reads from a descriptor until its end.
type fdReader int

func (fd fdReader) Read(b []byte) (int, error) {
	n, err := unix.Read(int(fd), b)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}

func TestModel(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := newModel(t, seed)
			for range 600 {
				if m.step(); t.Failed() {
					break
				}
			}
			m.settle()
			over, cancel := context.WithCancel(t.Context())
			cancel()
			_ = m.r.Stop(over)
			close(m.leave)
			m.release.Wait()
			m.check()
		})
	}
}
