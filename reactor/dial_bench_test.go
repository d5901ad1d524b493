//go:build linux

package reactor

import (
	"context"
	"crypto/tls"
	"os"
	"testing"
	"time"
)

// The cost of a dial in processor time of the process that dials, and in its memory for each idle connection. The peer is
// another process:
//
//	go test -run '^$' -bench Dial -benchtime 10000x ./reactor

// dialCosts are the kinds of dials whose cost is measured, each with the kind of its peer.
var dialCosts = []struct {
	name, peer string
	config     func() *tls.Config
}{
	{"cleartext", "reactor", func() *tls.Config { return nil }},
	{"TLS", "reactor with TLS", func() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }},
	{"TLS resumed", "reactor with TLS", func() *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	}},
}

// greeter is a session that makes one request and tells when it is answered.
type greeter struct {
	asked    bool
	answered chan<- struct{}
	have     int
}

func (s *greeter) Receive(in []byte) int {
	if s.have += len(in); s.have == len(helloAnswer) {
		s.answered <- struct{}{}
	}
	return len(in)
}

func (s *greeter) Transmit(dst []byte, _ int) []byte {
	if !s.asked {
		s.asked = true
		dst = append(dst, helloRequest...)
	}
	return dst
}

func (s *greeter) EOF() bool    { return false }
func (s *greeter) Timeout()     {}
func (s *greeter) Closed(error) {}

// greetAll dials n connections and makes a request on each.
func greetAll(b *testing.B, l *Loop, address string, config *tls.Config, n int) {
	b.Helper()
	answered := make(chan struct{}, n)
	for range n {
		l.Dial(context.Background(), DialConfig{Address: address, TLS: config,
			Open: func(c *Conn) Session { return &greeter{answered: answered} },
			Fail: func(err error) { b.Error(err); answered <- struct{}{} },
		})
	}
	for range n {
		<-answered
	}
}

// BenchmarkDial dials 16 connections at a time, and resets each when it is open.
func BenchmarkDial(b *testing.B) {
	for _, kind := range dialCosts {
		b.Run(kind.name, func(b *testing.B) {
			peer, _ := startChild(b, kind.peer)
			s := serve(b, Config{Loops: 1, Logger: quiet()}, nil)
			config := kind.config()
			greetAll(b, s.loops[0], peer.addr, config, 1) // the ticket of its session
			ended := make(chan struct{}, 16)
			open := func(c *Conn) Session {
				c.Reset()
				ended <- struct{}{}
				return nil
			}
			fail := func(err error) { b.Error(err); ended <- struct{}{} }
			b.ReportAllocs()
			b.ResetTimer()
			before := processorTime(b)
			for n := 0; n < b.N; n += 16 {
				batch := min(16, b.N-n)
				for range batch {
					s.loops[0].Dial(context.Background(), DialConfig{Address: peer.addr, TLS: config, Open: open, Fail: fail})
				}
				for range batch {
					<-ended
				}
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkIdleDialled measures once, however many iterations are asked for.
func BenchmarkIdleDialled(b *testing.B) {
	const connections = 2000
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		b.Fatal(err)
	}
	for _, kind := range dialCosts {
		b.Run(kind.name, func(b *testing.B) {
			peer, _ := startChild(b, kind.peer)
			s := serve(b, Config{Loops: 1, Logger: quiet()}, nil)
			config := kind.config()
			greetAll(b, s.loops[0], peer.addr, config, 1)
			before := resident(b, self)
			for range connections / 100 {
				greetAll(b, s.loops[0], peer.addr, config, 100)
			}
			time.Sleep(6 * time.Second) // what the collector and the scavenger need
			b.ReportMetric(float64(resident(b, self)-before)/connections, "B/connection")
		})
	}
}
