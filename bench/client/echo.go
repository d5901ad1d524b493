package client

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"net"
	"time"
)

// Echo is a load of WebSocket messages: each connection sends Depth of them in one write, waits
// for all echoes, compares every byte and goes on.
type Echo struct {
	Address     string
	Path        string
	Connections int
	Depth       int
	Packed      bool // messages are compressed (RFC 7692)
	Duration    time.Duration
}

// messageSize is below 126, so that a frame's length takes one byte (RFC 6455 section 5.2).
const messageSize = 32

// frames builds depth text frames, masked as a client must, and the unmasked echo of them.
func frames(depth int) (send, want []byte) {
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for i := range depth {
		send = append(send, 0x81, 0x80|messageSize)
		send = append(send, mask[:]...)
		want = append(want, 0x81, messageSize)
		for j := range messageSize {
			b := byte('a' + (i+j)%26)
			send = append(send, b^mask[j%4])
			want = append(want, b)
		}
	}
	return send, want
}

// packedFrame is a compressed text frame of a message that stays below 126 bytes (RFC 7692 section 7.2.1).
func packedFrame(message []byte) []byte {
	var packed bytes.Buffer
	w, _ := flate.NewWriter(&packed, flate.DefaultCompression)
	_, _ = w.Write(message)
	_ = w.Flush()
	payload := bytes.TrimSuffix(packed.Bytes(), []byte("\x00\x00\xff\xff"))
	// A mask of zeros leaves the payload as it is.
	return append([]byte{0xc1, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

// Run sends messages until the time is over, and counts those that came back.
func (e Echo) Run(ready func(), done func(Result)) error {
	conns := make([]net.Conn, e.Connections)
	for i := range conns {
		c, err := dial(e.Address, false, "")
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		if err := upgrade(c, e.Address, e.Path, e.lines()); err != nil {
			return err
		}
		conns[i] = c
	}
	send, want, err := e.messages(conns[0])
	if err != nil {
		return err
	}
	ready()
	type end struct {
		messages int64
		err      error
	}
	ends := make(chan end, len(conns))
	begun := time.Now()
	until := begun.Add(e.Duration)
	for _, c := range conns {
		go func() {
			n, err := echoLoop(c, send, want, until)
			ends <- end{n * int64(e.Depth), err}
		}()
	}
	var result Result
	var first error
	for range conns {
		e := <-ends
		result.Count += e.messages
		if first == nil {
			first = e.err
		}
	}
	if first != nil {
		return first
	}
	result.Elapsed = time.Since(begun)
	done(result)
	return nil
}

// lines returns the field lines of the handshake.
func (e Echo) lines() string {
	if e.Packed {
		// Each message stands alone, so that all frames are equal.
		return "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
	}
	return ""
}

// messages returns what is sent in one write, and what comes back. How a server compresses is learned on c.
func (e Echo) messages(c net.Conn) (send, want []byte, err error) {
	if !e.Packed {
		send, want = frames(e.Depth)
		return send, want, nil
	}
	message := bytes.Repeat([]byte("compressed text "), 16)
	packed := packedFrame(message)
	if err := c.SetDeadline(time.Now().Add(Patience)); err != nil {
		return nil, nil, err
	}
	if _, err := c.Write(packed); err != nil {
		return nil, nil, err
	}
	answer, err := readPacked(c, message)
	return bytes.Repeat(packed, e.Depth), bytes.Repeat(answer, e.Depth), err
}

// readPacked reads the frame of a compressed message and checks what it holds.
func readPacked(c net.Conn, message []byte) ([]byte, error) {
	frame := make([]byte, 2, 128)
	if _, err := io.ReadFull(c, frame); err != nil {
		return nil, err
	}
	if frame[0] != 0xc1 || frame[1] >= 126 {
		return nil, fmt.Errorf("the head of the echo is %x", frame)
	}
	frame = frame[:2+int(frame[1])]
	if _, err := io.ReadFull(c, frame[2:]); err != nil {
		return nil, err
	}
	// RFC 7692 section 7.2.2. An empty last block ends the data for the reader.
	whole := append(append([]byte(nil), frame[2:]...), "\x00\x00\xff\xff\x01\x00\x00\xff\xff"...)
	got, err := io.ReadAll(flate.NewReader(bytes.NewReader(whole)))
	if err == nil && !bytes.Equal(got, message) {
		err = fmt.Errorf("the echo differs: %q", got)
	}
	return frame, err
}

func echoLoop(c net.Conn, send, want []byte, until time.Time) (batches int64, err error) {
	if err := c.SetDeadline(until.Add(Patience)); err != nil {
		return 0, err
	}
	got := make([]byte, len(want))
	for time.Now().Before(until) {
		if _, err := c.Write(send); err != nil {
			return batches, err
		}
		if _, err := io.ReadFull(c, got); err != nil {
			return batches, err
		}
		if !bytes.Equal(got, want) {
			return batches, fmt.Errorf("the echo differs: %q", got)
		}
		batches++
	}
	return batches, nil
}
