package websocket

import (
	"slices"
	"testing"

	"github.com/gatewheel/gatewheel/app"
)

// shortTurns is a loop whose turns have a budget of three units.
type shortTurns struct {
	app.Loop
	tasks []func()
	left  int
}

func (l *shortTurns) Post(task func()) { l.tasks = append(l.tasks, task) }
func (l *shortTurns) Charge(units int) { l.left -= units }
func (l *shortTurns) Spent() bool      { return l.left <= 0 }

// turn runs the task that waits, of which there must be one at most.
func (l *shortTurns) turn(t *testing.T) {
	t.Helper()
	if len(l.tasks) != 1 {
		t.Fatalf("%d tasks", len(l.tasks))
	}
	task := l.tasks[0]
	l.tasks, l.left = nil, 3
	task()
}

// ear is the wire of a member: it writes down what it is sent.
type ear struct {
	wire
	loop  *shortTurns
	heard []string
}

func (e *ear) Home() app.Loop { return e.loop }
func (e *ear) SendPrepared(p *Prepared, _ int) (int, error) {
	e.heard = append(e.heard, string(p.Data()))
	return 0, nil
}

// A message for many members is delivered in several turns; who joins or leaves in
// between changes nothing for the others.
func TestRoomDeliversInSeveralTurns(t *testing.T) {
	loop := &shortTurns{}
	room := NewRoom(RoomOptions{})
	var members []*Socket
	join := func() *Socket {
		s := &Socket{wire: &ear{loop: loop}, endpoint: &Endpoint{}}
		room.Join(s)
		return s
	}
	for range 8 {
		members = append(members, join())
	}
	say := func(text string) {
		if err := room.Broadcast(Text, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	heard := func(s *Socket) []string { return s.wire.(*ear).heard }

	say("a")
	loop.turn(t)
	say("b")
	room.Leave(members[0]) // has been served
	room.Leave(members[6]) // has not
	late := join()
	loop.turn(t)
	room.Leave(members[4])
	for len(loop.tasks) > 0 {
		loop.turn(t)
	}
	for i, s := range members {
		want := []string{"a", "b"}
		switch i {
		case 0:
			want = want[:1]
		case 4:
			want = heard(s)[:1]
		case 6:
			want = nil
		}
		if !slices.Equal(heard(s), want) {
			t.Errorf("member %d has heard %q, want %q", i, heard(s), want)
		}
	}
	if !slices.Equal(heard(late), []string{"a", "b"}) {
		t.Errorf("the one who joined has heard %q", heard(late))
	}
	say("c")
	for len(loop.tasks) > 0 {
		loop.turn(t)
	}
	if got := heard(members[7]); !slices.Equal(got, []string{"a", "b", "c"}) || room.Len() != 6 {
		t.Errorf("heard %q, %d members", got, room.Len())
	}
}
