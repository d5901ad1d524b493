//go:build linux

package main

import (
	"bufio"
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
	"sync/atomic"
	"testing"
	"time"
)

// attack is one way in which a peer tries to take more than its share.
type attack struct {
	name  string
	flags []string
	// peers is how many connections attack at the same time; 0: one.
	peers int
	// tls attacks the TLS listener, below TLS.
	tls bool
	// run attacks over one connection until the server or a.over ends it. It is called again then, with
	// a new connection.
	run func(a *attacker)
}

// attacker is one connection that attacks.
type attacker struct {
	net.Conn
	ended *atomic.Bool
}

// over reports whether the attack is to end.
func (a *attacker) over() bool { return a.ended.Load() }

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
	attackTime = 1500 * time.Millisecond
	// attackMemory bounds what one attacker may make the server hold.
	attackMemory = 64 << 20
	// probeTime is within what time others are to be answered: 100 ms, and as much again since attackers and
	// other tests share the machine. The median counts; each answer is bounded by patience.
	probeTime = 200 * time.Millisecond
)

// TestAttacks makes each attack against a server with one loop. The server lives, a connection that was
// there before and new ones are answered meanwhile, and the memory is bounded and comes back.
func TestAttacks(t *testing.T) {
	for _, kind := range [][]attack{http1Attacks, http2Attacks, webSocketAttacks, tlsAttacks} {
		for _, a := range kind {
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

	var ended atomic.Bool
	var attackers sync.WaitGroup
	for range max(a.peers, 1) {
		attackers.Go(func() { a.again(address, &ended) })
	}
	old, fresh := probe(t, standing, c.address())
	ended.Store(true)
	attackers.Wait()

	peak := c.memory("VmHWM") - before
	t.Logf("a standing connection is answered within %v, new ones within %v (medians), %d KiB held at most", old, fresh, peak>>10)
	if old > probeTime || fresh > probeTime {
		t.Errorf("answers take %v on a standing connection and %v on new ones", old, fresh)
	}
	if peak > attackMemory*int64(max(a.peers, 1)) {
		t.Errorf("%d MiB were held at the peak", peak>>20)
	}
	c.recovers(before)
}

// again attacks by one connection after the other.
func (a *attack) again(address string, ended *atomic.Bool) {
	for !ended.Load() {
		conn, err := net.DialTimeout("tcp", address, patience)
		if err != nil {
			continue
		}
		// What waits for the peer does not outlast the attack.
		stop := time.AfterFunc(attackTime+time.Second, func() { _ = conn.Close() })
		a.run(&attacker{conn, ended})
		stop.Stop()
		_ = conn.Close()
	}
}

// probe asks for attackTime, on the standing connection and on new ones, and returns how long the answers
// take: the medians.
func probe(t *testing.T, standing *prober, address string) (old, fresh time.Duration) {
	t.Helper()
	var olds, freshes []time.Duration
	for end := time.Now().Add(attackTime); time.Now().Before(end); {
		start := time.Now()
		if err := standing.ask(); err != nil {
			t.Fatalf("the standing connection: %v", err)
		}
		olds = append(olds, time.Since(start))
		start = time.Now()
		newcomer := &prober{address: address}
		err := newcomer.ask()
		newcomer.close()
		if err != nil {
			t.Fatalf("a new connection: %v", err)
		}
		freshes = append(freshes, time.Since(start))
	}
	slices.Sort(olds)
	slices.Sort(freshes)
	return olds[len(olds)/2], freshes[len(freshes)/2]
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
		if more := c.memory("VmRSS") - before; more < attackMemory/4 {
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
