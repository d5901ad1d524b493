//go:build linux

package server_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// Content that its owner does not read stops the server, and over HTTP/2 no other call. Once it is read, all of it comes.
func TestUpstreamUnreadContent(t *testing.T) {
	const size, most = 48 << 20, 4 << 20
	overEach(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/small" {
			return
		}
		source := &patterned{left: size}
		_, _ = io.Copy(w, source)
	}, func(t *testing.T, d *dialled) {
		q := d.askWith(&spi.Outgoing{}, true)
		d.await("head", q.headCame)
		read := func() uint64 { return d.Counts().BytesIn }
		for before, still := uint64(0), 0; still < 20; time.Sleep(time.Millisecond) {
			if now := read(); now == before {
				still++
			} else {
				before, still = now, 0
			}
		}
		if n := read(); n > most {
			t.Errorf("%d bytes were read for a reader of none", n)
		}
		if d.up.Protocol() == app.HTTP2 {
			d.ask(&spi.Outgoing{Target: "/small"}).answer(200, "")
		}
		d.on(q.readOn)
		d.await("end of the content", q.read)
		if n := q.content.Len(); n != size || q.readErr != io.EOF {
			t.Errorf("%d bytes, %v; want %d", n, q.readErr, size)
		}
		d.on(q.call.Release)
		d.close()
	})
}

// A read without room, which a machine makes while the client's window is closed, does not find the end before content
// that was not read.
func TestUpstreamReadsWithoutRoom(t *testing.T) {
	overEach(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "content") }, func(t *testing.T, d *dialled) {
		q := d.askWith(&spi.Outgoing{}, true)
		d.await("head", q.headCame)
		d.await("end of the response", q.endCame)
		d.on(func() {
			if n, err := q.call.ReadBody(nil, func() {}); n != 0 || err != nil {
				t.Errorf("read %d, %v before the content", n, err)
			}
			q.readOn()
			if got := q.content.String(); got != "content" || q.readErr != io.EOF {
				t.Errorf("content %q, %v", got, q.readErr)
			}
			q.call.Release()
		})
		d.close()
	})
}

// A server that does not read its request stops the content. Cancelling the call ends it at once.
func TestUpstreamUnreadRequest(t *testing.T) {
	const most = 64 << 20
	cancelled := make(chan struct{}, 1)
	overEach(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		if r.ProtoMajor == 2 {
			<-r.Context().Done()
		} else if _, err := io.Copy(io.Discard, &slowReader{r.Body}); err == nil {
			t.Error("the content of a cancelled request is complete")
		}
		cancelled <- struct{}{}
	}, func(t *testing.T, d *dialled) {
		var taken atomic.Int64
		closed := make(chan struct{})
		endless := &app.Pull{Size: -1, Read: func(p []byte) (int, error) {
			if taken.Add(int64(len(p))) > most {
				t.Error("the content is not stopped")
				return 0, io.EOF
			}
			return len(p), nil
		}, OnClose: func() { close(closed) }}
		q := d.ask(&spi.Outgoing{Method: "POST", Content: endless})
		d.await("head", q.headCame)
		for before, still := int64(0), 0; still < 20; time.Sleep(time.Millisecond) {
			if now := taken.Load(); now == before {
				still++
			} else {
				before, still = now, 0
			}
		}
		d.on(q.call.Release)
		d.await("close of the content", closed)
		d.await("the server's end", cancelled)
	})
}

// slowReader reads a little now and then, so that a connection is closed while it is read.
type slowReader struct{ from io.Reader }

func (r *slowReader) Read(p []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	return r.from.Read(p)
}

// The end of a request's content may bring trailers, and so may that of a response.
func TestUpstreamTrailers(t *testing.T) {
	overEach(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "Sum")
		_, _ = io.WriteString(w, "content")
		w.Header().Set("Sum", r.Trailer.Get("Check"))
	}, func(t *testing.T, d *dialled) {
		text := strings.NewReader("pulled")
		pull := &app.Pull{Size: -1, Read: text.Read, Trailers: func() app.Fields { return app.Fields{{Name: "Check", Value: "7"}} }}
		q := d.ask(&spi.Outgoing{Method: "POST", Content: pull, Fields: app.Fields{{Name: "TE", Value: "trailers"}, {Name: "Trailer", Value: "Check"}}})
		d.await("end", q.endCame)
		d.await("end of the content", q.read)
		d.on(func() {
			if sum := q.call.Trailers().Get("Sum"); sum != "7" {
				t.Errorf("trailers %v", q.call.Trailers())
			}
		})
		q.answer(200, "content")
	})
}

// Content that waits for a 100 is sent after it, or after Proceed.
func TestUpstreamExpect(t *testing.T) {
	overEach(t, describeRequest, func(t *testing.T, d *dialled) {
		q := d.ask(&spi.Outgoing{Method: "PUT", Content: app.Bytes("expected"), Expect: true})
		q.answer(200, "PUT a.test / expected")
		if len(q.interims) != 1 || q.interims[0] != 100 {
			t.Errorf("interim responses: %v", q.interims)
		}
	})
	b := scripted(t)
	d := queries(t).connect(&spi.Dial{Address: b.address(), Protocol: app.HTTP11})
	peer := b.accept()
	q := d.ask(&spi.Outgoing{Method: "PUT", Content: app.Bytes("expected"), Expect: true})
	d.on(q.call.Proceed)
	peer.request()
	peer.say("HTTP/1.1 204 No Content\r\n\r\n")
	q.answer(204, "")
}

// A server that drains closes connections without calls at once, and others after their last call.
func TestUpstreamDrain(t *testing.T) {
	proceed := make(chan struct{})
	overEach(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			<-proceed
		}
		_, _ = io.WriteString(w, "answered")
	}, func(t *testing.T, d *dialled) {
		idle := d.connect(&spi.Dial{Address: d.address, Protocol: d.up.Protocol()})
		q := d.ask(&spi.Outgoing{Target: "/wait"})
		stopped := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			stopped <- d.Shutdown(ctx)
		}()
		if err := idle.end(); err != nil {
			t.Errorf("the idle connection has ended with %v", err)
		}
		select {
		case err := <-stopped:
			t.Errorf("the server has stopped with a call in progress: %v", err)
		default:
		}
		proceed <- struct{}{}
		q.await("end of the call", q.endCame)
		if q.err != nil {
			t.Errorf("the call has failed: %v", q.err)
		}
		if err := d.end(); err != nil {
			t.Errorf("ended with %v", err)
		}
		if err := <-stopped; err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
}
