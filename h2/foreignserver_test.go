package h2

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// testClient runs a client machine over a socket. Its methods belong to the test's goroutine.
type testClient struct {
	t     *testing.T
	conn  net.Conn
	sh    *Shared
	c     Client
	in    []byte
	calls map[StreamID]*testCall
}

// testCall is a request and its response so far.
type testCall struct {
	id       StreamID
	interims []int
	head     ResponseHead
	body     bytes.Buffer
	trailers []Field
	ended    bool
	reset    bool
	code     ErrCode
}

// startForeignServer serves h with net/http's server.
func startForeignServer(t *testing.T, cfg http.HTTP2Config, h http.HandlerFunc) *testClient {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, HTTP2: &cfg, Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(l)
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Close()
		<-done
	})
	c := &testClient{t: t, conn: conn, calls: map[StreamID]*testCall{}}
	if c.sh, err = NewShared(Config{}); err != nil {
		t.Fatal(err)
	}
	c.sh.Tick(time.Now())
	c.c.Init(c.sh, 0)
	return c
}

func (c *testClient) start(r *ClientRequest) *testCall {
	c.t.Helper()
	r.Scheme, r.Authority = "http", "a.example"
	id, err := c.c.Request(r)
	if err != nil {
		c.t.Fatal(err)
	}
	call := &testCall{id: id}
	c.calls[id] = call
	return call
}

// until writes and reads until done reports true.
func (c *testClient) until(done func() bool) {
	c.t.Helper()
	buf := make([]byte, 64<<10)
	c.conn.SetDeadline(time.Now().Add(time.Minute))
	for !done() {
		for c.c.Wanting() {
			out := c.c.Transmit(nil, 64<<10)
			if len(out) == 0 {
				break
			}
			if _, err := c.conn.Write(out); err != nil {
				c.t.Fatal(err)
			}
		}
		if done() {
			return
		}
		n, err := c.conn.Read(buf)
		if err != nil {
			for id, call := range c.calls {
				c.t.Logf("request %d: %+v", id, call)
			}
			c.t.Fatal(err)
		}
		c.sh.Tick(time.Now())
		c.feed(buf[:n])
	}
}

func (c *testClient) feed(b []byte) {
	c.in = append(c.in, b...)
	var ev Event
	for {
		n, err := c.c.Next(c.in, &ev)
		if err != nil {
			c.t.Fatal(err)
		}
		c.in = c.in[n:]
		call := c.calls[ev.Stream]
		switch ev.Kind {
		case NeedMore:
			return
		case Interim:
			call.interims = append(call.interims, ev.Response.Status)
		case Final:
			call.head, call.ended = ev.Response, ev.End
			call.head.Fields = append([]Field(nil), ev.Response.Fields...)
		case Data:
			call.body.Write(ev.Data)
			call.ended = ev.End
			c.c.Consumed(ev.Stream, len(ev.Data))
		case Trailers:
			call.trailers, call.ended = append([]Field(nil), ev.Trailers...), true
		case Reset:
			call.reset, call.code = true, ev.Code
		}
	}
}

func (call *testCall) over() bool { return call.ended || call.reset }

func (call *testCall) field(name string) string {
	for _, f := range call.head.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// echo answers with the content and its trailers.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trailer", "Checksum")
	w.Header().Set("X-Method", r.Method)
	w.Header().Set("X-Agent", r.UserAgent())
	w.WriteHeader(200)
	n, _ := io.Copy(w, r.Body)
	w.Header().Set("Checksum", fmt.Sprint(n, r.Trailer.Get("Number")))
}

// Content of many sizes flows both ways at the same time.
func TestForeignServerEchoes(t *testing.T) {
	c := startForeignServer(t, http.HTTP2Config{}, echo)
	for round := range 3 {
		var calls []*testCall
		var contents [][]byte
		for i := range 40 {
			content := bytes.Repeat([]byte(fmt.Sprint(i)), i*i*50)
			r := &ClientRequest{Method: "POST", Path: "/echo", Fields: []Field{{"user-agent", "gatewheel"}, {"x", strings.Repeat("y", i)}, {"trailer", "Number"}}}
			if i%2 == 0 {
				r.Bytes = content
			} else {
				r.Source, r.Length = &tailed{feed{ready: string(content), err: io.EOF, tail: []Field{{"Number", fmt.Sprint("-", i)}}}}, -1
			}
			calls, contents = append(calls, c.start(r)), append(contents, content)
		}
		c.until(func() bool {
			for _, call := range calls {
				if !call.over() {
					return false
				}
			}
			return true
		})
		for i, call := range calls {
			want := fmt.Sprint(len(contents[i]), "")
			if i%2 == 1 {
				want = fmt.Sprint(len(contents[i]), fmt.Sprint("-", i))
			}
			if call.reset || call.head.Status != 200 || !bytes.Equal(call.body.Bytes(), contents[i]) || len(call.trailers) != 1 ||
				call.trailers[0].Value != want || call.field("x-agent") != "gatewheel" || call.field("x-method") != "POST" {
				t.Fatalf("round %d, request %d: %+v, %d bytes of %d, trailers %v", round, i, call.head, call.body.Len(), len(contents[i]), call.trailers)
			}
		}
	}
	if c.c.Streams() != 0 || c.sh.ClientStats.Malformed > 0 {
		t.Errorf("%d streams", c.c.Streams())
	}
}

// The server's limits are kept to, and cancelled requests do not look like an attack.
func TestForeignServerCancellations(t *testing.T) {
	c := startForeignServer(t, http.HTTP2Config{MaxConcurrentStreams: 5}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(204)
	})
	call := c.start(&ClientRequest{Method: "GET", Path: "/"})
	c.until(call.over)
	for range 200 {
		for c.c.Capacity() > 0 {
			c.start(&ClientRequest{Method: "GET", Path: "/wait"})
		}
		for id, call := range c.calls {
			if !call.over() {
				c.c.Reset(id, CodeCancel)
				delete(c.calls, id)
			}
		}
		c.until(func() bool { return c.c.Capacity() > 0 })
		call := c.start(&ClientRequest{Method: "GET", Path: "/"})
		c.until(call.over)
		if call.head.Status != 204 {
			t.Fatalf("%+v", call)
		}
	}
}

func TestForeignServerExpect(t *testing.T) {
	c := startForeignServer(t, http.HTTP2Config{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(417)
			return
		}
		if r.URL.Path == "/hint" {
			w.Header().Set("Link", "</x>")
			w.WriteHeader(103)
		}
		content, _ := io.ReadAll(r.Body)
		w.Write(content)
	})
	yes := c.start(&ClientRequest{Method: "PUT", Path: "/", Bytes: []byte("content"), Expect: true})
	no := c.start(&ClientRequest{Method: "PUT", Path: "/no", Bytes: []byte("content"), Expect: true})
	hint := c.start(&ClientRequest{Method: "GET", Path: "/hint"})
	c.until(func() bool { return yes.over() && no.over() && hint.over() })
	if yes.body.String() != "content" || fmt.Sprint(yes.interims) != "[100]" || no.head.Status != 417 || len(no.interims) > 0 {
		t.Errorf("%+v, %+v", yes, no)
	}
	if fmt.Sprint(hint.interims) != "[103]" || hint.head.Status != 200 {
		t.Errorf("%+v", hint)
	}
}

// A server's table size is obeyed, and what repeats is indexed.
func TestForeignServerTableSizes(t *testing.T) {
	for _, size := range []uint32{1, 100, 4096, 65536} {
		c := startForeignServer(t, http.HTTP2Config{MaxDecoderHeaderTableSize: int(size)}, echo)
		for i := range 50 {
			call := c.start(&ClientRequest{Method: "GET", Path: fmt.Sprint("/", i%3), Fields: []Field{{"user-agent", "gatewheel"}, {"x-count", fmt.Sprint(i)}}})
			c.until(call.over)
			if call.head.Status != 200 || call.field("x-agent") != "gatewheel" {
				t.Fatalf("%+v", call)
			}
		}
	}
}

// A PING is answered, and the goodbye ends the server's connection.
func TestForeignServerGoodbye(t *testing.T) {
	c := startForeignServer(t, http.HTTP2Config{}, echo)
	call := c.start(&ClientRequest{Method: "GET", Path: "/"})
	c.until(call.over)
	c.c.Ping()
	c.until(func() bool { return c.c.known&pinging == 0 })
	c.c.Drain()
	c.until(c.c.Done)
	if _, err := io.Copy(io.Discard, c.conn); err != nil {
		t.Error(err)
	}
}
