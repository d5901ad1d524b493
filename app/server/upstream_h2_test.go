//go:build linux

package server_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gatewheel/gatewheel/app"
	kinds "github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
)

// backend2 is the scripted server's end of an HTTP/2 connection.
type backend2 struct {
	*line
	framer *http2.Framer
	output heldWriter
	block  bytes.Buffer
	encode *hpack.Encoder
}

// scripted2 connects a querier with a scripted HTTP/2 server, which has sent its SETTINGS.
func scripted2(t *testing.T, settings ...http2.Setting) (*dialled, *backend2) {
	t.Helper()
	b := scripted(t)
	d := queries(t).connect(&spi.Dial{Address: b.address(), Protocol: app.HTTP2})
	return d, b.accept2(settings...)
}

// accept2 waits for the next connection and sends SETTINGS.
func (b *backend) accept2(settings ...http2.Setting) *backend2 {
	b.t.Helper()
	p := &backend2{line: b.accept()}
	p.framer = http2.NewFramer(&p.output, p.r)
	p.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	p.encode = hpack.NewEncoder(&p.block)
	p.output.to = p.Conn
	p.must(p.framer.WriteSettings(settings...))
	return p
}

// heldWriter writes at once, or collects what is written while it is held.
type heldWriter struct {
	to   io.Writer
	held bool
	kept bytes.Buffer
}

func (w *heldWriter) Write(b []byte) (int, error) {
	if w.held {
		return w.kept.Write(b)
	}
	return w.to.Write(b)
}

// holds has frames wait for releases, which sends them in one write.
func (p *backend2) holds() { p.output.held = true }

func (p *backend2) releases() {
	p.t.Helper()
	p.output.held = false
	_, err := p.output.kept.WriteTo(p.Conn)
	p.must(err)
}

func (p *backend2) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// preface hears the client's connection preface.
func (p *backend2) preface() {
	p.t.Helper()
	var got [len(http2.ClientPreface)]byte
	if _, err := io.ReadFull(p.r, got[:]); err != nil || string(got[:]) != http2.ClientPreface {
		p.t.Fatalf("preface %q, %v", got, err)
	}
}

// hears returns the next frame that is not about the connection itself.
func (p *backend2) hears() http2.Frame {
	p.t.Helper()
	for {
		f, err := p.framer.ReadFrame()
		if err != nil {
			p.t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.SettingsFrame, *http2.WindowUpdateFrame:
		case *http2.PingFrame:
			if !f.IsAck() {
				p.must(p.framer.WritePing(true, f.Data))
			}
		default:
			return f
		}
	}
}

// hearsRequest wants HEADERS and returns the stream.
func (p *backend2) hearsRequest() uint32 {
	p.t.Helper()
	heard := p.hears()
	f, ok := heard.(*http2.MetaHeadersFrame)
	if !ok {
		p.t.Fatalf("heard %v, want HEADERS", heard)
	}
	return f.StreamID
}

// hearsReset wants RST_STREAM with that code.
func (p *backend2) hearsReset(stream uint32, code http2.ErrCode) {
	p.t.Helper()
	for {
		heard := p.hears()
		if _, content := heard.(*http2.DataFrame); content {
			continue
		}
		f, ok := heard.(*http2.RSTStreamFrame)
		if !ok || f.StreamID != stream || f.ErrCode != code {
			p.t.Fatalf("heard %v, want a reset of %d with %v", heard, stream, code)
		}
		return
	}
}

// says sends HEADERS.
func (p *backend2) says(stream uint32, end bool, fields ...string) {
	p.t.Helper()
	p.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		p.must(p.encode.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	p.must(p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: p.block.Bytes(), EndHeaders: true, EndStream: end}))
}

// TestUpstreamHTTP2Failures has what becomes of a call, and that the other one on the connection is unharmed where it can
// be.
func TestUpstreamHTTP2Failures(t *testing.T) {
	for _, scene := range []struct {
		name   string
		script func(p *backend2, stream uint32)
		kind   kinds.Kind
		safe   bool
		ends   bool // the connection
	}{
		{"refused", func(p *backend2, id uint32) { p.must(p.framer.WriteRSTStream(id, http2.ErrCodeRefusedStream)) }, kinds.UpstreamReset, true, false},
		{"reset", func(p *backend2, id uint32) { p.must(p.framer.WriteRSTStream(id, http2.ErrCodeInternal)) }, kinds.UpstreamReset, false, false},
		{"reset in the content", func(p *backend2, id uint32) {
			p.says(id, false, ":status", "200")
			p.must(p.framer.WriteRSTStream(id, http2.ErrCodeInternal))
		}, kinds.UpstreamReset, false, false},
		{"no status", func(p *backend2, id uint32) { p.says(id, true, "a", "b") }, kinds.UpstreamMalformed, false, false},
		{"too short", func(p *backend2, id uint32) {
			p.says(id, false, ":status", "200", "content-length", "5")
			p.must(p.framer.WriteData(id, true, []byte("hel")))
		}, kinds.UpstreamMalformed, false, false},
		{"GOAWAY before it", func(p *backend2, id uint32) { p.must(p.framer.WriteGoAway(id-2, http2.ErrCodeNo, nil)) }, kinds.Drained, true, false},
		{"close", func(p *backend2, _ uint32) { p.Close() }, kinds.UpstreamEOF, false, true},
		{"no frame", func(p *backend2, _ uint32) { p.say("HTTP/1.1 400 Bad Request\r\n\r\n") }, kinds.UpstreamMalformed, false, true},
	} {
		t.Run(scene.name, func(t *testing.T) {
			d, p := scripted2(t)
			other := d.ask(&spi.Outgoing{Target: "/other"})
			q := d.ask(&spi.Outgoing{})
			p.preface()
			first, second := p.hearsRequest(), p.hearsRequest()
			scene.script(p, second)
			wantFailure(t, q.failed(), scene.kind, true, scene.safe)
			if scene.ends {
				wantFailure(t, other.failed(), scene.kind, true, false)
				if d.end() == nil {
					t.Error("the connection has ended without a failure")
				}
				return
			}
			p.says(first, false, ":status", "200")
			p.must(p.framer.WriteData(first, true, []byte("unharmed")))
			other.answer(200, "unharmed")
			d.on(d.up.Close)
			if err := d.end(); err != nil {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

// SETTINGS and reset streams change the capacity, and the owner is told.
func TestUpstreamHTTP2Capacity(t *testing.T) {
	d, p := scripted2(t, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 5})
	capacity := func(what string, want int) {
		t.Helper()
		d.eventuallyOn(fmt.Sprintf("capacity %d %s", want, what), func() bool { return d.up.Capacity() == want })
	}
	capacity("by the first SETTINGS", 5)
	q := d.ask(&spi.Outgoing{})
	p.preface()
	id := p.hearsRequest()
	p.must(p.framer.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 3}))
	capacity("of 3 with one in progress", 2)
	d.on(q.call.Release)
	capacity("of 3 with one reset", 2)
	p.hearsReset(id, http2.ErrCodeCancel)
	// The PING behind the reset is answered while the next request is heard.
	q = d.ask(&spi.Outgoing{})
	id = p.hearsRequest()
	capacity("after the PING", 2)
	p.says(id, true, ":status", "204")
	q.answer(204, "")
	capacity("in the end", 3)
	d.on(func() {
		if d.changes == 0 {
			t.Error("the owner was not told")
		}
	})
	d.close()
}

func TestUpstreamHTTP2Ping(t *testing.T) {
	d, p := scripted2(t)
	answered := make(chan error, 2)
	d.on(func() { d.up.Ping(func(err error) { answered <- err }) })
	p.preface()
	q := d.ask(&spi.Outgoing{})
	p.hearsRequest() // and answers the PING on the way
	if err := <-answered; err != nil {
		t.Errorf("answered with %v", err)
	}
	d.on(func() { d.up.Ping(func(err error) { answered <- err }) })
	p.Close()
	if err := <-answered; err == nil {
		t.Error("a closed connection has answered")
	}
	q.failed()
	_ = d.end()
}

// A final response before the end of the request is delivered whole. The rest of the request is cut off by the client, or
// by the server's RST_STREAM with NO_ERROR, and neither is a failure.
func TestUpstreamHTTP2EarlyResponse(t *testing.T) {
	for _, resets := range []bool{false, true} {
		t.Run(fmt.Sprintf("server resets %t", resets), func(t *testing.T) {
			d, p := scripted2(t)
			closed := make(chan struct{})
			endless := &app.Pull{Size: -1, Read: func(b []byte) (int, error) { return len(b), nil }, OnClose: func() { close(closed) }}
			q := d.ask(&spi.Outgoing{Method: "POST", Content: endless})
			p.preface()
			id := p.hearsRequest()
			p.says(id, false, ":status", "413")
			p.must(p.framer.WriteData(id, true, []byte("no")))
			if resets {
				p.must(p.framer.WriteRSTStream(id, http2.ErrCodeNo))
			}
			q.answer(413, "no")
			d.await("close of the content", closed)
			if !resets {
				p.hearsReset(id, http2.ErrCodeCancel)
			}
			d.close()
		})
	}
}
