//go:build linux

package reactor

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"
)

func TestDialogue(t *testing.T) {
	s := serve(t, Config{Loops: 2}, nil)
	c := s.dial()
	c.say("echo one")
	c.want("one")
	c.say("echo two\necho three")
	c.want("two", "three")
	for _, b := range []byte("echo byte by byte\n") {
		_, _ = c.Write([]byte{b})
	}
	c.want("byte by byte")
	c.say("later from elsewhere")
	c.want("from elsewhere")
	c.say("after 5 from a timer")
	c.want("from a timer")
	c.say("bye")
	c.want("bye")
	c.wantEnd()
}

func TestLargeOutput(t *testing.T) {
	const size = 20 << 20
	s := serve(t, Config{Loops: 1}, nil)
	c := s.dial()
	c.say("bytes %d\necho behind", size)
	n, err := io.CopyN(io.Discard, c, size)
	if err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	c.want("behind")
}

// A peer that does not read is given what the kernel holds and Config.WriteHigh, no more; other
// connections are served meanwhile.
func TestSlowReader(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	slow, other := s.dial(), s.dial()
	slow.say("bytes %d", 1<<30)
	eventually(t, "output queued", func() bool {
		queued := 0
		on(t, s.loops[0], func() {
			for _, c := range s.loops[0].conns {
				queued += c.Queued()
			}
		})
		return queued > 0
	})
	other.say("echo served")
	other.want("served")
	on(t, s.loops[0], func() {
		for _, c := range s.loops[0].conns {
			if c.Queued() > s.config.WriteHigh {
				t.Errorf("%d bytes queued", c.Queued())
			}
		}
	})
	if out := s.Stats().Loops[0].BytesOut; out > 64<<20 {
		t.Errorf("kernel has taken %d bytes", out)
	}
}

func TestPauseStopsReading(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	c := s.dial()
	c.say("pause\necho resumed")
	eventually(t, "paused", func() (paused bool) {
		on(t, s.loops[0], func() { paused = len(s.loops[0].conns) == 1 && s.loops[0].conns[0].polling == pollPaused })
		return paused
	})
	read := s.Stats().Loops[0].BytesIn
	// The window closes in the face of a sender of a lot.
	_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	sent, _ := c.Write(make([]byte, 64<<20))
	if sent == 64<<20 {
		t.Error("everything was taken")
	}
	if now := s.Stats().Loops[0].BytesIn; now != read {
		t.Errorf("%d bytes were read", now-read)
	}
	on(t, s.loops[0], func() { s.loops[0].conns[0].Resume() })
	c.want("resumed")
}

// A response that is sent after the peer's FIN still arrives.
func TestHalfClose(t *testing.T) {
	closed := make(chan error, 1)
	s := serve(t, Config{Loops: 1}, func(c *Conn) Session {
		return &lines{conn: c, keep: true, closed: closed, eof: func(c *Conn) {
			c.Loop().AfterFunc(time.Millisecond, func() {
				c.Session().(*lines).say("late")
				c.CloseFlushed()
			})
		}}
	})
	c := s.dial()
	c.say("echo early")
	_ = c.CloseWrite()
	c.want("early", "late")
	c.wantEnd()
	if err := await(t, closed); err != io.EOF {
		t.Errorf("closed with %v", err)
	}
}

// farewell transmits until the kernel takes no more, and from then on closes each time it is asked, as sessions
// do that look again whether they are done.
type farewell struct {
	lines
	sent atomic.Int64
}

func (f *farewell) Transmit(dst []byte, _ int) []byte {
	if f.conn.Queued() > 0 {
		f.conn.CloseFlushed()
		return dst
	}
	f.conn.Touch()
	f.sent.Add(4096)
	return append(dst, make([]byte, 4096)...)
}

// The end of a connection does not wait for a peer that does not read.
func TestFarewellToASlowReader(t *testing.T) {
	sessions := make(chan *farewell, 1)
	s := serve(t, Config{Loops: 1}, func(c *Conn) Session {
		f := &farewell{lines: lines{conn: c}}
		select {
		case sessions <- f:
			return f
		default:
			return &f.lines
		}
	})
	slow := s.dial()
	slow.say("anything")
	other := s.dial()
	other.say("echo served")
	other.want("served")
	n, err := io.Copy(io.Discard, slow)
	if sent := (<-sessions).sent.Load(); n != sent || err != nil {
		t.Errorf("%d bytes of %d, %v", n, sent, err)
	}
}

// Output that the kernel does not take at once outlives the peer's FIN.
func TestHalfCloseWithBacklog(t *testing.T) {
	const size = 16 << 20
	s := serve(t, Config{Loops: 1}, nil)
	c := s.dial()
	c.say("bytes %d", size)
	_ = c.CloseWrite()
	if n, err := io.Copy(io.Discard, c); n != size || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestHalfClosedPeerResets(t *testing.T) {
	closed, eof := make(chan error, 1), make(chan struct{}, 1)
	s := serve(t, Config{Loops: 1}, func(c *Conn) Session {
		return &lines{conn: c, keep: true, closed: closed, eof: func(*Conn) { eof <- struct{}{} }}
	})
	c := s.dial()
	_ = c.CloseWrite()
	await(t, eof)
	_ = c.SetLinger(0)
	_ = c.Close()
	if err := await(t, closed); !errors.Is(err, ErrHungUp) {
		t.Errorf("closed with %v", err)
	}
}

// The last answer can be read by a peer that first sends all it has, up to Config.LingerBytes.
func TestLinger(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	c := s.dial()
	c.say("linger")
	for range 64 {
		if _, err := c.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal("while sending: ", err)
		}
	}
	c.want("bye")
	c.wantEnd()
	eventually(t, "connection open while it lingers", func() bool { return s.Stats().Connections == 1 })
	_ = c.Close()
	eventually(t, "connection gone", func() bool { return s.Stats().Connections == 0 })
}

func TestLingerIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		sends  bool
	}{
		"by time":    {Config{Loops: 1, LingerTime: 50 * time.Millisecond, LingerSilence: time.Hour}, true},
		"by silence": {Config{Loops: 1, LingerTime: time.Hour, LingerSilence: 50 * time.Millisecond}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.config, nil)
			peer := s.dial()
			peer.say("linger")
			peer.want("bye")
			eventually(t, "connection gone", func() bool {
				if c.sends {
					_, _ = peer.Write(make([]byte, 400))
				}
				return s.Stats().Connections == 0
			})
		})
	}
}

// A peer that sends more than may be on its way is not read for ever.
func TestLingerIsBoundedByBytes(t *testing.T) {
	s := serve(t, Config{Loops: 1, LingerTime: time.Hour, LingerSilence: time.Hour, LingerBytes: 100 << 10}, nil)
	peer := s.dial()
	peer.say("linger")
	peer.want("bye")
	piece, sent := make([]byte, 32<<10), 0
	for {
		n, err := peer.Write(piece)
		if sent += n; err != nil {
			break
		}
		if sent > 100<<20 {
			t.Fatalf("the connection is open after %d bytes", sent)
		}
	}
	eventually(t, "connection gone", func() bool { return s.Stats().Connections == 0 })
}

// A peer that goes on sending is waited for longer than its silence would be.
func TestLingerWaitsForASender(t *testing.T) {
	s := serve(t, Config{Loops: 1, LingerTime: time.Hour, LingerSilence: 500 * time.Millisecond}, nil)
	c := s.dial()
	c.say("linger")
	for begun := time.Now(); time.Since(begun) < time.Second; time.Sleep(10 * time.Millisecond) {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal("while sending: ", err)
		}
	}
	c.want("bye")
	c.wantEnd()
}

func TestDeadline(t *testing.T) {
	s := serve(t, Config{Loops: 1}, func(c *Conn) Session {
		c.SetDeadline(c.Loop().Now().Add(time.Hour))
		c.SetDeadline(c.Loop().Now().Add(time.Millisecond))
		return &lines{conn: c}
	})
	c := s.dial()
	c.want("timeout")
	c.wantEnd()
}

// A deadline that became later is compared when the earlier one fires.
func TestDeadlineIsLazy(t *testing.T) {
	s := serve(t, Config{Loops: 1}, func(c *Conn) Session {
		c.SetDeadline(c.Loop().Now().Add(5 * time.Millisecond))
		c.SetDeadline(c.Loop().Now().Add(10 * time.Millisecond))
		if n := len(c.Loop().timers.heap); n != 1 {
			panic("more than one entry")
		}
		return &lines{conn: c}
	})
	began := time.Now()
	s.dial().want("timeout")
	if passed := time.Since(began); passed < 10*time.Millisecond {
		t.Errorf("after %v", passed)
	}
}

// overdue is a session whose deadline is always in the past.
type overdue struct{ lines }

func (o *overdue) Timeout() { o.conn.SetDeadline(o.conn.Loop().Now().Add(-time.Second)) }

// A deadline that has passed when it is set waits for the next turn: others have theirs.
func TestDeadlineInThePast(t *testing.T) {
	first := make(chan struct{}, 1)
	s := serve(t, Config{Loops: 1}, func(c *Conn) Session {
		select {
		case first <- struct{}{}:
			o := &overdue{lines{conn: c}}
			o.Timeout()
			return o
		default:
			return &lines{conn: c}
		}
	})
	s.dial().say("anything")
	other := s.dial()
	for range 10 {
		other.say("echo served")
		other.want("served")
	}
}

func TestPanicClosesItsConnection(t *testing.T) {
	closed := make(chan error, 2)
	logged := Config{Loops: 1, Logger: quiet()}
	s := serve(t, logged, func(c *Conn) Session { return &lines{conn: c, closed: closed} })
	other, c := s.dial(), s.dial()
	other.say("echo there")
	other.want("there")
	c.say("panic")
	c.wantEnd()
	if err := await(t, closed); err != ErrPanic {
		t.Errorf("closed with %v", err)
	}
	other.say("echo still there")
	other.want("still there")
	if n := s.Stats().Loops[0].Panics; n != 1 {
		t.Errorf("%d panics", n)
	}
}

// switching hands its connection over to lines at the first line.
type switching struct{ lines }

func (s *switching) Receive(in []byte) int {
	s.conn.SetSession(&s.lines)
	return 0
}

func TestSetSessionPresentsInputAgain(t *testing.T) {
	s := serve(t, Config{Loops: 1}, func(c *Conn) Session { return &switching{lines{conn: c}} })
	c := s.dial()
	c.say("echo handed over")
	c.want("handed over")
}

func TestAddresses(t *testing.T) {
	local, remote := make(chan string, 1), make(chan string, 1)
	s := serve(t, Config{Loops: 1}, func(c *Conn) Session {
		local <- c.LocalAddrPort().String()
		remote <- c.RemoteAddrPort().String()
		return &lines{conn: c}
	})
	c := s.dial()
	if have, want := await(t, local), c.RemoteAddr().String(); have != want {
		t.Errorf("local %s, want %s", have, want)
	}
	if have, want := await(t, remote), c.LocalAddr().String(); have != want {
		t.Errorf("remote %s, want %s", have, want)
	}
}
