//go:build linux

package conformance

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway"
)

// Rule 21: a client that leaves ends the server's request at once, in each phase.
func TestClientsThatLeave(t *testing.T) {
	phases := map[string]func(s *site) (asked, heard){
		"before the head": func(s *site) (asked, heard) {
			q := s.ask(get("/"))
			return q, s.accept().hear()
		},
		"in the upload": func(s *site) (asked, heard) {
			q := s.ask(request{method: "POST", path: "/", content: "begin", open: true})
			return q, s.accept().hear()
		},
		"in an upload that waits for 100": func(s *site) (asked, heard) {
			q := s.ask(expecting())
			return q, s.accept().hear()
		},
		"behind an interim response": func(s *site) (asked, heard) {
			q := s.ask(get("/"))
			server := s.accept().hear()
			server.interim("103")
			return q, server
		},
		"behind the head": func(s *site) (asked, heard) {
			q := s.ask(get("/"))
			server := s.accept().hear()
			server.head(false, "200")
			q.head()
			return q, server
		},
		"in the content": func(s *site) (asked, heard) {
			q := s.ask(get("/"))
			server := s.accept().hear()
			server.head(false, "200")
			server.data("part", false)
			q.head()
			return q, server
		},
		"in both": func(s *site) (asked, heard) {
			q := s.ask(request{method: "POST", path: "/", content: "begin", open: true})
			server := s.accept().hear()
			server.head(false, "200")
			server.data("part", false)
			q.head()
			return q, server
		},
	}
	for name, phase := range phases {
		t.Run(name, func(t *testing.T) {
			pairs(t, options{}, func(s *site) {
				q, server := phase(s)
				begin := time.Now()
				q.leave()
				server.abandoned()
				if took := time.Since(begin); took > patience/4 {
					s.Errorf("the request ends after %v", took)
				}
				s.ended(gateway.ClientGone)
			})
		})
	}
}

// A client that leaves while the response cannot be written ends it too.
func TestClientsThatLeaveWhileWritingIsBlocked(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		var q asked
		if s.in.isHTTP2() {
			link := s.dialLink()
			link.write(func(*http2.Framer) { link.stingy = true })
			q = link.ask(get("/"))
		} else {
			q = s.ask(get("/"))
		}
		server := s.accept().hear()
		server.head(false, "200")
		stop := s.floods(server)
		q.head()
		stop.waitBlocked()
		q.leave()
		server.abandoned()
		s.ended(gateway.ClientGone)
	})
}

// flood writes content until it is blocked, and for as long as the connection lasts.
type flood struct {
	s        *site
	progress chan int
}

// floods sends content of a response without end, as far as windows and sockets allow.
func (s *site) floods(q heard) *flood {
	f := &flood{s, make(chan int, 1<<20)}
	if l, ok := q.(*lineHeard); ok {
		go func() {
			for {
				part := "4000\r\n" + strings.Repeat("x", 0x4000) + "\r\n"
				if _, err := io.WriteString(l.Conn, part); err != nil {
					return
				}
				f.progress <- 1
			}
		}()
		return f
	}
	l := q.(*linkHeard)
	l.data(strings.Repeat("x", 65535), false) // the window at the start
	return f
}

// waitBlocked waits until nothing more is written.
func (f *flood) waitBlocked() {
	for {
		select {
		case <-f.progress:
		case <-time.After(200 * time.Millisecond):
			return
		}
	}
}

// A reset stream counts against the limit until a PING shows that the server has seen the reset.
func TestResetStreamsCount(t *testing.T) {
	over(t, []transport{h1, h2c}, []transport{h2c}, options{backend: client.OriginOptions{Wait: 300 * time.Millisecond}}, func(s *site) {
		first := s.ask(get("/first"))
		conn := s.acceptLink(setting{ID: http2.SettingMaxConcurrentStreams, Val: 4})
		ok(conn.hear())
		s.wants(first.answer(), "200", "fine")
		conn.write(func(*http2.Framer) { conn.mute = true })
		var all []asked
		for range 4 {
			all = append(all, s.ask(get("/")))
		}
		for range 4 {
			conn.hear()
		}
		for _, q := range all {
			q.leave()
		}
		resets := 0
		for resets < 4 {
			if f := conn.frame(func(f frame) bool { return f.kind == http2.FrameRSTStream }); f.kind == http2.FrameRSTStream {
				resets++
			}
		}
		late := s.ask(get("/late"))
		if m := late.answer(); m.status != "503" {
			s.Errorf("the client has got %v: more streams than the server allows", m)
		}
		s.eventually(func() string {
			if conn.pinged() == 0 {
				return "no PING"
			}
			return ""
		})
		conn.write(func(f *http2.Framer) {
			conn.mute = false
			_ = f.WritePing(true, conn.ping)
		})
		q := s.ask(get("/again"))
		ok(conn.hear())
		s.wants(q.answer(), "200", "fine")
	})
}

// The server's limit of streams counts at once, also when it is lowered.
func TestLimitsOfStreams(t *testing.T) {
	over(t, []transport{h1, h2c}, []transport{h2c, h2}, options{}, func(s *site) {
		first := s.ask(get("/first"))
		conn := s.acceptLink(setting{ID: http2.SettingMaxConcurrentStreams, Val: 3})
		ok(conn.hear())
		s.wants(first.answer(), "200", "fine")
		var all []asked
		for range 5 {
			all = append(all, s.ask(get("/")))
		}
		heard := []*linkHeard{conn.hear(), conn.hear(), conn.hear()}
		conn.quiet()
		conn.sets(setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
		conn.settled()
		ok(heard[0])
		ok(heard[1])
		conn.quiet()
		ok(heard[2])
		last := conn.hear()
		conn.quiet()
		ok(last)
		ok(conn.hear())
		for _, q := range all {
			s.wants(q.answer(), "200", "fine")
		}
		conn.sets(setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
		conn.settled()
		q := s.ask(get("/last"))
		conn.quiet()
		conn.sets(setting{ID: http2.SettingMaxConcurrentStreams, Val: 9})
		ok(conn.hear())
		s.wants(q.answer(), "200", "fine")
	})
}

// quiet fails the test if a frame of a request comes.
func (l *link) quiet() {
	l.t.Helper()
	select {
	case f := <-l.frames:
		l.t.Errorf("%v in place of nothing", f)
	case <-time.After(50 * time.Millisecond):
	}
}

// settled waits until the gateway has acknowledged all SETTINGS.
func (l *link) settled() {
	l.t.Helper()
	for end := time.Now().Add(patience / 2); ; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		done := l.acks == l.settings
		l.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(end) {
			l.t.Fatal("no acknowledgement of SETTINGS")
		}
	}
}

// Rule 22: windows of the server bound the upload; a lowered initial window counts at once, also when it becomes negative.
func TestWindowsOfTheServer(t *testing.T) {
	over(t, transports, []transport{h2c, h2}, options{}, func(s *site) {
		first := s.ask(get("/first"))
		conn := s.acceptLink(setting{ID: http2.SettingInitialWindowSize, Val: 10})
		conn.write(func(*http2.Framer) { conn.stingy = true })
		ok(conn.hear())
		s.wants(first.answer(), "200", "fine")
		content := "0123456789abcdefghijklmnopqrstuvwxyz"
		q := s.ask(request{method: "POST", path: "/", content: content, open: true, size: 36})
		server := conn.hear()
		got := conn.takes(server.id, 10)
		conn.quiet()
		conn.sets(setting{ID: http2.SettingInitialWindowSize, Val: 2}) // the window is -8
		conn.settled()
		conn.write(func(f *http2.Framer) { _ = f.WriteWindowUpdate(server.id, 8) }) // 0
		conn.quiet()
		conn.write(func(f *http2.Framer) { _ = f.WriteWindowUpdate(server.id, 5) })
		got += conn.takes(server.id, 5)
		conn.quiet()
		conn.sets(setting{ID: http2.SettingInitialWindowSize, Val: 4}) // 2 more
		got += conn.takes(server.id, 2)
		conn.quiet()
		conn.write(func(f *http2.Framer) { _ = f.WriteWindowUpdate(server.id, 100) })
		got += conn.takes(server.id, 19)
		if got != content {
			s.Errorf("the server has got %q", got)
		}
		ok(server)
		s.wants(q.answer(), "200", "fine")
	})
}

// takes reads n bytes of content.
func (l *link) takes(stream uint32, n int) (content string) {
	l.t.Helper()
	for len(content) < n {
		f := l.of(stream)
		if f.kind != http2.FrameData {
			l.t.Fatalf("%v in place of content", f)
		}
		content += f.data
		l.ended = f.end
	}
	if len(content) > n {
		l.t.Errorf("%d bytes in a window of %d", len(content), n)
	}
	return content
}

// The server's window of the connection bounds all uploads together, and frames stay within SETTINGS_MAX_FRAME_SIZE.
func TestWindowOfTheConnection(t *testing.T) {
	over(t, transports, []transport{h2c}, options{}, func(s *site) {
		first := s.ask(get("/first"))
		conn := s.acceptLink(setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
		conn.write(func(*http2.Framer) { conn.stingy = true })
		ok(conn.hear())
		s.wants(first.answer(), "200", "fine")
		q := s.ask(post("/", strings.Repeat("x", 60_000)))
		one := conn.hear()
		conn.takes(one.id, 60_000)
		other := s.ask(post("/", strings.Repeat("y", 60_000)))
		two := conn.hear()
		conn.takes(two.id, 5535)
		conn.quiet()
		small := s.ask(get("/small")) // has no content
		ok(conn.hear())
		s.wants(small.answer(), "200", "fine")
		conn.write(func(f *http2.Framer) { _ = f.WriteWindowUpdate(0, 1<<20) })
		conn.takes(two.id, 60_000-5535)
		ok(one)
		ok(two)
		s.wants(q.answer(), "200", "fine")
		s.wants(other.answer(), "200", "fine")
	})
}

// A client that has stopped reading stalls nobody else on the server's connection, whose window never blocks.
func TestStalledClients(t *testing.T) {
	over(t, transports, []transport{h2c, h2}, options{}, func(s *site) {
		var conn listener
		var stalled []asked
		const clients = 80 // more than 4 MiB
		part := strings.Repeat("x", 60_000)
		for range clients {
			var q asked
			if s.in.isHTTP2() {
				l := s.dialLink(setting{ID: http2.SettingInitialWindowSize, Val: 0})
				q = l.ask(get("/stalled"))
			} else {
				c := s.dialLine()
				_ = c.Conn.(*net.TCPConn).SetReadBuffer(2048)
				q = c.ask(get("/stalled"))
			}
			stalled = append(stalled, q)
			if conn == nil {
				conn = s.accept()
			}
			server := conn.hear()
			server.head(false, "200")
			server.data(part, false)
		}
		// The server has credit for the connection again, whatever its streams have.
		l := linkOf(conn)
		s.eventually(func() string {
			if got := l.credited(0); got < clients*60_000-1<<20 { // 1 MiB is open at the start
				return "credit for the connection is missing"
			}
			return ""
		})
		other := s.dial()
		for range 20 {
			q := other.ask(get("/"))
			says(conn.hear(), "200", part)
			s.wants(q.answer(), "200", part)
		}
		s.none()
		_ = stalled
	})
}

// Credit for a stream is given as the client takes, and not before.
func TestCreditFollowsTheClient(t *testing.T) {
	over(t, []transport{h2c, h2}, []transport{h2c, h2}, options{}, func(s *site) {
		link := s.dialLink()
		link.write(func(*http2.Framer) { link.stingy = true })
		q := link.ask(get("/"))
		server := s.accept().hear().(*linkHeard)
		window := server.window()
		server.head(false, "200")
		for sent := 0; sent < window; sent += 0x4000 {
			server.data(strings.Repeat("x", min(0x4000, window-sent)), false)
		}
		q.head()
		link.takes(q.id, 65535) // what the client's windows allow
		time.Sleep(20 * time.Millisecond)
		if got := server.credited(server.id); got > 65535 {
			s.Errorf("credit for %d bytes, of which the client has taken %d", got, 65535)
		}
		link.write(func(f *http2.Framer) {
			_ = f.WriteWindowUpdate(0, 1<<20)
			_ = f.WriteWindowUpdate(q.id, 1<<20)
		})
		link.takes(q.id, window-65535)
		s.eventually(func() string {
			if got := server.credited(server.id); int(got) < window/2 {
				return "no credit for the stream"
			}
			return ""
		})
		server.data("end", true)
		s.wants(q.answer(), "200", "end")
	})
}

// window returns the window of a stream at its start.
func (q *linkHeard) window() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.initial
}

// Content that is large, or of unknown length, prefers the second connection.
func TestBulkGoesElsewhere(t *testing.T) {
	over(t, []transport{h1, h2c}, []transport{h2c}, options{backend: client.OriginOptions{Connections: 2}}, func(s *site) {
		conn := s.dial()
		first := s.warm(conn)
		q := s.ask(request{method: "POST", path: "/bulk", content: "begin", open: true})
		// The first goes where there is a connection, and opens the second.
		first.hear()
		second := s.accept()
		other := s.ask(request{method: "POST", path: "/bulk", content: "begin", open: true})
		second.hear()
		small := s.ask(get("/small"))
		from := first.hear()
		ok(from)
		s.wants(small.answer(), "200", "fine")
		s.none()
		_, _ = q, other
	})
}

// A response that a client does not read pauses the server over HTTP/1.1, after a bounded number of bytes.
func TestBackpressureOverLines(t *testing.T) {
	over(t, transports, []transport{h1}, options{}, func(s *site) {
		var q asked
		if s.in.isHTTP2() {
			l := s.dialLink(setting{ID: http2.SettingInitialWindowSize, Val: 1000})
			l.write(func(*http2.Framer) { l.stingy = true })
			q = l.ask(get("/"))
		} else {
			q = s.ask(get("/"))
		}
		server := s.accept().hear().(*lineHeard)
		_ = server.Conn.(*net.TCPConn).SetWriteBuffer(4096)
		server.head(false, "200")
		f := s.floods(server)
		n := 0
		for blocked := false; !blocked; {
			select {
			case <-f.progress:
				if n++; n > 2000 {
					s.Fatal("the gateway takes everything")
				}
			case <-time.After(300 * time.Millisecond):
				blocked = true
			}
		}
		q.head()
		q.leave()
	})
}
