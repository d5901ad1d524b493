package h2

import (
	"fmt"
	"testing"
	"time"
)

// uplink is the simulated way of uploads to a connection, in virtual time. The peer sends as fast as the link and the windows
// allow, and acknowledges PINGs.
type uplink struct {
	*peer
	delay   int // steps of a millisecond in either direction
	rate    int // bytes a step that the link carries
	streams map[StreamID]int
	window  int        // of the connection, as the peer knows it
	forth   [][]string // frames on their way to the connection, by step
	back    [][]string
	read    func(id StreamID, n int) int // how much of n unread bytes the application reads in a step; nil: all
	unread  map[StreamID]int
	arrived int
	pings   int
	most    int // unread bytes of all streams at the worst moment
}

func newUplink(p *peer, delay, rate int, ids ...StreamID) *uplink {
	u := &uplink{peer: p, delay: delay, rate: rate, streams: map[StreamID]int{}, unread: map[StreamID]int{}, window: defaultConnectionWindow}
	u.forth, u.back = make([][]string, delay+1), make([][]string, delay+1)
	for _, id := range ids {
		p.writes(p.post(id))
		u.streams[id] = protocolWindow
	}
	p.frames()
	return u
}

// step lets a millisecond pass.
func (u *uplink) step() {
	u.t.Helper()
	u.now = u.now.Add(time.Millisecond)
	u.sh.Tick(u.now)
	u.deliver()
	u.consume()
	u.hear()
	u.send()
	if u.err != nil {
		u.t.Fatal(u.err)
	}
}

func (u *uplink) deliver() {
	frames := u.forth[0]
	u.forth = append(u.forth[1:], nil)
	u.writes(frames...)
	u.events = nil
	for _, f := range frames {
		if frameType(f[3]) == frameData {
			n := len(f) - frameHeaderLen
			u.unread[parseFrameHeader([]byte(f)).stream] += n
			u.arrived += n
		}
	}
}

func (u *uplink) consume() {
	total := 0
	for id, n := range u.unread {
		if u.read != nil {
			n = u.read(id, n)
		}
		u.c.Consumed(id, n)
		u.unread[id] -= n
		total += u.unread[id]
	}
	u.most = max(u.most, total)
}

// hear passes the frames of the connection to the peer.
func (u *uplink) hear() {
	u.back[u.delay] = u.frames()
	frames := u.back[0]
	u.back = append(u.back[1:], nil)
	for _, f := range frames {
		var id StreamID
		var n int
		var opaque uint64
		if _, err := fmt.Sscanf(f, "WINDOW_UPDATE %d %d", &id, &n); err == nil {
			if id == 0 {
				u.window += n
			} else if _, ok := u.streams[id]; ok {
				u.streams[id] += n
			}
		} else if _, err := fmt.Sscanf(f, "PING %x", &opaque); err == nil {
			u.pings++
			u.forth[u.delay] = append(u.forth[u.delay], string(appendPing(nil, flagAck, opaque)))
		}
	}
}

func (u *uplink) send() {
	left := u.rate
	for more := true; more; {
		more = false
		for id, window := range u.streams {
			n := min(left, window, u.window, 16<<10)
			if n <= 0 {
				continue
			}
			more = true
			left -= n
			u.window -= n
			u.streams[id] -= n
			u.forth[u.delay] = append(u.forth[u.delay], dataFrame(id, 0, kib(16)[:n]))
		}
	}
}

// passes lets d pass, and returns the content that arrives in d, in bytes a millisecond.
func (u *uplink) passes(d time.Duration) int {
	u.t.Helper()
	before := u.arrived
	steps := int(d / time.Millisecond)
	for range steps {
		u.step()
	}
	return (u.arrived - before) / steps
}

// TestUploadFillsPath: with 20 ms of delay in either direction a window of 64 KiB allows 1.6 MB/s. The path carries 20 MB/s,
// 800,000 bytes at a time.
func TestUploadFillsPath(t *testing.T) {
	for _, streams := range [][]StreamID{{1}, {1, 3, 5, 7}} {
		t.Run(fmt.Sprintf("%d streams", len(streams)), func(t *testing.T) {
			u := newUplink(connect(t, Config{}), 20, 20_000, streams...)
			u.passes(time.Second)
			if rate := u.passes(time.Second); rate < 19_000 {
				t.Errorf("%d bytes a millisecond arrive, of 20000 that the path carries", rate)
			}
			if window := u.c.growth.window; window > 4<<20 {
				t.Errorf("the window has grown to %d", window)
			}
			u.pings = 0
			if u.passes(5 * time.Second); u.pings > 7 {
				t.Errorf("%d PINGs in five seconds", u.pings)
			}
		})
	}
}

// TestWindowGrowsWithinRoundTrips: a path of 40 MB/s and 41 ms is full after three round trips: the initial window, then
// four and 32 of it.
func TestWindowGrowsWithinRoundTrips(t *testing.T) {
	u := newUplink(connect(t, Config{MaxWindow: 4 << 20}), 20, 40_000, 1)
	u.passes((20 + 3*41) * time.Millisecond)
	if rate := u.passes(50 * time.Millisecond); rate < 34_000 {
		t.Errorf("%d bytes a millisecond arrive, of 40000 that the path carries", rate)
	}
	if u.pings > 2 {
		t.Errorf("%d PINGs", u.pings)
	}
}

// TestKnownRestNeedsNoGrowth: after 64 KiB the window has 32,767 bytes. It grows unless the rest fits into those.
func TestKnownRestNeedsNoGrowth(t *testing.T) {
	for length, grows := range map[int]bool{65536 + 32767: false, 65536 + 32768: true} {
		t.Run(fmt.Sprint(length, " bytes"), func(t *testing.T) {
			p := connect(t, Config{})
			p.writes(p.headers(1, 0, post("content-length", fmt.Sprint(length))...))
			for range 4 {
				p.writes(dataFrame(1, 0, kib(16)))
				p.c.Consumed(1, 16<<10)
			}
			if has := p.c.growth != nil; has != grows {
				t.Errorf("growth: %v, want %v", has, grows)
			}
			if !grows {
				p.wants("WINDOW_UPDATE 1 32768", "WINDOW_UPDATE 1 32768")
			}
		})
	}
}

// TestConnectionWindowOpensBeforeStreamsGrow: the connection has learned of a long path, and its streams have not grown to
// it yet. Its window must go on opening within what it may hold.
func TestConnectionWindowOpensBeforeStreamsGrow(t *testing.T) {
	p := connect(t, Config{})
	p.c.growth = &growth{window: 16 << 20, streams: 1, grown: 1 << 16, reserved: 1 << 16}
	window := int64(defaultConnectionWindow)
	for id := StreamID(1); id < 200; id += 2 {
		p.writes(p.post(id))
		for range 3 {
			if window -= 16 << 10; window < 0 {
				t.Fatalf("the window of the connection is not opened any more, at stream %d", id)
			}
			p.writes(dataFrame(id, 0, kib(16)))
			p.c.Consumed(id, 16<<10)
		}
		for _, f := range p.frames() {
			var n int64
			if _, err := fmt.Sscanf(f, "WINDOW_UPDATE 0 %d", &n); err == nil {
				window += n
			}
		}
		p.c.Reset(id, CodeCancel)
		p.frames()
	}
}

// TestSlowReaderKeepsWindow: the window of content that is read at 1 MB/s grows once, since that brings nothing.
func TestSlowReaderKeepsWindow(t *testing.T) {
	u := newUplink(connect(t, Config{}), 20, 20_000, 1)
	u.read = func(_ StreamID, n int) int { return min(n, 1000) }
	u.passes(3 * time.Second)
	if u.most > 4*protocolWindow {
		t.Errorf("%d bytes were unread, and %d are reserved", u.most, u.sh.grown)
	}
}

// TestStalledReaderIsBounded: a reader that was fast, and stops, holds its window and no more.
func TestStalledReaderIsBounded(t *testing.T) {
	u := newUplink(connect(t, Config{MaxWindow: 1 << 20}), 20, 100_000, 1, 3, 5)
	u.passes(time.Second)
	u.read = func(StreamID, int) int { return 0 }
	u.passes(time.Second)
	if held := u.c.unconsumed; held < 1<<20 || held > 4<<20 {
		t.Errorf("%d bytes are held: the windows of three streams are 3 MiB, the connection's buffer 4 MiB", held)
	}
}

// TestWindowMemory: the connections of a loop share the memory by which windows grow, and give it back.
func TestWindowMemory(t *testing.T) {
	const memory = 1 << 20
	p := connect(t, Config{WindowMemory: memory})
	var all []*uplink
	for range 8 {
		all = append(all, newUplink(p.another(), 20, 20_000, 1))
	}
	for range 1000 {
		for _, u := range all {
			u.now = all[0].now // one clock
			u.step()
		}
		if grown := p.sh.grown; grown > memory {
			t.Fatalf("%d bytes are reserved", grown)
		}
	}
	for i, u := range all {
		if u.c.growth.window <= protocolWindow {
			t.Errorf("connection %d has got nothing", i)
		}
	}
	for _, u := range all[:4] {
		// The application has had enough: what the peer may still send is the connection's window at most.
		u.c.Reset(1, CodeNoError)
		if over := u.c.recvWindow - defaultConnectionWindow; u.c.growth.reserved > int64(max(0, over)) {
			t.Errorf("%d bytes are reserved for a connection without content", u.c.growth.reserved)
		}
	}
	for _, u := range all {
		u.c.Close()
	}
	if p.sh.grown != 0 {
		t.Errorf("%d bytes are reserved for connections that have ended", p.sh.grown)
	}
}

// TestNearUploadsLeaveWindowMemory: a window of 64 KiB fills the path of a near peer. What the windows of near uploads have
// grown by at first is given back while they last, and a distant upload then has all it needs.
func TestNearUploadsLeaveWindowMemory(t *testing.T) {
	const memory, connections, rate = 8 << 20, 10, 5_000
	p := connect(t, Config{WindowMemory: memory})
	var near []*uplink
	for range connections {
		near = append(near, newUplink(p.another(), 1, rate, 1, 3))
	}
	most := int64(0)
	passes := func(d time.Duration, all ...*uplink) {
		for range d / time.Millisecond {
			for _, u := range all {
				u.now = near[0].now // one clock
				u.step()
			}
			most = max(most, p.sh.grown)
		}
	}
	passes(500*time.Millisecond, near...)
	if most < 1<<20 || p.sh.grown > 0 {
		t.Errorf("%d bytes are reserved after 500 ms, %d were", p.sh.grown, most)
	}
	before := 0
	for i, u := range near {
		if g := u.c.growth; g.streams != 0 || g.grown != 0 {
			t.Errorf("connection %d: %+v", i, *g)
		}
		before -= u.arrived
	}
	far := newUplink(p.another(), 20, 40_000, 1)
	passes(500*time.Millisecond, append(near, far)...)
	if per := far.passes(50 * time.Millisecond); per < 34_000 {
		t.Errorf("%d bytes a millisecond arrive from afar, of 40000 that the path carries", per)
	}
	for _, u := range near {
		before += u.arrived
	}
	if least := connections * 500 * rate * 19 / 20; before < least {
		t.Errorf("%d bytes have arrived from near in 500 ms, want %d", before, least)
	}
}

// TestReservedMemoryIsExact: after content has ended in every possible way, nothing is reserved that no window needs.
func TestReservedMemoryIsExact(t *testing.T) {
	u := newUplink(connect(t, Config{}), 20, 20_000, 1, 3, 5)
	u.passes(time.Second)
	sum := int64(0)
	for st := range u.c.streams.all {
		sum += int64(st.size() - u.c.recvInitial)
	}
	if g := u.c.growth; g.streams != 3 || g.grown != sum || g.reserved != sum || u.sh.grown != sum {
		t.Fatalf("%d streams have grown by %d bytes: %+v, %d of all connections", 3, sum, *g, u.sh.grown)
	}
	u.c.Reset(1, CodeCancel)
	u.writes(resetFrame(3), dataFrame(5, flagEndStream, ""))
	if g := u.c.growth; g.streams != 0 || g.grown != 0 {
		t.Fatalf("all streams have ended: %+v", *g)
	}
	// Further content uses up what the connection's window has grown by.
	id := StreamID(7)
	for ; u.sh.grown > 0 && id < 2000; id += 2 {
		u.writes(u.post(id), dataFrame(id, flagEndStream, kib(16)))
		u.c.Consumed(id, 16<<10)
		u.answers(id, &Response{Status: 204})
		u.sent()
	}
	if u.err != nil || u.sh.grown != 0 {
		t.Errorf("%v: %d bytes are reserved after stream %d", u.err, u.sh.grown, id)
	}
}

// TestNextUploadStartsWithGrownWindow: a connection remembers its path.
func TestNextUploadStartsWithGrownWindow(t *testing.T) {
	u := newUplink(connect(t, Config{}), 20, 20_000, 1)
	u.passes(time.Second)
	delete(u.streams, 1)
	u.passes(100 * time.Millisecond) // what is on its way
	u.writes(dataFrame(1, flagEndStream, ""))
	u.answers(1, &Response{Status: 200})
	u.frames()
	u.writes(u.post(3))
	u.streams[3] = protocolWindow
	u.passes(250 * time.Millisecond)
	if rate := u.passes(250 * time.Millisecond); rate < 19_000 {
		t.Errorf("%d bytes a millisecond arrive, of 20000 that the path carries", rate)
	}
}

// TestShortContentIsNotMeasured: no PING for content that fits into two windows.
func TestShortContentIsNotMeasured(t *testing.T) {
	dialogue(t, Config{}, func(p *peer) {
		p.writes(p.post(1))
		for range 3 {
			p.writes(dataFrame(1, 0, kib(16)))
			p.c.Consumed(1, 16<<10)
		}
		p.wants("WINDOW_UPDATE 1 32768")
		p.writes(dataFrame(1, flagEndStream, kib(16)))
		p.c.Consumed(1, 16<<10)
		p.wants()
		if p.c.growth != nil {
			t.Error("the connection has learned something")
		}
	})
}

// TestMeasurementNeedsPing: an acknowledgement that nobody asked for is one (RFC 9113 section 6.7).
func TestMeasurementNeedsPing(t *testing.T) {
	p := connect(t, Config{})
	for range allowances[PingBudget].burst {
		p.writes(string(appendPing(nil, flagAck, pingGrowth)))
	}
	if p.err != nil {
		t.Fatal(p.err)
	}
	p.writes(string(appendPing(nil, flagAck, pingGrowth)))
	p.wantsEnd(CodeEnhanceYourCalm)
}
