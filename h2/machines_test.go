package h2

import (
	"fmt"
	"io"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"time"
)

// pair connects a client machine to a server machine by two byte streams, and an application to each. It draws
// what they do, and compares what each side has received with what the other has sent.
type pair struct {
	t      *testing.T
	random *rand.Rand
	now    time.Time
	sh     *Shared // of both
	client Client
	server Conn
	up     []byte // bytes on their way to the server
	down   []byte
	pieces int // the most bytes that arrive at once; 0: no limit

	asked     map[StreamID]*pairRequest
	served    map[StreamID]*pairRequest
	completed int
}

// pairRequest is a request as one side sees it.
type pairRequest struct {
	method, path  string
	fields        string
	content       strings.Builder // sent by the client
	response      string          // head
	body          strings.Builder // received from the server
	trailers      string
	interims      int
	requestEnded  bool
	responseEnded bool
	reset         bool
	unread        int // bytes of Data that were not consumed

	// of the server's view
	got     strings.Builder
	answer  *pairSource
	upload  *pairSource
	gotTail string
}

// pairSource makes n bytes in pieces, and then trailers.
type pairSource struct {
	random *rand.Rand
	text   string
	tail   []Field
	paused bool
}

func (p *pairSource) Read(b []byte) (int, error) {
	if p.text == "" {
		return 0, io.EOF
	}
	if len(b) == 0 {
		return 0, nil
	}
	if p.random.IntN(4) == 0 {
		p.paused = true
		return 0, nil
	}
	n := min(len(b), len(p.text), 1+p.random.IntN(5000))
	copy(b, p.text[:n])
	p.text = p.text[n:]
	return n, nil
}

func (p *pairSource) Trailers() []Field { return p.tail }

func newPair(t *testing.T, seed uint64, pieces int) *pair {
	random := rand.New(rand.NewPCG(seed, 7))
	sizes := []uint32{50, 1000, 65535, 1 << 20}
	sh, err := NewShared(Config{
		MaxConcurrentStreams: []uint32{1, 5, 100}[random.IntN(3)],
		InitialWindowSize:    sizes[random.IntN(len(sizes))],
		MaxFrameSize:         []uint32{16384, 65536}[random.IntN(2)],
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, random: random, now: time.Unix(1_000_000_000, 0), sh: sh, pieces: pieces,
		asked: map[StreamID]*pairRequest{}, served: map[StreamID]*pairRequest{}}
	sh.Tick(p.now)
	p.client.Init(sh, 0)
	p.server.Init(sh, 0.5)
	return p
}

func (p *pair) text(most int) string {
	return strings.Repeat(string(rune('a'+p.random.IntN(26))), p.random.IntN(most+1))
}

func (p *pair) tail() []Field {
	if p.random.IntN(3) > 0 {
		return nil
	}
	return []Field{{"checksum", p.text(20)}}
}

// asks sends a random request, if there is capacity.
func (p *pair) asks() {
	r := &ClientRequest{Method: []string{"GET", "POST", "PUT", "HEAD"}[p.random.IntN(4)], Scheme: "http",
		Authority: "a.example", Path: "/" + p.text(5), Expect: p.random.IntN(8) == 0}
	for range p.random.IntN(6) {
		r.Fields = append(r.Fields, Field{"x-" + p.text(3) + "y", p.text(40)})
	}
	q := &pairRequest{method: r.Method, path: r.Path, fields: fmt.Sprint(r.Fields)}
	content := p.text([]int{0, 10, 3000, 100_000}[p.random.IntN(4)])
	switch p.random.IntN(3) {
	case 0:
		content = ""
	case 1:
		r.Bytes = []byte(content)
	case 2:
		q.upload = &pairSource{random: p.random, text: content, tail: p.tail()}
		r.Source, r.Length = q.upload, int64(len(content))
		if p.random.IntN(2) == 0 {
			r.Length = -1
		}
	}
	q.content.WriteString(content)
	capacity := p.client.Capacity()
	id, err := p.client.Request(r)
	if (err == nil) != (capacity > 0) {
		p.t.Fatalf("capacity %d, %v", capacity, err)
	}
	if err == nil {
		p.asked[id] = q
	}
}

// answers has the server answer a random open request that has no answer.
func (p *pair) answers(id StreamID) {
	q := p.served[id]
	if p.random.IntN(6) == 0 {
		p.server.Inform(id, 100+3*p.random.IntN(2), []Field{{"link", p.text(9)}})
	}
	if p.random.IntN(4) == 0 {
		return // later
	}
	r := &Response{Status: []int{200, 204, 304, 404, 500}[p.random.IntN(5)], Fields: []Field{{"x", p.text(50)}}}
	content := p.text([]int{0, 10, 3000, 100_000}[p.random.IntN(4)])
	q.answer = &pairSource{text: content, random: p.random, tail: p.tail()}
	if bodyless(&stream{}, r.Status) || q.method == "HEAD" {
		q.answer.tail = nil
	}
	q.response = fmt.Sprint(r.Status, r.Fields)
	q.body.WriteString(content)
	if p.random.IntN(2) == 0 {
		r.Bytes, q.answer.tail = []byte(content), nil
	} else {
		r.Source, r.Length = q.answer, -1
	}
	q.trailers = fmt.Sprint(q.answer.tail)
	if bodyless(&stream{}, r.Status) || q.method == "HEAD" {
		q.body.Reset()
	}
	if err := p.server.Respond(id, r); err != nil {
		p.t.Fatalf("Respond: %v", err)
	}
}

// carries moves bytes from one machine to the other, and tells the events.
func (p *pair) carries() {
	room := 1 + p.random.IntN(40_000)
	if p.random.IntN(2) == 0 {
		p.up = p.client.Transmit(p.up, room)
	} else {
		p.down = p.server.Transmit(p.down, room)
	}
	p.up = p.receive(p.up, p.server.Next, p.serverEvent)
	p.down = p.receive(p.down, p.client.Next, p.clientEvent)
}

func (p *pair) receive(wire []byte, next func([]byte, *Event) (int, error), event func(*Event)) []byte {
	seen := len(wire)
	if p.pieces > 0 {
		seen = min(seen, frameHeaderLen+1+p.random.IntN(p.pieces))
	}
	var ev Event
	used := 0
	for {
		n, err := next(wire[used:seen], &ev)
		if err != nil {
			p.t.Fatal(err)
		}
		used += n
		if ev.Kind == NeedMore {
			if n == 0 && seen < len(wire) {
				seen = min(len(wire), seen+max(1, p.pieces))
				continue
			}
			break
		}
		event(&ev)
	}
	return wire[:copy(wire, wire[used:])]
}

func (p *pair) serverEvent(ev *Event) {
	switch ev.Kind {
	case Request:
		q := &pairRequest{method: ev.Head.Method, requestEnded: ev.End}
		p.served[ev.Stream] = q
		a := p.asked[ev.Stream]
		got := fmt.Sprint(ev.Head.Fields)
		if ev.Head.Method != a.method || ev.Head.Path != a.path || !strings.HasPrefix(got, strings.TrimSuffix(a.fields, "]")) {
			p.t.Fatalf("request %d: %+v, want %s", ev.Stream, ev.Head, a.fields)
		}
	case Data:
		q := p.served[ev.Stream]
		q.got.Write(ev.Data)
		q.unread += len(ev.Data)
		q.requestEnded = ev.End
	case Trailers:
		p.served[ev.Stream].gotTail = fmt.Sprint(ev.Trailers)
		p.served[ev.Stream].requestEnded = true
	case Reset:
		p.served[ev.Stream].reset = true
	case Goaway:
	case Refused:
		// The client did not know the limit yet.
		if ev.Code != CodeRefusedStream {
			p.t.Fatalf("server: Refused %s", ev.Reason)
		}
	default:
		p.t.Fatalf("server: %v %v %s", ev.Kind, ev.Code, ev.Reason)
	}
}

func (p *pair) clientEvent(ev *Event) {
	switch ev.Kind {
	case Interim:
		p.asked[ev.Stream].interims++
	case Final:
		q, s := p.asked[ev.Stream], p.served[ev.Stream]
		q.response = fmt.Sprint(ev.Response.Status, ev.Response.Fields[:1])
		q.responseEnded = ev.End
		if q.response != s.response {
			p.t.Fatalf("response %d: %s, want %s", ev.Stream, q.response, s.response)
		}
		p.client.Proceed(ev.Stream)
	case Data:
		q := p.asked[ev.Stream]
		q.body.Write(ev.Data)
		q.unread += len(ev.Data)
		q.responseEnded = ev.End
	case Trailers:
		q := p.asked[ev.Stream]
		q.trailers, q.responseEnded = fmt.Sprint(ev.Trailers), true
	case Reset:
		q := p.asked[ev.Stream]
		q.reset = true
		if !(ev.Code == CodeNoError && ev.End || ev.Code == CodeRefusedStream && ev.Unprocessed && p.served[ev.Stream] == nil) {
			p.t.Fatalf("request %d was reset with %v", ev.Stream, ev.Code)
		}
	case Changed, Goaway, Pong:
	default:
		p.t.Fatalf("client: %v", ev.Kind)
	}
}

// step draws one action.
func (p *pair) step() {
	switch p.random.IntN(8) {
	case 0:
		p.asks()
	case 1:
		for _, id := range p.open(&p.server.machine) {
			if q := p.served[id]; q.answer == nil {
				p.answers(id)
				break
			}
		}
	case 2:
		p.consume()
	case 3:
		p.resume()
	case 4:
		if ids := p.open(&p.client.machine); len(ids) > 0 && p.random.IntN(20) == 0 {
			id := ids[p.random.IntN(len(ids))]
			p.client.Reset(id, CodeCancel)
			p.asked[id].reset = true
		}
	case 5:
		if p.random.IntN(10) == 0 {
			p.client.Ping()
		}
	default:
		p.carries()
	}
}

// open returns the open streams of a machine in order.
func (p *pair) open(c *machine) (ids []StreamID) {
	c.Each(func(id StreamID, _ any) { ids = append(ids, id) })
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	return ids
}

func (p *pair) consume() {
	for _, id := range p.open(&p.server.machine) {
		p.server.Consumed(id, p.served[id].unread)
		p.served[id].unread = 0
	}
	for _, id := range p.open(&p.client.machine) {
		p.client.Consumed(id, p.asked[id].unread)
		p.asked[id].unread = 0
	}
}

func (p *pair) resume() {
	for _, id := range p.open(&p.server.machine) {
		if a := p.served[id].answer; a != nil && a.paused {
			a.paused = false
			p.server.Resume(id)
		}
	}
	for _, id := range p.open(&p.client.machine) {
		if u := p.asked[id].upload; u != nil && u.paused {
			u.paused = false
			p.client.Resume(id)
		}
	}
}

// finish brings all open requests to their end.
func (p *pair) finish() {
	for n := 0; len(p.open(&p.client.machine)) > 0 || len(p.open(&p.server.machine)) > 0 || p.client.Wanting() || p.server.Wanting(); n++ {
		if n > 200_000 {
			p.t.Fatalf("client %v, server %v do not end", p.open(&p.client.machine), p.open(&p.server.machine))
		}
		for _, id := range p.open(&p.server.machine) {
			if p.served[id].answer == nil {
				p.answers(id)
			}
		}
		p.consume()
		p.resume()
		p.carries()
		if n%2000 == 1999 {
			// The grace of early responses.
			p.now = p.now.Add(earlyGrace)
			p.sh.Tick(p.now)
			p.server.Expire(p.now)
			p.client.Expire(p.now)
		}
	}
}

// compare checks each request that was not reset.
func (p *pair) compare() {
	for id, q := range p.asked {
		s := p.served[id]
		if q.reset && !q.responseEnded || s == nil && q.reset {
			continue
		}
		p.completed++
		if s == nil || !q.responseEnded {
			p.t.Fatalf("request %d has no response", id)
		}
		if q.body.String() != s.body.String() {
			p.t.Fatalf("request %d: %d bytes of content, want %d", id, q.body.Len(), s.body.Len())
		}
		if q.trailers != s.trailers && !(q.trailers == "" && s.trailers == "[]") {
			p.t.Fatalf("request %d: trailers %s, want %s", id, q.trailers, s.trailers)
		}
		if s.requestEnded && !q.reset && s.got.String() != q.content.String() {
			p.t.Fatalf("request %d: %d bytes arrived of %d", id, s.got.Len(), q.content.Len())
		}
	}
}

// A server machine understands all that a client machine sends, and the reverse, however the bytes are cut.
func TestMachinesUnderstandEachOther(t *testing.T) {
	for seed := range uint64(30) {
		for _, pieces := range []int{0, 1, 100} {
			p := newPair(t, seed, pieces)
			for range 300 {
				p.step()
			}
			if seed%3 == 0 {
				if seed%2 == 0 {
					p.client.Drain()
				} else {
					p.server.Drain(p.now)
				}
			}
			p.finish()
			p.compare()
			if p.completed == 0 {
				t.Errorf("seed %d: no request was completed", seed)
			}
			if p.client.unconsumed != 0 || p.server.unconsumed != 0 || p.sh.Stats.Malformed+p.sh.ClientStats.Malformed > 0 {
				t.Fatalf("seed %d: %d and %d bytes are not consumed", seed, p.client.unconsumed, p.server.unconsumed)
			}
			if seed%3 == 0 && !p.client.Done() {
				t.Fatalf("seed %d: the client is not done after a drain", seed)
			}
		}
	}
}
