//go:build linux

package client_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/server"
)

// heap returns the memory in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A client that reads slowly from a backend that sends much costs little memory, and does not delay others on the
// backend's connection.
func TestLiveSlowReader(t *testing.T) {
	for _, scheme := range []string{"http", "h2c"} {
		t.Run(scheme, func(t *testing.T) {
			var p processed
			addr := goBackend(t, &p, func(s *http.Server) {
				hello := s.Handler
				s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/large" {
						hello.ServeHTTP(w, r)
						return
					}
					w.Header().Set("Content-Length", "1073741824")
					for p := make([]byte, 64<<10); ; {
						if _, err := w.Write(p); err != nil {
							return
						}
					}
				})
			})
			l := newLive(t, scheme+"://"+addr, client.OriginOptions{Connections: 1})
			l.load("GET", 50, 300*time.Millisecond)
			alone := l.times(50, time.Second)
			before := heap()
			c, err := net.Dial("tcp", l.addr)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(c, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
			stop, stopped := make(chan struct{}), make(chan int64)
			go func() {
				read, in := int64(0), bufio.NewReader(c)
				for {
					select {
					case <-stop:
						stopped <- read
						return
					case <-time.After(10 * time.Millisecond):
						n, _ := io.CopyN(io.Discard, in, 10<<10)
						read += n
					}
				}
			}()
			meanwhile := l.times(50, 2*time.Second)
			grown := heap() - before
			close(stop)
			t.Logf("%d bytes were read, and memory has grown by %d; others took %v alone, %v with it (99 of 100)", <-stopped, grown, alone, meanwhile)
			c.Close()
			if grown > 8<<20 {
				t.Errorf("memory has grown by %d bytes", grown)
			}
			if meanwhile > 10*alone+500*time.Millisecond {
				t.Errorf("others took %v, and %v before", meanwhile, alone)
			}
		})
	}
}

// times returns the time that 99 of 100 requests of that many users take.
func (l *live) times(users int, d time.Duration) time.Duration {
	all := make([][]time.Duration, users)
	end := time.Now().Add(d)
	done := make(chan struct{})
	for i := range all {
		go func() {
			defer func() { done <- struct{}{} }()
			for time.Now().Before(end) {
				begin := time.Now()
				resp, err := l.user.Get("http://" + l.addr + "/")
				if err != nil {
					l.t.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				all[i] = append(all[i], time.Since(begin))
			}
		}()
	}
	for range all {
		<-done
	}
	together := slices.Concat(all...)
	slices.Sort(together)
	return together[len(together)*99/100]
}

// The loop is taken from a handler that blocks it. Requests of others that are out meanwhile go on.
func TestLiveStalledLoop(t *testing.T) {
	for _, scheme := range []string{"http", "h2c"} {
		t.Run(scheme, func(t *testing.T) {
			var p processed
			arrived := make(chan struct{}, 10)
			goOn := make(chan struct{})
			addr := goBackend(t, &p, func(s *http.Server) {
				hello := s.Handler
				s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					arrived <- struct{}{}
					<-goOn
					hello.ServeHTTP(w, r)
				})
			})
			blocked := make(chan struct{})
			release := make(chan struct{})
			l := newLive(t, scheme+"://"+addr, client.OriginOptions{}, func(l *live, c *server.Config) {
				c.Loops = 1
				c.Stall.Timeout = 300 * time.Millisecond
				c.Handler = func(r *app.Request) app.Answer {
					if r.Target == "/block" {
						close(blocked)
						<-release
					}
					return l.serve(r)
				}
			})
			answered := make(chan error, 1)
			go func() {
				resp, err := l.user.Get("http://" + l.addr + "/")
				if err == nil {
					var b []byte
					b, err = io.ReadAll(resp.Body)
					resp.Body.Close()
					if string(b) != "hello" {
						err = fmt.Errorf("got %q", b)
					}
				}
				answered <- err
			}()
			<-arrived
			go func() {
				if resp, err := l.user.Get("http://" + l.addr + "/block"); err == nil {
					resp.Body.Close()
				}
			}()
			<-blocked
			time.AfterFunc(500*time.Millisecond, func() { close(goOn) })
			select {
			case err := <-answered:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(patience):
				t.Error("the request is not answered")
			}
			close(release)
			if _, _, err := l.once("/"); err != nil {
				t.Error(err)
			}
		})
	}
}
