package h2

import (
	"fmt"
	"strings"
	"testing"
)

// promising returns a request with a content-length of 3.
func (p *peer) promising(id StreamID) string {
	return p.headers(id, 0, post("content-length", "3")...)
}

const wrongLengthReason = "content differs from its content-length"

// A refusal replaces a streamed response of which nothing was pulled, wherever that stands in the output.
func TestRefusalReplacesAQueuedResponse(t *testing.T) {
	for place := range 3 {
		t.Run(fmt.Sprint("response ", place), func(t *testing.T) {
			dialogue(t, Config{}, func(p *peer) {
				var want []string
				for i := range 3 {
					id := StreamID(2*i + 1)
					p.writes(p.promising(id))
					p.answers(id, &Response{Status: 200 + i, Source: &feed{ready: fmt.Sprint("content ", i)}, Length: -1})
					if i == place {
						want = append(want, refusal(id, 400, wrongLengthReason)...)
					} else {
						want = append(want, fmt.Sprintf("HEADERS %d :status=%d", id, 200+i))
					}
				}
				bad := StreamID(2*place + 1)
				p.writes(dataFrame(bad, flagEndStream, "xy"))
				want = append(want, fmt.Sprintf("RST_STREAM %d PROTOCOL_ERROR", bad))
				for i := range 3 {
					if i != place {
						want = append(want, fmt.Sprintf("DATA %d content %d", 2*i+1, i))
					}
				}
				p.wants(want...)
				if p.c.Streams() != 2 || p.c.flags&tableSizeSent == 0 {
					t.Errorf("%d streams", p.c.Streams())
				}
			})
		})
	}
}

// The event has the status of the refusal and of the response that it replaced.
func TestRefusalIsReported(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.promising(1))
	p.answers(1, &Response{Status: 206, Source: &feed{}, Length: -1})
	var ev Event
	for in := []byte(dataFrame(1, flagEndStream, "xy")); ev.Kind != Reset; {
		n, err := p.c.Next(in, &ev)
		if in = in[n:]; err != nil || n == 0 && ev.Kind == NeedMore {
			t.Fatal("no event", err)
		}
	}
	if ev.Status != 400 || ev.Withdrawn != 206 || ev.Reason != wrongLengthReason || ev.Code != CodeProtocolError {
		t.Errorf("%+v", ev)
	}
}

// Once some of a response was pulled, the stream is reset without a refusal.
func TestNoRefusalBehindAPulledResponse(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.promising(1))
	p.answers(1, &Response{Status: 200, Source: &feed{}, Length: -1})
	p.wire.Write(p.c.Transmit(nil, 1))
	p.writes(dataFrame(1, flagEndStream, "xy"))
	p.wants("HEADERS 1 :status=200", "RST_STREAM 1 PROTOCOL_ERROR")
	p.wantsEvents("Request 1 POST a.example/", "Reset 1 PROTOCOL_ERROR")
}

// A complete response is not replaced.
func TestNoRefusalBehindAWholeResponse(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.promising(1))
	p.answers(1, &hello)
	p.writes(dataFrame(1, flagEndStream, "xy"))
	p.wants("HEADERS 1 :status=200 content-type=text/plain content-length=13", "DATA 1 Hello, world! end", "RST_STREAM 1 PROTOCOL_ERROR")
}

// A refusal has no content if the window is too small, or for HEAD.
func TestRefusalWithoutContent(t *testing.T) {
	dialogue(t, Config{}, func(p *peer) {
		p.writes(settingsFrame(setting{settingInitialWindowSize, 5}), p.headers(1, flagEndStream, get("x", "\x01")...))
		p.wants("SETTINGS ack", "HEADERS 1 :status=400 content-type=text/plain; charset=utf-8 content-length=0 end", "RST_STREAM 1 PROTOCOL_ERROR")
	})
	dialogue(t, Config{}, func(p *peer) {
		p.writes(p.headers(1, flagEndStream, append([]string{":method", "HEAD", "x", "\x01"}, get()[2:]...)...))
		p.wants("HEADERS 1 :status=400 content-type=text/plain; charset=utf-8 content-length=20 end", "RST_STREAM 1 PROTOCOL_ERROR")
	})
}

func TestTrailersTooLarge(t *testing.T) {
	p := connect(t, Config{MaxHeaderListSize: minHeaderListSize})
	p.writes(p.post(1), p.headers(1, flagEndStream, "x", strings.Repeat("v", 2000)))
	p.wantsRefusal(1, 431, "field lines exceed the limit", CodeProtocolError)
	p.wantsEvents("Request 1 POST a.example/", "Reset 1 PROTOCOL_ERROR")
}

// Refuse replaces a streamed response of which nothing was pulled.
func TestRefuse(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1), p.get(3))
	if p.c.Refuse(1, 400, "too soon") {
		t.Error("replaced what was not there")
	}
	p.answers(1, &Response{Status: 200, Source: &feed{ready: "x"}, Length: -1})
	p.answers(3, &Response{Status: 200, Source: &feed{ready: "y"}, Length: -1})
	if !p.c.Refuse(1, 400, "sorry") {
		t.Error("not replaced")
	}
	p.wants(append(refusal(1, 400, "sorry"), "HEADERS 3 :status=200", "DATA 3 y")...)
	if p.c.Refuse(3, 400, "too late") || p.c.Streams() != 1 {
		t.Error("replaced what had left")
	}
}
