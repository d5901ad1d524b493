//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// distantRelay passes connections on to address, and delays what it passes in either direction.
func distantRelay(t *testing.T, address string, delay time.Duration) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", address)
			if err != nil {
				_ = near.Close()
				continue
			}
			go passLate(far, near, delay)
			go passLate(near, far, delay)
		}
	}()
	return l.Addr().String()
}

// passLate copies src to dst, each piece delay after it has come.
func passLate(dst, src net.Conn, delay time.Duration) {
	type piece struct {
		due  time.Time
		data []byte
	}
	way := make(chan piece, 1<<14)
	go func() {
		defer close(way)
		for {
			data := make([]byte, 64<<10)
			n, err := src.Read(data)
			if n > 0 {
				way <- piece{time.Now().Add(delay), data[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range way {
		time.Sleep(time.Until(p.due)) // the distance
		if _, err := dst.Write(p.data); err != nil {
			break
		}
	}
	_ = dst.Close()
	_ = src.Close()
	for range way {
	}
}

// distantUpload uploads n bytes by the client, and returns the time that it takes.
func distantUpload(t *testing.T, client http.RoundTripper, address string, n int64) time.Duration {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+address+"/upload", io.LimitReader(zeros{}, n))
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	resp, err := client.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%d %s: %v", resp.StatusCode, text, err)
	}
	return time.Since(begin)
}

// zeros is content without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func overHTTP2() *http.Transport {
	t := &http.Transport{Protocols: new(http.Protocols)}
	t.Protocols.SetUnencryptedHTTP2(true)
	return t
}

// TestDistantUploads: with 20 ms in either direction one HTTP/2 stream is about as fast as HTTP/1.1, whose window is the
// kernel's. With a window of 64 KiB it had some 1.6 MB/s.
func TestDistantUploads(t *testing.T) {
	address := distantRelay(t, serve(t).address(), 20*time.Millisecond)
	const n = 64 << 20
	h1 := new(http.Transport)
	h2 := overHTTP2()
	defer h1.CloseIdleConnections()
	defer h2.CloseIdleConnections()
	first, second := distantUpload(t, h1, address, n), distantUpload(t, h2, address, n)
	rate := func(d time.Duration) string { return fmt.Sprintf("%.0f MB/s", float64(n)/d.Seconds()/1e6) }
	t.Logf("HTTP/1.1 %s, HTTP/2 %s", rate(first), rate(second))
	if second > 2*first+2*time.Second {
		t.Errorf("HTTP/2 takes %v, HTTP/1.1 %v", second, first)
	}
}

// testH2Windows: where windows may not grow, each round trip of 40 ms carries 64 KiB at most.
func testH2Windows(t *testing.T) {
	for _, flag := range []string{"--h2-max-window=65535", "--h2-window-memory=1"} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			address := distantRelay(t, serve(t, flag).address(), 20*time.Millisecond)
			client := overHTTP2()
			defer client.CloseIdleConnections()
			const trips = 32
			if d := distantUpload(t, client, address, trips<<16); d < (trips-1)*40*time.Millisecond {
				t.Errorf("%d windows of content take %v", trips, d)
			}
		})
	}
}
