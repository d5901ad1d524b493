//go:build linux

package reactor

import (
	"context"
	"net"
	"testing"
)

// BenchmarkDial dials 16 connections at a time over loopback, and closes them. The peer's accept and close are included.
func BenchmarkDial(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan net.Conn, 16)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	s := serve(b, Config{Loops: 1, Logger: quiet()}, nil)
	closed := make(chan struct{}, 16)
	open := func(c *Conn) Session {
		c.Reset()
		closed <- struct{}{}
		return nil
	}
	fail := func(err error) { b.Error(err); closed <- struct{}{} }
	address := ln.Addr().String()
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	for n := 0; n < b.N; n += 16 {
		batch := min(16, b.N-n)
		for range batch {
			s.loops[0].Dial(context.Background(), DialConfig{Address: address, Open: open, Fail: fail})
		}
		for range batch {
			<-closed
			_ = (<-accepted).Close()
		}
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}
