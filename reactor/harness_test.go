//go:build linux

package reactor

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
)

// patience bounds what a test waits for; nothing takes nearly as long.
const patience = 20 * time.Second

// lines is a session for tests. It takes lines of text and answers them:
//
//	echo TEXT      TEXT
//	bytes N        N bytes
//	later TEXT     TEXT, from another goroutine, by the connection's handle
//	after MS TEXT  TEXT, by a timer
//	run            what script returns, called as lent code
//	pause          nothing: reading pauses until resume() is called
//	linger         bye, then Linger
//	bye            bye, then CloseFlushed
//	panic          nothing
type lines struct {
	conn   *Conn
	script func(*Conn) string
	out    []byte
	large  int // bytes of output still to be made
	keep   bool
	closed chan error // told what Closed was told; may be nil
	// stalled takes the place of closed from the first run on; may be nil.
	stalled chan error
	eof     func(*Conn)
}

func (s *lines) Receive(in []byte) int {
	consumed := 0
	for s.large == 0 && !s.conn.Paused() && !s.conn.departing() {
		line, _, found := bytes.Cut(in[consumed:], []byte("\n"))
		if !found {
			break
		}
		consumed += len(line) + 1
		s.command(string(line))
	}
	return consumed
}

func (s *lines) command(line string) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "echo":
		s.say(rest)
	case "bytes":
		s.large, _ = strconv.Atoi(rest)
	case "later":
		h := s.conn.Handle()
		go h.Post(func(c *Conn) { c.Session().(*lines).say(rest) })
	case "after":
		ms, text, _ := strings.Cut(rest, " ")
		n, _ := strconv.Atoi(ms)
		s.conn.Loop().AfterFunc(time.Duration(n)*time.Millisecond, func() { s.say(text) })
	case "run":
		l := s.conn.Loop()
		if s.stalled != nil {
			s.closed = s.stalled
		}
		l.Lend(s.conn, subject(line))
		answer := s.script(s.conn)
		l.Reclaim()
		s.say(answer)
	case "pause":
		s.conn.Pause()
	case "linger":
		s.say("bye")
		s.conn.Linger()
	case "bye":
		s.say("bye")
		s.conn.CloseFlushed()
	case "panic":
		panic("as told")
	default:
		s.say("what? " + line)
	}
}

func (s *lines) say(text string) {
	s.out = append(append(s.out, text...), '\n')
	s.conn.Touch()
}

func (s *lines) Transmit(dst []byte, room int) []byte {
	dst = append(dst, s.out...)
	s.out = s.out[:0]
	if s.large > 0 {
		n := min(s.large, max(room-len(dst), 1))
		dst = append(dst, bytes.Repeat([]byte{'x'}, n)...)
		if s.large -= n; s.large == 0 {
			s.conn.Resume()
		}
	}
	return dst
}

func (s *lines) EOF() bool {
	if s.eof != nil {
		s.eof(s.conn)
	}
	return s.keep
}

func (s *lines) Timeout() {
	s.say("timeout")
	s.conn.CloseFlushed()
}

func (s *lines) Closed(err error) {
	if s.closed != nil {
		s.closed <- err
	}
}

func subject(name string) *Subject {
	s := NewSubject(0, name)
	return &s
}

// testLogger logs to t as long as it runs.
func testLogger(t testing.TB) *zap.Logger {
	return zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel))
}

// server is a Reactor for tests that listens on one TCP address.
type server struct {
	*Reactor
	t    testing.TB
	addr string
}

// serve starts one. Sessions are lines unless open says otherwise.
func serve(t testing.TB, config Config, open func(*Conn) Session) *server {
	t.Helper()
	if config.Logger == nil {
		config.Logger = testLogger(t)
	}
	if config.Abort == nil {
		config.Abort = func(reason string, stacks []byte) { t.Errorf("aborted: %s\n%s", reason, stacks) }
	}
	if open == nil {
		open = func(c *Conn) Session { return &lines{conn: c} }
	}
	r, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := r.Listen(ListenerConfig{Address: "127.0.0.1:0", Open: open})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{r, t, addr.String()}
	t.Cleanup(func() { s.stop() })
	return s
}

// stop stops it at once.
func (s *server) stop() {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Stop(over)
}

// client is the other side of a dialogue.
type client struct {
	*net.TCPConn
	t testing.TB
}

func (s *server) dial() *client {
	s.t.Helper()
	conn, err := net.DialTimeout("tcp", s.addr, patience)
	if err != nil {
		s.t.Fatal(err)
	}
	c := &client{conn.(*net.TCPConn), s.t}
	_ = c.SetDeadline(time.Now().Add(patience))
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (c *client) say(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, format+"\n", args...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) want(lines ...string) {
	c.t.Helper()
	want := strings.Join(lines, "\n") + "\n"
	have := make([]byte, len(want))
	if n, err := io.ReadFull(c, have); err != nil {
		c.t.Fatalf("want %q, have %q: %v", want, have[:n], err)
	}
	if string(have) != want {
		c.t.Fatalf("want %q, have %q", want, have)
	}
}

// wantEnd wants the connection to end in order, with nothing before.
func (c *client) wantEnd() {
	c.t.Helper()
	rest, err := io.ReadAll(c)
	if err != nil || len(rest) > 0 {
		c.t.Fatalf("want the end, have %q, %v", rest, err)
	}
}

// on runs f on the loop and waits until it has run.
func on(t testing.TB, l *Loop, f func()) {
	t.Helper()
	done := make(chan struct{})
	l.Post(func() { f(); close(done) })
	await(t, done)
}

func await[T any](t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		buf := allStacks()
		t.Fatalf("nothing came\n%s", buf)
	}
	return v
}

// eventually waits for something that nobody announces.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}

// quiet is for tests in which errors are logged as they should be.
func quiet() *zap.Logger { return zap.NewNop() }
