package h2

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// testServer runs the machine over sockets for foreign clients, with a goroutine for each connection.
// It echoes content under /echo, sends trailers under /trailers, size bytes under /big, and hello elsewhere.
type testServer struct {
	listener net.Listener
	cfg      Config
	wg       sync.WaitGroup
}

func startServer(t testing.TB, cfg Config) *testServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &testServer{listener: l, cfg: cfg}
	var conns []net.Conn
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns = append(conns, conn)
			s.wg.Go(func() { s.serve(conn) })
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-accepting
		// A client that has canceled a request may keep its connection for a while.
		for _, conn := range conns {
			conn.Close()
		}
		s.wg.Wait()
	})
	return s
}

const bigSize = 3 << 20

// serve reads, feeds and writes for one connection.
func (s *testServer) serve(conn net.Conn) {
	defer conn.Close()
	sh, err := NewShared(s.cfg)
	if err != nil {
		panic(err)
	}
	sh.Tick(time.Now())
	c := new(Conn)
	c.Init(sh, 0.5)
	defer c.Close()
	app := &echoApp{c: c}
	var in, out []byte
	var ev Event
	buf := make([]byte, 32<<10)
	flush := func() bool {
		for c.Wanting() {
			out = c.Transmit(out[:0], 64<<10)
			if len(out) == 0 {
				break
			}
			if _, err := conn.Write(out); err != nil {
				return false
			}
		}
		return true
	}
	linger := func() {
		flush()
		conn.(*net.TCPConn).CloseWrite()
		conn.SetReadDeadline(time.Now().Add(time.Second))
		io.Copy(io.Discard, conn)
	}
	defer linger()
	for flush() && !c.Done() {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		in = append(in, buf[:n]...)
		sh.Tick(time.Now())
		for {
			n, err := c.Next(in, &ev)
			if err != nil {
				return
			}
			if ev.Kind != NeedMore {
				app.handle(&ev)
			}
			in = in[:copy(in, in[n:])]
			if ev.Kind == NeedMore {
				break
			}
		}
	}
}

type echoApp struct{ c *Conn }

type echoStream struct {
	body bytes.Buffer
	end  bool
	tail []Field
}

// Read returns received content.
func (e *echoStream) Read(p []byte) (int, error) {
	n, _ := e.body.Read(p)
	if n == 0 && e.end && e.body.Len() == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (e *echoStream) Trailers() []Field { return e.tail }

var hello = Response{Status: 200, Fields: []Field{{"content-type", "text/plain"}}, Bytes: []byte("Hello, world!")}

func (a *echoApp) handle(ev *Event) {
	switch ev.Kind {
	case Request:
		switch path, _, _ := strings.Cut(ev.Head.Path, "?"); {
		case path == "/echo" || ev.Head.Protocol != "":
			e := &echoStream{end: ev.End}
			a.c.SetValue(ev.Stream, e)
			a.c.Respond(ev.Stream, &Response{Status: 200, Source: e, Length: -1})
		case path == "/trailers":
			e := &echoStream{end: true, tail: []Field{{"Checksum", "42"}}}
			e.body.WriteString("content")
			a.c.Respond(ev.Stream, &Response{Status: 200, Source: e, Length: -1})
		case path == "/big":
			a.c.Respond(ev.Stream, &Response{Status: 200, Bytes: make([]byte, bigSize)})
		default:
			// Before the end of the request.
			a.c.Respond(ev.Stream, &hello)
		}
	case Data:
		a.c.Consumed(ev.Stream, len(ev.Data))
		if e, ok := ev.Value.(*echoStream); ok {
			e.body.Write(ev.Data)
			e.end = ev.End
			a.c.Resume(ev.Stream)
		}
	case Trailers:
		if e, ok := ev.Value.(*echoStream); ok {
			e.end = true
			e.tail = append([]Field(nil), ev.Trailers...)
			a.c.Resume(ev.Stream)
		}
	}
}
