//go:build linux

package main

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"strings"
	"sync"
)

const (
	opContinuation = 0
	opBinary       = 2
	finBit         = 0x80
	compressedBit  = 0x40
)

// frame returns a frame whose mask changes nothing.
func maskedFrame(first byte, payload []byte) []byte {
	head := []byte{first}
	switch n := len(payload); {
	case n < 126:
		head = append(head, 0x80|byte(n))
	case n < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(n))
	}
	return append(append(head, 0, 0, 0, 0), payload...)
}

// compressed returns size zeros as permessage-deflate sends them (RFC 7692 section 7.2.1).
func compressed(size int) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = w.Write(make([]byte, size))
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
}

// onSocket opens a WebSocket at path, compressed, and goes on.
func onSocket(path string, reads bool, then func(a *attacker)) func(*attacker) {
	return func(a *attacker) {
		if !a.say("GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n") {
			return
		}
		if reads {
			a.drain()
		}
		then(a)
	}
}

// bombs sends messages of 16 KiB that inflate to 16 MiB.
func bombs(a *attacker) { a.repeat(bombMessage()) }

// repeating sends the same frames over and over.
func repeating(frames []byte) func(*attacker) { return func(a *attacker) { a.repeat(frames) } }

var (
	// bombMessage is made when it is first needed: the server's process has these variables too.
	bombMessage  = sync.OnceValue(func() []byte { return maskedFrame(finBit|compressedBit|opBinary, compressed(16<<20)) })
	emptyMessage = maskedFrame(finBit|compressedBit|opBinary, []byte{0})
	pingFrame    = maskedFrame(finBit|opPing, []byte("ping"))
)

var webSocketAttacks = []attack{
	{name: "WebSocket compression bombs", run: onSocket("/ws", true, bombs)},
	{name: "WebSocket compression bombs unread", peers: 8, run: onSocket("/ws", false, bombs)},
	{name: "WebSocket compression bombs for a room", peers: 4, run: onSocket("/ws/chat", true, bombs)},
	{name: "WebSocket messages that never end", peers: 8, run: onSocket("/ws", true, func(a *attacker) {
		zeros := compressed(1 << 20)
		a.write(maskedFrame(compressedBit|opBinary, zeros))
		a.repeat(maskedFrame(opContinuation, zeros))
	})},
	{name: "WebSocket messages that never end for a room", peers: 8, run: onSocket("/ws/chat", true, func(a *attacker) {
		a.write(maskedFrame(opBinary, []byte("x")))
		a.repeat(maskedFrame(opContinuation, bytes.Repeat([]byte("x"), 100)))
	})},
	{name: "WebSocket packed empty messages", run: onSocket("/ws", true, repeating(bytes.Repeat(emptyMessage, 500)))},
	{name: "WebSocket empty fragments", run: onSocket("/ws", true, func(a *attacker) {
		a.write(maskedFrame(opBinary, nil))
		a.repeat(bytes.Repeat(maskedFrame(opContinuation, nil), 500))
	})},
	{name: "WebSocket pings", run: onSocket("/ws", true, repeating(bytes.Repeat(pingFrame, 500)))},
	{name: "WebSocket pings unread", run: onSocket("/ws", false, repeating(bytes.Repeat(pingFrame, 500)))},
	{name: "WebSocket echo unread", peers: 8, run: onSocket("/ws", false, repeating(maskedFrame(finBit|opBinary, bytes.Repeat([]byte("x"), 64<<10))))},
	{name: "WebSocket flood unread", peers: 50, run: onSocket("/ws/flood?n=1000000&size=1MiB", false, (*attacker).hold)},
	{name: "WebSocket room of members that do not read", peers: 16, run: onSocket("/ws/chat", false,
		repeating(maskedFrame(finBit|opText, []byte(strings.Repeat("x", 1000)))))},
	{name: "WebSocket churn", peers: 4, run: onSocket("/ws", true, func(*attacker) {})},
}
