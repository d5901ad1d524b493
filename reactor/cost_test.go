//go:build linux

package reactor

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gatewheel/gatewheel/reactor/certs"
	"github.com/gatewheel/gatewheel/reactor/internal/engine/enginetest"
)

// helloRequest and helloAnswer are a request and its answer, of the size that hello world has in HTTP.
var (
	helloRequest = []byte("GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n")
	helloAnswer  = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!")
)

// helloSession gives the answer for each request.
type helloSession struct {
	conn *Conn
	owed int
	lend bool
}

func (s *helloSession) Receive(in []byte) int {
	n := len(in) / len(helloRequest)
	for range n {
		if s.lend {
			l := s.conn.Loop()
			l.Lend(s.conn, nil)
			s.owed++
			l.Reclaim()
		} else {
			s.owed++
		}
	}
	return n * len(helloRequest)
}

func (s *helloSession) Transmit(dst []byte, _ int) []byte {
	for ; s.owed > 0; s.owed-- {
		dst = append(dst, helloAnswer...)
	}
	return dst
}

func (s *helloSession) EOF() bool    { return false }
func (s *helloSession) Timeout()     {}
func (s *helloSession) Closed(error) {}

// runCostChild is a server of one kind, for as long as standard input is open.
func runCostChild(name string) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if name == "floor" {
		enginetest.Floor(len(helloRequest), helloAnswer, func(addr net.Addr) { fmt.Println(addr) })
		return
	}
	r, err := New(Config{Loops: 1})
	if err != nil {
		panic(err)
	}
	listener := ListenerConfig{Address: "127.0.0.1:0", Open: func(c *Conn) Session { return &helloSession{conn: c, lend: true} }}
	if name == "reactor with TLS" {
		certificate, err := certs.SelfSigned()
		if err != nil {
			panic(err)
		}
		listener.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate}}
	}
	addr, err := r.Listen(listener)
	if err != nil {
		panic(err)
	}
	if err := r.Start(); err != nil {
		panic(err)
	}
	fmt.Println(addr)
	select {}
}

// cpuTime is what all threads of a process have used so far, in nanoseconds.
func cpuTime(t testing.TB, process *os.Process) (sum int64) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", process.Pid))
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var ns int64
		if _, err := fmt.Sscan(string(content), &ns); err != nil {
			t.Fatal(err)
		}
		sum += ns
	}
	return sum
}

// BenchmarkRequest compares what a request costs a server process in CPU time with what it costs
// gnet alone, over 50 connections. Lent code and its two swaps are included. The two take turns, so
// that both see the same machine.
func BenchmarkRequest(b *testing.B) {
	const connections, round = 50, 5000
	kinds := []string{"floor", "reactor"}
	var used [2]int64
	var processes [2]*os.Process
	var conns [2][]net.Conn
	for i, kind := range kinds {
		var s *server
		s, processes[i] = startChild(b, kind)
		conns[i] = costConns(b, s, kind, connections)
	}
	rounds := (b.N + round - 1) / round
	b.ResetTimer()
	for range rounds {
		for i := range kinds {
			before := cpuTime(b, processes[i])
			var clients sync.WaitGroup
			for _, c := range conns[i] {
				clients.Go(func() { greet(b, c, round/connections) })
			}
			clients.Wait()
			used[i] += cpuTime(b, processes[i]) - before
		}
	}
	requests := float64(rounds * round)
	b.ReportMetric(float64(used[0])/requests, "floor-cpu-ns/request")
	b.ReportMetric(float64(used[1])/requests, "reactor-cpu-ns/request")
}
