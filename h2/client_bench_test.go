package h2

import (
	"runtime"
	"testing"
	"unsafe"
)

// askInput is a client whose server answers equal requests with equal responses.
type askInput struct {
	c    *Client
	sh   *Shared
	ev   Event
	ask  ClientRequest
	in   []byte
	out  []byte
	next StreamID
}

func newAsk(t testing.TB) *askInput {
	s := serverOf(t, Config{})
	x := &askInput{c: s.c, sh: s.sh, ask: ClientRequest{Method: "GET", Scheme: "http", Authority: "users.internal", Path: "/users/7?x=1",
		Fields: []Field{{"user-agent", "bench"}, {"accept", "application/json"}, {"via", "2 gateway"}, {"x-forwarded-for", "10.0.0.1"},
			{"x-forwarded-proto", "https"}, {"accept-encoding", "gzip, br"}}}}
	head := []string{":status", "200", "content-type", "application/json", "content-length", "13", "server", "x"}
	for id := StreamID(3); id < 9; id += 2 {
		s.requests(&x.ask)
		s.pull()
		s.writes(s.headers(id, 0, head...), dataFrame(id, flagEndStream, "Hello, world!"))
	}
	x.next = 9
	x.in = []byte(s.headers(9, 0, head...))
	x.in = append(x.in, dataFrame(9, flagEndStream, "Hello, world!")...)
	return x
}

// round sends n requests in one turn, and receives their responses in the next.
func (x *askInput) round(t testing.TB, n int) {
	x.sh.Tick(x.sh.base)
	for range n {
		if _, err := x.c.Request(&x.ask); err != nil {
			t.Fatal(err)
		}
	}
	if x.out = x.c.Transmit(x.out[:0], 1<<20); len(x.out) < n*15 {
		t.Fatal("a request is missing")
	}
	for range n {
		in := x.in
		putStream(in, x.next)
		putStream(in[len(in)-frameHeaderLen-13:], x.next)
		x.next += 2
		for _, want := range []Kind{Final, Data} {
			used, err := x.c.Next(in, &x.ev)
			if err != nil || x.ev.Kind != want {
				t.Fatal(err, x.ev.Kind)
			}
			in = in[used:]
		}
		x.c.Consumed(x.ev.Stream, len(x.ev.Data))
	}
	if x.c.Streams() != 0 {
		t.Fatal("a request is open")
	}
}

func putStream(b []byte, id StreamID) {
	b[5], b[6], b[7], b[8] = byte(id>>24), byte(id>>16), byte(id>>8), byte(id)
}

func BenchmarkAsk(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(map[int]string{1: "one a turn", 100: "hundred a turn"}[n], func(b *testing.B) {
			x := newAsk(b)
			b.ReportAllocs()
			for i := 0; i < b.N; i += n {
				x.round(b, n)
			}
			b.ReportMetric(float64(len(x.out))/float64(n), "bytes/request")
		})
	}
}

// TestIdleClient measures the memory of a client after one exchange.
func TestIdleClient(t *testing.T) {
	const n = 2000
	s := newServer(t, Config{})
	input := []byte(settingsFrame() + frame(frameSettings, flagAck, 0, "") + s.headers(1, flagEndStream, ":status", "200", "server", "x", "content-length", "0"))
	ask := s.get()
	ask.Fields = []Field{{"user-agent", "gateway"}, {"via", "2 gateway"}}
	var ev Event
	var out []byte
	exchange := func(c *Client) {
		c.Init(s.sh, 0)
		if _, err := c.Request(ask); err != nil {
			t.Fatal(err)
		}
		out = c.Transmit(out[:0], 1<<20)
		for in := input; len(in) > 0 || c.Noticed(); {
			used, err := c.Next(in, &ev)
			if err != nil {
				t.Fatal(err)
			}
			in = in[used:]
		}
		out = c.Transmit(out[:0], 1<<20)
	}
	exchange(new(Client))
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	clients := make([]*Client, n)
	before := heap()
	for i := range clients {
		clients[i] = new(Client)
		exchange(clients[i])
	}
	each := (heap() - before) / n
	t.Logf("%d bytes an idle client, of which Client is %d", each, unsafe.Sizeof(Client{}))
	if each > 1400 {
		t.Errorf("%d bytes an idle client", each)
	}
	runtime.KeepAlive(clients)
}

// The server role does not pay for the client's.
func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		name      string
		size, max uintptr
	}{
		{"Conn", unsafe.Sizeof(Conn{}), 416},
		{"stream", unsafe.Sizeof(stream{}), 160},
		{"Client", unsafe.Sizeof(Client{}), 440},
	} {
		if tt.size > tt.max {
			t.Errorf("%s has %d bytes, at most %d", tt.name, tt.size, tt.max)
		}
	}
}

// BenchmarkEqualResponses receives heads whose fields are literals that servers do not index, as most do not.
func BenchmarkEqualResponses(b *testing.B) {
	s := serverOf(b, Config{})
	ask := s.get()
	in := []byte(frame(frameHeaders, flagEndHeaders|flagEndStream, 1, "\x88"+literal(0, "content-type", "text/plain")+
		literal(0, "content-length", "0")+literal(0, "date", "Sun, 29 Nov 2026 12:00:00 GMT")))
	var ev Event
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		putStream(in, s.requests(ask))
		out = s.c.Transmit(out[:0], 1<<20)
		if _, err := s.c.Next(in, &ev); err != nil || ev.Kind != Final {
			b.Fatal(err, ev.Kind)
		}
	}
}
