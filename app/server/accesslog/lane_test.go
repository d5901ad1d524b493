//go:build linux

package accesslog

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/spi"
)

// newLane returns a lane of a log without a writer.
func newLane(t testing.TB, format string, size int) *lane {
	l := &Log{format: mustCompile(t, format), wake: make(chan struct{}, 1)}
	return &lane{log: l, size: size}
}

// TestLaneKeepsLinesWhole: lines that wrap around the end of the ring, and batches that are too small for all lines.
func TestLaneKeepsLinesWhole(t *testing.T) {
	q := newLane(t, "tiny", 64)
	var got, want []byte
	put := 0
	for range 100 {
		for range 3 {
			line := fmt.Appendf(nil, "line %d %s\n", put, strings.Repeat("x", put%7))
			q.put(line)
			want = append(want, line...)
			put++
		}
		for !q.isEmpty() {
			batch := q.take(make([]byte, 0, 30))
			if !bytes.HasSuffix(batch, []byte("\n")) {
				t.Fatalf("the batch %q ends within a line", batch)
			}
			got = append(got, batch...)
		}
	}
	if !bytes.Equal(got, want) || q.dropped.Load() != 0 {
		t.Errorf("%d dropped, taken:\n%s\nwant\n%s", q.dropped.Load(), got, want)
	}
}

// TestFullLaneDropsLines: a line without room is dropped whole; a shorter one after it is not.
func TestFullLaneDropsLines(t *testing.T) {
	q := newLane(t, "tiny", 16)
	q.put([]byte("123456789\n"))
	q.put([]byte("abcdefg\n"))
	q.put([]byte("xy\n"))
	if got := string(q.take(make([]byte, 0, 100))); got != "123456789\nxy\n" || q.dropped.Load() != 1 {
		t.Errorf("taken %q, dropped %d", got, q.dropped.Load())
	}
}

// TestLaneWhileItIsEmptied: one goroutine fills the lane while another empties it.
func TestLaneWhileItIsEmptied(t *testing.T) {
	q := newLane(t, "tiny", 1<<10)
	const lines = 20000
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range lines {
			q.put(fmt.Appendf(nil, "%d\n", i))
		}
	}()
	var taken []byte
	last, count, ended := -1, 0, false
	for !ended || !q.isEmpty() {
		select {
		case <-done:
			ended = true
		default:
		}
		taken = q.take(make([]byte, 0, 200))
		for line := range bytes.Lines(taken) {
			var n int
			if _, err := fmt.Sscanf(string(line), "%d\n", &n); err != nil || n <= last {
				t.Fatalf("the line %q after %d: %v", line, last, err)
			}
			last = n
			count++
		}
	}
	if uint64(count)+q.dropped.Load() != lines {
		t.Errorf("%d lines and %d dropped, want %d", count, q.dropped.Load(), lines)
	}
}

// TestLinesCostNoAllocation: a request costs none in any format.
func TestLinesCostNoAllocation(t *testing.T) {
	for name := range presets {
		q := newLane(t, name, 1<<12)
		r, rec := sample()
		batch := make([]byte, 0, 1<<12)
		if got := testing.AllocsPerRun(200, func() {
			q.Finished(r, rec)
			q.take(batch[:0])
		}); got != 0 {
			t.Errorf("a line of %s costs %v allocations", name, got)
		}
	}
}

// TestSampling: one of three, and every error and event.
func TestSampling(t *testing.T) {
	q := newLane(t, "%s %{end}x %{event}x", 1<<12)
	q.log.sample = 3
	finish := func(status int, end spi.Termination, event server.Event) {
		r, rec := sample()
		rec.Status, rec.End, rec.Event = status, end, event
		q.Finished(r, rec)
	}
	for range 7 {
		finish(200, spi.Complete, server.EventNone)
	}
	finish(503, spi.Complete, server.EventNone)
	finish(0, spi.Complete, server.EventNone)
	finish(200, spi.Termination{By: spi.EndedByClient, In: spi.PhaseResponse}, server.EventNone)
	finish(101, spi.Complete, server.EventClose)
	finish(404, spi.Complete, server.EventNone)
	const want = "200 -- -\n200 -- -\n503 -- -\n0 -- -\n200 CD -\n101 -- close\n"
	if got := string(q.take(make([]byte, 0, 1<<12))); got != want {
		t.Errorf("the lines are\n%swant\n%s", got, want)
	}
}

// TestOpenLines: a format that shows the event has two lines for a WebSocket, another one the last.
func TestOpenLines(t *testing.T) {
	for format, want := range map[string]string{"%s %{event}x": "101 open\n101 close\n", "%s": "101\n"} {
		q := newLane(t, format, 1<<12)
		r, rec := sample()
		rec.Status, rec.Event = 101, server.EventOpen
		q.Opened(r, rec)
		rec.Event = server.EventClose
		q.Finished(r, rec)
		if got := string(q.take(make([]byte, 0, 1<<12))); got != want {
			t.Errorf("%s: the lines are %q, want %q", format, got, want)
		}
	}
}

func BenchmarkLine(b *testing.B) {
	for name := range presets {
		b.Run(name, func(b *testing.B) {
			q := newLane(b, name, 1<<16)
			r, rec := sample()
			batch := make([]byte, 0, 1<<16)
			for i := range b.N {
				q.Finished(r, rec)
				if i%64 == 0 {
					q.take(batch[:0])
				}
			}
		})
	}
}
