//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// attack is one way in which a peer tries to take more than its share.
type attack struct {
	name  string
	flags []string
	// peers is how many connections attack at the same time; 0: one.
	peers int
	// tls attacks the TLS listener, below TLS.
	tls bool
	// backlog reports that the attack fills the queue of the listening socket, which is served in order:
	// new connections may wait ten times as long there.
	backlog bool
	// run attacks over one connection until the server or a.over ends it. It is called again then, with
	// a new connection.
	run func(a *attacker)
}

// attacker is one connection that attacks.
type attacker struct {
	net.Conn
	ctx context.Context // of the attack
}

// over reports whether the attack is to end.
func (a *attacker) over() bool { return a.ctx.Err() != nil }

// write sends bytes, and reports whether it may go on.
func (a *attacker) write(p []byte) bool {
	_, err := a.Conn.Write(p)
	return err == nil && !a.over()
}

func (a *attacker) say(text string) bool { return a.write([]byte(text)) }

// repeat sends the same bytes over and over.
func (a *attacker) repeat(p []byte) {
	for a.write(p) {
	}
}

// drain reads and forgets whatever the server sends.
func (a *attacker) drain() { go func() { _, _ = io.Copy(io.Discard, a.Conn) }() }

// hold keeps the connection until the attack or the server ends it. It reads nothing.
func (a *attacker) hold() {
	for !a.over() {
		_ = a.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		var p [1]byte
		if _, err := a.Read(p[:]); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}

const (
	// attackTime is how long each attack lasts.
	attackTime = 500 * time.Millisecond
	// attackMemory bounds what one attacker may make the server hold.
	attackMemory = 64 << 20
	// probeWork bounds the CPU time that the server spends until it has answered others: on a machine
	// with nothing else to do, their latency.
	probeWork = 100 * time.Millisecond
	// probeTime bounds the latency itself. Attackers and other tests share the machine.
	probeTime = time.Second
)

// raceShare is how many attacks there are to one that is made with the race detector.
const raceShare = 3

// TestAttacks makes each attack against a server with one loop. The server lives, a connection that was
// there before and new ones are answered meanwhile, and the memory is bounded and comes back.
func TestAttacks(t *testing.T) {
	for _, kind := range [][]attack{http1Attacks, http2Attacks, webSocketAttacks, tlsAttacks} {
		for i, a := range kind {
			if raceEnabled && i%raceShare != 0 {
				continue
			}
			t.Run(a.name, func(t *testing.T) { a.mount(t) })
		}
	}
}

func (a *attack) mount(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.txt"), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--loops", "1", "--root", root, "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--tls-self-signed"}
	c := serve(t, append(flags, a.flags...)...)
	address := c.address()
	if a.tls {
		address = strings.TrimPrefix(c.urls[1], "https://")
	}
	standing := &prober{address: c.address()}
	defer standing.close()
	if err := standing.ask(); err != nil {
		t.Fatal(err)
	}
	c.resetPeak()
	before := c.memory("VmRSS")

	ctx, end := context.WithCancel(t.Context())
	var attackers sync.WaitGroup
	for range max(a.peers, 1) {
		attackers.Go(func() { a.again(ctx, address) })
	}
	old, fresh := c.probe(standing)
	end()
	attackers.Wait()

	peak := c.memory("VmHWM") - before
	t.Logf("a standing connection is answered after %v, new ones after %v (medians); %d KiB held at most", old, fresh, peak>>10)
	newcomers := time.Duration(1)
	if a.backlog {
		newcomers = 10
	}
	if old.exceeds(1) || fresh.exceeds(newcomers) {
		t.Errorf("a standing connection is answered after %v, new ones after %v", old, fresh)
	}
	if peak > attackMemory*int64(max(a.peers, 1)) {
		t.Errorf("%d MiB were held at the peak", peak>>20)
	}
	c.recovers(before)
}

// again attacks over one connection after the other, until ctx ends. It closes the last then.
func (a *attack) again(ctx context.Context, address string) {
	for ctx.Err() == nil {
		conn, err := net.DialTimeout("tcp", address, patience)
		if err != nil {
			continue
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		a.run(&attacker{conn, ctx})
		stop()
		_ = conn.Close()
	}
}

// latency is what an answer takes: time, and CPU time of the server meanwhile.
type latency struct{ wall, work time.Duration }

func (l latency) String() string { return fmt.Sprintf("%v (%v of CPU time)", l.wall, l.work) }

// exceeds reports whether l is more than times the bounds.
func (l latency) exceeds(times time.Duration) bool {
	if raceEnabled {
		times *= 10 // what the race detector costs (its documentation: 2-20 times)
	}
	return l.wall > times*probeTime || l.work > times*probeWork
}

// probe asks for attackTime on the standing connection and on new ones, and returns the median latencies.
func (c *child) probe(standing *prober) (old, fresh latency) {
	c.t.Helper()
	var olds, freshes []latency
	for end := time.Now().Add(attackTime); len(olds) < 3 || time.Now().Before(end); {
		olds = append(olds, c.timed(standing))
		newcomer := &prober{address: c.address()}
		freshes = append(freshes, c.timed(newcomer))
		newcomer.close()
	}
	return median(olds), median(freshes)
}

// timed has p ask once.
func (c *child) timed(p *prober) latency {
	c.t.Helper()
	start, work := time.Now(), c.cpuTime()
	if err := p.ask(); err != nil {
		c.t.Fatalf("an honest client: %v", err)
	}
	return latency{time.Since(start), c.cpuTime() - work}
}

// median returns the medians of time and CPU time.
func median(all []latency) latency {
	var walls, works []time.Duration
	for _, l := range all {
		walls, works = append(walls, l.wall), append(works, l.work)
	}
	slices.Sort(walls)
	slices.Sort(works)
	return latency{walls[len(all)/2], works[len(all)/2]}
}

// cpuTime returns the CPU time that the server has used (clock_getcpuclockid(3)).
func (c *child) cpuTime() time.Duration {
	c.t.Helper()
	const scheduled = 2 // CPUCLOCK_SCHED of the kernel: user and system time
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^c.cmd.Process.Pid<<3|scheduled), &used); err != nil {
		c.t.Fatal(err)
	}
	return time.Duration(used.Nano())
}

// prober is an honest client.
type prober struct {
	address string
	conn    net.Conn
	in      *bufio.Reader
}

// ask sends a request and wants its answer.
func (p *prober) ask() error {
	if p.conn == nil {
		conn, err := net.DialTimeout("tcp", p.address, patience)
		if err != nil {
			return err
		}
		p.conn, p.in = conn, bufio.NewReader(conn)
	}
	if err := p.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(p.conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		return err
	}
	response, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && string(text) != "Hello, World!" {
		err = fmt.Errorf("%s: %q", response.Status, text)
	}
	return err
}

func (p *prober) close() {
	if p.conn != nil {
		_ = p.conn.Close()
	}
}

// memory returns a line of /proc/PID/status, in bytes.
func (c *child) memory(line string) int64 {
	c.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(l, line+":"); ok {
			kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				c.t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	c.t.Fatalf("no line %s", line)
	return 0
}

// resetPeak makes VmHWM what VmRSS is (proc(5), clear_refs).
func (c *child) resetPeak() {
	c.t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", c.cmd.Process.Pid), []byte("5"), 0); err != nil {
		c.t.Fatal(err)
	}
}

// recovers waits until all connections have left and the memory has come back, but for a quarter of what an
// attacker may take: the runtime keeps some for later.
func (c *child) recovers(before int64) {
	c.t.Helper()
	for deadline := time.Now().Add(2 * patience); ; time.Sleep(20 * time.Millisecond) {
		allowed := int64(attackMemory / 4)
		if raceEnabled {
			allowed *= 8 // the race detector keeps shadow memory of eight times the size
		}
		if more := c.memory("VmRSS") - before; more < allowed {
			return
		} else if time.Now().After(deadline) {
			c.t.Fatalf("%d MiB more than before are held when the attackers have left", more>>20)
		}
	}
}

const forever = "GET /delay/1h HTTP/1.1\r\nHost: a\r\n\r\n"

var http1Attacks = []attack{
	// Slowloris: heads that never end, on very many connections.
	{name: "h1 half heads", peers: 500, run: func(a *attacker) {
		for a.say("GET / HTTP/1.1\r\nHost: a\r\nX-") {
			a.hold()
		}
	}},
	{name: "h1 silence", peers: 500, run: (*attacker).hold},
	{name: "h1 churn", peers: 4, run: func(*attacker) {}},
	{name: "h1 churn with requests", peers: 4, run: func(a *attacker) { a.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }},
	// Peers that have left still have a request under way.
	{name: "h1 leavers", peers: 4, run: func(a *attacker) { a.say(forever) }},
	{name: "h1 half-closed", peers: 100, run: func(a *attacker) {
		a.say(forever)
		_ = a.Conn.(*net.TCPConn).CloseWrite()
		a.hold()
	}},
	{name: "h1 hoarders", peers: 500, run: func(a *attacker) {
		a.say(forever)
		a.hold()
	}},
	{name: "h1 answers unread", peers: 4, run: func(a *attacker) {
		a.repeat([]byte(strings.Repeat("GET /headers HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("<", 4000)+"\r\n\r\n", 10)))
	}},
	{name: "h1 large answers unread", peers: 4, run: func(a *attacker) {
		a.repeat([]byte(strings.Repeat("GET /bytes/1MiB HTTP/1.1\r\nHost: a\r\n\r\n", 100)))
	}},
	{name: "h1 pipelining", run: func(a *attacker) {
		a.drain()
		a.repeat([]byte(strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 500)))
	}},
	{name: "h1 large heads", run: func(a *attacker) {
		a.drain()
		a.repeat([]byte("GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-"+strings.Repeat("x", 400)+": y\r\n", 100) + "\r\n"))
	}},
	{name: "h1 endless line", run: func(a *attacker) {
		a.say("GET /")
		a.repeat([]byte(strings.Repeat("a", 4096)))
	}},
	{name: "h1 one-byte chunks", run: func(a *attacker) {
		a.drain()
		a.say("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
		a.repeat([]byte(strings.Repeat("1\r\nx\r\n", 2000)))
	}},
	{name: "h1 chunk extensions", run: func(a *attacker) {
		a.say("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1")
		a.repeat([]byte(strings.Repeat(";a=b", 1000)))
	}},
	{name: "h1 endless trailers", run: func(a *attacker) {
		a.say("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
		a.repeat([]byte(strings.Repeat("X: y\r\n", 500)))
	}},
	{name: "h1 echo unread", run: func(a *attacker) {
		a.say("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
		a.repeat([]byte("4000\r\n" + strings.Repeat("x", 0x4000) + "\r\n"))
	}},
	{name: "h1 ranges", run: func(a *attacker) {
		a.drain()
		a.repeat([]byte("GET /file/a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=" + strings.Repeat("0-,", 2000) + "0-\r\n\r\n"))
	}},
	{name: "h1 garbage", peers: 2, run: func(a *attacker) { a.say("\x00\x01\x02\r\n\r\n") }},
}

// tlsHello begins a handshake that never goes on.
const tlsHello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

var tlsAttacks = []attack{
	{name: "TLS half handshakes", tls: true, peers: 300, run: func(a *attacker) {
		a.say(tlsHello)
		a.hold()
	}},
	{name: "TLS handshakes", tls: true, peers: 2, run: func(a *attacker) {
		_ = tls.Client(a.Conn, &tls.Config{InsecureSkipVerify: true}).Handshake()
	}},
	{name: "TLS garbage", tls: true, peers: 2, run: func(a *attacker) { a.say("GET / HTTP/1.1\r\n\r\n") }},
}
