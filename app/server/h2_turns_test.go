//go:build linux

package server_test

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// probe sends requests on a connection for a while, and returns the median of the times to their answers.
func (s *site) probe(d time.Duration) (median time.Duration) {
	s.t.Helper()
	l := s.dial()
	var took []time.Duration
	for begun := time.Now(); time.Since(begun) < d; {
		asked := time.Now()
		l.say(get("/"))
		l.hear("GET", 200, "Hello, World!")
		took = append(took, time.Since(asked))
	}
	slices.Sort(took)
	s.t.Logf("%d answers, half of them within %v, the slowest after %v", len(took), took[len(took)/2], took[len(took)-1])
	return took[len(took)/2]
}

// tinyData sends DATA frames of 1 byte on a stream, as its window opens, until stop.
func (l *line2) tinyData(stream uint32, stop *atomic.Bool) {
	const frames = 3000
	var block bytes.Buffer
	for f := http2.NewFramer(&block, nil); block.Len() < frames*10; {
		_ = f.WriteData(stream, false, []byte("x"))
	}
	var credit atomic.Int64
	credit.Store(65535)
	go func() {
		for {
			frame, err := l.framer.ReadFrame()
			if err != nil {
				return
			}
			if w, ok := frame.(*http2.WindowUpdateFrame); ok && w.StreamID == stream {
				credit.Add(int64(w.Increment))
			}
		}
	}()
	for !stop.Load() {
		if credit.Load() < frames {
			time.Sleep(100 * time.Microsecond)
			continue
		}
		credit.Add(-frames)
		if _, err := l.Conn.Write(block.Bytes()); err != nil {
			return
		}
	}
}

// Twenty connections that send content byte by byte do not delay others: a turn of the loop has a budget.
func TestHTTP2TinyDataDelaysNobody(t *testing.T) {
	s := serve(t, builtIn(t, ""), func(c *server.Config) { c.Loops = 1 })
	var stop atomic.Bool
	var attackers sync.WaitGroup
	for range 20 {
		l := s.dial2()
		l.request(1, "POST", "/upload", false)
		attackers.Go(func() { l.tinyData(1, &stop) })
	}
	median := s.probe(time.Second)
	stop.Store(true)
	attackers.Wait()
	if median > 100*time.Millisecond {
		t.Errorf("half of the answers took more than %v", median)
	}
}

// Content in small frames reaches the reader in order, in one piece for each read of the socket.
func TestHTTP2SmallFramesAreGathered(t *testing.T) {
	var reads atomic.Int64
	s := serve(t, func(r *app.Request) app.Answer {
		var got []byte
		take := func(p []byte) app.Future[app.Done] {
			reads.Add(1)
			got = append(got, p...)
			return app.Ready(app.Done{})
		}
		return app.Map(r.Body.Each(nil, take), func(int64) (*app.Response, error) { return app.Blob(200, "text/plain", got), nil })
	}, func(c *server.Config) { c.Loops = 1 })
	l := s.dial2()
	a := newAttacker()
	content := pattern(1000)
	a.request(1, "POST", "/", false)
	a.request(3, "POST", "/", false)
	for i := range len(content) {
		_ = a.WriteData(1, false, []byte(content[i:i+1]))
		_ = a.WriteData(3, i == len(content)-1, []byte(content[i:i+1]))
	}
	_ = a.WriteData(1, true, nil)
	l.say(a.out.String())
	for range 2 {
		var got []byte
		l.until("content", func(frame http2.Frame) bool {
			d, ok := frame.(*http2.DataFrame)
			if ok {
				got = append(got, d.Data()...)
			}
			return ok && d.StreamEnded()
		})
		if string(got) != content {
			t.Errorf("%d bytes arrived, or others", len(got))
		}
	}
	if n := reads.Load(); n > 200 { // for a handful of reads of the socket
		t.Errorf("%d reads", n)
	}
}
