//go:build linux

package soak

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var faultElements = []element{
	{"response cut by its client", 4, (*operation).cutResponse, false},
	{"half a head", 3, (*operation).halfHead, false},
	{"connection without a byte", 2, (*operation).silent, false},
	{"malformed requests", 6, (*operation).malformed, false},
	{"abandoned uploads", 4, (*operation).abandonUpload, false},
	{"slow readers", 2, (*operation).slowReader, false},
	{"slow writers", 2, (*operation).slowWriter, false},
}

// leave closes a connection by FIN or by RST.
func (op *operation) leave(c *net.TCPConn) {
	if op.rand.IntN(2) == 0 {
		_ = c.SetLinger(0)
	}
	_ = c.Close()
	op.explain(OwnFault)
}

// cutResponse leaves in the middle of a response. What came until then must be right.
func (op *operation) cutResponse() error {
	c, err := op.dial()
	if err != nil {
		return err
	}
	defer op.leave(c)
	if _, err := fmt.Fprintf(c, "GET /bytes/%d HTTP/1.1\r\nHost: %s\r\n\r\n", 4<<20, serverName); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	part := make([]byte, op.rand.IntN(300_000))
	if _, err := io.ReadFull(response.Body, part); err != nil {
		return in("the first part of a response", err)
	}
	if response.StatusCode != 200 || !bytes.Equal(part, patternAt(0, len(part))) {
		return wrong("status %d, and the first %d bytes differ", response.StatusCode, len(part))
	}
	return nil
}

// halfHead leaves in the middle of a head.
func (op *operation) halfHead() error {
	c, err := op.dial()
	if err != nil {
		return err
	}
	defer op.leave(c)
	head := "GET /bytes/100 HTTP/1.1\r\nHost: " + serverName + "\r\nX-Fill: " + strings.Repeat("x", 100) + "\r\n\r\n"
	if _, err := io.WriteString(c, head[:1+op.rand.IntN(len(head)-2)]); err != nil {
		return err
	}
	return op.sleep(time.Duration(op.rand.IntN(500)) * time.Millisecond)
}

// silent opens a connection and leaves.
func (op *operation) silent() error {
	c, err := op.dial()
	if err != nil {
		return err
	}
	defer op.leave(c)
	return op.sleep(time.Duration(op.rand.IntN(1000)) * time.Millisecond)
}

// malformedRequests are refused with these statuses, and the connection is closed (docs/deviations.md).
var malformedRequests = []struct {
	text   string
	status int
}{
	{"GET / HTTP/1.1\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
	{"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"GET / HTTP/1.1\nHost: a\n\n", 400},
	{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400},
	{"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello", 400},
	{"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	{"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
	{"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"GET /" + strings.Repeat("x", 10_000) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
	{"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-Field: value\r\n", 200) + "\r\n", 431},
	{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
	{"nonsense\r\n\r\n", 400},
}

// malformed sends a request that must be refused in words, while a right one before it is answered.
func (op *operation) malformed() error {
	c, err := op.dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	bad := malformedRequests[op.rand.IntN(len(malformedRequests))]
	good := ""
	if op.rand.IntN(2) == 0 && bad.text[0] != 0x16 {
		good = "GET /bytes/100 HTTP/1.1\r\nHost: a\r\n\r\n"
	}
	if _, err := io.WriteString(c, good+bad.text); err != nil {
		return err
	}
	r := bufio.NewReader(c)
	if good != "" {
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			return in("the answer before a malformed request", err)
		}
		if err := ofPattern(100).compare(response); err != nil {
			return err
		}
		op.answered(1)
		if response.Close && op.restarting() {
			op.explain(PipelineEnded)
			return nil
		}
	}
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return in(fmt.Sprintf("the refusal of %.60q", bad.text), err)
	}
	if err := (want{status: bad.status, length: -1}).compare(response); err != nil {
		return in(fmt.Sprintf("the refusal of %.60q", bad.text), err)
	}
	if _, err := r.ReadByte(); !isClosed(err) {
		return wrong("the connection stays open after %.60q: %v", bad.text, err)
	}
	op.explain(OwnFault)
	return nil
}

// isClosed reports whether err is the end of a connection, by FIN or by RST.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// abandonUpload leaves in the middle of content with a length, or of chunks.
func (op *operation) abandonUpload() error {
	c, err := op.dial()
	if err != nil {
		return err
	}
	defer op.leave(c)
	framing := "Content-Length: 3000000\r\n\r\n"
	if op.rand.IntN(2) == 0 {
		framing = "Transfer-Encoding: chunked\r\n\r\nfffff\r\n"
	}
	path := []string{"/upload", "/echo", "/echo?after=1"}[op.rand.IntN(3)]
	if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\n%s", path, serverName, framing); err != nil {
		return err
	}
	// An echo that is not read stops the connection, so that a part may remain unsent.
	_ = c.SetWriteDeadline(time.Now().Add(2 * time.Second))
	_, err = c.Write(op.bytes(op.rand.IntN(200_000)))
	if err != nil && !errors.Is(err, syscall.EAGAIN) && !isTimeout(err) {
		return in("the first part of an upload", err)
	}
	return op.sleep(time.Duration(op.rand.IntN(300)) * time.Millisecond)
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// slowReader reads a response in small parts, with pauses. It must come whole.
func (op *operation) slowReader() error {
	c, err := op.dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetReadBuffer(64 << 10)
	const size = 3 << 20
	path := []string{"bytes", "stream"}[op.rand.IntN(2)]
	if _, err := fmt.Fprintf(c, "GET /%s/%d HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, size, serverName); err != nil {
		return err
	}
	pauses := 10 + op.rand.IntN(30)
	slow := readerFunc(func(p []byte) (int, error) {
		if pauses > 0 {
			pauses--
			if err := op.sleep(50 * time.Millisecond); err != nil {
				return 0, err
			}
		}
		return c.Read(p[:min(len(p), 2<<10)])
	})
	response, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil {
		return err
	}
	if err := ofPattern(size).compare(response); err != nil {
		return err
	}
	op.answered(1)
	return nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// slowWriter sends head and content in small parts, with pauses. It must be answered.
func (op *operation) slowWriter() error {
	c, err := op.dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	content := op.bytes(10 + op.rand.IntN(500))
	message := append([]byte("POST /upload HTTP/1.1\r\nHost: "+serverName+"\r\nContent-Length: "+strconv.Itoa(len(content))+"\r\nConnection: close\r\n\r\n"), content...)
	for len(message) > 0 {
		n := min(1+op.rand.IntN(len(message)/8+10), len(message))
		if _, err := c.Write(message[:n]); err != nil {
			return err
		}
		message = message[n:]
		if err := op.sleep(time.Duration(op.rand.IntN(100)) * time.Millisecond); err != nil {
			return err
		}
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	text, _ := json.Marshal(map[string]any{"bytes": len(content), "sha256": hex.EncodeToString(sum[:])})
	err = want{status: 200, length: -1, check: func(a *answer) error {
		if !bytes.Equal(bytes.TrimSpace(a.text), text) {
			return wrong("%q, want %q", a.text, text)
		}
		return nil
	}}.compare(response)
	if err == nil {
		op.answered(1)
	}
	return err
}
