//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestMemoryLimitUnderSlowPeers: thousands of connections that send and read slowly do not take more memory than
// GOMEMLIMIT and some allow; meanwhile new connections are answered with 200 or 503, and health checks with 200. After
// the flood all is as before. SLOW_PEERS is the number of connections; without it there are as many as take some seconds.
// SLOW_PEERS_CGROUP is a cgroup in which the server runs, without GOMEMLIMIT.
func TestMemoryLimitUnderSlowPeers(t *testing.T) {
	peers, limit, lasts := 3000, int64(32<<20), 3*time.Second
	if n, err := strconv.Atoi(os.Getenv("SLOW_PEERS")); err == nil {
		peers, limit, lasts = n, 64<<20, 40*time.Second
	} else if raceEnabled {
		peers = 500
	}
	cmd := program([]string{fmt.Sprintf("GOMEMLIMIT=%d", limit)}, "serve", "--listen", "127.0.0.1:0", "--head-timeout", "60s")
	if cgroup := os.Getenv("SLOW_PEERS_CGROUP"); cgroup != "" {
		// The limit is that of the cgroup, and the kernel kills what exceeds it.
		cmd.Env = slices.DeleteFunc(cmd.Env, func(v string) bool { return strings.HasPrefix(v, "GOMEMLIMIT=") })
		cmd.Args = append([]string{"sh", "-c", `echo $$ >"$0"/cgroup.procs && exec "$@"`, cgroup, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
	}
	c := begin(t, cmd)
	c.logs("memory limit")

	ctx, end := context.WithCancel(t.Context())
	defer end()
	flood := slowPeers{address: c.address()}
	flood.open(ctx, peers)
	t.Logf("%d of %d peers have connected", flood.connected.Load(), peers)
	seen := honest{t: t, c: c}
	for until := time.Now().Add(lasts); time.Now().Before(until); {
		seen.ask("/")
		seen.ask("/healthz")
		time.Sleep(20 * time.Millisecond)
	}
	program, peak := residentMemory(t, cmd.Process.Pid)
	end()
	flood.running.Wait()
	t.Logf("answers %v, slowest %v, health %v, peak %d MiB, of these %d of files", seen.answers, seen.slowest, seen.health, peak>>20, program>>20)

	if seen.other > 0 {
		t.Errorf("%d answers were neither 200 nor 503", seen.other)
	}
	if !raceEnabled && peak > 2*limit+program {
		t.Errorf("the process took %d MiB at a limit of %d", peak>>20, limit>>20)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if status, _ := c.get("/"); status == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no 200 after the flood")
		}
	}
	c.signal(syscall.SIGTERM)
	if code := c.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// honest is a client that asks over a new connection each time.
type honest struct {
	t       *testing.T
	c       *child
	answers map[int]int // to requests for /
	health  map[int]int // to those for /healthz
	other   int
	slowest time.Duration
}

func (h *honest) ask(path string) {
	if h.answers == nil {
		h.answers, h.health = map[int]int{}, map[int]int{}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	began := time.Now()
	response, err := client.Get("http://" + h.c.address() + path)
	if err != nil {
		h.other++
		h.t.Logf("%s: %v", path, err)
		return
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	h.slowest = max(h.slowest, time.Since(began))
	switch {
	case path != "/":
		h.health[response.StatusCode]++
		if response.StatusCode != 200 {
			h.other++
		}
		return
	case response.StatusCode == 503 && response.Header.Get("Retry-After") == "", response.StatusCode != 200 && response.StatusCode != 503:
		h.other++
	}
	h.answers[response.StatusCode]++
}

// residentMemory returns the resident bytes of files, which are mostly the program, and the peak of all.
func residentMemory(t *testing.T, pid int) (files, peak int64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			switch fields[0] {
			case "RssFile:":
				files = n << 10
			case "VmHWM:":
				peak = n << 10
			}
		}
	}
	return files, peak
}

// slowPeers are clients that send and read slowly.
type slowPeers struct {
	address   string
	connected atomic.Int64
	running   sync.WaitGroup
}

// open opens n connections, with some in progress at a time, and returns when all were tried. Each lives until ctx ends or
// the server closes it, and is then opened again after a while.
func (p *slowPeers) open(ctx context.Context, n int) {
	var first sync.WaitGroup
	turns := make(chan struct{}, 64)
	for i := range n {
		first.Add(1)
		p.running.Go(func() {
			for once := true; ctx.Err() == nil; once = false {
				turns <- struct{}{}
				conn, err := p.dial(ctx)
				<-turns
				if once {
					first.Done()
				}
				if err == nil {
					p.connected.Add(1)
					slowKinds[i%len(slowKinds)](ctx, conn)
					_ = conn.Close()
				}
				wait(ctx, 2*time.Second)
			}
		})
	}
	first.Wait()
}

func (p *slowPeers) dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: patience, Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
	}}
	conn, err := d.DialContext(ctx, "tcp", p.address)
	if err == nil {
		context.AfterFunc(ctx, func() { _ = conn.Close() })
	}
	return conn, err
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// slowKinds are what slow peers do with a connection, until it ends.
var slowKinds = []func(context.Context, net.Conn){
	func(ctx context.Context, c net.Conn) { // a head that never ends
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n")
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := fmt.Fprintf(c, "X-%d: %s\r\n", i%100, strings.Repeat("x", 200)); err != nil {
				return
			}
			wait(ctx, time.Second)
		}
	},
	func(ctx context.Context, c net.Conn) { // a large response, read slowly
		_, _ = io.WriteString(c, "GET /bytes/100000000 HTTP/1.1\r\nHost: x\r\n\r\n")
		readSlowly(ctx, c)
	},
	func(ctx context.Context, c net.Conn) { // an upload that comes back, sent in pieces and read slowly
		_, _ = io.WriteString(c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n")
		go func() {
			for ctx.Err() == nil {
				if _, err := io.WriteString(c, strings.Repeat("y", 4096)); err != nil {
					return
				}
				wait(ctx, 200*time.Millisecond)
			}
		}()
		readSlowly(ctx, c)
	},
	func(ctx context.Context, c net.Conn) { // many requests in a row, whose responses are not read
		request := "GET /headers HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("<", 4000) + "\r\n\r\n"
		go func() {
			for range 50 {
				if _, err := io.WriteString(c, request); err != nil {
					return
				}
				wait(ctx, 100*time.Millisecond)
			}
		}()
		readSlowly(ctx, c)
	},
}

func readSlowly(ctx context.Context, c net.Conn) {
	in := bufio.NewReaderSize(c, 512)
	for ctx.Err() == nil {
		if _, err := in.ReadByte(); err != nil {
			return
		}
		_, _ = in.Discard(in.Buffered())
		wait(ctx, time.Second)
	}
}
