//go:build linux

package server_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Peer is a client's HTTP/2 connection, frame by frame.
type h2Peer struct {
	t       *testing.T
	conn    net.Conn
	framer  *http2.Framer
	encoder *hpack.Encoder
	block   bytes.Buffer
	ended   chan struct{}

	mu       sync.Mutex
	changed  sync.Cond
	streams  map[uint32]*h2Stream
	next     uint32
	connects bool // the server takes extended CONNECT
	window   int  // for sending, of the connection
	err      error
	goaway   bool
}

// h2Stream is a stream of it.
type h2Stream struct {
	peer     *h2Peer
	id       uint32
	response *http.Response
	data     bytes.Buffer
	end      bool
	reset    error
	window   int
	// stingy leaves the server's window closed.
	stingy bool
}

func (s *site) dialHTTP2() *h2Peer {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.greetHTTP2(conn)
}

// greetHTTP2 begins HTTP/2 on a connection.
func (s *site) greetHTTP2(conn net.Conn) *h2Peer {
	s.t.Helper()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	c := &h2Peer{
		t: s.t, conn: conn, framer: http2.NewFramer(conn, conn), ended: make(chan struct{}),
		streams: map[uint32]*h2Stream{}, next: 1, window: 65535,
	}
	c.changed.L = &c.mu
	c.encoder = hpack.NewEncoder(&c.block)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	s.t.Cleanup(func() { conn.Close(); <-c.ended })
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		s.t.Fatal(err)
	}
	if err := c.framer.WriteSettings(); err != nil {
		s.t.Fatal(err)
	}
	go c.read()
	c.wait(func() bool { return c.connects })
	return c
}

// wait blocks until done, or the connection's end.
func (c *h2Peer) wait(done func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !done() && c.err == nil {
		c.changed.Wait()
	}
}

func (c *h2Peer) read() {
	defer close(c.ended)
	defer c.conn.Close()
	for {
		f, err := c.framer.ReadFrame()
		c.mu.Lock()
		if err != nil {
			c.err = err
		} else {
			c.take(f)
		}
		c.changed.Broadcast()
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *h2Peer) take(f http2.Frame) {
	st := c.streams[f.Header().StreamID]
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			v, _ := f.Value(http2.SettingEnableConnectProtocol)
			c.connects = v == 1
			c.framer.WriteSettingsAck()
		}
	case *http2.WindowUpdateFrame:
		if st != nil {
			st.window += int(f.Increment)
		} else {
			c.window += int(f.Increment)
		}
	case *http2.GoAwayFrame:
		c.goaway = true
	case *http2.PingFrame:
		if !f.IsAck() {
			c.framer.WritePing(true, f.Data)
		}
	case *http2.MetaHeadersFrame:
		if st == nil {
			return
		}
		st.response = &http.Response{Header: http.Header{}}
		for _, field := range f.Fields {
			if field.Name == ":status" {
				st.response.StatusCode, _ = strconv.Atoi(field.Value)
				continue
			}
			st.response.Header.Add(field.Name, field.Value)
		}
		st.end = f.StreamEnded()
	case *http2.DataFrame:
		if st == nil {
			return
		}
		st.data.Write(f.Data())
		st.end = f.StreamEnded()
		if n := uint32(len(f.Data())); n > 0 && !st.stingy {
			c.framer.WriteWindowUpdate(0, n)
			c.framer.WriteWindowUpdate(st.id, n)
		}
	case *http2.RSTStreamFrame:
		if st != nil {
			st.reset = http2.StreamError{StreamID: st.id, Code: f.ErrCode}
		}
	}
}

// open sends a request's head without its end.
func (c *h2Peer) open(fields ...string) *h2Stream {
	c.t.Helper()
	return c.begin(false, fields...)
}

// begin sends a request's head, which may be all of it.
func (c *h2Peer) begin(end bool, fields ...string) *h2Stream {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		c.encoder.WriteField(hpack.HeaderField{Name: strings.ToLower(fields[i]), Value: fields[i+1]})
	}
	st := &h2Stream{peer: c, id: c.next, window: 65535}
	c.next += 2
	c.streams[st.id] = st
	if err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: st.id, BlockFragment: c.block.Bytes(), EndHeaders: true, EndStream: end}); err != nil {
		c.t.Fatal(err)
	}
	return st
}

func (st *h2Stream) head() *http.Response {
	st.peer.t.Helper()
	st.peer.wait(func() bool { return st.response != nil || st.reset != nil })
	if st.response == nil {
		st.peer.t.Fatalf("no response: %v %v", st.reset, st.peer.err)
	}
	return st.response
}

// Read implements io.Reader.
func (st *h2Stream) Read(p []byte) (int, error) {
	c := st.peer
	c.wait(func() bool { return st.data.Len() > 0 || st.end || st.reset != nil })
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case st.data.Len() > 0:
		return st.data.Read(p)
	case st.end:
		return 0, io.EOF
	case st.reset != nil:
		return 0, st.reset
	}
	return 0, c.err
}

// Write implements io.Writer: it waits for the server's windows.
func (st *h2Stream) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		n, err := st.writeSome(p)
		if err != nil {
			return written, err
		}
		written += n
		p = p[n:]
	}
	return written, nil
}

func (st *h2Stream) writeSome(p []byte) (int, error) {
	c := st.peer
	c.wait(func() bool { return st.window > 0 && c.window > 0 || st.reset != nil })
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return 0, c.err
	case st.reset != nil:
		return 0, st.reset
	}
	n := min(len(p), st.window, c.window, 16384)
	st.window -= n
	c.window -= n
	return n, c.framer.WriteData(st.id, false, p[:n])
}

// room is what may be sent without waiting.
func (st *h2Stream) room() int {
	st.peer.mu.Lock()
	defer st.peer.mu.Unlock()
	return st.window
}

// generous opens the server's window for what has come and what will come.
func (st *h2Stream) generous() {
	c := st.peer
	c.mu.Lock()
	defer c.mu.Unlock()
	st.stingy = false
	c.framer.WriteWindowUpdate(0, 1<<24)
	c.framer.WriteWindowUpdate(st.id, 1<<24)
}

func (st *h2Stream) finish() {
	st.peer.mu.Lock()
	defer st.peer.mu.Unlock()
	st.peer.framer.WriteData(st.id, true, nil)
}

func (st *h2Stream) drop() {
	st.peer.mu.Lock()
	defer st.peer.mu.Unlock()
	st.peer.framer.WriteRSTStream(st.id, http2.ErrCodeCancel)
}
