//go:build linux

package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// bound is what slow peers may make the process hold beyond its idle size, in bytes.
const bound = 32 << 20

// Peers that read or send a gigabyte at a megabyte a second, or send without reading at all, are stopped by
// the kernel's window or by HTTP/2's, and the process does not grow: watched for ten seconds (three with the
// race detector, whose memory is not the program's, or in short runs).
func TestBackpressure(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			testBackpressure(t, protocol == "HTTP/2")
		})
	}
}

func testBackpressure(t *testing.T, two bool) {
	c := startChild(t, "target")
	s := c.site()
	idle := c.warmUp(s, two)

	watched := 10 * time.Second
	if raceEnabled || testing.Short() {
		watched = 3 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), watched)
	defer cancel()
	var peers sync.WaitGroup
	var slowlyRead, slowlySent, echoed flow
	for range 4 {
		for _, path := range []string{"/bytes/1GiB", "/stream/1GiB"} {
			peers.Go(func() {
				n, err := readSlowly(ctx, s, two, path)
				slowlyRead.note(t, n, err)
			})
		}
		peers.Go(func() {
			n, err := sendGigabyte(ctx, s, two, "/upload?rate=1MiB")
			slowlySent.note(t, n, err)
		})
		peers.Go(func() {
			n, err := sendGigabyte(ctx, s, two, "/echo")
			echoed.note(t, n, err)
		})
	}
	peak := int64(0)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		resident, _ := c.memory()
		peak = max(peak, resident)
	}
	peers.Wait()
	t.Logf("idle %d KiB, at most %d KiB more; read %s, uploaded %s, echoed %s",
		idle>>10, (peak-idle)>>10, &slowlyRead, &slowlySent, &echoed)
	if !raceEnabled && peak-idle > bound {
		t.Errorf("the process has grown by %d MiB", (peak-idle)>>20)
	}
	// What two kernels and two windows hold is not known exactly; a gigabyte it is not.
	for name, f := range map[string]*flow{"upload": &slowlySent, "echo": &echoed} {
		if f.most.Load() > 64<<20 {
			t.Errorf("%s: the server has taken %s", name, f)
		}
	}
	for name, f := range map[string]*flow{"read": &slowlyRead, "upload": &slowlySent, "echo": &echoed} {
		if f.least.Load() == 0 {
			t.Errorf("%s: nothing came through: %s", name, f)
		}
	}
}

// warmUp uses what the server has once, and measures it at rest.
func (c *child) warmUp(s *site, two bool) int64 {
	client := s.client()
	if two {
		client = s.client2()
	}
	response, err := client.Get(s.url("/bytes/1MiB"))
	if err != nil {
		c.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	client.CloseIdleConnections()
	c.ask("collect")
	resident, _ := c.memory()
	return resident
}

// flow is what passed through several connections.
type flow struct {
	sync.Once
	least, most atomic.Int64
}

func (f *flow) note(t *testing.T, n int64, err error) {
	if err != nil {
		t.Error(err)
	}
	f.Do(func() { f.least.Store(n) })
	for {
		least := f.least.Load()
		if n >= least || f.least.CompareAndSwap(least, n) {
			break
		}
	}
	for {
		most := f.most.Load()
		if n <= most || f.most.CompareAndSwap(most, n) {
			break
		}
	}
}

func (f *flow) String() string {
	return fmt.Sprintf("%d to %d KiB", f.least.Load()>>10, f.most.Load()>>10)
}

// slowly is a client with a connection of its own whose windows, over HTTP/2, are not the limit.
func slowly(two bool) (client *http.Client, done func()) {
	transport := &http.Transport{}
	if two {
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
		transport.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 4 << 20, MaxReceiveBufferPerConnection: 4 << 20}
	}
	return &http.Client{Transport: transport}, transport.CloseIdleConnections
}

// readSlowly reads a megabyte a second until ctx ends.
func readSlowly(ctx context.Context, s *site, two bool, path string) (int64, error) {
	client, done := slowly(two)
	defer done()
	request, err := http.NewRequestWithContext(ctx, "GET", s.url(path), nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	total := int64(0)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		n, err := io.CopyN(io.Discard, response.Body, 1<<20/20)
		total += n
		if ctx.Err() != nil {
			return total, nil
		}
		if err != nil {
			return total, fmt.Errorf("%s: %w", path, err)
		}
		<-tick.C
	}
}

// sendGigabyte sends as fast as the server takes it, and reads nothing, until ctx ends.
func sendGigabyte(ctx context.Context, s *site, two bool, path string) (int64, error) {
	if two {
		return sendGigabyte2(ctx, s, path)
	}
	l, err := s.connect()
	if err != nil {
		return 0, err
	}
	defer l.Close()
	stop := context.AfterFunc(ctx, func() { _ = l.SetDeadline(time.Now()) })
	defer stop()
	if _, err := io.WriteString(l, post(path, 1<<30)); err != nil {
		return 0, err
	}
	total, err := io.Copy(onlyWriter{l}, io.LimitReader(forever{}, 1<<30))
	if ctx.Err() == nil && err != nil {
		return total, fmt.Errorf("%s: %w", path, err)
	}
	return total, nil
}

// onlyWriter keeps io.Copy from knowing better.
type onlyWriter struct{ io.Writer }

// sendGigabyte2 opens one stream and sends within its windows.
func sendGigabyte2(ctx context.Context, s *site, path string) (int64, error) {
	conn, err := s.connect()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	l := newLine2(&line{Conn: conn, t: s.t, r: bufio.NewReader(conn)})
	// The window for the answer stays as it is: nobody reads.
	l.open()
	l.request(1, "POST", path, false)
	stream, connection := int64(65535), int64(65535)
	total := int64(0)
	block := make([]byte, 16<<10)
	for total < 1<<30 {
		for min(stream, connection) < int64(len(block)) {
			f, err := l.framer.ReadFrame()
			if err != nil {
				if ctx.Err() != nil {
					return total, nil
				}
				return total, fmt.Errorf("%s: %w", path, err)
			}
			switch f := f.(type) {
			case *http2.WindowUpdateFrame:
				if f.StreamID == 0 {
					connection += int64(f.Increment)
				} else {
					stream += int64(f.Increment)
				}
			case *http2.SettingsFrame:
				if !f.IsAck() {
					_ = l.framer.WriteSettingsAck()
				}
				if n, ok := f.Value(http2.SettingInitialWindowSize); ok {
					stream += int64(n) - 65535
				}
			case *http2.RSTStreamFrame, *http2.GoAwayFrame:
				return total, fmt.Errorf("%s: heard %v", path, f)
			}
		}
		if err := l.framer.WriteData(1, false, block); err != nil {
			if ctx.Err() != nil {
				return total, nil
			}
			return total, fmt.Errorf("%s: %w", path, err)
		}
		stream -= int64(len(block))
		connection -= int64(len(block))
		total += int64(len(block))
	}
	return total, nil
}
