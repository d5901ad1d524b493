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
	Duration    time.Duration
}

// EchoResult counts the messages that came back.
type EchoResult struct {
	Messages int64
	Elapsed  time.Duration
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

// Run opens the connections and drives them until the time is over.
func (e Echo) Run() (EchoResult, error) {
	conns := make([]net.Conn, e.Connections)
	for i := range conns {
		c, err := dial(e.Address, false, "")
		if err != nil {
			return EchoResult{}, err
		}
		defer func() { _ = c.Close() }()
		if err := upgrade(c, e.Address, e.Path, ""); err != nil {
			return EchoResult{}, err
		}
		conns[i] = c
	}
	send, want := frames(e.Depth)
	type done struct {
		messages int64
		err      error
	}
	ends := make(chan done, len(conns))
	begun := time.Now()
	until := begun.Add(e.Duration)
	for _, c := range conns {
		go func() {
			n, err := echoLoop(c, send, want, until)
			ends <- done{n * int64(e.Depth), err}
		}()
	}
	var result EchoResult
	var first error
	for range conns {
		d := <-ends
		result.Messages += d.messages
		if first == nil {
			first = d.err
		}
	}
	result.Elapsed = time.Since(begun)
	return result, first
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
