//go:build linux

package client_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gatewheel/gatewheel/app/client"
)

// script is an HTTP/2 server that misbehaves within the protocol.
type script struct {
	processed
	// settings are sent first.
	settings []http2.Setting
	// accept is called for the nth request on a connection, from 1, whose stream is id. It reports whether the
	// request is to be answered.
	accept func(f *http2.Framer, n int, id uint32) bool
	// delay is the time until an answer.
	delay time.Duration
	// pulse is how often the windows of streams are closed, and opened again.
	pulse time.Duration

	group sync.WaitGroup
}

// start returns the server's address.
func (s *script) start(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.Map
	s.group.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			conns.Store(c, nil)
			s.group.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		conns.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		s.group.Wait()
	})
	return listener.Addr().String()
}

// scripted is a connection of a script.
type scripted struct {
	script *script
	mu     sync.Mutex // for writing
	framer *http2.Framer
	ids    map[uint32]string // the field Id of the requests under way
	count  int
}

func (s *script) serve(conn net.Conn) {
	defer conn.Close()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	c := &scripted{script: s, framer: http2.NewFramer(conn, conn), ids: map[uint32]string{}}
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.write(func() { c.framer.WriteSettings(s.settings...) })
	if s.pulse > 0 {
		gone := make(chan struct{})
		defer close(gone)
		s.group.Go(func() { c.pulse(s.pulse, gone) })
	}
	for {
		f, err := c.framer.ReadFrame()
		if err != nil {
			return
		}
		c.read(f)
	}
}

// pulse closes and opens the windows of streams.
func (c *scripted) pulse(d time.Duration, gone chan struct{}) {
	for size := uint32(1000); ; size = 1000 - size {
		select {
		case <-gone:
			return
		case <-time.After(d):
		}
		c.write(func() { c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: size}) })
	}
}

func (c *scripted) write(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (c *scripted) read(f http2.Frame) {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			c.write(func() { c.framer.WriteSettingsAck() })
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			data := f.Data
			c.write(func() { c.framer.WritePing(true, data) })
		}
	case *http2.MetaHeadersFrame:
		for _, field := range f.Fields {
			if field.Name == "id" {
				c.ids[f.StreamID] = field.Value
			}
		}
		if f.StreamEnded() {
			c.request(f.StreamID)
		}
	case *http2.DataFrame:
		if n := f.Header().Length; n > 0 {
			c.write(func() { c.framer.WriteWindowUpdate(0, n) })
		}
		if f.StreamEnded() {
			c.request(f.StreamID)
		}
	}
}

// request answers a request that is complete.
func (c *scripted) request(id uint32) {
	c.count++
	accepted := true
	if accept := c.script.accept; accept != nil {
		c.write(func() { accepted = accept(c.framer, c.count, id) })
	}
	name := c.ids[id]
	delete(c.ids, id)
	if !accepted {
		return
	}
	c.script.note(name)
	c.script.group.Go(func() {
		time.Sleep(c.script.delay)
		c.write(func() { c.answer(id) })
	})
}

func (c *scripted) answer(id uint32) {
	var head bytes.Buffer
	e := hpack.NewEncoder(&head)
	e.SetMaxDynamicTableSize(0)
	e.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head.Bytes(), EndHeaders: true})
	c.framer.WriteData(id, true, []byte("hello"))
}

func TestLiveRefusalOfEveryTenthStream(t *testing.T) {
	s := &script{accept: func(f *http2.Framer, n int, id uint32) bool {
		if n%10 == 0 {
			f.WriteRSTStream(id, http2.ErrCodeRefusedStream)
		}
		return n%10 != 0
	}}
	l := newLive(t, "h2c://"+s.start(t), client.OriginOptions{})
	l.underLoad(&s.processed)
}

// After 100 requests the connection takes no more; those that were sent meanwhile are not processed.
func TestLiveGoawayEvery100Requests(t *testing.T) {
	var last sync.Map
	s := &script{accept: func(f *http2.Framer, n int, id uint32) bool {
		if n == 100 {
			f.WriteGoAway(id, http2.ErrCodeNo, nil)
			last.Store(f, id)
		}
		return n <= 100
	}}
	l := newLive(t, "h2c://"+s.start(t), client.OriginOptions{})
	l.underLoad(&s.processed)
	if stats := l.origin.Stats(); stats.Dials < 3 {
		t.Errorf("got %+v", stats)
	}
}

func TestLiveLimitOfOneStream(t *testing.T) {
	s := &script{accept: func(f *http2.Framer, n int, id uint32) bool {
		if n == 10 {
			f.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
		}
		return true
	}}
	l := newLive(t, "h2c://"+s.start(t), client.OriginOptions{})
	l.underLoad(&s.processed)
}

// Windows are closed and opened all the time: content of requests waits, requests without content do not.
func TestLiveStalledWindows(t *testing.T) {
	s := &script{settings: []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}}, pulse: 100 * time.Millisecond}
	l := newLive(t, "h2c://"+s.start(t), client.OriginOptions{})
	l.underLoad(&s.processed)
}
