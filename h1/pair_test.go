package h1

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// The two roles against each other: what one can say is understood by the other as it was
// meant, whole, byte by byte and with trailing bytes.

// conversation is one request and its response, chosen at random.
type conversation struct {
	request  ClientRequest
	content  string // of the request
	response Response
	answer   string // content of the response
	interim  []int
	waits    bool // the response is given after the end of the request
}

var (
	pairMethods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"}
	pairTargets = []string{"/", "/a/b?c=d", "/{a}|\"b^", "*", "http://example.org:8/x", "/%00//.."}
	pairNames   = []string{"A", "x-long-name", "Set-Cookie", "ETag", "!#$%&'*+-.^_`|~"}
	pairValues  = []string{"", "b", "a\tb", "\xff\x80", strings.Repeat("v", 300), "a, b; c=\"d\""}
	pairStatus  = []int{200, 200, 200, 201, 204, 205, 206, 304, 404, 413, 500, 599, 999}
)

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func randomFields(r *rand.Rand) []Field {
	fields := make([]Field, r.IntN(4))
	for i := range fields {
		fields[i] = Field{pick(r, pairNames), pick(r, pairValues)}
	}
	return fields
}

// randomContent returns content, and its pieces with pauses between them.
func randomContent(r *rand.Rand) (content string, cut []string) {
	for range r.IntN(4) {
		piece := strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(20)*r.IntN(20)*r.IntN(20))
		content += piece
		if piece != "" {
			cut = append(cut, piece)
		}
		if r.IntN(2) == 0 {
			cut = append(cut, "")
		}
	}
	return content, cut
}

func newConversation(r *rand.Rand) *conversation {
	v := &conversation{}
	q := &v.request
	*q = ClientRequest{Method: pick(r, pairMethods), Target: pick(r, pairTargets), Authority: "example.org:8", Fields: randomFields(r),
		Trailers: r.IntN(4) == 0, Close: r.IntN(8) == 0}
	if q.Target == "*" {
		q.Method = "OPTIONS"
	}
	var cut []string
	switch v.content, cut = randomContent(r); r.IntN(4) {
	case 0:
		v.content = ""
	case 1:
		q.Bytes = []byte(v.content)
	case 2:
		q.Source, q.Length = &feed{pieces: cut, early: r.IntN(2) == 0}, int64(len(v.content))
	case 3:
		q.Source, q.Length = &feed{pieces: cut, trailers: randomFields(r)}, -1
	}
	q.Expect = r.IntN(4) == 0
	a := &v.response
	*a = Response{Status: pick(r, pairStatus), Fields: randomFields(r), Close: r.IntN(8) == 0}
	switch v.answer, cut = randomContent(r); r.IntN(3) {
	case 0:
		a.Bytes = []byte(v.answer)
	case 1:
		a.Source, a.Length = &feed{pieces: cut, early: r.IntN(2) == 0}, int64(len(v.answer))
	case 2:
		a.Source, a.Length = &feed{pieces: cut, trailers: randomFields(r)}, -1
	}
	if q.Method == "HEAD" || a.Status == 204 || a.Status == 205 || a.Status == 304 {
		v.answer = ""
	}
	for range r.IntN(3) {
		v.interim = append(v.interim, []int{102, 103, 199}[r.IntN(3)])
	}
	v.waits = q.Expect || r.IntN(4) > 0
	return v
}

// pair connects the machines. Each transfer gives a part of what waits to the other side.
type pair struct {
	t       *testing.T
	r       *rand.Rand
	client  Client
	server  Conn
	up      []byte // from the client, not consumed by the server
	down    []byte
	pending struct{ up, down []byte } // on the way
	heard   struct {
		head     Head
		content  string
		trailers []Field
		end      bool
		id       uint64
		answered bool
	}
	told struct {
		head     ResponseHead
		interim  []int
		content  string
		trailers []Field
		end      bool
	}
}

func (p *pair) move(way *[]byte, kept *[]byte) {
	n := len(*way)
	if p.r.IntN(3) == 0 && n > 0 {
		n = 1 + p.r.IntN(n)
	}
	*kept = append(*kept, (*way)[:n]...)
	*way = (*way)[n:]
}

// round makes a few steps of both sides.
func (p *pair) round(v *conversation) {
	p.client.Resume()
	if p.server.Pending() > 0 {
		p.server.Resume(p.heard.id)
	}
	room := 1 + p.r.IntN(3000)
	p.pending.up = p.client.Transmit(p.pending.up, room)
	p.pending.down = p.server.Transmit(p.pending.down, room)
	p.move(&p.pending.up, &p.up)
	p.move(&p.pending.down, &p.down)
	p.serve(v)
	p.listen()
}

func (p *pair) serve(v *conversation) {
	var ev Event
	h := &p.heard
	for {
		n, err := p.server.Next(p.up, &ev)
		p.up = p.up[n:]
		if err != nil {
			p.t.Fatalf("the server refuses: %v", err)
		}
		switch ev.Kind {
		case Request:
			h.id, h.head = ev.ID, ev.Head
			h.head.Fields = slices.Clone(ev.Head.Fields)
			h.end = ev.Head.ContentLength == 0
			for _, status := range v.interim {
				if err := p.server.Inform(ev.ID, status, nil); err != nil {
					p.t.Fatal(err)
				}
			}
			p.server.Continue(ev.ID)
		case Data:
			h.content += string(ev.Data)
		case End:
			h.end, h.trailers = true, slices.Clone(ev.Trailers)
		default:
			return
		}
		if !h.answered && (h.end || !v.waits) {
			h.answered = true
			if err := p.server.Respond(h.id, &v.response); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

func (p *pair) listen() {
	var ev ClientEvent
	for {
		n, err := p.client.Next(p.down, &ev)
		p.down = p.down[n:]
		if err != nil {
			p.t.Fatalf("the client refuses: %v", err)
		}
		switch ev.Kind {
		case Interim:
			if ev.Head.Status != 100 {
				p.told.interim = append(p.told.interim, ev.Head.Status)
			}
		case Final:
			p.told.head = ev.Head
			p.told.head.Fields = slices.Clone(ev.Head.Fields)
			p.told.end = ev.Head.ContentLength == 0
		case Data:
			p.told.content += string(ev.Data)
		case End:
			p.told.end, p.told.trailers = true, slices.Clone(ev.Trailers)
		default:
			return
		}
	}
}

// sent are the trailers of a source that reach the other side.
func sentTrailers(s Source, end bool) (list []Field) {
	f, ok := s.(*feed)
	if !ok || !end {
		return nil
	}
	for _, field := range f.trailers {
		list = append(list, Field{field.Name, strings.Trim(field.Value, " \t")})
	}
	return list
}

func hasFields(got, want []Field) bool {
	for _, f := range want {
		if !slices.Contains(got, Field{f.Name, strings.Trim(f.Value, " \t")}) {
			return false
		}
	}
	return true
}

func TestRolesUnderstandEachOther(t *testing.T) {
	clients, servers := NewShared(Limits{}), NewShared(Limits{})
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := &pair{t: t, r: r}
		p.client.Init(clients)
		p.server.Init(servers)
		for i := range 1 + r.IntN(4) {
			v := newConversation(r)
			p.heard.answered = false
			p.told.interim, p.told.content, p.told.trailers, p.told.end = nil, "", nil, false
			p.heard.content, p.heard.trailers, p.heard.end = "", nil, false
			if err := p.client.Request(&v.request); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for rounds := 0; !p.client.Idle() && !p.client.Done(); rounds++ {
				if rounds > 100000 {
					t.Fatalf("seed %d, request %d: no end: %+v", seed, i, v)
				}
				p.round(v)
			}
			if wrong := p.wrong(v); wrong != "" {
				t.Fatalf("seed %d, request %d: %s\n%+v", seed, i, wrong, v)
			}
			if p.client.Done() {
				break
			}
		}
		p.client.Release()
		p.server.Release()
	}
}

// wrong compares what both sides have understood with what was meant.
func (p *pair) wrong(v *conversation) string {
	h, told, q, a := &p.heard, &p.told, &v.request, &v.response
	whole := h.end && h.content == v.content
	switch {
	case h.head.Method != q.Method || h.head.Target != q.Target || h.head.Authority != q.Authority:
		return fmt.Sprintf("the server has read %s %s %s", h.head.Method, h.head.Target, h.head.Authority)
	case !hasFields(h.head.Fields, q.Fields):
		return fmt.Sprintf("the server has read the fields %q", h.head.Fields)
	case !whole && v.waits || !strings.HasPrefix(v.content, h.content):
		return fmt.Sprintf("the server has read content of %d bytes, end %v", len(h.content), h.end)
	case v.waits && q.Length < 0 && !hasFields(h.trailers, sentTrailers(q.Source, h.end)):
		return fmt.Sprintf("the server has read the trailers %q", h.trailers)
	case p.client.Err() != nil:
		return p.client.Err().Error()
	case !told.end || told.head.Status != a.Status || told.content != v.answer:
		return fmt.Sprintf("the client has read status %d, content of %d bytes, end %v", told.head.Status, len(told.content), told.end)
	case !hasFields(told.head.Fields, a.Fields) || !slices.Equal(told.interim, v.interim):
		return fmt.Sprintf("the client has read the fields %q after %v", told.head.Fields, told.interim)
	case a.Length < 0 && told.head.ContentLength < 0 && !hasFields(told.trailers, sentTrailers(a.Source, true)):
		return fmt.Sprintf("the client has read the trailers %q", told.trailers)
	case v.waits && !q.Close && !a.Close && !p.client.Idle():
		return "the connection is not used again"
	case (q.Close || a.Close) && p.client.Idle():
		return "the connection is used again"
	}
	return ""
}
