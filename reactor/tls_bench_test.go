//go:build linux

package reactor

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a TLS connection costs beside one in cleartext, in processor time of the server's process for
// each request, and in its resident memory for each idle connection. The server is this test binary,
// started by itself, so that the clients' costs stay out:
//
//	go test -run '^$' -bench 'ServerCPU|ServerMemory' ./reactor

// costServer tells this test binary to be the server.
const costServer = "GATEWHEEL_TEST_COST_SERVER"

const cannedAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!"

// A canned session gives each request the same answer.
type canned struct {
	conn    *Conn
	pending int
}

func (s *canned) Receive(in []byte) int {
	used := 0
	for {
		end := bytes.Index(in[used:], []byte("\r\n\r\n"))
		if end < 0 {
			return used
		}
		used += end + 4
		s.pending++
	}
}

func (s *canned) Transmit(dst []byte, _ int) []byte {
	for ; s.pending > 0; s.pending-- {
		dst = append(dst, cannedAnswer...)
	}
	return dst
}

func (s *canned) EOF() bool    { return false }
func (s *canned) Timeout()     {}
func (s *canned) Closed(error) {}

func TestCostServer(t *testing.T) {
	kind, ok := os.LookupEnv(costServer)
	if !ok {
		return
	}
	r, err := New(Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	listener := ListenerConfig{Address: "127.0.0.1:0", Open: func(c *Conn) Session { return &canned{conn: c} }}
	if kind == "TLS" {
		listener.TLS = serverConfig(t)
	}
	addr, err := r.Listen(listener)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("address %s.\n", addr)
	io.Copy(io.Discard, os.Stdin)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	r.Stop(over)
}

// A costed server is one whose process is watched.
type costed struct {
	t    testing.TB
	pid  int
	addr string
	dial func() (net.Conn, error)
}

func startCosted(t testing.TB, kind string) *costed {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCostServer$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), costServer+"="+kind)
	d := talk(t, cmd)
	d.want(".\n")
	s := &costed{t: t, pid: cmd.Process.Pid, addr: regexp.MustCompile(`address (.*)\.`).FindStringSubmatch(d.text())[1]}
	s.dial = func() (net.Conn, error) { return net.Dial("tcp", s.addr) }
	if kind == "TLS" {
		s.dial = func() (net.Conn, error) { return tls.Dial("tcp", s.addr, &tls.Config{InsecureSkipVerify: true}) }
	}
	return s
}

func (s *costed) request(c net.Conn, answer []byte) {
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		s.t.Error(err)
		return
	}
	if _, err := io.ReadFull(c, answer); err != nil {
		s.t.Error(err)
	}
}

// connect opens n connections and makes a request on each.
func (s *costed) connect(n int) []net.Conn {
	s.t.Helper()
	conns := make([]net.Conn, n)
	answer := make([]byte, len(cannedAnswer))
	for i := range conns {
		c, err := s.dial()
		if err != nil {
			s.t.Fatal(err)
		}
		s.request(c, answer)
		conns[i] = c
	}
	s.t.Cleanup(func() {
		for _, c := range conns {
			c.Close()
		}
	})
	return conns
}

// cpu is the processor time that the process has used.
func (s *costed) cpu() time.Duration {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", s.pid))
	if err != nil {
		s.t.Fatal(err)
	}
	total := time.Duration(0)
	for _, task := range tasks {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", s.pid, task.Name()))
		if err != nil {
			continue
		}
		ns, _ := strconv.ParseInt(strings.Fields(string(stat))[0], 10, 64)
		total += time.Duration(ns)
	}
	return total
}

func (s *costed) resident() int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		s.t.Fatal(err)
	}
	kib, _ := strconv.Atoi(string(regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)[1]))
	return kib << 10
}

// Cleartext and TLS take turns, so that both see the same machine.
func BenchmarkServerCPU(b *testing.B) {
	kinds := []string{"cleartext", "TLS"}
	servers, conns := map[string]*costed{}, map[string][]net.Conn{}
	for _, kind := range kinds {
		servers[kind] = startCosted(b, kind)
		conns[kind] = servers[kind].connect(50)
	}
	used := map[string]time.Duration{}
	b.ResetTimer()
	for done := 0; done < b.N; done += 2000 {
		for _, kind := range kinds {
			s := servers[kind]
			before := s.cpu()
			var group sync.WaitGroup
			for _, c := range conns[kind] {
				group.Go(func() {
					answer := make([]byte, len(cannedAnswer))
					for range 2000 / len(conns[kind]) {
						s.request(c, answer)
					}
				})
			}
			group.Wait()
			used[kind] += s.cpu() - before
		}
	}
	rounds := (b.N + 1999) / 2000
	for _, kind := range kinds {
		b.ReportMetric(float64(used[kind].Microseconds())/float64(rounds*2000), kind+"-µs/request")
	}
	b.ReportMetric(float64(used["TLS"])/float64(used["cleartext"]), "TLS/cleartext")
}

func BenchmarkServerMemory(b *testing.B) {
	const connections = 2000
	for _, kind := range []string{"cleartext", "TLS"} {
		b.Run(kind, func(b *testing.B) {
			// One measurement, however many iterations are asked for.
			s := startCosted(b, kind)
			s.connect(1)
			before := s.resident()
			s.connect(connections)
			time.Sleep(6 * time.Second) // what the collector and the scavenger need
			b.ReportMetric(float64(s.resident()-before)/connections, "B/connection")
		})
	}
}
