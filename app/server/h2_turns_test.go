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

	"github.com/gatewheel/gatewheel/app/server"
)

// tinyData writes 1-byte DATA frames on a stream, within the windows that the server opens, until stop.
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

// Twenty connections that send content byte by byte do not keep others from being served: each turn of the loop
// does a bounded amount of work for them.
func TestHTTP2TinyDataDelaysNobody(t *testing.T) {
	s := serve(t, builtIn(t, ""), func(c *server.Config) { c.Loops = 1 })
	var stop atomic.Bool
	var attackers sync.WaitGroup
	for range 20 {
		l := s.dial2()
		l.request(1, "POST", "/upload", false)
		attackers.Go(func() { l.tinyData(1, &stop) })
	}
	probe := s.dial()
	var took []time.Duration
	for begun := time.Now(); time.Since(begun) < time.Second; {
		asked := time.Now()
		probe.say(get("/"))
		probe.hear("GET", 200, "Hello, World!")
		took = append(took, time.Since(asked))
	}
	stop.Store(true)
	attackers.Wait()
	slices.Sort(took)
	median, worst := took[len(took)/2], took[len(took)-1]
	t.Logf("%d answers, half of them within %v, the slowest after %v", len(took), median, worst)
	if median > 100*time.Millisecond {
		t.Errorf("half of the answers took more than %v", median)
	}
}
