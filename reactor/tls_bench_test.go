//go:build linux

package reactor

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"
)

// What a TLS connection costs beside one in cleartext, in processor time of the server's process for
// each request, and in its resident memory for each idle connection:
//
//	go test -run '^$' -bench 'TLSRequest|IdleConnection' ./reactor

var costKinds = []string{"reactor", "reactor with TLS"}

// costConns opens n connections to a server of that kind and makes a request on each.
func costConns(t testing.TB, s *server, kind string, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		if kind == "reactor with TLS" {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		}
		greet(t, c, 1)
		conns[i] = c
	}
	t.Cleanup(func() {
		for _, c := range conns {
			c.Close()
		}
	})
	return conns
}

// greet makes n requests, one after the other.
func greet(t testing.TB, c net.Conn, n int) {
	answer := make([]byte, len(helloAnswer))
	for range n {
		if _, err := c.Write(helloRequest); err != nil {
			t.Error(err)
			return
		}
		if _, err := io.ReadFull(c, answer); err != nil {
			t.Error(err)
			return
		}
	}
}

// Cleartext and TLS take turns, so that both see the same machine.
func BenchmarkTLSRequest(b *testing.B) {
	const connections, round = 50, 2000
	var used [2]int64
	var processes [2]*os.Process
	var conns [2][]net.Conn
	for i, kind := range costKinds {
		var s *server
		s, processes[i] = startChild(b, kind)
		conns[i] = costConns(b, s, kind, connections)
	}
	rounds := (b.N + round - 1) / round
	b.ResetTimer()
	for range rounds {
		for i := range costKinds {
			before := cpuTime(b, processes[i])
			var group sync.WaitGroup
			for _, c := range conns[i] {
				group.Go(func() { greet(b, c, round/connections) })
			}
			group.Wait()
			used[i] += cpuTime(b, processes[i]) - before
		}
	}
	b.ReportMetric(float64(used[0])/float64(rounds*round), "cleartext-cpu-ns/request")
	b.ReportMetric(float64(used[1])/float64(rounds*round), "TLS-cpu-ns/request")
}

// BenchmarkIdleConnection measures once, however many iterations are asked for.
func BenchmarkIdleConnection(b *testing.B) {
	const connections = 2000
	for _, kind := range costKinds {
		b.Run(kind, func(b *testing.B) {
			s, process := startChild(b, kind)
			costConns(b, s, kind, 1)
			before := resident(b, process)
			costConns(b, s, kind, connections)
			time.Sleep(6 * time.Second) // what the collector and the scavenger need
			b.ReportMetric(float64(resident(b, process)-before)/connections, "B/connection")
		})
	}
}

// resident is the resident memory of a process, in bytes.
func resident(t testing.TB, process *os.Process) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	kib, err := strconv.Atoi(string(regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
