//go:build linux

package server_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"github.com/gatewheel/gatewheel/app/server"
)

// bystander is somebody on the stalled loop who has nothing to do with the stall.
type bystander struct {
	kind   string
	during func() error // what it does while the loop is stalled; may be nil
	after  func() error // what it must get all the same
}

// crowd is a thousand of them, and a hundred who come during the stall.
type crowd struct {
	*stage
	all   []bystander
	conns []net.Conn
	// line and peer, where set, are the ways to connect.
	line func() *line
	peer func() *h2Peer
}

func (c *crowd) dial() *line {
	if c.line != nil {
		return c.line()
	}
	l := c.stage.dial()
	c.conns = append(c.conns, l.Conn)
	return l
}

func (c *crowd) dialHTTP2() *h2Peer {
	if c.peer != nil {
		return c.peer()
	}
	p := c.stage.dialHTTP2()
	c.conns = append(c.conns, p.conn)
	return p
}

func (c *crowd) gather(scale int) {
	for range 30 * scale {
		c.idle()
	}
	for range 25 * scale {
		c.pipelining()
	}
	waiting := 0
	for range 6 * scale {
		c.asking("promise", "/promise", "resolved")
		c.uploading()
		waiting += 2
	}
	for range 5 * scale {
		c.streams()
		waiting += 5
		c.uploadingHTTP2()
		waiting++
		c.idleHTTP2()
	}
	for range 2 * scale {
		c.downloading("download")
		c.downloadingHTTP2("download")
		c.downloading("stream")
		c.downloadingHTTP2("stream")
		waiting += 2
	}
	if c.line == nil {
		for range 10 * scale {
			c.newcomer()
		}
	}
	c.await(waiting)
	// Last, so that these sleep when the stall begins.
	for range 6 * scale {
		c.asking("sleep", "/sleep/200", "slept")
	}
	c.await(6 * scale)
}

func (c *crowd) add(kind string, during, after func() error) {
	c.all = append(c.all, bystander{kind, during, after})
}

func saying(l *line, text string) func() error {
	return func() error {
		_, err := io.WriteString(l.Conn, text)
		return err
	}
}

// idle has been served and asks again when all is over.
func (c *crowd) idle() {
	l := c.dial()
	l.say("GET /before HTTP/1.1\r\nHost: a\r\n\r\n")
	l.hear("GET", 200, "/before")
	c.add("idle", nil, func() error {
		if err := saying(l, "GET /after HTTP/1.1\r\nHost: a\r\n\r\n")(); err != nil {
			return err
		}
		return readAnswer(l.r, "/after")
	})
}

// pipelining sends eight requests at once, and the half of a ninth.
func (c *crowd) pipelining() {
	l := c.dial()
	l.say("GET /0 HTTP/1.1\r\nHo")
	text := "st: a\r\n\r\n"
	for i := 1; i <= 8; i++ {
		text += fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
	}
	c.add("pipelining", saying(l, text+"GET /9 HT"), func() error {
		for i := range 9 {
			if err := readAnswer(l.r, fmt.Sprintf("/%d", i)); err != nil {
				return err
			}
		}
		if err := saying(l, "TP/1.1\r\nHost: a\r\n\r\n")(); err != nil {
			return err
		}
		return readAnswer(l.r, "/9")
	})
}

// asking waits for the application.
func (c *crowd) asking(kind, target, answer string) {
	l := c.dial()
	l.say("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n")
	c.add(kind, nil, func() error { return readAnswer(l.r, answer) })
}

const uploadSize = 100_000

var uploadSum = fmt.Sprintf("%d %x", uploadSize, sha256.Sum256(bytesOf(uploadSize)))

// uploading sends one half of its content before, the other during the stall.
func (c *crowd) uploading() {
	l := c.dial()
	content := string(bytesOf(uploadSize))
	l.say(fmt.Sprintf("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", uploadSize) + content[:uploadSize/2])
	c.add("uploading", saying(l, content[uploadSize/2:]), func() error { return readAnswer(l.r, uploadSum) })
}

func (c *crowd) uploadingHTTP2() {
	p := c.dialHTTP2()
	st := p.open(":method", "POST", ":scheme", "http", ":path", "/upload", ":authority", "a")
	content := bytesOf(uploadSize)
	if _, err := st.Write(content[:50_000]); err != nil {
		c.t.Fatal(err)
	}
	c.add("uploading over HTTP/2", func() error {
		// What the window has left; the rest follows when the loop opens it again.
		_, err := st.Write(content[50_000:60_000])
		return err
	}, func() error {
		if _, err := st.Write(content[60_000:]); err != nil {
			return err
		}
		st.finish()
		return st.want(uploadSum)
	})
}

// want reads the stream to its end.
func (st *h2Stream) want(content string) error {
	have, err := io.ReadAll(st)
	if err == nil && string(have) != content {
		err = fmt.Errorf("have %.100q, want %.100q", have, content)
	}
	return err
}

const downloadSize = 500_000

// downloading has read nothing but the head when the stall begins, and has little room in its kernel.
func (c *crowd) downloading(kind string) {
	l := c.dialNarrow()
	l.say(fmt.Sprintf("GET /%s/%d HTTP/1.1\r\nHost: a\r\n\r\n", kind, downloadSize))
	response, err := http.ReadResponse(l.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.add(kind, nil, func() error {
		defer response.Body.Close()
		return checkPattern(response.Body, downloadSize)
	})
}

func (c *crowd) dialNarrow() *line {
	c.t.Helper()
	if c.line != nil {
		return c.line()
	}
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 32<<10)
		})
	}}
	conn, err := dialer.Dial("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.conns = append(c.conns, conn)
	return c.lineOn(conn)
}

// lineOn makes a line of a connection.
func (s *site) lineOn(conn net.Conn) *line {
	s.t.Helper()
	s.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	return &line{Conn: conn, t: s.t, r: bufio.NewReader(conn)}
}

func (c *crowd) downloadingHTTP2(kind string) {
	p := c.dialHTTP2()
	st := p.open(":method", "GET", ":scheme", "http", ":path", fmt.Sprintf("/%s/%d", kind, downloadSize), ":authority", "a")
	p.mu.Lock()
	st.stingy = true
	p.mu.Unlock()
	st.finish()
	st.head()
	c.add(kind+" over HTTP/2", func() error { st.generous(); return nil }, func() error { return checkPattern(st, downloadSize) })
}

// streams are five on one connection, which wait for the application.
func (c *crowd) streams() {
	p := c.dialHTTP2()
	var all []*h2Stream
	for range 5 {
		st := p.open(":method", "GET", ":scheme", "http", ":path", "/promise", ":authority", "a")
		st.finish()
		all = append(all, st)
	}
	c.add("streams", nil, func() error {
		for _, st := range all {
			if err := st.want("resolved"); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *crowd) idleHTTP2() {
	p := c.dialHTTP2()
	var st *h2Stream
	c.add("idle over HTTP/2", func() error {
		st = p.open(":method", "GET", ":scheme", "http", ":path", "/during", ":authority", "a")
		st.finish()
		return nil
	}, func() error { return st.want("/during") })
}

// newcomer connects during the stall.
func (c *crowd) newcomer() {
	var l *line
	c.add("newcomer", func() error {
		l = c.dial()
		return saying(l, "GET /new HTTP/1.1\r\nHost: a\r\n\r\n")()
	}, func() error { return readAnswer(l.r, "/new") })
}

// endures has the loop stalled, and wants everybody in the crowd served.
func (c *crowd) endures(stall func()) {
	c.t.Helper()
	before := c.kills()
	c.extendDeadlines()
	stall()
	c.awaitStall()
	for _, b := range c.all {
		if b.during == nil {
			continue
		}
		if err := b.during(); err != nil {
			c.t.Errorf("%s, during the stall: %v", b.kind, err)
		}
	}
	c.resolve()
	c.extendDeadlines()
	var served sync.WaitGroup
	var failed atomic.Int64
	for _, b := range c.all {
		served.Go(func() {
			if err := b.after(); err != nil && failed.Add(1) < 20 {
				c.t.Errorf("%s: %v", b.kind, err)
			}
		})
	}
	served.Wait()
	took := time.Since(c.lastKill())
	if n := c.kills() - before; n != 1 || failed.Load() > 0 {
		c.t.Errorf("%d kills, %d of %d were not served", n, failed.Load(), len(c.all))
	}
	c.t.Logf("%d others were served %v after the kill", len(c.all), took.Round(time.Millisecond))
}

// extendDeadlines gives all of the crowd time: a handler that spins has one CPU of two to itself.
func (c *crowd) extendDeadlines() {
	for _, conn := range c.conns {
		_ = conn.SetDeadline(time.Now().Add(3 * patience))
	}
}

// patientWatchdog kills after a second: a thousand clients in the same process, and whatever spins, keep the
// loop from its CPU for longer than the Timeout of brisk.
func patientWatchdog(c *server.Config) { c.Stall.Timeout = time.Second }

// lastKill is when the last kill was logged.
func (s *stage) lastKill() time.Time {
	var entries []observer.LoggedEntry
	settled(s.t, "a kill in the log", func() bool {
		entries = s.logs.FilterMessage(killed).All()
		return len(entries) > 0
	})
	return entries[len(entries)-1].Time
}

// Whatever way a handler stalls its loop, it costs its own connection and nobody else's.
func TestCrowdEnduresAStall(t *testing.T) {
	// A full crowd takes seconds; the other two differ from these less than they cost.
	for way, scale := range map[string]int{"wait": 10, "spin": 10, "sleep": 2, "call": 2} {
		t.Run(way, func(t *testing.T) {
			s := newStage(t, nil, patientWatchdog)
			c := &crowd{stage: s}
			c.gather(scale)
			guilty := s.dial()
			_ = guilty.SetDeadline(time.Now().Add(3 * patience))
			c.endures(func() { guilty.say("POST /stall/" + way + " HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n") })
			guilty.gone()
			if way == "call" {
				s.await(1)
			}
			s.letGo()
		})
	}
}
