//go:build linux

package server_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// attack writes the frames of one step, on the stream that is next.
type attack func(a *attacker, stream uint32)

// attacker writes frames to memory, so that many need one system call.
type attacker struct {
	*http2.Framer
	out   bytes.Buffer
	block bytes.Buffer
	enc   *hpack.Encoder
}

func newAttacker() *attacker {
	a := &attacker{}
	a.Framer = http2.NewFramer(&a.out, nil)
	a.AllowIllegalWrites = true
	a.enc = hpack.NewEncoder(&a.block)
	return a
}

func (a *attacker) fields(lines ...string) []byte {
	a.block.Reset()
	for i := 0; i < len(lines); i += 2 {
		_ = a.enc.WriteField(hpack.HeaderField{Name: lines[i], Value: lines[i+1]})
	}
	return a.block.Bytes()
}

func (a *attacker) request(stream uint32, method, path string, end bool, more ...string) {
	block := a.fields(append([]string{":method", method, ":scheme", "http", ":path", path, ":authority", "a"}, more...)...)
	_ = a.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true, EndStream: end})
}

var attacks = map[string]attack{
	// CVE-2023-44487
	"reset": func(a *attacker, stream uint32) {
		a.request(stream, "GET", "/delay/1h", true)
		_ = a.WriteRSTStream(stream, http2.ErrCodeCancel)
	},
	// CVE-2025-8671
	"provoked": func(a *attacker, stream uint32) {
		a.request(stream, "GET", "/delay/1h", true)
		_ = a.WriteWindowUpdate(stream, 0)
	},
	"refused": func(a *attacker, stream uint32) { a.request(stream, "GET", "/delay/1h", true) },
	"oversize": func(a *attacker, stream uint32) {
		a.request(stream, "GET", "/", true, bomb[:40]...)
	},
	// CVE-2024-27316
	"block": func(a *attacker, stream uint32) {
		if stream == 3 {
			_ = a.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: []byte{0x82}})
		}
		_ = a.WriteContinuation(3, false, []byte{0x82})
	},
	// CVE-2019-9512, 9515, 9518, 9513, 9511
	"ping":     func(a *attacker, _ uint32) { _ = a.WritePing(false, [8]byte{}) },
	"settings": func(a *attacker, _ uint32) { _ = a.WriteSettings() },
	"empty": func(a *attacker, stream uint32) {
		if stream == 3 {
			a.request(3, "POST", "/echo", false)
		}
		_ = a.WriteData(3, false, nil)
	},
	"priority": func(a *attacker, stream uint32) {
		_ = a.WritePriority(stream, http2.PriorityParam{StreamDep: 1})
		_ = a.WriteRawFrame(http2.FrameType(0x10), 0, 0, append(binary.BigEndian.AppendUint32(nil, stream), "u=1"...))
	},
	"window": func(a *attacker, _ uint32) { _ = a.WriteWindowUpdate(0, 1) },
	"stray":  func(a *attacker, _ uint32) { _ = a.WriteData(1, false, []byte("x")) },
	"unknown": func(a *attacker, _ uint32) {
		_ = a.WriteRawFrame(http2.FrameType(0xbe), 0, 0, []byte("grease"))
	},
}

// bomb is one field line many times, so that all but the first are references.
var bomb = strings.Split(strings.Repeat("x "+strings.Repeat("a", 3900)+" ", 20), " ")

// Each attack ends with ENHANCE_YOUR_CALM and is counted. Others on the same loop are served meanwhile, and memory
// stays bounded.
func TestHTTP2Attacks(t *testing.T) {
	s := serve(t, builtIn(t, ""), func(c *server.Config) { c.Loops = 1 })
	client := s.client2()
	get2(t, client, s.to("GET", "/", nil), 200)
	for name, step := range attacks {
		t.Run(name, func(t *testing.T) {
			s := s.in(t)
			calm := liveBytes()
			l := s.dial2()
			l.request(1, "GET", "/", true)
			l.answered(1, "200")
			done := make(chan struct{})
			go func() {
				defer close(done)
				a := newAttacker()
				for stream := uint32(3); stream < 1_000_000; stream += 2 {
					step(a, stream)
					if a.out.Len() < 4<<10 {
						continue
					}
					if _, err := l.Conn.Write(a.out.Bytes()); err != nil {
						return
					}
					a.out.Reset()
				}
			}()
			reason := make(chan string, 1)
			go func() { reason <- l.goodbye() }()
			for ended := false; !ended; {
				get2(t, client, s.to("GET", "/bytes/100", nil), 200)
				select {
				case why := <-reason:
					if why != "ENHANCE_YOUR_CALM "+name+" budget is used up" {
						t.Errorf("ended with %q", why)
					}
					ended = true
				default:
				}
			}
			if used := liveBytes() - calm; used > 8<<20 {
				t.Errorf("%d bytes are in use afterwards", used)
			}
			l.Close()
			<-done
			eventually(t, "the attack is counted", func() bool { return s.Counts().HTTP2.Calmed[name] == 1 })
		})
	}
}

// goodbye reads to the end and returns what GOAWAY said.
func (l *line2) goodbye() string {
	why := "no GOAWAY"
	for {
		frame, err := l.framer.ReadFrame()
		if err != nil {
			return why
		}
		if g, ok := frame.(*http2.GoAwayFrame); ok {
			why = g.ErrCode.String() + " " + string(g.DebugData())
		}
	}
}

func liveBytes() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// For peers that cause answers and read nothing, little memory is held.
func TestHTTP2UnreadAnswers(t *testing.T) {
	s := serve(t, builtIn(t, ""), func(c *server.Config) { c.Loops = 1 })
	client := s.client2()
	for name, step := range map[string]attack{
		"heads":    func(a *attacker, stream uint32) { a.request(stream, "HEAD", "/", true) },
		"contents": func(a *attacker, stream uint32) { a.request(stream, "GET", "/bytes/2000", true) },
		"large":    func(a *attacker, stream uint32) { a.request(stream, "GET", "/stream/1GiB", true) },
	} {
		t.Run(name, func(t *testing.T) {
			s := s.in(t)
			calm := liveBytes()
			l := s.dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
			l.must(l.framer.WriteWindowUpdate(0, 1<<30))
			a := newAttacker()
			_ = l.SetWriteDeadline(time.Now().Add(2 * time.Second))
			for stream := uint32(3); stream < 600_000; stream += 2 {
				step(a, stream)
				if a.out.Len() > 16<<10 {
					if _, err := l.Conn.Write(a.out.Bytes()); err != nil {
						break
					}
					a.out.Reset()
				}
			}
			get2(t, client, s.to("GET", "/", nil), 200)
			bound := 8 << 20
			if name == "large" {
				bound = 40 << 20 // what 250 producers have given
			}
			if used := liveBytes() - calm; used > bound {
				t.Errorf("%d bytes are in use", used)
			}
			l.Close()
		})
	}
}

// A client that cancels half of its requests, measures round trips and opens its windows bit by bit is never cut
// off.
func TestHTTP2BusyClientIsNeverCut(t *testing.T) {
	s := serve(t, builtIn(t, ""), func(c *server.Config) { c.HTTP2.SettingsTimeout = time.Hour }) // this client acknowledges none
	l := s.dial2()
	a := newAttacker()
	const rounds, streams = 400, 20
	stream := uint32(1)
	for range rounds {
		for range streams {
			a.request(stream, "GET", "/bytes/100", true)
			a.request(stream+2, "GET", "/delay/1h", true)
			_ = a.WriteWindowUpdate(stream+2, 4096)
			_ = a.WriteRSTStream(stream+2, http2.ErrCodeCancel)
			_ = a.WriteWindowUpdate(0, 100)
			_ = a.WritePing(false, [8]byte{1})
			stream += 4
		}
		l.say(a.out.String())
		a.out.Reset()
		for answered := 0; answered < streams; {
			frame, err := l.framer.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			switch frame := frame.(type) {
			case *http2.DataFrame:
				if frame.StreamEnded() {
					answered++
				}
			case *http2.GoAwayFrame:
				t.Fatalf("cut off after %d streams: %v %s", stream/2, frame.ErrCode, frame.DebugData())
			}
		}
	}
	l.works()
}

// Handlers wait while many complete answers wait for a peer that does not read. All run once it reads.
func TestHTTP2UnreadWholeAnswersAreBounded(t *testing.T) {
	const size, requests = 340 << 10, 240
	var made atomic.Int64
	s := serve(t, func(*app.Request) app.Answer {
		made.Add(1)
		return app.Ready(app.Blob(200, "text/plain", make([]byte, size)))
	}, func(c *server.Config) { c.Loops = 1 })
	l := s.dial2(noWindow)
	for stream := uint32(1); stream < 2*requests; stream += 2 {
		l.request(stream, "GET", "/", true)
	}
	l.works()
	if n := made.Load(); n < 2 || n > 8<<20/size+1 {
		t.Fatalf("%d answers of %d bytes were made for a peer that reads none", n, size)
	}
	// A stream that is reset makes room, whether its handler has run or not.
	before := made.Load()
	l.must(l.framer.WriteRSTStream(1, http2.ErrCodeCancel))
	l.must(l.framer.WriteRSTStream(2*requests-1, http2.ErrCodeCancel))
	l.works()
	if n := made.Load(); n != before+1 {
		t.Errorf("%d answers were made after one left, want 1", n-before)
	}
	l.must(l.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1}))
	l.must(l.framer.WriteWindowUpdate(0, 1<<30))
	ended := 0
	l.until("the last answer", func(frame http2.Frame) bool {
		if d, ok := frame.(*http2.DataFrame); ok && d.StreamEnded() {
			ended++
		}
		return ended == requests-2
	})
	if n := made.Load(); n != requests-1 {
		t.Errorf("%d answers were made", n)
	}
}

// Uploads without content so far hold little memory.
func TestHTTP2WaitingUploadsHoldLittle(t *testing.T) {
	s := serve(t, builtIn(t, ""), func(c *server.Config) { c.Loops = 1 })
	for _, path := range []string{"/upload", "/echo"} {
		l := s.dial2()
		l.works()
		calm := liveBytes()
		const requests = 240
		for stream := uint32(1); stream < 2*requests; stream += 2 {
			l.request(stream, "POST", path, false)
		}
		l.works()
		if each := (liveBytes() - calm) / requests; each > 6<<10 {
			t.Errorf("%s: %d bytes a request", path, each)
		}
		l.close()
	}
}

// quietAttacks stay within all budgets and cost as much as they can.
var quietAttacks = map[string]attack{
	"references to a long value": func(a *attacker, stream uint32) {
		a.request(stream, "HEAD", "/", true, bomb[:30]...)
	},
	"table churn": func(a *attacker, stream uint32) {
		// Without the encoder, which would not know of the entries.
		block := []byte("\x02\x04HEAD\x86\x84\x01\x01a" + strings.Repeat("\x40\x01x\x01y", 300))
		_ = a.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true, EndStream: true})
	},
	"priorities": func(a *attacker, stream uint32) {
		a.request(stream, "HEAD", "/", true, "priority", "u=1, i, "+strings.Repeat("x, ", 500)+"y")
	},
}

// Attacks that no budget ends do not delay others.
func TestHTTP2QuietAttacksDelayNobody(t *testing.T) {
	s := serve(t, builtIn(t, ""), func(c *server.Config) { c.Loops = 1 })
	for name, step := range quietAttacks {
		t.Run(name, func(t *testing.T) {
			s := s.in(t)
			l := s.dial2()
			go func() { _ = l.goodbye() }() // reads
			done := make(chan struct{})
			go func() {
				defer close(done)
				a := newAttacker()
				for stream := uint32(3); ; stream += 2 {
					step(a, stream)
					if a.out.Len() < 16<<10 {
						continue
					}
					if _, err := l.Conn.Write(a.out.Bytes()); err != nil {
						return // closed below
					}
					a.out.Reset()
				}
			}()
			median := s.probe(500 * time.Millisecond)
			if n := s.Counts().HTTP2.Failed; n > 0 {
				t.Errorf("the attack was ended: %v", s.Counts().HTTP2.Calmed)
			}
			l.Close()
			<-done
			if median > 100*time.Millisecond {
				t.Errorf("half of the answers took more than %v", median)
			}
		})
	}
}
