//go:build linux

package server_test

import (
	"io"
	"net/http"
	"testing"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	kinds "github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
)

// bytesSource is a spi.Source to which a test adds.
type bytesSource struct {
	kept   []byte
	end    error
	ready  func()
	closed chan struct{}
}

func (s *bytesSource) Length() int64 { return -1 }

func (s *bytesSource) Read(p []byte) (int, error) {
	n := copy(p, s.kept)
	if s.kept = s.kept[n:]; len(s.kept) == 0 {
		return n, s.end
	}
	return n, nil
}

func (s *bytesSource) Wait(ready func())    { s.ready = ready }
func (s *bytesSource) Trailers() app.Fields { return nil }

func (s *bytesSource) Close() error {
	close(s.closed)
	return nil
}

// add adds text, and with an error the end. On the loop.
func (s *bytesSource) add(text string, end error) {
	s.kept, s.end = append(s.kept, text...), end
	if ready := s.ready; ready != nil {
		s.ready = nil
		ready()
	}
}

var handshake = app.Fields{{Name: "Sec-WebSocket-Version", Value: "13"}}

// A tunnel over HTTP/1.1 has its own key, carries bytes both ways, also those behind the 101, and ends by halves.
func TestUpstreamTunnelHTTP1(t *testing.T) {
	b := scripted(t)
	d := queries(t).connect(&spi.Dial{Address: b.address(), Protocol: app.HTTP11})
	peer := b.accept()
	source := &bytesSource{closed: make(chan struct{})}
	source.add("early ", nil)
	q := d.ask(&spi.Outgoing{Protocol: "websocket", Fields: handshake, Content: source})
	r := peer.request()
	if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Sec-WebSocket-Version") != "13" {
		t.Errorf("request %v", r.Header)
	}
	peer.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + acceptOf(r) + "\r\n\r\nbehind ")
	d.await("head", q.headCame)
	if q.head.Status != 101 || q.head.Fields.Has("Sec-WebSocket-Accept") {
		t.Errorf("head %+v", q.head)
	}
	heard := make([]byte, len("early late"))
	d.on(func() {
		if !q.call.Tunnel() {
			t.Error("no tunnel")
		}
		source.add("late", io.EOF)
	})
	if _, err := io.ReadFull(peer.r, heard); err != nil || string(heard) != "early late" {
		t.Errorf("heard %q, %v", heard, err)
	}
	peer.end()
	peer.say("and after")
	peer.Close()
	q.answer(101, "behind and after")
	d.await("close of the content", source.closed)
	if err := d.end(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// A server that does not know the key, or refuses the tunnel, gets none of its content.
func TestUpstreamTunnelRefused(t *testing.T) {
	for name, say := range map[string]string{
		"wrong key": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: eA==\r\n\r\n",
		"refused":   "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
	} {
		t.Run(name, func(t *testing.T) {
			b := scripted(t)
			d := queries(t).connect(&spi.Dial{Address: b.address(), Protocol: app.HTTP11})
			peer := b.accept()
			source := &bytesSource{closed: make(chan struct{})}
			source.add("content", nil)
			q := d.ask(&spi.Outgoing{Protocol: "websocket", Fields: handshake, Content: source})
			peer.request()
			peer.say(say)
			if name == "refused" {
				q.answer(403, "no")
				d.close()
			} else {
				wantFailure(t, q.failed(), kinds.UpstreamMalformed, true, false)
				_ = d.end()
			}
			d.await("close of the content", source.closed)
			peer.end()
		})
	}
}

// A tunnel over HTTP/2 is an extended CONNECT, which the server must accept by its SETTINGS.
func TestUpstreamTunnelHTTP2(t *testing.T) {
	d, p := scripted2(t, http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
	d.eventuallyOn("SETTINGS", func() bool {
		accepts, known := d.up.Tunnels()
		return accepts && known
	})
	source := &bytesSource{closed: make(chan struct{})}
	source.add("early", nil)
	q := d.ask(&spi.Outgoing{Protocol: "websocket", Fields: handshake, Content: source})
	p.preface()
	f, ok := p.hears().(*http2.MetaHeadersFrame)
	if !ok || f.PseudoValue("method") != http.MethodConnect || f.PseudoValue("protocol") != "websocket" {
		t.Fatalf("heard %v", f)
	}
	p.says(f.StreamID, false, ":status", "200")
	p.must(p.framer.WriteData(f.StreamID, false, []byte("content")))
	if data, ok := p.hears().(*http2.DataFrame); !ok || string(data.Data()) != "early" {
		t.Errorf("heard %v", data)
	}
	p.must(p.framer.WriteData(f.StreamID, true, nil))
	d.await("end of the content", q.read)
	d.on(func() {
		if !q.call.Tunnel() {
			t.Error("no tunnel")
		}
		source.add("late", io.EOF)
	})
	late := ""
	for ended := false; !ended; {
		data, ok := p.hears().(*http2.DataFrame)
		if !ok {
			t.Fatal("no DATA")
		}
		late, ended = late+string(data.Data()), data.StreamEnded()
	}
	if late != "late" {
		t.Errorf("heard %q", late)
	}
	q.answer(200, "content")
	d.await("close of the content", source.closed)
	d.close()
}
