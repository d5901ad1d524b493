//go:build linux

package server_test

import (
	"net"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
)

// refusing reads no content of /slow, answers /early immediately, and returns the digest of other content.
func refusing(r *app.Request) app.Answer {
	switch r.RawPath {
	case "/slow":
		_, f := app.Promised[*app.Response](r)
		return f
	case "/early":
		return hello(r)
	}
	return digest(r)
}

// uploader is a client that keeps the windows by which it may send.
type uploader struct {
	*line2
	connection int
	streams    map[uint32]int
}

func (s *site) uploader() *uploader {
	s.t.Helper()
	return &uploader{s.dial2(), 65535, map[uint32]int{}}
}

func (u *uploader) begin(stream uint32, path string) {
	u.t.Helper()
	u.request(stream, "POST", path, false)
	u.streams[stream] = 65535
}

// send sends content as the windows open. It reports whether it has sent all, and gives up when a PING is
// acknowledged before a window opens.
func (u *uploader) send(stream uint32, content string, end bool) bool {
	u.t.Helper()
	for content != "" || end {
		n := min(len(content), u.connection, u.streams[stream], 16384)
		if n == 0 && content != "" {
			if !u.opens(stream) {
				return false
			}
			continue
		}
		last := n == len(content)
		u.must(u.framer.WriteData(stream, end && last, []byte(content[:n])))
		content = content[n:]
		u.connection -= n
		u.streams[stream] -= n
		end = end && !last
	}
	return true
}

// opens waits for a window, until a PING is acknowledged.
func (u *uploader) opens(stream uint32) bool {
	u.t.Helper()
	u.must(u.framer.WritePing(false, [8]byte{}))
	u.until("answer to the PING", func(frame http2.Frame) bool {
		u.note(frame)
		p, ok := frame.(*http2.PingFrame)
		return ok && p.IsAck()
	})
	return u.connection > 0 && u.streams[stream] > 0
}

func (u *uploader) note(frame http2.Frame) {
	if w, ok := frame.(*http2.WindowUpdateFrame); ok {
		if w.StreamID == 0 {
			u.connection += int(w.Increment)
		} else {
			u.streams[w.StreamID] += int(w.Increment)
		}
	}
}

// told waits for the digest of what was sent.
func (u *uploader) told(stream uint32, content string) {
	u.t.Helper()
	u.until("digest", func(frame http2.Frame) bool {
		u.note(frame)
		d, ok := frame.(*http2.DataFrame)
		if ok && d.StreamID == stream && d.StreamEnded() && string(d.Data()) != digestOf(content) {
			u.t.Fatalf("stream %d: got %q, want %q", stream, d.Data(), digestOf(content))
		}
		return ok && d.StreamID == stream && d.StreamEnded()
	})
}

// upload sends all content, and waits for windows.
func (u *uploader) upload(stream uint32, content string) {
	u.t.Helper()
	u.begin(stream, "/")
	for sent := 0; sent < len(content); {
		n := min(32<<10, len(content)-sent)
		if u.connection < n || u.streams[stream] < n {
			u.until("window", func(frame http2.Frame) bool {
				u.note(frame)
				return u.connection >= n && u.streams[stream] >= n
			})
		}
		if !u.send(stream, content[sent:sent+n], sent+n == len(content)) {
			u.t.Fatal("a window closed by itself")
		}
		sent += n
	}
	u.told(stream, content)
}

// Uploads that the application does not read stop, without stopping others on their connection.
func TestHTTP2SlowUploadsBlockNobody(t *testing.T) {
	s := serve(t, refusing)
	u := s.uploader()
	content := strings.Repeat("x", 1<<20)
	stream := uint32(1)
	for range 40 {
		u.begin(stream, "/slow")
		if u.send(stream, content, false) {
			t.Fatal("content that nobody reads is taken without end")
		}
		if u.streams[stream] > 0 {
			t.Fatalf("stream %d: the connection stopped it, with %d bytes of its own window left", stream, u.streams[stream])
		}
		stream += 2
	}
	u.upload(stream, pattern(1<<20))
}

// Content of a closed stream that was not read is credited to the connection.
func TestHTTP2WindowsOfLostStreams(t *testing.T) {
	s := serve(t, refusing)
	u := s.uploader()
	content := strings.Repeat("x", 60<<10)
	stream := uint32(1)
	for range 150 {
		u.begin(stream, "/slow")
		if !u.send(stream, content, false) {
			t.Fatalf("the connection's window is lost: %d bytes after %d streams", u.connection, stream/2)
		}
		u.must(u.framer.WriteRSTStream(stream, http2.ErrCodeCancel))
		stream += 2
		u.begin(stream, "/early")
		if !u.send(stream, content, true) {
			t.Fatalf("the connection's window is lost: %d bytes after %d streams", u.connection, stream/2)
		}
		stream += 2
	}
	u.upload(stream, pattern(1<<20))
}

// Content in tiny frames holds no more memory than the windows allow.
func TestHTTP2TinyFramesAreBounded(t *testing.T) {
	s := serve(t, refusing)
	calm := liveBytes()
	a := newAttacker()
	l := s.dial2()
	for stream := uint32(1); stream < 500; stream += 2 {
		a.request(stream, "POST", "/slow", false)
		for range 40 {
			_ = a.WriteData(stream, false, []byte("x"))
		}
	}
	l.say(a.out.String())
	l.works()
	if used := liveBytes() - calm; used > 8<<20 {
		t.Errorf("%d bytes are in use for 10,000 of content", used)
	}
}

// An endless download delays other responses by little, whatever the client's windows: only a little of it is
// queued ahead, in the server and in the kernel.
func TestHTTP2SmallAnswersOvertakeADownload(t *testing.T) {
	s := serve(t, builtIn(t, ""))
	l := s.dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	// What the client's kernel has received cannot be overtaken.
	if err := l.Conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	l.must(l.framer.WriteWindowUpdate(0, 1<<31-1-65535))
	l.request(1, "GET", "/bytes/1GiB", true)
	l.answered(1, "200")
	received := 0
	pull := func(want func(*http2.DataFrame) bool) {
		l.until("content", func(frame http2.Frame) bool {
			d, ok := frame.(*http2.DataFrame)
			if ok && d.StreamID == 1 {
				received += len(d.Data())
			}
			return ok && want(d)
		})
	}
	pull(func(*http2.DataFrame) bool { return received > 4<<20 })
	var ahead []int
	for stream := uint32(3); stream < 3+2*50; stream += 2 {
		before := received
		l.request(stream, "GET", "/", true)
		pull(func(d *http2.DataFrame) bool { return d.StreamID == stream })
		ahead = append(ahead, received-before)
	}
	slices.Sort(ahead)
	if median := ahead[len(ahead)/2]; median > 1<<20 {
		t.Errorf("%d bytes of the download came before a small answer", median)
	}
	if received > 1<<29 {
		t.Errorf("the download was over: %d bytes", received)
	}
}
