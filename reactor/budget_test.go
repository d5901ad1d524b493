//go:build linux

package reactor

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/reactor/internal/engine/enginetest"
)

// laborious is a session to which each byte of input is a piece of work.
type laborious struct {
	conn  *Conn
	units int // of each byte
	seen  []byte
	eof   int // bytes seen when the FIN was told; -1: it was not
}

func (s *laborious) Receive(in []byte) int {
	for i, b := range in {
		s.seen = append(s.seen, b)
		if s.conn.Loop().Charge(s.units); s.conn.Loop().Spent() {
			s.conn.Yield()
			return i + 1
		}
	}
	return len(in)
}

func (s *laborious) Transmit(dst []byte, _ int) []byte { return dst }
func (s *laborious) EOF() bool                         { s.eof = len(s.seen); return true }
func (s *laborious) Timeout()                          { s.eof = -2 }
func (s *laborious) Closed(error)                      {}

// driven is a Loop whose turns the test takes.
type driven struct {
	*Loop
	t *testing.T
	e *loopEngine
}

func newDriven(t *testing.T) *driven {
	l := bare(t)
	return &driven{l, t, unturned(l)}
}

// open makes a connection with a laborious session. Nobody reads its output.
func (d *driven) open(units int) (*laborious, *Conn) {
	d.t.Helper()
	ours, _ := socketPair(d.t)
	c := d.newConn(enginetest.NewSocket(ours), ours, nil)
	s := &laborious{conn: c, units: units, eof: -1}
	c.session = s
	d.t.Cleanup(func() {
		if !c.Closed() {
			_ = unix.Close(int(c.fd))
		}
	})
	return s, c
}

func (d *driven) receive(c *Conn, in []byte) { d.e.Input(c, in) }

// wakes takes wake turns as long as there is a reason.
func (d *driven) wakes() (turns int) {
	d.t.Helper()
	for d.woken.Load() {
		if turns++; turns > 100000 {
			d.t.Fatal("the loop never rests")
		}
		d.wakeTurn()
	}
	return turns
}

// A connection that has yielded is read no further once it holds keptWhileYielded bytes, however long it waits for its
// turn.
func TestYieldedConnectionIsPausedAtOnce(t *testing.T) {
	d := newDriven(t)
	busy, socket := d.open(turnUnits)
	d.receive(socket, []byte("0123456789"))
	if busy.conn.input != inputNextTurn || busy.conn.polling != pollReading {
		t.Fatalf("input %v, polling %v", busy.conn.input, busy.conn.polling)
	}
	d.receive(socket, make([]byte, keptWhileYielded))
	if busy.conn.polling != pollPaused {
		t.Errorf("still read, with %d bytes kept", len(busy.conn.kept))
	}
}

// A connection whose input is much work gets a part of it done in each turn, and between two turns
// others are served. It sees every byte once, in order, and its FIN behind them.
func TestInputBeyondTheBudgetWaitsForAnotherTurn(t *testing.T) {
	d := newDriven(t)
	busy, busySocket := d.open(turnUnits / 16)
	light, lightSocket := d.open(1)
	in := bytes.Repeat([]byte("0123456789"), 50)
	d.receive(busySocket, in)
	if n := len(busy.seen); n == 0 || n > 16 {
		t.Fatalf("%d bytes in the first turn", n)
	}
	d.receive(busySocket, []byte("more"))
	if n := len(busy.seen); n > 16 {
		t.Fatalf("%d bytes though it had yielded", n)
	}
	d.receive(lightSocket, []byte("light"))
	if string(light.seen) != "light" {
		t.Errorf("the other one has seen %q", light.seen)
	}
	busy.conn.peerFinished()
	if busy.eof >= 0 {
		t.Errorf("told of the FIN after %d bytes", busy.eof)
	}
	if turns := d.wakes(); turns < 500/16 {
		t.Errorf("%d turns for the rest", turns)
	}
	want := append(in, "more"...)
	if !bytes.Equal(busy.seen, want) {
		t.Errorf("has seen %q", busy.seen)
	}
	if busy.eof != len(want) {
		t.Errorf("told of the FIN after %d bytes of %d", busy.eof, len(want))
	}
}

// While somebody waits to go on, a read has less to spend, so that many who have much to do leave room.
func TestShortBudgetWhileOthersWait(t *testing.T) {
	d := newDriven(t)
	first, firstSocket := d.open(1)
	second, secondSocket := d.open(1)
	d.receive(firstSocket, make([]byte, 2*turnUnits))
	d.receive(secondSocket, make([]byte, 2*turnUnits))
	if a, b := len(first.seen), len(second.seen); a > turnUnits || b > shortUnits {
		t.Errorf("%d and %d bytes at once", a, b)
	}
	d.wakes()
	if a, b := len(first.seen), len(second.seen); a != 2*turnUnits || b != 2*turnUnits {
		t.Errorf("%d and %d bytes in the end", a, b)
	}
}

// A deadline does not pass for input that its loop has put off.
func TestYieldedInputIsNotLate(t *testing.T) {
	d := newDriven(t)
	s, g := d.open(turnUnits)
	d.receive(g, []byte("abc"))
	s.conn.SetDeadlineAt(1)
	d.begin()
	d.expire()
	d.end()
	if s.eof == -2 {
		t.Error("timed out")
	}
	d.wakes()
	if string(s.seen) != "abc" {
		t.Errorf("has seen %q", s.seen)
	}
}

// A fan-out, a burst of timers and a burst of tasks are spread over turns, in order.
func TestWorkBeyondTheBudgetIsSpread(t *testing.T) {
	const n = 10 * turnUnits
	for name, begin := range map[string]func(d *driven, done func(i int)){
		"tasks": func(d *driven, done func(i int)) {
			for i := range n {
				d.Post(func() { done(i) })
			}
		},
		"timers": func(d *driven, done func(i int)) {
			for i := range n {
				d.AfterFunc(time.Duration(i-2*n), func() { done(i) }) // their times have passed
			}
			d.Post(d.expire)
		},
		"connections": func(d *driven, done func(i int)) {
			for i := range n / 64 {
				s, _ := d.open(1)
				s.conn.session = &outputs{done: func() {
					for j := range 64 {
						done(64*i + j)
					}
				}}
				s.conn.Touch()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDriven(t)
			d.reactor.born = d.reactor.born.Add(-time.Hour)
			var order []int
			d.begin()
			begin(d, func(i int) { order = append(order, i) })
			d.end()
			most, before := len(order), len(order)
			for d.woken.Load() {
				d.wakeTurn()
				most, before = max(most, len(order)-before), len(order)
			}
			if len(order) != n || !slices.IsSorted(order) {
				t.Fatalf("%d of %d done, in order: %v", len(order), n, slices.IsSorted(order))
			}
			if most > n/2 {
				t.Errorf("%d of %d in one turn", most, n)
			}
		})
	}
}

// outputs is a session that is asked for output once.
type outputs struct {
	laborious
	done func()
}

func (s *outputs) Transmit(dst []byte, _ int) []byte {
	s.done()
	return append(dst, make([]byte, 64*outputPerUnit)...)
}

// Work of a turn may leave more tasks than a short budget runs, such as a connection whose many requests end. Turns
// with input still run as many tasks as they leave. By the clock of the test, a unit of work takes a microsecond.
func TestTasksAreRunAsFastAsTheyAreLeft(t *testing.T) {
	d := newDriven(t)
	var age time.Duration
	d.clock.source = func() time.Duration {
		age += lookUnits * time.Microsecond // the time is read every lookUnits
		return age
	}
	_, c := d.open(2 * turnUnits)
	for range 100 {
		for range 2 * shortUnits {
			d.Post(func() {})
		}
		d.receive(c, []byte("x"))
		if n := int(d.inbox.waiting.Load()) + len(d.inbox.batch) - d.inbox.next; n > 4*longInbox {
			t.Fatalf("%d tasks wait", n)
		}
	}
}

// Time counts too: handlers that take long leave the turn to others before its units are used up.
func TestTimeSpendsTheBudget(t *testing.T) {
	d := newDriven(t)
	d.begin()
	calls := 0
	for ; !d.Spent(); calls++ {
		time.Sleep(turnTime / 16)
		d.Charge(2)
	}
	d.end()
	if calls > 4*lookUnits {
		t.Errorf("%d calls of %v", calls, turnTime/16)
	}
}

// A visit of all connections is spread over turns, and nobody is left out.
func TestEachConnIsSpread(t *testing.T) {
	d := newDriven(t)
	for range turnUnits {
		s, _ := d.open(1)
		s.conn.session = s
	}
	visited := map[*Conn]int{}
	d.begin()
	d.reactor.EachConn(func(c *Conn) { visited[c]++ })
	d.end()
	if len(visited) == turnUnits {
		t.Error("all at once")
	}
	d.wakes()
	for c, n := range visited {
		if n != 1 {
			t.Errorf("connection %d was visited %d times", c.id, n)
		}
	}
	if len(visited) != turnUnits {
		t.Errorf("%d of %d were visited", len(visited), turnUnits)
	}
}
